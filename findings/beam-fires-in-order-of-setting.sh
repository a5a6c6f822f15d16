#!/usr/bin/env bash
# Apache Beam 2.77.0 (PyPI), Python SDK, FnApiRunner, CPython 3.11; the source is
# https://github.com/apache/beam/blob/v2.77.0/sdks/python/apache_beam/runners/portability/fn_api_runner/fn_runner.py
# (`_collect_written_timers`).
#
# A key sets three event-time timers with tags in one bundle: for second 30, second 10, second 20. A timer by its name
# is expected in the order of event time. FnApiRunner hands over all timers that a bundle has set as one batch, in the
# order in which they were set, once the watermark has passed the soonest: seen "30 10 20".
# What the firing of 10 sets for second 15 comes after 30 and 20: seen "30 10 20 15".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-beam==2.77.0
cat > "$folder/order.py" <<'PY'
import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import TimerSpec, on_timer


class Fires(beam.DoFn):
    WAKE = TimerSpec("wake", TimeDomain.WATERMARK)

    def process(self, element, wake=beam.DoFn.TimerParam(WAKE)):
        for second in element[1]:
            wake.set(second, dynamic_timer_tag=str(second))

    @on_timer(WAKE)
    def fire(self, tag=beam.DoFn.DynamicTimerTagParam, wake=beam.DoFn.TimerParam(WAKE)):
        if tag == "10":
            wake.set(15, dynamic_timer_tag="15")
        yield tag


with beam.Pipeline(runner=FnApiRunner()) as pipeline:
    pipeline | beam.Create([("key", (30, 10, 20))]) | beam.ParDo(Fires()) | beam.Map(print)
PY
seen=$("$folder/venv/bin/python" "$folder/order.py" 2> "$folder/errors" | tr '\n' ' ') || { cat "$folder/errors"; exit 1; }
echo "fired: $seen"
[ "$seen" = "30 10 20 15 " ]
