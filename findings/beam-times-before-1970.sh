#!/usr/bin/env bash
# Apache Beam 2.77.0 (PyPI), Python SDK, FnApiRunner, CPython 3.11; the source is
# https://github.com/apache/beam/blob/v2.77.0/sdks/python/apache_beam/coders/coder_impl.py
# (`WindowedValueCoderImpl.encode_to_stream`, `IntervalWindowCoderImpl.encode_to_stream`, `TimestampCoderImpl`).
#
# Where a pipeline encodes its elements, and a Reshuffle is enough for that, times are cut to milliseconds. All are
# expected to be cut the same way, so that an element stays within its window: "timestamps in range [start, end)", says
# `IntervalWindow`. But the time of an element is cut towards zero, to be consistent across SDKs as a comment there has
# it, while the ends of its window, and what `TimestampCoder` writes, are cut towards the past. Before 1970 these are
# opposite ways. Seen, in microseconds, with windows of a second, half a millisecond before the next one begins:
#   before: 1999500 in [1000000, 2000000): True
#   before: -1000500 in [-2000000, -1000000): True
#   after: 1999000 in [1000000, 2000000): True
#   after: -1000000 in [-2000000, -1000000): False
#   again: 1999000 in [1000000, 2000000): True
#   again: -1000000 in [-1000000, 0): True
#   TimestampCoder: -1000500 becomes -1001000
#
# What follows from it: such an element is later than it was, and outside of its own window; windowed by the same
# function once more ("again"), it counts for the next one, and timers that are compared with its time fire early. Who
# has times before 1970 cuts them to milliseconds before the pipeline does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-beam==2.77.0
cat > "$folder/windows.py" <<'PY'
import apache_beam as beam
from apache_beam.coders import TimestampCoder
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.window import FixedWindows, TimestampedValue
from apache_beam.utils.timestamp import Timestamp


class Show(beam.DoFn):
    def __init__(self, when):
        self.when = when

    def process(self, element, at=beam.DoFn.TimestampParam, window=beam.DoFn.WindowParam):
        inside = window.start <= at < window.end
        print(f"{self.when}: {at.micros} in [{window.start.micros}, {window.end.micros}): {inside}")
        yield element


def timed(micros):
    return TimestampedValue(micros, Timestamp(micros=micros))


def windows(name):
    return name >> beam.WindowInto(FixedWindows(1))


with beam.Pipeline(runner=FnApiRunner()) as pipeline:
    first = pipeline | beam.Create([1999500, -1000500]) | beam.Map(timed) | windows("window")
    second = first | "before" >> beam.ParDo(Show("before")) | beam.Reshuffle() | "after" >> beam.ParDo(Show("after"))
    second | windows("window again") | "again" >> beam.ParDo(Show("again"))
coder = TimestampCoder()
print("TimestampCoder: -1000500 becomes", coder.decode(coder.encode(Timestamp(micros=-1000500))).micros)
PY
seen=$("$folder/venv/bin/python" "$folder/windows.py" 2> "$folder/errors") || { cat "$folder/errors"; exit 1; }
echo "$seen"
for line in "before: 1999500 in [1000000, 2000000): True" "after: 1999000 in [1000000, 2000000): True" \
    "again: 1999000 in [1000000, 2000000): True" "before: -1000500 in [-2000000, -1000000): True" \
    "after: -1000000 in [-2000000, -1000000): False" "again: -1000000 in [-1000000, 0): True" \
    "TimestampCoder: -1000500 becomes -1001000"; do
    grep -qxF -e "$line" <<< "$seen"
done
