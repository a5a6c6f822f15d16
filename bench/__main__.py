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
DEFAULTS = {
    "only": "*",
    "rounds": compare.ROUNDS,
    "seconds": compare.SECONDS,
    "rate": None,
    "timers": 1_000_000,
    "output": Path(__file__).with_name("results"),
}


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


# By what is asked for, "" without any of these, and with the options that it has.
MODES: dict[str, tuple[Callable[[Console, argparse.Namespace], None], tuple[str, ...]]] = {
    "": (run_comparison, ("rounds", "seconds", "output")),
    "bars": (run_bars, ("only", "rounds", "output")),
    "trace": (run_trace, ("rate", "rounds")),
    "memory": (run_memory, ("timers", "output")),
    "instructions": (run_instructions, ("output",)),
}


def main() -> None:
    # What is not given is no attribute, so that it can be told from what is given for nothing.
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=DESCRIPTION, argument_default=argparse.SUPPRESS
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--bars", action="store_true", help="measure every bar that MultiNotifier has to reach")
    what.add_argument("--trace", type=Path, metavar="FILE", help="replay a web-server log, also gzipped")
    parser.add_argument("--rate", type=int, help="with --trace: as if so many requests came in every second")
    what.add_argument("--memory", action="store_true", help="resident memory, each contender in processes of its own")
    what.add_argument("--instructions", action="store_true", help="instructions an operation, with callgrind")
    parser.add_argument("--only", metavar="PATTERN", help=f"with --bars: {', '.join(bars.GROUPS)}")
    parser.add_argument("--rounds", type=int, help=f"not with --memory, --instructions (default: {compare.ROUNDS})")
    parser.add_argument("--seconds", type=int, help=f"time for the run without options (default: {compare.SECONDS})")
    parser.add_argument("--timers", type=int, help=f"with --memory: how many (default: {DEFAULTS['timers']})")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="not with --trace (default: bench/results)")
    given = vars(parser.parse_args())
    mode = next((mode for mode in MODES if mode in given), "")
    work, options = MODES[mode]
    for name in DEFAULTS:
        if name in given and name not in options:
            parser.error(f"--{name} does nothing {f'with --{mode}' if mode else 'alone'}")
        if name in ("rounds", "rate", "seconds", "timers") and given.get(name, 1) < 1:
            parser.error(f"--{name} must be at least 1")
    console = Console(width=None if sys.stdout.isatty() else 100)
    work(console, argparse.Namespace(**{**DEFAULTS, **given}))


if __name__ == "__main__":
    main()
