"""How time is taken: one pinned process, contenders by turns, the collector on for all of them, medians and spread.

The clock is the CPU time of the thread: what another process does on the same core meanwhile is not counted, though
it still costs caches.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

now = time.thread_time


def pin() -> None:
    """Keep this process on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def nanoseconds(operations: int, work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Nanoseconds for each operation of the work, and what it answered."""
    start = now()
    result = work(*arguments)
    return (now() - start) / operations * 1e9, result


def level_ground() -> None:
    """The collector runs as usual from here on, but what there is already is no part of its work."""
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Spread:
    """A figure of several rounds: the median, and the least and the greatest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


# A task does its work once, and answers the figures (by name) of that round.
Task = Callable[[], Mapping[str, float]]
Rounds = dict[str, list[float]]


def several(times: int, task: Task) -> Task:
    """A task that is done so many times in a round, and answers the medians.

    For what is over in a fraction of the time that its rivals take: what else happens on the machine lasts longer, and
    would hit all of it, or nothing.
    """

    def medians() -> dict[str, float]:
        answers = []
        for _ in range(times):
            level_ground()
            answers.append(task())
        return {figure: statistics.median(answer[figure] for answer in answers) for figure in answers[0]}

    return medians


def interleave(tasks: Mapping[str, Task], rounds: int, step: Callable[[str], None] = lambda _: None) -> Rounds:
    """Run all tasks by turns, every other round backwards: a list with one entry a round for each `task figure`."""
    figures: Rounds = {}
    for turn in range(rounds):
        names = list(tasks)[:: -1 if turn % 2 else 1]
        for name in names:
            step(name)
            level_ground()
            answer = tasks[name]()
            for key, value in answer.items():
                figures.setdefault(f"{name} {key}".strip(), []).append(value)
    return figures
