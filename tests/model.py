"""A timer queue that is obviously right: the pending timers in the order of their insertion, sorted at every question.

It states the contract in the fewest words, and is slow. `tests/oracle.py` answers the same, and fast; one test holds
the two side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

MICROSECOND = timedelta(microseconds=1)


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


class Model:
    def __init__(self, timers: Iterable[tuple[datetime, Any]] = ()) -> None:
        self.timers: list[tuple[datetime, Any]] = []
        for at, token in timers:
            self.notify_at(at, token)

    def _refuse_mixed(self, *times: datetime) -> None:
        """Also where there are no timers, one call's times must be of one kind."""
        pending = [at for at, _ in self.timers[:1]]
        if len({at.utcoffset() is None for at in [*pending, *times]}) > 1:
            raise TypeError("can't compare offset-naive and offset-aware datetimes")

    def _find(self, at: datetime, token: Any) -> int | None:
        self._refuse_mixed(at)
        for place, (pending, held) in enumerate(self.timers):
            if instant(pending) == instant(at) and (held is token or held == token):
                return place
        return None

    def notify_at(self, at: datetime, token: Any) -> None:
        self._refuse_mixed(at)
        self.timers.append((at, token))

    def notify_many(self, ats: Iterable[datetime], tokens: Iterable[Any]) -> None:
        ats, tokens = list(ats), list(tokens)
        if len(ats) != len(tokens):
            raise ValueError("ats and tokens must have the same length")
        self._refuse_mixed(*ats)
        self.timers += zip(ats, tokens)

    def _sorted(self) -> list[tuple[datetime, Any]]:
        # Sorting is stable: equal times stay in the order of their insertion.
        return sorted(self.timers, key=lambda timer: instant(timer[0]))

    def __iter__(self) -> Iterator[tuple[datetime, Any]]:
        return iter([(moment(instant(at), at.utcoffset() is None), token) for at, token in self._sorted()])

    def next_at(self) -> datetime | None:
        return next(iter(self))[0] if self.timers else None

    def due_items(self, now: datetime, limit: int | None = None) -> list[tuple[datetime, Any]]:
        self._refuse_mixed(now)
        if limit is not None and limit < 0:
            raise ValueError("limit must not be negative")
        count = len([at for at, _ in self.timers if instant(at) <= instant(now)])
        count = count if limit is None else min(count, limit)
        items = list(self)[:count]
        taken = {id(timer) for timer in self._sorted()[:count]}
        self.timers = [timer for timer in self.timers if id(timer) not in taken]
        return items

    def due(self, now: datetime, limit: int | None = None) -> list[Any]:
        return [token for _, token in self.due_items(now, limit)]

    def __contains__(self, pair: tuple[datetime, Any]) -> bool:
        return self._find(*pair) is not None

    def cancel(self, at: datetime, token: Any) -> bool:
        place = self._find(at, token)
        if place is None:
            return False
        del self.timers[place]
        return True

    def reschedule(self, at: datetime, token: Any, new_at: datetime) -> bool:
        place = self._find(at, token)
        if place is None:
            return False
        self._refuse_mixed(new_at)
        held = self.timers.pop(place)[1]
        self.timers.append((new_at, held))
        return True

    def clear(self) -> None:
        self.timers = []

    def __len__(self) -> int:
        return len(self.timers)
