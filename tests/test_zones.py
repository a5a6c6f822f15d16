"""Zones: whatever is remembered of one, every datetime is the instant that `astimezone` makes of it."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone, tzinfo
from operator import is_
from typing import Optional

import pytest

from timers import MultiNotifier

zoneinfo = pytest.importorskip("zoneinfo")
UTC = timezone.utc
MICROSECOND = timedelta(microseconds=1)
RULES = """
Europe/Berlin Europe/London Europe/Dublin Europe/Moscow Europe/Istanbul Europe/Lisbon America/New_York
America/Sao_Paulo America/St_Johns America/Caracas America/Havana America/Los_Angeles America/Anchorage America/Santiago
Africa/Casablanca Africa/Cairo Africa/Monrovia Asia/Tokyo Asia/Kolkata Asia/Kathmandu Asia/Tehran Asia/Gaza
Asia/Pyongyang Asia/Manila Asia/Shanghai Australia/Sydney Australia/Lord_Howe Australia/Eucla Pacific/Apia
Pacific/Kiritimati Pacific/Chatham Atlantic/Azores Antarctica/Troll Antarctica/Casey
"""


def instant_of(at: datetime) -> Optional[datetime]:
    n: MultiNotifier[None] = MultiNotifier()
    n.notify_at(at, None)
    return n.next_at()


def transitions(zone: tzinfo, first: int = 1840, last: int = 2040) -> list[datetime]:
    """The instants at which the offset changes, to the second: looked for in steps of a day."""
    found = []
    day, second = timedelta(days=1), timedelta(seconds=1)
    here = datetime(first, 1, 1, tzinfo=UTC)
    before = here.astimezone(zone).utcoffset()
    while here.year < last:
        there = here + day
        after = there.astimezone(zone).utcoffset()
        if after != before:
            low, high = here, there
            while high - low > second:
                middle = low + (high - low) // second // 2 * second
                if middle.astimezone(zone).utcoffset() == before:
                    low = middle
                else:
                    high = middle
            found.append(high)
        here, before = there, after
    return found


@pytest.mark.parametrize("name", RULES.split())
def test_every_transition(name: str) -> None:
    try:
        zone = zoneinfo.ZoneInfo(name)
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("no such zone here")
    changes = transitions(zone)
    assert changes
    for change in changes:
        # What the clock shows on both sides of the change, and the overlap or gap between.
        walls = {(change + step).astimezone(zone).replace(tzinfo=None) for step in (-MICROSECOND, timedelta(0))}
        for wall in sorted(walls):
            for step in (-MICROSECOND, timedelta(0), MICROSECOND):
                for fold in (0, 1):
                    at = (wall + step).replace(tzinfo=zone, fold=fold)
                    assert instant_of(at) == at.astimezone(UTC)


def test_one_of_many_tokens_in_a_zone() -> None:
    """Equal within a zone whatever their fold, in two zones only where none is ambiguous; a scan decides."""
    try:
        zones = [zoneinfo.ZoneInfo(name) for name in ("Europe/Berlin", "Europe/Paris", "America/New_York")]
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("no such zone here")
    rng = random.Random(1)

    def token() -> object:
        month, day = rng.choice([(10, 25), (3, 29), (6, 1)])
        at = datetime(2026, month, day, rng.randrange(4), rng.choice([0, 30]), fold=rng.randrange(2))
        at = at.replace(tzinfo=rng.choice([*zones, UTC, None]))
        return rng.choice([at, at.timetz(), (at, "window")])

    left = [token() for _ in range(1000)]
    n = MultiNotifier([(5, token) for token in left])
    for _ in range(700):
        wanted = rng.choice(left) if rng.randrange(4) == 0 else token()
        places = [number for number, other in enumerate(left) if other is wanted]
        places += [number for number, other in enumerate(left) if other == wanted]
        assert n.cancel(5, wanted) == bool(places)
        if places:
            del left[places[0]]
    given = n.due(5)
    assert len(given) == len(left) and all(map(is_, given, left))


class Own(tzinfo):
    """A zone whose offset is another every time."""

    asked = 0

    def utcoffset(self, at: Optional[datetime]) -> timedelta:
        assert at is not None
        self.asked += 1
        return timedelta(minutes=self.asked)

    dst = utcoffset
    tzname = utcoffset  # type: ignore[assignment]


class Sub(zoneinfo.ZoneInfo):  # type: ignore[name-defined,misc]
    def utcoffset(self, at: Optional[datetime]) -> timedelta:
        return timedelta(hours=at.hour if at else 7)


def test_zones_of_users_are_asked_every_time() -> None:
    own = Own()
    at = datetime(2026, 1, 1, 12, tzinfo=own)
    for minutes in (1, 2, 3):
        assert instant_of(at) == datetime(2026, 1, 1, 12, tzinfo=UTC) - timedelta(minutes=minutes)
    sub = Sub("UTC")
    for hour in (1, 2, 1):
        assert instant_of(datetime(2026, 1, 1, hour, tzinfo=sub)) == datetime(2026, 1, 1, tzinfo=UTC)


def test_fixed_zones_come_and_go() -> None:
    """More than are remembered, each new one perhaps where another was."""
    kept = [timezone(timedelta(microseconds=micros)) for micros in range(-200, 200)]
    kept += [zoneinfo.ZoneInfo(name) for name in ("UTC", "Etc/UTC", "Etc/GMT+5", "Etc/GMT-14", "Europe/Berlin")]
    for turn in range(3):
        for number, zone in enumerate(kept):
            for one in (zone, timezone(timedelta(minutes=number - 200, microseconds=turn))):
                at = datetime(2026, 7, 1, 12, tzinfo=one)
                assert instant_of(at) == at.astimezone(UTC)
    extreme = timezone(timedelta(days=1) - MICROSECOND)
    n = MultiNotifier([(datetime.min.replace(tzinfo=extreme), "a")])
    assert n.due(datetime.min.replace(tzinfo=extreme)) == ["a"]
