"""What type checkers infer. Never run: mypy and pyright read it, and to mypy an unused `type: ignore` is an error."""

import copy
from collections.abc import Iterator, MutableMapping
from datetime import datetime
from typing import Generic, Optional, TypeVar

import numpy
from typing_extensions import assert_type

from timers import Deadlines, MultiNotifier, T

U = TypeVar("U")
now = datetime(2026, 1, 1)

# With the literal itself, pyright would infer a notifier of `Literal["a"]`, as it does for a dict of such pairs.
pairs: list[tuple[datetime, str]] = [(now, "a")]
queue = MultiNotifier(pairs)
assert_type(queue, MultiNotifier[str])
assert_type(queue.next_at(), Optional[datetime])
assert_type(queue.due(now), list[str])
assert_type(queue.due(now, limit=5), list[str])
assert_type(queue.due_items(now), list[tuple[datetime, str]])
assert_type(queue.cancel(now, "a"), bool)
assert_type(queue.reschedule(at=now, token="a", new_at=now), bool)
assert_type(iter(queue), Iterator[tuple[datetime, str]])
assert_type((now, "a") in queue, bool)
assert_type(len(queue), int)

queue.notify_many([now], ["a"])
queue.notify_many(numpy.array(["2026-01-01"], dtype="M8[us]"), ["a"])
queue.notify_at(now, 5)  # type: ignore[arg-type]
queue.notify_at("2026-01-01", "a")  # type: ignore[arg-type]
queue.notify_many(["2026-01-01"], ["a"])  # type: ignore[list-item]
queue.due(now, limit=1.5)  # type: ignore[arg-type]
MultiNotifier(["a"])  # type: ignore[arg-type]

empty: MultiNotifier[int] = MultiNotifier()
assert_type(empty.due(now), list[int])
assert_type(MultiNotifier[bytes]().due(now), list[bytes])

assert_type(MultiNotifier([(0.5, "a")]).next_at(), Optional[float])
ticks: MultiNotifier[str, int] = MultiNotifier()
assert_type(ticks.next_at(), Optional[int])
assert_type(ticks.due_items(5), list[tuple[int, str]])
clock: MultiNotifier[str, float] = MultiNotifier()
clock.notify_at(0.5, "a")
clock.notify_at(1, "an int is a float to a type checker, and one that a float can hold to a notifier")
clock.notify_at(now, "b")  # type: ignore[arg-type]
assert_type(iter(clock), Iterator[tuple[float, str]])

idle = Deadlines({"ann": now})
assert_type(idle, Deadlines[str])
assert_type(idle["ann"], datetime)
assert_type(idle.get("ann"), Optional[datetime])
assert_type(idle.next_at(), Optional[datetime])
assert_type(idle.due(now, limit=5), list[str])
assert_type(idle.due_items(now), list[tuple[str, datetime]])
assert_type(idle.peekitem(), tuple[str, datetime])
assert_type(iter(idle), Iterator[str])
idle["ann"] = 0.5  # type: ignore[assignment]
idle[[]] = now  # type: ignore[index]
leases: Deadlines[bytes, float] = Deadlines([(b"a", 0.5)])
leases[b"b"] = 1
assert_type(leases.pop(b"a"), float)
by_route = Deadlines({("ann", 5.0): 0.5})
assert_type(by_route, Deadlines[tuple[str, float], float])
assert_type(Deadlines(by_route), Deadlines[tuple[str, float], float])
mapping: MutableMapping[str, datetime] = idle
assert_type(idle | {"bob": now}, Deadlines[str])
assert_type({"bob": now} | idle, Deadlines[str])
idle |= [("bob", now)]
idle | {"bob": 0.5}  # type: ignore[dict-item]


class Session(MultiNotifier[U], Generic[U]):
    def __init__(self, user: U) -> None:
        self.user = user


session = Session("ann")
assert_type(session.user, str)
assert_type(session.due(now), list[str])


def first(queue: MultiNotifier[T]) -> Optional[T]:
    return next((token for _, token in queue), None)


assert_type(first(queue), Optional[str])


class Leases(Deadlines[str]):
    pass


assert_type(Leases().copy(), Leases)
assert_type(copy.copy(Leases()), Leases)
assert_type(copy.deepcopy(session), Session[str])
MultiNotifier[str, str]()  # type: ignore[type-var]
Deadlines[str, None]()  # type: ignore[type-var]
