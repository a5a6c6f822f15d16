#!/usr/bin/env bash
# Cython 3.0.12 to 3.3.1: the C for a slice of a typed list (`items[:]`, the usual way to copy one) takes the address and the
# number of the list's items first, and makes the new list after that, in a function that knows the address alone. CPython up to
# 3.11 may run a garbage collection, and with it finalisers and callbacks, while a list is made; so the items need not be where
# they were by the time they are copied. A critical section around it, which 3.1 brought for free-threaded interpreters, keeps
# other threads out, and not code of the same thread.
#
# What follows from it: such a slice was seen to read freed memory on CPython 3.11. A package that must stand foreign code in the
# middle of its own makes the empty list first and calls its `extend`, which looks the items up when it has all the memory it
# needs. From CPython 3.12 on, collections start between bytecodes only, and nothing was seen.
#
# This script looks at the C that four releases make of a slice, and of `extend`. It neither compiles nor runs it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
cat >copying.pyx <<'PYX'
def sliced(list items):
    return items[:]


def extended(list items):
    copy = []
    copy.extend(items)
    return copy
PYX

for version in 3.0.12 3.1.6 3.2.4 3.3.1; do
    environment/bin/pip install --quiet "Cython==$version"
    environment/bin/cython -3 copying.pyx -o "$version.c"
    # The function that is called with the address, and the first thing that it does if there is an item at all.
    address=$(grep -m1 'FromArray(((PyListObject\*)src)->ob_item' "$version.c")
    made=$(grep -A 8 '^__Pyx_PyList_FromArray(PyObject \*const \*src' "$version.c" | grep -E -m1 '= PyList_New\(n\);|PyList_New\(n\);')
    grep -q '__Pyx_PyList_Extend(__pyx_v_copy, __pyx_v_items)' "$version.c"
    printf 'Cython %s:\n%s\n%s\n' "$version" "$address" "$made"
done
echo "as described"
