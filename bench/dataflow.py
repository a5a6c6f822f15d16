"""Sessions of an access log, as a Bytewax dataflow: `python -m bytewax.run bench.dataflow:flow`.

The log is replayed `SPEED` times as fast as it was written. Every request sets a timeout for its client; where no
other request comes first, a record of the ended session is printed as a line of JSON. The input stays open until the
last timeout, since the end of input doesn't wait for timers.

TIMERS_LOG names a log (Common or Combined Log Format, also gzipped) instead of the built-in one; TIMERS_SPEED is the
speed.
"""

import copy
import os
import sys
from datetime import datetime, timedelta
from typing import Any, Optional

try:
    import bytewax.operators as op
    from bytewax.connectors.stdio import StdOutSink
    from bytewax.dataflow import Dataflow
    from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

    from timers.operators import StatefulBatchLogic, stateful_batch
except ImportError as error:
    sys.exit(f"the dataflow needs the extra: pip install 'multinotifier[bytewax]' ({error})")

from bench import access
from bench.access import TIMEOUT, UTC, Request
from timers import MultiNotifier

# A request may come this much later than its time: until then its session is not taken for ended. An outage that is
# shorter, the epochs to be read again included, leaves every session whole.
LATENESS = timedelta(seconds=5)


def speed_of(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0
    if not 0 < speed < float("inf"):
        sys.exit(f"TIMERS_SPEED must be a number above 0, not {text!r}")
    return speed


SPEED = speed_of(os.environ.get("TIMERS_SPEED", "3600"))


class Log(FixedPartitionedSource[Any, Any]):
    """One partition, whose items are `(client, (time in the log, time in the replay, its timeout there))`."""

    def __init__(self, requests: list[Request]) -> None:
        self.requests = requests

    def list_parts(self) -> list[str]:
        return ["log"]

    def build_part(self, step_id: str, for_part: str, resume_state: Optional[tuple[int, datetime]]) -> "LogPart":
        return LogPart(self.requests, *(resume_state or (0, datetime.now(UTC))))


class LogPart(StatefulSourcePartition[Any, tuple[int, datetime]]):
    """Its state is how far it has read, and when the replay started: a resumed one catches up."""

    def __init__(self, requests: list[Request], position: int, started: datetime) -> None:
        self.requests = requests
        self.position = position
        self.started = started

    def replayed(self, at: datetime) -> datetime:
        return self.started + (at - self.requests[0][0]) / SPEED

    def next_batch(self) -> list[Any]:
        if self.position == len(self.requests):
            raise StopIteration
        now, batch = datetime.now(UTC), []
        for at, client in self.requests[self.position : self.position + 1000]:
            moment = self.replayed(at)
            if moment > now:
                break
            batch.append((client, (at, moment, self.replayed(at + TIMEOUT))))
        self.position += len(batch)
        return batch

    def next_awake(self) -> Optional[datetime]:
        if self.position < len(self.requests):
            return self.replayed(self.requests[self.position][0])
        return self.replayed(self.requests[-1][0] + TIMEOUT) + LATENESS + timedelta(seconds=1)

    def snapshot(self) -> tuple[int, datetime]:
        return self.position, self.started


class Sessions(StatefulBatchLogic[Any, Any, Any]):
    """The timeouts of a client. Their tokens count its requests: that of any but the last is void."""

    def __init__(self, state: Optional[tuple[MultiNotifier[int], int, datetime]]) -> None:
        self.timers, self.requests, self.last = state or (MultiNotifier[int](), 0, datetime.min)

    def on_batch(self, values: list[tuple[datetime, datetime, datetime]]) -> tuple[list[Any], bool]:
        ended = []
        for at, moment, timeout in values:
            ended += self.end(moment)
            self.requests, self.last = self.requests + 1, at
            self.timers.notify_at(timeout, self.requests)
        return ended, self.RETAIN

    def on_notify(self) -> tuple[list[Any], bool]:
        return self.end(datetime.now(UTC) - LATENESS), not self.timers

    def notify_at(self) -> Optional[datetime]:
        at = self.timers.next_at()
        return at and at + LATENESS

    def snapshot(self) -> Any:
        return copy.deepcopy(self.timers), self.requests, self.last

    def end(self, now: datetime) -> list[Any]:
        if self.requests not in self.timers.due(now):
            return []
        ended = self.requests, self.last + TIMEOUT
        self.requests = 0
        return [ended]


def record(pair: tuple[str, tuple[int, datetime]]) -> str:
    client, (requests, ended) = pair
    return access.record(client, requests, ended)


flow = Dataflow("sessions")
requests = op.input("log", flow, Log(access.requests()))
sessions = stateful_batch("sessions", requests, Sessions)
op.output("print", op.map("record", sessions, record), StdOutSink())
