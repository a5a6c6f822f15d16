"""Resident memory, each measurement in a process of its own: `python -m bench.memory JOB CONTENDER COUNT ARGUMENT`.

Bytes are those of pages that belong to the process alone (USS), above what they were before the work.
Datetimes are made as they are needed and held by nobody but the queue; tokens exist before.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, Callable

import psutil

from bench.contenders import CONTENDERS, MOST
from bench.workloads import MILLISECOND, MINUTE, START

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_full_info().uss)


def start_peak() -> int:
    """Forget the peak so far; what is resident now."""
    if CLEAR_REFS.exists():
        CLEAR_REFS.write_text("5")
    return int(psutil.Process().memory_info().rss)


def peak(start: int) -> float:
    """The most that was resident since `start_peak`, above what was then; not a number where the system cannot say."""
    found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text()) if STATUS.exists() else None
    return int(found[1]) * 1024 - start if found else float("nan")


def timers(name: str, count: int, how: str) -> dict[str, float]:
    """`count` timers over a minute; then drain in steps of 1 ms (`steps`), in one `due` (`once`), or not (`hold`)."""
    tokens = [str(number) for number in range(count)]
    rng = random.Random(1)
    warm = CONTENDERS[name]()
    warm.notify_at(START, "warm")
    warm.due(START)
    del warm
    before, start = resident(), start_peak()
    queue = CONTENDERS[name]()
    for token in tokens:
        queue.notify_at(START + timedelta(microseconds=rng.randrange(MINUTE)), token)
    steady = resident() - before
    if how == "once":
        queue.due(START + timedelta(minutes=1))
    elif how == "steps":
        for step in range(60_001):
            queue.due(START + MILLISECOND * step)
    if how != "hold" and queue.next_at() is not None:
        raise SystemExit(f"{name}: timers are left after the drain")
    return {"steady": steady, "after": resident() - before, "peak": peak(start)}


def notifiers(name: str, count: int, size: str) -> dict[str, float]:
    """`count` queues of `size` timers each; they share two tokens."""
    queues: list[Any] = [None] * count
    make, rng = CONTENDERS[name], random.Random(1)
    before = resident()
    for number in range(count):
        queues[number] = queue = make()
        for token in ("one", "two")[: int(size)]:
            queue.notify_at(START + timedelta(microseconds=rng.randrange(MINUTE)), token)
    return {"steady": resident() - before}


def reschedules(name: str, count: int, rounds: str) -> dict[str, float]:
    """Push out each of `count` timers once, then `rounds` times more: what that added."""
    queue: Any = CONTENDERS[name]()
    tokens = [str(number) for number in range(count)]
    ats = [START + timedelta(microseconds=60 * number) for number in range(count)]
    for at, token in zip(ats, tokens):
        queue.notify_at(at, token)
    second, before = timedelta(seconds=10), 0
    for turn in range(int(rounds) + 1):
        for number in range(count):
            at, ats[number] = ats[number], ats[number] + second
            if not queue.reschedule(at, tokens[number], ats[number]):
                raise SystemExit(f"{name}: a pending timer was not found")
        if turn == 0:
            before = resident()
    return {"growth": resident() - before}


def copies(name: str, count: int, number: str) -> dict[str, float]:
    """So many copies of `count` timers, each with a hundredth changed: what they add, beside the bytes of the first."""
    rng = random.Random(1)
    tokens = [str(each) for each in range(count)]
    ats = [START + timedelta(microseconds=rng.randrange(MINUTE)) for _ in range(count)]
    before = resident()
    queue: Any = CONTENDERS[name]()
    for at, token in zip(ats, tokens):
        queue.notify_at(at, token)
    steady = resident() - before
    twins, before = [], resident()
    for _ in range(int(number)):
        twin = copy.deepcopy(queue)
        for each in rng.sample(range(count), count // 100):
            twin.reschedule(ats[each], tokens[each], START + timedelta(microseconds=rng.randrange(MINUTE)))
        twins.append(twin)
    return {"steady": steady, "growth": resident() - before}


JOBS = {job.__name__: job for job in (timers, notifiers, reschedules, copies)}


def in_process(job: str, name: str, count: int, argument: object) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.memory", job, name, str(count), str(argument)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    if done.returncode:
        raise SystemExit(f"{' '.join(command[1:])} failed: {done.stderr.strip().splitlines()[-1]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


# What a row of `measure` has: bytes a timer, megabytes, and bytes each of a million small queues.
FIGURES = (
    "bytes a timer",
    "peak / steady",
    "MB left, drained in steps",
    "peak / steady, drained at once",
    "MB left, drained at once",
    "one of 0 timers",
    "one of 2 timers",
)


def measure(count: int, step: Callable[[str], None]) -> Iterator[tuple[str, dict[str, float]]]:
    """For each contender that can hold so many timers."""

    def row(name: str) -> dict[str, float]:
        steps, once = (in_process("timers", name, count, how) for how in ("steps", "once"))
        empty, two = (in_process("notifiers", name, count, size) for size in (0, 2))
        figures = (
            steps["steady"] / count,
            steps["peak"] / steps["steady"],
            steps["after"] / 1e6,
            once["peak"] / once["steady"],
            once["after"] / 1e6,
            empty["steady"] / count,
            two["steady"] / count,
        )
        return dict(zip(FIGURES, figures))

    names = [name for name in CONTENDERS if count <= MOST.get(name, count)]
    step(f"{count:,} timers: {', '.join(names)}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from zip(names, pool.map(row, names))


if __name__ == "__main__":
    _, job, name, count, argument = sys.argv
    print(json.dumps(JOBS[job](name, int(count), argument)))
