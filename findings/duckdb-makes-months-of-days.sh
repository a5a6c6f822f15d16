#!/usr/bin/env bash
# DuckDB 2.0.1 with NumPy 2.4.6, pandas 3.1.1, PyArrow 26.0.1 and Polars 2.1.0 (PyPI), CPython 3.11; the source is the
# scan of NumPy's arrays, the cases `TIMEDELTA_NS` to `TIMEDELTA_S`, in
# https://github.com/duckdb/duckdb-python/blob/6239d169683d93e67a1d522b5d47c4a60e13918f/src/numpy/numpy_scan.cpp, which
# makes a month of every 30 days; https://github.com/duckdb/duckdb/issues/9431 tells of the same for parameters, where
# https://github.com/duckdb/duckdb/pull/9688 has put it right, and not of columns.
#
# A `timedelta64` is a fixed length of time, and one that DuckDB reads is expected to stay so: added to a timestamp, to
# give what pandas and NumPy give. As a parameter and in a column of Arrow or Polars it does. In a DataFrame or an array
# 30 days become a month of the calendar, and 365 days a year and 5 days, without a word; and `epoch` counts a year as
# 365.25 days. What is fetched is 365 days again, and `=` says that nothing has changed. Seen, for a lease of 365 days
# from 31 January 2026, 12:00, and one of 30 days:
#   pandas itself: 2027-01-31 12:00:00, 2026-03-02 12:00:00
#   parameter: 2027-01-31 12:00:00, 2026-03-02 12:00:00, 365 days, epoch 31536000
#   Arrow: 2027-01-31 12:00:00, 2026-03-02 12:00:00, 8760:00:00, epoch 31536000
#   Polars: 2027-01-31 12:00:00, 2026-03-02 12:00:00, 8760:00:00, epoch 31536000
#   pandas, backed by Arrow: 2027-01-31 12:00:00, 2026-03-02 12:00:00, 8760:00:00, epoch 31536000
#   pandas: 2027-02-05 12:00:00, 2026-02-28 12:00:00, 1 year 5 days, epoch 31989600
#   NumPy: 2027-02-05 12:00:00, 2026-02-28 12:00:00, 1 year 5 days, epoch 31989600
#   fetched from pandas' column: 365 days, 0:00:00, equal to the parameter: True
#
# What follows from it: deadlines that DuckDB computes from a start and a timeout are days late or early as soon as the
# timeouts are 30 days or more, by an amount that depends on the month, and on whether the same frame was given as
# pandas or as Arrow. `pyarrow.Table.from_pandas(frame)` in its place, or microseconds and `to_microseconds`, are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 numpy==2.4.6 pandas==3.1.1 polars==2.1.0 pyarrow==26.0.1
cat > "$folder/leases.py" <<'PY'
from datetime import datetime, timedelta

import duckdb
import numpy
import pandas
import polars
import pyarrow

start, year, month = datetime(2026, 1, 31, 12), timedelta(days=365), timedelta(days=30)
connection = duckdb.connect()
arrow = pyarrow.table({"start": [start], "year": [year], "month": [month]})
frame = arrow.to_pandas()
assert set(map(str, frame.dtypes[1:])) == {"timedelta64[us]"}
sources = {
    "Arrow": arrow,
    "Polars": polars.from_arrow(arrow),
    "pandas, backed by Arrow": arrow.to_pandas(types_mapper=pandas.ArrowDtype),
    "pandas": frame,
    "NumPy": {name: numpy.array(frame[name]) for name in frame},
}


def show(name, from_year, from_month, text, epoch):
    print(f"{name}: {from_year}, {from_month}, {text}, epoch {epoch:.0f}")


print(f"pandas itself: {(frame.start + frame.year)[0]}, {(frame.start + frame.month)[0]}")
query = "select start + year, start + month, year::varchar, epoch(year) from leases"
bound = "(select $1::timestamp as start, $2 as year, $3 as month)"
show("parameter", *connection.execute(query.replace("leases", bound), [start, year, month]).fetchone())
for name, leases in sources.items():
    show(name, *connection.execute(query).fetchone())
fetched, equal = connection.execute("select year, year = $1 from frame", [year]).fetchone()
print(f"fetched from pandas' column: {fetched}, equal to the parameter: {equal}")
PY
seen=$("$folder/venv/bin/python" "$folder/leases.py")
echo "$seen"
right="2027-01-31 12:00:00, 2026-03-02 12:00:00" wrong="2027-02-05 12:00:00, 2026-02-28 12:00:00"
for line in "pandas itself: $right" "parameter: $right, 365 days, epoch 31536000" \
    "Arrow: $right, 8760:00:00, epoch 31536000" "Polars: $right, 8760:00:00, epoch 31536000" \
    "pandas, backed by Arrow: $right, 8760:00:00, epoch 31536000" "pandas: $wrong, 1 year 5 days, epoch 31989600" \
    "NumPy: $wrong, 1 year 5 days, epoch 31989600" \
    "fetched from pandas' column: 365 days, 0:00:00, equal to the parameter: True"; do
    grep -qxF "$line" <<< "$seen"
done
