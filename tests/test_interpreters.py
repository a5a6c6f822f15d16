"""Several interpreters in a process, and interpreters without a lock. Each case runs in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import timers

# Imports in an interpreter of one kind or another, and says what came of it.
INTERPRETERS = """
import sys

CODE = f'''
import sys
sys.path[:] = {sys.path!r}
try:
    import timers
    print("imported", flush=True)
except ImportError:
    print("refused", flush=True)
'''


def main():
    exec(CODE)


def isolated():
    from concurrent import interpreters

    interpreter = interpreters.create()
    interpreter.exec(CODE)
    interpreter.close()


def legacy():
    import _testcapi

    assert _testcapi.run_in_subinterp(CODE) == 0


for name in sys.argv[1:]:
    globals()[name]()
"""


def said(code: str, *arguments: str, **environment: str) -> list[str]:
    """The words that the code prints; warnings are errors in it."""
    path = os.pathsep.join(filter(None, [str(Path(timers.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env={**inherited, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.split()


@pytest.mark.skipif(sys.version_info < (3, 14), reason="concurrent.interpreters is of 3.14")
def test_an_isolated_interpreter_is_refused_and_the_main_one_is_not() -> None:
    assert said(INTERPRETERS, "isolated", "main", "isolated", "main") == ["refused", "imported", "refused", "imported"]


@pytest.mark.parametrize("order", ["main legacy main", "legacy main", "legacy legacy"])
def test_the_first_legacy_interpreter_keeps_it(order: str) -> None:
    """And the main one is refused as well, where it came second."""
    pytest.importorskip("_testcapi")
    words = order.split()
    first = words[0]
    kept = ["imported"] + ["imported" if word == first == "main" else "refused" for word in words[1:]]
    assert said(INTERPRETERS, *words) == kept


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="an interpreter with a lock")
def test_the_import_turns_no_lock_on() -> None:
    code = "import sys, timers.notifier, timers.wheel; print(sys._is_gil_enabled())"
    assert said(code) == ["False"]
