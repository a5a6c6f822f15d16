"""What an installed copy holds, and what the tools of its users see of it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import inspect
import json
import re
import shutil
import sys
import sysconfig
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import timers

PACKAGE = Path(timers.__file__).parent
# .so or .pyd
EXTENSION = Path(str(sysconfig.get_config_var("EXT_SUFFIX"))).suffix


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
    assert {"__init__.py", "py.typed", "notifier.pyi"} <= {file.name for file in here}
    # A .pxd for each extension module, too, and no .pyx.
    assert {file.name.split(".")[0] for file in here if file.suffix == EXTENSION} <= {
        file.stem for file in here if file.suffix == ".pxd"
    }
    assert {file.suffix for file in here} == {".py", ".pyi", ".typed", ".pxd", EXTENSION}
    assert {file.parts[0].split("-")[0] for file in installed} == {"timers", "multinotifier"}


def test_other_cython_code_finds_all_that_it_needs() -> None:
    """What one .pxd takes from another is there: `client.pyx` begins with two of them."""
    wanted, seen = ["notifier", "times"], set()
    while wanted:
        name = wanted.pop()
        if name not in seen:
            seen.add(name)
            text = (PACKAGE / f"{name}.pxd").read_text(encoding="utf-8")
            wanted += re.findall(r"^(?:from|cimport) timers\.(\w+)", text, re.MULTILINE)
    assert {"timerset", "timerqueue", "insertion", "wheel", "bucket", "bits", "tokens"} <= seen
    assert seen <= {file.stem for file in PACKAGE.glob("*.pxd")}


def test_each_room_that_compiles_in_datetimes_imports_their_c() -> None:
    """Or else it would crash: each has a pointer to it of its own."""
    sources = {path.name: path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.p[xy][dx]")}
    if "times.pyx" not in sources:
        pytest.skip("an installed copy has no sources")
    words = {name: set(re.findall(r"\w+", text)) for name, text in sources.items()}
    bodies = {
        function[1]: set(re.findall(r"\w+", function[0]))
        for name, text in sources.items()
        if name.endswith(".pxd")
        for function in re.finditer(r"^cdef inline [^(]*?(\w+)\((?:.*\n)(?:[ \n)].*\n?|\n)*", text, re.MULTILINE)
    }
    (taken,) = re.findall(r"from cpython.datetime cimport \(([^)]*)\)", sources["times.pxd"])
    needing = set(re.findall(r"\w+", taken))
    while more := {name for name, body in bodies.items() if body & needing} - needing:
        needing |= more
    assert {"read_time", "write_time", "time_at"} <= needing
    rooms = {name for name, held in words.items() if name.endswith(".pyx") and held & needing}
    assert {"views.pyx", "deadlines.pyx", "times.pyx"} <= rooms
    assert not [name for name in rooms if "import_datetime()" not in sources[name]]


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


def test_type_checkers_see_the_types(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    cases = shutil.copy(Path(__file__).with_name("typing_cases.py"), tmp_path)
    report, errors, status = api.run(["--strict", "--config-file=", f"--cache-dir={tmp_path}", str(cases)])
    assert status == 0, report + errors


def test_methods_tell_their_parameters() -> None:
    for kind in (timers.MultiNotifier, timers.Deadlines):
        for name in dir(kind):
            if not name.startswith("_"):
                assert "self" in inspect.signature(getattr(kind, name)).parameters, name


def test_methods_belong_to_the_very_class() -> None:
    """CPython calls them by a shorter way than those of a base."""
    for kind in (timers.MultiNotifier, timers.Deadlines):
        for name in ("next_at", "due", "due_items", "clear"):
            method = vars(kind)[name]
            assert method.__objclass__ is kind and method.__qualname__ == f"{kind.__name__}.{name}"


def test_classes_are_called_in_every_way() -> None:
    class Sub(timers.MultiNotifier[str]):
        def __init__(self, at: datetime, *, name: str) -> None:
            super().__init__(timers=[(at, name)])

    at = datetime(2026, 1, 1)
    assert not timers.MultiNotifier() and not timers.MultiNotifier(()) and not timers.MultiNotifier(timers=[])
    assert Sub(at, name="a").due(at) == ["a"]
    keyed = timers.Deadlines(deadlines={"a": at})
    assert keyed.due(keyed.next_at() or at) == ["a"]
    for kind, arguments, named in ((timers.MultiNotifier, ([], []), {}), (timers.Deadlines, (), {"timers": ()})):
        with pytest.raises(TypeError, match="__init__"):
            kind(*arguments, **named)
