#!/usr/bin/env bash
# Celery 5.7.0 (PyPI) with tzdata 2026.3, CPython 3.11; the source is `crontab.remaining_delta`, which looks for the next
# hour and minute on the wall clock, in https://github.com/celery/celery/blob/v5.7.0/celery/schedules.py.
#
# A `crontab()` of Celery beat is "every minute", and one with minute="*/30" every half hour: at most so long is expected
# to lie between two runs, in any zone that is given as `timezone`. But in the night in which the clocks are put back
# nothing runs while they show an hour again: no time of it is later, on the clock, than that of the last run. The guide
# to periodic tasks says nothing of it; https://github.com/celery/celery/issues/10107 tells of an hourly task that is
# missed once. Seen, on 25 October 2026, for the scheduler's own entries, asked once a minute:
#   Europe/Paris, crontab(): 61 minutes, from 00:59 to 02:00 UTC
#   Europe/Paris, crontab(minute="*/30"): 90 minutes, from 00:30 to 02:00 UTC
#   Europe/Paris, crontab(minute=0): 120 minutes, from 00:00 to 02:00 UTC
#   Europe/Paris, schedule(60): 1 minutes, from 23:01 to 23:02 UTC
#   UTC, crontab(): 1 minutes, from 23:01 to 23:02 UTC
#
# What follows from it: leases run out, watchdogs bark and queues grow for an hour, once a year, although the schedule
# names no hour at all. `timezone = "UTC"`, or for a pace without an hour a number of seconds, goes on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet celery==5.7.0 tzdata==2026.3
cat > pauses.py <<'PY'
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from celery import Celery
from celery.beat import ScheduleEntry
from celery.schedules import crontab, schedule

MINUTE = timedelta(minutes=1)


def longest_pause(zone, kind, *given, **named):
    app = Celery("pauses", broker="memory://")
    app.conf.timezone = zone
    clock = datetime(2026, 10, 24, 23, tzinfo=timezone.utc)
    app.now = lambda: clock.astimezone(ZoneInfo(zone))
    entry = ScheduleEntry("job", "task", schedule=kind(*given, app=app, **named), app=app, last_run_at=app.now())
    runs = []
    for _ in range(300):
        clock += MINUTE
        if entry.is_due()[0]:
            runs.append(clock)
            entry = entry._next_instance(last_run_at=app.now())
    begin, end = max(zip(runs, runs[1:]), key=lambda pair: (pair[1] - pair[0], -pair[0].timestamp()))
    return f"{(end - begin) // MINUTE} minutes, from {begin:%H:%M} to {end:%H:%M} UTC"


print("Europe/Paris, crontab():", longest_pause("Europe/Paris", crontab))
print('Europe/Paris, crontab(minute="*/30"):', longest_pause("Europe/Paris", crontab, minute="*/30"))
print("Europe/Paris, crontab(minute=0):", longest_pause("Europe/Paris", crontab, minute=0))
print("Europe/Paris, schedule(60):", longest_pause("Europe/Paris", schedule, 60))
print("UTC, crontab():", longest_pause("UTC", crontab))
PY
seen=$(venv/bin/python -W ignore pauses.py)
echo "$seen"
for line in "Europe/Paris, crontab(): 61 minutes, from 00:59 to 02:00 UTC" \
    'Europe/Paris, crontab(minute="*/30"): 90 minutes, from 00:30 to 02:00 UTC' \
    "Europe/Paris, crontab(minute=0): 120 minutes, from 00:00 to 02:00 UTC" \
    "Europe/Paris, schedule(60): 1 minutes, from 23:01 to 23:02 UTC" \
    "UTC, crontab(): 1 minutes, from 23:01 to 23:02 UTC"; do
    grep -qxF "$line" <<< "$seen"
done
