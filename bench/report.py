"""Tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.bars import Row
from bench.compare import OPERATIONS, Cell, Comparison
from bench.contenders import MISSING
from bench.measure import Spread

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
                f"{max(spread_of(values) for values in cell.rounds.values()):.0%}",
                f"{held:.0f}" if held else "-",
                str(len(cell.rounds["insert"])),
                "-" if cell.checksum is None else f"{cell.checksum:08x}",
            ]
            table.add_row(*row, style="bold" if cell.contender == "MultiNotifier" else "")
        console.print(table)


def spread_of(values: list[float]) -> float:
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
        table.add_row(row.work, row.asked, *figures, row.detail, row.verdict, style="" if row.holds else "bold red")
    console.print(table)
    console.print("Each section again:", *dict.fromkeys(row.command for row in shown), sep="\n  ", highlight=False)
    short = sum(not row.holds for row in shown)
    console.print(f"{len(shown) - short} hold, {short} fall short", highlight=False)
    return shown


def show_figures(console: Console, title: str, headings: list[str], rows: list[list[Any]]) -> None:
    table = Table(title=title)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "" else "right")
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)
