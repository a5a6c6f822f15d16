"""Tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench import compare, everyday, instructions, memory
from bench.bars import Row
from bench.compare import OPERATIONS, Cell, Comparison
from bench.contenders import MISSING
from bench.measure import Spread
from bench.trace import Log, Session
from bench.workloads import checksum

SNAPSHOTS = ("deepcopy", "dumps", "loads")
BASE = "heapq"
OURS = "MultiNotifier"
# A figure whose rounds lie so far apart, as a part of the median, is marked.
NOISY = 1 / 3
MARK = "~"


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(gain: float) -> str:
    return f"{gain:,.0f}" if gain >= 10 else f"{gain:.2g}"


def cell_of(cell: Cell, figure: str, base: Cell | None, unit: float = 1) -> str:
    """The median, how many times that is faster than the base, and a mark if it is noisy."""
    spread, beside = cell.spread(figure), base and base.spread(figure)
    if not spread:
        return "-"
    gain = f" ({times(beside.median / spread.median)})" if beside and base is not cell else ""
    return (MARK if width(spread) > NOISY else "") + short(spread.median / unit) + gain


def width(spread: Spread) -> float:
    return (spread.high - spread.low) / spread.median


def at_size(cells: list[Cell], count: int) -> tuple[list[Cell], Cell | None]:
    """The cells of one size, and the one that the others are compared with."""
    some = [cell for cell in cells if cell.timers == count]
    return some, next((cell for cell in some if cell.contender == BASE), None)


def show_operations(console: Console, cells: list[Cell]) -> None:
    """A table for each size, the largest last."""
    for count in sorted({cell.timers for cell in cells}):
        some, base = at_size(cells, count)
        rounds = max(len(cell.rounds["insert"]) for cell in some)
        checksums = {f"{cell.checksum:08x}" for cell in some if cell.checksum is not None}
        table = Table(
            title=f"{count:,} timers, random over a minute: ns an operation (times faster than {BASE})",
            caption=f"{rounds} rounds; every queue gave out the same tokens in the same order: {', '.join(checksums)}",
        )
        table.add_column("")
        for heading in OPERATIONS:
            table.add_column(heading, justify="right")
        for cell in some:
            row = [cell_of(cell, operation, base) for operation in OPERATIONS]
            table.add_row(cell.contender, *row, style="bold" if cell.contender == OURS else "")
        console.print(table)


def show_everyday(console: Console, cells: list[Cell]) -> None:
    for count in sorted({cell.timers for cell in cells}):
        some, base = at_size(cells, count)
        table = Table(
            title=f"What is done most, {count:,} timers: ns each (times faster than {BASE}, lazily cancelled)"
        )
        table.add_column("")
        for cell in some:
            table.add_column(cell.contender, justify="right")
        for work in everyday.WORKS:
            table.add_row(work, *(cell_of(cell, work, base) for cell in some))
        console.print(table)


def show_snapshots(console: Console, cells: list[Cell]) -> None:
    table = Table(title=f"Snapshots: us each (times faster than {BASE})")
    for heading in ("timers", "", *SNAPSHOTS, "pickled bytes"):
        table.add_column(heading, justify="left" if heading == "" else "right")
    for cell in cells:
        base = at_size(cells, cell.timers)[1]
        row = [f"{cell.timers:,}", cell.contender, *(cell_of(cell, each, base, 1000) for each in SNAPSHOTS)]
        row.append(f"{cell.rounds['pickled bytes'][0]:,.0f}")
        table.add_row(*row, style="bold" if cell.contender == OURS else "")
    console.print(table)


def show_memory_each(console: Console, bytes_each: dict[str, float]) -> None:
    table = Table(title="Resident bytes a timer, of a million, tokens excluded")
    for name in bytes_each:
        table.add_column(name, justify="right")
    table.add_row(*(f"{held:.0f}" for held in bytes_each.values()))
    console.print(table)


def conclusions(result: Comparison) -> list[str]:
    """Three sentences that say what the tables show."""

    def gains(cells: list[Cell], count: int, ours: str, figures: Sequence[str]) -> list[str]:
        some, base = at_size(cells, count)
        cell = next((each for each in some if each.contender == ours), None)
        spreads = [(cell and cell.spread(figure), base and base.spread(figure)) for figure in figures]
        return [times(theirs.median / mine.median) if mine and theirs else "?" for mine, theirs in spreads]

    def largest(cells: list[Cell]) -> int:
        """On a slow machine no time is left for the heap's largest."""
        return max((cell.timers for cell in cells if cell.contender == BASE), default=max(compare.SIZES))

    few, many, most = min(compare.SIZES), largest(result.operations), largest(result.snapshots)
    speed = [gains(result.operations, count, OURS, ("insert", "drain", "churn")) for count in (few, many)]
    size = max(everyday.SIZES)
    cancelled, moved, keys, datetimes, floats = gains(result.everyday, size, everyday.OURS, everyday.WORKS)
    copied = gains(result.snapshots, most, OURS, SNAPSHOTS)
    ours, theirs = result.bytes_each[OURS], result.bytes_each[BASE]
    return [
        f"{many:,} timers are inserted {speed[1][0]}, drained {speed[1][1]} and churned {speed[1][2]} times as fast as"
        f" with {BASE}, {few} timers {speed[0][0]}, {speed[0][1]} and {speed[0][2]} times.",
        f"{size:,} timers in whole seconds live {cancelled} times as fast if half are cancelled, {moved} times if half"
        f" are moved, as keys of `Deadlines` {keys} times; taken one at a time {datetimes} times, as floats {floats}.",
        f"A million timers take {ours:.0f} bytes each, {BASE}'s {theirs:.0f}; {most:,} are copied {copied[0]} times as"
        f" fast. Figures with {MARK} are noisy: their rounds lie more than {NOISY:.0%} apart.",
    ]


def show_comparison(console: Console, result: Comparison, about: str) -> None:
    show_operations(console, result.operations)
    show_everyday(console, result.everyday)
    show_snapshots(console, result.snapshots)
    show_memory_each(console, result.bytes_each)
    for reason in result.skipped:
        console.print(f"[dim]skipped: {escape(reason)}[/dim]", highlight=False)
    for rival, reason in MISSING.items():
        console.print(f"[dim]not here: {rival}: {reason}[/dim]", highlight=False)
    console.print(f"[dim]{about}[/dim]", highlight=False)
    for sentence in conclusions(result):
        console.print(sentence, highlight=False)


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
