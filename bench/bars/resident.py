"""Resident memory, each figure from processes of their own."""

from __future__ import annotations

from collections.abc import Iterator

from bench import memory
from bench.bars.rows import MILLION, Row, Run, group


@group
def resident(run: Run) -> Iterator[Row]:
    def measured(job: str, argument: object) -> list[dict[str, float]]:
        return [memory.in_process(job, "MultiNotifier", MILLION, argument) for _ in range(3)]

    drained = {label: measured("timers", how) for how, label in (("steps", "in 1 ms steps"), ("once", "in one due"))}
    work = "memory, 1 M dense, datetimes not held by the caller"
    steady = [each["steady"] / MILLION for each in drained["in 1 ms steps"]]
    yield run.at_most(work, 24, "bytes a timer beyond the tokens", steady)
    for label, results in drained.items():
        left = [each["after"] / 1e6 for each in results]
        yield run.at_most(f"{work}, after a drain {label}", 2, "MB above the start", left)
        peaks = [each["peak"] / each["steady"] for each in results]
        yield run.at_most(f"{work}, peak until a drain {label} is over", 2, "x the steady figure", peaks)
    for size, bar in ((0, 112), (2, 192)):
        each = [result["steady"] / MILLION for result in measured("notifiers", size)]
        yield run.at_most(f"a million notifiers of {size} timers", bar, "bytes each", each)
