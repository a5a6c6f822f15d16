#!/usr/bin/env bash
# Bytewax 0.21.1 (PyPI), CPython 3.11; the source is
# https://github.com/bytewax/bytewax/blob/v0.21.1/pysrc/bytewax/operators/windowing.py (`_WindowLogic._is_empty`, by which
# a key's logic is discarded, and `_EventClockLogic`, whose state goes with it).
#
# By https://github.com/bytewax/bytewax/blob/v0.21.1/docs/guide/concepts/windowing.md nothing changes a window any more
# that the watermark has closed: an item before the watermark is late, and belongs to no window. So a window is expected
# to be emitted once, and an item that comes after that to be late. But the watermark of a key is kept with its open windows, and once the last of
# them is closed it is forgotten. The next item of the key starts a new one, at its own time, however old that is: it is
# not late, and the window that was closed is opened, filled and emitted again, with the same ID and without what it had.
# Seen, in seconds, with windows of half a second; 0.1 and 0.2 come three seconds after 0.0, and those of key "b" right
# behind an item of second 100, so that it has another window open by then:
#   a: window 0 [0.0], window 0 [0.1, 0.2], late []
#   b: window 0 [0.0], window 200 [100.0], late [0.1, 0.2]
#
# What follows from it: whoever stores results by key and window, or adds them up, overwrites or doubles one that was
# final; a session or a timeout that has ended begins anew with the past; and which items are late depends on what else
# the key has had. Items have to be compared with the clock before they reach the window.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet bytewax==0.21.1
cat > "$folder/again.py" <<'PY'
from datetime import datetime, timedelta, timezone

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.operators.windowing import EventClock, TumblingWindower, collect_window
from bytewax.testing import TestingSink, run_main

start = datetime.now(timezone.utc)
# When items come, and which: keys and times.
batches = [
    (0, [("a", 0), ("b", 0)]),
    (3, [("b", 100), ("a", 0.1), ("b", 0.1), ("a", 0.2), ("b", 0.2)]),
]


def after(seconds):
    return start + timedelta(seconds=seconds)


class Items(StatelessSourcePartition):
    def __init__(self):
        self.left = list(batches)

    def next_batch(self):
        if not self.left:
            raise StopIteration
        return [(key, after(seconds)) for key, seconds in self.left.pop(0)[1]]

    def next_awake(self):
        return after(self.left[0][0]) if self.left else None


class Source(DynamicSource):
    def build(self, step_id, worker_index, worker_count):
        return Items()


flow = Dataflow("flow")
clock = EventClock(lambda at: at, wait_for_system_duration=timedelta(0))
windower = TumblingWindower(length=timedelta(seconds=0.5), align_to=start)
windows = collect_window("windows", op.input("items", flow, Source()), clock, windower)
emitted, late = [], []
op.output("emitted", windows.down, TestingSink(emitted))
op.output("late", windows.late, TestingSink(late))
run_main(flow)


def seconds(ats):
    return [(at - start).total_seconds() for at in ats]


for name in "ab":
    parts = [f"window {window} {seconds(ats)}" for key, (window, ats) in emitted if key == name]
    print(f"{name}: {', '.join(parts)}, late {seconds(at for key, (_, at) in late if key == name)}")
PY
seen=$("$folder/venv/bin/python" "$folder/again.py" 2> "$folder/errors") || { cat "$folder/errors"; exit 1; }
echo "$seen"
for line in "a: window 0 [0.0], window 0 [0.1, 0.2], late []" "b: window 0 [0.0], window 200 [100.0], late [0.1, 0.2]"; do
    grep -qxF "$line" <<< "$seen"
done
