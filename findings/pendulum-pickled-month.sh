#!/usr/bin/env bash
# pendulum 3.3.0 (PyPI), CPython 3.11; the source is
# https://github.com/python-pendulum/pendulum/blob/3.3.0/src/pendulum/duration.py (`Duration.__deepcopy__`, and no
# `__reduce_ex__`, which `Interval` beside it has).
#
# A `Duration` of a month is a month of the calendar: added to 31 January it gives the last of February. It is expected
# to be the same after a pickle, and a shallow copy to keep what a deep one keeps. The documentation,
# https://pendulum.eustace.io/docs/#duration, speaks of approximations where `timedelta` gives numbers, such as `days`.
# But only `deepcopy` knows of months and years; `copy` and `pickle` go by `timedelta`, the base class, which has days
# alone. A month comes back as 30 days and a year as 365, and `==` says that nothing has changed. Seen:
#   original: 2026-01-31 + month = 2026-02-28, 2027-03-01 + year = 2028-03-01
#   deepcopy: 2026-01-31 + month = 2026-02-28, 2027-03-01 + year = 2028-03-01
#   copy: 2026-01-31 + month = 2026-03-02, 2027-03-01 + year = 2028-02-29
#   pickle: 2026-01-31 + month = 2026-03-02, 2027-03-01 + year = 2028-02-29
#   copies equal to the original: True True True
#
# What follows from it: a timer that comes every month is days off once its token went through a checkpoint, a cache or
# another process, and a test that compares what came back by `==` does not see it. The numbers of months and years
# have to be kept by themselves.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pendulum==3.3.0
cat > "$folder/months.py" <<'PY'
import copy
import pickle

import pendulum

january, march = pendulum.datetime(2026, 1, 31), pendulum.datetime(2027, 3, 1)
month, year = pendulum.duration(months=1), pendulum.duration(years=1)
ways = {
    "original": lambda duration: duration,
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda duration: pickle.loads(pickle.dumps(duration)),
}
for name, way in ways.items():
    due = [(january + way(month)).date(), (march + way(year)).date()]
    print(f"{name}: {january.date()} + month = {due[0]}, {march.date()} + year = {due[1]}")
equal = [way(month) == month and way(year) == year for name, way in ways.items() if name != "original"]
print("copies equal to the original:", *equal)
PY
seen=$("$folder/venv/bin/python" "$folder/months.py")
echo "$seen"
for line in "original: 2026-01-31 + month = 2026-02-28, 2027-03-01 + year = 2028-03-01" \
    "deepcopy: 2026-01-31 + month = 2026-02-28, 2027-03-01 + year = 2028-03-01" \
    "copy: 2026-01-31 + month = 2026-03-02, 2027-03-01 + year = 2028-02-29" \
    "pickle: 2026-01-31 + month = 2026-03-02, 2027-03-01 + year = 2028-02-29" \
    "copies equal to the original: True True True"; do
    grep -qxF "$line" <<< "$seen"
done
