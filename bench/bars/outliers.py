"""What a few timers far away from the rest cost these: "never", the end of the day, what is long past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from bench import loops, workloads
from bench.bars.rows import Row, Run, group
from bench.measure import Task, nanoseconds
from bench.workloads import DENSE, START, Churn, Timers
from timers import MultiNotifier

COUNT = 300_000
STEPS = 100_000
NEVER = datetime.max.replace(tzinfo=timezone.utc)
AFTER = [START + timedelta(**{unit: many}) for unit, many in (("hours", 1), ("days", 1), ("days", 90), ("days", 36525))]
BEFORE = [START - timedelta(days=many) for many in (90, 1)]
OUTLIERS = {"one never": [NEVER], "five": [*AFTER, NEVER], "two before and two after": [*BEFORE, AFTER[0], NEVER]}
WHEN = ("set before", "set after")


def with_dense(timers: Timers, outliers: list[datetime], when: str) -> tuple[MultiNotifier[str], float]:
    """A queue of both, and what inserting the dense ones cost."""
    queue: MultiNotifier[str] = MultiNotifier()
    far = [(at, "far") for at in outliers]
    if when == WHEN[0]:
        loops.each(queue.notify_at, far)
    cost, _ = nanoseconds(len(timers), loops.insert, queue, timers)
    if when == WHEN[1]:
        loops.each(queue.notify_at, far)
    # What lies before the rest falls due at once, and is no part of the drain that is timed.
    queue.due(START - timedelta(hours=1))
    return queue, cost


def step(queue: Any, delay: timedelta) -> None:
    next_at, due, notify_at = queue.next_at, queue.due, queue.notify_at
    for _ in range(STEPS):
        now = next_at()
        for token in due(now):
            notify_at(now + delay, token)


def lives(timers: Timers, work: Churn, outliers: list[datetime], when: str) -> dict[str, float]:
    queue, inserted = with_dense(timers, outliers, when)
    drained, slices = nanoseconds(COUNT, loops.drain, queue, timers.clock)
    loops.check(slices, timers.expected, "drain beside outliers")
    queue, _ = with_dense(timers, outliers, when)
    stepped, _ = nanoseconds(STEPS, step, queue, timedelta(minutes=1))
    queue, _ = with_dense(work.initial, outliers, when)
    churned, slices = nanoseconds(work.operations, loops.churn, queue, work)
    loops.check(slices, work.expected, "churn beside outliers")
    return {"insert": inserted, "drain": drained, "step": stepped, "churn": churned}


@group
def outliers(run: Run) -> Iterator[Row]:
    timers, work = DENSE.timers(COUNT), workloads.churn(DENSE, COUNT, COUNT)
    tasks: dict[str, Task] = {"none": partial(lives, timers, work, [], "")}
    for name, far in OUTLIERS.items():
        for when in WHEN:
            tasks[f"{name}, {when}"] = partial(lives, timers, work, far, when)
    figures = run.brief(tasks)
    labels = {"insert": "insert", "step": "step of an event loop", "drain": "drain in 1 ms steps", "churn": "churn"}
    for name in list(tasks)[1:]:
        for part, label in labels.items():
            ours, theirs = figures[f"{name} {part}"], figures[f"none {part}"]
            yield run.within(f"{label}, 300 k dense, {name}", 1.03, ours, "none far away", theirs)


@group
def far_jump(run: Run) -> Iterator[Row]:
    """The clock jumps past timers that are far away, and all distant from each other."""

    def jump(dense: int, count: int) -> dict[str, float]:
        queue: MultiNotifier[str] = MultiNotifier()
        loops.insert(queue, DENSE.timers(dense))
        far = [(START + timedelta(days=1 + number % 999_983 / 10), "far") for number in range(count)]
        inserted, _ = nanoseconds(count, loops.each, queue.notify_at, far)
        queue.due(START + timedelta(minutes=1))
        taken, tokens = nanoseconds(count, queue.due, NEVER)
        if len(tokens) != count:
            raise SystemExit("far jump: not all timers fell due")
        return {"": inserted + taken}

    tasks: dict[str, Task] = {
        "beside": partial(jump, COUNT, 100_000),
        "alone": partial(jump, 0, 100_000),
        "fewer": partial(jump, COUNT, 10_000),
    }
    figures = run.brief(tasks)
    work = "100 k far timers set, then jumped past, beside 300 k dense"
    yield run.within(work, 1.2, figures["beside"], "without the dense", figures["alone"])
    yield run.within(f"{work}, each", 1.5, figures["beside"], "that of 10 k", figures["fewer"])
