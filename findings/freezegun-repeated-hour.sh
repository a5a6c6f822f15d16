#!/usr/bin/env bash
# freezegun 1.5.5, beside time-machine 3.6.0 (PyPI), CPython 3.11; the source is
# https://github.com/spulec/freezegun/blob/1.5.5/freezegun/api.py (`datetime_to_fakedatetime`, which copies all fields
# but `fold`, and `FakeDatetime.now` and `FakeDatetime.astimezone`, which go through it);
# https://github.com/spulec/freezegun/issues/596 tells of `astimezone`.
#
# While time is frozen, `datetime.now(zone)` is expected to be that time, in whatever zone it is asked for, as
# `time.time()` and `datetime.now(timezone.utc)` are, and `astimezone` to keep the instant. For the second of the two
# hours when clocks are put back, both give the first: an hour too early. `astimezone` does so for every time that is
# parsed or computed there, whenever it is that time stands still. Seen, for 25 October 2026, 01:30:15 UTC, which is
# 02:30:15 in Paris, the second time that night; in seconds from there:
#   freezegun: time.time() 0, now(UTC) 0, now(Paris) -3600, fromtimestamp(Paris) -3600
#   freezegun, in July: parsed 0, in Paris -3600
#   time-machine: time.time() 0, now(UTC) 0, now(Paris) 0, fromtimestamp(Paris) 0
#   time-machine, in July: parsed 0, in Paris 0
#   none: parsed 0, in Paris 0
#
# What follows from it: tests of timers in just that night, which are why one freezes it, see a clock that goes back by
# an hour, and deadlines that are an hour early: code that is right fails, and code that loses the hour itself passes.
# With freezegun times have to stay in UTC; time-machine keeps the hour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet freezegun==1.5.5 time-machine==3.6.0 tzdata==2026.6
cat > "$folder/frozen.py" <<'PY'
import datetime
import time
from zoneinfo import ZoneInfo

import freezegun
import time_machine

PARIS, UTC = ZoneInfo("Europe/Paris"), datetime.timezone.utc
TEXT, JULY = "2026-10-25T01:30:15+00:00", "2026-07-01T00:00:00+00:00"
seconds = 1792891815
machines = {
    "freezegun": lambda text: freezegun.freeze_time(text),
    "time-machine": lambda text: time_machine.travel(datetime.datetime.fromisoformat(text), tick=False),
}


def parsed():
    at = datetime.datetime.fromisoformat(TEXT)
    return f"parsed {at.timestamp() - seconds:.0f}, in Paris {at.astimezone(PARIS).timestamp() - seconds:.0f}"


for name, machine in machines.items():
    with machine(TEXT):
        now = datetime.datetime.now
        shown = {
            "time.time()": time.time(),
            "now(UTC)": now(UTC).timestamp(),
            "now(Paris)": now(PARIS).timestamp(),
            "fromtimestamp(Paris)": datetime.datetime.fromtimestamp(time.time(), PARIS).timestamp(),
        }
    print(f"{name}:", ", ".join(f"{what} {stamp - seconds:.0f}" for what, stamp in shown.items()))
    with machine(JULY):
        print(f"{name}, in July: {parsed()}")
print(f"none: {parsed()}")
PY
seen=$("$folder/venv/bin/python" "$folder/frozen.py")
echo "$seen"
for line in "freezegun: time.time() 0, now(UTC) 0, now(Paris) -3600, fromtimestamp(Paris) -3600" \
    "freezegun, in July: parsed 0, in Paris -3600" \
    "time-machine: time.time() 0, now(UTC) 0, now(Paris) 0, fromtimestamp(Paris) 0" \
    "time-machine, in July: parsed 0, in Paris 0" "none: parsed 0, in Paris 0"; do
    grep -qxF "$line" <<< "$seen"
done
