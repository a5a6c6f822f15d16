"""Random operations on notifiers, every answer compared with the oracle's.

A run is a `Config` (data), a number of operations and a seed, and repeats exactly. Every operation is first chosen, as
a name and plain arguments, and then applied; so a run that fails leaves a list that `shrink` makes minimal and
`replay` repeats. `python -m tests.proof operations` runs them by the billion.
"""

from __future__ import annotations

import copy
import enum
import math
import pickle
import random
import struct
import sys
import uuid
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any, Callable, ClassVar, NamedTuple

from tests.model import BEGINNING, END, FIRST, LAST, MICROSECOND, Time, instant, moment
from tests.model import kind as kind_of
from tests.oracle import NUMBER_BITS, Oracle
from timers import MultiNotifier

UTC = timezone.utc
TICK = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TODAY = datetime(2026, 1, 1, tzinfo=UTC)

# Plain integers are what the oracle speaks: of a datetime the microseconds from year 1, of an int itself, and of a
# float how many floats there are from 0.0 up to it, so that neighbours differ by one.
TICK_SIZE = 1000
DAY = timedelta(days=1) // MICROSECOND
# Wheels may count their ticks from any of these; their levels lie at any of these powers of two of a tick.
ORIGINS = (-DAY, 0, instant(EPOCH))
SHIFTS = range(49)
STEPS = (-TICK_SIZE, -1, 0, 1, TICK_SIZE)


def boundary(micros: int, shift: int, origin: int) -> int:
    """The latest multiple of 2**shift ticks that is not after `micros`."""
    return origin + ((micros - origin) // TICK_SIZE >> shift << shift) * TICK_SIZE


def place_of(number: float) -> int:
    bits: int = struct.unpack("<q", struct.pack("<d", number + 0.0))[0]
    return bits if bits >= 0 else -(bits & 2**63 - 1)


def float_at(place: int) -> float:
    number: float = struct.unpack("<d", struct.pack("<q", abs(place)))[0]
    return number if place >= 0 else -number


def _aware(micros: int) -> datetime:
    return FIRST + micros * MICROSECOND if BEGINNING <= micros <= END else moment(micros)


def _naive(micros: int) -> datetime:
    return moment(micros, True)


# Of each kind of time: what makes one of an integer, the first and the last. (Zones reach beyond the calendar.)
WRITERS: dict[str, tuple[Callable[[int], Time], int, int]] = {
    "aware": (_aware, BEGINNING, END),
    "naive": (_naive, BEGINNING, END),
    "float": (float_at, place_of(-math.inf), place_of(math.inf)),
    "int": (int, -(2**63), 2**63 - 1),
}


# The configurations of numbers, and those of several kinds.
NUMBERS = {"floats": "float", "ints": "int"}
MIXED = {"either": ("aware", "naive"), "any": ("aware", "naive", "float", "int")}


def write(kind: str, number: int) -> Time:
    return WRITERS[kind][0](number)


def read(at: Time) -> int:
    return instant(at) if isinstance(at, datetime) else place_of(at) if isinstance(at, float) else at


def _extremes(numbers: list[int], first: int, last: int) -> list[int]:
    """Numbers with their neighbours, and the boundaries of levels with theirs."""
    places = {first, last}
    for number in numbers:
        places |= {number + step for step in (-1, 0, 1)}
        places |= {(number >> shift << shift) + step for shift in range(0, 63, 7) for step in (-1, 0)}
    return sorted(place for place in places if first <= place <= last)


FLOATS = _extremes(
    [
        place_of(sign * number)
        for number in (0.0, sys.float_info.min, 1.0, 86_400.0, 1.7e9, 2.0**53, 2.0**63, sys.float_info.max, math.inf)
        for sign in (-1, 1)
    ],
    *WRITERS["float"][1:],
)
INTS = _extremes(
    [sign * 2**power for power in (0, 10, 31, 32, 53, 62, 63) for sign in (-1, 1)] + [17 * 10**17], *WRITERS["int"][1:]
)


def _clocks() -> list[datetime]:
    """The extremes, before 1970, 1970, today; near each the boundary of each level with its neighbours."""
    places = [
        BEGINNING,
        END,
        *(instant(at) for at in (EPOCH - timedelta(days=9000), EPOCH - MICROSECOND, EPOCH, TODAY)),
    ]
    times = set(places)
    for place in places:
        times |= {
            boundary(place, shift, origin) + step for shift in SHIFTS[::8] for origin in ORIGINS for step in STEPS
        }
        # The levels below a millisecond.
        times |= {place // 32 * 32 + step for step in (-1, 0, 1, 32)}
    return [moment(micros) for micros in sorted(times) if BEGINNING <= micros <= END]


CLOCKS = _clocks()


class Folded(tzinfo):
    """Of each two wall-clock equal times the second (`fold`) is an hour later."""

    def utcoffset(self, at: datetime | None) -> timedelta:
        return timedelta(hours=1 - at.fold if at else 1)

    def dst(self, at: datetime | None) -> timedelta:
        return self.utcoffset(at)

    def tzname(self, at: datetime | None) -> str:
        return "Folded"


ZONES: list[tuple[tzinfo, int]] = [(Folded(), 0), (Folded(), 1), (UTC, 0)]
ZONES += [(timezone(timedelta(seconds=seconds)), 0) for seconds in (0, 1, -1, 20_700, 50_400, -43_200, 86_399, -86_399)]
ZONES += [(timezone(timedelta(microseconds=-1)), 0)]


class Stamp(datetime):
    """A subclass of `datetime` that lies wherever it is asked and not read."""

    def __lt__(self, other: object) -> bool:
        raise AssertionError("a subclass was compared")

    __le__ = __gt__ = __ge__ = __lt__

    def __sub__(self, other: Any) -> Any:
        raise AssertionError("a subclass was subtracted")

    __add__ = __sub__


class Label:
    """A token that equals others; `number` tells them apart."""

    def __init__(self, group: int, number: int) -> None:
        self.group, self.number = group, number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Label) and self.group == other.group

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Label({self.group}, {self.number})"


class Sub(MultiNotifier[Any]):
    """With another constructor, a slot and a `__dict__`."""

    __slots__ = ("__dict__", "key")

    def __init__(self, key: str) -> None:
        self.key = key
        self.extra = [key]


@dataclass(frozen=True)
class Config:
    """Where the clock starts, how far timers and clock move, what times and tokens look like, what is done."""

    start: Time = TODAY
    # Timers lie up to `spread` after the clock, and a sixteenth of it before; the clock moves up to `step`. Where times
    # are numbers, a microsecond stands for one, or for the next float.
    spread: timedelta = timedelta(seconds=60)
    step: timedelta = timedelta(seconds=1)
    grain: timedelta = MICROSECOND
    backwards: float = 0.0
    # How often a time is taken from CLOCKS, and how often from the nearest boundaries of a level.
    jumps: float = 0.0
    edges: float = 0.02
    # How often a time lies far away, before or after the clock: seconds to millennia.
    outliers: float = 0.0
    # "utc", "naive", "zones", "stamps", "floats", "ints"; "either" of aware and naive, "any" of the four kinds.
    times: str = "utc"
    tokens: str = "numbers"
    subclass: bool = False
    # Twins that live on beside the notifier in use.
    twins: int = 3
    # In place of the usual weights.
    weights: dict[str, int] | None = None


# What costs as much as there are timers is rare, so that volume stays affordable.
USUAL = {
    "notify_at": 600,
    "due": 180,
    "slice": 60,
    "due_items": 25,
    "cancel": 120,
    "reschedule": 120,
    "notify_many": 6,
    "contains": 30,
    "copy": 4,
    "switch": 12,
    "drop": 3,
    "keep": 2,
    "restore": 2,
    "rebuild": 1,
    "items": 2,
    "iterate": 2,
    "step": 20,
    "scribble": 3,
    "look": 2,
    "refuse": 12,
    "clear": 2,
}

CONFIGS = {
    "dense": Config(),
    "sparse": Config(spread=timedelta(days=400), step=timedelta(days=9)),
    "one millisecond": Config(spread=TICK, step=timedelta(microseconds=20)),
    "one microsecond": Config(spread=MICROSECOND, step=MICROSECOND),
    "whole milliseconds": Config(grain=TICK, step=TICK * 400),
    "every level": Config(edges=0.7, spread=timedelta(days=90), step=timedelta(days=2)),
    "backwards": Config(backwards=0.5, step=timedelta(seconds=5)),
    "jumps": Config(spread=timedelta(days=900_000), step=timedelta(days=20_000), jumps=0.1, backwards=0.3),
    "far past": Config(start=FIRST + timedelta(seconds=5), backwards=0.3),
    "far future": Config(start=LAST - timedelta(seconds=30), backwards=0.4),
    "before 1970": Config(start=EPOCH - timedelta(seconds=2), step=timedelta(milliseconds=20)),
    "growing": Config(
        weights={**USUAL, "notify_at": 1500, "notify_many": 30, "due": 15, "slice": 15, "copy": 1, "clear": 0}
    ),
    "growing in a second": Config(
        spread=timedelta(seconds=1), weights={**USUAL, "notify_many": 45, "due": 9, "slice": 150, "copy": 1, "clear": 0}
    ),
    "small": Config(spread=timedelta(seconds=2), weights={**USUAL, "notify_at": 200, "notify_many": 0, "copy": 60}),
    "copies": Config(
        spread=timedelta(seconds=9), twins=6, weights={**USUAL, "copy": 60, "switch": 90, "keep": 12, "restore": 12}
    ),
    "cancelling": Config(weights={**USUAL, "due": 9, "cancel": 500, "reschedule": 500}),
    "slices": Config(
        spread=timedelta(seconds=3), weights={**USUAL, "notify_many": 40, "due": 9, "slice": 300, "due_items": 150}
    ),
    "naive": Config(times="naive", jumps=0.05, backwards=0.2),
    "aware or naive": Config(times="either", weights={**USUAL, "clear": 60}),
    "zones": Config(times="zones"),
    "zones at the ends": Config(
        times="zones", spread=timedelta(days=900_000), step=timedelta(days=9000), jumps=0.3, backwards=0.5
    ),
    "datetime subclass": Config(times="stamps"),
    "equal tokens": Config(tokens="equal", spread=timedelta(microseconds=60), step=timedelta(microseconds=7)),
    "labels": Config(tokens="labels", spread=timedelta(milliseconds=3), step=timedelta(microseconds=90)),
    "mutable tokens": Config(tokens="lists", weights={**USUAL, "copy": 30, "scribble": 30, "switch": 60}),
    "immutable tokens": Config(
        tokens="fixed",
        spread=timedelta(seconds=9),
        twins=6,
        weights={**USUAL, "copy": 60, "switch": 90, "keep": 12, "restore": 12},
    ),
    "immutable tokens at once": Config(
        tokens="fixed", spread=timedelta(microseconds=60), weights={**USUAL, "copy": 30, "switch": 60, "cancel": 400}
    ),
    "one mutable token": Config(tokens="few lists", weights={**USUAL, "copy": 30, "scribble": 30, "switch": 60}),
    "subclass": Config(subclass=True, weights={**USUAL, "copy": 30, "switch": 60}),
    "outliers": Config(outliers=0.02),
    "many outliers": Config(outliers=0.3, weights={**USUAL, "copy": 30, "switch": 60}),
    "outliers of a growing one": Config(
        outliers=0.003, weights={**USUAL, "notify_at": 1500, "notify_many": 30, "due": 15, "slice": 15, "clear": 0}
    ),
    "outliers, cancelled": Config(outliers=0.1, weights={**USUAL, "due": 9, "cancel": 500, "reschedule": 500}),
    "outliers, copied": Config(
        outliers=0.1,
        tokens="few lists",
        twins=6,
        weights={**USUAL, "copy": 60, "switch": 90, "keep": 12, "restore": 12},
    ),
    "generations": Config(
        spread=timedelta(seconds=9), twins=40, weights={**USUAL, "copy": 80, "switch": 60, "drop": 9}
    ),
    "iterating": Config(
        spread=timedelta(seconds=1),
        weights={
            **USUAL,
            "due": 30,
            "slice": 20,
            "cancel": 60,
            "iterate": 90,
            "step": 2000,
            "contains": 300,
            "look": 60,
        },
    ),
    "whole seconds": Config(grain=timedelta(seconds=1), step=timedelta(seconds=2), tokens="equal"),
    **{
        f"one instant, {tokens}": Config(
            spread=timedelta(hours=1),
            grain=timedelta(hours=1),
            step=timedelta(0),
            tokens=tokens,
            weights={
                **USUAL,
                **dict(due=3, due_items=40, cancel=250, reschedule=150, notify_many=30, copy=20, switch=30),
            },
        )
        for tokens in ("strings", "numbers", "pairs", "objects", "equal", "labels", "mixed")
    },
    "floats": Config(start=1.7e9, times="floats", backwards=0.1),
    "floats around zero": Config(start=0.0, times="floats", spread=TICK, step=TICK / 50, backwards=0.4),
    "floats far apart": Config(start=1.7e9, times="floats", jumps=0.1, outliers=0.1, edges=0.1, backwards=0.3),
    "neighbours": Config(start=1.0, times="floats", spread=9 * MICROSECOND, step=MICROSECOND),
    "ints": Config(start=17 * 10**17, times="ints", backwards=0.1),
    "ints to both ends": Config(start=0, times="ints", jumps=0.1, outliers=0.1, edges=0.1, backwards=0.3),
    "small ints": Config(start=0, times="ints", spread=9 * MICROSECOND, step=MICROSECOND, tokens="equal"),
    "any kind": Config(times="any", weights={**USUAL, "clear": 60, "refuse": 60}),
}


def _equal_token(rng: random.Random, number: int) -> Any:
    return rng.choice([0, False, 0.0, 1, True, "a", "".join(["a"]), None, (1,), (True,), b"a", (), "long " * 9])


class Plain:
    """Equal to itself only, and copied and unpickled as itself; `number` says which one."""

    known: ClassVar[weakref.WeakValueDictionary[int, Plain]] = weakref.WeakValueDictionary()

    def __init__(self, number: int) -> None:
        self.number = number
        self.known[number] = self

    def __deepcopy__(self, memo: Any) -> Plain:
        return self

    def __reduce__(self) -> Any:
        return _plain, (self.number,)

    def __repr__(self) -> str:
        return f"Plain({self.number})"


def _plain(number: int) -> Plain:
    return Plain.known.get(number) or Plain(number)


def _mixed_token(rng: random.Random, number: int) -> Any:
    return rng.choice(_MIXED)(rng, number)


class Color(enum.Enum):
    RED = 1
    BLUE = (2, "b")


class Pair(NamedTuple):
    left: Any
    right: Any


# Immutable, and each in a box or in the tree.
_FIXED: list[Callable[[int], Any]] = [
    lambda number: uuid.UUID(int=number % 31),
    lambda number: Decimal(number % 31) / 7,
    lambda number: Fraction(number % 31, 7),
    lambda number: frozenset([number % 31, Color.RED]),
    lambda number: list(Color)[number % 2],
    lambda number: Pair(number % 31, Color.BLUE),
    lambda number: (int, Pair, Color)[number % 3],
    lambda number: (_mixed_token, len)[number % 2],
    lambda number: time(number % 24, tzinfo=timezone(timedelta(hours=number % 3))),
    lambda number: timezone(timedelta(minutes=number % 31)),
    lambda number: str(number % 31),
]
TOKENS: dict[str, Callable[[random.Random, int], Any]] = {
    "numbers": lambda rng, number: number,
    # Equal ones are other objects.
    "strings": lambda rng, number: str(number % 97),
    "pairs": lambda rng, number: (str(number % 97), number % 3),
    "objects": lambda rng, number: Plain(number),
    "mixed": _mixed_token,
    "equal": _equal_token,
    "labels": lambda rng, number: Label(rng.randrange(5), number),
    "lists": lambda rng, number: [number],
    "fixed": lambda rng, number: _FIXED[number % len(_FIXED)](number // 7),
    "few lists": lambda rng, number: [number] if rng.random() < 0.01 else str(number),
}
_MIXED = [TOKENS[name] for name in ("numbers", "strings", "pairs", "objects", "equal")]
# Where `==` does not tell the tokens apart, their text does.
TEXTUAL = {"equal", "labels", "mixed"}
# Copies must not share these.
CHANGEABLE = {"lists", "few lists"}


def _rounds(protocol: int) -> Callable[[Any], Any]:
    return lambda notifier: pickle.loads(pickle.dumps(notifier, protocol))


def _out_of_band(notifier: Any) -> Any:
    buffers: list[Any] = []
    state = pickle.dumps(notifier, 5, buffer_callback=buffers.append)
    return pickle.loads(state, buffers=buffers)


COPIERS: dict[str, tuple[bool, Callable[[Any], Any]]] = {
    "copy": (False, copy.copy),
    "deepcopy": (True, copy.deepcopy),
    **{f"pickle {protocol}": (True, _rounds(protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)},
    "pickle out of band": (True, _out_of_band),
}


class _Broken(tzinfo):
    def utcoffset(self, at: Any) -> timedelta:
        raise ZeroDivisionError

    dst = utcoffset
    tzname = utcoffset  # type: ignore[assignment]


BROKEN = datetime(2026, 1, 1, tzinfo=_Broken())


def _exploding(at: Time) -> Iterator[Time]:
    yield at
    raise ZeroDivisionError


# Every one raises, and changes nothing. `at` is a time of the right kind, `wrong` one of another.
REFUSALS: list[tuple[type[Exception], Callable[[Any, Time, Time], Any]]] = [
    (TypeError, lambda n, at, wrong: n.notify_at(None, 1)),
    (TypeError, lambda n, at, wrong: n.notify_at(date(2026, 1, 1), 1)),
    (TypeError, lambda n, at, wrong: n.due(True)),
    (TypeError, lambda n, at, wrong: n.due_items("2026-01-01")),
    (TypeError, lambda n, at, wrong: n.cancel(None, 1)),
    (TypeError, lambda n, at, wrong: n.reschedule(at, 1, None)),
    (TypeError, lambda n, at, wrong: n.notify_many([at, None], [1, 2])),
    (TypeError, lambda n, at, wrong: n.notify_many([at, wrong], [1, 2])),
    (TypeError, lambda n, at, wrong: n.notify_many(7, [])),
    (TypeError, lambda n, at, wrong: n.due(at, 1.5)),
    (ValueError, lambda n, at, wrong: n.notify_many([at], [])),
    (ValueError, lambda n, at, wrong: n.notify_at(math.nan, 1)),
    (ValueError, lambda n, at, wrong: n.reschedule(at, 1, math.nan)),
    (OverflowError, lambda n, at, wrong: n.due(2**63)),
    (OverflowError, lambda n, at, wrong: n.notify_many([at, -(2**63) - 1], [1, 2])),
    (ValueError, lambda n, at, wrong: n.due(at, -1)),
    (ValueError, lambda n, at, wrong: n.due_items(at, limit=-(10**30))),
    (ZeroDivisionError, lambda n, at, wrong: n.notify_at(BROKEN, 1)),
    (ZeroDivisionError, lambda n, at, wrong: n.due(BROKEN)),
    (ZeroDivisionError, lambda n, at, wrong: n.reschedule(at, 1, BROKEN)),
    (ZeroDivisionError, lambda n, at, wrong: n.notify_many(_exploding(at), [1, 2])),
    (ZeroDivisionError, lambda n, at, wrong: n.notify_many([at, at], _exploding(at))),
]
# These only where timers are pending.
MIXTURES: list[Callable[[Any, Time], Any]] = [
    lambda n, wrong: n.notify_at(wrong, 1),
    lambda n, wrong: n.notify_many([wrong], [1]),
    lambda n, wrong: n.due(wrong),
    lambda n, wrong: n.due(wrong, 1),
    lambda n, wrong: n.due_items(wrong),
    lambda n, wrong: n.cancel(wrong, 1),
    lambda n, wrong: (wrong, 1) in n,
]


class Operation(NamedTuple):
    name: str
    arguments: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments))})"


class Stage:
    """Notifiers, each with its oracle, and the operations that are applied to both and compared."""

    def __init__(self, config: Config, notifier: Any = None) -> None:
        self.config = config
        if notifier is None:
            notifier = Sub("k") if config.subclass else MultiNotifier()
        self.notifier: Any = notifier
        self.oracle = Oracle()
        self.others: list[tuple[Any, Oracle]] = []
        self.kept: tuple[Any, Oracle] | None = None
        self.iterator: tuple[Iterator[Any], Oracle, int, Iterator[Any]] | None = None
        self.textual = config.tokens in TEXTUAL
        self.soonest: tuple[int | None, str, Time | None] = (None, "", None)

    def compare(self) -> None:
        """What must hold after every operation."""
        soonest, kind = self.oracle.next_at(), self.oracle.kind
        if soonest != self.soonest[0] or kind != self.soonest[1]:
            self.soonest = soonest, kind, None if soonest is None else write(kind, soonest)
        answer: Any = self.notifier.next_at()
        expected = self.soonest[2]
        assert answer == expected and type(answer) is type(expected), f"next_at() is {answer!r}, not {expected!r}"
        if kind == "aware" and getattr(expected, "tzinfo", None) is UTC:
            assert getattr(answer, "tzinfo", None) is UTC, f"next_at() is {answer!r}: not in UTC"
        assert len(self.notifier) == len(self.oracle.keys), f"len() is {len(self.notifier)}, not {len(self.oracle)}"

    def same(self, answer: list[Any], expected: list[Any]) -> None:
        assert answer == expected, f"answered {answer!r}, not {expected!r}"
        if self.textual:
            assert repr(answer) == repr(expected), f"answered {answer!r}, not {expected!r}"

    def moments(self, items: list[tuple[int, Any]]) -> list[tuple[Time, Any]]:
        kind = self.oracle.kind
        return [(write(kind, number), token) for number, token in items]

    def apply(self, operation: Operation) -> None:
        getattr(self, operation.name)(*operation.arguments)
        self.compare()

    # The operations. An instant that stands twice among the arguments is there for the oracle and for the notifier.

    def notify_at(self, micros: int, at: Time, token: Any) -> None:
        if not self.oracle.keys:
            self.oracle.kind = kind_of(at)
        self.oracle.notify_at(micros, token)
        assert self.notifier.notify_at(at, token) is None

    def due(self, micros: int, now: Time) -> None:
        self.same(self.notifier.due(now), self.oracle.due(micros))

    def slice(self, micros: int, now: Time, limit: int) -> None:
        self.same(self.notifier.due(now, limit), self.oracle.due(micros, limit))

    def due_items(self, micros: int, now: Time, limit: int | None) -> None:
        expected = self.moments(self.oracle.due_items(micros, limit))
        self.same(self.notifier.due_items(now=now, limit=limit), expected)

    def cancel(self, micros: int, at: Time, token: Any) -> None:
        assert self.notifier.cancel(at, token) is self.oracle.cancel(micros, token), "cancel() answered otherwise"

    def contains(self, micros: int, at: Time, token: Any) -> None:
        assert ((at, token) in self.notifier) is self.oracle.contains(micros, token), "`in` answered otherwise"

    def reschedule(self, micros: int, at: Time, token: Any, new_micros: int, new_at: Time) -> None:
        expected = self.oracle.reschedule(micros, token, new_micros)
        assert self.notifier.reschedule(at, token, new_at) is expected, "reschedule() answered otherwise"

    def notify_many(self, micros: list[int], ats: list[Time], tokens: list[Any], form: str) -> None:
        if not self.oracle.keys and ats:
            self.oracle.kind = kind_of(ats[0])
        self.oracle.notify_many(micros, tokens)
        if form == "column" and isinstance(self.notifier, MultiNotifier):
            numpy = sys.modules["numpy"]
            if self.config.times in NUMBERS:
                column = numpy.array(ats, dtype="f8" if self.config.times == "floats" else "i8")
            else:
                column = numpy.array([micro - instant(EPOCH) for micro in micros], dtype="i8").view("M8[us]")
            self.notifier.notify_many(column, tokens)
        elif form == "generators":
            self.notifier.notify_many((at for at in ats), tokens=iter(tokens))
        else:
            self.notifier.notify_many(ats, tuple(tokens))

    def clear(self) -> None:
        if not len(self.oracle):
            # Whether that is a change is nobody's business.
            self.iterator = None
        self.oracle.clear()
        self.notifier.clear()
        assert not self.notifier

    def items(self) -> None:
        self.same(list(self.notifier), self.moments(self.oracle.items()))

    def iterate(self) -> None:
        expected = iter(self.moments(self.oracle.items()))
        self.iterator = iter(self.notifier), self.oracle, self.oracle.changes, expected

    def step(self) -> None:
        """One step of an iterator over a notifier that may have changed since."""
        if self.iterator is None:
            return
        iterator, oracle, changes, expected = self.iterator
        try:
            answer = next(iterator)
        except RuntimeError:
            assert oracle.changes != changes, "iteration saw a change where there was none"
            self.iterator = None
        except StopIteration:
            # As a dict's: the end is a step like any other.
            assert oracle.changes == changes and next(expected, None) is None, "iteration ended early"
            self.iterator = None
        else:
            assert oracle.changes == changes, "iteration went on after a change"
            self.same([answer], [next(expected)])

    def copy(self, how: str, stay: bool) -> None:
        deep, make = COPIERS[how]
        twin = make(self.notifier), self.oracle.twin(deep and self.config.tokens in CHANGEABLE)
        assert type(twin[0]) is type(self.notifier)
        self.adopt(*twin)
        if self.config.subclass:
            assert (twin[0].key, twin[0].extra) == ("k", ["k"])
            assert (twin[0].extra is self.notifier.extra) is not deep
        if not stay:
            self.others.append((self.notifier, self.oracle))
            self.notifier, self.oracle = twin
        else:
            self.others.append(twin)
        if len(self.others) > self.config.twins:
            self.drop(0)

    def adopt(self, notifier: Any, oracle: Oracle) -> None:
        """The very tokens of a copy, which may be other objects: identity decides what is cancelled."""
        tokens = [token for _, token in notifier]
        self.same(tokens, [oracle.tokens[key] for key in oracle.keys])
        for key, token in zip(oracle.keys, tokens):
            # Lists are changed in place, the notifier's and the oracle's each by itself.
            if type(token) is not list:
                oracle.tokens[key] = token

    def switch(self, number: int) -> None:
        if self.others:
            other = self.others.pop(number % len(self.others))
            self.others.append((self.notifier, self.oracle))
            self.notifier, self.oracle = other

    def drop(self, number: int) -> None:
        if self.others:
            del self.others[number % len(self.others)]

    def keep(self, protocol: int) -> None:
        self.kept = self.notifier.__reduce_ex__(protocol)[2], self.oracle.twin(False)

    def restore(self) -> None:
        if self.kept:
            state, oracle = self.kept
            if not len(oracle) and not len(self.oracle):
                self.iterator = None
            self.notifier.__setstate__(state)
            changes = self.oracle.changes + 1
            self.oracle.__dict__.update(vars(oracle.twin(False)), changes=changes)
            self.adopt(self.notifier, self.oracle)

    def rebuild(self) -> None:
        """A notifier from the pairs of another."""
        if not self.config.subclass:
            oracle = self.oracle.twin(False)
            self.notifier, self.oracle = MultiNotifier(timers=self.notifier), oracle

    def scribble(self) -> None:
        """Change a mutable token in place: copies must not share it, except `copy.copy`."""
        if self.oracle.keys:
            ours, theirs = self.oracle.tokens[self.oracle.keys[0]], next(iter(self.notifier))[1]
            if type(ours) is list:
                ours.append(len(ours))
                if ours is not theirs:
                    theirs.append(len(theirs))

    def look(self) -> None:
        assert "\n" not in repr(self.notifier) and len(repr(self.notifier)) < 200
        assert bool(self.notifier) is bool(self.oracle)
        assert sys.getsizeof(self.notifier) >= 16 * len(self.oracle) // 8

    def refuse(self, number: int, at: Time) -> None:
        held = self.oracle.kind if len(self.oracle) else kind_of(at)
        others: dict[str, Time] = {"aware": moment(instant(TODAY), True), "naive": TODAY, "float": TODAY, "int": 0.5}
        wrong = others[held]
        if len(self.oracle) and number >= len(REFUSALS):
            try:
                MIXTURES[number - len(REFUSALS)](self.notifier, wrong)
            except TypeError as error:
                mixed = held in ("aware", "naive")
                assert str(error).endswith("can't compare offset-naive and offset-aware datetimes") is mixed
            else:
                raise AssertionError(f"mixture {number - len(REFUSALS)} was accepted")
        elif number < len(REFUSALS):
            kind, call = REFUSALS[number]
            try:
                call(self.notifier, at, wrong)
            except kind:
                pass
            else:
                raise AssertionError(f"refusal {number} was accepted")

    def finish(self) -> None:
        """Every notifier that is left gives the rest of its future."""
        for notifier, oracle in [*self.others, (self.notifier, self.oracle)]:
            self.notifier, self.oracle = notifier, oracle
            self.compare()
            end = WRITERS[self.oracle.kind][2] + (DAY - 1 if self.oracle.kind == "aware" else 0)
            self.due(end, write(self.oracle.kind, end))
            assert not self.notifier


class Chooser:
    """Chooses the arguments of the operations, from what the oracle knows."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.config, self.rng = stage, stage.config, random.Random(seed)
        self.random, self.edges, self.jumps = self.rng.random, self.config.edges, self.config.jumps
        self.outliers = self.config.outliers
        self.now = read(self.config.start)
        self.grain = self.config.grain // MICROSECOND
        self.reach = max(self.config.spread // MICROSECOND, 1)
        self.stride = max(self.config.step // MICROSECOND, 1)
        self.number = 0
        times = self.config.times
        self.counted = times in NUMBERS
        self.clocks = {"floats": FLOATS, "ints": INTS}.get(times) or [instant(at) for at in CLOCKS]
        self.shifts = range(63) if self.counted else SHIFTS
        self.make_token = TOKENS[self.config.tokens]
        # Instants beyond the calendar exist only where zones do.
        beyond = DAY - 1 if times == "zones" else 0
        _, first, last = WRITERS[NUMBERS.get(times, "aware")]
        self.low, self.high = first - beyond, last + beyond
        self.plain = times == "utc"
        usual = self.config.weights or USUAL
        self.names, self.weights = list(usual), list(usual.values())

    def choices(self, count: int) -> list[str]:
        return self.rng.choices(self.names, self.weights, k=count)

    def operation(self, name: str) -> Operation:
        return Operation(name, getattr(self, name)())

    # Parts of the arguments.

    def instant(self) -> int:
        chance = self.random()
        if chance < self.edges:
            micros = self.edge(self.shifts)
            if chance < self.edges / 2:
                micros += (1 if self.counted else TICK_SIZE) << self.rng.choice(self.shifts)
        elif chance < self.edges + self.jumps:
            micros = self.rng.choice(self.clocks)
        elif chance < self.edges + self.jumps + self.outliers:
            micros = self.now + self.rng.choice((-1, 1)) * (1 << self.rng.randrange(20, 64))
        else:
            micros = self.now + int((self.random() * 1.0625 - 0.0625) * self.reach)
            micros -= micros % self.grain
        return self.low if micros < self.low else self.high if micros > self.high else micros

    def edge(self, shifts: range) -> int:
        """A boundary of a level before the clock, or near it."""
        rng, shift = self.rng, self.rng.choice(shifts)
        if self.counted:
            return (self.now >> shift << shift) + rng.choice((-1, 0, 1))
        return boundary(self.now, shift, rng.choice(ORIGINS)) + rng.choice(STEPS)

    def dress(self, micros: int) -> Time:
        """One of the times of an instant."""
        if self.plain:
            return FIRST + micros * MICROSECOND
        times, oracle = self.config.times, self.stage.oracle
        if times == "naive":
            return moment(micros, True)
        if times in MIXED:
            return write(oracle.kind if oracle.keys else self.rng.choice(MIXED[times]), micros)
        if times in NUMBERS:
            number = write(NUMBERS[times], micros)
            # Floats that are integers may come as such, where there are floats.
            if type(number) is float and oracle.keys and abs(number) < 2**63 and number == int(number):
                return self.rng.choice((number, int(number)))
            return number
        if times == "stamps":
            at = moment(micros)
            return Stamp(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, UTC)
        zone, fold = self.rng.choice(ZONES)
        offset = zone.utcoffset(datetime(1, 1, 1, fold=fold))
        assert offset is not None
        wall = micros + offset // MICROSECOND
        if not BEGINNING <= wall <= END:
            return moment(micros)
        return moment(wall, True).replace(tzinfo=zone, fold=fold)

    def token(self) -> Any:
        self.number += 1
        return self.make_token(self.rng, self.number)

    def pair(self) -> tuple[int, Time, Any]:
        """A pending pair, mostly."""
        oracle, rng = self.stage.oracle, self.rng
        if not oracle.keys or self.random() < 0.08:
            micros = self.instant()
            return micros, self.dress(micros), self.token()
        key = oracle.keys[int(self.random() * len(oracle.keys))]
        micros, token = key >> NUMBER_BITS, oracle.tokens[key]
        if self.random() < 0.05:
            micros = min(max(micros + rng.choice(STEPS), self.low), self.high)
        return micros, self.dress(micros), token

    def clock(self) -> int:
        rng, chance = self.rng, self.random()
        if chance < self.jumps:
            self.now = rng.choice(self.clocks)
        elif chance < self.jumps + self.edges:
            self.now = self.edge(self.shifts[:24])
        else:
            sign = -1 if chance > 1 - self.config.backwards else 1
            self.now += sign * int(self.random() * (self.stride + 1))
        self.now = min(max(self.now, self.low), self.high)
        return self.now

    # The arguments of each operation.

    def notify_at(self) -> tuple[Any, ...]:
        micros = self.instant()
        return micros, self.dress(micros), self.token()

    def due(self) -> tuple[Any, ...]:
        now = self.clock()
        return now, self.dress(now)

    def slice(self) -> tuple[Any, ...]:
        return (*self.due(), self.rng.choice((0, 1, 2, 7, 40, 400)))

    def due_items(self) -> tuple[Any, ...]:
        return (*self.due(), self.rng.choice((None, 0, 1, 5, 100)))

    cancel = contains = pair

    def reschedule(self) -> tuple[Any, ...]:
        micros = self.instant()
        return (*self.pair(), micros, self.dress(micros))

    def notify_many(self) -> tuple[Any, ...]:
        count = self.rng.choice((0, 1, 3, 30, 90))
        micros = [self.instant() for _ in range(count)]
        form = self.rng.choice(("lists", "generators", "column"))
        times = self.config.times
        inside = times in NUMBERS or all(BEGINNING <= micro <= END for micro in micros)
        if form == "column" and (times == "naive" or times in MIXED or not inside or "numpy" not in sys.modules):
            form = "lists"
        if times in MIXED and micros:
            what = kind_of(self.dress(micros[0]))
            ats = [write(what, micro) for micro in micros]
        else:
            ats = [self.dress(micro) for micro in micros]
        return micros, ats, [self.token() for _ in micros], form

    def copy(self) -> tuple[Any, ...]:
        return self.rng.choice(list(COPIERS)), self.rng.random() < 0.5

    def switch(self) -> tuple[Any, ...]:
        return (self.rng.randrange(9),)

    drop = switch

    def keep(self) -> tuple[Any, ...]:
        return (self.rng.randint(2, pickle.HIGHEST_PROTOCOL),)

    def refuse(self) -> tuple[Any, ...]:
        return self.rng.randrange(len(REFUSALS) + len(MIXTURES)), self.dress(self.instant())

    def nothing(self) -> tuple[Any, ...]:
        return ()

    clear = items = iterate = step = restore = rebuild = scribble = look = nothing


Trace = list[Operation]


def run(
    config: Config, operations: int, seed: int, check: bool = False, trace: Any = None, notifier: Any = None
) -> int:
    """Apply `operations` random ones; AssertionError where notifier and oracle differ.

    Each is appended to `trace` before it is applied. Answers the number of operations.
    """
    stage = Stage(config, notifier)
    chooser = Chooser(stage, seed)
    choose = {name: getattr(chooser, name) for name in chooser.names}
    apply = {name: getattr(stage, name) for name in chooser.names}
    compare = stage.compare
    for name in chooser.choices(operations):
        arguments = choose[name]()
        if trace is not None:
            trace.append(Operation(name, arguments))
        apply[name](*arguments)
        compare()
        if check:
            stage.notifier._check()
            for other, _ in stage.others:
                other._check()
    stage.finish()
    return operations


def replay(config: Config, trace: Trace, check: bool = True) -> None:
    stage = Stage(config)
    for operation in trace:
        stage.apply(operation)
        if check:
            stage.notifier._check()
    stage.finish()


def fails(config: Config, trace: Trace) -> bool:
    try:
        replay(config, trace)
    except Exception:
        return True
    return False


def shrink(trace: Trace, fails: Callable[[Trace], bool]) -> Trace:
    """Leave out ever smaller parts, as long as what is left still fails."""
    part = len(trace) // 2
    while part:
        start = 0
        while start < len(trace):
            shorter = trace[:start] + trace[start + part :]
            if fails(shorter):
                trace = shorter
            else:
                start += part
        part //= 2
    return trace
