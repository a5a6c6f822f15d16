#!/usr/bin/env bash
# CPython 3.9 to 3.13 (any of them that `python3` is, or PYTHON names), without other packages; the source is
# https://github.com/python/cpython/blob/v3.13.0/Lib/asyncio/events.py (`TimerHandle.__eq__`, `TimerHandle.__hash__`).
#
# `loop.call_at` gives back a handle, which is there to cancel that one call. Handles of two calls are expected to be as
# different as two tasks, two futures, or two handles of `call_soon`, which compare by identity;
# https://docs.python.org/3/library/asyncio-eventloop.html#callback-handles says nothing else. But handles of timers
# are equal, with one hash, if their times, callbacks and arguments are equal and both or none are cancelled. Seen:
#   timers: equal True, a set holds 1 of 2
#   call_soon: equal False, a set holds 2 of 2
#   a dict of handle to owner: the first handle belongs to second, 1 owner of 2
#   rung after each handle of the set was cancelled: 1
#   a list that the second was removed from holds the second
#
# What follows from it: a set, a WeakSet or a dict of handles loses timers that have deadline and callback in common,
# and who cancels "all" of them at shutdown leaves some that ring. `call_later` hardly ever shows it, as its times
# differ; `call_at` with a deadline that was computed once does. A dict from `id(handle)` to the handle loses none.
set -euo pipefail
seen=$("${PYTHON:-python3}" - <<'PY'
import asyncio

rung = []


def ring():
    rung.append("ring")


async def main():
    loop = asyncio.get_running_loop()
    at = loop.time() + 0.05
    first, second = loop.call_at(at, ring), loop.call_at(at, ring)
    handles = {first, second}
    print(f"timers: equal {first == second}, a set holds {len(handles)} of 2")
    soon = [loop.call_soon(len, "") for _ in range(2)]
    print(f"call_soon: equal {soon[0] == soon[1]}, a set holds {len(set(soon))} of 2")
    owners = {first: "first"}
    owners[second] = "second"
    print(f"a dict of handle to owner: the first handle belongs to {owners[first]}, {len(owners)} owner of 2")
    left = [first, second]
    left.remove(second)
    for handle in handles:
        handle.cancel()
    await asyncio.sleep(0.5)
    print("rung after each handle of the set was cancelled:", len(rung))
    print("a list that the second was removed from holds the", "second" if left[0] is second else "first")


asyncio.run(main())
PY
)
echo "$seen"
for line in "timers: equal True, a set holds 1 of 2" "call_soon: equal False, a set holds 2 of 2" \
    "a dict of handle to owner: the first handle belongs to second, 1 owner of 2" \
    "rung after each handle of the set was cancelled: 1" "a list that the second was removed from holds the second"; do
    grep -qxF "$line" <<< "$seen"
done
