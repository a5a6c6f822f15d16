"""Compiles a Cython file of the tests, against the installed .pxd files, and loads it.

`python -m tests.window FOLDER` only compiles `inside.pyx`.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, Callable

import timers

# .so or .pyd
EXTENSION = Path(str(sysconfig.get_config_var("EXT_SUFFIX"))).suffix


def compile(folder: Path, name: str = "inside") -> None:
    shutil.copy(Path(__file__).with_name(f"{name}.pyx"), folder)
    # Cython looks along the path, and so misses a package that is installed for editing.
    environment = {**os.environ, "PYTHONPATH": str(Path(timers.__file__).parents[1])}
    # Else its import would turn the lock of a free-threaded interpreter on.
    directive = "freethreading_compatible=True"
    command = [sys.executable, "-m", "Cython.Build.Cythonize", "--inplace", "-X", directive, f"{name}.pyx"]
    subprocess.run(command, cwd=folder, env=environment, check=True)


def load(folder: Path, name: str = "inside") -> Any:
    (module,) = (file for file in folder.glob(f"{name}.*") if file.suffix == EXTENSION)
    specification = importlib.util.spec_from_file_location(name, module)
    assert specification is not None and specification.loader is not None
    loaded = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(loaded)
    return loaded


def libraries() -> list[ctypes.CDLL]:
    return [ctypes.CDLL(str(file)) for file in Path(timers.__file__).parent.iterdir() if file.suffix == EXTENSION]


def is_traced() -> bool:
    """Whether this is a build with failing.h in front."""
    return hasattr(libraries()[0], "timers_failing")


# What all libraries of a traced build look at.
_counter = (ctypes.c_long * 2)(-1, -1)


def switches() -> tuple[Callable[[int, int], None], Callable[[], None]]:
    """Makes allocations fail, from a number on to another, or all from then on if that is 0; and no more."""
    if is_traced():
        for library in libraries():
            ctypes.c_void_p.in_dll(library, "timers_failing").value = ctypes.addressof(_counter)

        def fail(start: int, stop: int) -> None:
            _counter[:] = [start, stop - start if stop else -1]

        return fail, lambda: fail(-1, 0)
    import _testcapi  # type: ignore[import-not-found]

    return _testcapi.set_nomemory, _testcapi.remove_mem_hooks


def look(folder: Path) -> Any:
    """The module `inside`, with the memory in its hands."""
    inside = load(folder)
    inside.fail, inside.restore = switches()
    return inside


if __name__ == "__main__":
    compile(Path(sys.argv[1]))
