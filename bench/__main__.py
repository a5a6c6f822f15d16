"""Command line of the benchmarks."""

from __future__ import annotations

import argparse
import fnmatch
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Callable

try:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from bench import bars, charts, compare, instructions, memory, report, results, trace
    from bench.measure import pin
except ImportError as error:
    sys.exit(f"the benchmarks need their extra and the built package: pip install '.[bench]' ({error})")

DESCRIPTION = """\
Without options: every contender at every size, within a minute; tables, charts, the raw figures as JSON.
"""


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda what: shown.update(task, description=what)


def run_comparison(console: Console, arguments: argparse.Namespace) -> None:
    about = results.circumstances()
    with progress() as step:
        result = compare.Runner(arguments.seconds, arguments.rounds, step).run()
    report.show_comparison(console, result, results.describe(about))
    folder: Path = arguments.output
    results.save(folder / "bench.json", about, comparison=result)
    for path in [folder / "bench.json", *charts.draw(result, folder, results.describe(about))]:
        console.print(f"written: {path}", soft_wrap=True, highlight=False)


def run_bars(console: Console, arguments: argparse.Namespace) -> None:
    names = [name for name in bars.GROUPS if fnmatch.fnmatch(name, arguments.only)]
    if not names:
        sys.exit(f"--only {arguments.only}: no group is called so; there are {', '.join(bars.GROUPS)}")
    about = results.circumstances()
    pin()
    with progress() as step:
        measured = list(bars.measure(names, arguments.rounds, step))
    rows = report.show_bars(console, measured)
    console.print(results.describe(about), soft_wrap=True, highlight=False)
    results.save(arguments.output / "bars.json", about, bars=rows)


def run_trace(console: Console, arguments: argparse.Namespace) -> None:
    try:
        log = trace.read(arguments.trace)
    except trace.Unreadable as error:
        sys.exit(str(error))
    if arguments.rate:
        log = log.at_rate(arguments.rate)
    pin()
    with progress() as step:
        ended, figures = trace.measure(log, arguments.rounds, step)
    report.show_trace(console, log, ended, figures)


def run_memory(console: Console, arguments: argparse.Namespace) -> None:
    with progress() as step:
        rows = list(memory.measure(arguments.timers, step))
    report.show_memory(console, rows)
    results.save(arguments.output / "memory.json", results.circumstances(), memory=dict(rows))


def run_instructions(console: Console, arguments: argparse.Namespace) -> None:
    reason = instructions.missing()
    if reason:
        console.print(f"skipped: {reason}")
        return
    with progress() as step:
        counted = instructions.measure(step)
    report.show_instructions(console, counted)
    results.save(arguments.output / "instructions.json", results.circumstances(), instructions=counted)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=DESCRIPTION)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--bars", action="store_true", help="measure every bar that MultiNotifier has to reach")
    what.add_argument("--trace", type=Path, metavar="FILE", help="replay a web-server log, also gzipped")
    parser.add_argument("--rate", type=int, help="with --trace: as if so many requests came in every second")
    what.add_argument("--memory", action="store_true", help="resident memory, each contender in processes of its own")
    what.add_argument("--instructions", action="store_true", help="instructions an operation, with callgrind")
    parser.add_argument("--only", metavar="PATTERN", default="*", help=f"with --bars: {', '.join(bars.GROUPS)}")
    parser.add_argument("--rounds", type=int, default=compare.ROUNDS, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=compare.SECONDS, help="time for the run without options")
    parser.add_argument("--timers", type=int, default=1_000_000, help="with --memory: how many (default: %(default)s)")
    folder = Path(__file__).with_name("results")
    parser.add_argument("--output", type=Path, metavar="FOLDER", default=folder, help="(default: bench/results)")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    if arguments.rate is not None and arguments.rate < 1:
        parser.error("--rate must be at least 1")
    console = Console(width=None if sys.stdout.isatty() else 100)
    if arguments.trace:
        run_trace(console, arguments)
    elif arguments.memory:
        run_memory(console, arguments)
    elif arguments.instructions:
        run_instructions(console, arguments)
    elif arguments.bars:
        run_bars(console, arguments)
    else:
        run_comparison(console, arguments)


if __name__ == "__main__":
    main()
