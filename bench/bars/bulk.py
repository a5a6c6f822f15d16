"""Many timers in one call, and out in slices; all of them in order without taking them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Callable

from bench import loops
from bench.bars.rows import MILLION, Row, Run, Skipped, group, need_numpy
from bench.bars.snapshots import heap_of, notifier_of
from bench.contenders import Heap
from bench.measure import Task, nanoseconds
from bench.workloads import DENSE, START
from timers import MultiNotifier


def many(ats: Any, tokens: list[Any]) -> MultiNotifier[Any]:
    queue: MultiNotifier[Any] = MultiNotifier()
    queue.notify_many(ats, tokens)
    return queue


@group
def bulk(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)
    pairs = list(zip(timers.ats, timers.tokens))
    for queue in (many(timers.ats, timers.tokens), MultiNotifier(pairs)):
        loops.check([queue.due(timers.last)], timers.expected, "bulk")

    def task(work: Callable[..., Any], *arguments: Any) -> dict[str, float]:
        return {"": nanoseconds(MILLION, work, *arguments)[0]}

    tasks: dict[str, Task] = {
        "loop": partial(task, notifier_of, timers, timers.tokens),
        "lists": partial(task, many, timers.ats, timers.tokens),
        "pairs": partial(task, MultiNotifier, pairs),
        "heapify": partial(task, heap_of, timers, timers.tokens),
    }
    units = ("us", "ns", "ms", "s")
    refused, skipped = [], None
    try:
        numpy = need_numpy()
    except Skipped as reason:
        skipped = reason
    else:
        ats = numpy.datetime64(START.replace(tzinfo=None), "us") + numpy.array(timers.micros, "m8[us]")
        loops.check([many(ats, timers.tokens).due(timers.last)], timers.expected, "bulk")
        for unit in units:
            tasks[unit] = partial(task, many, ats.astype(f"M8[{unit}]"), timers.tokens)
        refused = [numpy.array(["2026-01-01", text], "M8[s]") for text in ("NaT", "0000-12-31", "10000-01-01")]
    figures = run.brief(tasks)
    loop = figures["loop"]
    for unit in units:
        if unit in figures:
            work = f"notify_many, 1 M datetime64[{unit}]"
            yield run.within(work, 0.4, figures[unit], "the notify_at loop", loop)
    if refused:
        accepted = sum(map(accepts, refused))
        work = "notify_many, batches with NaT or an instant outside years 1 to 9999"
        yield run.at_most(work, 0, "accepted", [accepted], f"{len(refused)} tried")
    yield run.within("notify_many, 1 M, lists", 0.75, figures["lists"], "the notify_at loop", loop)
    yield run.faster("MultiNotifier(pairs), 1 M", 5, figures["pairs"], "tuples and heapify", figures["heapify"])
    if skipped:
        raise skipped


def accepts(ats: Any) -> bool:
    queue: MultiNotifier[str] = MultiNotifier()
    try:
        queue.notify_many(ats, ["one", "two"])
    except ValueError:
        return bool(queue)
    return True


@group
def slices(run: Run) -> Iterator[Row]:
    """A slice is dropped before the next is taken, as by one who handles it; those that are kept cost the collector."""
    timers = DENSE.timers(MILLION)

    def taken(queue: MultiNotifier[str], limit: int | None) -> Iterator[list[str]]:
        while tokens := queue.due(timers.last, limit):
            yield tokens

    def take(queue: MultiNotifier[str], limit: int | None) -> None:
        while queue.due(timers.last, limit):
            pass

    def task(limit: int | None) -> dict[str, float]:
        return {"": nanoseconds(MILLION, take, notifier_of(timers, timers.tokens), limit)[0]}

    limits = {"slices": 1000, "whole": None}
    for limit in limits.values():
        loops.check(list(taken(notifier_of(timers, timers.tokens), limit)), timers.expected, "slices")
    figures = run.brief({name: partial(task, limit) for name, limit in limits.items()})
    yield run.within("drain 1 M in slices of 1,000", 1.3, figures["slices"], "one whole drain", figures["whole"])


@group
def iterating(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)
    loops.check([[token for _, token in notifier_of(timers, timers.tokens)]], timers.expected, "iterating")

    def walk(queue: MultiNotifier[str]) -> None:
        for _ in queue:
            pass

    def ours() -> dict[str, float]:
        return {"": nanoseconds(MILLION, walk, notifier_of(timers, timers.tokens))[0]}

    def theirs() -> dict[str, float]:
        heap = Heap()
        loops.insert(heap, timers)
        return {"": nanoseconds(MILLION, sorted, heap.heap)[0]}

    figures = run.interleave({"wheel": ours, "heapq": theirs})
    yield run.within("iterating 1 M pending timers", 0.5, figures["wheel"], "sorting the heap", figures["heapq"])
