"""The times that tests try: of each kind, the ends, the boundaries of levels, and their neighbours."""

from __future__ import annotations

import math
import struct
import sys
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Callable

from tests.model import BEGINNING, END, FIRST, MICROSECOND, Time, instant, moment

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
