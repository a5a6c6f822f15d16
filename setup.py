"""Compiles the extension modules; everything else stands in pyproject.toml."""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

flags = []
if os.environ.get("TIMERS_SANITIZE"):
    flags = "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined".split()

setup(
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
    )
)
