"""Compiles the extension modules; everything else stands in pyproject.toml."""

import os
import sys

if sys.version_info < (3, 9):
    sys.exit("multinotifier needs Python 3.9 or newer, and this is Python " + sys.version.split()[0])

try:
    from Cython.Build import cythonize
    from setuptools import Extension, setup
    from setuptools.command.build_ext import build_ext
    from setuptools.errors import CompileError, LinkError, PlatformError
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is missing: run `pip install -e '.[test]'` first")


class BuildExt(build_ext):
    def build_extensions(self):
        try:
            super().build_extensions()
        except (CompileError, LinkError, PlatformError) as error:
            sys.exit(
                f"{error}\nmultinotifier could not be compiled: it needs a C compiler and Python's headers "
                "(Debian, Ubuntu: apt install gcc python3-dev; macOS: xcode-select --install; "
                "Windows: the C++ build tools of Visual Studio)"
            )


flags = []
if os.environ.get("TIMERS_SANITIZE"):
    flags = ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]

setup(
    cmdclass={"build_ext": BuildExt},
    ext_modules=cythonize(
        [
            Extension(f"timers.{name}", [f"timers/{name}.pyx"], extra_compile_args=flags, extra_link_args=flags)
            for name in ("wheel", "notifier")
        ],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
            # Plain method descriptors: a call is cheaper, and `inspect.signature` reads the text signature.
            "binding": False,
            "embedsignature": True,
            "embedsignature.format": "clinic",
            "freethreading_compatible": True,
        },
        build_dir="build",
    ),
)
