"""Pickles of every released format, loaded by every test run.

`python -m tests.golden` writes those of the present format that are missing. A file here is never written again: what
it holds must load in every later release.
"""

from __future__ import annotations

import math
import pickle
import sys
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any, Callable

from tests.clocks import CLOCKS, UTC
from tests.driver import Sub
from tests.model import FIRST, LAST
from timers import Deadlines, MultiNotifier

FOLDER = Path(__file__).parent
FORMAT = 3
BASE = datetime(2026, 1, 1, tzinfo=UTC)


def _crowd() -> list[tuple[datetime, Any]]:
    return [
        (BASE + timedelta(milliseconds=number * 37 % 101, microseconds=number % 7), number) for number in range(300)
    ]


def _beyond() -> list[tuple[datetime, Any]]:
    early = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
    late = datetime.max.replace(tzinfo=timezone(-timedelta(hours=14)))
    return [(late, "late"), (LAST, "last"), (FIRST, "first"), (early, "early")]


def _strings() -> list[tuple[datetime, Any]]:
    # Half a surrogate pair each; what UTF-8 writes with one to four bytes; nothing at all.
    strings = ["\ud83d", "\ude00", "\U0001f600", "é" * 200, "\0", "", "€" * 20_000, *map(str, range(200))]
    return [(BASE + timedelta(seconds=number), string) for number, string in enumerate(strings)]


def _subclass() -> Any:
    n = Sub("k")
    n.notify_many([BASE, BASE], ["one", ["two"]])
    return n


def _itself() -> Any:
    n: MultiNotifier[Any] = MultiNotifier([(BASE, 1)])
    n.notify_at(BASE, [n])
    return n


def _floats() -> list[tuple[float, Any]]:
    numbers = [-math.inf, -1.7e9, -5e-324, 0.0, 5e-324, 0.1, 1.7e9, 1.7e9 + 1e-6, sys.float_info.max, math.inf]
    return [(number, token) for number in numbers for token in (str(number), [number])]


def _ints() -> list[tuple[int, Any]]:
    numbers = [-(2**63), -1, 0, 1, 2**53 + 1, 17 * 10**17, 2**63 - 1]
    return [(number, token) for number in reversed(numbers) for token in (number, "same")]


RECIPES: dict[str, Callable[[], Any]] = {
    "empty": MultiNotifier,
    "two": lambda: MultiNotifier([(BASE, 1), (BASE, 2)]),
    "crowd": lambda: MultiNotifier(_crowd()),
    "clocks": lambda: MultiNotifier((at, str(number)) for number, at in enumerate(CLOCKS)),
    "naive": lambda: MultiNotifier((at.replace(tzinfo=None), at.year) for at in CLOCKS),
    "beyond the calendar": lambda: MultiNotifier(_beyond()),
    "tokens": lambda: MultiNotifier(
        (BASE, token) for token in (None, 1.5, b"b", (1, ("a",)), [1], {"a": {2}}, True, 2**99)
    ),
    "strings": lambda: MultiNotifier(_strings()),
    "one string": lambda: MultiNotifier((BASE, "one") for _ in range(100)),
    "itself": _itself,
    "subclass": _subclass,
    "floats": lambda: MultiNotifier(_floats()),
    "many floats": lambda: MultiNotifier((number / 8, str(number)) for number in range(1000)),
    "ints": lambda: MultiNotifier(_ints()),
}


KEYED: dict[str, Callable[[], Any]] = {
    "empty": Deadlines,
    "clients": lambda: Deadlines((f"client {number}", number * 7919 % 1000 / 8) for number in range(1000)),
    "keys": lambda: Deadlines(
        (key, BASE) for key in ("a", 1, 2.5, b"b", None, (1, ("a",)), frozenset([1]), BASE, Fraction(1, 3))
    ),
    "ints": lambda: Deadlines((at, at) for at, _ in _ints()),
}
FAMILIES = {"format": RECIPES, "deadlines": KEYED}


def rounds(family: str, protocol: int, out_of_band: bool) -> tuple[bytes, list[bytes]]:
    buffers: list[Any] = []
    notifiers = {name: make() for name, make in FAMILIES[family].items()}
    keep = buffers.append if out_of_band else None
    data = pickle.dumps(notifiers, protocol, buffer_callback=keep)
    return data, [bytes(buffer) for buffer in buffers]


def write() -> None:
    kinds = [(protocol, False) for protocol in range(2, 6)] + [(5, True)]
    for family in FAMILIES:
        for protocol, out_of_band in kinds:
            path = FOLDER / f"{family}-{FORMAT}-protocol-{protocol}{'-out-of-band' * out_of_band}.pickle"
            if not path.exists():
                path.write_bytes(pickle.dumps(rounds(family, protocol, out_of_band), 2))
                print("wrote", path.name)
