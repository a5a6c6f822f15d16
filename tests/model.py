"""A timer queue that is obviously right: the pending timers in the order of their insertion, sorted at every question.

It states the contract in the fewest words, and is slow. `tests/oracle.py` answers the same, and fast; one test holds
the two side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Union

MICROSECOND = timedelta(microseconds=1)
Time = Union[datetime, float, int]


def instant(at: datetime) -> int:
    """Microseconds from the first moment of year 1: of UTC, or for a naive time of its wall clock."""
    # Not by subtraction: a subclass may have its own.
    since = datetime.combine(at.date(), at.time()) - datetime.min
    return (since - (at.utcoffset() or timedelta(0))) // MICROSECOND


FIRST, LAST = datetime.min.replace(tzinfo=timezone.utc), datetime.max.replace(tzinfo=timezone.utc)
BEGINNING, END = instant(FIRST), instant(LAST)


def moment(micros: int, naive: bool = False) -> datetime:
    """The datetime of an instant: in UTC, or naive; beyond the calendar with an offset that can hold it."""
    if BEGINNING <= micros <= END:
        return (datetime.min if naive else FIRST) + micros * MICROSECOND
    wall = BEGINNING if micros < BEGINNING else END
    return moment(wall, True).replace(tzinfo=timezone(timedelta(microseconds=wall - micros)))


def kind(at: Any) -> str:
    if isinstance(at, datetime):
        return "naive" if at.utcoffset() is None else "aware"
    if isinstance(at, float):
        if at != at:
            raise ValueError("NaN is no time")
        return "float"
    if isinstance(at, int) and not isinstance(at, bool):
        if not -(2**63) <= at < 2**63:
            raise OverflowError("an int has 64 bits")
        return "int"
    raise TypeError(f"a time is a datetime, a float or an int, not {type(at).__name__}")


def answer(at: Any) -> Time:
    """The time as it is kept and answered."""
    what = kind(at)
    if what == "float":
        return float(at) + 0.0  # without the sign of a zero
    return int(at) if what == "int" else moment(instant(at), what == "naive")


def rank(at: Time) -> float | int:
    return instant(at) if isinstance(at, datetime) else at


class Model:
    def __init__(self, timers: Iterable[tuple[Time, Any]] = ()) -> None:
        self.timers: list[tuple[Time, Any]] = []
        for at, token in timers:
            self.notify_at(at, token)

    def _alike(self, *times: Time) -> list[Time]:
        """The times as they are kept. Also where there are no timers, one call's times must be of one kind."""
        kept: list[Time] = []
        for at in times:
            held = [at for at, _ in self.timers[:1]] + kept[:1] + [at]
            expected, given = kind(held[0]), kind(at)
            if expected == "float" and given == "int" and float(at) == at:  # type: ignore[arg-type]
                at = float(at)  # type: ignore[arg-type]
            elif expected != given:
                if {expected, given} == {"naive", "aware"}:
                    raise TypeError("can't compare offset-naive and offset-aware datetimes")
                raise TypeError(f"{given} among {expected}")
            kept.append(answer(at))
        return kept

    def _find(self, at: Time, token: Any) -> int | None:
        """The earliest whose token is the given one, or else the earliest whose token equals it."""
        (at,) = self._alike(at)
        places = [place for place, (pending, _) in enumerate(self.timers) if rank(pending) == rank(at)]
        for place in places:
            if self.timers[place][1] is token:
                return place
        for place in places:
            if self.timers[place][1] == token:
                return place
        return None

    def notify_at(self, at: Time, token: Any) -> None:
        self.notify_many([at], [token])

    def notify_many(self, ats: Iterable[Time], tokens: Iterable[Any]) -> None:
        ats, tokens = list(ats), list(tokens)
        if len(ats) != len(tokens):
            raise ValueError("ats and tokens must have the same length")
        self.timers += zip(self._alike(*ats), tokens)

    def _sorted(self) -> list[tuple[Time, Any]]:
        # Sorting is stable: equal times stay in the order of their insertion.
        return sorted(self.timers, key=lambda timer: rank(timer[0]))

    def __iter__(self) -> Iterator[tuple[Time, Any]]:
        return iter(self._sorted())

    def next_at(self) -> Time | None:
        return self._sorted()[0][0] if self.timers else None

    def due_items(self, now: Time, limit: int | None = None) -> list[tuple[Time, Any]]:
        (now,) = self._alike(now)
        if limit is not None and limit < 0:
            raise ValueError("limit must not be negative")
        count = len([at for at, _ in self.timers if rank(at) <= rank(now)])
        items = self._sorted()[: count if limit is None else min(count, limit)]
        taken = {id(timer) for timer in items}
        self.timers = [timer for timer in self.timers if id(timer) not in taken]
        return items

    def due(self, now: Time, limit: int | None = None) -> list[Any]:
        return [token for _, token in self.due_items(now, limit)]

    def __contains__(self, pair: tuple[Time, Any]) -> bool:
        return self._find(*pair) is not None

    def cancel(self, at: Time, token: Any) -> bool:
        place = self._find(at, token)
        if place is None:
            return False
        del self.timers[place]
        return True

    def reschedule(self, at: Time, token: Any, new_at: Time) -> bool:
        place = self._find(at, token)
        if place is None:
            return False
        (new_at,) = self._alike(new_at)
        held = self.timers.pop(place)[1]
        self.timers.append((new_at, held))
        return True

    def clear(self) -> None:
        self.timers = []

    def __len__(self) -> int:
        return len(self.timers)
