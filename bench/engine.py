"""`python -m bench.engine`: notifiers and operators inside a running Bytewax dataflow.

Every figure is of a dataflow of its own, in a process of its own; `--json FILE` keeps them all.
"""

import argparse
import copy
import json
import os
import pickle
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from functools import wraps
from pathlib import Path
from typing import Any, Callable, Optional

try:
    import bytewax.operators as engine
    from bytewax.dataflow import Dataflow
    from bytewax.inputs import DynamicSource, StatelessSourcePartition
    from bytewax.operators import StatefulBatchLogic
    from bytewax.recovery import RecoveryConfig, init_db_dir
    from bytewax.testing import TestingSink, run_main
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from bench.contenders import Heap, ResortedList
    from timers import MultiNotifier, operators
except ImportError as error:
    sys.exit(f"these benchmarks need two extras: pip install 'multinotifier[bench,bytewax]' ({error})")

UTC = timezone.utc
NEVER = timedelta(days=1)
AT_ONCE = timedelta(0)
Batches = Iterator[list[Any]]


# --- A dataflow over batches made on the fly


class Source(DynamicSource[Any]):
    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSourcePartition[Any]:
        return Part(self.batches)


class Part(StatelessSourcePartition[Any]):
    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def next_batch(self) -> list[Any]:
        return next(self.batches)


def execute(
    batches: Batches,
    build: Any,
    shards: Optional[int],
    epoch: timedelta,
    store: Optional[Path],
    backup: timedelta = AT_ONCE,
) -> list[tuple[str, Any]]:
    """Runs the operator of Bytewax, or with `shards` ours, in one worker; answers what it emitted."""
    emitted: list[tuple[str, Any]] = []
    flow = Dataflow("bench")
    stream: Any = engine.input("input", flow, Source(batches))
    if shards is None:
        stream = engine.stateful_batch("step", stream, build)
    else:
        stream = operators.stateful_batch("step", stream, build, shards=shards)
    engine.output("output", stream, TestingSink(emitted))
    recovery = None
    if store is not None:
        init_db_dir(store, 1)
        recovery = RecoveryConfig(store, backup)
    run_main(flow, epoch_interval=epoch, recovery_config=recovery)
    return emitted


def store_bytes(store: Path) -> int:
    return sum(file.stat().st_size for file in store.iterdir())


def resident() -> int:
    """The largest resident size of this process, in bytes."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024


# --- Activations: every key has one timer armed, far in the future; items come one by one


class Armed(StatefulBatchLogic[timedelta, Any, datetime]):
    """Each value moves the timer."""

    base = datetime.now(UTC) + NEVER

    def __init__(self, at: Optional[datetime]) -> None:
        self.at = at

    def on_batch(self, values: list[timedelta]) -> tuple[list[Any], bool]:
        self.at = self.base + values[-1]
        return [], False

    def notify_at(self) -> Optional[datetime]:
        return self.at

    def snapshot(self) -> datetime:
        assert self.at is not None
        return self.at


def activations(shards: Optional[int], armed: int, seconds: float, recovery: bool) -> dict[str, Any]:
    """Items a second through a dataflow in which `armed` keys have a timer."""
    step = timedelta(microseconds=1)
    figures: dict[str, Any] = {}

    def batches() -> Batches:
        yield [(f"key {number}", number * step) for number in range(armed)]
        # The first few pay for the batch above.
        for number in range(3):
            yield [(f"key {number}", number * step)]
        count, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            # The prime visits the keys in an order far from that of their making.
            yield [(f"key {count * 7919 % armed}", (armed + count) * step)]
            count += 1
        figures.update(activations=count, each=elapsed / count, resident=resident())

    with tempfile.TemporaryDirectory() as directory:
        store = Path(directory) if recovery else None
        execute(batches(), Armed, shards, timedelta(seconds=1) if recovery else NEVER, store)
        figures["store"] = store_bytes(store) if store else None
    return figures


# --- Callbacks: the same requests and timeouts through each notifier

KEYS, ROUNDS, PER_ROUND = 50, 40, 20
START = datetime(2020, 1, 1, tzinfo=UTC)
ROUND = timedelta(seconds=1)
# A key that is in its stride has this many timers pending.
PENDING = 1000
NEXT_AT: dict[Any, Callable[[Any], Optional[datetime]]] = {
    ResortedList: lambda queue: queue.pending[0][0] if queue.pending else None,
    Heap: lambda queue: queue.heap[0][0] if queue.heap else None,
    MultiNotifier: MultiNotifier.next_at,
}
NOTIFIERS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "list": (ResortedList, copy.deepcopy),
    "heapq": (Heap, copy.deepcopy),
    # Its tuples never change: a copy of the list alone is enough for whoever knows that.
    "heapq, copied by hand": (Heap, lambda queue: (queue.heap.copy(), queue.sequence)),
    "MultiNotifier": (MultiNotifier, copy.deepcopy),
    "MultiNotifier, sharded": (MultiNotifier, copy.deepcopy),
}
METHODS = ("on_batch", "on_notify", "notify_at", "snapshot", "pickling")


class Timed:
    """A snapshot that measures how long the engine takes to pickle it."""

    def __init__(self, state: Any, spent: dict[str, float]) -> None:
        self.state = state
        self.spent = spent

    def __reduce__(self) -> Any:
        start = time.perf_counter()
        pickled = pickle.dumps(self.state)
        self.spent["pickling"] += time.perf_counter() - start
        return pickle.loads, (pickled,)


def measure(logic: type[Any], spent: dict[str, float]) -> None:
    """Adds the time in each method of the logic to `spent`."""

    def measured(name: str) -> Any:
        method = getattr(logic, name)

        @wraps(method)
        def call(self: Any, *arguments: Any) -> Any:
            start = time.perf_counter()
            answer = method(self, *arguments)
            spent[name] += time.perf_counter() - start
            return Timed(answer, spent) if name == "snapshot" else answer

        return call

    for name in METHODS:
        if name != "pickling":
            setattr(logic, name, measured(name))


def timeouts(notifier: Any, snapshot: Callable[[Any], Any]) -> type[Any]:
    """A logic whose clock is its values': all times are long past, and the engine notifies it as soon as it asks."""
    next_at = NEXT_AT[notifier]

    class Timeouts(StatefulBatchLogic[Any, str, Any]):
        def __init__(self, state: Any) -> None:
            assert state is None
            self.queue = notifier()
            self.now = START

        def on_batch(self, values: list[tuple[datetime, datetime, str]]) -> tuple[list[str], bool]:
            for self.now, at, token in values:
                self.queue.notify_at(at, token)
            return [], False

        def on_notify(self) -> tuple[list[str], bool]:
            return self.queue.due(self.now), False

        def notify_at(self) -> Optional[datetime]:
            at = next_at(self.queue)
            return at if at is not None and at <= self.now else None

        def snapshot(self) -> Any:
            return snapshot(self.queue)

    return Timeouts


def callbacks(name: str) -> dict[str, Any]:
    """Seconds in each method of the engine's logics, over `ROUNDS` epochs in each of which every key is awoken."""
    spent: dict[str, float] = defaultdict(float)
    notifier, snapshot = NOTIFIERS[name]
    logic = timeouts(notifier, snapshot)
    shards = operators.SHARDS if name.endswith("sharded") else None
    measure(operators.Shard if shards else logic, spent)
    life = PENDING // PER_ROUND

    def batches() -> Batches:
        # The first round brings what earlier ones would have left pending.
        for number in range(ROUNDS):
            now = START + number * ROUND
            first = range(-life * PER_ROUND, PER_ROUND) if number == 0 else range(PER_ROUND)
            yield [
                (f"key {key}", (now, now + (life + moment / PER_ROUND) * ROUND, f"{key}/{number}/{moment}"))
                for moment in first
                for key in range(KEYS)
            ]

    with tempfile.TemporaryDirectory() as directory:
        emitted = execute(batches(), logic, shards, AT_ONCE, Path(directory))
        stored = store_bytes(Path(directory))
    tokens: dict[str, list[str]] = defaultdict(list)
    for key, token in emitted:
        tokens[key].append(token)
    return {
        **{method: spent[method] for method in METHODS},
        "resident": resident(),
        "store": stored,
        "fired": len(emitted),
        "checksum": zlib.crc32(repr(sorted(tokens.items())).encode()),
    }


# --- The trade of shards: bytes an epoch writes, and what an activation costs


def written(shards: Optional[int], keys: int, awoken: int) -> dict[str, Any]:
    """Bytes an epoch writes in which `awoken` of `keys` keys are awoken."""
    step = timedelta(microseconds=1)
    epochs = 5

    def batches() -> Batches:
        yield [(f"key {number}", number * step) for number in range(keys)]
        for epoch in range(epochs):
            chosen = range(epoch, keys, keys // awoken)[:awoken]
            yield [(f"key {number}", number * step) for number in chosen]

    query = "SELECT SUM(LENGTH(ser_change)) FROM snaps WHERE step_id = 'bench.step' GROUP BY snap_epoch"
    with tempfile.TemporaryDirectory() as directory:
        # The states that later ones replace are kept, so that each epoch can be weighed.
        execute(batches(), Armed, shards, AT_ONCE, Path(directory), backup=NEVER)
        with closing(sqlite3.connect(next(Path(directory).glob("*.sqlite3")))) as connection:
            sizes = [size for (size,) in connection.execute(query + " ORDER BY snap_epoch")]
    # The first epoch brings the keys, and the end of input awakes them all.
    return {"bytes": sum(sizes[1 : epochs + 1]) / epochs, "all": sizes[0]}


# --- Tables

KINDS: dict[str, Callable[..., dict[str, Any]]] = {
    "activations": activations,
    "callbacks": callbacks,
    "written": written,
}


class Runner:
    """Runs each measurement in a process of its own, and keeps what it answers."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task = progress.add_task("", total=None)
        self.results: list[dict[str, Any]] = []

    def __call__(self, kind: str, **parameters: Any) -> dict[str, Any]:
        self.progress.update(self.task, description=f"{kind} {parameters}")
        command = [sys.executable, "-m", "bench.engine", "--one", json.dumps([kind, parameters])]
        child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if child.returncode:
            sys.exit(f"{kind} {parameters} failed")
        figures: dict[str, Any] = json.loads(child.stdout)
        self.results.append({"kind": kind, **parameters, **figures})
        return figures


def name_of(shards: Optional[int]) -> str:
    return "bytewax.operators" if shards is None else f"timers.operators, {shards} shards"


def megabytes(size: Optional[float]) -> str:
    return "" if size is None else f"{size / 1e6:,.1f}"


def table_of(title: str, *headings: str) -> Table:
    table = Table(title=title)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def compare_activations(run: Runner, sizes: list[int], seconds: float) -> tuple[Table, list[str]]:
    table = table_of(
        "one item an activation",
        "operator",
        "recovery",
        "armed keys",
        "µs",
        "activations/s",
        "MB resident",
        "MB stored",
    )
    each: dict[tuple[Optional[int], int], float] = {}
    for recovery in (False, True):
        for shards in (None, operators.SHARDS):
            for armed in sizes:
                # Enough of them to see several epochs.
                length = 5 * seconds if recovery else seconds
                figures = run("activations", shards=shards, armed=armed, seconds=length, recovery=recovery)
                if not recovery:
                    each[shards, armed] = figures["each"]
                table.add_row(
                    name_of(shards),
                    "-s 1" if recovery else "off",
                    f"{armed:,}",
                    f"{figures['each'] * 1e6:,.1f}",
                    f"{1 / figures['each']:,.0f}",
                    megabytes(figures["resident"]),
                    megabytes(figures["store"]),
                )
    bars = []
    if 100_000 in sizes:
        ratio = each[None, 100_000] / each[operators.SHARDS, 100_000]
        bars.append(bar("sharded, activations/s over the original's at 100,000 armed keys", ratio, 30, at_least=True))
    if {10_000, 1_000_000} <= set(sizes):
        ratio = each[operators.SHARDS, 1_000_000] / each[operators.SHARDS, 10_000]
        bars.append(bar("sharded, time at 1,000,000 armed keys over that at 10,000", ratio, 2, at_least=False))
    return table, bars


def compare_callbacks(run: Runner) -> tuple[Table, list[str]]:
    table = table_of(
        f"ms in {ROUNDS} epochs of {KEYS} keys with {PENDING:,} timers each, {PER_ROUND} set and due an epoch",
        *["notifier", *METHODS, "MB resident", "MB stored", "checksum"],
    )
    results = {name: run("callbacks", name=name) for name in NOTIFIERS}
    for name, figures in results.items():
        table.add_row(
            name,
            *[f"{figures[method] * 1e3:,.1f}" for method in METHODS],
            megabytes(figures["resident"]),
            megabytes(figures["store"]),
            f"{figures['checksum']:08x}",
        )
    if len({figures["checksum"] for figures in results.values()}) != 1:
        sys.exit("the notifiers disagree about the tokens that fell due")

    def saving(name: str) -> float:
        return float(results[name]["snapshot"] + results[name]["pickling"])

    return table, [
        bar(
            f"snapshot and pickling, {heap} over MultiNotifier",
            saving(heap) / saving("MultiNotifier"),
            6,
            at_least=True,
        )
        for heap in ("heapq", "heapq, copied by hand")
    ]


def compare_shards(run: Runner, keys: int, seconds: float) -> Table:
    awoken = [10, 100, 1_000, 10_000]
    table = table_of(
        f"kB written an epoch, {keys:,} keys",
        "operator",
        *[f"{count:,} awoken" for count in awoken],
        "µs an activation",
    )
    for shards in (None, 64, 256, 512, 1024, 2048, 4096, 16384):
        sizes = [run("written", shards=shards, keys=keys, awoken=count)["bytes"] for count in awoken]
        each = run("activations", shards=shards, armed=keys, seconds=seconds, recovery=False)["each"]
        table.add_row(name_of(shards), *[f"{size / 1e3:,.1f}" for size in sizes], f"{each * 1e6:,.1f}")
    return table


def bar(what: str, ratio: float, wanted: float, at_least: bool) -> str:
    met = ratio >= wanted if at_least else ratio <= wanted
    return f"{'met' if met else 'MISSED'}: {what}: {ratio:,.1f} ({'at least' if at_least else 'at most'} {wanted})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=3, help="of activations, for each figure")
    parser.add_argument("--json", metavar="FILE", type=Path, help="where to keep the raw figures")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        kind, parameters = json.loads(arguments.one)
        print(json.dumps(KINDS[kind](**parameters)))
        return
    console = Console(width=max(120, os.get_terminal_size().columns) if sys.stdout.isatty() else 120)
    with Progress(console=console, transient=True) as progress:
        run = Runner(progress)
        tables = [
            compare_activations(run, arguments.sizes, arguments.seconds),
            compare_callbacks(run),
            (compare_shards(run, 100_000, arguments.seconds), []),
        ]
    for table, bars in tables:
        console.print(table)
        for line in bars:
            console.print(line)
    if arguments.json:
        arguments.json.write_text(json.dumps(run.results, indent=1))


if __name__ == "__main__":
    main()
