"""`python -m bench`: the same work through `MultiNotifier` and through the queues that people use instead."""

from __future__ import annotations

import argparse
import fnmatch
import sys

try:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Table

    from bench import bars
    from bench.measure import pin
except ImportError as error:
    sys.exit(f"the benchmarks need the extra: pip install 'multinotifier[bench]' ({error})")


def show_bars(console: Console, pattern: str, rounds: int) -> int:
    names = [name for name in bars.GROUPS if fnmatch.fnmatch(name, pattern or "*")]
    if not names:
        sys.exit(f"--only {pattern}: no such group; there are {', '.join(bars.GROUPS)}")
    table = Table("work", "asked", "measured", "spread", "verdict", title="Bars: medians of the ratios of each round")
    commands = {}
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=Console(stderr=True), transient=True
    ) as progress:
        task = progress.add_task("", total=None)
        for name, row in bars.measure(names, rounds, lambda what: progress.update(task, description=what)):
            if name not in commands and table.rows:
                table.add_section()
            commands[name] = f"python -m bench --bars --only {name}"
            if isinstance(row, str):
                table.add_row(name, "", "", "", f"skipped: {row}")
                continue
            spread = row.measured
            table.add_row(
                row.work,
                row.asked,
                f"{spread.median:.3g}",
                f"{spread.low:.3g} - {spread.high:.3g}",
                row.verdict,
                style="" if row.holds else "bold red",
            )
    console.print(table)
    console.print("Repeat a section with:", *commands.values(), sep="\n  ")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--bars", action="store_true", help="measure every bar; some minutes")
    parser.add_argument("--only", metavar="PATTERN", default="", help=f"groups of --bars: {', '.join(bars.GROUPS)}")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    console = Console(width=150)
    console.print(f"{pin()}")
    return show_bars(console, arguments.only, arguments.rounds)


if __name__ == "__main__":
    sys.exit(main())
