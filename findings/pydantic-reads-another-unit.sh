#!/usr/bin/env bash
# pydantic 2.14.4 (PyPI), CPython 3.11; the sources are the options `ser_json_temporal` and `val_temporal_unit`, new in
# 2.12, https://docs.pydantic.dev/latest/api/config/. That numbers are read as seconds up to 2e10 and as milliseconds
# beyond is told with the types, https://docs.pydantic.dev/latest/api/standard_library_types/ (with the options it is
# 2**10), and https://github.com/pydantic/pydantic/issues/7940 complains of the guess, which is older than the writing.
#
# What a model writes as JSON is expected to be read back by the same model as the same times, or not at all. With
# `ser_json_temporal` times are written as numbers of seconds or of milliseconds, and the same model reads them as
# whichever of the two their size suggests. Durations written as milliseconds are read as seconds, and stay so if the
# unit is set by `val_temporal_unit` for the reader: that option is for times alone. No error, no warning. Seen, written
# and read by one model each:
#   seconds: 9999-12-31 23:59:59 becomes 1978-01-11 21:31:40.799000
#   seconds: 2026-01-01 00:00:00 stays
#   milliseconds: 1970-01-01 00:16:40 becomes 1970-01-12 13:46:40
#   milliseconds: 2026-01-01 00:00:00 stays
#   milliseconds: a timeout of 0:00:05 becomes 1:23:20
#   milliseconds, and read as such: 1970-01-01 00:16:40 stays
#   milliseconds, and read as such: a timeout of 0:00:05 becomes 1:23:20
#   iso8601, the default: all stay
#
# What follows from it: a timer that was never due, by the last second there is, has been due since 1978 once it was
# stored; those of a simulation that starts at 1970 come days later; and timeouts take a thousand times as long. The
# unit has to be set for both sides, and durations need a field of their own, or the text of the default.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pydantic==2.14.4
cat > units.py <<'PY'
from datetime import datetime, timedelta, timezone

from pydantic import BaseModel, ConfigDict

NEVER, NEAR, EARLY = (datetime(*fields, tzinfo=timezone.utc) for fields in (
    (9999, 12, 31, 23, 59, 59), (2026, 1, 1), (1970, 1, 1, 0, 16, 40)))
SHORT = timedelta(seconds=5)


def again(at, timeout=timedelta(0), **options):
    class Timer(BaseModel):
        model_config = ConfigDict(**options)
        at: datetime
        timeout: timedelta

    timer = Timer.model_validate_json(Timer(at=at, timeout=timeout).model_dump_json())
    return timer.at, timer.timeout


def tell(name, was, got):
    was, got = (str(when).replace("+00:00", "") for when in (was, got))
    print(f"{name} {was} {'stays' if got == was else 'becomes ' + got}")


for at in (NEVER, NEAR):
    tell("seconds:", at, again(at, ser_json_temporal="seconds")[0])
for at in (EARLY, NEAR):
    tell("milliseconds:", at, again(at, ser_json_temporal="milliseconds")[0])
tell("milliseconds: a timeout of", SHORT, again(NEAR, SHORT, ser_json_temporal="milliseconds")[1])
both = {"ser_json_temporal": "milliseconds", "val_temporal_unit": "milliseconds"}
tell("milliseconds, and read as such:", EARLY, again(EARLY, **both)[0])
tell("milliseconds, and read as such: a timeout of", SHORT, again(NEAR, SHORT, **both)[1])
if all(again(at, SHORT) == (at, SHORT) for at in (NEVER, NEAR, EARLY)):
    print("iso8601, the default: all stay")
PY
seen=$(venv/bin/python -W error units.py)
echo "$seen"
for line in "seconds: 9999-12-31 23:59:59 becomes 1978-01-11 21:31:40.799000" \
    "seconds: 2026-01-01 00:00:00 stays" "milliseconds: 1970-01-01 00:16:40 becomes 1970-01-12 13:46:40" \
    "milliseconds: 2026-01-01 00:00:00 stays" "milliseconds: a timeout of 0:00:05 becomes 1:23:20" \
    "milliseconds, and read as such: 1970-01-01 00:16:40 stays" \
    "milliseconds, and read as such: a timeout of 0:00:05 becomes 1:23:20" "iso8601, the default: all stay"; do
    grep -qxF "$line" <<< "$seen"
done
