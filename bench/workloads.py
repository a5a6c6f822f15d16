"""The workloads, as data: where the timers lie (spread), in which order they come, and what happened before.

Everything is seeded, so that two runs, and all contenders in a run, do the same work.
"""

from __future__ import annotations

import heapq
import random
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Callable

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
MILLISECOND = timedelta(milliseconds=1)
# The ticks of the wheel are milliseconds since the day before year 1; others count them from 1970. Half a minute
# before the turn of as high a bit as the calendar has, so that the timers of a minute lie on both sides of it.
TURN_OF_YEAR_1 = datetime(1, 1, 1, tzinfo=timezone.utc) + timedelta(days=-1, milliseconds=2**48, seconds=-30)
TURN_OF_1970 = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=2**47, seconds=-30)
LAST = (datetime.max.replace(tzinfo=timezone.utc) - START) // timedelta(microseconds=1)
FIRST = (datetime.min.replace(tzinfo=timezone.utc) - START) // timedelta(microseconds=1)


def minute(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(MINUTE) for _ in range(count)]


def six_seconds(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(6 * SECOND) for _ in range(count)]


def mixed(rng: random.Random, count: int) -> list[int]:
    """95 % within a minute, 5 % to 30 days."""
    return [rng.randrange(MINUTE) if rng.random() < 0.95 else rng.randrange(30 * DAY) for _ in range(count)]


def distinct(rng: random.Random, count: int) -> list[int]:
    return rng.sample(range(MINUTE), count)


def millisecond(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(1000) for _ in range(count)]


def microsecond(rng: random.Random, count: int) -> list[int]:
    return [0] * count


def boundaries(rng: random.Random, count: int) -> list[int]:
    """Just before, at and just after the turn of each binary digit of the ticks, since year 1 and since 1970."""
    origins = [FIRST - DAY, -(START - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)]
    turns = [
        turn + offset
        for origin in origins
        for bit in range(48)
        for turn in [origin + ((-origin // 1000 >> bit) + 1 << bit) * 1000]
        for offset in (-1000, -1, 0, 1, 1000)
        if turn + 1000 <= LAST
    ]
    return [rng.choice(turns) for _ in range(count)]


def calendar(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(0, LAST) for _ in range(count)]


def extremes(rng: random.Random, count: int) -> list[int]:
    """Within a day of the first and of the last moment of the calendar by turns."""
    return [FIRST + rng.randrange(DAY) if number % 2 else LAST - rng.randrange(DAY) for number in range(count)]


def all_years(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(FIRST, LAST) for _ in range(count)]


ORDERS: dict[str, Callable[[list[int]], list[int]]] = {
    "random": lambda micros: micros,
    "ascending": sorted,
    "descending": lambda micros: sorted(micros, reverse=True),
}


@dataclass(frozen=True)
class Workload:
    """Timers as microseconds after `start`, and where the clock stood before they came."""

    name: str
    spread: Callable[[random.Random, int], list[int]] = minute
    order: str = "random"
    start: datetime = START
    # The `now` of a `due` before the first insert, in seconds after `start`, with one timer pending an hour later.
    clock_at: int | None = None

    def timers(self, count: int, seed: int = 1) -> Timers:
        micros = ORDERS[self.order](self.spread(random.Random(seed), count))
        return Timers(self, micros)


class Timers:
    """The timers of a workload, prebuilt: `ats` and `tokens` in the order of insertion."""

    def __init__(self, workload: Workload, micros: list[int]) -> None:
        self.workload = workload
        self.micros = micros
        self.ats = [workload.start + timedelta(microseconds=micro) for micro in micros]
        self.tokens = [str(number) for number in range(len(micros))]

    def __len__(self) -> int:
        return len(self.micros)

    @cached_property
    def pairs(self) -> list[tuple[datetime, str]]:
        return list(zip(self.ats, self.tokens))

    @cached_property
    def last(self) -> datetime:
        return max(self.ats)

    @cached_property
    def clock(self) -> list[datetime]:
        """Steps of a millisecond over the first minute, where most timers lie, then of a quarter of an hour.

        So as many of a million fall due in a late step of the mixed workload as in one millisecond of the dense one.
        """
        steps = [self.workload.start + MILLISECOND * step for step in range(60_001)]
        while steps[-1] < self.last:
            steps.append(steps[-1] + timedelta(minutes=15))
        return steps

    @cached_property
    def coarse_clock(self) -> list[datetime]:
        """As the clock of a churn: steps of a millisecond, or of as many as let about one timer fall due in each."""
        step = max(1000, MINUTE // len(self))
        return [self.workload.start + timedelta(microseconds=micro) for micro in range(0, MINUTE + step, step)]

    def due_by(self, now: datetime) -> int:
        """How many fall due by `now`."""
        return sum(at <= now for at in self.ats)

    @cached_property
    def due_order(self) -> list[int]:
        """The numbers of the timers in the order of falling due: the plain model."""
        return sorted(range(len(self)), key=self.micros.__getitem__)

    @cached_property
    def expected(self) -> int:
        return checksum(self.tokens[number] for number in self.due_order)


DENSE = Workload("random over a minute")
# A hundred thousand of these are as dense as a million of those.
SIX_SECONDS = Workload("random over six seconds", spread=six_seconds)
MIXED = Workload("95 % within 60 s, 5 % to 30 days", spread=mixed)
DISTINCT = Workload("distinct times", spread=distinct)
ONE_MICROSECOND = Workload("in one microsecond", spread=microsecond)
AFTER_DUE = Workload("random, after a due", clock_at=0)
ORDERS_TO_TRY = [
    Workload("ascending", order="ascending", clock_at=0),
    Workload("descending", order="descending", clock_at=0),
    Workload("all equal", spread=microsecond, clock_at=0),
    Workload("before the first due"),
    Workload("all before the cursor", clock_at=3600),
    Workload("across a top-level boundary (since year 1)", start=TURN_OF_YEAR_1, clock_at=0),
    Workload("across a top-level boundary (since 1970)", start=TURN_OF_1970, clock_at=0),
]
# Inputs that are meant to hurt, each with its random twin.
ADVERSARIAL = [
    (ONE_MICROSECOND, DENSE),
    (Workload("in one millisecond", spread=millisecond), DENSE),
    (Workload("at the cascade boundaries", spread=boundaries), Workload("random over the same span", spread=calendar)),
    (Workload("in past and far future by turns", spread=extremes), Workload("random in all years", spread=all_years)),
]


def checksum(tokens: Iterable[str]) -> int:
    return zlib.crc32("\n".join(tokens).encode())


@dataclass
class Churn:
    """A steady number of timers: as the clock moves, each that falls due is replaced by one, spread alike.

    The clock moves in steps of a millisecond, or of as many as let about one timer fall due a step. An operation is
    one timer that fell due and its replacement.
    """

    initial: Timers
    clock: list[datetime]
    # In the order in which their forerunners fall due.
    replacements: list[datetime]
    expected: int

    @property
    def operations(self) -> int:
        return len(self.replacements)


def churn(workload: Workload, count: int, operations: int, seed: int = 1) -> Churn:
    """What falls due when is found with a plain heap of integers, so that every datetime can be built beforehand."""
    initial = workload.timers(count, seed)
    delays = iter(workload.spread(random.Random(seed + 1), operations + count))
    heap = [(micro, number) for number, micro in enumerate(initial.micros)]
    heapq.heapify(heap)
    owner = list(range(count))
    step = max(1000, MINUTE // count)
    clock: list[datetime] = []
    replacements: list[datetime] = []
    order: list[int] = []
    now = 0
    while len(order) < operations:
        now += step
        while heap[0][0] <= now:
            number = heap[0][1]
            order.append(owner[number])
            owner.append(owner[number])
            # Later than `now`: whether it is inserted before or after the rest of this step was drained is all one.
            replacement = now + 1 + next(delays)
            heapq.heapreplace(heap, (replacement, len(owner) - 1))
            replacements.append(START + timedelta(microseconds=replacement))
        clock.append(START + timedelta(microseconds=now))
    return Churn(initial, clock, replacements, checksum(initial.tokens[number] for number in order))
