#!/usr/bin/env bash
# uvloop 0.23.0 (PyPI), CPython 3.11, Linux; the source is `Loop.call_later`, which rounds to whole milliseconds, to the
# nearest, and calls `call_soon` if that is none, in
# https://github.com/MagicStack/uvloop/blob/0582f946aeca3a9e9af08c3abe7f812bdbc6f91d/uvloop/loop.pyx;
# https://github.com/MagicStack/uvloop/issues/359 tells of the clock, and https://github.com/MagicStack/uvloop/pull/755
# of sleeps that are up to a millisecond too short.
#
# uvloop is there to take the place of asyncio's loop, https://uvloop.readthedocs.io: timers are expected to come in the
# order of their times, a little late perhaps, and short sleeps to take some time. But what is less than half a
# millisecond is none at all, so that a thousand such sleeps pass at once; and all that round to the same millisecond
# come in the order in which they were set, whatever their times. Seen, with asyncio's loop beside it:
#   1000 sleeps of 0.4 ms: uvloop 0.01 s, asyncio 1.2 s
#   set for 0.4, then 0.1 ms: uvloop 0.4 0.1, asyncio 0.1 0.4
#   set for 6.4, 5.6 and 6.2 ms: uvloop 6.4 5.6 6.2, asyncio 5.6 6.2 6.4
#
# What follows from it: a pace that is kept by short sleeps, 2500 requests a second or a poll with a little pause, is
# not kept, and the pause becomes a busy loop; and of two timers the later may come first, so that what it finds undone
# is not yet due to be done. Times have to be compared with the clock when a timer comes, and the rest slept again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uvloop==0.23.0
cat > "$folder/delays.py" <<'PY'
import asyncio
import time

import uvloop


async def slept():
    start = time.monotonic()
    for _ in range(1000):
        await asyncio.sleep(0.0004)
    return time.monotonic() - start


async def order(*delays):
    loop, rung = asyncio.get_running_loop(), []
    while True:
        start = now = loop.time()
        while now - start < 0.0005:
            now = loop.time()
        handles = [loop.call_later(delay / 1000, rung.append, delay) for delay in delays]
        if loop.time() - now < 0.0001:  # all at once, and within one millisecond of uvloop's clock, which shows no less
            break
        for handle in handles:
            handle.cancel()
    await asyncio.sleep(0.1)
    return " ".join(map(str, rung))


def both(what, *given):
    return uvloop.run(what(*given)), asyncio.run(what(*given))


fast, slow = both(slept)
print(f"1000 sleeps of 0.4 ms: uvloop {fast:.2f} s, asyncio {slow:.1f} s")
assert slow >= 0.4 > 2 * fast
print("set for 0.4, then 0.1 ms: uvloop {}, asyncio {}".format(*both(order, 0.4, 0.1)))
print("set for 6.4, 5.6 and 6.2 ms: uvloop {}, asyncio {}".format(*both(order, 6.4, 5.6, 6.2)))
PY
seen=$("$folder/venv/bin/python" "$folder/delays.py")
echo "$seen"
for line in "set for 0.4, then 0.1 ms: uvloop 0.4 0.1, asyncio 0.1 0.4" \
    "set for 6.4, 5.6 and 6.2 ms: uvloop 6.4 5.6 6.2, asyncio 5.6 6.2 6.4"; do
    grep -qxF "$line" <<< "$seen"
done
