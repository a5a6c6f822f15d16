"""Sessions of a web-server log: each request sets a timeout of 30 minutes for its client."""

from __future__ import annotations

import gzip
import re
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Callable

TIMEOUT = timedelta(minutes=30)
LINE = re.compile(r"(\S+) \S+ \S+ \[([^]]+)\] ")


def read(path: str) -> tuple[list[tuple[datetime, str]], int]:
    """The requests of a Common or Combined log, plain or gzipped, in order of time; and the damaged lines."""
    file = Path(path)
    try:
        data = file.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode(errors="replace")
    except (OSError, EOFError) as error:
        sys.exit(f"cannot read the trace {path}: {error}")
    requests, damaged = [], 0
    for line in text.splitlines():
        found = LINE.match(line)
        try:
            at = datetime.strptime(found[2], "%d/%b/%Y:%H:%M:%S %z")  # type: ignore[index]
        except (TypeError, ValueError):
            damaged += 1
        else:
            requests.append((at, found[1]))  # type: ignore[index]
    if not requests:
        sys.exit(f"no line of {path} is of the Common or Combined Log Format")
    return sorted(requests, key=lambda request: request[0]), damaged


def replay(queue: Any, requests: list[tuple[datetime, str]]) -> tuple[float, list[tuple[str, datetime]]]:
    """Seconds, and the sessions (client, last request) in the order of their ends."""
    last: dict[str, datetime] = {}
    ended: list[tuple[str, datetime]] = []
    start = time.perf_counter()

    def end(now: datetime) -> None:
        # A timer that a later request has made void is ignored.
        ended.extend(timer for timer in queue.due(now) if last.get(timer[0]) is timer[1])

    for at, client in requests:
        end(at)
        last[client] = at
        queue.notify_at(at + TIMEOUT, (client, at))
    end(requests[-1][0] + TIMEOUT)
    return time.perf_counter() - start, ended


def expected(requests: list[tuple[datetime, str]]) -> int:
    """The number of sessions, counted without any queue: the gaps of at least the timeout, and each client's last."""
    seen: dict[str, datetime] = {}
    sessions = 0
    for at, client in requests:
        sessions += client not in seen or at - seen[client] >= TIMEOUT
        seen[client] = at
    return sessions


def rows(path: str, contenders: dict[str, Callable[[], Any]], rounds: int = 3) -> tuple[str, list[list[str]]]:
    requests, damaged = read(path)
    results = {name: [replay(make(), requests) for _ in range(rounds)] for name, make in contenders.items()}
    endings = [ended for runs in results.values() for _, ended in runs]
    if any(ended != endings[0] for ended in endings) or len(endings[0]) != expected(requests):
        sys.exit("the contenders disagree about the sessions")
    title = f"{len(requests)} requests, {damaged} damaged lines, {len(endings[0])} sessions ended"
    fastest = {name: sorted(seconds for seconds, _ in runs)[rounds // 2] for name, runs in results.items()}
    return title, [[name, f"{seconds / len(requests) * 1e9:,.0f}"] for name, seconds in fastest.items()]
