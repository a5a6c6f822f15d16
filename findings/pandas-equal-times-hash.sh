#!/usr/bin/env bash
# pandas 3.1.1 (PyPI), CPython 3.11; the source is
# https://github.com/pandas-dev/pandas/blob/v3.1.1/pandas/_libs/tslibs/timestamps.pyx (`_Timestamp.__hash__`, which
# takes a time in the second of two hours for one in the first, and `_Timestamp.__richcmp__`, which compares two
# Timestamps by their numbers and leaves a Timestamp and a datetime to `datetime`);
# https://github.com/pandas-dev/pandas/issues/60084, which is closed, tells of the hashes of two Timestamps in the same
# zone.
#
# Two Timestamps that are equal are expected to be one key of a dict, whatever their zones: pandas compares instants,
# and a Timestamp in New York finds the one in UTC. In the second of the two hours when clocks are put back, a Timestamp
# is equal to the same instant in UTC and has the hash of the one an hour before. Python's datetimes get around this by
# being equal to none of another zone in either hour, as PEP 495 says. And as a Timestamp beside a datetime follows
# that, equality depends on the class. Seen, for 02:30 in Paris, the second time that night, which is 01:30 UTC and
# 21:30 in New York:
#   New York and UTC: equal True, hashes equal True, found in a dict True
#   Paris and UTC: equal True, hashes equal False, found in a dict False
#   Paris and the hour before: equal False, hashes equal True
#   a set of all three: 2
#   beside UTC's datetime: == False, <= True, >= True, in a Series == True
#   datetime == UTC: True, UTC == Paris: True, datetime == Paris: False
#
# What follows from it: in a dict or a set of timers by their time, one is not found again by an equal time, and so is
# neither cancelled nor joined with others, for one hour a year; and what compares with datetimes is wrong in both
# hours. Timestamps have to be keys in UTC, `time.tz_convert("UTC")`. An Index finds them all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pandas==3.1.1 tzdata==2026.6
cat > "$folder/hashes.py" <<'PY'
import pandas

utc = pandas.Timestamp("2026-10-25 01:30", tz="UTC")
paris, york = utc.tz_convert("Europe/Paris"), utc.tz_convert("America/New_York")
before = (utc - pandas.Timedelta(hours=1)).tz_convert("Europe/Paris")
assert str(paris) == "2026-10-25 02:30:00+01:00" and str(before) == "2026-10-25 02:30:00+02:00"


def compared(time, other):
    return f"equal {time == other}, hashes equal {hash(time) == hash(other)}"


print(f"New York and UTC: {compared(york, utc)}, found in a dict {york in {utc: 'timer'}}")
print(f"Paris and UTC: {compared(paris, utc)}, found in a dict {paris in {utc: 'timer'}}")
print(f"Paris and the hour before: {compared(paris, before)}")
print("a set of all three:", len({utc, york, paris}))
moment = utc.to_pydatetime()
print(f"beside UTC's datetime: == {paris == moment}, <= {paris <= moment}, >= {paris >= moment},", end=" ")
print(f"in a Series == {(pandas.Series([paris]) == moment)[0]}")
print(f"datetime == UTC: {moment == utc}, UTC == Paris: {utc == paris}, datetime == Paris: {moment == paris}")
assert paris in pandas.DatetimeIndex([utc]) and paris.tz_convert("UTC") in {utc: "timer"}
PY
seen=$("$folder/venv/bin/python" "$folder/hashes.py")
echo "$seen"
for line in "New York and UTC: equal True, hashes equal True, found in a dict True" \
    "Paris and UTC: equal True, hashes equal False, found in a dict False" \
    "Paris and the hour before: equal False, hashes equal True" "a set of all three: 2" \
    "beside UTC's datetime: == False, <= True, >= True, in a Series == True" \
    "datetime == UTC: True, UTC == Paris: True, datetime == Paris: False"; do
    grep -qxF "$line" <<< "$seen"
done
