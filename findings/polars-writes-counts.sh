#!/usr/bin/env bash
# Polars 2.1.0 with NumPy 2.4.6 (PyPI), CPython 3.11; the source is `scatter`, which looks at the type of the column for
# categories alone and else writes the bare number of what it was given, in
# https://github.com/pola-rs/polars/blob/0666d99f2521e5db5ce7123084d718154da066dd/crates/polars-python/src/series/scatter.rs;
# https://github.com/pola-rs/polars/issues/21474 tells of a column in milliseconds. For lists it is the last branch of
# `sequence_to_pyseries` in py-polars/src/polars/_utils/construction/series.py, which has floats made of NumPy's times and
# takes those for microseconds; https://github.com/pola-rs/polars/issues/18158 tells of that.
#
# `column[0] = time` is expected to write the time, in whatever unit the column has, or to be refused; with a mask,
# `column[mask] = time`, Polars does so, as `fill_null` and `extend_constant` do. With an index, and by `scatter`, it
# counts the microseconds of a datetime and writes their number where the column counts something else, without a word;
# of a date it writes the days. And a list of NumPy's times in nanoseconds becomes a column in microseconds with the
# same numbers, while an array of them is right, and lists in all other units are refused. Seen, for 2026-01-01 12:00:
#   column[0] = datetime: ms 57972-07-09 00:00, us 2026-01-01 12:00, ns 1970-01-21 10:54
#   column[mask] = datetime: ms 2026-01-01 12:00, us 2026-01-01 12:00, ns 2026-01-01 12:00
#   frame[0, "at"] = datetime: ms 57972-07-09 00:00, us 2026-01-01 12:00, ns 1970-01-21 10:54
#   column[0] = date: ms 1970-01-01 00:00, us 1970-01-01 00:00, ns 1970-01-01 00:00
#   column[0] = 1 s: ms 0:16:40, us 0:00:01, ns 0:00:00.001000
#   from NumPy's M8[ns]: array 2026-01-01 12:00, list 57972-07-09 00:00
#   from NumPy's m8[ns], 1 s: array 0:00:01, list 0:16:40
#
# What follows from it: a timer that is moved within a column is never due, or due at once, and timeouts are a thousand
# times too long or too short, wherever the column is not in microseconds, as those from files in milliseconds and from
# pandas in nanoseconds are not. What is written has to be a column of the same type by itself,
# `column[[0]] = polars.Series([time], dtype=column.dtype)`, and what comes from NumPy an array.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet polars==2.1.0 numpy==2.4.6
cat > "$folder/counts.py" <<'PY'
from datetime import date, datetime, timedelta

import numpy
import polars

at, second, units = datetime(2026, 1, 1, 12), timedelta(seconds=1), ("ms", "us", "ns")


def text(column):
    return column.dt.to_string("%Y-%m-%d %H:%M")[0].lstrip("+")


def written(unit, key, value):
    column = polars.Series("at", [datetime(2025, 1, 1)], dtype=polars.Datetime(unit))
    column[key] = value
    return text(column)


def framed(unit):
    frame = polars.DataFrame({"at": [datetime(2025, 1, 1)]}, schema={"at": polars.Datetime(unit)})
    frame[0, "at"] = at
    return text(frame["at"])


def lasting(unit):
    column = polars.Series([second], dtype=polars.Duration(unit))
    column[0] = second
    return column[0]


def show(name, shown):
    print(f"{name}:", ", ".join(f"{unit} {shown(unit)}" for unit in units))


show("column[0] = datetime", lambda unit: written(unit, 0, at))
show("column[mask] = datetime", lambda unit: written(unit, polars.Series([True]), at))
show('frame[0, "at"] = datetime', framed)
show("column[0] = date", lambda unit: written(unit, 0, date(2026, 1, 1)))
show("column[0] = 1 s", lasting)
times, lengths = numpy.array([at], "M8[ns]"), numpy.array([second], "m8[ns]")
print(f"from NumPy's M8[ns]: array {text(polars.Series(times))}, list {text(polars.Series(list(times)))}")
print(f"from NumPy's m8[ns], 1 s: array {polars.Series(lengths)[0]}, list {polars.Series(list(lengths))[0]}")
for unit in units:
    assert written(unit, [0], polars.Series([at], dtype=polars.Datetime(unit))) == "2026-01-01 12:00"
PY
seen=$("$folder/venv/bin/python" "$folder/counts.py")
echo "$seen"
wrong="ms 57972-07-09 00:00, us 2026-01-01 12:00, ns 1970-01-21 10:54"
for line in "column[0] = datetime: $wrong" "frame[0, \"at\"] = datetime: $wrong" \
    "column[mask] = datetime: ms 2026-01-01 12:00, us 2026-01-01 12:00, ns 2026-01-01 12:00" \
    "column[0] = date: ms 1970-01-01 00:00, us 1970-01-01 00:00, ns 1970-01-01 00:00" \
    "column[0] = 1 s: ms 0:16:40, us 0:00:01, ns 0:00:00.001000" \
    "from NumPy's M8[ns]: array 2026-01-01 12:00, list 57972-07-09 00:00" \
    "from NumPy's m8[ns], 1 s: array 0:00:01, list 0:16:40"; do
    grep -qxF "$line" <<< "$seen"
done
