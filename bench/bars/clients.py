"""`bench.clients` against the heaps that they replace: set all, fire all, cancel half."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from math import inf
from typing import Any, Callable

from bench.bars.rows import MILLION, Row, Run, Skipped, group
from bench.measure import Task, nanoseconds

# How many are pending, and how many times faster setting and firing has to be.
SIZES = {1000: 1.2, 100_000: 3, MILLION: 4}
# A heap is searched from its start for what is cancelled: `sched` is asked for so many only.
SOME = 100


def seconds(count: int) -> list[float]:
    rng = random.Random(6)
    return [rng.random() * 60 for _ in range(count)]


def client(name: str) -> Any:
    try:
        return import_module(f"bench.clients.{name}")
    except ImportError as error:
        raise Skipped(f"needs the extra `clients` ({error})") from None


def nothing(*_: Any) -> None:
    pass


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def sleep(self, delay: float) -> None:
        self.now += delay


# What sets the timers and answers their handles, what fires all, what cancels some.
Parts = tuple[Callable[[list[float]], list[Any]], Callable[[], Any], Callable[[list[Any]], Any]]


def measured(make: Callable[[], Parts], times: list[float], cancelled: int) -> dict[str, float]:
    """Nanoseconds a timer for setting and firing; in a second life, for cancelling so many of them."""
    add, fire, _ = make()
    handles: list[Any]
    setting, handles = nanoseconds(len(times), add, times)
    del handles
    firing, _ = nanoseconds(len(times), fire)
    if not cancelled:
        return {"life": setting + firing}
    add, _, cancel = make()
    handles = add(times)
    each, _ = nanoseconds(cancelled, cancel, random.Random(7).sample(handles, cancelled))
    return {"life": setting + firing, "cancel": each}


def rows(run: Run, name: str, ours: Callable[[], Parts], theirs: Callable[[], Parts], most: int) -> Iterator[Row]:
    """`most` limits how many are cancelled; 0 where nothing can be."""
    for count, bar in SIZES.items():
        times, cancelled = seconds(count), min(count // 2, most)
        makes = {"ours": ours, "theirs": theirs}
        tasks: dict[str, Task] = {key: partial(measured, make, times, cancelled) for key, make in makes.items()}
        figures = run.brief(tasks) if count < MILLION else run.interleave(tasks)
        work = f"{name}, {count:,} pending"
        yield run.faster(f"{work}: set and fire", bar, figures["ours life"], "its heap", figures["theirs life"])
        if cancelled:
            label = f"{work}: cancel {'half' if cancelled == count // 2 else f'{cancelled} of them'}"
            yield run.faster(label, 0.9, figures["ours cancel"], "its heap", figures["theirs cancel"])


@group
def client_sched(run: Run) -> Iterator[Row]:
    import sched

    def make(scheduler: type[sched.scheduler]) -> Parts:
        clock = Clock()
        queue = scheduler(clock.time, clock.sleep)

        def add(times: list[float]) -> list[Any]:
            return [queue.enterabs(at, 1, nothing) for at in times]

        def cancel(events: list[Any]) -> None:
            for event in events:
                queue.cancel(event)

        return add, queue.run, cancel

    ours = partial(make, client("events").Scheduler)
    yield from rows(run, "sched", ours, partial(make, sched.scheduler), SOME)


class Waits:
    """A selector that sees nothing; its waits last whole milliseconds, as those of epoll do."""

    def __init__(self, selector: Any, clock: Clock) -> None:
        self.selector, self.clock = selector, clock

    def select(self, timeout: float | None) -> list[Any]:
        self.clock.now = max(self.clock.now, -(-(self.clock.now + (timeout or 0)) // 0.001) * 0.001)
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.selector, name)


@group
def client_asyncio(run: Run) -> Iterator[Row]:
    def make(kind: Any) -> Parts:
        clock, loop = Clock(), kind()
        loop.time, loop._selector = clock.time, Waits(loop._selector, clock)

        def add(times: list[float]) -> list[Any]:
            handles = [loop.call_at(at, nothing) for at in times]
            handles.append(loop.call_at(61, loop.stop))
            return handles[:-1]

        def fire() -> None:
            loop.run_forever()
            loop.close()

        def cancel(handles: list[Any]) -> None:
            for handle in handles:
                handle.cancel()
            loop.call_at(0, loop.stop)
            loop.run_forever()  # asyncio's own clears up behind cancelled ones here
            loop.close()

        return add, fire, cancel

    ours = partial(make, client("eventloop").EventLoop)
    yield from rows(run, "asyncio", ours, partial(make, asyncio.SelectorEventLoop), MILLION)


@group
def client_trio(run: Run) -> Iterator[Row]:
    """The class that keeps the deadlines; a task for each would cost twenty times as much, with either."""
    deadlines = client("deadlines").Deadlines
    from trio._core import _run

    class Scope:
        """What `Deadlines` asks of a cancel scope."""

        __slots__ = ("_registered_deadline", "deadlines")

        def __init__(self, at: float, deadlines: Any) -> None:
            self.deadlines = deadlines
            self.move(inf, at)

        def move(self, old: float, new: float) -> None:
            self._registered_deadline = new
            if old != inf:
                self.deadlines.remove(old, self)
            if new != inf:
                self.deadlines.add(new, self)

        def _cancel(self, reason: Any) -> None:
            self.move(self._registered_deadline, inf)

    def make(kind: Any) -> Parts:
        queue = kind()

        def add(times: list[float]) -> list[Any]:
            return [Scope(at, queue) for at in times]

        def fire() -> None:
            # As the loop of trio: wait until the next, and then a little longer.
            while (now := queue.next_deadline()) != inf:
                queue.expire(now + 0.001)

        def cancel(scopes: list[Any]) -> None:
            for scope in scopes:
                scope._cancel(None)
            queue.expire(0)  # trio's own clears up behind cancelled ones here

        return add, fire, cancel

    yield from rows(run, "trio", partial(make, deadlines), partial(make, _run.Deadlines), MILLION)


@group
def client_simpy(run: Run) -> Iterator[Row]:
    """simpy cancels nothing."""
    environment = client("simulation").WheelEnvironment
    from simpy import Environment

    def make(kind: Any) -> Parts:
        env = kind()

        def add(times: list[float]) -> list[Any]:
            for at in times:
                env.timeout(at)
            return []

        return add, env.run, nothing

    yield from rows(run, "simpy", partial(make, environment), partial(make, Environment), 0)
