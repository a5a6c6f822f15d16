#!/usr/bin/env bash
# gevent 26.9.0 (PyPI), CPython 3.11; the source is `Greenlet.start_later`, which starts a timer of libev without telling
# it to look at the clock, in https://github.com/gevent/gevent/blob/26.9.0/src/gevent/greenlet.py. For `gevent.sleep` and
# `Timeout` that was mended in 1.3.3 (https://github.com/gevent/gevent/issues/1227), not for `spawn_later`.
#
# `gevent.spawn_later(seconds, job)` is expected to start the job so many seconds later, counted from the call; the
# documentation has these words, https://www.gevent.org/api/gevent.greenlet.html. But it counts from when the loop last
# looked at the clock, which in a greenlet that a timer has woken is before all that has been computed since. Seen, where
# 0.5 s of work went before a delay of 0.2 s (the least of several tries):
#   in a new greenlet: 0.2
#   in one that slept for 0.01 s before the work: 0.0
#   there, after loop.update_now(): 0.2
#   gevent.sleep(0.2) in its place: 0.2
#   the longest pause of a job of 0.15 s that starts itself again after 0.1 s: 0.0
#
# What follows from it: retries come without their backoff, and a job that makes itself a pause takes the whole processor,
# as soon as it takes longer than the pause is. `gevent.get_hub().loop.update_now()` before the call, or a greenlet that
# sleeps by itself, keeps the time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet gevent==26.9.0
cat > later.py <<'PY'
import time

import gevent


def late(delay, slept, looked=False, sleeping=False):
    """How long it takes from the call, for who has slept before and worked since."""
    gevent.sleep(slept) if slept else None
    time.sleep(0.5)
    if looked:
        gevent.get_hub().loop.update_now()
    start = time.monotonic()
    if sleeping:
        gevent.sleep(delay)
    else:
        gevent.spawn_later(delay, int).join()
    return time.monotonic() - start


def least(*given, **named):
    return f"{min(gevent.spawn(late, *given, **named).get() for _ in range(3)):.1f}"


print("in a new greenlet:", least(0.2, 0))
print("in one that slept for 0.01 s before the work:", least(0.2, 0.01))
print("there, after loop.update_now():", least(0.2, 0.01, looked=True))
print("gevent.sleep(0.2) in its place:", least(0.2, 0.01, sleeping=True))
ends, pauses = [], []


def job():
    if ends:
        pauses.append(time.monotonic() - ends[-1])
    time.sleep(0.15)
    ends.append(time.monotonic())
    if len(ends) < 5:
        gevent.spawn_later(0.1, job)


gevent.spawn_later(0.1, job)
gevent.sleep(3)
# A busy machine may add to one or the other.
print(f"the longest pause of a job of 0.15 s that starts itself again after 0.1 s: {sorted(pauses)[1]:.1f}")
PY
seen=$(venv/bin/python later.py)
echo "$seen"
for line in "in a new greenlet: 0.2" "in one that slept for 0.01 s before the work: 0.0" \
    "there, after loop.update_now(): 0.2" "gevent.sleep(0.2) in its place: 0.2" \
    "the longest pause of a job of 0.15 s that starts itself again after 0.1 s: 0.0"; do
    grep -qxF "$line" <<< "$seen"
done
