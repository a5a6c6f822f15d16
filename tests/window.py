"""Compiles `inside.pyx` and loads it: `python -m tests.window FOLDER` only compiles."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import timers

# .so or .pyd
EXTENSION = Path(str(sysconfig.get_config_var("EXT_SUFFIX"))).suffix


def compile(folder: Path) -> None:
    shutil.copy(Path(__file__).with_name("inside.pyx"), folder)
    # Cython looks along the path, and so misses a package that is installed for editing.
    environment = {**os.environ, "PYTHONPATH": str(Path(timers.__file__).parents[1])}
    command = [sys.executable, "-m", "Cython.Build.Cythonize", "--inplace", "inside.pyx"]
    subprocess.run(command, cwd=folder, env=environment, check=True)


def load(folder: Path) -> Any:
    (module,) = (file for file in folder.iterdir() if file.suffix == EXTENSION)
    specification = importlib.util.spec_from_file_location("inside", module)
    assert specification is not None and specification.loader is not None
    inside = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(inside)
    return inside


if __name__ == "__main__":
    compile(Path(sys.argv[1]))
