"""Builds of the extension in a folder of their own: sanitized, traced, mutated, with planted faults, by other interpreters."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).parents[2]
PARTS = ("setup.py", "pyproject.toml", "LICENSE", "README.md", "timers", "tests")
IGNORED = shutil.ignore_patterns("*.so", "*.pyd", "*.c", "__pycache__", ".*")


class Failed(Exception):
    """A command of a build, or in one, failed: the end of what it printed."""


class Build:
    def __init__(self, folder: Path, python: str = sys.executable, switches: Optional[dict[str, str]] = None) -> None:
        self.folder, self.python = folder, python
        self.environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **(switches or {})}

    def run(self, *arguments: str, patience: float = 3600, launcher: tuple[str, ...] = (), **environment: str) -> str:
        """Run the interpreter in the folder; answers what it printed."""
        command = [*launcher, self.python, *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env={**self.environment, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=patience,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"no end within {patience:.0f} s: {' '.join(arguments)}") from None
        if done.returncode:
            raise Failed(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-6000:]}")
        return done.stdout

    def make(self) -> None:
        self.run("setup.py", "-q", "build_ext", "-i")
        loaded = self.run("-c", "import timers.notifier; print(timers.notifier.__file__)", **self.quiet()).strip().splitlines()[-1]
        if not Path(loaded).resolve().is_relative_to(self.folder.resolve()):
            raise Failed(f"the build in {self.folder} loads {loaded}")

    def quiet(self) -> dict[str, str]:
        """What it takes to load the build."""
        return {}

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace one distinctive snippet; complain where it is gone."""
        file = self.folder / path
        text = file.read_text()
        if text.count(old) != 1:
            raise Failed(f"{path} has {text.count(old)} times, not once: {old!r}")
        file.write_text(text.replace(old, new))


@contextmanager
def fresh(kind: type[Build] = Build, python: str = sys.executable, switches: Optional[dict[str, str]] = None) -> Iterator[Build]:
    """A copy of the sources in a temporary folder, not yet built."""
    with tempfile.TemporaryDirectory(prefix="timers-") as name:
        folder = Path(name)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=IGNORED)
            elif source.exists():
                shutil.copy(source, folder / part)
        yield kind(folder, python, switches)


class Sanitized(Build):
    """With the address and undefined-behaviour sanitizers. Python's own allocator would hide a use after free."""

    def __init__(self, folder: Path, python: str = sys.executable, switches: Optional[dict[str, str]] = None) -> None:
        super().__init__(folder, python, {**(switches or {}), "TIMERS_SANITIZE": "address"})

    def quiet(self) -> dict[str, str]:
        libraries = [
            subprocess.run(["gcc", f"-print-file-name={name}.so"], capture_output=True, text=True, check=True).stdout.strip()
            for name in ("libasan", "libstdc++")
        ]
        return {
            "PYTHONMALLOC": "malloc",
            "LD_PRELOAD": " ".join(libraries),
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }


class Raced(Build):
    """With the thread sanitizer, for an interpreter that has it too."""

    def __init__(self, folder: Path, python: str = sys.executable, switches: Optional[dict[str, str]] = None) -> None:
        super().__init__(folder, python, {**(switches or {}), "TIMERS_SANITIZE": "thread", "TSAN_OPTIONS": "report_bugs=0"})


class Traced(Build):
    """With line tracing, and unoptimised."""

    def __init__(self, folder: Path, python: str = sys.executable, switches: Optional[dict[str, str]] = None) -> None:
        super().__init__(folder, python, {**(switches or {}), "TIMERS_TRACE": "1", "CFLAGS": "-O0"})
