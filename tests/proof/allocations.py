"""Failing allocations: every n-th one, in every public method. All or nothing, and nothing leaked.

`_testcapi.set_nomemory` fails what comes from Python's allocators, which the core uses for all of its memory. Arrays of
`datetime64` are left out: NumPy 2.4 itself loses references to its types when its allocations fail.
"""

from __future__ import annotations

import atexit
import contextlib
import copy
import functools
import gc
import math
import shutil
import struct
import sys
import sysconfig
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Callable, NamedTuple

from tests import window
from tests.clocks import TODAY
from tests.driver import Sub
from tests.model import LAST, Time
from timers import MultiNotifier

# Free-threaded CPython 3.13 itself crashes where there is no memory for a list: `[None] * 50` is enough.
FREE_THREADED_3_13 = bool(sysconfig.get_config_var("Py_GIL_DISABLED")) and sys.version_info < (3, 14)

# A method that still allocates after so many failures in a row does not end.
MOST = 4000


EPOCH = datetime(1970, 1, 1, tzinfo=TODAY.tzinfo)
EARLIEST = datetime.min.replace(tzinfo=TODAY.tzinfo)


def later(number: float) -> datetime:
    return TODAY + timedelta(milliseconds=number)


class Watched:
    """A token that is not an atom."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __deepcopy__(self, memo: Any) -> Watched:
        return Watched(self.number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Watched) and self.number == other.number

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Watched({self.number})"


class Fixed(NamedTuple):
    """A token that copies share, and that the collector sees."""

    number: int


def _spread(count: int, span: int, token: Callable[[int], Any]) -> list[tuple[datetime, Any]]:
    return [(later(number * 7919 % span + number % 3 / 1000), token(number)) for number in range(count)]


def _at_once(count: int) -> list[tuple[datetime, Any]]:
    return [(later(5), str(number)) for number in range(count)]


def _far(count: int, token: Callable[[int], Any]) -> list[tuple[datetime, Any]]:
    """Years after the others, some together."""
    return [(later(10**12 + number // 3 * 10**11), token(1000 + number)) for number in range(count)]


def _beyond(millis: int, apart: int) -> list[tuple[datetime, Any]]:
    """As many as the heap holds."""
    return [(later(millis + number * apart), str(100 + number)) for number in range(63)]


BRIMS = (2, 3, 8, 16, 17, 31, 32, 33, 47, 48, 49, 64)

# Notifiers to fail in, by the shape that their insertions gave them.
SHAPES: dict[str, Callable[[], list[Any]]] = {
    "empty": lambda: [],
    "one": lambda: [(later(5), "5")],
    "a few": lambda: _spread(20, 300, str),
    "a second": lambda: _spread(600, 1000, str),
    "a month": lambda: _spread(600, 30 * 86_400_000, str),
    "one millisecond": lambda: [
        (later(5) + timedelta(microseconds=number * 37 % 1000), str(number)) for number in range(300)
    ],
    "one microsecond": lambda: [(later(5), str(number)) for number in range(300)],
    "everywhere": lambda: [
        (datetime(number * 83 % 9999 + 1, 1, 1, tzinfo=TODAY.tzinfo), str(number)) for number in range(120)
    ],
    # Around the sizes at which a structure may change.
    **{f"{count} at once": functools.partial(_at_once, count) for count in BRIMS},
    **{f"{count} in a second": functools.partial(_spread, count, 1000, str) for count in BRIMS},
    "objects": lambda: _spread(150, 1000, Watched),
    # Tokens in boxes: alone in blocks that copies share, and beside such that they must not share.
    "fixed": lambda: _spread(150, 1000, lambda number: frozenset([number])),
    "fixed and objects": lambda: _spread(
        150, 1000, lambda number: Watched(number) if number % 40 == 3 else Fixed(number)
    ),
    "two objects": lambda: _spread(2, 10, Watched),
    "outliers": lambda: _spread(100, 400, str) + _far(10, str),
    "a heap at its brim": lambda: _spread(100, 400, str) + _far(62, str),
    # The next one makes the root slide; and divides it, with timers on both sides of a multiple of its range.
    "a root that has room in front": lambda: _spread(100, 400, str) + _beyond(1000, 1),
    "a root that has none": lambda: (
        [(at - timedelta(milliseconds=200), token) for at, token in _spread(100, 400, str)] + _beyond(80_000, 500)
    ),
    # What is due of half leaves it alone.
    "the heap alone": lambda: _spread(100, 400, str) + _far(40, str),
    "objects in the heap": lambda: _spread(60, 400, Watched) + _far(8, Watched),
    "a crowd": lambda: _at_once(300),
    "a crowd to be thinned out": lambda: _at_once(60),
    "a crowd of objects": lambda: [(later(5), Watched(number % 30)) for number in range(60)],
    "a crowd of sets": lambda: [(later(5), frozenset([number])) for number in range(60)],
    "floats": lambda: [(number * 7919 % 300 / 8, str(number)) for number in range(150)],
    "floats at once": lambda: [(1.0, str(number)) for number in range(60)],
    "ints": lambda: [(number * 7919 % 300 << number % 40, str(number)) for number in range(100)],
}
# What is done after so many insertions, before the others.
STIRS: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "a heap at its brim": (100, lambda n: n.cancel(later(5), "none")),
    "a root that has room in front": (100, lambda n: n.due(later(350))),
    "a root that has none": (100, lambda n: n.due(later(-200))),
    "the heap alone": (100, lambda n: n.cancel(later(5), "none")),
    "objects in the heap": (60, lambda n: n.cancel(later(5), "none")),
    "a crowd": (300, lambda n: n.cancel(later(5), "none")),
    "a crowd to be thinned out": (60, lambda n: n.cancel(later(5), "none")),
    "a crowd of objects": (60, lambda n: n.cancel(later(5), "none")),
    "a crowd of sets": (60, lambda n: n.cancel(later(5), "none")),
    "floats at once": (60, lambda n: n.cancel(1, "none")),
}

BATCH = _spread(200, 5000, str)
BATCH_ATS, BATCH_TOKENS = [at for at, _ in BATCH], [token for _, token in BATCH]
# Made beforehand: a debug build of CPython 3.15 aborts where a list that is being made of lists finds no memory.
OBJECTS = [[number] for number in range(60)]
STATE = MultiNotifier(BATCH).__reduce_ex__(2)[2]


NUMBERED = {"floats", "floats at once", "ints"}

# Called with the notifier and its first pair. (No `*first`: CPython 3.11 leaks when it fails to build such arguments.)
ACTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "notify_at": lambda n, first: n.notify_at(later(90_000), "new"),
    "notify_at now": lambda n, first: n.notify_at(first[0], "new"),
    "notify_at far": lambda n, first: n.notify_at(LAST, "new"),
    "notify_at early": lambda n, first: n.notify_at(EARLIEST, "new"),
    "notify_many": lambda n, first: n.notify_many(BATCH_ATS, BATCH_TOKENS),
    "next_at": lambda n, first: n.next_at(),
    "due of one": lambda n, first: n.due(first[0]),
    "due of half": lambda n, first: n.due(later(500)),
    "due of most": lambda n, first: n.due(later(950)),
    "due of all": lambda n, first: n.due(LAST),
    "due with a limit": lambda n, first: n.due(LAST, 7),
    "due with a large limit": lambda n, first: n.due(LAST, 100),
    "due_items": lambda n, first: n.due_items(later(500)),
    "due_items with a limit": lambda n, first: n.due_items(LAST, 7),
    "cancel": lambda n, first: n.cancel(first[0], first[1]),
    "cancel in vain": lambda n, first: n.cancel(first[0], "none"),
    "reschedule": lambda n, first: n.reschedule(first[0], first[1], LAST),
    "reschedule to the same": lambda n, first: n.reschedule(first[0], first[1], first[0]),
    "in": lambda n, first: first in n,
    "clear": lambda n, first: n.clear(),
    "iterate": lambda n, first: list(n),
    "copy": lambda n, first: copy.copy(n),
    "copy and write": lambda n, first: copy.copy(n).notify_at(later(1), "new"),
    "deepcopy": lambda n, first: copy.deepcopy(n),
    "state": lambda n, first: n.__reduce_ex__(2),
    "state, protocol 5": lambda n, first: n.__reduce_ex__(5),
    "restore": lambda n, first: n.__setstate__(STATE),
    "build": lambda n, first: MultiNotifier(BATCH),
    "rebuild": lambda n, first: n.__init__(BATCH),
    "repr": lambda n, first: repr(n),
    "_check": lambda n, first: n._check(),
    "notify_many far": lambda n, first: n.notify_many([at for at, _ in FAR], [token for _, token in FAR]),
    "notify_many of objects": lambda n, first: n.notify_many(BATCH_ATS[:60], OBJECTS),
    "peek": lambda n, first: next(iter(n), None),
    "deepcopy and cancel": lambda n, first: copy.deepcopy(n).cancel(first[0], first[1]),
}
# And with one whose times are numbers.
COUNTED: dict[str, Callable[[Any, Any], Any]] = {
    "notify_at": lambda n, first: n.notify_at(9, "new"),
    "notify_at far": lambda n, first: n.notify_at(2**60, "new"),
    "notify_many": lambda n, first: n.notify_many(range(90), range(90)),
    "next_at": lambda n, first: n.next_at(),
    "due": lambda n, first: n.due(9),
    "due with a limit": lambda n, first: n.due(2**60, 7),
    "due_items": lambda n, first: n.due_items(9),
    "cancel": lambda n, first: n.cancel(first[0], first[1]),
    "reschedule": lambda n, first: n.reschedule(first[0], first[1], 2**60),
    "reschedule to the same": lambda n, first: n.reschedule(first[0], first[1], int(first[0])),
    "iterate": lambda n, first: list(n),
    "deepcopy": lambda n, first: copy.deepcopy(n),
    "state": lambda n, first: n.__reduce_ex__(2),
    "restore": lambda n, first: n.__setstate__(COUNTED_STATE),
}
FAR: list[Any] = _far(90, str)
COUNTED_STATE: Any = MultiNotifier((float(number), number) for number in range(90)).__reduce_ex__(2)[2]


def _micros(ats: list[datetime]) -> bytes:
    return struct.pack(f"{len(ats)}q", *((at - EPOCH) // timedelta(microseconds=1) for at in ats))


def _text(words: list[str]) -> tuple[int, int, tuple[Any, ...]]:
    ends = [sum(map(len, words[:count])) for count in range(len(words) + 1)]
    return len(words), 0, (None, struct.pack(f"{len(ends)}i", *ends), "".join(words).encode())


@functools.cache
def columns() -> dict[str, Any]:
    """Columns of `exports.pyx`: what they hand over is counted as `Watched` is."""
    folder = tempfile.mkdtemp(prefix="timers-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    window.compile(Path(folder), "exports")
    made = functools.partial(window.load(Path(folder), "exports").Column, Watched)
    times = (90, 0, (None, _micros(BATCH_ATS[:90]))), (9, -1, (b"\xff" * 2, _micros(BATCH_ATS[90:99])))
    indices = (60, 0, (None, struct.pack("60i", *range(60)))), (39, 0, (None, struct.pack("39i", *range(39))))
    return {
        "times": made("tsu:UTC", [*times, (0, 0, ())]),
        "times that break off": made("tsu:UTC", [*times, None]),
        "words": made("u", [_text(BATCH_TOKENS[:60]), _text(BATCH_TOKENS[60:99])]),
        "words that break off": made("u", [_text(BATCH_TOKENS[:60]), None]),
        "encoded words": made("i", list(indices), _text(BATCH_TOKENS[:60])),
        "ints": made("l", [(90, 0, (None, struct.pack("90q", *range(90))))]),
        "ints that break off": made("l", [(90, 0, (None, struct.pack("90q", *range(90)))), None]),
    }


def breaking_off(n: Any, ats: Any, tokens: Any) -> None:
    with contextlib.suppress(RuntimeError):
        n.notify_many(ats, tokens)


OF_COLUMNS: dict[str, Callable[[Any, Any], Any]] = {
    "a column of times": lambda n, first: n.notify_many(columns()["times"], BATCH_TOKENS[:99]),
    "a column of words": lambda n, first: n.notify_many(BATCH_ATS[:99], columns()["words"]),
    "two columns": lambda n, first: n.notify_many(columns()["times"], columns()["encoded words"]),
    "times that break off": lambda n, first: breaking_off(n, columns()["times that break off"], BATCH_TOKENS[:99]),
    "words that break off": lambda n, first: breaking_off(n, BATCH_ATS[:99], columns()["words that break off"]),
}
# What lies before matters little to them.
SHAPES_FOR_COLUMNS = ("empty", "a few", "objects", "outliers")
ACTIONS.update(OF_COLUMNS)
OF_NUMBERS: dict[str, Callable[[Any, Any], Any]] = {
    "a column of ints": lambda n, first: n.notify_many(columns()["ints"], range(90)),
    "ints that break off": lambda n, first: breaking_off(n, columns()["ints that break off"], range(90)),
}
COUNTED.update(OF_NUMBERS)


def alive() -> int:
    """The living instances: each holds its class. Unlike a count of our own, no allocation can fail in it."""
    return sys.getrefcount(Watched)


def outline(answer: Any) -> Any:
    """An answer, comparable between notifiers."""
    if isinstance(answer, MultiNotifier):
        return contents(answer)
    return repr(answer) if type(answer) in (bool, list, type(None)) else type(answer)


def contents(n: Any) -> list[tuple[Time, str]]:
    return [(at, repr(token)) for at, token in n]


def switches() -> tuple[Callable[[int], None], Callable[[], None], int]:
    """Makes one allocation fail, by its number from now on; no more; and the number up to which to try at least."""
    fail, restore = window.switches()
    # Freed lists and the like may serve a few allocations more than the first time.
    return lambda number: fail(number, number + 1), restore, 0 if window.is_traced() else 40


def ends(pairs: list[Any]) -> tuple[Time, Time]:
    """The first and the last time of the kind that the pairs have."""
    of_kinds: dict[type, tuple[Time, Time]] = {
        datetime: (EARLIEST, LAST),
        float: (-math.inf, math.inf),
        int: (-(2**63), 2**63 - 1),
    }
    return of_kinds[type(pairs[0][0]) if pairs else datetime]


# What a collection reports that has no memory to tell those who asked to be told.
UNTOLD = ("Exception ignored on invoking gc callbacks", MemoryError, type(None))


class Unraised:
    """What could only be reported in between: nothing, but for what plain objects report as well."""

    def __init__(self, fail: Callable[[int], None], restore: Callable[[], None]) -> None:
        self.reports: list[tuple[Any, Any, Any]] = []
        self.usual: set[tuple[Any, Any, Any]] = set()
        # From CPython 3.14 on an object that dies without memory for its attributes says so.
        with self:
            for number in range(12):
                plain: Any = Watched(number)
                attributes = plain.__dict__
                fail(number)
                try:
                    del plain
                finally:
                    restore()
                del attributes
        self.usual = {UNTOLD, *self.reports}

    def __enter__(self) -> None:
        self.reports.clear()
        # Its allocations are made beforehand: it must not fail itself.
        append = self.reports.append
        self.before = sys.unraisablehook
        sys.unraisablehook = lambda report: append((report.err_msg, report.exc_type, type(report.object)))

    def __exit__(self, *error: object) -> None:
        sys.unraisablehook = self.before

    def check(self) -> None:
        strange = [report for report in self.reports if report not in self.usual]
        assert not strange, f"ignored and reported: {strange}"


def prepare(shape: str, pairs: list[Any], twinned: bool, stirred: bool, subclass: bool) -> tuple[Any, Any]:
    """`stirred`: something fell due before, so that a crowd has cascaded. `twinned`: a copy shares what it may."""
    n: Any = Sub("k") if subclass else MultiNotifier()
    count, stir = STIRS.get(shape, (len(pairs), len))
    for part in (pairs[:count], pairs[count:]):
        n.notify_many([at for at, _ in part], [token for _, token in part])
        stir(n)
    if stirred:
        earliest, _ = ends(pairs)
        n.notify_at(earliest, "earliest")
        n.due(earliest)
    twin = copy.copy(n) if twinned else None
    return n, twin


def sweep(shape: str, action: str, twinned: bool, stirred: bool, subclass: bool, step: int = 1, first: int = 0) -> int:
    """Fail the first, the second … allocation of one action, until it needs no more; answers the number of failures."""
    act = (COUNTED if shape in NUMBERED else ACTIONS)[action]
    failures = 0
    quiet = 0
    fail, restore, least = switches()
    unraised = Unraised(fail, restore)
    pairs = SHAPES[shape]()
    pair: Any = min(pairs, key=lambda pair: pair[0], default=(later(5), "none"))
    _, last = ends(pairs)
    n, twin = prepare(shape, pairs, twinned, stirred, subclass)
    before = contents(n)
    # What the action answers and leaves where nothing fails.
    wanted = outline(act(n, pair))
    after = contents(n)
    del n, twin, pairs, pair
    for failing in range(first, first + MOST * step, step):
        living = alive()
        pairs = SHAPES[shape]()
        pair = min(pairs, key=lambda pair: pair[0], default=(later(5), "none"))
        n, twin = prepare(shape, pairs, twinned, stirred, subclass)
        failed = False
        answer = None
        with unraised:
            fail(failing)
            try:
                answer = act(n, pair)
            except MemoryError:
                failed = True
            finally:
                restore()
        failures += failed
        quiet = 0 if failed else quiet + 1
        try:
            unraised.check()
            n._check()
            assert failed or outline(answer) == wanted, f"answered {answer!r}"
            left = contents(n)
            assert left == (before if failed else after), f"{len(before)} timers before, {len(left)} after: {left[:5]}"
            assert len(n) == len(left)
            assert n.next_at() == (left[0][0] if left else None)
            assert [repr(token) for token in n.due(left[-1][0] if left else last)] == [token for _, token in left]
            if twin is not None:
                twin._check()
                assert contents(twin) == before, "a twin changed"
            del n, twin, answer, pairs, pair
            if alive() != living:
                gc.collect()
            assert alive() == living, f"{alive() - living} tokens leaked"
        except Exception as problem:
            case = f"{action} of {shape!r}, {twinned=}, {stirred=}, {subclass=}, allocation {failing}"
            raise AssertionError(f"{case}, {'failed' if failed else 'succeeded'}: {problem!r}") from problem
        # Longer than a turn of all libraries.
        if quiet > 11 and failing > least:
            return failures
    raise AssertionError(f"{action} of {shape!r} does not end")


Case = tuple[str, str, bool, bool, bool]


def cases() -> list[Case]:
    return [
        (shape, action, twinned, stirred, subclass)
        for shape in SHAPES
        for action in (COUNTED if shape in NUMBERED else ACTIONS)
        for twinned in (False, True)
        for stirred in (False, True)
        for subclass in (False, True)
        if shape != "empty" or not stirred
        if action not in OF_COLUMNS or shape in SHAPES_FOR_COLUMNS
    ]
