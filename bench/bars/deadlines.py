"""One timer a key: `Deadlines` against the mappings that PyPI has, and against what one writes by hand."""

from __future__ import annotations

import heapq
import importlib
import itertools
import random
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Callable

from bench.bars.rows import MILLION, Row, Run, Skipped, group
from bench.measure import Task, nanoseconds
from timers import Deadlines, MultiNotifier

MINUTE = 60.0
PARTS = ("set", "move", "delete", "drain")
Pairs = list[tuple[str, float]]


class Mapping:
    """Whatever has the interface of a dict, and tells the soonest."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue

    def set(self, pairs: Pairs) -> None:
        queue = self.queue
        for key, at in pairs:
            queue[key] = at

    move = set

    def delete(self, keys: Sequence[str]) -> None:
        queue = self.queue
        for key in keys:
            del queue[key]

    def due(self, now: float) -> list[str]:
        # Of pqdict, heapdict and iheap: the name of the method differs, and each takes one key at a time.
        queue, taken = self.queue, []
        peek = getattr(queue, "topitem", None) or queue.peekitem
        while queue and peek()[1] <= now:
            taken.append(queue.popitem()[0])
        return taken


class Ours(Mapping):
    def __init__(self) -> None:
        super().__init__(Deadlines())

    def due(self, now: float) -> list[str]:
        taken: list[str] = self.queue.due(now)
        return taken


class Keyed(Mapping):
    """`apq.KeyedPQ`."""

    def set(self, pairs: Pairs) -> None:
        add = self.queue.add
        for key, at in pairs:
            add(key, at, None)

    def move(self, pairs: Pairs) -> None:
        change = self.queue.change_value
        for key, at in pairs:
            change(key, at)

    def delete(self, keys: Sequence[str]) -> None:
        queue = self.queue
        for key in keys:
            del queue[key]

    def due(self, now: float) -> list[str]:
        queue, taken = self.queue, []
        while queue and queue.peek().value <= now:
            taken.append(queue.pop()[0])
        return taken


class Lazy:
    """A dict of the valid entries, and a heap of all."""

    def __init__(self) -> None:
        self.valid: dict[str, tuple[float, int, str]] = {}
        self.heap: list[tuple[float, int, str]] = []
        self.numbers = itertools.count()

    def set(self, pairs: Pairs) -> None:
        valid, heap, numbers, push = self.valid, self.heap, self.numbers, heapq.heappush
        for key, at in pairs:
            valid[key] = entry = (at, next(numbers), key)
            push(heap, entry)

    move = set

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            del self.valid[key]

    def due(self, now: float) -> list[str]:
        valid, heap, pop, taken = self.valid, self.heap, heapq.heappop, []
        while heap and heap[0][0] <= now:
            entry = pop(heap)
            key = entry[2]
            if valid.get(key) is entry:
                del valid[key]
                taken.append(key)
        return taken


class ByHand:
    """A dict beside a `MultiNotifier`."""

    def __init__(self) -> None:
        self.ends: dict[str, float] = {}
        self.timers: MultiNotifier[str, float] = MultiNotifier()

    def set(self, pairs: Pairs) -> None:
        ends, notify_at = self.ends, self.timers.notify_at
        for key, at in pairs:
            ends[key] = at
            notify_at(at, key)

    def move(self, pairs: Pairs) -> None:
        ends, reschedule = self.ends, self.timers.reschedule
        for key, at in pairs:
            reschedule(ends[key], key, at)
            ends[key] = at

    def delete(self, keys: Sequence[str]) -> None:
        ends, cancel = self.ends, self.timers.cancel
        for key in keys:
            cancel(ends.pop(key), key)

    def due(self, now: float) -> list[str]:
        ends, taken = self.ends, self.timers.due(now)
        for key in taken:
            del ends[key]
        return taken


def wrapped(module: str, name: str, wrapper: Callable[[Any], Any]) -> Callable[[], Any] | None:
    try:
        kind = getattr(importlib.import_module(module), name)
    except ImportError:
        return None
    return lambda: wrapper(kind())


# Each with what is asked: how many times faster we are.
RIVALS: dict[str, tuple[float, Callable[[], Any] | None]] = {
    "a dict and a MultiNotifier by hand": (1.3, ByHand),
    "heapq with lazy deletion and a dict": (4, Lazy),
    "iheap's PQDict (Rust)": (2, wrapped("iheap", "PQDict", Mapping)),
    "apq (C++)": (3, wrapped("apq", "KeyedPQ", Keyed)),
    "pqdict": (20, wrapped("pqdict", "pqdict", Mapping)),
    "heapdict": (20, wrapped("heapdict", "heapdict", Mapping)),
}


class Work:
    """Set all, move half of them, delete an eighth, drain the rest second by second."""

    def __init__(self, count: int, grain: float) -> None:
        rng = random.Random(count)

        def at() -> float:
            return rng.randrange(int(MINUTE / grain)) * grain

        keys = [f"client {number}" for number in range(count)]
        self.first = [(key, at()) for key in keys]
        self.moves = [(key, at()) for key in rng.sample(keys, count // 2)]
        self.deleted = rng.sample(keys, count // 8)

    def life(self, make: Callable[[], Any], seen: set[int]) -> dict[str, float]:
        queue, count = make(), len(self.first)
        parts = dict.fromkeys(PARTS, 0.0)
        parts["set"], _ = nanoseconds(count, queue.set, self.first)
        parts["move"], _ = nanoseconds(count, queue.move, self.moves)
        parts["delete"], _ = nanoseconds(count, queue.delete, self.deleted)
        taken = 0
        for second in range(61):
            cost, keys = nanoseconds(count, queue.due, float(second))
            parts["drain"] += cost
            taken += len(keys)
        seen.add(taken)
        if len(seen) != 1:
            raise SystemExit("deadlines: the contenders disagree")
        return {"": sum(parts.values()), **{f"in {name}": part for name, part in parts.items()}}


def lives(run: Run, count: int, grain: float, names: list[str]) -> Iterator[Row]:
    work, seen = Work(count, grain), set[int]()
    tasks: dict[str, Task] = {"ours": partial(work.life, Ours, seen)}
    for name in names:
        make = RIVALS[name][1]
        if make is not None:
            tasks[name] = partial(work.life, make, seen)
    figures = run.interleave(tasks)
    for name in names:
        if name in figures:
            label = f"{count:,} keys at {'1 µs' if grain < 1 else '1 s'}: set, half moved, an eighth deleted, drained"
            yield run.faster(label, RIVALS[name][0], figures["ours"], name, figures[name])


@group
def deadlines(run: Run) -> Iterator[Row]:
    if all(make is None for _, make in RIVALS.values()):
        raise Skipped("needs the rivals: pip install -e '.[rivals]'")
    for count in (100_000, MILLION):
        for grain in (1e-6, 1.0):
            yield from lives(run, count, grain, list(RIVALS))


@group
def deadlines_moves(run: Run) -> Iterator[Row]:
    """A random key of a million is moved; what a key takes beyond a dict's own."""
    rng = random.Random(5)
    pairs = [(f"client {number}", rng.random() * MINUTE) for number in range(MILLION)]
    moves = [(key, rng.random() * MINUTE) for key, _ in rng.sample(pairs, 200_000)]

    def task(make: Callable[[], Any]) -> dict[str, float]:
        queue = make()
        set_all(queue, pairs)
        return {"": nanoseconds(len(moves), set_all, queue, moves)[0]}

    kinds: dict[str, Callable[[], Any]] = {"ours": Deadlines, "dict": dict}
    figures = run.interleave({name: partial(task, make) for name, make in kinds.items()})
    yield run.within("move of a random key, 1 M pending", 5, figures["ours"], "a dict's assignment", figures["dict"])
    for count in (1000, 100_000, 174_000, MILLION):
        held = {key: at for key, at in pairs[:count]}
        queue = Deadlines(held)
        for work, most in (("", 40), (" once each was moved,", 55)):
            more = sys.getsizeof(queue) - sys.getsizeof(held)
            yield run.at_most(f"{count:,} keys,{work} beyond a dict's own", most, "bytes a key", [more / count])
            set_all(queue, [(key, rng.random() * MINUTE) for key in held])


def set_all(queue: Any, pairs: Pairs) -> None:
    for key, at in pairs:
        queue[key] = at
