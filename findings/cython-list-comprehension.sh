#!/usr/bin/env bash
# Cython 3.3.0 and 3.3.1: a list comprehension hands each new item to the list by a call that gives the item's reference up in
# every case, also where the list could not grow. The code that is reached on that failure gives up the same reference once more,
# for the variable that holds the item is emptied only after a success. Up to 3.2.4, and in 3.1.6, the call left the reference
# alone, the variable was emptied after it, and so one release happened in either case.
#
# What follows from it: where memory fails, an item is released twice. CPython 3.14 and 3.15 were seen to crash of that, and up to
# 3.13 nothing was seen. A package that has to live with failing allocations writes a loop with `append` instead, or an exact
# Cython version.
#
# This script looks at the C that four releases make of a comprehension. It neither compiles nor runs it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
printf 'def squares(count):\n    return [number * number for number in range(count)]\n' >comprehension.pyx

# What the loop of the C calls to append, and what it does to the variable after that.
expect() {
    environment/bin/pip install --quiet "Cython==$1"
    environment/bin/cython -3 comprehension.pyx -o "$1.c"
    local found
    found=$(grep -A 1 'unlikely(__Pyx_ListComp_Append' "$1.c" | sed -E 's/^ *//; s/, __PYX_ERR.*//; s/\) __PYX_ERR.*/)/')
    printf 'Cython %s:\n%s\n' "$1" "$found"
    grep -q "$2(__pyx" <<<"$found"
    grep -qE "^$3" <<<"$found"
}

expect 3.1.6 __Pyx_ListComp_Append '__Pyx_DECREF\(__pyx_t_[0-9]+\); __pyx_t_[0-9]+ = 0;'
expect 3.2.4 __Pyx_ListComp_Append '__Pyx_DECREF\(__pyx_t_[0-9]+\); __pyx_t_[0-9]+ = 0;'
for version in 3.3.0 3.3.1; do
    expect $version __Pyx_ListComp_AppendAndDecref '__pyx_t_[0-9]+ = 0;'
    # The call releases whether or not the append succeeded.
    grep -A 4 'int result = PyList_Append(list, x);' $version.c | grep -q 'Py_DECREF(x);'
done
echo "as described"
