#!/usr/bin/env bash
# NumPy 2.4.6 (PyPI), CPython 3.11; the source is `PyArray_SearchSorted`, which casts the array and what is looked for
# to a common type, in https://github.com/numpy/numpy/blob/v2.4.6/numpy/_core/src/multiarray/item_selection.c.
# https://github.com/numpy/numpy/issues/29727 tells of wrong answers and 29719 of the time.
#
# `times.searchsorted(now, "right")` is expected to say how many of the sorted times are at or before now, as
# `(times <= now).sum()` does, which is exact for all kinds of integers. But the common type of int64 and uint64 is
# float64, and a number of Python's is an int64 here, whatever the array is, although in comparisons and sums it takes
# the array's type. So what is a Python int is looked for in an array of uint64 among doubles, which today are 256 ns
# apart, and all of the array is converted for each search. Seen, for twenty times in nanoseconds, 50 ns apart, of which
# the first is 501 ns before now:
#   times <= now: 11 of 20, whatever the types: True
#   int64 among int64: 11
#   uint64 among int64: 13
#   Python's int among int64: 11
#   int64 among uint64: 13
#   uint64 among uint64: 11
#   Python's int among uint64: 13
#   the last of 13 is due in: 99 ns
#   now == any of the int64: False, isin(now as uint64, int64): True
#   concatenate((int64, uint64)): float64
#   Python's int among 4 million uint64 takes more than 100 times as long as a uint64: True
#
# What follows from it: timers are taken up to 256 ns before their time, or twice, where one part of a program compares
# and another one searches; and a queue in an array that is searched for each event takes the time of its length.
# What is looked for has to be made a number of the array's type, `times.dtype.type(now)`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet numpy==2.4.6
cat > search.py <<'PY'
from timeit import repeat

import numpy

NOW = 1767225600 * 10**9 + 1
signed = numpy.arange(NOW - 501, NOW + 499, 50)
unsigned = signed.astype("u8")
kinds = {"int64": numpy.int64(NOW), "uint64": numpy.uint64(NOW), "Python's int": NOW}
same = all((times <= now).sum() == 11 for times in (signed, unsigned) for now in kinds.values())
print(f"times <= now: 11 of {len(signed)}, whatever the types: {same}")
for name, times in (("int64", signed), ("uint64", unsigned)):
    for kind, now in kinds.items():
        print(f"{kind} among {name}: {times.searchsorted(now, 'right')}")
print(f"the last of 13 is due in: {signed[12] - NOW} ns")
print(f"now == any of the int64: {(kinds['uint64'] == signed).any()}, isin(now as uint64, int64):",
      numpy.isin(kinds["uint64"], signed))
print("concatenate((int64, uint64)):", numpy.concatenate((signed, unsigned)).dtype)
many = numpy.arange(4_000_000, dtype="u8")
slow, fast = (min(repeat(lambda: many.searchsorted(now), number=5)) for now in (5, numpy.uint64(5)))
print("Python's int among 4 million uint64 takes more than 100 times as long as a uint64:", slow > 100 * fast)
PY
seen=$(venv/bin/python -W error search.py)
echo "$seen"
for line in "times <= now: 11 of 20, whatever the types: True" "int64 among int64: 11" "Python's int among int64: 11" \
    "uint64 among int64: 13" "uint64 among uint64: 11" "int64 among uint64: 13" "Python's int among uint64: 13" \
    "the last of 13 is due in: 99 ns" "now == any of the int64: False, isin(now as uint64, int64): True" \
    "concatenate((int64, uint64)): float64" \
    "Python's int among 4 million uint64 takes more than 100 times as long as a uint64: True"; do
    grep -qxF "$line" <<< "$seen"
done
