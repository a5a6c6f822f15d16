"""Tables for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench import instructions, memory
from bench.bars import Row
from bench.compare import OPERATIONS, Cell, Comparison
from bench.contenders import MISSING
from bench.measure import Spread
from bench.trace import Log, Session
from bench.workloads import checksum

SNAPSHOTS = ("deepcopy", "dumps", "loads")
BASE = "heapq"


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def show_operations(console: Console, cells: list[Cell], bytes_each: dict[str, float]) -> None:
    """A table for each size, the largest last: ns an operation with their spread, and heapq's time divided by them."""
    cells = sorted(cells, key=lambda cell: cell.timers)
    for count in dict.fromkeys(cell.timers for cell in cells):
        at_size = [cell for cell in cells if cell.timers == count]
        base = next((cell for cell in at_size if cell.contender == BASE), None)
        table = Table(title=f"{count:,} timers, random over a minute: ns an operation (times faster than {BASE})")
        table.add_column("")
        for heading in (*OPERATIONS, "spread", "bytes a timer", "rounds", "checksum"):
            table.add_column(heading, justify="right")
        for cell in at_size:
            row = [cell.contender]
            for operation in OPERATIONS:
                spread, beside = cell.spread(operation), base and base.spread(operation)
                gain = f" ({beside.median / spread.median:.3g})" if spread and beside else ""
                row.append(short(spread.median) + gain if spread else "-")
            held = bytes_each.get(cell.contender) if count == cells[-1].timers else None
            row += [
                f"{max(map(width, cell.rounds.values())):.0%}" if len(cell.rounds["insert"]) > 1 else "-",
                f"{held:.0f}" if held else "-",
                str(len(cell.rounds["insert"])),
                "-" if cell.checksum is None else f"{cell.checksum:08x}",
            ]
            table.add_row(*row, style="bold" if cell.contender == "MultiNotifier" else "")
        console.print(table)


def width(values: list[float]) -> float:
    """From the least to the greatest, as a part of the median."""
    spread = Spread.of(values)
    return (spread.high - spread.low) / spread.median


def show_snapshots(console: Console, cells: list[Cell]) -> None:
    table = Table(title=f"Snapshots: us each (times faster than {BASE})")
    for heading in ("timers", "", *SNAPSHOTS, "pickled bytes", "checksum"):
        table.add_column(heading, justify="left" if heading == "" else "right")
    for cell in cells:
        base = next((other for other in cells if other.contender == BASE and other.timers == cell.timers), None)
        row = [f"{cell.timers:,}", cell.contender]
        for operation in SNAPSHOTS:
            spread, beside = cell.spread(operation), base and base.spread(operation)
            gain = f" ({beside.median / spread.median:.3g})" if spread and beside else ""
            row.append(short(spread.median / 1000) + gain if spread else "-")
        row += [f"{cell.rounds['pickled bytes'][0]:,.0f}", f"{cell.checksum:08x}"]
        table.add_row(*row, style="bold" if cell.contender == "MultiNotifier" else "")
    console.print(table)


def show_comparison(console: Console, result: Comparison, about: str) -> None:
    show_operations(console, result.operations, result.bytes_each)
    show_snapshots(console, result.snapshots)
    console.print(f"[dim]{about}[/dim]", soft_wrap=True)
    for reason in result.skipped:
        console.print(f"skipped: {reason}", soft_wrap=True, highlight=False)
    for rival, reason in MISSING.items():
        console.print(f"not here: {rival}: {reason}", soft_wrap=True, highlight=False)


def bars_table() -> Table:
    table = Table(title="Bars: the median of the rounds, the least and the greatest")
    for heading in ("work", "asked", "measured", "spread", "medians", "verdict"):
        table.add_column(heading, overflow="fold")
    return table


def show_bars(console: Console, rows: Iterable[tuple[str, Row | str]]) -> list[Row]:
    """A table as it comes; the rows."""
    table, shown, last = bars_table(), [], None
    for group, row in rows:
        if last not in (None, group):
            table.add_section()
        last = group
        if isinstance(row, str):
            table.add_row(group, "", "", "", "", f"skipped: {row}")
            continue
        shown.append(row)
        spread = row.measured
        figures = f"{spread.median:.3g}", f"{spread.low:.3g} to {spread.high:.3g}"
        # A unit in brackets is no style.
        work, style = escape(row.work), "" if row.holds else "bold red"
        table.add_row(work, row.asked, *figures, row.detail, row.verdict, style=style)
    console.print(table)
    console.print("Each section again:", *dict.fromkeys(row.command for row in shown), sep="\n  ", highlight=False)
    short = sum(not row.holds for row in shown)
    console.print(f"{len(shown) - short} hold, {short} fall short", highlight=False)
    return shown


def show_trace(console: Console, log: Log, ended: list[Session], figures: dict[str, Spread]) -> None:
    clients = len({client for client, _ in ended})
    console.print(
        f"{len(log.requests):,} requests of {clients:,} clients over {log.last - log.requests[0][0]}",
        f"{log.damaged:,} damaged lines left out; {log.out_of_order:,} lines out of order, sorted by their time",
        f"{len(ended):,} sessions ended, as the plain model says, in the same order for every contender"
        f" (checksum {checksum(f'{client} {at}' for client, at in ended):08x})",
        sep="\n",
        highlight=False,
    )
    table = Table(title=f"Replay: ns a request (times faster than {BASE})")
    for heading in ("", "median", "spread"):
        table.add_column(heading, justify="left" if heading == "" else "right")
    for name, spread in figures.items():
        gain = figures[BASE].median / spread.median
        table.add_row(name, f"{short(spread.median)} ({gain:.3g})", f"{short(spread.low)} to {short(spread.high)}")
    console.print(table)


def show_instructions(console: Console, counted: dict[str, dict[str, float]]) -> None:
    table = Table(title="Instructions an operation, the Python loop included (callgrind)")
    for heading in ("", *counted):
        table.add_column(heading, justify="left" if heading == "" else "right")
    for work in instructions.WORKS:
        table.add_row(work, *(f"{figures[work]:,.0f}" if work in figures else "-" for figures in counted.values()))
    console.print(table)


def show_memory(console: Console, rows: Iterable[tuple[str, dict[str, float]]]) -> None:
    table = Table(title="Resident bytes, a process each; tokens excluded, datetimes held by nobody but the queue")
    for heading in ("", *memory.FIGURES):
        table.add_column(heading, justify="left" if heading == "" else "right")
    for name, figures in rows:
        table.add_row(name, *(f"{figures[figure]:,.1f}" if figure in figures else "-" for figure in memory.FIGURES))
    console.print(table)
