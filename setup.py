"""Compiles the extension modules; everything else stands in pyproject.toml.

Environment variables, for the tools in tests/proof and never for a release:
TIMERS_SANITIZE=address (with undefined behaviour) or thread; TIMERS_TRACE=1 for line coverage.
"""

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
    def finalize_options(self):
        super().finalize_options()
        # One compiler for each processor, unless `--parallel` says otherwise.
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self):
        try:
            super().build_extensions()
        except (CompileError, LinkError, PlatformError) as error:
            sys.exit(
                f"{error}\nmultinotifier could not be compiled: it needs a C compiler and Python's headers "
                "(Debian, Ubuntu: apt install gcc python3-dev; macOS: xcode-select --install; "
                "Windows: the C++ build tools of Visual Studio)"
            )


# Later ones know earlier ones.
ROOMS = (
    *("times", "arrow", "columns", "keys", "keeping", "boxes", "crowd", "index"),
    *("wheel", "sharing", "reach", "cascade", "insertion", "forwarding", "expiry", "removal", "invariants"),
    *("timerqueue", "spots", "timerset", "due", "search", "lookup", "numbers", "entries", "pending", "copies"),
    *("state", "face", "notifier", "views", "deadlines"),
)

SANITIZERS = {"": None, "address": "address,undefined", "thread": "thread"}
sanitizer = SANITIZERS[os.environ.get("TIMERS_SANITIZE", "")]
trace = bool(os.environ.get("TIMERS_TRACE"))

flags = []
if sanitizer:
    flags = f"-O1 -g -fno-omit-frame-pointer -fsanitize={sanitizer} -fno-sanitize-recover=undefined".split()
macros = [("CYTHON_TRACE", 1), ("CYTHON_TRACE_NOGIL", 1), ("CYTHON_USE_SYS_MONITORING", 0)] if trace else []

setup(
    cmdclass={"build_ext": BuildExt},
    ext_modules=cythonize(
        [
            Extension(
                f"timers.{name}",
                [f"timers/{name}.pyx"],
                extra_compile_args=flags,
                extra_link_args=flags,
                define_macros=macros,
            )
            for name in ROOMS
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
            "linetrace": trace,
        },
        # Coverage looks for the C files beside their sources.
        build_dir=None if trace else "build",
    ),
)
