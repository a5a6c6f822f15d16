"""`timers.operators` takes what Bytewax takes: states that are never pickled, and a clock that Python's is not."""

from datetime import datetime, timezone
from typing import Any, Optional

import pytest

pytest.importorskip("bytewax", reason="Bytewax has no wheel for this Python")

import timers.operators
from tests.engine_flow import run
from tests.operator_steps import NO_WAIT, alike, item, logic

REAL = datetime


class Unpicklable:
    """A state that raises where it is pickled."""

    def __reduce__(self) -> Any:
        raise NotImplementedError


@alike
@pytest.mark.parametrize("name", ["stateful_batch", "stateful"])
def test_a_state_is_pickled_only_for_a_recovery_store(module: Any, name: str) -> None:
    answers: dict[str, Any] = {
        "on_batch": lambda self, values: (values, False),
        "on_item": lambda self, value: ([value], False),
        "on_notify": lambda self: ([], False),
        "on_eof": lambda self: ([], False),
        "notify_at": lambda self: None,
        "snapshot": lambda self: Unpicklable(),
    }
    build: Any = logic(**answers)
    if name == "stateful":
        build = type("Logic", (), answers)
    batches = [[item("a")], [item("a"), item("b")]]
    result = run(module, batches, builder=lambda state: build(), name=name, ready=lambda journal: True, epoch=NO_WAIT)
    assert {key: len(values) for key, values in result.output.items()} == {"a": 2, "b": 1}


class Standing(type):
    def __instancecheck__(cls, thing: Any) -> bool:
        return isinstance(thing, REAL)


class Frozen(datetime, metaclass=Standing):
    """As what freezegun and the like put in the place of `datetime`; the engine has a clock of its own."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return REAL(2020, 1, 1, tzinfo=tz)


@alike
def test_the_clock_that_counts_is_the_engines(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers.operators, "datetime", Frozen)
    result = run(module, [[item("a", "at", 0.05), item("b", "at", 3600)], []])
    calls = {key: [call[0] for call in result.journal.calls[key]] for key in "ab"}
    assert calls["a"].count("notify") == 1 and "notify" not in calls["b"]


def test_a_shard_that_nobody_has_asked_takes_its_own_clock() -> None:
    class Armed(timers.operators.StatefulBatchLogic[Any, Any, None]):
        def on_batch(self, values: list[Any]) -> Any:
            return values, False

        def on_notify(self) -> Any:
            return ["rang"], True

        def notify_at(self) -> Optional[datetime]:
            return datetime(2020, 1, 1, tzinfo=timezone.utc)

        def snapshot(self) -> None:
            return None

    shard: Any = timers.operators.Shard("step", 1, lambda state: Armed(), None)
    shard.on_batch([("a", 1)])
    assert shard.on_notify() == ([], False)
    assert shard.notify_at() == datetime(2020, 1, 1, tzinfo=timezone.utc)
    assert shard.on_notify() == ([("a", "rang")], True)
