"""Compiles the Cython files of this folder when a benchmark starts."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pyximport

NEEDS = {
    "floors": "a C compiler and the headers of Python",
    "native": "a C++ compiler and the headers of Python",
    "callgrind": "a C compiler, the headers of Python and those of valgrind",
}

# Each checkout has its own: a module that another one left would be taken for the newer.
FOLDER = Path(__file__).parents[1] / "build" / "bench"


def load(name: str) -> tuple[ModuleType | None, str]:
    """The module, or why there is none. The result is kept."""
    importers = pyximport.install(pyimport=False, build_dir=str(FOLDER), language_level=3)
    try:
        return importlib.import_module(f"bench.{name}"), ""
    except ImportError:
        return None, f"bench/{name}.pyx does not compile here; it needs {NEEDS[name]}"
    finally:
        pyximport.uninstall(*importers)
