"""The bars that `MultiNotifier` has to reach, one row each: asked, measured, holds or falls short, and the command.

A group is a generator of rows that measures what it compares in one run. Every loop is a Python loop over
prebuilt datetimes in UTC and string tokens, and is counted.
"""

from __future__ import annotations

import copy
import gc
import heapq
import pickle
import random
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Callable

from bench import compiled, loops, memory, workloads
from bench.contenders import Buckets, Heap, LazyHeap
from bench.measure import Spread, Task, interleave, ratios, timed
from bench.workloads import DENSE, MIXED, START, Churn, Timers, Workload
from timers import MultiNotifier

MILLION = 1_000_000


class Skipped(Exception):
    """A group that cannot run here, and why."""


@dataclass(frozen=True)
class Row:
    group: str
    work: str
    asked: str
    measured: Spread
    unit: str
    holds: bool

    @property
    def verdict(self) -> str:
        return "holds" if self.holds else "falls short"

    @property
    def command(self) -> str:
        return f"python -m bench --bars --only {self.group}"


@dataclass
class Run:
    """What a group gets: its name, the number of rounds, and where to say what is being done."""

    group: str
    rounds: int
    step: Callable[[str], None]

    def interleave(self, tasks: Mapping[str, Task], rounds: int | None = None) -> dict[str, list[float]]:
        return interleave(tasks, rounds or self.rounds, self.step)

    def at_most(self, work: str, bar: float, figures: list[float], unit: str) -> Row:
        spread = Spread.of(figures)
        return Row(self.group, work, f"≤ {bar:g} {unit}", spread, unit, spread.median <= bar)

    def at_least(self, work: str, bar: float, figures: list[float], unit: str) -> Row:
        spread = Spread.of(figures)
        return Row(self.group, work, f"≥ {bar:g} {unit}", spread, unit, spread.median >= bar)


Group = Callable[[Run], Iterator[Row]]
GROUPS: dict[str, Group] = {}


def group(measure: Group) -> Group:
    GROUPS[measure.__name__] = measure
    return measure


def floor_class() -> Any:
    module, reason = compiled.load("floors")
    if module is None:
        raise Skipped(reason)
    return module.Floor


# ---- the tasks: one contender, one workload, once; the seconds of each part


def insert(make: Callable[[], Any], timers: Timers) -> dict[str, float]:
    return {"insert": timed(loops.insert, loops.prepare(make, timers.workload), timers)[0]}


def append(timers: Timers) -> dict[str, float]:
    return {"insert": timed(loops.append, [], timers)[0]}


def drain(make: Callable[[], Any], timers: Timers, clock: list[datetime]) -> dict[str, float]:
    """Insert, then drain along the clock: in steps, or at once where the clock is one moment."""
    queue = loops.prepare(make, timers.workload)
    inserted, _ = timed(loops.insert, queue, timers)
    drained, slices = timed(loops.drain, queue, clock)
    loops.check(slices, timers.expected, "drain")
    return {"insert": inserted, "drain": drained}


def turn_over(make: Callable[[], Any], work: Churn) -> dict[str, float]:
    queue = make()
    loops.insert(queue, work.initial)
    seconds, slices = timed(loops.churn, queue, work)
    loops.check(slices, work.expected, "churn")
    return {"churn": seconds}


def calls(times: int, method: Callable[..., Any], *arguments: Any) -> dict[str, float]:
    return {"": timed(loops.call, times, method, *arguments)[0]}


def nanoseconds(seconds: list[float], count: int) -> list[float]:
    return [value / count * 1e9 for value in seconds]


# ---- speed


@group
def inserts(run: Run) -> Iterator[Row]:
    floor = floor_class()
    random_order, after_due = DENSE.timers(MILLION), workloads.AFTER_DUE.timers(MILLION)
    orders = {workload.name: workload.timers(MILLION) for workload in workloads.INSERT_ORDERS}
    figures = run.interleave(
        {
            "wheel": partial(insert, MultiNotifier, random_order),
            "append": partial(append, random_order),
            "heapq": partial(insert, Heap, random_order),
            "no-op": partial(insert, floor, random_order),
            "random": partial(insert, MultiNotifier, after_due),
            **{name: partial(insert, MultiNotifier, timers) for name, timers in orders.items()},
        },
        run.rounds * 2 + 1,
    )
    wheel, appended = figures["wheel insert"], figures["append insert"]
    work = "notify_at, 1 M dense"
    yield run.at_most(work, 0.70, ratios(wheel, appended), "x the append loop")
    yield run.at_least(work, 4.5, ratios(figures["heapq insert"], wheel), "x faster than heapq")
    yield run.at_most(work, 2.1, ratios(wheel, figures["no-op insert"]), "x a no-op method of two arguments")
    for name, timers in orders.items():
        queue = loops.prepare(MultiNotifier, timers.workload)
        loops.insert(queue, timers)
        loops.check([queue.due(timers.last)], timers.expected, name)
        ordered = figures[f"{name} insert"]
        yield run.at_most(f"notify_at, {name}", 1.5, ratios(ordered, figures["random insert"]), "x the random order")
        yield run.at_most(f"notify_at, {name}", 1.05, ratios(ordered, appended), "x the append loop")


@group
def drains(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)
    queues = {"wheel": MultiNotifier, "heapq": Heap, "buckets": Buckets}
    figures = run.interleave(
        {
            **{f"{name} steps": partial(drain, make, timers, timers.clock) for name, make in queues.items()},
            **{f"{name} once": partial(drain, queues[name], timers, [timers.last]) for name in ("wheel", "heapq")},
        }
    )
    work, ours = "drain in 1 ms steps, 1 M dense", figures["wheel steps drain"]
    yield run.at_least(work, 60, ratios(figures["heapq steps drain"], ours), "x faster than heapq")
    yield run.at_least(work, 8, ratios(figures["buckets steps drain"], ours), "x faster than the dict of buckets")
    work, ours = "drain in one due, 1 M", figures["wheel once drain"]
    yield run.at_least(work, 25, ratios(figures["heapq once drain"], ours), "x faster than heapq")
    yield run.at_most(work, 100, nanoseconds(ours, MILLION), "ns a timer")


@group
def churn(run: Run) -> Iterator[Row]:
    work = workloads.churn(MILLION, MILLION)
    queues = {"wheel": MultiNotifier, "heapq": Heap}
    figures = run.interleave({name: partial(turn_over, make, work) for name, make in queues.items()})
    gain = ratios(figures["heapq churn"], figures["wheel churn"])
    yield run.at_least("churn at 1 M", 30, gain, "x faster than heapq")


# How the figures of `steps_and_once` are called in a row.
PARTS = {
    "insert": "steps insert",
    "drain in steps": "steps drain",
    "drain in one due": "once drain",
}


def steps_and_once(name: str, make: Callable[[], Any], timers: Timers) -> dict[str, Task]:
    return {
        f"{name} steps": partial(drain, make, timers, timers.clock),
        f"{name} once": partial(drain, make, timers, [timers.last]),
    }


@group
def mixed(run: Run) -> Iterator[Row]:
    spreads = {"dense": DENSE.timers(MILLION), "mixed": MIXED.timers(MILLION)}
    tasks: dict[str, Task] = {}
    for spread, timers in spreads.items():
        tasks.update(steps_and_once(f"wheel {spread}", MultiNotifier, timers))
        tasks.update(steps_and_once(f"heapq {spread}", Heap, timers))
    figures = run.interleave(tasks)
    for label, part in PARTS.items():
        dense, spread_out = (
            ratios(figures[f"heapq {spread} {part}"], figures[f"wheel {spread} {part}"]) for spread in spreads
        )
        work = f"{MIXED.name}: {label}"
        yield run.at_least(work, 0.8, ratios(spread_out, dense), "of the dense ratio to heapq")


@group
def sizes(run: Run) -> Iterator[Row]:
    few, many = 100_000, 10 * MILLION
    figures = run.interleave(
        {
            **steps_and_once("few", MultiNotifier, DENSE.timers(few)),
            **steps_and_once("many", MultiNotifier, DENSE.timers(many)),
        }
    )
    for label, part in PARTS.items():
        growth = ratios(nanoseconds(figures[f"many {part}"], many), nanoseconds(figures[f"few {part}"], few))
        yield run.at_most(f"{label}, ns a timer at 10 M", 1.4, growth, "x that at 100 k")


@group
def small(run: Run) -> Iterator[Row]:
    early = START - timedelta(seconds=1)

    def inserts(make: Callable[[], Any], timers: Timers) -> dict[str, float]:
        queues = [make() for _ in range(200_000 // len(timers))]
        return {"": timed(loops.insert_each, queues, timers)[0]}

    def queries(make: Callable[[], Any], timers: Timers) -> dict[str, float]:
        queue = make()
        loops.insert(queue, timers)
        return {
            "next_at": timed(loops.call, 200_000, queue.next_at)[0],
            "due": timed(loops.call, 200_000, queue.due, early)[0],
        }

    for count in (1, 10, 100, 1000):
        timers, work = DENSE.timers(count), workloads.churn(count, 100_000)
        tasks: dict[str, Task] = {}
        for name, make in (("wheel", MultiNotifier), ("heapq", Heap)):
            tasks[f"{name} insert"] = partial(inserts, make, timers)
            tasks[f"{name} query"] = partial(queries, make, timers)
            tasks[name] = partial(turn_over, make, work)
        figures = run.interleave(tasks, run.rounds * 2 + 1)
        for label, part, bar in (
            ("insert", "insert", 1.5),
            ("next_at", "query next_at", 1),
            ("due with none due", "query due", 1),
            ("churn", "churn", 1),
        ):
            gain = ratios(figures[f"heapq {part}"], figures[f"wheel {part}"])
            yield run.at_least(f"{label}, {count:,} timer{'s' if count > 1 else ''}", bar, gain, "x faster than heapq")


@group
def next_at(run: Run) -> Iterator[Row]:
    tasks: dict[str, Task] = {"no-op": partial(calls, MILLION, floor_class()().next_at)}
    counts = (0, 1, 1000, MILLION)
    for count in counts:
        queue: MultiNotifier[str] = MultiNotifier()
        loops.insert(queue, DENSE.timers(count))
        tasks[str(count)] = partial(calls, MILLION, queue.next_at)
    figures = run.interleave(tasks, run.rounds * 2 + 1)
    for count in counts:
        yield run.at_most(
            f"next_at, {count:,} timers", 1.3, ratios(figures[str(count)], figures["no-op"]), "x a no-op method"
        )


@group
def constructing(run: Run) -> Iterator[Row]:
    figures = run.interleave(
        {"wheel": partial(calls, 500_000, MultiNotifier), "heapq": partial(calls, 500_000, Heap)}, run.rounds * 2 + 1
    )
    gain = ratios(figures["heapq"], figures["wheel"])
    yield run.at_least("constructing one", 1, gain, "x faster than a class around heapq")


# ---- memory


@group
def resident(run: Run) -> Iterator[Row]:
    processes = 3

    def measured(*job: Any) -> list[dict[str, float]]:
        run.step(" ".join(map(str, job)))
        return [memory.in_process(*job) for _ in range(processes)]

    work = "memory, 1 M dense, datetimes not held by the caller"
    results = {how: measured("timers", "MultiNotifier", MILLION, how) for how in ("steps", "burst")}
    yield run.at_most(
        work, 24, [each["steady"] / MILLION for each in results["steps"]], "bytes a timer beyond the tokens"
    )
    for how, label in (("steps", "drain in 1 ms steps"), ("burst", "drain in one due")):
        left = [each["after"] / 1e6 for each in results[how]]
        yield run.at_most(f"{work}: after a {label}", 2, left, "MB above start")
        yield run.at_most(
            f"{work}: peak up to the end of a {label}",
            2,
            [each["peak"] / each["steady"] for each in results[how]],
            "x the steady figure",
        )
    for count, bar in ((0, 112), (2, 192)):
        each = measured("notifiers", "MultiNotifier", MILLION, count)
        yield run.at_most(
            f"a million notifiers of {count} timers", bar, [one["steady"] / MILLION for one in each], "bytes each"
        )


# ---- snapshots

KINDS: dict[str, Callable[[int], Any]] = {
    "str": str,
    "int": int,
    "bytes": lambda number: b"%d" % number,
    "None": lambda number: None,
    "tuple": lambda number: (number, str(number)),
}


def notifier_of(timers: Timers, tokens: list[Any]) -> MultiNotifier[Any]:
    """Filled one by one, in random order."""
    queue: MultiNotifier[Any] = MultiNotifier()
    for at, token in zip(timers.ats, tokens):
        queue.notify_at(at, token)
    return queue


def heap_of(timers: Timers, tokens: list[Any]) -> Heap:
    heap = Heap()
    heap.heap = [(at, number, token) for number, (at, token) in enumerate(zip(timers.ats, tokens))]
    heapq.heapify(heap.heap)
    return heap


@group
def deepcopy(run: Run) -> Iterator[Row]:
    late = START + timedelta(days=1)

    def copies(timers: Timers, tokens: list[Any]) -> dict[str, float]:
        queue = notifier_of(timers, tokens)
        first, one = timed(copy.deepcopy, queue)
        again, two = timed(copy.deepcopy, queue)
        queue.notify_at(late, tokens[0])
        changed, three = timed(copy.deepcopy, queue)
        queue.due(START + timedelta(seconds=1))
        drained, four = timed(copy.deepcopy, queue)
        expected = [tokens[number] for number in timers.due_order]
        if not all(other.due(timers.last) == expected for other in (one, two)):
            raise SystemExit("deepcopy: a copy is not what it was copied from")
        del three, four
        return {"first": first, "again": again, "changed": changed, "drained": drained}

    for count in (2, 1000, MILLION):
        timers = DENSE.timers(count)
        for kind, make in KINDS.items() if count == MILLION else [("str", str)]:
            figures = run.interleave({"": partial(copies, timers, [make(number) for number in range(count)])})
            for label, key in (
                ("the first", "first"),
                ("another", "again"),
                ("after a notify_at", "changed"),
                ("after a due", "drained"),
            ):
                yield run.at_most(
                    f"deepcopy, {count:,} timers, {kind} tokens: {label}", 100, [s * 1e6 for s in figures[key]], "µs"
                )

    timers = DENSE.timers(100_000)

    def mutable() -> dict[str, float]:
        tokens: list[Any] = [[number] for number in range(len(timers))]
        queue = notifier_of(timers, tokens)
        plain = [tokens[number] for number in timers.due_order]
        ours, twin = timed(copy.deepcopy, queue)
        theirs, other = timed(copy.deepcopy, plain)
        del queue, plain, tokens
        if twin.due(timers.last) != other:
            raise SystemExit("deepcopy: a copy is not what it was copied from")
        return {"ours": ours, "list": theirs}

    figures = run.interleave({"": mutable})
    yield run.at_most(
        "deepcopy, 100 k timers, list tokens", 1.1, ratios(figures["ours"], figures["list"]), "x a plain list of them"
    )


@group
def first_write(run: Run) -> Iterator[Row]:
    """The first change of a notifier whose snapshot is alive, and of one whose snapshot is gone."""
    timers = DENSE.timers(MILLION)
    late = START + timedelta(days=1)
    writes: dict[str, Callable[[MultiNotifier[Any]], Any]] = {
        "notify_at": lambda queue: queue.notify_at(late, "late"),
        "due": lambda queue: queue.due(START + timedelta(milliseconds=1)),
        "cancel": lambda queue: queue.cancel(timers.ats[500], timers.tokens[500]),
    }

    def alive(write: Callable[[MultiNotifier[Any]], Any]) -> dict[str, float]:
        queue = notifier_of(timers, timers.tokens)
        snapshot = copy.deepcopy(queue)
        first, _ = timed(write, queue)
        second, _ = timed(queue.notify_at, late, "later")
        loops.check([snapshot.due(timers.last)], timers.expected, "first write: the snapshot")
        return {"first": first, "second": second}

    def gone() -> dict[str, float]:
        queue = notifier_of(timers, timers.tokens)

        def write() -> float:
            # One call is too short for the clock of the thread; the median of many forgets what disturbed a few.
            start = time.perf_counter()
            queue.notify_at(late, "late")
            return time.perf_counter() - start

        def after_snapshot() -> float:
            copy.deepcopy(queue)
            return write()

        write()
        return {
            "plain": statistics.median(write() for _ in range(101)),
            "after": statistics.median(after_snapshot() for _ in range(101)),
        }

    figures = run.interleave({**{name: partial(alive, write) for name, write in writes.items()}, "gone": gone})
    for name in writes:
        yield run.at_most(
            f"the first write ({name}) while a snapshot lives, 1 M",
            25,
            nanoseconds(figures[f"{name} first"], MILLION),
            "ns a timer, once",
        )
    yield run.at_most("the second write, 1 M", 0.025, nanoseconds(figures["notify_at second"], MILLION), "ns a timer")
    yield run.at_most(
        "the first write when the snapshot is gone, 1 M",
        2,
        ratios(figures["gone after"], figures["gone plain"]),
        "x a write without one",
    )


@group
def pickles(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)
    plain = [timers.tokens[number] for number in timers.due_order]
    queue, heap = notifier_of(timers, timers.tokens), heap_of(timers, timers.tokens)
    things: dict[str, Any] = {"wheel": queue, "list": plain, "heapq": heap}
    sizes: dict[str, int] = {}

    def both(name: str) -> dict[str, float]:
        dumped, data = timed(pickle.dumps, things[name])
        sizes[name] = len(data)
        loaded, thing = timed(pickle.loads, data)
        if name == "wheel":
            loops.check([thing.due(timers.last)], timers.expected, "pickle")
        return {"dumps": dumped, "loads": loaded}

    figures = run.interleave({name: partial(both, name) for name in things})
    for how, bar in (("dumps", 5), ("loads", 6)):
        work, ours = f"pickle.{how}, 1 M str tokens", figures[f"wheel {how}"]
        beside_list = ratios(ours, figures[f"list {how}"])
        yield run.at_most(work, 1.6, beside_list, "x the plain list of the tokens in due order")
        yield run.at_least(work, bar, ratios(figures[f"heapq {how}"], ours), "x faster than the heap's")
    beyond = (sizes["wheel"] - sizes["list"]) / MILLION
    yield run.at_most("pickled size, 1 M dense", 5, [beyond], "bytes a timer beyond the list of the tokens")


@group
def restoring(run: Run) -> Iterator[Row]:
    numpy = need_numpy()
    timers = DENSE.timers(MILLION)
    micros = sorted(timers.micros)
    tokens = [timers.tokens[number] for number in timers.due_order]
    ats = numpy.datetime64(START.replace(tzinfo=None), "us") + numpy.array(micros, "m8[us]")
    reduced: Any = notifier_of(timers, timers.tokens).__reduce_ex__(4)
    make, arguments, state = reduced[:3]

    def rebuild() -> Any:
        queue = make(*arguments)
        queue.__setstate__(state)
        return queue

    def restore() -> dict[str, float]:
        seconds, queue = timed(rebuild)
        loops.check([queue.due(timers.last)], timers.expected, "restoring")
        return {"": seconds}

    def bulk() -> dict[str, float]:
        queue: MultiNotifier[str] = MultiNotifier()
        return {"": timed(queue.notify_many, ats, tokens)[0]}

    dense_none = pickle.dumps(notifier_of(timers, [None] * MILLION))
    figures = run.interleave(
        {"restore": restore, "loads": lambda: {"": timed(pickle.loads, dense_none)[0]}, "bulk": bulk}
    )
    unit = "x notify_many of datetime64 in due order"
    yield run.at_most("restoring 1 M from the loaded state", 3, ratios(figures["restore"], figures["bulk"]), unit)
    yield run.at_most("restoring 1 M by pickle.loads, None tokens", 3, ratios(figures["loads"], figures["bulk"]), unit)


@group
def small_snapshots(run: Run) -> Iterator[Row]:
    floor, times = floor_class()(), 50_000
    for count in range(5):
        queue: MultiNotifier[int] = MultiNotifier()
        for number, at in enumerate(DENSE.timers(count).ats):
            queue.notify_at(at, number)
        figures = run.interleave(
            {
                f"{name} {how.__name__}": partial(calls, times, how, thing)
                for name, thing in {"wheel": queue, "floor": floor}.items()
                for how in (copy.deepcopy, pickle.dumps)
            },
            run.rounds * 2 + 1,
        )
        for how, bar, unit in (
            ("deepcopy", 1.3, "x a __deepcopy__ that returns a new empty object"),
            ("dumps", 2, "x a __reduce__ of a class and 40 bytes"),
        ):
            yield run.at_most(
                f"{how}, {count} timers", bar, ratios(figures[f"wheel {how}"], figures[f"floor {how}"]), unit
            )
        if count == 2:
            yield run.at_most("pickled size, 2 timers, int tokens", 110, [float(len(pickle.dumps(queue)))], "bytes")


# ---- bulk, slices, cancel


def need_numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise Skipped(f"needs NumPy ({error})") from None
    return numpy


@group
def bulk(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)
    pairs = list(zip(timers.ats, timers.tokens))

    def many(ats: Any) -> dict[str, float]:
        queue: MultiNotifier[str] = MultiNotifier()
        seconds, _ = timed(queue.notify_many, ats, timers.tokens)
        if len(queue) != MILLION:
            raise SystemExit("notify_many: timers are missing")
        return {"": seconds}

    tasks: dict[str, Task] = {
        "loop": lambda: {"": timed(loops.insert, MultiNotifier(), timers)[0]},
        "lists": partial(many, timers.ats),
        "pairs": lambda: {"": timed(MultiNotifier, pairs)[0]},
        "heapify": lambda: {"": timed(heap_of, timers, timers.tokens)[0]},
    }
    units = ("us", "ns", "ms", "s")
    try:
        numpy = need_numpy()
    except Skipped as reason:
        run.step(f"datetime64 skipped: {reason}")
    else:
        exact = numpy.datetime64(START.replace(tzinfo=None), "us") + numpy.array(timers.micros, "m8[us]")
        for unit in units:
            tasks[unit] = partial(many, exact.astype(f"M8[{unit}]"))
        refused = [numpy.array(["2026-01-01", text], "M8[s]") for text in ("NaT", "0000-12-31", "10000-01-01")]
    for make in (lambda: many_of(MultiNotifier(), timers.ats, timers.tokens), lambda: MultiNotifier(pairs)):
        loops.check([make().due(timers.last)], timers.expected, "bulk")
    figures = run.interleave(tasks)
    loop = figures["loop"]
    for unit in units:
        if unit in figures:
            yield run.at_most(
                f"notify_many, 1 M datetime64[{unit}]", 0.4, ratios(figures[unit], loop), "x the notify_at loop"
            )
    if "us" in figures:
        accepted = 0
        for ats in refused:
            queue: MultiNotifier[str] = MultiNotifier()
            try:
                queue.notify_many(ats, ["a", "b"])
                accepted += 1
            except ValueError:
                accepted += len(queue)
        yield run.at_most("notify_many, batches with NaT or a year beyond 1-9999", 0, [float(accepted)], "accepted")
    yield run.at_most("notify_many, 1 M, lists", 0.75, ratios(figures["lists"], loop), "x the notify_at loop")
    yield run.at_least(
        "MultiNotifier(pairs), 1 M", 5, ratios(figures["heapify"], figures["pairs"]), "x faster than tuples and heapify"
    )


def many_of(queue: MultiNotifier[Any], ats: Any, tokens: list[Any]) -> MultiNotifier[Any]:
    queue.notify_many(ats, tokens)
    return queue


@group
def slices(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)

    def slice_by_slice(queue: MultiNotifier[str]) -> loops.Slices:
        last, taken = timers.last, []
        while tokens := queue.due(last, 1000):
            taken.append(tokens)
        return taken

    def sliced() -> dict[str, float]:
        seconds, taken = timed(slice_by_slice, notifier_of(timers, timers.tokens))
        loops.check(taken, timers.expected, "slices")
        return {"drain": seconds}

    figures = run.interleave({"slices": sliced, "whole": partial(drain, MultiNotifier, timers, [timers.last])})
    growth = ratios(figures["slices drain"], figures["whole drain"])
    yield run.at_most("drain 1 M in slices of 1,000", 1.3, growth, "x one whole drain")


@group
def cancel(run: Run) -> Iterator[Row]:
    nothing = floor_class()().notify_at
    timers = DENSE.timers(MILLION)
    inserted = list(zip(timers.ats, timers.tokens))
    some = random.Random(2).sample(inserted, 100_000)

    def random_pending() -> dict[str, float]:
        queue: MultiNotifier[str] = MultiNotifier()

        def net(method: Callable[[datetime, str], Any], pairs: list[tuple[datetime, str]]) -> float:
            floor, _ = timed(loops.each, nothing, pairs)
            return (timed(loops.each, method, pairs)[0] - floor) / len(pairs)

        insert = net(queue.notify_at, inserted)
        cancel = net(queue.cancel, some)
        if len(queue) != MILLION - len(some):
            raise SystemExit("cancel: a pending timer was not found")
        return {"": cancel / insert}

    figures = run.interleave({"": random_pending})
    work = "cancel of a random pending timer, 1 M dense"
    yield run.at_most(work, 5, figures[""], "x notify_at, both net of a no-op loop")

    def all_of(timers: Timers, order: Callable[[list[int]], list[int]]) -> dict[str, float]:
        queue = notifier_of(timers, timers.tokens)
        pairs = [(timers.ats[number], timers.tokens[number]) for number in order(list(timers.due_order))]
        seconds, _ = timed(loops.each, queue.cancel, pairs)
        if queue:
            raise SystemExit("cancel: a pending timer was not found")
        return {"": seconds / len(timers)}

    def shuffled(numbers: list[int]) -> list[int]:
        return random.Random(3).sample(numbers, len(numbers))

    orders: dict[str, tuple[Workload, Callable[[list[int]], list[int]]]] = {
        "distinct times, ascending": (DISTINCT, lambda numbers: numbers),
        "distinct times, descending": (DISTINCT, lambda numbers: numbers[::-1]),
        "distinct times, random order": (DISTINCT, shuffled),
        "one microsecond, order of insertion": (workloads.ADVERSARIAL[0][0], lambda numbers: numbers),
    }
    for name, (workload, order) in orders.items():
        few, many = workload.timers(100_000), workload.timers(MILLION)
        figures = run.interleave({"few": partial(all_of, few, order), "many": partial(all_of, many, order)})
        yield run.at_most(
            f"cancel all of 1 M, {name}, each", 2, ratios(figures["many"], figures["few"]), "x each of 100 k"
        )


def distinct(rng: random.Random, count: int) -> list[int]:
    return rng.sample(range(workloads.MINUTE), count)


DISTINCT = Workload("distinct times", spread=distinct)


@dataclass
class Idle:
    """Every timer is an idle timeout of a minute, pushed out once, at most a minute after it was set, by an event."""

    timers: Timers
    steps: list[tuple[datetime, list[tuple[datetime, str, datetime]]]]

    @classmethod
    def of(cls, count: int) -> Idle:
        rng = random.Random(4)
        minute = timedelta(minutes=1)
        timers = DENSE.timers(count)
        timers.ats = [at + minute for at in timers.ats]
        steps: list[tuple[datetime, list[tuple[datetime, str, datetime]]]] = [
            (START + workloads.MILLISECOND * step, []) for step in range(120_001)
        ]
        for micro, at, token in zip(timers.micros, timers.ats, timers.tokens):
            event = micro + rng.randrange(workloads.MINUTE)
            steps[event // 1000][1].append((at, token, START + timedelta(microseconds=event) + minute))
        return cls(timers, steps)


@group
def reschedule(run: Run) -> Iterator[Row]:
    work = Idle.of(MILLION)
    seen: set[int] = set()

    def replay(queue: Any) -> loops.Slices:
        reschedule, due, taken = queue.reschedule, queue.due, []
        for now, events in work.steps:
            for at, token, new_at in events:
                reschedule(at, token, new_at)
            taken.append(due(now))
        return taken

    def task(make: Callable[[], Any]) -> dict[str, float]:
        queue = make()
        loops.insert(queue, work.timers)
        seconds, taken = timed(replay, queue)
        seen.add(loops.checksum(taken))
        return {"": seconds}

    figures = run.interleave({"wheel": partial(task, MultiNotifier), "lazy": partial(task, LazyHeap)})
    if len(seen) != 1:
        raise SystemExit("reschedule: the contenders disagree about the order of the tokens")
    yield run.at_least(
        "reschedule (an idle timeout pushed out), 1 M",
        5,
        ratios(figures["lazy"], figures["wheel"]),
        "x faster than heapq with lazy deletion",
    )
    growth = memory.in_process("reschedules", "MultiNotifier", 100_000, 20)["growth"]
    yield run.at_most("memory after 2 M more reschedules of 100 k timers", 1, [growth / 1e6], "MB above that before")


@group
def iterating(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)

    def walk(queue: MultiNotifier[str]) -> None:
        for _ in queue:
            pass

    def theirs() -> dict[str, float]:
        heap = Heap()
        loops.insert(heap, timers)
        return {"": timed(sorted, heap.heap)[0]}

    loops.check([[token for _, token in notifier_of(timers, timers.tokens)]], timers.expected, "iterating")

    def ours() -> dict[str, float]:
        return {"": timed(walk, notifier_of(timers, timers.tokens))[0]}

    figures = run.interleave({"wheel": ours, "heapq": theirs})
    yield run.at_most(
        "iterating 1 M pending timers", 0.5, ratios(figures["wheel"], figures["heapq"]), "x sorting the heap"
    )


# ---- inputs chosen to hurt


@group
def adversarial(run: Run) -> Iterator[Row]:
    for workload, twin in workloads.ADVERSARIAL:
        work = {"input": workload.timers(MILLION), "twin": twin.timers(MILLION)}
        figures = run.interleave(
            {name: partial(drain, MultiNotifier, timers, [timers.last]) for name, timers in work.items()}
        )
        for part in ("insert", "drain"):
            growth = ratios(figures[f"input {part}"], figures[f"twin {part}"])
            yield run.at_most(f"1 M timers, {workload.name}: {part}", 2, growth, f"x {twin.name}")

    def one(end: datetime) -> None:
        queue: MultiNotifier[str] = MultiNotifier()
        queue.notify_at(START, "only")
        queue.due(end)

    last = datetime.max.replace(tzinfo=timezone.utc)
    figures = run.interleave(
        {"max": partial(calls, 200_000, one, last), "then": partial(calls, 200_000, one, START)}, run.rounds * 2 + 1
    )
    growth = ratios(figures["max"], figures["then"])
    yield run.at_most("one timer and due(datetime.max)", 2, growth, "x due at its time")


def measure(names: Iterable[str], rounds: int, step: Callable[[str], None]) -> Iterator[tuple[str, Any]]:
    """The rows, a group after the other; a reason in place of rows where a group cannot run."""
    for name in names:
        try:
            for row in GROUPS[name](Run(name, rounds, lambda what, name=name: step(f"{name}: {what}"))):  # type: ignore[misc]
                yield name, row
        except Skipped as reason:
            yield name, str(reason)
        except (AttributeError, NotImplementedError) as error:
            yield name, f"this build lacks what it needs: {error}"
        gc.collect()
