"""Inserting, draining, churning and asking, at every size; and inputs that are meant to hurt."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from functools import cache, partial
from multiprocessing import get_context
from typing import Any, Callable

from bench import loops, workloads
from bench.bars.rows import MILLION, Row, Run, floor, group, ratios
from bench.contenders import Buckets, Heap
from bench.measure import Task, interleave, nanoseconds, several
from bench.workloads import DENSE, MIXED, START, Churn, Timers, Workload
from timers import MultiNotifier

Make = Callable[[], Any]

# How often in a round the wheel does what takes a heap fifty times as long.
OURS = 5


def insert(make: Make, timers: Timers) -> dict[str, float]:
    return {"insert": nanoseconds(len(timers), loops.insert, loops.prepare(make, timers.workload), timers)[0]}


def append(timers: Timers) -> dict[str, float]:
    return {"insert": nanoseconds(len(timers), loops.append, [], timers)[0]}


def drain(make: Make, timers: Timers, clock: list[datetime]) -> dict[str, float]:
    """Insert, then drain along the clock: in steps, or at once where the clock is a single moment."""
    queue = loops.prepare(make, timers.workload)
    inserted, _ = nanoseconds(len(timers), loops.insert, queue, timers)
    drained, slices = nanoseconds(len(timers), loops.drain, queue, clock)
    loops.check(slices, timers.expected, "drain")
    return {"insert": inserted, "drain": drained}


def turn_over(make: Make, work: Churn) -> dict[str, float]:
    queue = make()
    loops.insert(queue, work.initial)
    churned, slices = nanoseconds(work.operations, loops.churn, queue, work)
    loops.check(slices, work.expected, "churn")
    return {"churn": churned}


def calls(times: int, method: Callable[..., Any], *arguments: Any) -> dict[str, float]:
    return {"": nanoseconds(times, loops.call, times, method, *arguments)[0]}


def steps_and_once(name: str, make: Make, timers: Timers, times: int = 1) -> dict[str, Task]:
    return {
        f"{name} steps": several(times, partial(drain, make, timers, timers.clock)),
        f"{name} once": several(times, partial(drain, make, timers, [timers.last])),
    }


def drains_of(timers: Timers) -> dict[str, Task]:
    return {**steps_and_once("wheel", MultiNotifier, timers, OURS), **steps_and_once("heapq", Heap, timers)}


def churns_of(work: Churn) -> dict[str, Task]:
    return {"wheel": several(OURS, partial(turn_over, MultiNotifier, work)), "heapq": partial(turn_over, Heap, work)}


# What a row calls the figures of `steps_and_once`.
PARTS = {"insert": "steps insert", "drain in steps": "steps drain", "drain in one due": "once drain"}


@group
def inserts(run: Run) -> Iterator[Row]:
    dense = DENSE.timers(MILLION)
    orders = {workload.name: workload.timers(MILLION) for workload in [workloads.AFTER_DUE, *workloads.ORDERS_TO_TRY]}
    for name, timers in orders.items():
        queue = loops.prepare(MultiNotifier, timers.workload)
        loops.insert(queue, timers)
        loops.check([queue.due(timers.last)], timers.expected, name)
    figures = run.brief(
        {
            "wheel": partial(insert, MultiNotifier, dense),
            "append": partial(append, dense),
            "heapq": partial(insert, Heap, dense),
            "no-op": partial(insert, floor, dense),
            **{name: partial(insert, MultiNotifier, timers) for name, timers in orders.items()},
        }
    )
    work, ours, append_loop = "notify_at, 1 M dense", figures["wheel insert"], figures["append insert"]
    yield run.within(work, 0.70, ours, "the append loop", append_loop)
    yield run.faster(work, 4.5, ours, "heapq", figures["heapq insert"])
    yield run.within(work, 2.1, ours, "a no-op method of two arguments", figures["no-op insert"])
    random_order = figures[f"{workloads.AFTER_DUE.name} insert"]
    for workload in workloads.ORDERS_TO_TRY:
        work, ours = f"notify_at, {workload.name}", figures[f"{workload.name} insert"]
        yield run.within(work, 1.5, ours, "the random order", random_order)
        yield run.within(work, 1.05, ours, "the append loop", append_loop)


@group
def drains(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)
    figures = run.interleave(
        {
            **drains_of(timers),
            "buckets steps": partial(drain, Buckets, timers, timers.clock),
        }
    )
    work, ours = "drain in 1 ms steps, 1 M dense", figures["wheel steps drain"]
    yield run.faster(work, 60, ours, "heapq", figures["heapq steps drain"])
    yield run.faster(work, 8, ours, "the dict of buckets", figures["buckets steps drain"])
    work, ours = "drain in one due, 1 M dense", figures["wheel once drain"]
    yield run.faster(work, 25, ours, "heapq", figures["heapq once drain"])
    yield run.at_most(work, 100, "ns a timer", ours)


@group
def churn(run: Run) -> Iterator[Row]:
    figures = run.interleave(churns_of(workloads.churn(DENSE, MILLION, MILLION)))
    yield run.faster("churn at 1 M", 30, figures["wheel churn"], "heapq", figures["heapq churn"])


@cache
def drains_and_churn(workload: Workload) -> dict[str, Task]:
    work = workloads.churn(workload, MILLION, MILLION // 2)
    return {**drains_of(workload.timers(MILLION)), **churns_of(work)}


def gains(workload: Workload) -> dict[str, float]:
    """How many times faster than heapq the wheel is."""
    figures = {part: value for part, (value,) in interleave(drains_and_churn(workload), 1).items()}
    parts = {**PARTS, "churn": "churn"}
    return {label: figures[f"heapq {part}"] / figures[f"wheel {part}"] for label, part in parts.items()}


@group
def mixed(run: Run) -> Iterator[Row]:
    found: dict[Workload, dict[str, list[float]]] = {DENSE: {}, MIXED: {}}
    with ExitStack() as stack:
        # A process each: what is built second lies scattered in memory, and costs more to look at.
        processes = {workload: stack.enter_context(ProcessPoolExecutor(1, get_context("spawn"))) for workload in found}
        for turn in range(3 * run.rounds):
            for workload in list(found)[:: -1 if turn % 2 else 1]:
                for label, gain in processes[workload].submit(gains, workload).result().items():
                    found[workload].setdefault(label, []).append(gain)
    for label, spread_out in found[MIXED].items():
        yield run.at_least(
            f"{MIXED.name}: {label}", 0.8, "of the dense ratio to heapq", ratios(spread_out, found[DENSE][label])
        )


@group
def sizes(run: Run) -> Iterator[Row]:
    figures = run.interleave(
        {
            **steps_and_once("few", MultiNotifier, DENSE.timers(100_000)),
            **steps_and_once("many", MultiNotifier, DENSE.timers(10 * MILLION)),
        }
    )
    for label, part in PARTS.items():
        yield run.within(f"{label}, 10 M timers", 1.4, figures[f"many {part}"], "that at 100 k", figures[f"few {part}"])


@group
def small(run: Run) -> Iterator[Row]:
    times, early = 200_000, START - timedelta(seconds=1)

    def inserts(make: Make, timers: Timers) -> dict[str, float]:
        queues = [make() for _ in range(times // len(timers))]
        return {"": nanoseconds(times, loops.insert_each, queues, timers.pairs)[0]}

    def queries(make: Make, timers: Timers) -> dict[str, float]:
        queue = make()
        loops.insert(queue, timers)
        return {
            "next_at": nanoseconds(times, loops.call, times, queue.next_at)[0],
            "due": nanoseconds(times, loops.call, times, queue.due, early)[0],
        }

    queues: dict[str, Make] = {"wheel": MultiNotifier, "heapq": Heap}
    # 40 are nearly as many as one bucket takes.
    for count in (1, 10, 40, 100, 1000):
        timers, work = DENSE.timers(count), workloads.churn(DENSE, count, times // 2)
        tasks: dict[str, Task] = {}
        for name, make in queues.items():
            tasks[f"{name} insert"] = partial(inserts, make, timers)
            tasks[f"{name} query"] = partial(queries, make, timers)
            tasks[name] = partial(turn_over, make, work)
        figures = run.brief(tasks)
        parts = {"insert": "insert", "next_at": "query next_at", "due with none due": "query due", "churn": "churn"}
        for label, part in parts.items():
            bar = 1.5 if label == "insert" else 1
            ours, theirs = figures[f"wheel {part}"], figures[f"heapq {part}"]
            yield run.faster(f"{label}, {count:,} timer{'s'[: count > 1]}", bar, ours, "heapq", theirs)


@group
def next_at(run: Run) -> Iterator[Row]:
    tasks: dict[str, Task] = {"no-op": partial(calls, MILLION, floor().next_at)}
    counts = (0, 1, 1000, MILLION)
    for count in counts:
        queue: MultiNotifier[str] = MultiNotifier()
        loops.insert(queue, DENSE.timers(count))
        tasks[str(count)] = partial(calls, MILLION, queue.next_at)
    figures = run.brief(tasks)
    for count in counts:
        yield run.within(f"next_at, {count:,} timers", 1.3, figures[str(count)], "a no-op method", figures["no-op"])


@group
def constructing(run: Run) -> Iterator[Row]:
    figures = run.brief({"wheel": partial(calls, MILLION, MultiNotifier), "heapq": partial(calls, MILLION, Heap)})
    yield run.faster("constructing one", 1, figures["wheel"], "a class around heapq", figures["heapq"])


@group
def adversarial(run: Run) -> Iterator[Row]:
    for workload, twin in workloads.ADVERSARIAL:
        figures = run.interleave(
            {
                name: partial(drain, MultiNotifier, timers, [timers.last])
                for name, timers in (("input", workload.timers(MILLION)), ("twin", twin.timers(MILLION)))
            }
        )
        for part in ("insert", "drain"):
            ours, theirs = figures[f"input {part}"], figures[f"twin {part}"]
            yield run.within(f"1 M timers {workload.name}: {part}", 2, ours, twin.name, theirs)

    def only_one(end: datetime) -> None:
        queue: MultiNotifier[str] = MultiNotifier()
        queue.notify_at(START, "only")
        queue.due(end)

    last, times = datetime.max.replace(tzinfo=timezone.utc), 200_000
    figures = run.brief({"max": partial(calls, times, only_one, last), "at": partial(calls, times, only_one, START)})
    yield run.within("one timer and due(datetime.max)", 2, figures["max"], "due at its time", figures["at"])
