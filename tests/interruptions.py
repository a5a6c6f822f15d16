"""What may run in the middle of a call, and programs that may crash."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

# What such a program may begin with. `collect`: a collection in the next allocation of something that the collector
# sees, or in one soon after.
SETTING = """
    import copy, gc, sys, warnings
    from datetime import datetime, timedelta, timezone
    from timers import Deadlines, MultiNotifier

    class Thing:
        pass

    class Garbage:
        def __init__(self, act): self.act, self.me = act, self
        def __del__(self):
            if gc.isenabled(): self.act()

    def collect(act, threshold):
        gc.disable()
        gc.collect()
        Garbage(act)
        gc.set_threshold(threshold)
        gc.enable()
"""


def survives(code: str, *options: str) -> None:
    """Run a program that may crash in an interpreter of its own, where freed memory is written over."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), *sys.path]))
    done = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code)],
        env={"PYTHONMALLOC": "debug", **os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=300,
    )
    assert done.returncode == 0, f"ended with {done.returncode}:\n{done.stdout[-3000:]}"


@contextlib.contextmanager
def collecting(act: Callable[[], Any], threshold: int = 1) -> Iterator[None]:
    """`act` runs in every collection; with a threshold of 1, one comes with every object that the collector sees."""
    kept: list[Any] = []

    def callback(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            act()
        elif threshold == 1:
            # Nor is there an old list that could be used again.
            kept.append([[] for _ in range(8)])

    old = gc.get_threshold()
    gc.collect()
    if threshold == 1:
        # From the very next one on.
        kept.append([[] for _ in range(100)])
    gc.callbacks.append(callback)
    gc.set_threshold(threshold, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*old)
        gc.callbacks.remove(callback)


def once(act: Callable[[], Any], run: int = 0) -> Callable[[], None]:
    """`act` the `run`-th time only."""
    runs = iter(range(10**9))

    def acting() -> None:
        if next(runs) == run:
            act()

    return acting
