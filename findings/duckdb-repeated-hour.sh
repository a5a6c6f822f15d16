#!/usr/bin/env bash
# DuckDB 2.0.1 (PyPI), CPython 3.11; the sources are the functions of the ICU extension, which set and count the fields
# of a calendar in the session's zone, https://github.com/duckdb/duckdb/tree/main/extension/icu.
#
# A TIMESTAMPTZ of DuckDB is an instant; the zone of the session is expected to tell how it is shown and where a day or
# an hour begins, but never that an hour begins after the time in it, nor that twenty minutes are two hours or a negative
# month. In the hour that is shown twice, when clocks are put back, that is what comes. The page on the type,
# https://duckdb.org/docs/stable/sql/data_types/timestamp, doesn't say so. For 25 October 2026, times in UTC, seen:
#   UTC: date_trunc('hour', 00:10): 00:00, later than 00:10: False
#   UTC: hours from 00:30 to 01:30: 1, from 23:50 to 00:10: 1
#   UTC: age(01:10, 00:50): 00:20:00
#   UTC: 48 hours, b - a: 2 days, fetched 2 days, 0:00:00
#   Europe/Paris: date_trunc('hour', 00:10): 01:00, later than 00:10: True
#   Europe/Paris: hours from 00:30 to 01:30: 0, from 23:50 to 00:10: 2
#   Europe/Paris: age(01:10, 00:50): -1 month 30 days 23:20:00
#   Europe/Paris: 48 hours, b - a: 1 day 23:00:00, fetched 1 day, 23:00:00
#
# What follows from it: a window that begins after the event in it, a lease whose age is negative while it runs, and a
# `timedelta` between two instants that is an hour short, on one night a year and only where the session's zone is that
# of the people. `set timezone = 'UTC'`, or the difference of `epoch_us`, gives what the clock has counted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet duckdb==2.0.1 pytz==2026.2
cat > hours.py <<'PY'
import duckdb

connection = duckdb.connect()


def ask(what):
    return connection.execute(f"select {what}").fetchone()[0]


def at(clock, day=25):
    return f"timestamptz '2026-10-{day} {clock}:00+00'"


def in_utc(what):
    return ask(f"strftime(({what})::timestamptz at time zone 'UTC', '%H:%M')")


for zone in ("UTC", "Europe/Paris"):
    connection.execute(f"set timezone = '{zone}'")
    hour = f"date_trunc('hour', {at('00:10')})"
    print(f"{zone}: date_trunc('hour', 00:10): {in_utc(hour)}, later than 00:10: {ask(hour + ' > ' + at('00:10'))}")
    one, twenty = (f"date_diff('hour', {a}, {b})" for a, b in
                   ((at("00:30"), at("01:30")), (at("23:50", 24), at("00:10"))))
    print(f"{zone}: hours from 00:30 to 01:30: {ask(one)}, from 23:50 to 00:10: {ask(twenty)}")
    print(f"{zone}: age(01:10, 00:50):", ask(f"age({at('01:10')}, {at('00:50')})::varchar"))
    two_days = f"{at('12:00', 26)} - {at('12:00', 24)}"
    print(f"{zone}: 48 hours, b - a: {ask(f'({two_days})::varchar')}, fetched {ask(two_days)}")
    counted = ask(f"epoch_us({at('12:00', 26)}) - epoch_us({at('12:00', 24)})")
    assert counted == 48 * 3600 * 10**6, counted
PY
seen=$(venv/bin/python hours.py)
echo "$seen"
for line in "UTC: date_trunc('hour', 00:10): 00:00, later than 00:10: False" \
    "UTC: hours from 00:30 to 01:30: 1, from 23:50 to 00:10: 1" "UTC: age(01:10, 00:50): 00:20:00" \
    "UTC: 48 hours, b - a: 2 days, fetched 2 days, 0:00:00" \
    "Europe/Paris: date_trunc('hour', 00:10): 01:00, later than 00:10: True" \
    "Europe/Paris: hours from 00:30 to 01:30: 0, from 23:50 to 00:10: 2" \
    "Europe/Paris: age(01:10, 00:50): -1 month 30 days 23:20:00" \
    "Europe/Paris: 48 hours, b - a: 1 day 23:00:00, fetched 1 day, 23:00:00"; do
    grep -qxF "$line" <<< "$seen"
done
