#!/usr/bin/env bash
# CPython 3.9 to 3.13 (any of them that `python3` is, or PYTHON names), without other packages; the sources are
# `heappush_internal` and `heappop_internal` in https://github.com/python/cpython/blob/v3.13.0/Modules/_heapqmodule.c,
# and `put` in https://github.com/python/cpython/blob/v3.13.0/Lib/queue.py.
#
# A heap of (time, job) raises TypeError where two times are equal and the jobs have no order; the documentation of
# `heapq` warns of that, and a call that raised is expected to have done nothing, as `insort` and a sorted copy do. But
# `heappush` appends before it compares, and `heappop` has taken the soonest before it puts the rest in order, so that
# pushes which all succeeded may end in a pop that loses a timer. https://github.com/python/cpython/issues/100968 tells
# of `heappush`. Seen:
#   heappush of a second one for 12:00: TypeError, in the heap: 2, after another try: 3
#   heappop of 11:00, 12:00, 12:00, 13:00: TypeError, left: 13:00 12:00 12:00
#   PriorityQueue.put: TypeError, in the queue: 2, unfinished tasks: 1
#   PriorityQueue.get of 11:00, 12:00, 12:00, 13:00: TypeError, left: 3
#   insort of a second one for 12:00: TypeError, in the list: 1
#
# What follows from it: who catches the error and tries again has the timer twice; who catches that of `heappop` has lost
# the soonest one, which had nothing to do with the two that cannot be compared, and what is left begins with the latest;
# and a `PriorityQueue` ends its `join` with one still to be done. A number between the time and the job, from
# `itertools.count`, is no luxury.
set -euo pipefail
seen=$("${PYTHON:-python3}" - <<'PY'
from bisect import insort
from heapq import heappop, heappush
from queue import PriorityQueue


def error_of(call, *given):
    try:
        call(*given)
    except TypeError:
        return "TypeError"
    return "no error"


NOON = ("12:00", {"job": 1}), ("12:00", {"job": 2})
heap = [NOON[0]]
error = error_of(heappush, heap, NOON[1])
count = len(heap)
error_of(heappush, heap, NOON[1])
print(f"heappush of a second one for 12:00: {error}, in the heap: {count}, after another try: {len(heap)}")

day = [("11:00", {}), *NOON, ("13:00", {})]
heap = []
for timer in day:
    assert error_of(heappush, heap, timer) == "no error"
error = error_of(heappop, heap)
print(f"heappop of 11:00, 12:00, 12:00, 13:00: {error}, left:", *[at for at, job in heap])

queue = PriorityQueue()
queue.put(NOON[0])
error = error_of(queue.put, NOON[1])
print(f"PriorityQueue.put: {error}, in the queue: {queue.qsize()}, unfinished tasks: {queue.unfinished_tasks}")
queue = PriorityQueue()
for timer in day:
    queue.put(timer)
print(f"PriorityQueue.get of 11:00, 12:00, 12:00, 13:00: {error_of(queue.get)}, left: {queue.qsize()}")

line = [NOON[0]]
print(f"insort of a second one for 12:00: {error_of(insort, line, NOON[1])}, in the list: {len(line)}")
PY
)
echo "$seen"
for line in "heappush of a second one for 12:00: TypeError, in the heap: 2, after another try: 3" \
    "heappop of 11:00, 12:00, 12:00, 13:00: TypeError, left: 13:00 12:00 12:00" \
    "PriorityQueue.put: TypeError, in the queue: 2, unfinished tasks: 1" \
    "PriorityQueue.get of 11:00, 12:00, 12:00, 13:00: TypeError, left: 3" \
    "insort of a second one for 12:00: TypeError, in the list: 1"; do
    grep -qxF "$line" <<< "$seen"
done
