#!/usr/bin/env bash
# Cython 3.3.1 (3.0.12, 3.1.6 and 3.2.4 do the same), where C's `int` has 32 bits and `long` 64; the source is
# https://github.com/cython/cython/blob/3.3.1/Cython/Compiler/ExprNodes.py (`IntNode.find_suitable_type_for_value`, which
# makes a literal below 2**31 a `long` and others Python's, and `get_constant_c_result_code`, which writes no "L").
#
# What Cython takes an expression for, the C compiler is expected to compute. A literal such as 60000000 is a `long` to
# Cython, and so is its product with a C `int`: `cython.typeof` says so, and `overflowcheck` checks a `long`. But in the C
# the literal has no suffix; there it is an `int`, the product is computed in 32 bits, wraps, and is made a `long` after
# that. A literal that 32 bits cannot hold is no C number at all, and its product is exact. The documentation has it, among
# the differences between C and Cython expressions, that a literal is a C constant; not that Cython itself believes
# otherwise. Seen, for variables of type `int`, in microseconds:
#   40 hours * 3600000000: 144000000000, of type int object
#   40 minutes * 60000000: -1894967296, of type long
#   40 minutes * 60000000 with overflowcheck: 2400000000
#   40 minutes * 60000000LL: 2400000000
#   40 minutes * a `long long` of 60000000: 2400000000
#   now + 40 minutes * 60000000 is after now, a `long long`: False
#   now + 30 minutes * 60000000 is after now, a `long long`: True
#
# What follows from it: a timeout is right up to a certain length, in microseconds 35 minutes, in nanoseconds 2 seconds,
# and beyond that a time in the past, although the variable that it goes to is wide enough, hours are right, and the
# check for overflows finds nothing. The factor has to be "LL", or a variable with the type of the times.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet cython==3.3.1 setuptools==80.9.0
cat > literals.pyx <<'PYX'
cimport cython


def of_hours(int hours): return hours * 3600000000, cython.typeof(hours * 3600000000)
def of_minutes(int minutes): return minutes * 60000000, cython.typeof(minutes * 60000000)
@cython.overflowcheck(True)
def checked(int minutes): return minutes * 60000000
def suffixed(int minutes): return minutes * 60000000LL
def typed(int minutes):
    cdef long long minute = 60000000
    return minutes * minute
def after(long long now, int minutes):
    cdef long long deadline = now + minutes * 60000000
    return deadline > now
PYX
# Python's own flags say so, too: what does not fit wraps.
CFLAGS=-fwrapv venv/bin/cythonize -q -3 -i literals.pyx > log 2>&1 || { cat log; exit 1; }
seen=$(venv/bin/python - <<'PY'
import literals

now = 1767225600 * 10**6
print("40 hours * 3600000000: {}, of type {}".format(*literals.of_hours(40)))
print("40 minutes * 60000000: {}, of type {}".format(*literals.of_minutes(40)))
print(f"40 minutes * 60000000 with overflowcheck: {literals.checked(40)}")
print(f"40 minutes * 60000000LL: {literals.suffixed(40)}")
print(f"40 minutes * a `long long` of 60000000: {literals.typed(40)}")
print(f"now + 40 minutes * 60000000 is after now, a `long long`: {literals.after(now, 40)}")
print(f"now + 30 minutes * 60000000 is after now, a `long long`: {literals.after(now, 30)}")
PY
)
echo "$seen"
for line in "40 hours * 3600000000: 144000000000, of type int object" "40 minutes * 60000000: -1894967296, of type long" \
    "40 minutes * 60000000 with overflowcheck: 2400000000" "40 minutes * 60000000LL: 2400000000" \
    "40 minutes * a \`long long\` of 60000000: 2400000000" \
    "now + 40 minutes * 60000000 is after now, a \`long long\`: False" \
    "now + 30 minutes * 60000000 is after now, a \`long long\`: True"; do
    grep -qxF "$line" <<< "$seen"
done
