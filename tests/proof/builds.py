"""Builds of the extension in folders of their own: sanitized, traced, mutated, faulty, by other interpreters."""

from __future__ import annotations

import atexit
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, TypeVar

ROOT = Path(__file__).parents[2]
PARTS = ("setup.py", "pyproject.toml", "LICENSE", "README.md", "timers", "tests")
IGNORED = shutil.ignore_patterns("*.so", "*.pyd", "*.c", "__pycache__", ".*")


Kind = TypeVar("Kind", bound="Build")


class Failed(Exception):
    """A command of a build, or in one, failed: what it printed, or the begin and the end of that."""


def both_ends(text: str) -> str:
    return text if len(text) <= 9000 else f"{text[:3000]}\n[...]\n{text[-6000:]}"


class Build:
    """A folder with the sources; `python` runs in it what `builder`, or else itself, has compiled."""

    switches: ClassVar[dict[str, str]] = {}
    launcher: tuple[str, ...] = ()
    # Whether it starts from a compiled copy of the sound sources.
    incremental: ClassVar[bool] = False

    def __init__(self, folder: Path, python: str = sys.executable, builder: str | None = None) -> None:
        self.folder, self.python, self.builder = folder, python, builder or python
        # What the caller's PYTHONPATH names (a Cython for an interpreter that has none) comes after the build.
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
        self.environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}

    def call(self, command: list[str], patience: float, environment: dict[str, str]) -> str:
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
            raise Failed(f"no end within {patience:.0f} s: {' '.join(command)}") from None
        if done.returncode:
            raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{both_ends(done.stdout)}")
        return done.stdout

    def compile(self, patience: float = 900) -> None:
        self.call([self.builder, "setup.py", "-q", "build_ext", "-i"], patience, self.switches)

    def make(self) -> None:
        """Compile, and see that what is loaded is what was compiled."""
        self.compile()
        loaded = self.run("-c", "import timers.notifier; print(timers.notifier.__file__)").strip().splitlines()[-1]
        if self.folder.resolve() not in Path(loaded).resolve().parents:
            raise Failed(f"the build in {self.folder} loads {loaded}")

    def run(self, *arguments: str, patience: float = 7200, **environment: str) -> str:
        """Run the interpreter on the build; answers what it printed."""
        return self.call([*self.launcher, self.python, *arguments], patience, {**self.loading(), **environment})

    def loading(self) -> dict[str, str]:
        """What it takes to load the build."""
        return {}

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace one distinctive snippet; complain where it is gone."""
        file = self.folder / path
        text = file.read_text()
        if text.count(old) != 1:
            raise Failed(f"{path} has {text.count(old)} times, not once: {old!r}")
        file.write_text(text.replace(old, new))


def _copy_sources(folder: Path) -> None:
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=IGNORED)
        elif source.exists():
            shutil.copy2(source, folder / part)


@functools.cache
def _compiled(kind: type[Build], python: str, builder: str | None) -> Path:
    """A build of the sound sources, kept as long as the process lives: others compile only what they change."""
    folder = Path(tempfile.mkdtemp(prefix="timers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _copy_sources(folder)
    kind(folder, python, builder).compile()
    return folder


@contextmanager
def fresh(kind: type[Kind], python: str = sys.executable, builder: str | None = None) -> Iterator[Kind]:
    """A copy of the sources in a temporary folder, built only as far as a sound build goes."""
    with tempfile.TemporaryDirectory(prefix="timers-") as name:
        folder = Path(name)
        _copy_sources(folder)
        if kind.incremental:
            compiled = _compiled(kind, python, builder)  # type: ignore[arg-type]
            shutil.copytree(compiled / "build", folder / "build")
            for library in (compiled / "timers").glob("*.so"):
                shutil.copy2(library, folder / "timers")
        yield kind(folder, python, builder)


class Quick(Build):
    """Compiled in little time."""

    switches: ClassVar = {"CFLAGS": "-O1"}
    incremental = True


class Low(Quick):
    """With low thresholds: notifiers of any size cascade, are sorted, overflow, are shared and come in floods."""

    # Nearly everything depends on the thresholds.
    incremental = False
    LOWER: ClassVar = {
        "bits.pxd": {"MOST_OWNERS": 3},
        "bucket.pxd": {"CHUNK": 7},
        "order.pxd": {"FAN": 32, "FEW": 5, "MOVES": 1, "EVEN": 1, "SLACK": 2},
        "overflow.pxd": {"LIMIT": 8},
        "crowd.pxd": {"SEGMENT": 5},
        "wheel.pxd": {"NARROW": 1, "WIDE": 4, "SPARSE": 4},
        "cascade.pxd": {"ROOMY": 1},
        "insertion.pxd": {"FLOOD": 40},
        "expiry.pxd": {"BATCH": 30},
        "removal.pxd": {"CALM": 4},
        "crowd.pyx": {"SPARSE": 3},
        "index.pyx": {"BATCH": 3, "GLANCE": 4},
        "keys.pxd": {"PAGE_BITS": 1, "SHELF_BITS": 1},
        "keys.pyx": {"LEAST": 2},
        "state.pyx": {"MANY": 2},
        "pending.pyx": {"SLICE": 3},
    }

    def make(self) -> None:
        for file, values in self.LOWER.items():
            path = self.folder / "timers" / file
            text = path.read_text()
            for name, value in values.items():
                text, found = re.subn(rf"(?m)^    {name} = \d+$", f"    {name} = {value}", text)
                if found != 1:
                    raise Failed(f"{path} has {found} times, not once, a value of {name}")
            path.write_text(text)
        super().make()


class Sanitized(Build):
    """With the address and undefined-behaviour sanitizers."""

    switches: ClassVar = {"TIMERS_SANITIZE": "address"}
    incremental = True

    def loading(self) -> dict[str, str]:
        libraries = [
            subprocess.run(
                ["gcc", f"-print-file-name={name}.so"], capture_output=True, text=True, check=True
            ).stdout.strip()
            for name in ("libasan", "libstdc++")
        ]
        return {
            # Python's own allocator would hide a use after free.
            "PYTHONMALLOC": "malloc",
            "LD_PRELOAD": " ".join(libraries),
            # A length beyond all memory is refused as without a sanitizer.
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }


class Raced(Build):
    """With the thread sanitizer, for an interpreter that has it too (and would compile for hours)."""

    switches: ClassVar = {"TIMERS_SANITIZE": "thread"}
    # The sanitizer wants its memory where a randomised layout may have put something else.
    launcher = ("setarch", "-R")

    def loading(self) -> dict[str, str]:
        return {"TSAN_OPTIONS": f"exitcode=66 log_path={self.folder / 'race'}"}


class Traced(Build):
    """With line tracing, and unoptimised."""

    switches: ClassVar = {"TIMERS_TRACE": "1", "CFLAGS": f"-O0 -include {ROOT / 'tests/proof/failing.h'}"}
