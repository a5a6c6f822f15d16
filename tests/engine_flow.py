"""Dataflows through the real engine whose input waits for the timers, so that runs can be compared call by call."""

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Optional

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import AbortExecution, FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.recovery import RecoveryConfig
from bytewax.testing import TestingSink, cluster_main

UTC = timezone.utc
# A time further away than this never comes during a test.
SOON = timedelta(minutes=1)
PATIENCE = 60.0

Batch = Sequence[Any]


@dataclass
class Journal:
    """What the logics of a run were asked, key by key, and which of their timers are still to fire."""

    calls: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    armed: dict[str, datetime] = field(default_factory=dict)
    sent: int = 0
    seen: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, key: str, *call: Any) -> None:
        self.calls[key].append(call)

    def quiet(self) -> bool:
        """Every item has arrived and every timer that is due soon has fired."""
        horizon = datetime.now(UTC) + SOON
        with self.lock:
            return self.seen == self.sent and all(at > horizon for at in self.armed.values())

    def arrived(self) -> bool:
        return self.seen == self.sent


class Scripted(StatefulBatchLogic[Any, Any, Any]):
    """Does what its values say, `(key, action, argument)`; emits and notes every call."""

    def __init__(self, journal: Journal, state: Optional[tuple[str, int, Optional[datetime], frozenset[str]]]) -> None:
        self.journal = journal
        self.unseen = 0
        self.key, self.count, self.at, self.flags = state or ("", 0, None, frozenset())
        if state is not None:
            journal.note(self.key, "restored", self.count, self.flags)

    def on_batch(self, values: list[Any]) -> tuple[list[Any], bool]:
        discard = False
        for key, action, argument in values:
            self.key = key
            self.count += 1
            if action == "at":
                self.at = None if argument is None else datetime.now(UTC) + timedelta(seconds=argument)
            elif action == "flag":
                self.flags |= {argument}
            elif action == "sleep":
                time.sleep(argument)
            elif action == "discard":
                discard = True
        self.journal.note(self.key, "batch", tuple(values))
        self.unseen = len(values)
        if discard:
            self.settle(armed=None)
        return [("batch", self.count, value) for value in values], discard

    def on_notify(self) -> tuple[list[Any], bool]:
        self.count += 1
        self.at = None
        self.journal.note(self.key, "notify")
        self.settle(armed=None)
        return [("notify", self.count)], "discard on notify" in self.flags

    def on_eof(self) -> tuple[list[Any], bool]:
        self.count += 1
        self.journal.note(self.key, "eof")
        return [("eof", self.count)], "discard on eof" in self.flags

    def notify_at(self) -> Optional[datetime]:
        self.journal.note(self.key, "notify_at", self.at is not None)
        self.settle(self.at or self.journal.armed.get(self.key))
        return self.at

    def settle(self, armed: Optional[datetime]) -> None:
        """The engine has what it needs to know of the last values, which count as seen only now."""
        with self.journal.lock:
            if armed is None:
                self.journal.armed.pop(self.key, None)
            else:
                self.journal.armed[self.key] = armed
            self.journal.seen += self.unseen
            self.unseen = 0

    def snapshot(self) -> Any:
        self.journal.note(self.key, "snapshot")
        return self.key, self.count, self.at, self.flags


class Steps(FixedPartitionedSource[Any, int]):
    """Emits batch after batch, each once `ready(journal)`; then ends, or aborts the execution."""

    def __init__(
        self, batches: Sequence[Batch], ready: Callable[[Journal], bool], journal: Journal, abort: bool
    ) -> None:
        self.batches = batches
        self.ready = ready
        self.journal = journal
        self.end: type[Exception] = AbortExecution if abort else StopIteration

    def list_parts(self) -> list[str]:
        return ["steps"]

    def build_part(self, step_id: str, for_part: str, resume_state: Optional[int]) -> "StepsPart":
        return StepsPart(self, resume_state or 0)


class StepsPart(StatefulSourcePartition[Any, int]):
    def __init__(self, source: Steps, start: int) -> None:
        self.source = source
        self.number = start
        self.deadline = time.monotonic() + PATIENCE

    def next_batch(self) -> Batch:
        if not self.source.ready(self.source.journal):
            if time.monotonic() > self.deadline:
                raise TimeoutError(f"batch {self.number} waits in vain: {self.source.journal}")
            return []
        if self.number == len(self.source.batches):
            raise self.source.end
        batch = self.source.batches[self.number]
        self.number += 1
        with self.source.journal.lock:
            self.source.journal.sent += len(batch)
        return batch

    def snapshot(self) -> int:
        return self.number


@dataclass
class Result:
    journal: Journal
    output: dict[str, list[Any]]


def run(
    module: Any,
    batches: Sequence[Batch],
    *,
    builder: Optional[Callable[[Any], Any]] = None,
    name: str = "stateful_batch",
    ready: Callable[[Journal], bool] = Journal.quiet,
    late: bool = False,
    abort: bool = False,
    workers: int = 1,
    epoch: timedelta = timedelta(hours=1),
    store: Optional[Path] = None,
    **shards: Any,
) -> Result:
    """One execution of `module.<name>` over the batches.

    With `late`, an item with the action "late" holds up its batch until the timers of the keys in its argument have
    become due, so that the operator finds both in one activation.
    """
    journal = Journal()
    items: list[tuple[str, Any]] = []

    def hold(item: Any) -> Any:
        _, (_, action, argument) = item
        while action == "late" and any(datetime.now(UTC) <= journal.armed[key] for key in argument):
            time.sleep(0.001)
        return item

    flow = Dataflow("flow")
    stream = op.input("input", flow, Steps(batches, ready, journal, abort))
    if late:
        stream = op.map("hold", stream, hold)
    stream = getattr(module, name)("step", stream, builder or (lambda state: Scripted(journal, state)), **shards)
    op.output("output", stream, TestingSink(items))
    recovery = RecoveryConfig(store) if store else None
    cluster_main(flow, [], 0, epoch_interval=epoch, recovery_config=recovery, worker_count_per_proc=workers)
    output = defaultdict(list)
    for key, value in items:
        output[key].append(value)
    return Result(journal, dict(output))


def causes(error: Optional[BaseException]) -> list[str]:
    """The messages of an error and of what caused it."""
    messages = []
    while error is not None:
        messages.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return messages
