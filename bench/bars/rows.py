"""What a row and a group are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Callable

from bench import compiled
from bench.measure import Spread, Task, interleave

MILLION = 1_000_000


class Skipped(Exception):
    """A group cannot run here, and why."""


@dataclass(frozen=True)
class Row:
    group: str
    work: str
    asked: str
    measured: Spread
    # The figures behind a ratio.
    detail: str
    holds: bool

    @property
    def verdict(self) -> str:
        return "holds" if self.holds else "falls short"

    @property
    def command(self) -> str:
        return f"python -m bench --bars --only {self.group}"


@dataclass(frozen=True)
class Run:
    """What a group is given: its name, and the number of rounds."""

    group: str
    rounds: int

    def interleave(self, tasks: Mapping[str, Task], rounds: int = 0) -> dict[str, list[float]]:
        return interleave(tasks, rounds or self.rounds)

    def brief(self, tasks: Mapping[str, Task]) -> dict[str, list[float]]:
        """More rounds, of work that is soon done."""
        return self.interleave(tasks, self.rounds * 3)

    def at_most(self, work: str, bar: float, unit: str, figures: list[float], detail: str = "") -> Row:
        spread = Spread.of(figures)
        return Row(self.group, work, f"≤ {bar:g} {unit}", spread, detail, spread.median <= bar)

    def at_least(self, work: str, bar: float, unit: str, figures: list[float], detail: str = "") -> Row:
        spread = Spread.of(figures)
        return Row(self.group, work, f"≥ {bar:g} {unit}", spread, detail, spread.median >= bar)

    def within(self, work: str, bar: float, ours: list[float], other: str, theirs: list[float]) -> Row:
        """Ours takes at most `bar` times as long as the other."""
        return self.at_most(work, bar, f"x {other}", ratios(ours, theirs), versus(ours, theirs))

    def faster(self, work: str, bar: float, ours: list[float], other: str, theirs: list[float]) -> Row:
        """Ours is at least `bar` times faster than the other."""
        return self.at_least(work, bar, f"x faster than {other}", ratios(theirs, ours), versus(ours, theirs))


def ratios(upper: list[float], lower: list[float]) -> list[float]:
    """Round by round: what disturbs one round disturbs both sides."""
    return [over / under for over, under in zip(upper, lower)]


def versus(ours: list[float], theirs: list[float]) -> str:
    return f"{Spread.of(ours).median:,.4g} to {Spread.of(theirs).median:,.4g} ns"


Group = Callable[[Run], Iterator[Row]]
GROUPS: dict[str, Group] = {}


def group(measure: Group) -> Group:
    GROUPS[measure.__name__] = measure
    return measure


def floor() -> Any:
    """An object whose compiled methods do nothing."""
    module, reason = compiled.load("floors")
    if module is None:
        raise Skipped(reason)
    return module.Floor()


def need_numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise Skipped(f"needs NumPy ({error})") from None
    return numpy


def rows_of(name: str, rounds: int) -> list[Row | str]:
    """The rows of a group, or the reason why it cannot run."""
    try:
        return list(GROUPS[name](Run(name, rounds)))
    except Skipped as reason:
        return [str(reason)]


def measure(names: Iterable[str], rounds: int, step: Callable[[str], None]) -> Iterator[tuple[str, Row | str]]:
    """The rows of the groups, each in a process of its own: what one leaves behind scatters what the next builds."""
    for name in names:
        step(name)
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            for row in process.submit(rows_of, name, rounds).result():
                yield name, row
