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
from itertools import repeat
from typing import Any, Callable, Optional

from bench import compiled, memory, workloads
from bench.contenders import Buckets, Heap, LazyHeap, Queue
from bench.measure import Spread, Task, interleave, now, ratios
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

    def interleave(self, tasks: Mapping[str, Task], rounds: Optional[int] = None) -> dict[str, list[float]]:
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


def check(tokens: Iterable[str], expected: int, what: str) -> None:
    if workloads.checksum(tokens) != expected:
        raise SystemExit(f"{what}: the sequence of tokens is not that of the plain model")


def floor_class() -> Any:
    module, reason = compiled.load("floors")
    if module is None:
        raise Skipped(reason)
    return module.Floor


# ---- the loops


def prepare(make: Callable[[], Any], workload: Workload) -> Any:
    queue = make()
    if workload.clock_at is not None:
        clock = workload.start + timedelta(seconds=workload.clock_at)
        queue.notify_at(clock + timedelta(hours=1), "pending")
        queue.due(clock)
    return queue


def fill(queue: Any, timers: Timers) -> float:
    """Seconds to insert all."""
    notify_at = queue.notify_at
    start = now()
    for at, token in zip(timers.ats, timers.tokens):
        notify_at(at, token)
    return now() - start


def insert(make: Callable[[], Queue], timers: Timers) -> dict[str, float]:
    return {"insert": fill(prepare(make, timers.workload), timers)}


def append(timers: Timers) -> dict[str, float]:
    items: list[tuple[datetime, str]] = []
    append = items.append
    start = now()
    for at, token in zip(timers.ats, timers.tokens):
        append((at, token))
    return {"insert": now() - start}


def drain(make: Callable[[], Queue], timers: Timers) -> dict[str, float]:
    """Insert, then drain along the clock of the workload."""
    queue = prepare(make, timers.workload)
    inserted = fill(queue, timers)
    due = queue.due
    clock = timers.clock
    start = now()
    slices = [due(moment) for moment in clock]
    seconds = now() - start
    check((token for tokens in slices for token in tokens), timers.expected, "drain")
    return {"insert": inserted, "drain": seconds}


def burst(make: Callable[[], Queue], timers: Timers) -> dict[str, float]:
    """Insert, then drain in one `due`."""
    queue = prepare(make, timers.workload)
    inserted = fill(queue, timers)
    last = timers.last
    start = now()
    tokens = queue.due(last)
    seconds = now() - start
    check(tokens, timers.expected, "burst")
    return {"insert": inserted, "burst": seconds}


def turn_over(make: Callable[[], Queue], work: Churn) -> dict[str, float]:
    queue = make()
    fill(queue, work.initial)
    due, notify_at = queue.due, queue.notify_at
    taken = []
    start = now()
    for moment, replacements in zip(work.clock, work.replacements):
        tokens = due(moment)
        for at, token in zip(replacements, tokens):
            notify_at(at, token)
        taken.append(tokens)
    seconds = now() - start
    check((token for tokens in taken for token in tokens), work.expected, "churn")
    return {"churn": seconds}


def calls(method: Callable[..., Any], *arguments: Any, count: int = 1) -> float:
    """Seconds for `count` calls."""
    start = now()
    if arguments:
        for _ in repeat(None, count):
            method(*arguments)
    else:
        for _ in repeat(None, count):
            method()
    return now() - start


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
    yield run.at_most(work, 0.70, ratios(wheel, appended), "× the append loop")
    yield run.at_least(work, 4.5, ratios(figures["heapq insert"], wheel), "× faster than heapq")
    yield run.at_most(work, 2.1, ratios(wheel, figures["no-op insert"]), "× a no-op method of two arguments")
    for name, timers in orders.items():
        queue = prepare(MultiNotifier, timers.workload)
        fill(queue, timers)
        check(queue.due(timers.last), timers.expected, name)
        ordered = figures[f"{name} insert"]
        yield run.at_most(f"notify_at, {name}", 1.5, ratios(ordered, figures["random insert"]), "× the random order")
        yield run.at_most(f"notify_at, {name}", 1.05, ratios(ordered, appended), "× the append loop")


@group
def drains(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)
    queues = {"wheel": MultiNotifier, "heapq": Heap, "buckets": Buckets}
    figures = run.interleave(
        {
            **{name: partial(drain, make, timers) for name, make in queues.items()},
            **{f"{name} at once": partial(burst, make, timers) for name, make in queues.items() if name != "buckets"},
        }
    )
    work = "drain in 1 ms steps, 1 M dense"
    yield run.at_least(work, 60, ratios(figures["heapq drain"], figures["wheel drain"]), "× faster than heapq")
    yield run.at_least(
        work, 8, ratios(figures["buckets drain"], figures["wheel drain"]), "× faster than the dict of buckets"
    )
    work = "drain in one due, 1 M"
    at_once = figures["wheel at once burst"]
    yield run.at_least(work, 25, ratios(figures["heapq at once burst"], at_once), "× faster than heapq")
    yield run.at_most(work, 100, nanoseconds(at_once, MILLION), "ns a timer")


@group
def churn(run: Run) -> Iterator[Row]:
    work = workloads.churn(MILLION, MILLION)
    figures = run.interleave({"wheel": partial(turn_over, MultiNotifier, work), "heapq": partial(turn_over, Heap, work)})
    yield run.at_least("churn at 1 M", 30, ratios(figures["heapq churn"], figures["wheel churn"]), "× faster than heapq")


@group
def mixed(run: Run) -> Iterator[Row]:
    spreads = {"dense": DENSE.timers(MILLION), "mixed": MIXED.timers(MILLION)}
    queues = {"wheel": MultiNotifier, "heapq": Heap}
    figures = run.interleave(
        {
            f"{name} {spread} {task.__name__}": partial(task, make, timers)
            for spread, timers in spreads.items()
            for name, make in queues.items()
            for task in (drain, burst)
        }
    )
    for label, key in (
        ("insert", "drain insert"),
        ("drain in 1 ms steps, then 1 min steps", "drain drain"),
        ("drain in one due", "burst burst"),
    ):
        gains = {
            spread: ratios(figures[f"heapq {spread} {key}"], figures[f"wheel {spread} {key}"]) for spread in spreads
        }
        yield run.at_least(
            f"{MIXED.name}: {label}", 0.8, ratios(gains["mixed"], gains["dense"]), "of the dense ratio to heapq"
        )


@group
def sizes(run: Run) -> Iterator[Row]:
    small, large = 100_000, 10 * MILLION
    work = {count: DENSE.timers(count) for count in (small, large)}
    figures = run.interleave(
        {
            f"{count} {task.__name__}": partial(task, MultiNotifier, timers)
            for count, timers in work.items()
            for task in (drain, burst)
        }
    )
    for label, key in (
        ("insert", "drain insert"),
        ("drain in 1 ms steps", "drain drain"),
        ("drain in one due", "burst burst"),
    ):
        growth = ratios(
            nanoseconds(figures[f"{large} {key}"], large), nanoseconds(figures[f"{small} {key}"], small)
        )
        yield run.at_most(f"{label}, ns a timer at 10 M", 1.4, growth, "× at 100 k")


def small_inserts(make: Callable[[], Queue], timers: Timers, times: int) -> dict[str, float]:
    queues = [make() for _ in range(times)]
    pairs = list(zip(timers.ats, timers.tokens))
    start = now()
    for queue in queues:
        notify_at = queue.notify_at
        for at, token in pairs:
            notify_at(at, token)
    return {"insert": now() - start}


def small_queries(make: Callable[[], Queue], timers: Timers, times: int) -> dict[str, float]:
    queue = make()
    fill(queue, timers)
    early = START - timedelta(seconds=1)
    return {"next_at": calls(queue.next_at, count=times), "due": calls(queue.due, early, count=times)}


@group
def small(run: Run) -> Iterator[Row]:
    for count in (1, 10, 100, 1000):
        timers, work = DENSE.timers(count), workloads.churn(count, 100_000)
        figures = run.interleave(
            {
                f"{name} {part}": task
                for name, make in {"wheel": MultiNotifier, "heapq": Heap}.items()
                for part, task in {
                    "i": partial(small_inserts, make, timers, 200_000 // count),
                    "q": partial(small_queries, make, timers, 200_000),
                    "c": partial(turn_over, make, work),
                }.items()
            },
            run.rounds * 2 + 1,
        )
        for label, key, bar in (
            ("insert", "i insert", 1.5),
            ("next_at", "q next_at", 1),
            ("due with none due", "q due", 1),
            ("churn", "c churn", 1),
        ):
            gain = ratios(figures[f"heapq {key}"], figures[f"wheel {key}"])
            yield run.at_least(f"{label}, {count:,} timer{'s' if count > 1 else ''}", bar, gain, "× faster than heapq")


@group
def next_at(run: Run) -> Iterator[Row]:
    floor = floor_class()()

    def ask(queue: Any) -> dict[str, float]:
        return {"": calls(queue.next_at, count=500_000)}

    tasks: dict[str, Task] = {"no-op": partial(ask, floor)}
    for count in (0, 1, 1000, MILLION):
        queue: MultiNotifier[str] = MultiNotifier()
        fill(queue, DENSE.timers(count))
        tasks[f"{count:,}"] = partial(ask, queue)
    figures = run.interleave(tasks, run.rounds * 2 + 1)
    for name in list(tasks)[1:]:
        yield run.at_most(f"next_at, {name} timers", 1.3, ratios(figures[name], figures["no-op"]), "× a no-op method")


@group
def constructing(run: Run) -> Iterator[Row]:
    figures = run.interleave(
        {
            name: lambda make=make: {"": calls(make, count=300_000)}  # type: ignore[misc]
            for name, make in {"wheel": MultiNotifier, "heapq": Heap}.items()
        },
        run.rounds * 2 + 1,
    )
    yield run.at_least(
        "constructing one", 1, ratios(figures["heapq"], figures["wheel"]), "× faster than a class around heapq"
    )


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
        yield run.at_most(f"{work}: after a {label}", 2, [each["after"] / 1e6 for each in results[how]], "MB above start")
        yield run.at_most(
            f"{work}: peak up to the end of a {label}",
            2,
            [each["peak"] / each["steady"] for each in results[how]],
            "× the steady figure",
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


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    start = now()
    result = work(*arguments)
    return now() - start, result


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
        "deepcopy, 100 k timers, list tokens", 1.1, ratios(figures["ours"], figures["list"]), "× a plain list of them"
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
        check(snapshot.due(timers.last), timers.expected, "first write: the snapshot")
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
        "× a write without one",
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
            check(thing.due(timers.last), timers.expected, "pickle")
        return {"dumps": dumped, "loads": loaded}

    figures = run.interleave({name: partial(both, name) for name in things})
    for how, bar in (("dumps", 5), ("loads", 6)):
        work, ours = f"pickle.{how}, 1 M str tokens", figures[f"wheel {how}"]
        yield run.at_most(work, 1.6, ratios(ours, figures[f"list {how}"]), "× the plain list of the tokens in due order")
        yield run.at_least(work, bar, ratios(figures[f"heapq {how}"], ours), "× faster than the heap's")
    beyond = (sizes["wheel"] - sizes["list"]) / MILLION
    yield run.at_most("pickled size, 1 M dense", 5, [beyond], "bytes a timer beyond the list of the tokens")


@group
def restoring(run: Run) -> Iterator[Row]:
    numpy = need_numpy()
    timers = DENSE.timers(MILLION)
    micros = sorted(timers.micros)
    tokens = [timers.tokens[number] for number in timers.due_order]
    ats = numpy.datetime64(START.replace(tzinfo=None), "us") + numpy.array(micros, "m8[us]")
    make, arguments, state = notifier_of(timers, timers.tokens).__reduce_ex__(4)[:3]  # type: ignore[misc]
    assert state is not None

    def restore() -> dict[str, float]:
        start = now()
        queue = make(*arguments)  # type: ignore[operator]
        queue.__setstate__(state)
        seconds = now() - start
        check(queue.due(timers.last), timers.expected, "restoring")
        return {"": seconds}

    def bulk() -> dict[str, float]:
        queue: MultiNotifier[str] = MultiNotifier()
        return {"": timed(queue.notify_many, ats, tokens)[0]}

    dense_none = pickle.dumps(notifier_of(timers, [None] * MILLION))
    figures = run.interleave(
        {"restore": restore, "loads": lambda: {"": timed(pickle.loads, dense_none)[0]}, "bulk": bulk}
    )
    unit = "× notify_many of datetime64 in due order"
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
                f"{name} {how.__name__}": lambda how=how, thing=thing: {"": calls(how, thing, count=times)}  # type: ignore[misc]
                for name, thing in {"wheel": queue, "floor": floor}.items()
                for how in (copy.deepcopy, pickle.dumps)
            },
            run.rounds * 2 + 1,
        )
        for how, bar, unit in (
            ("deepcopy", 1.3, "× a __deepcopy__ that returns a new empty object"),
            ("dumps", 2, "× a __reduce__ of a class and 40 bytes"),
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

    def heapified() -> dict[str, float]:
        start = now()
        heap = [(at, number, token) for number, (at, token) in enumerate(pairs)]
        heapq.heapify(heap)
        return {"": now() - start}

    tasks: dict[str, Task] = {
        "loop": lambda: {"": fill(MultiNotifier(), timers)},
        "lists": partial(many, timers.ats),
        "pairs": lambda: {"": timed(MultiNotifier, pairs)[0]},
        "heapify": heapified,
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
        check(make().due(timers.last), timers.expected, "bulk")
    figures = run.interleave(tasks)
    loop = figures["loop"]
    for unit in units:
        if unit in figures:
            yield run.at_most(
                f"notify_many, 1 M datetime64[{unit}]", 0.4, ratios(figures[unit], loop), "× the notify_at loop"
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
    yield run.at_most("notify_many, 1 M, lists", 0.75, ratios(figures["lists"], loop), "× the notify_at loop")
    yield run.at_least(
        "MultiNotifier(pairs), 1 M", 5, ratios(figures["heapify"], figures["pairs"]), "× faster than tuples and heapify"
    )


def many_of(queue: MultiNotifier[Any], ats: Any, tokens: list[Any]) -> MultiNotifier[Any]:
    queue.notify_many(ats, tokens)
    return queue


@group
def slices(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)

    def sliced() -> dict[str, float]:
        queue, last, taken = notifier_of(timers, timers.tokens), timers.last, []
        start = now()
        while tokens := queue.due(last, 1000):
            taken.append(tokens)
        seconds = now() - start
        check((token for tokens in taken for token in tokens), timers.expected, "slices")
        return {"": seconds}

    figures = run.interleave({"slices": sliced, "whole": partial(burst, MultiNotifier, timers)})
    yield run.at_most(
        "drain 1 M in slices of 1,000", 1.3, ratios(figures["slices"], figures["whole burst"]), "× one whole drain"
    )


def pairs_loop(method: Callable[[datetime, str], Any], pairs: list[tuple[datetime, str]]) -> float:
    start = now()
    for at, token in pairs:
        method(at, token)
    return now() - start


@group
def cancel(run: Run) -> Iterator[Row]:
    nothing = floor_class()().notify_at
    timers = DENSE.timers(MILLION)
    inserted = list(zip(timers.ats, timers.tokens))
    some = random.Random(2).sample(inserted, 100_000)

    def random_pending() -> dict[str, float]:
        queue: MultiNotifier[str] = MultiNotifier()
        noop_inserts, inserts = pairs_loop(nothing, inserted), pairs_loop(queue.notify_at, inserted)
        noop_cancels, cancels = pairs_loop(nothing, some), pairs_loop(queue.cancel, some)
        if len(queue) != MILLION - len(some):
            raise SystemExit("cancel: a pending timer was not found")
        insert = (inserts - noop_inserts) / len(inserted)
        return {"": (cancels - noop_cancels) / len(some) / insert}

    figures = run.interleave({"": random_pending})
    yield run.at_most("cancel of a random pending timer, 1 M dense", 5, figures[""], "× notify_at, both net of a no-op loop")

    def all_of(timers: Timers, order: Callable[[list[int]], list[int]]) -> dict[str, float]:
        queue = notifier_of(timers, timers.tokens)
        pairs = [(timers.ats[number], timers.tokens[number]) for number in order(list(timers.due_order))]
        seconds = pairs_loop(queue.cancel, pairs)
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
            f"cancel all of 1 M, {name}, each", 2, ratios(figures["many"], figures["few"]), "× each of 100 k"
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

    def events(make: Callable[[], Any]) -> dict[str, float]:
        queue = make()
        fill(queue, work.timers)
        reschedule, due = queue.reschedule, queue.due
        taken = []
        start = now()
        for moment, events in work.steps:
            for at, token, new_at in events:
                reschedule(at, token, new_at)
            taken.append(due(moment))
        seconds = now() - start
        seen.add(workloads.checksum(token for tokens in taken for token in tokens))
        return {"": seconds}

    figures = run.interleave({"wheel": partial(events, MultiNotifier), "lazy": partial(events, LazyHeap)})
    if len(seen) != 1:
        raise SystemExit("reschedule: the contenders disagree about the order of the tokens")
    yield run.at_least(
        "reschedule (an idle timeout pushed out), 1 M",
        5,
        ratios(figures["lazy"], figures["wheel"]),
        "× faster than heapq with lazy deletion",
    )
    growth = memory.in_process("reschedules", "MultiNotifier", 100_000, 20)["growth"]
    yield run.at_most("memory after 2 M more reschedules of 100 k timers", 1, [growth / 1e6], "MB above that before")


@group
def iterating(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)

    def ours() -> dict[str, float]:
        queue = notifier_of(timers, timers.tokens)
        start = now()
        for _ in queue:
            pass
        return {"": now() - start}

    def theirs() -> dict[str, float]:
        heap = Heap()
        fill(heap, timers)
        return {"": timed(sorted, heap.heap)[0]}

    check((token for _, token in notifier_of(timers, timers.tokens)), timers.expected, "iterating")
    figures = run.interleave({"wheel": ours, "heapq": theirs})
    yield run.at_most(
        "iterating 1 M pending timers", 0.5, ratios(figures["wheel"], figures["heapq"]), "× sorting the heap"
    )


# ---- inputs chosen to hurt


@group
def adversarial(run: Run) -> Iterator[Row]:
    for workload, twin in workloads.ADVERSARIAL:
        work = {"input": workload.timers(MILLION), "twin": twin.timers(MILLION)}
        figures = run.interleave({name: partial(burst, MultiNotifier, timers) for name, timers in work.items()})
        for label, key in (("insert", "insert"), ("drain", "burst")):
            yield run.at_most(
                f"1 M timers, {workload.name}: {label}",
                2,
                ratios(figures[f"input {key}"], figures[f"twin {key}"]),
                f"× {twin.name}",
            )

    def one(end: datetime) -> dict[str, float]:
        queue: MultiNotifier[str] = MultiNotifier()
        start = now()
        for _ in repeat(None, 200_000):
            queue.notify_at(START, "only")
            queue.due(end)
        return {"": now() - start}

    last = datetime.max.replace(tzinfo=timezone.utc)
    figures = run.interleave({"max": partial(one, last), "then": partial(one, START)}, run.rounds * 2 + 1)
    yield run.at_most("one timer and due(datetime.max)", 2, ratios(figures["max"], figures["then"]), "× due at its time")


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
