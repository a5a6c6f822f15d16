"""Compiles the floors (floors.pyx) and the rivals in C++ (native.pyx) when a benchmark starts, outside the tree."""

from __future__ import annotations

import importlib
from types import ModuleType

import pyximport


def load(name: str) -> tuple[ModuleType | None, str]:
    """The module, or why there is none. The result is kept in pyximport's cache folder."""
    importers = pyximport.install(pyimport=False, language_level=3)
    try:
        return importlib.import_module(f"bench.{name}"), ""
    except ImportError as error:
        return None, f"bench/{name}.pyx does not compile here ({str(error).splitlines()[0]})"
    finally:
        pyximport.uninstall(*importers)
