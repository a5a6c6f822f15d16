"""What once cost a pass over all timers: rows that let none of it come back unseen."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any, Callable, NamedTuple

from bench.bars.rows import MILLION, Row, Run, group
from bench.bars.sharing import microseconds
from bench.measure import nanoseconds
from timers import Deadlines, MultiNotifier

FEW, MANY = 20_000, 200_000
SEGMENT = 254
# A bucket of so many cascades when it grows.
FLOOD = 131_072
# An instant of its own slot, far from the others.
FAR = 1 << 30


def at_one_instant(count: int) -> tuple[MultiNotifier[Any, int], list[str]]:
    tokens = [f"token {number}" for number in range(count)]
    queue: MultiNotifier[Any, int] = MultiNotifier((5, token) for token in tokens)
    # It gets its index, with both tables.
    queue.cancel(5, tokens[count // 2])
    queue.cancel(5, "missing")
    return queue, tokens


def grown(first: int, count: int) -> dict[str, float]:
    """Searching in vain where an index made of so many timers has room for more, and is filled."""
    queue, _ = at_one_instant(first)
    queue.notify_many([5] * (count - first), [f"more {number}" for number in range(first, count)])
    missing = [(5, f"missing {number}") for number in range(1000)]
    # The first search enters what is new.
    for _ in range(2):
        each, _ = nanoseconds(len(missing), lambda: [pair in queue for pair in missing])
    return {"": each}


def beside_gaps(count: int) -> dict[str, float]:
    """Deleting keys of one time in a copy, every second segment of which is empty."""
    keys: Any = Deadlines((number, 1) for number in range(count))
    for start in range(SEGMENT, count - 3 * SEGMENT, 2 * SEGMENT):
        for number in range(start, start + SEGMENT):
            del keys[number]
    keys = copy.copy(keys)
    left = [number for number in range(count - 4000, count - 3000) if number in keys]
    return {"": nanoseconds(len(left), lambda: [keys.pop(number) for number in left])[0]}


def with_objects(count: int) -> dict[str, float]:
    """Cancelling one of many strings of one instant, while objects of another come and go."""
    queue, tokens = at_one_instant(count)
    rounds = 20

    def work() -> None:
        for number in range(rounds):
            for _ in range(65):
                queue.notify_at(1, object())
            queue.cancel(5, tokens[count // 2 + 1 + number])
            queue.due(1)

    return {"": nanoseconds(67 * rounds, work)[0]}


def epochs(count: int, act: Callable[[MultiNotifier[Any, int]], Any]) -> dict[str, float]:
    """A snapshot, a change and a search at one instant, in microseconds."""
    queue, tokens = at_one_instant(count)
    kept: list[Any] = []

    def epoch(token: str) -> None:
        kept[:] = [copy.deepcopy(queue)]
        act(queue)
        queue.cancel(5, token)

    times = [microseconds(epoch, tokens[count // 2 + number]) for number in range(2, 20)]
    return {"": sum(times) / len(times)}


def in_front(is_forwarded: bool) -> dict[str, float]:
    """A copy and a search in a bucket, of whose end a copy has made a wheel."""
    queue: MultiNotifier[Any, int] = MultiNotifier((number, number) for number in range(2000))
    queue.due(0)
    queue.notify_many([FAR + 7 * number for number in range(64)], range(64))
    queue.notify_many([FAR + number for number in range(400)], [f"token {number}" for number in range(400)])
    if is_forwarded:
        twin = copy.copy(queue)
        queue.notify_at(FAR + 1, "in front")
        twin.cancel(FAR + 5, "token 5")
    queue.notify_many([FAR + number % 4096 for number in range(MANY)], range(MANY))
    times = [microseconds(lambda: copy.deepcopy(queue).cancel(FAR + 9, "token 9")) for _ in range(20)]
    return {"": sum(times[1:]) / len(times[1:])}


class Pair(NamedTuple):
    number: int
    word: str = "a"


def whole(count: int) -> MultiNotifier[Any, int]:
    queue: MultiNotifier[Any, int] = MultiNotifier()
    queue.notify_many([5] * count, range(count))
    return queue


def behind_gaps(count: int) -> MultiNotifier[Any, int]:
    queue = whole(count)
    for number in range(1, count * 48 // 100):
        queue.cancel(5, number)
    return queue


def in_twenties(count: int) -> MultiNotifier[Any, int]:
    queue: MultiNotifier[Any, int] = MultiNotifier()
    queue.notify_many([number // 20 for number in range(count)], range(count))
    queue.due(3)
    return queue


def peeking(queue: MultiNotifier[Any, int]) -> dict[str, float]:
    return {"": microseconds(lambda: next(iter(queue)))}


def microseconds_of_a_look(count: int, of_copies: bool) -> float:
    """Into each snapshot but the first, in the mean; each is of the notifier, or of the snapshot before."""
    queue: MultiNotifier[Any, int] = MultiNotifier()
    for number in range(count):
        queue.notify_at(number * 7919 % count, "token")
    queues = [queue]
    for _ in range(21):
        queues.append(copy.deepcopy(queues[-1] if of_copies else queue))
    times = [microseconds(snapshot.due, count, 1) for snapshot in queues[1:]]
    return sum(times[1:]) / len(times[1:])


def beside_dropped(act: Callable[[MultiNotifier[Any, int]], Any]) -> dict[str, float]:
    queue, tokens = at_one_instant(MANY)
    act(copy.deepcopy(queue))
    return {"": microseconds(queue.cancel, 5, tokens[7])}


class Key:
    pass


def updating(pairs: list[tuple[int, int]]) -> dict[str, float]:
    keys: Any = Deadlines((Key(), number) for number in range(MANY))
    return {"": microseconds(keys.update, pairs)}


def cancelling_equal(make: Callable[[int], Any], count: int) -> dict[str, float]:
    queue: MultiNotifier[Any, int] = MultiNotifier((5, make(number)) for number in range(count))
    equal = [(5, make(number)) for number in range(count - 1, count // 2, -1)]
    each, _ = nanoseconds(len(equal), lambda: [queue.cancel(*pair) for pair in equal])
    return {"": each}


@group
def edges(run: Run) -> Iterator[Row]:
    full = (1 << 17) - 2
    firsts = {"full": full * 2 // 3, "wide": full * 2 // 3 + 2}
    figures = run.brief({name: partial(grown, first, full) for name, first in firsts.items()})
    yield run.within("in, not found, an index that is full", 3, figures["full"], "a wider one", figures["wide"])
    works: dict[str, Callable[[int], dict[str, float]]] = {
        "deleting keys beside empty segments, in a copy": beside_gaps,
        "cancelling at one instant while objects come and go": with_objects,
    }
    for work, task in works.items():
        figures = run.brief({str(count): partial(task, count) for count in (FEW, MANY)})
        yield run.within(f"{work}, {MANY:,}", 10, figures[str(MANY)], f"{FEW:,}", figures[str(FEW)])
    acts: dict[str, Callable[[MultiNotifier[Any, int]], Any]] = {
        "set": lambda queue: queue.notify_at(5, "new"),
        "take": lambda queue: queue.due(5, 1),
    }
    for name, act in acts.items():
        work = f"snapshot, {name} one and cancel one, {MANY:,} at one instant"
        yield run.at_most(work, 60, "us", run.brief({"": partial(epochs, MANY, act)})[""])
    figures = run.brief({str(is_forwarded): partial(in_front, is_forwarded) for is_forwarded in (True, False)})
    work = f"copy and cancel, {MANY:,} in front of a forwarded chunk"
    yield run.within(work, 3, figures["True"], "without one", figures["False"])
    for name, peeked in {"": whole, ", half of it removed": behind_gaps, " of 20 each": in_twenties}.items():
        peeks = run.brief({"": partial(peeking, peeked(MILLION))})[""]
        yield run.at_most(f"next(iter(n)), 1 M at one instant{name}", 10, "us", peeks)
    for name, of_copies in {"a snapshot": False, "a snapshot of a snapshot": True}.items():
        inserted = [microseconds_of_a_look(FLOOD - 1, of_copies) for _ in range(2)]
        yield run.at_most(f"the first look into {name} of {FLOOD - 1:,} that were only inserted", 60, "us", inserted)
    for name, how in {"sets": lambda twin: twin.notify_at(5, "new"), "takes": lambda twin: twin.due(5, 1)}.items():
        dropped = run.brief({"": partial(beside_dropped, how)})[""]
        yield run.at_most(f"cancel, {MANY:,} at one instant, after a copy that {name} was dropped", 60, "us", dropped)
    for name, pairs in {"none": [], "one": [(5, 1)]}.items():
        updates = run.brief({"": partial(updating, pairs)})[""]
        yield run.at_most(f"update of {name} beside {MANY:,} keys that are objects", 60, "us", updates)
    tokens: dict[str, Callable[[int], Any]] = {"named tuples": Pair, "Decimals": Decimal}
    for name, make in tokens.items():
        found = run.brief({str(count): partial(cancelling_equal, make, count) for count in (FEW // 4, FEW)})
        work = f"cancelling equal {name} at one instant, {FEW:,}"
        yield run.within(work, 10, found[str(FEW)], f"{FEW // 4:,}", found[str(FEW // 4)])
