"""What the compiler warns of in our lines: `-Wall -Wextra`, and Cython's own warnings.

Cython writes above each piece of C which line it comes from. What stands outside of such pieces is Cython's alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from tests.proof.builds import Build, Failed, fresh

WARNING = re.compile(r"(?m)^(?P<file>[^\s:]+\.c):(?P<line>\d+):(?:\d+:)? warning: (?P<what>.*)$")
# A remark on the interpreter's headers, or on another warning, names no file of ours.
CYTHON = re.compile(r"(?m)^warning: (?P<where>timers/[^\s:]+:\d+):(?:\d+:)? (?P<what>.*)$")
ORIGIN = re.compile(r'^\s*/\* "(?P<origin>timers/[^"]+)":(?P<line>\d+)$')

# Python attributes inside a critical section, by a part of the line: no state of a notifier lies behind them.
HARMLESS = ("type(self).__name__", "object.__sizeof__(self)", "sys.getsizeof(soonest)", "return self.__reduce__()")

# A comparison that must be noticed.
PLANTED = "planted < <size_t>8"
FUNCTION = f"\n\ncdef bint nobody(int planted) noexcept nogil:\n    return {PLANTED}\n"


class Warned(Build):
    """With all warnings."""

    switches: ClassVar = {"CFLAGS": "-O2 -Wall -Wextra", "LC_ALL": "C"}

    def said(self) -> str:
        return self.call([self.builder, "setup.py", "build_ext", "-i"], 900, self.switches)


def origin(lines: list[str], number: int) -> str | None:
    """The line of ours that line `number` of the C comes from."""
    for index in range(number - 1, -1, -1):
        found = ORIGIN.match(lines[index])
        if found:
            return f"{found['origin']}:{found['line']}"
        if lines[index].startswith("}") and index < number - 1:
            # The end of another function.
            return None
    return None


def warnings() -> tuple[list[str], int]:
    """The warnings from our lines; and how many there were in all."""
    with fresh(Warned) as build:
        wheel = build.folder / "timers/wheel.pyx"
        last = len(wheel.read_text().splitlines())
        with wheel.open("a") as file:
            file.write(FUNCTION)
        said = build.said()
        found = set()
        for remark in CYTHON.finditer(said):
            path, number = remark["where"].split(":")
            line = (build.folder / path).read_text().splitlines()[int(number) - 1]
            if not any(part in line for part in HARMLESS):
                found.add(f"{remark['where']}: {remark['what']}")
        total = len(found)
        sources: dict[str, list[str]] = {}
        for warning in WARNING.finditer(said):
            total += 1
            path = warning["file"]
            if path not in sources:
                sources[path] = Path(build.folder, path).read_text().splitlines()
            place = origin(sources[path], int(warning["line"]))
            if place is not None:
                found.add(f"{place}: {warning['what']}")
    planted = {warning for warning in found if re.match(rf"timers/wheel\.pyx:({last + 3}|{last + 4}):", warning)}
    if not any("-Wsign-compare" in warning for warning in planted):
        raise Failed(f"the compiler does not warn of {PLANTED}:\n{said[-3000:]}")
    return sorted(found - planted), total
