#!/usr/bin/env bash
# Trio 0.35.0 and AnyIO 4.16.0 (PyPI), CPython 3.11; the source is `unrolled_run` in
# https://github.com/python-trio/trio/blob/v0.35.0/src/trio/_core/_run.py, where expired deadlines are taken in order,
# and then, one time in two, the list of all that may run is turned over. https://github.com/python-trio/trio/issues/32
# has reasons for it, with tasks that wait for nothing as examples; the documentation of sleeping,
# https://trio.readthedocs.io/en/stable/reference-core.html, doesn't say that the order of times is lost by it.
#
# Of tasks that sleep for 10 and for 20 ms, the first is expected to go on first, as it does with asyncio, and the order
# to be open for equal times at most. But when both times have passed before the loop looks, since another task was
# busy or a test clock has jumped, the later one comes first as often as not, and of many the last comes first. It is no
# shuffle: the order is right or exactly backwards. Seen in 64 runs each:
#   trio, busy for 40 ms: 1 2 3 and 3 2 1
#   trio, MockClock.jump(10): 1 2 3 and 3 2 1
#   trio, MockClock.jump(1), three times: 1 2 3
#   anyio with trio, busy for 40 ms: 1 2 3 and 3 2 1
#   anyio with asyncio, busy for 40 ms: 1 2 3
#
# What follows from it: under load the end of a lease is handled before the warning that it will end, and the newest
# retry before the oldest; a library on AnyIO that is right with asyncio is wrong with Trio, half of the time, and only
# after a pause. What has to come in order needs one task that waits for the soonest and takes what is due in order.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet trio==0.35.0 anyio==4.16.0
cat > order.py <<'PY'
import time

import anyio
import trio
import trio.testing


async def run(library, group, busy=0.04, jumps=(), clock=None):
    """In which order three tasks wake that sleep for 1, 2 and 3 units."""
    woken, unit = [], 1 if clock else 0.01

    async def sleep(units):
        await library.sleep(units * unit)
        woken.append(str(units))

    async with group() as tasks:
        for units in (1, 2, 3):
            tasks.start_soon(sleep, units)
        for seconds in jumps:
            await trio.testing.wait_all_tasks_blocked()
            clock.jump(seconds)
        if not clock:
            await library.sleep(0.001)
            time.sleep(busy)
    return " ".join(woken)


def jumped(*seconds):
    clock = trio.testing.MockClock()
    return trio.run(run, trio, trio.open_nursery, 0, seconds, clock, clock=clock)


def orders(of):
    return " and ".join(sorted({of() for _ in range(64)}))


print("trio, busy for 40 ms:", orders(lambda: trio.run(run, trio, trio.open_nursery)))
print("trio, MockClock.jump(10):", orders(lambda: jumped(10)))
print("trio, MockClock.jump(1), three times:", orders(lambda: jumped(1, 1, 1)))
for backend in ("trio", "asyncio"):
    print(f"anyio with {backend}, busy for 40 ms:", orders(
        lambda: anyio.run(run, anyio, anyio.create_task_group, backend=backend)))
PY
seen=$(venv/bin/python order.py)
echo "$seen"
for line in "trio, busy for 40 ms: 1 2 3 and 3 2 1" "trio, MockClock.jump(10): 1 2 3 and 3 2 1" \
    "trio, MockClock.jump(1), three times: 1 2 3" "anyio with trio, busy for 40 ms: 1 2 3 and 3 2 1" \
    "anyio with asyncio, busy for 40 ms: 1 2 3"; do
    grep -qxF "$line" <<< "$seen"
done
