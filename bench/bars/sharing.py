"""What a snapshot costs afterwards: writes beside it, epochs, slices, memory; and what reading costs."""

from __future__ import annotations

import copy
import enum
import random
import statistics
import time
import uuid
from collections import deque
from collections.abc import Iterator
from datetime import date, timedelta, timezone
from datetime import time as time_of_day
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import islice
from typing import Any, Callable, NamedTuple

from bench import loops, memory
from bench.bars.rows import MILLION, Row, Run, group
from bench.bars.snapshots import LATE, heap_of, notifier_of
from bench.contenders import Heap
from bench.measure import nanoseconds
from bench.workloads import DENSE, MINUTE, START, Timers
from timers import MultiNotifier

EPOCHS, CHANGES = 40, 10_000


class Colour(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: str


IMMUTABLE: dict[str, Callable[[int], Any]] = {
    "date": lambda number: date.fromordinal(number + 1),
    "time": lambda number: time_of_day(microsecond=number),
    "timedelta": lambda number: timedelta(microseconds=number),
    "timezone": lambda number: timezone(timedelta(microseconds=number)),
    "Decimal": Decimal,
    "Fraction": lambda number: Fraction(number, 7),
    "UUID": lambda number: uuid.UUID(int=number),
    "frozenset": lambda number: frozenset((number, str(number))),
    "Enum": lambda number: Colour.RED,
    "NamedTuple": lambda number: Point(number, str(number)),
    "type": lambda number: Point,
    "function": lambda number: heap_of,
}


def microseconds(work: Callable[..., Any], *arguments: Any) -> float:
    """Too short for the clock of the thread."""
    start = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - start) * 1e6


@group
def first_write(run: Run) -> Iterator[Row]:
    """The first changes of a notifier whose snapshot is alive, and of one whose snapshot is gone."""
    timers = DENSE.timers(MILLION)
    rng = random.Random(1)
    more = [(START + timedelta(microseconds=rng.randrange(MINUTE)), "more") for _ in range(1000)]
    writes: dict[str, Callable[[MultiNotifier[Any]], Any]] = {
        "notify_at": lambda queue: queue.notify_at(LATE, "late"),
        "due": lambda queue: queue.due(START + timedelta(milliseconds=1)),
        "cancel": lambda queue: queue.cancel(timers.ats[500], timers.tokens[500]),
    }

    def alive(write: Callable[[MultiNotifier[Any]], Any]) -> dict[str, float]:
        queue = notifier_of(timers, timers.tokens)
        snapshot = copy.deepcopy(queue)
        first = microseconds(write, queue)
        beside, _ = nanoseconds(len(more), loops.each, queue.notify_at, more)
        again, _ = nanoseconds(len(more), loops.each, queue.notify_at, more)
        loops.check([snapshot.due(timers.last)], timers.expected, "first write: the snapshot")
        return {"first": first, "beside": beside / 1000, "again": again}

    def gone() -> dict[str, float]:
        queue = notifier_of(timers, timers.tokens)
        loops.each(queue.notify_at, more)
        alone, _ = nanoseconds(len(more), loops.each, queue.notify_at, more)

        def write_after_snapshot() -> float:
            copy.deepcopy(queue)
            return microseconds(queue.notify_at, LATE, "late")

        # The median of many forgets what disturbed a few.
        return {
            "alone": alone,
            "plain": statistics.median(microseconds(queue.notify_at, LATE, "late") for _ in range(501)),
            "after": statistics.median(write_after_snapshot() for _ in range(501)),
        }

    figures = run.brief({**{name: partial(alive, write) for name, write in writes.items()}, "gone": gone})
    for name in writes:
        yield run.at_most(f"first write ({name}) beside a snapshot of 1 M", 60, "us", figures[f"{name} first"])
    yield run.at_most("the next 1,000 random writes beside it", 20, "us in the mean", figures["notify_at beside"])
    work = "the same once more, where what they touch is own"
    yield run.within(work, 1.1, figures["notify_at again"], "without a snapshot", figures["gone alone"])
    work = "first write when the snapshot is gone, 1 M"
    yield run.within(work, 2, figures["gone after"], "a write without a snapshot", figures["gone plain"])


def snapshot_of(queue: Any) -> Any:
    return list(queue.heap) if isinstance(queue, Heap) else copy.deepcopy(queue)


@group
def epochs(run: Run) -> Iterator[Row]:
    """A million timers: a snapshot, some random inserts, and what is due of a second; the last snapshot is kept."""
    timers = DENSE.timers(MILLION)
    rng = random.Random(2)
    batches = [
        [(START + timedelta(microseconds=rng.randrange(epoch * 10**6, 2 * MINUTE)), "more") for _ in range(CHANGES)]
        for epoch in range(EPOCHS)
    ]
    clock = [START + timedelta(seconds=epoch + 1) for epoch in range(EPOCHS)]

    def task(make: Callable[[Timers, list[Any]], Any], take: Callable[[Any], Any]) -> dict[str, float]:
        queue = make(timers, timers.tokens)
        longest, count, kept = 0.0, 0, [None]
        start = time.thread_time()
        for batch, now in zip(batches, clock):
            began = time.perf_counter()
            fresh = take(queue)
            longest = max(longest, time.perf_counter() - began)
            # The one before goes here.
            kept[0] = fresh
            loops.each(queue.notify_at, batch)
            count += len(queue.due(now))
        taken = (time.thread_time() - start) * 1e9
        counts.add(count)
        return {"": taken, "longest": longest * 1e6}

    counts: set[int] = set()
    figures = run.interleave(
        {
            "ours": partial(task, notifier_of, snapshot_of),
            "without": partial(task, notifier_of, lambda queue: None),
            "heapq": partial(task, heap_of, snapshot_of),
        }
    )
    if len(counts) != 1:
        raise SystemExit(f"epochs: not the same number came due everywhere: {counts}")
    work = f"{EPOCHS} epochs of a million: snapshot, {CHANGES:,} inserts, a second's due"
    yield run.faster(work, 4, figures["ours"], "the heap, whose snapshot is a copy of its list", figures["heapq"])
    yield run.within(work, 3, figures["ours"], "the same without snapshots", figures["without"])
    yield run.at_most(f"{work}: the longest snapshot", 100, "us", figures["ours longest"])


@group
def kept_slices(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)

    def task(is_kept: bool) -> dict[str, float]:
        queue = notifier_of(timers, timers.tokens)

        def take() -> list[Any]:
            kept = []
            while queue.due(timers.last, 1000):
                if is_kept:
                    kept.append(copy.deepcopy(queue))
            return kept

        taken, kept = nanoseconds(MILLION, take)
        if is_kept and [len(each) for each in kept] != list(range(MILLION - 1000, -1, -1000)):
            raise SystemExit("slices: a snapshot has not what was left")
        return {"": taken}

    figures = run.interleave({"kept": partial(task, True), "alone": partial(task, False)})
    work = "slices of 1,000 of 1 M, a snapshot kept after each"
    yield run.within(work, 2, figures["kept"], "without snapshots", figures["alone"])


@group
def copies_in_memory(run: Run) -> Iterator[Row]:
    each = [memory.in_process("copies", "MultiNotifier", MILLION, 10) for _ in range(3)]
    shares = [figures["growth"] / (10 * figures["steady"]) for figures in each]
    yield run.at_most("ten copies of a million, each with 1 % changed", 0.4, "x ten full trees", shares)


@group
def kinds(run: Run) -> Iterator[Row]:
    """Tokens that `deepcopy` need not copy, and one among many that it must."""

    def task(tokens: list[Any]) -> dict[str, float]:
        queue = MultiNotifier(zip(map(float, range(len(tokens))), tokens))
        return {"": statistics.median(microseconds(copy.deepcopy, queue) for _ in range(11))}

    for name, make in IMMUTABLE.items():
        figures = run.interleave({"": partial(task, [make(number) for number in range(100_000)])})
        yield run.at_most(f"deepcopy, 100,000 {name} tokens", 100, "us", figures[""])
    one = [str(number) for number in range(MILLION - 1)]
    figures = run.interleave({"": partial(task, [*one, object()])})
    yield run.at_most("deepcopy, a million strings and one object", 100, "us", figures[""])


@group
def peeking(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)

    def task() -> dict[str, float]:
        queue = notifier_of(timers, timers.tokens)

        def peek_after_changes() -> None:
            for _ in range(1000):
                at, token = next(iter(queue))
                queue.reschedule(at, token, LATE)

        first = microseconds(lambda: deque(islice(queue, 1000), 0)) / 1000
        peeked, _ = nanoseconds(1000, peek_after_changes)
        return {"first": first, "peeked": peeked / 1000}

    figures = run.brief({"": task})
    yield run.at_most("next(iter(n)) of 1 M after each of 1,000 changes, both", 10, "us", figures["peeked"])
    yield run.at_most("the first 1,000 of 1 M", 1, "ms", figures["first"])
