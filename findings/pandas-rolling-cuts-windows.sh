#!/usr/bin/env bash
# pandas 3.1.1 (PyPI), CPython 3.11; the source is `Rolling._validate`, which casts the window to the index's unit by
# `as_unit`, in https://github.com/pandas-dev/pandas/blob/v3.1.1/pandas/core/window/rolling.py; for the labels it is
# `DatetimeIndex._parsed_string_to_bounds` in pandas/core/indexes/datetimes.py.
# https://github.com/pandas-dev/pandas/issues/55106, which is closed, was of windows that were far too long.
#
# A window of a second and a half is expected to be that long, whatever the unit in which the times are stored, or to
# raise, as `resample` does for the same length; the page of `rolling` calls it the time period of each window,
# https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.rolling.html. But what the unit cannot hold is cut off
# the window without a word, so that it is a second for times in whole seconds, and none at all if it was less than one:
# then not even a row of the same moment is seen. A label with a fraction is cut as well. Times from NumPy and from
# files come in seconds and milliseconds. Seen, for an event a second, six of them, and two at once:
#   in 1500 ms up to each: us 1 2 2 2 2 2, s 1 1 1 1 1 1
#   in 2999 ms up to each: us 1 2 3 3 3 3, s 1 2 2 2 2 2
#   in 1500 us, an event a millisecond: us 1 2 2 2 2 2, ms 1 1 1 1 1 1
#   in 500 ms, two at once: us 1 2, s 1 1
#   resample by 1500 ms: us 4 windows, s ValueError
#   series["00:00:02.5":] begins: us 00:00:03, s 00:00:02
#   series[Timestamp("00:00:02.5"):] begins: us 00:00:03, s 00:00:03
#
# What follows from it: a count of the latest events, as a limit on their rate takes it, finds half of them or only the
# last, and what is to begin after a time has an event from before it; all of which changes with the file that the times
# came from. `index.as_unit("ns")` before the window or the label gives the right ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pandas==3.1.1
cat > windows.py <<'PY'
import numpy
import pandas

start = numpy.datetime64("2026-01-01T00:00:00")
seconds = pandas.DatetimeIndex(start + numpy.arange(6))
millis = pandas.DatetimeIndex(start.astype("M8[ms]") + numpy.arange(6))
twice = seconds[[0, 0]]
assert (seconds.unit, millis.unit) == ("s", "ms")


def both(what, index, tell):
    answers = []
    for unit in ("us", index.unit):
        try:
            answers.append(f"{unit} {tell(pandas.Series(1, index=index.as_unit(unit)))}")
        except ValueError:
            answers.append(f"{unit} ValueError")
    print(f"{what}: {', '.join(answers)}")


def count(window):
    return lambda series: " ".join(f"{n:.0f}" for n in series.rolling(window).sum())


def first(label):
    return lambda series: series.loc[label:].index[0].time()


both("in 1500 ms up to each", seconds, count("1500ms"))
both("in 2999 ms up to each", seconds, count("2999ms"))
both("in 1500 us, an event a millisecond", millis, count("1500us"))
both("in 500 ms, two at once", twice, count("500ms"))
both("resample by 1500 ms", seconds, lambda series: f"{len(series.resample('1500ms').sum())} windows")
both('series["00:00:02.5":] begins', seconds, first("2026-01-01 00:00:02.5"))
both('series[Timestamp("00:00:02.5"):] begins', seconds, first(pandas.Timestamp("2026-01-01 00:00:02.5")))
PY
seen=$(venv/bin/python -W error windows.py)
echo "$seen"
for line in "in 1500 ms up to each: us 1 2 2 2 2 2, s 1 1 1 1 1 1" \
    "in 2999 ms up to each: us 1 2 3 3 3 3, s 1 2 2 2 2 2" \
    "in 1500 us, an event a millisecond: us 1 2 2 2 2 2, ms 1 1 1 1 1 1" "in 500 ms, two at once: us 1 2, s 1 1" \
    "resample by 1500 ms: us 4 windows, s ValueError" 'series["00:00:02.5":] begins: us 00:00:03, s 00:00:02' \
    'series[Timestamp("00:00:02.5"):] begins: us 00:00:03, s 00:00:03'; do
    grep -qxF "$line" <<< "$seen"
done
