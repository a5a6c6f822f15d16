"""Compiles the Cython files of this folder when a benchmark starts, outside the tree."""

from __future__ import annotations

import importlib
from types import ModuleType

import pyximport

NEEDS = {
    "floors": "a C compiler and the headers of Python",
    "native": "a C++ compiler and the headers of Python",
    "callgrind": "a C compiler, the headers of Python and those of valgrind",
}


def load(name: str) -> tuple[ModuleType | None, str]:
    """The module, or why there is none. The result is kept in pyximport's cache folder."""
    importers = pyximport.install(pyimport=False, language_level=3)
    try:
        return importlib.import_module(f"bench.{name}"), ""
    except ImportError:
        return None, f"bench/{name}.pyx does not compile here; it needs {NEEDS[name]}"
    finally:
        pyximport.uninstall(*importers)
