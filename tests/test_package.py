"""What an installed copy holds, and what the tools of its users see of it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import timers

PACKAGE = Path(timers.__file__).parent
# .so or .pyd
EXTENSION = Path(str(sysconfig.get_config_var("EXT_SUFFIX"))).suffix

CLIENT = """
# cython: language_level=3
from libc.stdint cimport uint64_t
from timers.wheel cimport FEWEST, Slot, Timer, earliest, free, insert, read, ripen, take


def drain(list deadlines, uint64_t now):
    '''The deadlines up to `now`, in order, and the first of those after.'''
    cdef Slot root = 0
    cdef Timer timers[16]
    cdef void *tokens[16]
    cdef size_t room = 16
    try:
        for deadline in deadlines:
            if insert(&root, deadline, NULL, FEWEST) < 0:
                raise MemoryError
        if ripen(&root, now, &room) < 0 or read(root, 16 - room, timers) < 0:
            raise MemoryError
        take(&root, 16 - room, tokens)
        return [timers[index].deadline for index in range(16 - room)], earliest(&root)
    finally:
        free(root)
"""


@pytest.fixture(scope="module")
def distribution() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution("multinotifier")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("multinotifier is compiled in place and not installed")


@pytest.fixture(scope="module")
def installed(distribution: importlib.metadata.Distribution) -> list[importlib.metadata.PackagePath]:
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if distribution.read_text("WHEEL") is None or origin.get("dir_info", {}).get("editable"):
        pytest.skip("multinotifier is not installed from a wheel")
    return [file for file in distribution.files or [] if file.suffix != ".pyc"]


def test_one_version(distribution: importlib.metadata.Distribution) -> None:
    assert timers.__version__ == distribution.version


def test_metadata(distribution: importlib.metadata.Distribution) -> None:
    assert distribution.metadata["License-Expression"] == "MIT"
    assert all("extra ==" in requirement for requirement in distribution.requires or [])


def test_wheel_holds_what_users_need_and_no_more(installed: list[importlib.metadata.PackagePath]) -> None:
    here = [file for file in installed if file.parts[0] == "timers"]
    assert {"__init__.py", "py.typed", "notifier.pyi", "wheel.pxd"} <= {file.name for file in here}
    assert {file.suffix for file in here} == {".py", ".pyi", ".typed", ".pxd", EXTENSION}
    assert {file.parts[0].split("-")[0] for file in installed} == {"timers", "multinotifier"}


def test_wheel_holds_no_debug_information(installed: list[importlib.metadata.PackagePath]) -> None:
    for file in installed:
        if file.suffix == EXTENSION:
            assert b".debug_info" not in Path(str(file.locate())).read_bytes(), file


def test_wheel_is_built_without_tracing(installed: list[importlib.metadata.PackagePath]) -> None:
    seen: list[Any] = []

    def trace(frame: Any, event: str, argument: Any) -> Any:
        seen.append((frame, event))
        return trace

    queue: timers.MultiNotifier[int] = timers.MultiNotifier()
    sys.settrace(trace)
    try:
        queue.clear()
        queue.next_at()
    finally:
        sys.settrace(None)
    assert seen == []


def test_other_cython_code_can_cimport_the_wheel(tmp_path: Path) -> None:
    source = tmp_path / "client.pyx"
    source.write_text(CLIENT)
    # Cython looks along the path, and so misses a package that is installed for editing.
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-m", "Cython.Build.Cythonize", "--inplace", "client.pyx"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    (module,) = (file for file in tmp_path.iterdir() if file.suffix == EXTENSION)
    specification = importlib.util.spec_from_file_location("client", module)
    assert specification is not None and specification.loader is not None
    client = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(client)
    assert client.drain([5 << 40, 3 << 20, 1 << 50, 7], 1 << 45) == ([7, 3 << 20, 5 << 40], 1 << 50)


def test_type_checkers_see_the_types(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    cases = shutil.copy(Path(__file__).with_name("typing_cases.py"), tmp_path)
    report, errors, status = api.run(["--strict", "--config-file=", f"--cache-dir={tmp_path}", str(cases)])
    assert status == 0, report + errors
