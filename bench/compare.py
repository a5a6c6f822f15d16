"""The default run: every contender at every size, as far as time goes; what is done most; what is held; snapshots."""

from __future__ import annotations

import copy
import os
import pickle
import time
from array import array
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Callable, Optional

from bench import compiled, everyday, loops, memory, workloads
from bench.contenders import CONTENDERS, MOST, MOST_CHURN
from bench.measure import Spread, level_ground, nanoseconds, pin
from bench.workloads import DENSE, Churn, Timers

SIZES = (10, 100, 1000, 10_000, 100_000, 1_000_000)
OPERATIONS = ("insert", "next_at", "drain", "drain at once", "churn")
# The third tells how long the last would take.
SNAPSHOT_SIZES = (2, 1000, 100_000, 1_000_000)
SNAPSHOT_OF = ("MultiNotifier", "heapq")
FIRST = ("MultiNotifier", "heapq")
MEMORY_SIZE = 1_000_000
SECONDS = 58
ROUNDS = 5
# At a small size a round repeats its work until it has done so many operations: once would measure cold caches.
LEAST = 100_000
# From a size to the next, ten times as large, a round takes at most so many times as long.
GROWTH = 14
# The C++ rivals step through every millisecond: with fewer timers that would be all they do.
LEAST_NATIVE = 100_000

Figures = dict[str, float]
Measure = Callable[[int], tuple[Figures, Optional[int]]]


@dataclass
class Cell:
    """One contender at one size: the figures of each round, and the checksum of its tokens."""

    contender: str
    timers: int
    rounds: dict[str, list[float]] = field(default_factory=dict)
    checksum: int | None = None

    def spread(self, figure: str) -> Spread | None:
        return Spread.of(self.rounds[figure]) if figure in self.rounds else None


@dataclass
class Comparison:
    """What was measured, and what was not and why."""

    operations: list[Cell] = field(default_factory=list)
    snapshots: list[Cell] = field(default_factory=list)
    everyday: list[Cell] = field(default_factory=list)
    bytes_each: dict[str, float] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


# ---- one contender, one size, one round


@cache
def timers_of(count: int) -> Timers:
    return DENSE.timers(count)


@cache
def churn_of(count: int) -> Churn:
    return workloads.churn(DENSE, count, max(LEAST // 5, count // 10))


def measure_queue(name: str, count: int) -> tuple[Figures, int]:
    """Nanoseconds of each operation; every sequence of tokens must be that of the plain model."""
    figures = insert_and_drain(name, count)
    if count <= MOST_CHURN.get(name, count):
        figures["churn"] = turn_over(name, count)
    return figures, timers_of(count).expected


def turn_over(name: str, count: int) -> float:
    work, queue = churn_of(count), CONTENDERS[name]()
    loops.insert(queue, work.initial)
    level_ground()
    each, slices = nanoseconds(work.operations, loops.churn, queue, work)
    loops.check(slices, work.expected, f"{name}, churn")
    return each


def insert_and_drain(name: str, count: int) -> Figures:
    """Half of the timers are drained step by step and half by one `due`, so that one filling serves for both."""
    make, timers = CONTENDERS[name], timers_of(count)
    pairs, times = timers.pairs, max(1, LEAST // count)
    half = timers.coarse_clock[: len(timers.coarse_clock) // 2]
    first = timers.due_by(half[-1])
    figures: Figures = {}
    level_ground()
    queues = [make() for _ in range(times)]
    figures["insert"], _ = nanoseconds(times * count, loops.insert_each, queues, pairs)
    figures["drain"], firsts = nanoseconds(times * first, loops.drain_each, queues, half)
    figures["next_at"], _ = nanoseconds(LEAST, loops.call, LEAST, queues[0].next_at)
    figures["drain at once"], rests = nanoseconds(times * (count - first), loops.drain_each, queues, [timers.last])
    for taken, rest in zip(firsts, rests):
        loops.check(taken + rest, timers.expected, f"{name}, drain")
    return figures


def measure_append(count: int) -> tuple[Figures, None]:
    timers, times = timers_of(count), max(1, LEAST // count)
    level_ground()
    return {"insert": sum(nanoseconds(times * count, loops.append, [], timers)[0] for _ in range(times))}, None


def measure_noop(floor: Any, count: int) -> tuple[Figures, None]:
    pairs, times = timers_of(count).pairs, max(1, LEAST // count)
    level_ground()
    inserted, _ = nanoseconds(times * count, loops.insert_each, [floor] * times, pairs)
    asked, _ = nanoseconds(LEAST, loops.call, LEAST, floor.next_at)
    return {"insert": inserted, "next_at": asked}, None


def measure_native(rival: Callable[..., tuple[float, float]], count: int) -> tuple[Figures, int]:
    timers = timers_of(count)
    order = array("q", bytes(8 * count))
    inserted, drained = rival(array("q", timers.micros), len(timers.clock), order)
    checksum = workloads.checksum(timers.tokens[number] for number in order)
    if checksum != timers.expected:
        raise SystemExit("C++: the sequence of tokens is not that of the plain model")
    return {"insert": inserted / count * 1e9, "drain": drained / count * 1e9}, checksum


def measure_snapshot(name: str, count: int) -> tuple[Figures, int]:
    """Nanoseconds of a whole snapshot, and its bytes."""
    timers = timers_of(count)
    queue: Any = CONTENDERS[name]()
    if name in MOST:
        # Filled one by one this would take minutes; this is what that would give.
        queue.pending = [(timers.ats[number], timers.tokens[number]) for number in timers.due_order]
    else:
        loops.insert(queue, timers)
    times = range(max(1, 2000 // count))
    level_ground()
    copied, _ = nanoseconds(len(times), lambda: [copy.deepcopy(queue) for _ in times])
    dumped, pickled = nanoseconds(len(times), lambda: [pickle.dumps(queue) for _ in times])
    data = pickled[-1]
    loaded, restored = nanoseconds(len(times), lambda: [pickle.loads(data) for _ in times])
    # Of a million, a part must do: a heap takes seconds for all.
    now = timers.coarse_clock[-1 if count < 1_000_000 else len(timers.coarse_clock) // 10]
    due = timers.due_order[: timers.due_by(now)]
    expected = workloads.checksum(timers.tokens[number] for number in due)
    loops.check([restored[-1].due(now)], expected, f"{name}, pickle")
    return {"deepcopy": copied, "dumps": dumped, "loads": loaded, "pickled bytes": len(data)}, expected


def queue_measures(skipped: list[str]) -> dict[str, Measure]:
    measures: dict[str, Measure] = {name: partial(measure_queue, name) for name in CONTENDERS}
    measures["floor: list.append"] = measure_append
    floors, reason = compiled.load("floors")
    if floors is None:
        skipped.append(f"floor: empty method: {reason}")
    else:
        measures["floor: empty method"] = partial(measure_noop, floors.Floor())
    native, reason = compiled.load("native")
    if native is None:
        skipped.append(f"C++ heap and slots: {reason}")
    else:
        measures["C++ heap, no Python"] = partial(measure_native, native.heap)
        measures["C++ slots, no Python"] = partial(measure_native, native.slots)
    return measures


# ---- the whole


class Runner:
    """Measures all of one size, then of the next, and again from the start, as long as there is time."""

    def __init__(self, seconds: float, rounds: int, step: Callable[[str], None]) -> None:
        self.end = time.monotonic() + seconds
        self.rounds = rounds
        self.step = step
        self.wall: dict[tuple[str, int], float] = {}
        self.skipped: list[str] = []

    def round(self, cells: dict[tuple[str, int], Cell], count: int, measures: Mapping[str, Measure]) -> None:
        for name, measure in measures.items():
            growth = GROWTH if count > LEAST else 1
            estimate = self.wall.get((name, count), growth * self.wall.get((name, count // 10), 0))
            if time.monotonic() + estimate > self.end:
                if (name, count) not in cells:
                    self.skipped.append(f"{name}, {count:,} timers: no time left (about {estimate:.0f} s)")
                continue
            self.step(f"{count:,} timers: {name}")
            start = time.monotonic()
            figures, checksum = measure(count)
            self.wall[name, count] = time.monotonic() - start
            cell = cells.setdefault((name, count), Cell(name, count, checksum=checksum))
            for figure, value in figures.items():
                cell.rounds.setdefault(figure, []).append(value)

    def memory(self) -> dict[str, float]:
        """In processes of their own, by turns on every core."""
        names = [name for name in CONTENDERS if name not in MOST]
        self.step(f"memory of {MEMORY_SIZE:,} timers: {', '.join(names)}")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            held = pool.map(lambda name: memory.in_process("timers", name, MEMORY_SIZE, "hold")["steady"], names)
            return {name: each / MEMORY_SIZE for name, each in zip(names, held)}

    def run(self) -> Comparison:
        measures = queue_measures(self.skipped)
        bytes_each = self.memory()
        pin()
        operations: dict[tuple[str, int], Cell] = {}
        snapshots: dict[tuple[str, int], Cell] = {}
        often: dict[tuple[str, int], Cell] = {}
        sizes = sorted({*SIZES, *SNAPSHOT_SIZES})
        for count in sizes:
            self.step(f"preparing {count:,} timers")
            prepare(count)
        # Whatever the time is enough for: first what most want to know.
        first = {name: measure for name, measure in measures.items() if name in FIRST}
        rest = {name: measure for name, measure in measures.items() if name not in FIRST}
        for turn, chosen in enumerate([first, rest, *[measures] * (self.rounds - 1)]):
            for count in sizes:
                if count in SIZES:
                    self.round(operations, count, {name: each for name, each in chosen.items() if suits(name, count)})
                if count in SNAPSHOT_SIZES and turn == 0:
                    self.round(snapshots, count, {name: partial(measure_snapshot, name) for name in SNAPSHOT_OF})
                if count in everyday.SIZES and chosen is not rest:
                    self.round(often, count, everyday.measures())
        self.skipped = list(dict.fromkeys(self.skipped))
        self.skipped += [f"{name} above {most:,} timers: quadratic" for name, most in MOST.items()]
        self.skipped += [f"{name}, churn above {most:,} timers: quadratic" for name, most in MOST_CHURN.items()]
        self.skipped.append(f"C++ below {LEAST_NATIVE:,} timers: it would do little but step")
        order = list(measures)
        return Comparison(
            sorted(operations.values(), key=lambda cell: (cell.timers, order.index(cell.contender))),
            list(snapshots.values()),
            list(often.values()),
            bytes_each,
            self.skipped,
        )


def prepare(count: int) -> None:
    """Before anything is measured: no contender pays for what all of them use, and it lies close together in memory."""
    timers = timers_of(count)
    _ = timers.expected, timers.last, timers.pairs, timers.coarse_clock, churn_of(count)


def suits(name: str, count: int) -> bool:
    return count <= MOST.get(name, count) and not (name.startswith("C++") and count < LEAST_NATIVE)
