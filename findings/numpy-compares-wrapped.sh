#!/usr/bin/env bash
# NumPy 2.5.5 (PyPI; CPython 3.12 and newer), and 2.4.6, the last one for CPython 3.11; the source is the conversion of
# calendar fields to nanoseconds, `NpyDatetime_ConvertDatetimeStructToDatetime64`, products that nothing checks, in
# https://github.com/numpy/numpy/blob/v2.5.5/numpy/_core/src/multiarray/datetime.c; in 2.4.6 the other casts beside it,
# too. https://github.com/numpy/numpy/issues/9956 and 16352 tell of casts that wrap, and not of comparisons.
#
# A comparison of two times is expected to be right or to raise. https://numpy.org/doc/stable/reference/arrays.datetime.html
# calls the conversion to a smaller unit safe, as the moment is still represented exactly. But both sides are converted
# to the finer of their units first, and whatever lies outside of its span, for nanoseconds the years 1678 to 2262, comes
# out somewhere within. No warning, not even with `errstate(all="raise")`. NumPy 2.5 raises for units that are a fixed
# number of nanoseconds, and for years and months it does not, nor where an array is made. For a clock in nanoseconds,
# and "never" as the year 9999, which `datetime64("9999")` has in years, seen with both versions:
#   9999 <= now: True, in days False
#   1600 <= now: False, in days True
#   at[at <= now]: 2026-01 9999-12
#   array([datetime.max], "M8[ns]"): 1816-03-30
#   array([last microsecond of 9999, now]): 1816-03-30 2026-01-01
#   9999-12-31 <= now: True (2.5.5: OverflowError)
#   timeout of 300 years > 1 ns: False (2.5.5: OverflowError)
#
# What follows from it: timers that are far away or never due are due at once, and timeouts that were meant to be long
# have passed, as soon as the clock is in nanoseconds, as that of pandas, Arrow or `time.time_ns` often is. The clock has
# to be cast to the unit of the times before it is compared, which rounds it towards the past.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
version=$("$python" -c 'import sys; print("2.5.5" if sys.version_info >= (3, 12) else "2.4.6")')
"$folder/venv/bin/pip" install --quiet "numpy==$version"
cat > "$folder/wrapped.py" <<'PY'
from datetime import datetime

import numpy

now = numpy.datetime64("2026-01-01T12", "ns")
never, past, last = map(numpy.datetime64, ("9999", "1600", "9999-12-31T23:59:59.999999"))
today = now.astype("M8[D]")
at = numpy.array(["2026-01", "9999-12"], "M8[M]")


def days(times):
    return " ".join(map(str, times.astype("M8[D]")))


def answer(compare):
    try:
        return compare()
    except OverflowError:
        return "OverflowError"


with numpy.errstate(all="raise"):
    print(f"{never} <= now: {never <= now}, in days {never <= today}")
    print(f"{past} <= now: {past <= now}, in days {past <= today}")
    print("at[at <= now]:", *at[at <= now])
    print('array([datetime.max], "M8[ns]"):', days(numpy.array([datetime.max], "M8[ns]")))
    print("array([last microsecond of 9999, now]):", days(numpy.array([last, now])))
    print("9999-12-31 <= now:", answer(lambda: numpy.datetime64("9999-12-31") <= now))
    timeout, tick = numpy.timedelta64(300 * 365, "D"), numpy.timedelta64(1, "ns")
    print("timeout of 300 years > 1 ns:", answer(lambda: timeout > tick))
PY
seen=$("$python" -W error "$folder/wrapped.py")
echo "$seen"
[ "$version" = 2.4.6 ] && fixed=(True False) || fixed=(OverflowError OverflowError)
for line in "9999 <= now: True, in days False" "1600 <= now: False, in days True" "at[at <= now]: 2026-01 9999-12" \
    'array([datetime.max], "M8[ns]"): 1816-03-30' "array([last microsecond of 9999, now]): 1816-03-30 2026-01-01" \
    "9999-12-31 <= now: ${fixed[0]}" "timeout of 300 years > 1 ns: ${fixed[1]}"; do
    grep -qxF "$line" <<< "$seen"
done
