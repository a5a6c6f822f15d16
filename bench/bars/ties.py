"""Timers that share an instant: found, cancelled and moved at the cost of any other."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from heapq import heappush
from typing import Any, Callable

from bench import loops, workloads
from bench.bars.rows import MILLION, Row, Run, Skipped, group
from bench.contenders import LazyHeap
from bench.measure import Task, nanoseconds
from bench.workloads import DISTINCT, MINUTE, START
from timers import Deadlines, MultiNotifier

COUNT = 200_000
ASKED = 20_000
MICROSECOND, SECOND = timedelta(microseconds=1), timedelta(seconds=1)
# The microseconds that one instant stands for.
GRAINS = {"at 1 ms": 1000, "at 1 s": workloads.SECOND, "at one instant": 10 * MINUTE}


class Plain:
    """A token that equals only itself."""


TOKENS: dict[str, Callable[[int], Any]] = {
    "str": lambda number: f"client {number}",
    "int": lambda number: number * 1_000_003,
    "(str, int)": lambda number: (f"client {number}", number),
    "plain objects": lambda number: Plain(),
}

Pair = tuple[datetime, Any]


class Lazy(LazyHeap):
    """Cancels as lazily as it moves."""

    __slots__ = ()

    def cancel(self, at: datetime, token: Any) -> bool:
        return self.latest.pop(token, None) is not None


def coarse(micros: list[int], grain: int) -> list[datetime]:
    return [START + micro // grain * grain * MICROSECOND for micro in micros]


def filled(make: Callable[[], Any], pairs: list[Pair]) -> Any:
    queue = make()
    loops.each(queue.notify_at, pairs)
    return queue


def look(queue: Any, pairs: list[Pair]) -> int:
    return sum(pair in queue for pair in pairs)


def move(queue: Any, moves: list[tuple[datetime, Any, datetime]]) -> None:
    reschedule = queue.reschedule
    for at, token, new_at in moves:
        reschedule(at, token, new_at)


def four(pairs: list[Pair], asked: list[Pair], new: list[datetime], missing: list[Pair]) -> dict[str, float]:
    """Each work on a queue of its own, filled afresh."""
    queue = filled(MultiNotifier, pairs)
    found, count = nanoseconds(ASKED, look, queue, asked)
    not_found, none = nanoseconds(ASKED, look, queue, missing)
    cancelled, _ = nanoseconds(ASKED, loops.each, queue.cancel, asked)
    if (count, none, len(queue)) != (ASKED, 0, COUNT - ASKED):
        raise SystemExit("ties: a pending timer was not found, or one that is none was")
    queue = filled(MultiNotifier, pairs)
    moves = [(at, token, new_at) for (at, token), new_at in zip(asked, new)]
    moved, _ = nanoseconds(ASKED, move, queue, moves)
    return {"in, found": found, "in, not found": not_found, "cancel": cancelled, "reschedule": moved}


@group
def ties(run: Run) -> Iterator[Row]:
    rng = random.Random(8)
    micros = DISTINCT.timers(COUNT).micros
    chosen = rng.sample(range(COUNT), ASKED)
    new_micros = rng.sample(range(MINUTE), ASKED)
    for kind, token_of in TOKENS.items():
        tokens = [token_of(number) for number in range(COUNT)]
        equal = tokens if kind == "plain objects" else [token_of(number) for number in range(COUNT)]
        for how, given in {"identical": tokens, "equal": equal}.items():
            if how == "equal" and given is tokens:
                continue
            tasks: dict[str, Task] = {}
            for name, grain in {"distinct": 1, **GRAINS}.items():
                ats = coarse(micros, grain)
                asked = [(ats[number], given[number]) for number in chosen]
                missing = [(ats[number], token_of(COUNT + number)) for number in chosen]
                new = coarse(new_micros, grain)
                tasks[name] = partial(four, list(zip(ats, tokens)), asked, new, missing)
            figures = run.interleave(tasks)
            for part in ("reschedule", "cancel", "in, found", "in, not found"):
                for name in GRAINS:
                    work = f"{part}, 200 k {name}, {kind}, {how}"
                    ours, theirs = figures[f"{name} {part}"], figures[f"distinct {part}"]
                    yield run.within(work, 1.5, ours, "distinct times", theirs)


def life(make: Callable[[], Any], pairs: list[Pair], how: str, new: list[datetime], last: datetime) -> dict[str, float]:
    """Set all, cancel or move half of them at random, drain all."""
    halves = random.Random(9).sample(pairs, len(new))
    queue = make()
    setting, _ = nanoseconds(1, loops.each, queue.notify_at, pairs)
    if how == "cancel":
        calls, _ = nanoseconds(1, loops.each, queue.cancel, halves)
    else:
        moves = [(at, token, new_at) for (at, token), new_at in zip(halves, new)]
        calls, _ = nanoseconds(1, move, queue, moves)
    draining, tokens = nanoseconds(1, queue.due, last)
    if len(tokens) != len(pairs) - (how == "cancel") * len(new):
        raise SystemExit(f"{how}: not as many fell due as were pending")
    return {"life": (setting + calls + draining) / len(pairs), "calls": calls / len(new)}


def halves(count: int, grain: int, how: str) -> dict[str, Task]:
    ats = coarse(DISTINCT.timers(count).micros, grain)
    new = coarse(random.Random(10).sample(range(MINUTE), count // 2), grain)
    pairs = list(zip(ats, map(str, range(count))))
    last = START + timedelta(minutes=1)
    return {
        name: partial(life, make, pairs, how, new, last) for name, make in (("wheel", MultiNotifier), ("lazy", Lazy))
    }


@group
def ties_lives(run: Run) -> Iterator[Row]:
    lazy = "heapq with lazy deletion"
    figures = run.brief(halves(COUNT, workloads.SECOND, "reschedule"))
    yield run.faster("200 k set at 1 s, half moved, all drained", 4, figures["wheel life"], lazy, figures["lazy life"])
    for how in ("cancel", "reschedule"):
        figures = run.brief(halves(100_000, 1, how))
        work = f"100 k at distinct times, {how} of half"
        bar = 3 if how == "cancel" else 1
        yield run.faster(f"{work}: a life", bar, figures["wheel life"], lazy, figures["lazy life"])
        yield run.faster(f"{work}: the calls alone", 1, figures["wheel calls"], lazy, figures["lazy calls"])


@group
def ties_million(run: Run) -> Iterator[Row]:
    ats = coarse(DISTINCT.timers(MILLION).micros, workloads.SECOND)
    pairs = list(zip(ats, map(str, range(MILLION))))
    rng = random.Random(11)
    moves = [(*pair, START + rng.randrange(60) * SECOND) for pair in rng.sample(pairs, 100_000)]

    def task(make: Callable[[], Any]) -> dict[str, float]:
        return {"": nanoseconds(len(moves), move, filled(make, pairs), moves)[0]}

    figures = run.interleave({"wheel": partial(task, MultiNotifier), "lazy": partial(task, Lazy)})
    work = "1 M at 1 s, 100 k random reschedules"
    yield run.faster(work, 2, figures["wheel"], "heapq with lazy deletion", figures["lazy"])

    def longest() -> dict[str, float]:
        reschedule, clock, most = filled(MultiNotifier, pairs).reschedule, time.thread_time, 0.0
        for at, token, new_at in moves:
            begin = clock()
            reschedule(at, token, new_at)
            most = max(most, clock() - begin)
        return {"": most * 1e3}

    yield run.at_most(f"{work}, the longest", 2, "ms", run.interleave({"longest": longest})["longest"])


class LazyKeys(LazyHeap):
    """The recipe with a heap: an entry for each event, of which the last of a client counts."""

    __slots__ = ()

    def __setitem__(self, client: Any, end: datetime) -> None:
        self.sequence = sequence = self.sequence + 1
        self.latest[client] = sequence
        heappush(self.heap, (end, sequence, client))


@group
def ties_idle(run: Run) -> Iterator[Row]:
    """The recipe of README.md: an event pushes out the timeout of its client; all in whole seconds.

    Four times as long as the timeout, so that what is left behind falls due as well.
    """
    timeout, events = timedelta(minutes=30), 400_000

    def recipe(idle: Any, stream: list[tuple[datetime, str]]) -> list[str]:
        ended: list[str] = []
        for at, client in stream:
            ended += idle.due(at)
            idle[client] = at + timeout
        return ended

    def task(make: Callable[[], Any], stream: list[tuple[datetime, str]], seen: set[int]) -> dict[str, float]:
        each, ended = nanoseconds(len(stream), recipe, make(), stream)
        seen.add(workloads.checksum(ended))
        if len(seen) != 1:
            raise SystemExit("idle timeout: the contenders disagree")
        return {"": each}

    for clients in (2000, 20_000, 100_000):
        rng = random.Random(12)
        seconds = 4 * timeout // SECOND
        stream = [
            (START + number * seconds // events * SECOND, f"client {rng.randrange(clients)}")
            for number in range(events)
        ]
        seen: set[int] = set()
        figures = run.interleave(
            {name: partial(task, make, stream, seen) for name, make in (("wheel", Deadlines), ("lazy", LazyKeys))}
        )
        work = f"idle timeout in whole seconds, {clients:,} clients"
        yield run.faster(work, 3, figures["wheel"], "heapq with lazy deletion", figures["lazy"])


@group
def ties_operators(run: Run) -> Iterator[Row]:
    """Events that move the timers of the keys of one shard, from one of two instants to the other, or anywhere."""
    try:
        from bench.shards import armed, events
    except ImportError as error:
        raise Skipped(str(error)) from None

    def task(ats: dict[str, datetime], moves: list[tuple[str, datetime]]) -> dict[str, float]:
        shard = armed(ats)
        each, soonest = nanoseconds(len(moves), events, shard, moves)
        if soonest != min({**ats, **dict(moves)}.values()):
            raise SystemExit("operators: a shard asks for another time than the soonest of its keys")
        return {"": each}

    tomorrow = (datetime.now(timezone.utc) + timedelta(days=1)).replace(microsecond=0)
    hour = timedelta(hours=1)
    for count in (10_000, 50_000):
        rng = random.Random(13)
        keys = [f"key {number}" for number in range(count)]
        moved = rng.sample(keys, ASKED // 4)
        alike = [(key, tomorrow + hour) for key in moved]
        apart = [(key, tomorrow + rng.randrange(hour // MICROSECOND) * MICROSECOND) for key in moved]
        tasks: dict[str, Task] = {
            "alike": partial(task, dict.fromkeys(keys, tomorrow), alike),
            "apart": partial(
                task, {key: tomorrow + rng.randrange(hour // MICROSECOND) * MICROSECOND for key in keys}, apart
            ),
        }
        figures = run.brief(tasks)
        work = f"an event that moves one of {count:,} timers of a shard, all at one instant"
        yield run.within(work, 1.5, figures["alike"], "at times of their own", figures["apart"])
