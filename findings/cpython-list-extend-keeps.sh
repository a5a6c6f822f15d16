#!/usr/bin/env bash
# CPython 3.12 (any 3.10 to 3.12); the source is https://github.com/python/cpython/blob/v3.12.0/Objects/listobject.c
# (`list_extend`, `list_preallocate_exact`).
#
# A call that fails for want of memory is expected to leave its arguments as they were. `[].extend(other)` does not, nor
# do `[*other]` and `list(other)`: where the room for the items cannot be had, the MemoryError is raised, and one
# reference to `other` is never given back. So the list and all that it holds stay until the process ends, however often
# the program catches the error and lets go of what it has. A slice of the same length, `other[:]`, fails as it should,
# and so does `extend` of a list that has an item already. Seen: one reference more after each of the three, none after
# the other two. CPython 3.9, and 3.13 and newer, keep none.
set -euo pipefail
python=
for name in python3.12 python3.11 python3.10 python3; do
    "$name" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2> /dev/null && python=$name && break
done
[ -n "$python" ] || { echo "needs CPython 3.10 to 3.12"; exit 77; }
seen=$("$python" - <<'PY'
import resource
import sys

other = [None] * 25_000_000
with open("/proc/self/statm") as statm:
    pages = int(statm.read().split()[0])
# Room for much, but not for as many items once more.
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (64 << 20),) * 2)

works = {
    "[].extend(other)": lambda: [].extend(other),
    "[*other]": lambda: [*other],
    "list(other)": lambda: list(other),
    "other[:]": lambda: other[:],
    "[1].extend(other)": lambda: [1].extend(other),
}
for name, work in works.items():
    before = sys.getrefcount(other)
    try:
        work()
    except MemoryError:
        print(f"{name}: MemoryError, references kept: {sys.getrefcount(other) - before}")
PY
)
echo "$seen"
for work in '[].extend(other)' '[*other]' 'list(other)'; do
    grep -qxF "$work: MemoryError, references kept: 1" <<< "$seen"
done
for work in 'other[:]' '[1].extend(other)'; do
    grep -qxF "$work: MemoryError, references kept: 0" <<< "$seen"
done
