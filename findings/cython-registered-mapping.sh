#!/usr/bin/env bash
# Cython 3.3.1 on CPython 3.10 or newer; the source is
# https://github.com/python/cpython/blob/v3.12.0/Modules/_abc.c (`set_collection_flag_recursive`).
#
# A class that was registered as a `Mapping` is expected to be one to a pattern, too: "case {key: value}" asks for no
# more, and for a class written in Python `Mapping.register` is enough. For a `cdef class` it is not: `isinstance` says
# yes, the pattern passes it over without a word, and so it does with each Python class derived from it. What a pattern
# looks at is a flag of the type, and `register` leaves that of an extension type alone, as such types do not change.
# Seen: isinstance True three times; matched False for the `cdef class` and its subclass, True for the Python class.
# The `cdef class` with the directive `collection_type("mapping")` is matched, as Cython then sets the flag.
set -euo pipefail
python=
for name in python3.13 python3.12 python3.11 python3.10 python3; do
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2> /dev/null && python=$name && break
done
[ -n "$python" ] || { echo "needs CPython 3.10 or newer"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$python" -m venv venv
venv/bin/pip install --quiet cython==3.3.1 setuptools==80.9.0
cat > tables.pyx <<'PYX'
cimport cython

cdef class Plain:
    def keys(self): return ["a"]
    def __getitem__(self, key): return {"a": 1}[key]
    def get(self, key, default=None): return {"a": 1}.get(key, default)
    def __len__(self): return 1
    def __iter__(self): return iter("a")

@cython.collection_type("mapping")
cdef class Told(Plain):
    pass
PYX
venv/bin/cythonize -q -3 -i tables.pyx > log 2>&1 || { cat log; exit 1; }
seen=$(venv/bin/python - <<'PY'
from collections.abc import Mapping

from tables import Plain, Told


class InPython:
    keys, __len__, __iter__ = lambda self: ["a"], lambda self: 1, lambda self: iter("a")
    get = __getitem__ = lambda self, key, default=None: {"a": 1}.get(key, default)


class Derived(Plain):
    pass


def matched(table):
    match table:
        case {"a": 1}:
            return True
    return False


for kind in (Plain, Told, InPython):
    Mapping.register(kind)
for kind in (Plain, Derived, InPython, Told):
    print(f"{kind.__name__}: isinstance {isinstance(kind(), Mapping)}, matched {matched(kind())}")
PY
)
echo "$seen"
for line in "Plain: isinstance True, matched False" "Derived: isinstance True, matched False" \
    "InPython: isinstance True, matched True" "Told: isinstance True, matched True"; do
    grep -qxF "$line" <<< "$seen"
done
