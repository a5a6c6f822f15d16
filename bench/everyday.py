"""What people do most: cancel and move timers of whole seconds, take one at a time, push out the deadline of a key."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from random import Random
from typing import Any, Callable, Optional

from bench import loops, workloads
from bench.bars.deadlines import Lazy, Ours
from bench.bars.onebyone import MICROSECOND, turn
from bench.bars.ties import Lazy as LazyTimers
from bench.bars.ties import Pair, coarse, filled, move
from bench.contenders import Heap
from bench.measure import level_ground, nanoseconds
from bench.workloads import DENSE
from timers import MultiNotifier

SIZES = (1000, 100_000)
OURS, HEAP = "MultiNotifier, Deadlines", "heapq"
WORKS = (
    "a life: set at whole seconds, half cancelled, drained",
    "a life: set at whole seconds, half moved, drained",
    "a life of keys at whole seconds: set, half moved, drained",
    "one at a time: next_at, due, notify_at; datetimes",
    "one at a time: next_at, due, notify_at; floats",
)
# As in compare.py: small sizes repeat their work.
LEAST = 20_000
MINUTE = 60_000_000 * MICROSECOND

Figures = dict[str, float]


@cache
def inputs(count: int) -> tuple[list[Pair], list[Pair], list[Any], list[tuple[str, float]], list[tuple[str, float]]]:
    """Pairs at whole seconds, half of them in random order, where these go; keys with their first and later times."""
    rng = Random(count)
    timers = DENSE.timers(count)
    pairs = list(zip(coarse(timers.micros, workloads.SECOND), timers.tokens))
    half = rng.sample(pairs, count // 2)
    new = coarse([rng.randrange(workloads.MINUTE) for _ in half], workloads.SECOND)
    keys = [(f"key {number}", float(rng.randrange(60))) for number in range(count)]
    later = [(key, float(60 + rng.randrange(60))) for key, _ in rng.sample(keys, count // 2)]
    return pairs, half, new, keys, later


@cache
def steps(count: int, floats: bool) -> tuple[list[tuple[Any, Any]], list[Any]]:
    timers, rng = DENSE.timers(count), Random(5)
    delays = [rng.randrange(1, workloads.MINUTE) for _ in range(LEAST)]
    if floats:
        return [(micro / 1e6, token) for micro, token in zip(timers.micros, timers.tokens)], [d / 1e6 for d in delays]
    return timers.pairs, [MICROSECOND * delay for delay in delays]


def live(queue: Any, pairs: list[Pair], change: Callable[[Any], None]) -> None:
    loops.each(queue.notify_at, pairs)
    change(queue)
    queue.due(workloads.START + MINUTE)


def live_with_keys(mapping: Any, keys: list[tuple[str, float]], later: list[tuple[str, float]]) -> None:
    mapping.set(keys)
    mapping.move(later)
    mapping.due(120.0)


def all_of(queues: list[Any], work: Callable[[Any], None]) -> None:
    for queue in queues:
        work(queue)


def measure(ours: bool, count: int) -> tuple[Figures, Optional[int]]:
    pairs, half, new, keys, later = inputs(count)
    moves = [(at, token, new_at) for (at, token), new_at in zip(half, new)]
    make: Callable[[], Any] = MultiNotifier if ours else LazyTimers
    figures = []

    def each(make: Callable[[], Any], work: Callable[[Any], None]) -> None:
        queues = [make() for _ in range(max(1, LEAST // count))]
        level_ground()
        figures.append(nanoseconds(len(queues) * count, all_of, queues, work)[0])

    each(make, lambda queue: live(queue, pairs, lambda queue: loops.each(queue.cancel, half)))
    each(make, lambda queue: live(queue, pairs, lambda queue: move(queue, moves)))
    each(Ours if ours else Lazy, lambda mapping: live_with_keys(mapping, keys, later))
    for floats in (False, True):
        initial, delays = steps(count, floats)
        queue = filled(MultiNotifier if ours else Heap, initial)
        level_ground()
        figures.append(nanoseconds(len(delays), turn, queue, delays)[0])
    return dict(zip(WORKS, figures)), None


def measures() -> Mapping[str, Callable[[int], tuple[Figures, Optional[int]]]]:
    return {OURS: partial(measure, True), HEAP: partial(measure, False)}
