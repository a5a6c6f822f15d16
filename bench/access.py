"""The access log that the dataflows of `bench` replay: its requests, and what is said of a session that ended."""

import json
import os
import random
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

UTC = timezone.utc
TIMEOUT = timedelta(minutes=30)
Request = tuple[datetime, str]


def requests() -> list[Request]:
    """Those of the log that TIMERS_LOG names, or else of the built-in one, in order of time."""
    path = os.environ.get("TIMERS_LOG")
    return read_log(path) if path else built_in()


def built_in(seed: int = 1, clients: int = 200) -> list[Request]:
    """Four hours of requests; a client comes back within ten minutes, or not before fifty."""
    rng = random.Random(seed)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    requests = []
    for number in range(clients):
        client, moment = f"10.0.{number // 250}.{number % 250}", rng.uniform(0, 7200)
        while moment < 4 * 3600:
            requests.append((start + timedelta(seconds=round(moment)), client))
            moment += rng.uniform(1, 600) if rng.random() < 0.9 else rng.uniform(3000, 7200)
    return sorted(requests)


def read_log(path: str) -> list[Request]:
    try:
        from bench.trace import Unreadable, read
    except ImportError as error:
        sys.exit(f"TIMERS_LOG needs the extra: pip install 'multinotifier[bench]' ({error})")
    try:
        return [(at, client) for at, client, _ in read(Path(path)).requests]
    except Unreadable as error:
        sys.exit(str(error))


def record(client: str, requests: int, ended: datetime) -> str:
    return json.dumps({"client": client, "requests": requests, "ended": ended.isoformat()})
