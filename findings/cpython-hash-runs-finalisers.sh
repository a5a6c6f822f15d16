#!/usr/bin/env bash
# CPython 3.11 (any 3.9 to 3.11); the source is https://github.com/python/cpython/blob/v3.11.2/Modules/_datetimemodule.c
# (`delta_hash`, `delta_getstate`, `datetime_hash`).
#
# `hash()` of an immutable object of a built-in type is expected to compute a number and to run nobody's code, and so are
# dicts and sets with such keys. The first hash of a `timedelta`, and of an aware `datetime`, makes a tuple of its fields.
# To make it may start the garbage collector, and that runs the `__del__` of any unreachable cycle of the program, which
# may change the very table that the hash was asked for. Seen: "finaliser ran inside hash(timedelta)" and the same of an
# aware datetime. The hash of an equal `date`, and of a naive datetime, makes none: "nothing ran inside hash(date)". From
# CPython 3.12 on, collections start between bytecodes, and nothing runs inside any of them.
set -euo pipefail
python=$(command -v python3.11 python3.10 python3.9 python3 | head -n 1)
"$python" -c 'import sys; sys.exit(not (3, 9) <= sys.version_info < (3, 12))' || { echo "needs CPython 3.9 to 3.11"; exit 77; }
seen=$("$python" - <<'PY'
import gc
from datetime import date, datetime, timedelta, timezone

ran = []


class Garbage:
    def __init__(self):
        self.me = self

    def __del__(self):
        ran.append(self)


for token in (timedelta(1), datetime(2026, 1, 1, tzinfo=timezone.utc), date(2026, 1, 1), datetime(2026, 1, 1)):
    gc.disable()
    gc.collect()
    ran.clear()
    # Tuples that the interpreter would use again do not count as new.
    held = [(number, number, number) for number in range(5000)]
    Garbage()
    function = hash
    gc.set_threshold(1)
    spare = [[], []]
    gc.enable()
    before = len(ran)
    function(token)
    inside = len(ran) > before
    gc.disable()
    kind = ("aware " if getattr(token, "tzinfo", None) else "naive " * (type(token) is datetime)) + type(token).__name__
    print("finaliser ran" if inside else "nothing ran", f"inside hash({kind})")
    del held
PY
)
echo "$seen"
grep -qx "finaliser ran inside hash(timedelta)" <<< "$seen"
grep -qx "finaliser ran inside hash(aware datetime)" <<< "$seen"
grep -qx "nothing ran inside hash(date)" <<< "$seen"
grep -qx "nothing ran inside hash(naive datetime)" <<< "$seen"
