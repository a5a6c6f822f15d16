"""Draws a comparison: nanoseconds an operation against the number of timers, and bytes a timer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.compare import Comparison

OURS = "MultiNotifier"
DRAWN = ("insert", "drain", "churn")


def finish(figure: Figure, path: Path, title: str, about: str) -> Path:
    figure.suptitle(title)
    # Below the last panel, in two lines: the interpreter, the rest.
    figure.axes[-1].annotate(
        about.replace("; ", "\n", 1),
        (0.5, 0),
        (0, -36),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=7,
    )
    # Without a date in the file, the same figures give the same file.
    figure.savefig(path, metadata={"Date": None})
    return path


def draw(result: Comparison, folder: Path, about: str) -> list[Path]:
    # The same ids in every run, so that a recorded chart changes only where its figures do.
    rcParams["svg.hashsalt"] = "bench"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [speed(result, folder / "speed.svg", about)]
    if result.bytes_each:
        paths.append(memory(result, folder / "memory.svg", about))
    return paths


def speed(result: Comparison, path: Path, about: str) -> Path:
    # As wide as a telephone, so that its text is not scaled down there.
    figure = Figure(figsize=(5, 11), layout="constrained")
    panels: list[Axes] = list(figure.subplots(len(DRAWN), 1, sharex=True))
    names = list(dict.fromkeys(cell.contender for cell in result.operations))
    for panel, operation in zip(panels, DRAWN):
        for number, name in enumerate(names):
            cells = [cell for cell in result.operations if cell.contender == name and operation in cell.rounds]
            points = [(cell.timers, spread.median) for cell in cells if (spread := cell.spread(operation))]
            if points:
                (line,) = panel.plot(
                    *zip(*points),
                    marker="o",
                    markersize=3,
                    label=name,
                    color="black" if name == OURS else f"C{number - 1}",
                )
                line.set_linestyle(":" if name.startswith("floor") else "-")
                line.set_linewidth(3 if name == OURS else 1.5)
        panel.set(title=operation, xscale="log", yscale="log", ylabel="ns an operation")
        panel.grid(which="major", alpha=0.3)
    panels[-1].set_xlabel("timers")
    # From the highest line to the lowest, as they end in the first panel.
    lines = sorted(panels[0].get_lines(), key=lambda line: float(np.asarray(line.get_ydata())[-1]), reverse=True)
    figure.legend(handles=lines, loc="outside lower center", ncols=2)
    return finish(figure, path, "ns an operation (timers random over a minute)", about)


def memory(result: Comparison, path: Path, about: str) -> Path:
    figure = Figure(figsize=(5, 0.5 * len(result.bytes_each) + 1.6), layout="constrained")
    panel = figure.subplots()
    names = sorted(result.bytes_each, key=result.bytes_each.__getitem__, reverse=True)
    bars = panel.barh(names, [result.bytes_each[name] for name in names])
    bars[names.index(OURS)].set_color("black")
    panel.bar_label(bars, fmt="%.0f", padding=3)
    panel.margins(x=0.1)
    panel.set(xlabel="resident bytes a timer, tokens excluded")
    return finish(figure, path, "Memory of a million timers", about)
