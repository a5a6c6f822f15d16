"""Sessions of a web-server log: a request sets a timeout of 30 minutes for its client; the clock is the log's own."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, Callable

from apachelogs import COMBINED, COMMON, InvalidEntryError, LogParser

from bench.contenders import CONTENDERS
from bench.measure import Spread, interleave, nanoseconds
from timers import MultiNotifier

TIMEOUT = timedelta(minutes=30)
PARSERS = [LogParser(form) for form in (COMBINED, COMMON)]

# A client and the time of its last request.
Session = tuple[str, datetime]


class Unreadable(Exception):
    """The log cannot be used, and why."""


@dataclass(frozen=True)
class Log:
    """Requests in order of time, each with the end of the timeout that it sets."""

    requests: list[tuple[datetime, str, datetime]]
    damaged: int
    out_of_order: int

    @property
    def last(self) -> datetime:
        return self.requests[-1][0]

    def at_rate(self, rate: int) -> Log:
        """The same requests of the same clients, so many in every second."""
        first = self.requests[0][0]
        ats = [first + timedelta(seconds=number // rate) for number in range(len(self.requests))]
        requests = [(at, client, at + TIMEOUT) for at, (_, client, _) in zip(ats, self.requests)]
        return Log(requests, self.damaged, self.out_of_order)


def read(path: Path) -> Log:
    """A Common or Combined log, plain or gzipped."""
    try:
        data = path.read_bytes()
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    requests, damaged = [], 0
    for line in text.splitlines():
        request = parse(line.decode(errors="replace"))
        if request is None:
            damaged += 1
        else:
            requests.append(request)
    if not requests:
        raise Unreadable(f"{path}: none of {damaged} lines is of the Common or Combined Log Format")
    ordered = sorted(requests, key=lambda request: request[0])
    late = sum(here[0] < before[0] for before, here in zip(requests, requests[1:]))
    return Log([(at, client, at + TIMEOUT) for at, client in ordered], damaged, late)


def parse(line: str) -> tuple[datetime, str] | None:
    for parser in PARSERS:
        try:
            entry = parser.parse(line)
            return entry.request_time.astimezone(timezone.utc), entry.remote_host
        except (InvalidEntryError, ValueError, OverflowError, AttributeError):
            continue
    return None


def sessions(log: Log) -> list[Session]:
    """The plain model: a session ends with the request after which its client is silent for the timeout."""
    last: dict[str, datetime] = {}
    ended = []
    for at, client, _ in log.requests:
        if client in last and at - last[client] >= TIMEOUT:
            ended.append((client, last[client]))
        last[client] = at
    return sorted([*ended, *last.items()])


def replay(queue: Any, log: Log) -> list[Session]:
    """With the three methods alone: a timer that a later request has made void is passed over when it falls due."""
    last: dict[str, datetime] = {}
    ended: list[Session] = []
    due, notify_at = queue.due, queue.notify_at
    for at, client, timeout in log.requests:
        ended += [session for session in due(at) if last[session[0]] is session[1]]
        last[client] = at
        notify_at(timeout, (client, at))
    ended += [session for session in due(log.last + TIMEOUT) if last[session[0]] is session[1]]
    return ended


def replay_rescheduling(queue: Any, log: Log) -> list[Session]:
    """With `reschedule`: a client has one timer, and a request pushes it out."""
    armed: dict[str, tuple[datetime, datetime]] = {}
    ended: list[Session] = []
    for at, client, timeout in log.requests:
        for name in queue.due(at):
            ended.append((name, armed.pop(name)[1]))
        before = armed.get(client)
        if before is None:
            queue.notify_at(timeout, client)
        else:
            queue.reschedule(before[0], client, timeout)
        armed[client] = timeout, at
    for name in queue.due(log.last + TIMEOUT):
        ended.append((name, armed.pop(name)[1]))
    return ended


Replay = Callable[[Any, Log], list[Session]]
REPLAYS: dict[str, tuple[Callable[[], Any], Replay]] = {
    **{name: (make, replay) for name, make in CONTENDERS.items()},
    "MultiNotifier, reschedule": (MultiNotifier, replay_rescheduling),
}


def measure(log: Log, rounds: int, step: Callable[[str], None]) -> tuple[list[Session], dict[str, Spread]]:
    """The sessions in the order of their ends, and nanoseconds a request; all contenders must agree."""
    expected = sessions(log)
    seen: list[list[Session]] = []

    def task(make: Callable[[], Any], replay: Replay) -> dict[str, float]:
        each, ended = nanoseconds(len(log.requests), replay, make(), log)
        if sorted(ended) != expected or (seen and ended != seen[0]):
            raise SystemExit("the sessions are not those of the plain model")
        seen.append(ended)
        return {"": each}

    figures = interleave({name: partial(task, *how) for name, how in REPLAYS.items()}, rounds, step)
    return seen[0], {name: Spread.of(each) for name, each in figures.items()}
