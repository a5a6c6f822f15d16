"""`python -m bench.columns`: what columns and zones cost, as ratios to a NumPy array and to UTC; medians by turns."""

from __future__ import annotations

import statistics
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Callable
from zoneinfo import ZoneInfo

from bench.measure import interleave, nanoseconds, pin
from timers import MultiNotifier

MILLION = 1_000_000


def many(ats: Any, tokens: Any) -> MultiNotifier[Any]:
    queue: MultiNotifier[Any] = MultiNotifier()
    queue.notify_many(ats, tokens)
    return queue


def many_listed(ats: Any, tokens: Any, listed: Callable[[Any], list[Any]]) -> MultiNotifier[Any]:
    return many(ats, listed(tokens))


def one_by_one(ats: list[datetime]) -> None:
    notify_at = MultiNotifier[str]().notify_at
    for at in ats:
        notify_at(at, "token")


def main(count: int = MILLION, rounds: int = 7) -> None:
    try:
        import numpy
        import pandas
        import polars
        import pyarrow
    except ImportError as error:
        raise SystemExit(f"bench.columns needs the extra `columns` ({error})") from None

    micros = numpy.random.default_rng(1).integers(0, 10**12, count) + 1_767_225_600_000_000
    array = micros.view("M8[us]")
    series = pandas.Series(array).dt.tz_localize("UTC")
    arrow = pyarrow.array(micros, pyarrow.timestamp("us", "UTC"))
    longer = pyarrow.concat_arrays([arrow[:5], arrow, arrow[:7]])
    step = -(-count // 100)
    times = {
        "NumPy us": array,
        "NumPy ns": array.astype("M8[ns]"),
        "pandas UTC": series,
        "pandas Berlin": series.dt.tz_convert("Europe/Berlin"),
        "pandas ArrowDtype": series.astype("timestamp[us, tz=UTC][pyarrow]"),
        "DatetimeIndex": pandas.DatetimeIndex(series),
        "Polars UTC": polars.Series(array).dt.replace_time_zone("UTC"),
        "Polars Tokyo": polars.Series(array).dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo"),
        "pyarrow us": arrow,
        "pyarrow ns": arrow.cast(pyarrow.timestamp("ns", "UTC")),
        "pyarrow, 100 chunks": pyarrow.chunked_array([arrow[start : start + step] for start in range(0, count, step)]),
        "pyarrow, a slice": longer[5:-7],
    }
    words = [f"timer {number}" for number in range(count)]
    tokens = {
        "NumPy U": numpy.array(words),
        "NumPy object": numpy.array(words, object),
        "pandas str": pandas.Series(words),
        "Polars": polars.Series(words),
        "pyarrow": pyarrow.array(words),
    }

    zones: dict[str, tzinfo] = {
        "UTC": timezone.utc,
        "+02:00": timezone(timedelta(hours=2)),
        'ZoneInfo("UTC")': ZoneInfo("UTC"),
        'ZoneInfo("Etc/UTC")': ZoneInfo("Etc/UTC"),
        "Europe/Berlin": ZoneInfo("Europe/Berlin"),
    }
    moments = pandas.DatetimeIndex(array[: count // 10], tz="UTC").to_pydatetime().tolist()

    def listed(column: Any) -> list[Any]:
        for name in ("tolist", "to_list"):
            if hasattr(column, name):
                return list(getattr(column, name)())
        raise TypeError(type(column))

    tasks: dict[str, Callable[[], dict[str, float]]] = {}
    for name, column in times.items():
        tasks[name] = lambda column=column: {"": nanoseconds(count, many, column, words)[0]}  # type: ignore[misc]
    for name, column in tokens.items():
        tasks[f"tokens {name}"] = lambda column=column: {"": nanoseconds(count, many, array, column)[0]}  # type: ignore[misc]
        tasks[f"tokens {name}, listed"] = lambda column=column: {  # type: ignore[misc]
            "": nanoseconds(count, many_listed, array, column, listed)[0]
        }
    for name, zone in zones.items():
        ats = [at.astimezone(zone) for at in moments]
        tasks[f"in {name}"] = lambda ats=ats: {"": nanoseconds(len(ats), one_by_one, ats)[0]}  # type: ignore[misc]
    figures = {name: statistics.median(values) for name, values in interleave(tasks, rounds).items()}
    for name in times:
        print(f"{name:24} {figures[name]:7.1f} ns  {figures[name] / figures['NumPy us']:.2f} x NumPy (asked: 1.30)")
    for name in tokens:
        ours, theirs = figures[f"tokens {name}"], figures[f"tokens {name}, listed"]
        print(f"{'tokens ' + name:24} {ours:7.1f} ns  {ours / theirs:.2f} x {theirs:.1f} with a list (asked: 1.10)")
    for name in zones:
        ratio = figures[f"in {name}"] / figures["in UTC"]
        asked = "with rules" if name == "Europe/Berlin" else "asked: 1.50"
        print(f"notify_at {name:20} {figures[f'in {name}']:7.1f} ns  {ratio:.2f} x UTC ({asked})")


if __name__ == "__main__":
    pin()
    main()
