"""One timer at a time, as event loops, simulators and schedulers have them; and times that are numbers."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Callable

from bench import compiled, loops, workloads
from bench.bars.rows import MILLION, Row, Run, Skipped, group
from bench.bars.speed import OURS, Make, drain, insert, turn_over
from bench.contenders import Heap
from bench.measure import Task, nanoseconds, several
from bench.workloads import DENSE, START, Churn, Timers
from timers import MultiNotifier

SIZES = (10, 1000, 100_000, MILLION)
STEPS = 200_000
MICROSECOND = timedelta(microseconds=1)
# How a clock shows the moment that is so many microseconds after the start, and how long these are.
CLOCKS: dict[str, Callable[[int], Any]] = {
    "datetimes": lambda micro: START + micro * MICROSECOND,
    "floats": lambda micro: 1000 + micro / 1e6,
    "ints": lambda micro: 10**12 + micro * 1000,
}
DELAYS: dict[str, Callable[[int], Any]] = {
    "datetimes": lambda micro: micro * MICROSECOND,
    "floats": lambda micro: micro / 1e6,
    "ints": lambda micro: micro * 1000,
}


def shown(timers: Timers, clock: str) -> Timers:
    """The same timers by another clock."""
    show, twin = CLOCKS[clock], copy.copy(timers)
    twin.ats = [show(micro) for micro in timers.micros]
    twin.__dict__.update(last=max(twin.ats), clock=[show(1000 * step) for step in range(60_001)])
    return twin


def churn_shown(work: Churn, clock: str) -> Churn:
    def show(times: list[Any]) -> list[Any]:
        return [CLOCKS[clock]((at - START) // MICROSECOND) for at in times]

    return replace(
        work, initial=shown(work.initial, clock), clock=show(work.clock), replacements=show(work.replacements)
    )


def turn(queue: Any, delays: list[Any]) -> None:
    """The loop that a scheduler is."""
    next_at, due, notify_at = queue.next_at, queue.due, queue.notify_at
    for delay in delays:
        now = next_at()
        for token in due(now):
            notify_at(now + delay, token)


def answers(at: Any = None, tokens: Any = ()) -> Any:
    """A queue whose compiled methods do nothing but answer."""
    module, reason = compiled.load("floors")
    if module is None:
        raise Skipped(reason)
    return module.Answers(at, tokens)


def same_turns(timers: Timers, delays: list[Any]) -> None:
    queues: list[Any] = [MultiNotifier(), Heap()]
    for queue in queues:
        loops.insert(queue, timers)
        turn(queue, delays[:1000])
    if len({loops.checksum([queue.due(timers.last + delays[0])]) for queue in queues}) != 1:
        raise SystemExit("one at a time: the wheel and the heap disagree")


def turns(count: int, clock: str) -> dict[str, Task]:
    """The loop with each queue, filled afresh in every round."""
    timers = shown(DENSE.timers(count), clock)
    rng = random.Random(5)
    delays = [DELAYS[clock](rng.randrange(1, workloads.MINUTE)) for _ in range(STEPS)]
    same_turns(timers, delays)

    def with_queue(make: Make) -> dict[str, float]:
        queue = make()
        loops.insert(queue, timers)
        return {"": nanoseconds(STEPS, turn, queue, delays)[0]}

    def with_none() -> dict[str, float]:
        return {"": nanoseconds(STEPS, turn, answers(timers.ats[0], timers.tokens[:1]), delays)[0]}

    return {"wheel": partial(with_queue, MultiNotifier), "heapq": partial(with_queue, Heap), "none": with_none}


def net(figures: dict[str, list[float]], name: str) -> list[float]:
    return [figure - none for figure, none in zip(figures[name], figures["none"])]


@group
def one_by_one_floats(run: Run) -> Iterator[Row]:
    for count, bar in zip(SIZES, (1.7, 2.5, 6, 9)):
        figures = run.brief(turns(count, "floats"))
        work = f"one at a time, floats, {count:,} pending"
        yield run.faster(work, bar, figures["wheel"], "heapq", figures["heapq"])


# What the calls cost at commit 2ecea69, as a multiple of the loop with calls that do nothing.
BEFORE = dict(zip(SIZES, (1.8, 2.1, 2.45, 2.8)))


@group
def one_by_one_datetimes(run: Run) -> Iterator[Row]:
    for count in SIZES:
        figures = run.brief(turns(count, "datetimes"))
        work = f"one at a time, datetimes, {count:,} pending, net of the loop"
        yield run.within(work, BEFORE[count] / 2, net(figures, "wheel"), "the loop alone", figures["none"])


@group
def numbers(run: Run) -> Iterator[Row]:
    timers = {clock: shown(DENSE.timers(MILLION), clock) for clock in CLOCKS}
    figures = run.brief({clock: partial(insert, MultiNotifier, timers[clock]) for clock in CLOCKS})
    datetimes = figures["datetimes insert"]
    for clock in ("floats", "ints"):
        yield run.within(f"notify_at, 1 M {clock}", 0.9, figures[f"{clock} insert"], "datetimes in UTC", datetimes)
    work = workloads.churn(DENSE, MILLION, MILLION)
    tasks: dict[str, Task] = {}
    for clock in ("datetimes", "floats"):
        by_clock = timers[clock]
        tasks[f"{clock} steps"] = several(OURS, partial(drain, MultiNotifier, by_clock, by_clock.clock))
        tasks[f"{clock} once"] = several(OURS, partial(drain, MultiNotifier, by_clock, [by_clock.last]))
        tasks[clock] = several(OURS, partial(turn_over, MultiNotifier, churn_shown(work, clock)))
    figures = run.interleave(tasks)
    for label, part in {
        "drain in 1 ms steps": "steps drain",
        "drain in one due": "once drain",
        "churn": "churn",
    }.items():
        ours, theirs = figures[f"floats {part}"], figures[f"datetimes {part}"]
        yield run.within(f"{label}, 1 M floats", 1.05, ours, "datetimes", theirs)


@group
def one_life(run: Run) -> Iterator[Row]:
    """A notifier made for a single timer: by a coroutine that waits with a timeout, say."""
    at, early, times = START, START - MICROSECOND, MILLION // 4

    def lives(make: Make) -> None:
        for _ in range(times):
            queue = make()
            queue.notify_at(at, "only")
            queue.due(early)
            queue.due(queue.next_at())

    def task(make: Make) -> dict[str, float]:
        return {"": nanoseconds(times, lives, make)[0]}

    made = {"wheel": MultiNotifier, "heapq": Heap, "none": type(answers())}
    figures = run.brief({name: partial(task, make) for name, make in made.items()})
    work = "a whole life with one timer, net of the loop"
    yield run.faster(work, 2.5, net(figures, "wheel"), "a class around heapq", net(figures, "heapq"))
