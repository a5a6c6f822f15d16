"""What happens at the import of `timers.operators`, where Bytewax is missing too."""

import subprocess
import sys
from pathlib import Path

import pytest

INSTALL = "pip install 'multinotifier[bytewax]'"
FITTING = {
    "__init__": "",
    "dataflow": "def operator(builder): return builder",
    "errors": "class BytewaxRuntimeError(RuntimeError): pass",
    "operators": """
from typing import Generic, Optional, TypeVar
V = TypeVar("V"); W = TypeVar("W"); S = TypeVar("S")
class KeyedStream(Generic[V]): pass
class StatefulBatchLogic(Generic[V, W, S]): pass
class StatefulLogic(Generic[V, W, S]): pass
def flat_map_batch(step_id, up, mapper): pass
def stateful_batch(step_id, up, builder): pass
""",
}


def python(code: str, *path: Path) -> "subprocess.CompletedProcess[str]":
    code = f"import sys; sys.path[:0] = {[str(entry) for entry in path]}; {code}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def engine(directory: Path, **changed: str) -> Path:
    """A package by the name of Bytewax."""
    package = directory / "bytewax"
    package.mkdir()
    for name, text in {**FITTING, **changed}.items():
        (package / f"{name}.py").write_text(text)
    return directory


def test_importing_timers_never_imports_bytewax() -> None:
    done = python("import timers; assert not any(name.startswith('bytewax') for name in sys.modules)")
    assert done.returncode == 0, done.stderr


def test_a_missing_bytewax_is_one_clear_error() -> None:
    done = python("sys.modules['bytewax'] = None; import timers.operators")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError") and "timers.operators needs Bytewax 0.21" in last and INSTALL in last


def test_a_fitting_api_is_accepted(tmp_path: Path) -> None:
    done = python("import timers.operators", engine(tmp_path))
    assert done.returncode == 0, done.stderr


OPERATORS = FITTING["operators"]


@pytest.mark.parametrize(
    "changed",
    [
        {"operators": OPERATORS.replace("class StatefulBatchLogic", "class UnaryLogic")},
        {"operators": OPERATORS.replace("def stateful_batch", "def unary")},
        {"operators": OPERATORS.replace("def flat_map_batch", "def flat_map")},
        {"operators": OPERATORS.replace("step_id, up, builder", "step_id, up, builder, on_item")},
        {"errors": ""},
        {"dataflow": ""},
    ],
    ids=[
        "no StatefulBatchLogic",
        "no stateful_batch",
        "no flat_map_batch",
        "another signature",
        "no errors",
        "no operator",
    ],
)
def test_an_api_that_does_not_fit_is_one_clear_error(tmp_path: Path, changed: dict[str, str]) -> None:
    done = python("import timers.operators", engine(tmp_path, **changed))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError") and "timers.operators needs Bytewax 0.21" in last and INSTALL in last
