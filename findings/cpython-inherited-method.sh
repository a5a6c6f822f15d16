#!/usr/bin/env bash
# CPython 3.11.7, 3.12.1 and 3.13.0 (any CPython from 3.11 on that `python3` is, or PYTHON names); the source is
# https://github.com/python/cpython/blob/v3.13.0/Python/bytecodes.c (`CALL_METHOD_DESCRIPTOR_NOARGS` and its like).
#
# `bool` inherits `bit_length` from `int`: it is one and the same object, compiled code that does the same work for
# `True` as for 1. The call of it is expected to cost the same. But the specialised instruction for a method of a
# class in C is for instances of the very class that defines it, and an instance of a subclass falls out of it at every
# call. Seen, ns a call of `n.bit_length()`: 3.11.7 41 for 1 and 83 for True, 3.12.1 23 and 41, 3.13.0 27 and 44.
# (3.10.13, which specialises nothing, takes the same for both.)
#
# So a class in C that shares its methods with another by a common base makes all of them slower from 3.11 on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv --without-pip "$folder/venv"
cat > "$folder/inherited.py" <<'PY'
import sys
import timeit

if sys.version_info < (3, 11) or sys.implementation.name != "cpython":
    sys.exit("needs CPython 3.11 or newer: PYTHON=python3.13 " + sys.argv[0])
assert bool.bit_length is int.bit_length


# By turns, and the least of many short ones: whatever else the machine does only adds to it.
timers = [timeit.Timer("n.bit_length()", globals={"n": number}) for number in (1, True)]
rounds = [[timer.timeit(50_000) / 50_000 * 1e9 for timer in timers] for _ in range(200)]
own, inherited = map(min, zip(*rounds))
print(f"CPython {sys.version.split()[0]}: {own:.0f} ns for 1, {inherited:.0f} ns for True")
sys.exit(inherited < 1.2 * own)
PY
"$folder/venv/bin/python" "$folder/inherited.py" || { echo "this has changed"; exit 1; }
echo "the same method costs more where it is inherited"
