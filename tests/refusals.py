"""Calls that must be refused, and change nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Callable

from tests.model import Time


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
