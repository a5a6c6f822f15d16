"""What is timed: Python loops over prebuilt datetimes and tokens, the same for every queue."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any, Callable

from bench import workloads
from bench.workloads import Churn, Timers, Workload

Slices = list[list[Any]]


def prepare(make: Callable[[], Any], workload: Workload) -> Any:
    """A queue where the clock of the workload already stands."""
    queue = make()
    if workload.clock_at is not None:
        clock = workload.start + timedelta(seconds=workload.clock_at)
        queue.notify_at(clock + timedelta(hours=1), "pending")
        queue.due(clock)
    return queue


def insert(queue: Any, timers: Timers) -> None:
    notify_at = queue.notify_at
    for at, token in zip(timers.ats, timers.tokens):
        notify_at(at, token)


def append(items: list[tuple[datetime, Any]], timers: Timers) -> None:
    append = items.append
    for at, token in zip(timers.ats, timers.tokens):
        append((at, token))


def insert_each(queues: list[Any], pairs: list[tuple[datetime, Any]]) -> None:
    """Insert the timers into every one of many queues."""
    for queue in queues:
        notify_at = queue.notify_at
        for at, token in pairs:
            notify_at(at, token)


def drain(queue: Any, clock: list[datetime]) -> Slices:
    """The slices are not kept: a million tokens in many lists would have the collector read each again and again.

    That of a single `due` is: a copy would count every token twice more, wherever it lies in memory.
    """
    due = queue.due
    if len(clock) == 1:
        return [due(clock[0])]
    tokens: list[Any] = []
    for now in clock:
        tokens += due(now)
    return [tokens]


def drain_each(queues: list[Any], clock: list[datetime]) -> list[Slices]:
    return [drain(queue, clock) for queue in queues]


def churn(queue: Any, work: Churn) -> Slices:
    due, notify_at = queue.due, queue.notify_at
    replacements = iter(work.replacements)
    taken: list[Any] = []
    for now in work.clock:
        tokens = due(now)
        taken += tokens
        for token, at in zip(tokens, replacements):
            notify_at(at, token)
    return [taken]


def each(method: Callable[[datetime, Any], Any], pairs: Iterable[tuple[datetime, Any]]) -> None:
    for at, token in pairs:
        method(at, token)


def nothing(pairs: Iterable[tuple[datetime, Any]]) -> None:
    for _at, _token in pairs:
        pass


def call(times: int, method: Callable[..., Any], *arguments: Any) -> None:
    if arguments:
        for _ in repeat(None, times):
            method(*arguments)
    else:
        for _ in repeat(None, times):
            method()


def checksum(slices: Slices) -> int:
    return workloads.checksum(token for tokens in slices for token in tokens)


def check(slices: Slices, expected: int, what: str) -> None:
    if checksum(slices) != expected:
        raise SystemExit(f"{what}: the sequence of tokens is not that of the plain model")
