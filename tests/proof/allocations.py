"""Failing allocations: every n-th one, in every public method. All or nothing, and nothing leaked.

`_testcapi.set_nomemory` fails what comes from Python's allocators, which the core uses for all of its memory. Arrays of
`datetime64` are left out: NumPy 2.4 itself loses references to its types when its allocations fail.
"""

from __future__ import annotations

import copy
import ctypes
import functools
import gc
import sys
import sysconfig
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import Any, Callable

from tests.driver import TODAY, Sub
from tests.model import LAST
from timers import MultiNotifier

# Free-threaded CPython 3.13 itself crashes where there is no memory for a list: `[None] * 50` is enough.
FREE_THREADED_3_13 = bool(sysconfig.get_config_var("Py_GIL_DISABLED")) and sys.version_info < (3, 14)

# A method that still allocates after so many failures in a row does not end.
MOST = 4000


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


def _spread(count: int, span: int, token: Callable[[int], Any]) -> list[tuple[datetime, Any]]:
    return [(later(number * 7919 % span + number % 3 / 1000), token(number)) for number in range(count)]


def _at_once(count: int) -> list[tuple[datetime, Any]]:
    return [(later(5), str(number)) for number in range(count)]


BRIMS = (2, 3, 8, 16, 17, 31, 32, 33, 47, 48, 49, 64)

# Notifiers to fail in, by the shape that their insertions gave them.
SHAPES: dict[str, Callable[[], list[tuple[datetime, Any]]]] = {
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
    "two objects": lambda: _spread(2, 10, Watched),
}

BATCH = _spread(200, 5000, str)
BATCH_ATS, BATCH_TOKENS = [at for at, _ in BATCH], [token for _, token in BATCH]
STATE = MultiNotifier(BATCH).__reduce_ex__(2)[2]


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
}


def alive() -> int:
    """The living instances: each holds its class. Unlike a count of our own, no allocation can fail in it."""
    return sys.getrefcount(Watched)


def outline(answer: Any) -> Any:
    """An answer, comparable between notifiers."""
    if isinstance(answer, MultiNotifier):
        return contents(answer)
    return repr(answer) if type(answer) in (bool, list, type(None)) else type(answer)


def contents(n: Any) -> list[tuple[datetime, str]]:
    return [(at, repr(token)) for at, token in n]


def switches() -> tuple[Callable[[int], None], Callable[[], None], int]:
    """Makes one allocation fail, by its number from now on; no more; and the number up to which to try at least."""
    specs = [find_spec(name) for name in ("timers.wheel", "timers.notifier")]
    libraries = [ctypes.CDLL(spec.origin) for spec in specs if spec and spec.origin]
    if hasattr(libraries[0], "timers_failing"):
        # A build with failing.h in front.
        counters = [ctypes.c_long.in_dll(library, "timers_failing") for library in libraries]

        def restore() -> None:
            for counter in counters:
                counter.value = -1

        def fail(number: int) -> None:
            # By turns: one library's failure would keep the other from its own.
            counters[number % len(counters)].value = number // len(counters)

        return fail, restore, 0
    import _testcapi  # type: ignore[import-not-found]

    # Freed lists and the like may serve a few allocations more than the first time.
    return lambda number: _testcapi.set_nomemory(number, number + 1), _testcapi.remove_mem_hooks, 40


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
        self.usual = set(self.reports)

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


def prepare(pairs: list[tuple[datetime, Any]], twinned: bool, stirred: bool, subclass: bool) -> tuple[Any, Any]:
    """`stirred`: something fell due before, so that a crowd has cascaded. `twinned`: a copy shares what it may."""
    n: Any = Sub("k") if subclass else MultiNotifier()
    n.notify_many([at for at, _ in pairs], [token for _, token in pairs])
    if stirred:
        n.notify_at(EARLIEST, "earliest")
        n.due(EARLIEST)
    twin = copy.copy(n) if twinned else None
    return n, twin


def sweep(shape: str, action: str, twinned: bool, stirred: bool, subclass: bool, step: int = 1, first: int = 0) -> int:
    """Fail the first, the second … allocation of one action, until it needs no more; answers the number of failures."""
    act = ACTIONS[action]
    failures = 0
    quiet = 0
    fail, restore, least = switches()
    unraised = Unraised(fail, restore)
    pairs = SHAPES[shape]()
    pair: Any = min(pairs, key=lambda pair: pair[0], default=(later(5), "none"))
    n, twin = prepare(pairs, twinned, stirred, subclass)
    before = contents(n)
    # What the action answers and leaves where nothing fails.
    wanted = outline(act(n, pair))
    after = contents(n)
    del n, twin, pairs, pair
    for failing in range(first, first + MOST * step, step):
        living = alive()
        pairs = SHAPES[shape]()
        pair = min(pairs, key=lambda pair: pair[0], default=(later(5), "none"))
        n, twin = prepare(pairs, twinned, stirred, subclass)
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
            assert [repr(token) for token in n.due(LAST)] == [token for _, token in left]
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
        if quiet > 3 and failing > least:
            return failures
    raise AssertionError(f"{action} of {shape!r} does not end")


Case = tuple[str, str, bool, bool, bool]


def cases() -> list[Case]:
    return [
        (shape, action, twinned, stirred, subclass)
        for shape in SHAPES
        for action in ACTIONS
        for twinned in (False, True)
        for stirred in (False, True)
        for subclass in (False, True)
        if shape != "empty" or not stirred
    ]
