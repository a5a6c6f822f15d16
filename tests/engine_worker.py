"""A process of a dataflow that tests kill: `python -m tests.engine_worker` …

Every item arms a timer of its key; every timer that fires appends a line `execution epoch token` to the output.
The input stays open until the stop file exists: the end of input doesn't wait for timers.
"""

import argparse
import copy
import os
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Optional

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.recovery import RecoveryConfig
from bytewax.testing import cluster_main

from timers import MultiNotifier
from timers.operators import StatefulBatchLogic, stateful_batch

UTC = timezone.utc
KEYS = 40
EPOCH = timedelta(milliseconds=50)


def now() -> datetime:
    return datetime.now(UTC)


class Tokens(FixedPartitionedSource[tuple[str, int], int]):
    def __init__(self, count: int, stop: Path) -> None:
        self.count = count
        self.stop = stop

    def list_parts(self) -> list[str]:
        return ["tokens"]

    def build_part(self, step_id: str, for_part: str, resume_state: Optional[int]) -> "TokensPart":
        return TokensPart(self, resume_state or 0)


class TokensPart(StatefulSourcePartition[tuple[str, int], int]):
    def __init__(self, source: Tokens, token: int) -> None:
        self.source = source
        self.token = token

    def next_batch(self) -> list[tuple[str, int]]:
        if self.token == self.source.count:
            if self.source.stop.exists():
                raise StopIteration
            return []
        tokens = range(self.token, min(self.token + 3, self.source.count))
        self.token = tokens.stop
        return [(f"key {token % KEYS}", token) for token in tokens]

    def next_awake(self) -> datetime:
        return now() + timedelta(milliseconds=2)

    def snapshot(self) -> int:
        return self.token


class Timeouts(StatefulBatchLogic[int, int, MultiNotifier[int]]):
    def __init__(self, state: Optional[MultiNotifier[int]]) -> None:
        self.timers: MultiNotifier[int] = MultiNotifier() if state is None else state

    def on_batch(self, values: list[int]) -> tuple[list[int], bool]:
        for token in values:
            delay = random.Random(token).uniform(0, 0.15)
            self.timers.notify_at(now() + timedelta(seconds=delay), token)
        return [], self.RETAIN

    def on_notify(self) -> tuple[list[int], bool]:
        return self.timers.due(now()), not self.timers

    def notify_at(self) -> Optional[datetime]:
        return self.timers.next_at()

    def snapshot(self) -> MultiNotifier[int]:
        return copy.deepcopy(self.timers)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--execution", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--process", type=int, default=0)
    parser.add_argument("--addresses", nargs="*", default=[])
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--directory", type=Path, required=True)
    arguments = parser.parse_args()

    output = os.open(arguments.directory / "output", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(step_id: str, item: tuple[str, int], epoch: int, worker: int) -> None:
        os.write(output, f"{arguments.execution} {epoch} {item[1]}\n".encode())

    flow = Dataflow("flow")
    stream = op.input("tokens", flow, Tokens(arguments.count, arguments.directory / "stop"))
    fired = stateful_batch("step", stream, Timeouts, shards=arguments.shards)
    op.inspect_debug("write", fired, write)
    cluster_main(
        flow,
        arguments.addresses,
        arguments.process,
        epoch_interval=EPOCH,
        recovery_config=RecoveryConfig(arguments.directory / "store"),
        worker_count_per_proc=arguments.workers,
    )


if __name__ == "__main__":
    main()
