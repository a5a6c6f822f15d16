#!/usr/bin/env bash
# Cython 3.3.1 (3.0.12, 3.1.6 and 3.2.4 do the same), where C's `int` has 32 bits; the source is
# https://github.com/cython/cython/blob/3.3.1/Cython/Compiler/PyrexTypes.py (`CBIntType`, an `int` whose conversions to
# and from Python alone know that it is a bool). https://github.com/cython/cython/issues/7015, on the speed of `bool`,
# tells of it in passing.
#
# `bint` is Cython's type for what is true or false, and a number that is stored in one is expected to be true unless it
# is zero, as in an `if`, in C's `bool`, or for a Python object. But what has a C type is assigned, passed and returned
# as an `int`: the lower 32 bits of it stay, whatever they are. The C compiler says nothing, with -Wall -Wextra neither,
# as it would need -Wconversion. So a `bint` may be false for a number that is not zero, and two that are true may be
# unequal. Seen, for the occupied slots of a wheel as an `unsigned long long`, with the bit of slot 31, and of slot 32:
#   if slots: True True
#   cdef bint some = slots: True False
#   cdef bint some = slots & (1ULL << slot): True False
#   returned as a bint: True False
#   passed as a bint: True False
#   a field of a struct that is a bint: True False
#   a Python int of the same value: True True
#   slots != 0: True True
#   of two bints, 4 and 1: True and True, equal False
#
# What follows from it: the timers in one half of the slots are taken for none, and are lost or late; a wait of a
# multiple of 2**32 ns is no wait; flags that are both set are taken for different. The test has to be written out,
# `!= 0`, wherever a `bint` comes from a wider number or from a mask.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet cython==3.3.1 setuptools==80.9.0
cat > bits.pyx <<'PYX'
cdef struct Wheel:
    bint some

cdef bint returned(unsigned long long slots) noexcept: return slots
cdef object passed(bint some): return some

def see(int slot):
    cdef unsigned long long slots = 1ULL << slot
    cdef bint some = slots, masked = slots & (1ULL << slot), tested = slots != 0
    cdef Wheel wheel = Wheel(some=slots)
    cdef object number = slots
    cdef bint of_object = number
    return {"if slots": True if slots else False, "cdef bint some = slots": some,
            "cdef bint some = slots & (1ULL << slot)": masked, "returned as a bint": returned(slots),
            "passed as a bint": passed(slots), "a field of a struct that is a bint": wheel.some,
            "a Python int of the same value": of_object, "slots != 0": tested}

def two(int flags):
    cdef bint one = flags & 4, other = flags & 1
    return f"{one} and {other}, equal {one == other}"
PYX
CFLAGS="-Wall -Wextra" venv/bin/cythonize -q -3 -i bits.pyx > log 2>&1 || { cat log; exit 1; }
if grep -n "bits.c.*conversion" log; then exit 1; fi
seen=$(venv/bin/python - <<'PY'
import bits

for (what, one), other in zip(bits.see(31).items(), bits.see(32).values()):
    print(f"{what}: {one} {other}")
print("of two bints, 4 and 1:", bits.two(5))
PY
)
echo "$seen"
for line in "if slots: True True" "cdef bint some = slots: True False" \
    "cdef bint some = slots & (1ULL << slot): True False" "returned as a bint: True False" \
    "passed as a bint: True False" "a field of a struct that is a bint: True False" \
    "a Python int of the same value: True True" "slots != 0: True True" \
    "of two bints, 4 and 1: True and True, equal False"; do
    grep -qxF "$line" <<< "$seen"
done
