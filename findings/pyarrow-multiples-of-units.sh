#!/usr/bin/env bash
# PyArrow 26.0.1 and Polars 2.1.0 with NumPy 2.4.6, beside pandas 3.1.1 (PyPI), CPython 3.11; the sources are
# `NumPyDtypeToArrow` in
# https://github.com/apache/arrow/blob/apache-arrow-26.0.1/python/pyarrow/src/arrow/python/numpy_convert.cc and
# `_normalise_numpy_dtype`, which both look at the unit and not at the number before it, in
# https://github.com/pola-rs/polars/blob/5c0624e39afe9550a516f8731320a98957536911/py-polars/src/polars/datatypes/constructor.py;
# https://github.com/apache/arrow/issues/39756 tells of PyArrow's.
#
# NumPy has units that are multiples: a clock with ticks of 10 ms, a schedule in steps of 7 days. A column that is made
# from such an array is expected to have the same times, or to be refused, as PyArrow refuses minutes, Polars seconds,
# and pandas all multiples. PyArrow and Polars take the ticks and drop their length, without a word. Seen, for 100
# ticks after the epoch:
#   M8[10ms]: numpy 1970-01-01 00:00:01, pyarrow 1970-01-01 00:00:00.100, polars 1970-01-01 00:00:00.100
#   M8[15s]: numpy 1970-01-01 00:25:00, pyarrow 1970-01-01 00:01:40, polars raises ValueError
#   M8[7D]: numpy 1971-12-02, pyarrow 1970-04-11, polars 1970-04-11
#   m8[10ms]: numpy 1000 ms, pyarrow 100 ms, polars 100 ms
#   a scalar of M8[10ms]: pyarrow 1970-01-01 00:00:00.100, polars.lit 1970-01-01 00:00:01
#   pandas, M8[10ms] and m8[10ms]: raises ValueError, raises ValueError
#
# What follows from it: deadlines of today become ones of the 1970s, all due at once, and timeouts are ten times too
# short. `array.astype("M8[ms]")` before the column is made puts it right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1 polars==2.1.0 pandas==3.1.1 numpy==2.4.6
cat > "$folder/multiples.py" <<'PY'
import numpy
import pandas
import polars
import pyarrow


def text(time):
    return str(time).removesuffix("000")


def seen(column, ticks):
    try:
        return text(column(ticks))
    except Exception as error:
        return f"raises {type(error).__name__}"


for unit in ("10ms", "15s", "7D"):
    ticks = numpy.array([100], f"M8[{unit}]")
    arrow = seen(lambda array: pyarrow.array(array)[0].as_py(), ticks)
    of_polars = seen(lambda array: polars.Series(array)[0], ticks)
    print(f"M8[{unit}]: numpy {text(ticks[0].item())}, pyarrow {arrow}, polars {of_polars}")
waits = numpy.array([100], "m8[10ms]")
lengths = waits.astype("m8[ms]").astype(int)[0], pyarrow.array(waits)[0].value, polars.Series(waits).to_physical()[0]
print("m8[10ms]: numpy {} ms, pyarrow {} ms, polars {} ms".format(*lengths))
tick = numpy.datetime64(100, "10ms")
one = text(pyarrow.scalar(tick).as_py()), text(polars.select(polars.lit(tick)).item())
print("a scalar of M8[10ms]: pyarrow {}, polars.lit {}".format(*one))
refused = [seen(lambda array: pandas.Series(array)[0], numpy.array([100], f"{kind}[10ms]")) for kind in ("M8", "m8")]
print("pandas, M8[10ms] and m8[10ms]:", ", ".join(refused))
PY
seen=$("$folder/venv/bin/python" "$folder/multiples.py" 2> "$folder/errors") || { cat "$folder/errors"; exit 1; }
echo "$seen"
for line in \
    "M8[10ms]: numpy 1970-01-01 00:00:01, pyarrow 1970-01-01 00:00:00.100, polars 1970-01-01 00:00:00.100" \
    "M8[15s]: numpy 1970-01-01 00:25:00, pyarrow 1970-01-01 00:01:40, polars raises ValueError" \
    "M8[7D]: numpy 1971-12-02, pyarrow 1970-04-11, polars 1970-04-11" \
    "m8[10ms]: numpy 1000 ms, pyarrow 100 ms, polars 100 ms" \
    "a scalar of M8[10ms]: pyarrow 1970-01-01 00:00:00.100, polars.lit 1970-01-01 00:00:01" \
    "pandas, M8[10ms] and m8[10ms]: raises ValueError, raises ValueError"; do
    grep -qxF "$line" <<< "$seen"
done
