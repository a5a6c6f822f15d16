#!/usr/bin/env bash
# DuckDB 2.0.1 (PyPI) with NumPy 2.4.6 and pandas 3.1.1, CPython 3.11; the sources are the overloads of `date_trunc`, none
# of which takes TIMESTAMP_NS, and of `day` beside `date_part`, and the cast that stands in for them:
# https://github.com/duckdb/duckdb/blob/v2.0.1/extension/core_functions/scalar/date/date_trunc.cpp,
# https://github.com/duckdb/duckdb/blob/v2.0.1/extension/core_functions/scalar/date/date_part.cpp and
# https://github.com/duckdb/duckdb/blob/v2.0.1/src/function/cast/time_casts.cpp (`TimestampNsCastSwitch`), which rounds
# since https://github.com/duckdb/duckdb/pull/12011.
#
# What `date_trunc` answers is expected never to lie after its argument, and `day(x)` to be what `date_part('day', x)` is. But a time in nanoseconds is first
# rounded to the nearest microsecond, by all functions that know of microseconds only. For the time 2026-01-01
# 23:59:59.9999999 of a column of a DataFrame, seen:
#   date_trunc('day', due): 2026-01-02 00:00:00
#   date_trunc('microsecond', due) <= due: false
#   time_bucket(interval 1 minute, due): 2026-01-02 00:00:00
#   due::date: 2026-01-02
#   day(due): 2, date_part('day', due): 1
#   due::timestamp: 2026-01-02 00:00:00, fetched: 2026-01-01 23:59:59.999999
#
# What follows from it: grouped by minute or by day, an event counts for the window after its own; a timer that was
# truncated to be early rather than late is late; and whether a time is today depends on the function that was asked.
# `make_timestamp(epoch_us(due))` cuts the nanoseconds off, and what is truncated after that is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 numpy==2.4.6 pandas==3.1.1
cat > "$folder/upwards.py" <<'PY'
import duckdb
import numpy
import pandas

frame = pandas.DataFrame({"due": numpy.array(["2026-01-01T23:59:59.9999999"], "M8[ns]")})


def ask(what):
    return duckdb.execute(f"select ({what})::varchar from frame").fetchone()[0]


for what in ("date_trunc('day', due)", "date_trunc('microsecond', due) <= due", "time_bucket(interval 1 minute, due)",
             "due::date"):
    print(f"{what}: {ask(what)}")
print(f"day(due): {ask('day(due)')}, date_part('day', due): {ask('''date_part('day', due)''')}")
print(f"due::timestamp: {ask('due::timestamp')}, fetched: {duckdb.execute('select due from frame').fetchone()[0]}")
cut = ask("date_trunc('day', make_timestamp(epoch_us(due)))")
assert cut == "2026-01-01 00:00:00", cut
PY
seen=$("$folder/venv/bin/python" "$folder/upwards.py")
echo "$seen"
for line in "date_trunc('day', due): 2026-01-02 00:00:00" "date_trunc('microsecond', due) <= due: false" \
    "time_bucket(interval 1 minute, due): 2026-01-02 00:00:00" "due::date: 2026-01-02" \
    "day(due): 2, date_part('day', due): 1" \
    "due::timestamp: 2026-01-02 00:00:00, fetched: 2026-01-01 23:59:59.999999"; do
    grep -qxF "$line" <<< "$seen"
done
