"""Every example in the README and in the docstrings runs, and the two commands are what `.ci/run` looks for."""

from __future__ import annotations

import doctest
import re
import sys
from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

import timers

README = Path(__file__).parents[1] / "README.md"


def test_snippets() -> None:
    examples = list(Sybil([PythonCodeBlockParser()]).parse(README).examples())
    assert len(examples) == README.read_text().count("```python\n")
    for example in examples:
        example.evaluate()


def test_docstrings() -> None:
    """Of the classes too, whose public place is the package: in their own modules they are not looked for."""
    examples = {test.name for test in doctest.DocTestFinder().find(timers) if test.examples}
    for kind in (timers.MultiNotifier, timers.Deadlines):
        name = f"timers.{kind.__name__}"
        assert examples >= {name, *(f"{name}.{method}" for method in dir(kind) if not method.startswith("_"))}
    assert doctest.testmod(timers).failed == 0
    views = doctest.testmod(sys.modules[type(timers.Deadlines().keys()).__module__])
    assert views.attempted and not views.failed


def test_commands_stand_on_the_first_screen() -> None:
    screen = "\n".join(README.read_text().splitlines()[:40])
    for module in ("pytest -n auto", "bench"):
        assert len(re.findall(rf"^python3 -m venv \.venv && .*/python -m {module}$", screen, re.M)) == 1
