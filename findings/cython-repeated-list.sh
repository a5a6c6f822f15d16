#!/usr/bin/env bash
# Cython 3.0.12 to 3.3.1: in `[None] * table.count`, where `count` is a C attribute of an extension type, the expression is
# expected to be read once, as Python does. The C reads it twice: for the length of the list that it makes, and again at each
# turn of the loop that fills it. Between the two lies the making of the list, and CPython up to 3.11 may run a garbage
# collection there, and with it finalisers and callbacks of the program, which may change the attribute. A local variable in
# its place cannot change, and is as fast.
#
# What follows from it: a list was seen to be filled beyond its end on CPython 3.11, once a callback had made the attribute
# larger. From CPython 3.12 on, collections start between bytecodes only, and nothing was seen.
#
# This script looks at the C that four releases make. It neither compiles nor runs it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
cat >tables.pyx <<'PYX'
cdef class Table:
    cdef int count


def fresh(Table table):
    return [None] * table.count
PYX

for version in 3.0.12 3.1.6 3.2.4 3.3.1; do
    environment/bin/pip install --quiet "Cython==$version"
    environment/bin/cython -3 tables.pyx -o "$version.c"
    printf 'Cython %s:\n' "$version"
    grep -oF 'PyList_New(1 * (__pyx_v_table->count))' "$version.c" ||
        grep -oF 'PyList_New(1 * ((__pyx_v_table->count<0) ? 0:__pyx_v_table->count))' "$version.c"
    grep -oF '__pyx_temp < __pyx_v_table->count' "$version.c"
done
echo "as described"
