"""`python -m bench`: the same work through `MultiNotifier` and the queues that people use instead."""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import sys
import time
import tracemalloc
import zlib
from datetime import datetime, timedelta, timezone
from typing import Any

try:
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from bench import trace
    from bench.contenders import CONTENDERS, MOST
except ImportError as error:
    sys.exit(f"the benchmarks need the extra: pip install 'multinotifier[bench]' ({error})")

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
MINUTE = timedelta(seconds=60)
STEP = timedelta(milliseconds=1)


def dense(count: int, seed: int) -> list[tuple[datetime, str]]:
    """Timers uniform over a minute, in random order."""
    rng = random.Random(seed)
    return [(START + timedelta(microseconds=rng.randrange(60_000_000)), str(number)) for number in range(count)]


def measure(make: Any, pairs: list[tuple[datetime, str]]) -> dict[str, float]:
    """Nanoseconds an operation, and a checksum of the sequence of tokens."""
    queue = make()
    gc.collect()
    start = time.perf_counter()
    for at, token in pairs:
        queue.notify_at(at, token)
    insert = time.perf_counter() - start
    tokens: list[str] = []
    start, now = time.perf_counter(), START
    while now <= START + MINUTE:
        tokens += queue.due(now)
        now += STEP
    drain = time.perf_counter() - start
    assert len(tokens) == len(pairs)

    queue = make()
    for at, token in pairs:
        queue.notify_at(at, token)
    start = time.perf_counter()
    everything = queue.due(START + MINUTE)
    burst = time.perf_counter() - start
    checksum = zlib.crc32("".join(tokens).encode())
    assert checksum == zlib.crc32("".join(everything).encode())
    return {
        "insert": insert / len(pairs) * 1e9,
        "drain": drain / len(pairs) * 1e9,
        "burst": burst / len(pairs) * 1e9,
        "checksum": checksum,
    }


def bytes_each(make: Any, count: int) -> float:
    """Bytes a timer, with its datetime where the queue keeps it and without its token."""
    tokens = [str(number) for number in range(count)]
    rng = random.Random(1)
    tracemalloc.start()
    queue = make()
    for token in tokens:
        queue.notify_at(START + timedelta(microseconds=rng.randrange(60_000_000)), token)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / count


def compare(console: Console, count: int, rounds: int, seed: int) -> None:
    pairs = dense(count, seed)
    chosen = {name: make for name, make in CONTENDERS.items() if count <= MOST.get(name, count)}
    for name in CONTENDERS:
        if name not in chosen:
            console.print(f"skipped at {count:,}: {name}, which is quadratic (measured up to {MOST[name]:,})")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in chosen}
    for _, name in track([(turn, name) for turn in range(rounds) for name in chosen], f"{count:,} timers", console=console):
        results[name].append(measure(chosen[name], pairs))
    if len({run["checksum"] for runs in results.values() for run in runs}) != 1:
        sys.exit("the contenders disagree about the order of the tokens")
    median = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in results.items()
    }
    table = Table(title=f"{count:,} timers over a minute: ns a timer (x = heapq / this), median of {rounds}, seed {seed}")
    for heading in ("", "insert", "drain in 1 ms steps", "drain at once", "bytes a timer", "checksum"):
        table.add_column(heading, justify="right")
    for name, row in median.items():
        cells = [f"{row[key]:,.0f} ({median['heapq'][key] / row[key]:.1f} x)" for key in ("insert", "drain", "burst")]
        memory = bytes_each(chosen[name], min(count, 100_000))
        table.add_row(name, *cells, f"{memory:.0f}", f"{int(row['checksum']):08x}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--trace", metavar="FILE", help="replay a web-server log instead (Common/Combined, also gzipped)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 1_000_000])
    arguments = parser.parse_args()
    console = Console(width=120)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if arguments.trace:
        title, rows = trace.rows(arguments.trace, CONTENDERS)
        table = Table("", "ns a request", title=title)
        for row in rows:
            table.add_row(*row)
        console.print(table)
        return
    for count in arguments.sizes:
        compare(console, count, arguments.rounds, arguments.seed)


if __name__ == "__main__":
    main()
