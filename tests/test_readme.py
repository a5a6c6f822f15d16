"""Every example in the README and in the docstrings runs, and the two commands are what `.ci/run` looks for."""

from __future__ import annotations

import doctest
import re
import sys
from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from timers import notifier

README = Path(__file__).parents[1] / "README.md"


def test_snippets() -> None:
    examples = list(Sybil([PythonCodeBlockParser()]).parse(README).examples())
    assert len(examples) == README.read_text().count("```python\n")
    for example in examples:
        example.evaluate()


def test_docstrings() -> None:
    # The second has no stubs of its own.
    for module in (notifier, sys.modules["timers.face"]):
        failed, attempted = doctest.testmod(module)
        assert attempted and not failed


def test_commands_stand_on_the_first_screen() -> None:
    screen = "\n".join(README.read_text().splitlines()[:40])
    for module in ("pytest -n auto", "bench"):
        assert len(re.findall(rf"^python3 -m venv \.venv && .*/python -m {module}$", screen, re.M)) == 1
