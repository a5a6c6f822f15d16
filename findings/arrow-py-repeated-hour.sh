#!/usr/bin/env bash
# arrow 1.4.0 (PyPI; the dates, not Apache's columns), CPython 3.11; the source is
# https://github.com/arrow-py/arrow/blob/1.4.0/arrow/arrow.py (`Arrow.span`, which builds the beginning from the fields
# of the time without `fold`, and `Arrow.shift`); https://github.com/arrow-py/arrow/issues/1067 tells of `shift`.
#
# `floor` of a time is expected never to be later than it, and `ceil`, the other end of the same span, never to be earlier. An Arrow knows which of the two hours it is in when clocks are put back: `to`, `clone`,
# `replace` and pickles keep it. But what `floor`, `ceil`, `span` and `shift` give is always in the first of them. For 15
# seconds past half past two in Paris, the second time that night, seen:
#   now: 2026-10-25 02:30:15+01:00, 01:30:15 UTC
#   ceil("minute"): 2026-10-25 02:30:59+02:00, 00:30:59 UTC
#   floor("second"): 2026-10-25 02:30:15+02:00, 00:30:15 UTC
#   shift(minutes=1): 2026-10-25 02:31:15+02:00, 00:31:15 UTC
#   ceil("minute") > now: True, their timestamps: False, now.is_between(*span): False
#
# What follows from it: a job that sets itself for the end of this minute is due at once, and so it is each time, for an
# hour; one that was set for a minute ahead, too. `>` does not show it, as two times of one zone are compared by what the
# clock on the wall says. Computed in UTC, `now.to("UTC").ceil("minute")`, all is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet arrow==1.4.0 tzdata==2026.6
cat > "$folder/repeated.py" <<'PY'
import copy
import pickle

import arrow


def show(name, time):
    print(f"{name}: {time.format('YYYY-MM-DD HH:mm:ssZZ')}, {time.to('UTC').format('HH:mm:ss')} UTC")


utc = arrow.get("2026-10-25T01:30:15+00:00")
now = utc.to("Europe/Paris")
show("now", now)
assert {kept.timestamp() for kept in (now, now.clone(), copy.deepcopy(now), pickle.loads(pickle.dumps(now)))} == {
    utc.timestamp()
}
assert now.replace(second=15).timestamp() == utc.timestamp()
end = now.ceil("minute")
show('ceil("minute")', end)
show('floor("second")', now.floor("second"))
show("shift(minutes=1)", now.shift(minutes=1))
between = now.is_between(*now.span("minute"), "[]")
print(f'ceil("minute") > now: {end > now}, their timestamps: {end.timestamp() > now.timestamp()},', end=" ")
print(f"now.is_between(*span): {between}")
assert utc.floor("second") <= utc <= utc.ceil("minute")
PY
seen=$("$folder/venv/bin/python" "$folder/repeated.py")
echo "$seen"
for line in "now: 2026-10-25 02:30:15+01:00, 01:30:15 UTC" \
    'ceil("minute"): 2026-10-25 02:30:59+02:00, 00:30:59 UTC' \
    'floor("second"): 2026-10-25 02:30:15+02:00, 00:30:15 UTC' \
    "shift(minutes=1): 2026-10-25 02:31:15+02:00, 00:31:15 UTC" \
    'ceil("minute") > now: True, their timestamps: False, now.is_between(*span): False'; do
    grep -qxF "$line" <<< "$seen"
done
