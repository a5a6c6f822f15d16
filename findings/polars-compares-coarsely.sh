#!/usr/bin/env bash
# Polars 2.1.0 (PyPI), CPython 3.11; the source is `get_time_units`, by which the common type of two is chosen, in
# https://github.com/pola-rs/polars/blob/4db92c12c08c390f95b517a00ae0afe818e1abf6/crates/polars-core/src/utils/mod.rs;
# https://github.com/pola-rs/polars/issues/22435 tells of `concat`, which loses digits by it.
#
# Two columns of times, one in microseconds and one in milliseconds, are expected to be compared exactly, in the finer
# unit, as NumPy and PyArrow do. Polars casts both to the coarser unit and drops the rest without a word, and so it does
# with a datetime that is compared with a column. For a time `at` that is 900 microseconds after `now`, seen:
#   at <= now: polars True, pyarrow False, numpy False
#   at == now: polars True, pyarrow False, numpy False
#   at - now: polars 0 us, pyarrow 900 us, numpy 900 us
#   now >= datetime: polars True, after cast_time_unit("us") False
#   now == datetime: polars True, now.is_in([datetime]) False
#
# What follows from it: the filter `at <= now` gives out timers up to a millisecond early where the clock's column is in
# milliseconds, as files and databases often have it, and `==` and `is_in` disagree. The coarser column has to be
# cast to the finer unit by hand.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet polars==2.1.0 pyarrow==25.0.1 numpy==2.4.6
cat > "$folder/units.py" <<'PY'
from datetime import datetime

import numpy
import polars
import pyarrow.compute

late = datetime(2026, 1, 1, 0, 0, 0, 900)
at = polars.Series("at", [late], dtype=polars.Datetime("us"))
now = polars.Series("now", [datetime(2026, 1, 1)], dtype=polars.Datetime("ms"))
table = polars.DataFrame([at, now])
arrows, arrays = (at.to_arrow(), now.to_arrow()), (at.to_numpy(), now.to_numpy())


def three(name, of_polars, of_pyarrow, of_numpy, unit=""):
    print(f"{name}: polars {of_polars}{unit}, pyarrow {of_pyarrow}{unit}, numpy {of_numpy}{unit}")


due, same = table.select(polars.col.at <= polars.col.now).item(), table.select(polars.col.at == polars.col.now).item()
three("at <= now", due, pyarrow.compute.less_equal(*arrows)[0], numpy.less_equal(*arrays)[0])
three("at == now", same, pyarrow.compute.equal(*arrows)[0], numpy.equal(*arrays)[0])
left = (at - now).dt.total_microseconds()[0]
three("at - now", left, pyarrow.compute.subtract(*arrows)[0].value, numpy.subtract(*arrays)[0].astype(int), " us")
fine = now.dt.cast_time_unit("us")
print(f'now >= datetime: polars {(now >= late)[0]}, after cast_time_unit("us") {(fine >= late)[0]}')
print(f"now == datetime: polars {(now == late)[0]}, now.is_in([datetime]) {now.is_in([late])[0]}")
PY
seen=$("$folder/venv/bin/python" "$folder/units.py" 2> "$folder/errors") || { cat "$folder/errors"; exit 1; }
seen=${seen//false/False}
echo "$seen"
for line in "at <= now: polars True, pyarrow False, numpy False" "at == now: polars True, pyarrow False, numpy False" \
    "at - now: polars 0 us, pyarrow 900 us, numpy 900 us" \
    'now >= datetime: polars True, after cast_time_unit("us") False' \
    "now == datetime: polars True, now.is_in([datetime]) False"; do
    grep -qxF "$line" <<< "$seen"
done
