"""`python -m bench.beambench`: many timers a key in an Apache Beam pipeline, by a notifier, a heap, or Beam's own tags.

Ten events a key, each of which sets a timer to a random microsecond of an hour; the pipeline ends when all have fired.
It runs in FnApiRunner with the cache of states off: to weigh one value for it, Beam 2.77 reads the globals of every
module, which takes milliseconds and hides everything else. Every pipeline has a process of its own.
"""

import argparse
import cProfile
import json
import pickle
import random
import subprocess
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from typing import Any, Optional

try:
    import apache_beam as beam
    from apache_beam.coders import Coder
    from apache_beam.runners.portability.fn_api_runner import worker_handlers
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
    from apache_beam.transforms.timeutil import TimeDomain
    from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
    from rich.console import Console
    from rich.table import Table

    import timers.beam
    from bench import contenders
    from bench.contenders import Heap
    from timers import MultiNotifier
    from timers.beam import NotifierCoder, due, notify_at, wake_at
except ImportError as error:
    sys.exit(f"these benchmarks need two extras: pip install 'multinotifier[bench,beam]' ({error})")

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
PER_KEY = 10
HOUR = 3_600_000_000
Event = tuple[str, tuple[datetime, str]]


def events(keys: int) -> list[Event]:
    rng = random.Random(13)
    made = [
        (f"key {key}", (START + timedelta(microseconds=rng.randrange(HOUR)), f"token {key}/{number}"))
        for key in range(keys)
        for number in range(PER_KEY)
    ]
    rng.shuffle(made)
    return made


class CopiedHeap(Heap):
    """A heap whose copy is one of its list: the tuples in it never change."""

    def __copy__(self) -> "CopiedHeap":
        made = CopiedHeap()
        made.heap, made.sequence = self.heap.copy(), self.sequence
        return made


class HeapCoder(Coder):
    """The pickle of what a heap needs, and of nothing else."""

    def encode(self, value: Any) -> bytes:
        return pickle.dumps((value.heap, value.sequence), 5)

    def decode(self, encoded: bytes) -> Any:
        made = CopiedHeap()
        made.heap, made.sequence = pickle.loads(encoded)
        return made


QUEUES: dict[str, tuple[Any, Any]] = {
    "MultiNotifier": (MultiNotifier, NotifierCoder()),
    "heapq, pickled": (CopiedHeap, HeapCoder()),
}
TAGS = "a tag of Beam's each"


def one_timer(make: Any, coder: Coder) -> beam.DoFn:
    """The `DoFn` of bench/README.md around a queue."""
    pending_spec = ReadModifyWriteStateSpec("pending", coder)
    wake_spec = TimerSpec("wake", TimeDomain.WATERMARK)

    class OneTimer(beam.DoFn):
        def process(
            self,
            element: Event,
            pending: Any = beam.DoFn.StateParam(pending_spec),
            wake: Any = beam.DoFn.TimerParam(wake_spec),
        ) -> None:
            notify_at(*element[1], pending, wake, make)

        @on_timer(wake_spec)
        def fire(
            self,
            key: Any = beam.DoFn.KeyParam,
            now: Any = beam.DoFn.TimestampParam,
            pending: Any = beam.DoFn.StateParam(pending_spec),
            wake: Any = beam.DoFn.TimerParam(wake_spec),
        ) -> Iterable[Any]:
            for token in due(now, pending, wake):
                yield key, token

    return OneTimer()


class Tags(beam.DoFn):
    """A timer of Beam for each of ours. Its token has to be a `str`, and one set twice is there once."""

    WAKE = TimerSpec("wake", TimeDomain.WATERMARK)

    def process(self, element: Event, wake: Any = beam.DoFn.TimerParam(WAKE)) -> None:
        at, token = element[1]
        wake.set(wake_at(MultiNotifier([(at, token)])), dynamic_timer_tag=token)

    @on_timer(WAKE)
    def fire(self, key: Any = beam.DoFn.KeyParam, token: Any = beam.DoFn.DynamicTimerTagParam) -> Iterable[Any]:
        yield key, token


FIRED: list[Any] = []


def collect(pair: Any) -> None:
    """The worker is in this process and finds the function by its name."""
    FIRED.append(pair)


def pipeline(name: str, keys: int, profiled: bool) -> dict[str, Any]:
    worker_handlers.STATE_CACHE_SIZE_MB = 0
    made = events(keys)
    step = Tags() if name == TAGS else one_timer(*QUEUES[name])

    # By the profiler's own clock: another would be called from C, and charged to whoever is profiled.
    profile = cProfile.Profile()
    started = time.perf_counter()
    if profiled:
        profile.enable()
    with beam.Pipeline(runner=FnApiRunner()) as flow:
        _ = flow | beam.Create(made) | "timers" >> beam.ParDo(step) | "collect" >> beam.Map(collect)
    profile.disable()
    wall = time.perf_counter() - started
    fired = sorted(FIRED)
    if fired != sorted((key, token) for key, (_, token) in made):
        sys.exit(f"{name}: {len(fired)} of {len(made)} timers fired, or some twice")
    figures: dict[str, Any] = {"seconds": wall, "checksum": zlib.crc32(repr(fired).encode())}
    if profiled:
        figures["inside"] = inside(profile)
    return figures


# Where the `DoFn`, the queues and the coders are written.
OURS = {str(Path(module.__file__ or "")) for module in (sys.modules[__name__], contenders, timers.beam)}


def inside(profile: cProfile.Profile) -> float:
    """Seconds in the `DoFn`, queue and coder, without what Beam does in the calls that they make of it."""
    seconds = 0.0
    for entry in profile.getstats():
        code = entry.code
        if isinstance(code, str) or code.co_filename not in OURS or code.co_name in ("pipeline", "collect"):
            continue
        seconds += entry.inlinetime
        for call in entry.calls or []:
            if isinstance(call.code, str):
                seconds += call.totaltime
    return seconds


def state_bytes(keys: int) -> dict[str, float]:
    """Bytes of the state of a key, its ten timers pending."""
    by_key: dict[str, list[Any]] = defaultdict(list)
    for key, timer in events(keys):
        by_key[key].append(timer)
    sizes = {}
    for name, (make, coder) in QUEUES.items():
        total = 0
        for pairs in by_key.values():
            queue = make()
            for at, token in pairs:
                queue.notify_at(at, token)
            total += len(coder.encode(queue))
        sizes[name] = total / keys
    return sizes


def child(*parameters: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.beambench", "--one", json.dumps(parameters)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{parameters} failed")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main(arguments: Optional[list[str]] = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.beambench", description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.one:
        print(json.dumps(pipeline(*json.loads(chosen.one))))
        return
    names = [*QUEUES, TAGS]
    walls: dict[str, list[float]] = {name: [] for name in names}
    insides: dict[str, list[float]] = {name: [] for name in QUEUES}
    for _ in range(chosen.rounds):
        for name in names:
            walls[name].append(child(name, chosen.keys, False)["seconds"])
        for name in QUEUES:
            insides[name].append(child(name, chosen.keys, True)["inside"])
    sizes = state_bytes(chosen.keys)
    table = Table(title=f"{chosen.keys * PER_KEY:,} events, {chosen.keys:,} keys, {PER_KEY} timers each")
    for heading in ("timers by", "DoFn and coder, s", "state, bytes a key", "whole pipeline, s"):
        table.add_column(heading, justify="right")
    for name in names:
        own = [f"{median(insides[name]):.2f}", f"{sizes[name]:,.0f}"] if name in QUEUES else ["", ""]
        table.add_row(name, *own, f"{median(walls[name]):,.1f}")
    console = Console(width=120)
    console.print(table)
    ours, heap = QUEUES
    for what, ratio in {
        "DoFn and coder, the heap over ours (asked: 2)": median(h / o for h, o in zip(insides[heap], insides[ours])),
        "bytes of state, ours over the heap's (asked: 0.5)": sizes[ours] / sizes[heap],
        "whole pipeline, the heap over ours (asked: 1)": median(h / o for h, o in zip(walls[heap], walls[ours])),
        "whole pipeline, tags over ours": median(t / o for t, o in zip(walls[TAGS], walls[ours])),
    }.items():
        console.print(f"{what}: {ratio:.2f}")


if __name__ == "__main__":
    # Workers import the classes by this module's name.
    from bench.beambench import main as importable

    importable()
