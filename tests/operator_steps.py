"""What the tests of `timers.operators` share: steps of both modules, a simple logic, items."""

import types
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, Optional

import bytewax.operators
import pytest
from bytewax.operators import StatefulBatchLogic, StatefulLogic
from bytewax.recovery import init_db_dir

import timers.operators

UTC = timezone.utc
ENGINES = [bytewax.operators, timers.operators]
# All keys share one engine key.
ONE_SHARD = types.SimpleNamespace(
    stateful_batch=partial(timers.operators.stateful_batch, shards=1),
    stateful=partial(timers.operators.stateful, shards=1),
)
# The shards of two keys are the same as often as not.
TWO_SHARDS = types.SimpleNamespace(
    stateful_batch=partial(timers.operators.stateful_batch, shards=2),
    stateful=partial(timers.operators.stateful, shards=2),
)
NO_WAIT = timedelta(0)
both = pytest.mark.parametrize("module", ENGINES, ids=["bytewax", "timers"])
alike = pytest.mark.parametrize("module", [*ENGINES, ONE_SHARD], ids=["bytewax", "timers", "one shard"])


def item(key: str, action: str = "keep", argument: Any = None) -> tuple[str, Any]:
    return key, (key, action, argument)


def new_store(path: Path) -> Path:
    path.mkdir()
    init_db_dir(path, 2)
    return path


def logic(**methods: Any) -> Any:
    methods.setdefault("on_batch", lambda self, values: ([], False))
    methods.setdefault("snapshot", lambda self: None)
    return type("Logic", (StatefulBatchLogic,), methods)


class Counting(StatefulLogic[Any, Any, int]):
    def __init__(self, state: Optional[int]) -> None:
        self.count = state or 0
        self.at: Optional[datetime] = None

    def on_item(self, value: Any) -> Any:
        self.count += 1
        _, action, argument = value
        if action == "at":
            self.at = datetime.now(UTC) + timedelta(seconds=argument)
        # Any iterable will do here, in both.
        return iter([("item", self.count)]), action == "discard"

    def on_notify(self) -> Any:
        self.at = None
        return [("notify", self.count)], False

    def on_eof(self) -> Any:
        return [("eof", self.count)], self.count == 3

    def notify_at(self) -> Optional[datetime]:
        return self.at

    def snapshot(self) -> int:
        return self.count
