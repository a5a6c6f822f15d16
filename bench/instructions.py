"""Instructions an operation, counted by callgrind: the same from run to run, however noisy the machine.

`python -m bench.instructions CONTENDER` under callgrind does all the works of one contender; only the timed loops are
counted. There are a million timers in a minute, or for a heap, which takes ten times as long, 100,000 as dense.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable

from bench import compiled, loops, workloads
from bench.bars.outliers import OUTLIERS
from bench.contenders import CONTENDERS
from bench.workloads import DENSE, SIX_SECONDS, Timers
from timers import MultiNotifier

SMALL = (1, 10, 100, 1000)
CALLS = 100_000
Make = Callable[[], Any]
# The number of operations, and what does them, all prepared.
Work = tuple[int, Callable[[], Any]]


def insert(make: Make, timers: Timers) -> Work:
    return len(timers), partial(loops.insert, make(), timers)


def insert_few(size: int, make: Make, timers: Timers) -> Work:
    return CALLS, partial(loops.insert_each, [make() for _ in range(CALLS // size)], DENSE.timers(size).pairs)


def filled(make: Make, timers: Timers) -> Any:
    queue = make()
    loops.insert(queue, timers)
    return queue


def drain(make: Make, timers: Timers) -> Work:
    clock = timers.clock[: bisect_left(timers.clock, timers.last) + 1]
    return len(timers), partial(loops.drain, filled(make, timers), clock)


def drain_at_once(make: Make, timers: Timers) -> Work:
    return len(timers), partial(loops.drain, filled(make, timers), [timers.last])


def churn(make: Make, timers: Timers) -> Work:
    work = workloads.churn(timers.workload, len(timers), len(timers))
    queue = make()
    loops.insert(queue, work.initial)
    return work.operations, partial(loops.churn, queue, work)


def next_at(make: Make, timers: Timers) -> Work:
    queue = filled(make, timers)
    queue.next_at()
    return CALLS, partial(loops.call, CALLS, queue.next_at)


def cancel(make: Make, timers: Timers) -> Work:
    return len(timers), partial(loops.each, filled(make, timers).cancel, timers.pairs)


WORKS: dict[str, Callable[[Make, Timers], Work]] = {
    "insert": insert,
    **{f"insert into {size:,}": partial(insert_few, size) for size in SMALL},
    "next_at": next_at,
    "drain in 1 ms steps": drain,
    "drain at once": drain_at_once,
    "churn": churn,
    "cancel": cancel,
}
FLOOR = "floor: empty method"
FAR = {f"beside {name}": far for name, far in OUTLIERS.items()}
NAMES = ("MultiNotifier", *FAR, "heapq", FLOOR)
FEW = tuple(work for work in WORKS if "into" in work)
# A heap cannot cancel, and a floor keeps nothing. A few far timers are not far from a few others.
CANNOT = {
    "heapq": ("cancel",),
    FLOOR: ("drain in 1 ms steps", "drain at once", "churn", "cancel"),
    **{name: (*FEW, "next_at") for name in FAR},
}


def missing() -> str:
    """Why instructions cannot be counted here, or nothing."""
    if not shutil.which("valgrind"):
        return "valgrind is missing (Debian and Ubuntu: apt install valgrind)"
    return compiled.load("callgrind")[1] or compiled.load("floors")[1]


def measure(step: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """For each contender, the instructions an operation of each work."""
    step(f"under callgrind: {', '.join(NAMES)}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(NAMES, pool.map(in_callgrind, NAMES)))


def in_callgrind(name: str) -> dict[str, float]:
    with TemporaryDirectory() as folder:
        out = Path(folder, "out")
        callgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
        done = subprocess.run(
            [*callgrind, sys.executable, "-m", "bench.instructions", name],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            cwd=Path(__file__).parents[1],
        )
        if done.returncode:
            raise SystemExit(f"callgrind failed: {done.stderr.strip().splitlines()[-1]}")
        operations: dict[str, int] = json.loads(done.stdout)
        dumps = [path.read_text() for path in Path(folder).glob("out.*")]
    counted = {}
    for dump in dumps:
        trigger, totals = re.search(r"Client Request: (.+)", dump), re.search(r"totals: (\d+)", dump)
        if trigger and totals:
            counted[trigger[1]] = int(totals[1]) / operations[trigger[1]]
    return counted


def main(name: str) -> None:
    make: Make
    if name == FLOOR:
        make = compiled.load("floors")[0].Floor  # type: ignore[union-attr]
    elif name in FAR:
        make = partial(MultiNotifier, [(at, "far") for at in FAR[name]])
    else:
        make = CONTENDERS[name]
    timers = SIX_SECONDS.timers(100_000) if name == "heapq" else DENSE.timers(1_000_000)
    counter: Any = compiled.load("callgrind")[0]
    operations = {}
    for work, prepare in WORKS.items():
        if work not in CANNOT.get(name, ()):
            operations[work], loop = prepare(make, timers)
            counter.count(work.encode(), loop)
    print(json.dumps(operations))


if __name__ == "__main__":
    main(sys.argv[1])
