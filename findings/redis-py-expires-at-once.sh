#!/usr/bin/env bash
# redis-py 8.1.0 (PyPI), CPython 3.11; the sources are `expire`, `pexpire` and `set` in
# https://github.com/redis/redis-py/blob/v8.1.0/redis/commands/core.py, which make whole seconds of a `timedelta` by
# `int(time.total_seconds())`, and whole milliseconds by `int(time.total_seconds() * 1000)`.
#
# `expire(key, timedelta)` is expected to keep a key for that long, or a moment longer, as a lease or a lock does that
# must not end too early. But seconds are cut, so that what is shorter than one is 0, upon which Redis deletes the key at
# once (https://redis.io/docs/latest/commands/expire/); and whole milliseconds, which `pexpire` could send exactly, are
# first a float and then cut, and become one less. The docstrings say only that a timedelta is taken. No server is
# needed: what would be sent is shown. Seen:
#   expire 999 ms: EXPIRE key 0
#   set ex=1999 ms: SET key value EX 1
#   expireat 23:59:59.999999: EXPIREAT key 1798761599
#   pexpire 1001 ms: PEXPIRE key 1000
#   set px=1001 ms: SET key value PX 1000
#   pexpire 999 us: PEXPIRE key 0
#   whole milliseconds below 10000 that pexpire sends as one less: 95, the first 1001 1003 1005
#
# What follows from it: a lock that is taken for half a second is never held, without an error, and two enter; others end
# early by up to a second. The number is better computed by oneself, and rounded up: -(-length // timedelta(seconds=1)).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet redis==8.1.0
cat > lengths.py <<'PY'
from datetime import datetime, timedelta, timezone

import redis


class Shown(redis.Redis):
    def execute_command(self, *command, **options):
        return " ".join(map(str, command))


client = Shown()
ms = timedelta(milliseconds=1)
print("expire 999 ms:", client.expire("key", 999 * ms))
print("set ex=1999 ms:", client.set("key", "value", ex=1999 * ms))
print("expireat 23:59:59.999999:", client.expireat("key", datetime(2026, 12, 31, 23, 59, 59, 999999, timezone.utc)))
print("pexpire 1001 ms:", client.pexpire("key", 1001 * ms))
print("set px=1001 ms:", client.set("key", "value", px=1001 * ms))
print("pexpire 999 us:", client.pexpire("key", timedelta(microseconds=999)))
less = [length for length in range(10000) if client.pexpire("key", length * ms) == f"PEXPIRE key {length - 1}"]
print(f"whole milliseconds below 10000 that pexpire sends as one less: {len(less)}, the first", *less[:3])
PY
seen=$(venv/bin/python lengths.py)
echo "$seen"
for line in "expire 999 ms: EXPIRE key 0" "set ex=1999 ms: SET key value EX 1" \
    "expireat 23:59:59.999999: EXPIREAT key 1798761599" "pexpire 1001 ms: PEXPIRE key 1000" \
    "set px=1001 ms: SET key value PX 1000" "pexpire 999 us: PEXPIRE key 0" \
    "whole milliseconds below 10000 that pexpire sends as one less: 95, the first 1001 1003 1005"; do
    grep -qxF "$line" <<< "$seen"
done
