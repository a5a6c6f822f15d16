"""Timers that are taken back or pushed out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Callable

from bench import loops, memory, workloads
from bench.bars.rows import MILLION, Row, Run, group
from bench.bars.snapshots import notifier_of
from bench.contenders import LazyHeap
from bench.measure import nanoseconds
from bench.workloads import DENSE, MILLISECOND, MINUTE, START, Timers, Workload
from timers import MultiNotifier

Pairs = list[tuple[datetime, str]]


def shuffled(numbers: list[int]) -> list[int]:
    return random.Random(3).sample(numbers, len(numbers))


@group
def cancel(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)
    pairs = list(zip(timers.ats, timers.tokens))
    # Both loops meet their datetimes and tokens at random places in memory, which costs more than the calls.
    inserted = random.Random(1).sample(pairs, MILLION)
    some = random.Random(2).sample(pairs, MILLION // 10)

    def random_pending() -> dict[str, float]:
        queue: MultiNotifier[str] = MultiNotifier()

        def net(method: Callable[[datetime, str], Any], pairs: Pairs) -> float:
            no_op, _ = nanoseconds(len(pairs), loops.nothing, pairs)
            return nanoseconds(len(pairs), loops.each, method, pairs)[0] - no_op

        figures = {"notify_at": net(queue.notify_at, inserted), "cancel": net(queue.cancel, some)}
        if len(queue) != MILLION - len(some):
            raise SystemExit("cancel: a pending timer was not found")
        return figures

    figures = run.brief({"": random_pending})
    work = "cancel of a random pending timer, 1 M dense"
    yield run.within(work, 5, figures["cancel"], "notify_at, both net of a no-op loop", figures["notify_at"])

    def all_of(timers: Timers, order: Callable[[list[int]], list[int]]) -> dict[str, float]:
        queue = notifier_of(timers, timers.tokens)
        pairs = [(timers.ats[number], timers.tokens[number]) for number in order(timers.due_order)]
        each, _ = nanoseconds(len(timers), loops.each, queue.cancel, pairs)
        if queue:
            raise SystemExit("cancel: a pending timer was not found")
        return {"": each}

    distinct, equal = workloads.DISTINCT, workloads.ONE_MICROSECOND
    orders: list[tuple[str, Workload, Callable[[list[int]], list[int]]]] = [
        ("distinct times, ascending", distinct, lambda numbers: numbers),
        ("distinct times, descending", distinct, lambda numbers: numbers[::-1]),
        ("distinct times, random order", distinct, shuffled),
        ("one microsecond, order of insertion", equal, lambda numbers: numbers),
        ("one microsecond, the last first", equal, lambda numbers: numbers[::-1]),
        ("one microsecond, random order", equal, shuffled),
    ]
    for name, workload, order in orders:
        tasks = {str(count): partial(all_of, workload.timers(count), order) for count in (MILLION // 10, MILLION)}
        few, many = run.interleave(tasks).values()
        yield run.within(f"cancel all of 1 M, {name}", 2, many, "that at 100 k, each", few)


@dataclass
class Idle:
    """Each timer is an idle timeout of a minute; one event, within the minute, pushes it out by a minute from then."""

    timers: Timers
    steps: list[tuple[datetime, list[tuple[datetime, str, datetime]]]]

    @classmethod
    def of(cls, count: int) -> Idle:
        rng, minute = random.Random(4), timedelta(minutes=1)
        timers = DENSE.timers(count)
        timers.ats = [at + minute for at in timers.ats]
        steps: list[tuple[datetime, list[tuple[datetime, str, datetime]]]]
        steps = [(START + MILLISECOND * step, []) for step in range(120_001)]
        for micro, at, token in zip(timers.micros, timers.ats, timers.tokens):
            event = micro + rng.randrange(MINUTE)
            steps[event // 1000][1].append((at, token, START + timedelta(microseconds=event) + minute))
        return cls(timers, steps)

    def replay(self, queue: Any) -> loops.Slices:
        reschedule, due, taken = queue.reschedule, queue.due, []
        for now, events in self.steps:
            for at, token, new_at in events:
                reschedule(at, token, new_at)
            taken.append(due(now))
        return taken


@group
def reschedule(run: Run) -> Iterator[Row]:
    work = Idle.of(MILLION)
    checksums = set()

    def task(make: Callable[[], Any]) -> dict[str, float]:
        queue = make()
        loops.insert(queue, work.timers)
        each, taken = nanoseconds(MILLION, work.replay, queue)
        checksums.add(loops.checksum(taken))
        return {"": each}

    figures = run.interleave({"wheel": partial(task, MultiNotifier), "lazy": partial(task, LazyHeap)})
    if len(checksums) != 1:
        raise SystemExit("reschedule: the contenders disagree about the sequence of the tokens")
    label = "reschedule (an idle timeout pushed out at an event), 1 M"
    yield run.faster(label, 5, figures["wheel"], "heapq with lazy deletion", figures["lazy"])
    growth = memory.in_process("reschedules", "MultiNotifier", MILLION // 10, 20)["growth"] / 1e6
    yield run.at_most("memory added by 2 M reschedules of 100 k timers", 1, "MB", [growth])
