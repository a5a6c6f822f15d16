"""`timers.operators` takes what Bytewax takes: states that are never pickled, numpy's flags, the clock and one time an
activation."""

import threading
from datetime import datetime, timezone
from typing import Any, Optional

import pytest

pytest.importorskip("bytewax", reason="Bytewax has no wheel for this Python")

import bytewax.operators
import numpy

import timers.operators
from tests.engine_flow import Journal, run
from tests.operator_steps import ENGINES, NO_WAIT, ONE_SHARD, TWO_SHARDS, alike, item, logic
from timers.operators import STARTS, Shard, shard_of

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

    shard: Any = Shard("step", 1, lambda state: Armed(), None)
    shard.on_batch([("a", 1)])
    assert shard.on_notify() == ([], False)
    assert shard.notify_at() == datetime(2020, 1, 1, tzinfo=timezone.utc)
    assert shard.on_notify() == ([("a", "rang")], True)


@pytest.mark.parametrize("flag", [numpy.True_, numpy.False_, numpy.array(True), numpy.int64(1)], ids=repr)
def test_flags_of_numpy_are_taken_where_the_engine_takes_them(flag: Any) -> None:
    def output(module: Any) -> Any:
        build = lambda state: logic(on_batch=lambda self, values: (values, flag))()  # noqa: E731
        try:
            return run(module, [[("k", 1)], [("k", 2)]], builder=build, ready=lambda journal: True).output
        except BaseException as error:
            return type(error)

    original, sharded = map(output, ENGINES)
    assert sharded == original


# --- One time an activation

EVEN = [key for key in "abcdefghijkl" if shard_of(key, 2) == 0]
ODD = [key for key in "abcdefghijkl" if shard_of(key, 2) == 1]
of_shards = pytest.mark.parametrize(
    "module", [bytewax.operators, ONE_SHARD, TWO_SHARDS], ids=["bytewax", "one shard", "two shards"]
)


@of_shards
@pytest.mark.parametrize("actions", [["sleep"], ["sleep", "discard"]], ids=" and ".join)
def test_a_time_moved_in_good_time_stays_quiet_though_another_shard_is_slow(module: Any, actions: list[str]) -> None:
    """Nor is it of consequence that the slow shard goes in the same activation."""
    slow, (due, passed, moved) = EVEN[0], ODD[:3]
    first = [item(due, "at", 0.1), item(passed, "at", 0.1), item(moved, "at", 0.5)]
    second = [item(slow, action, 0.7) for action in actions]
    second += [item(passed, "at", 3600), item(moved, "at", 3600), item(EVEN[1], "late", [due, passed])]
    second += [item(EVEN[1], "discard")]
    result = run(module, [first, second], ready=Journal.arrived, late=True)
    assert [call[0] for call in result.journal.calls[moved]].count("notify") == 0
    # Their time had passed when the activation began.
    for key in (due, passed):
        assert [call[0] for call in result.journal.calls[key]].count("notify") == 1


@of_shards
def test_each_activation_has_a_time_of_its_own(module: Any) -> None:
    """In the first every shard loses its keys; a key whose time comes after that one is moved too late."""
    gone, due, moved = EVEN[0], *ODD[:2]
    armed = [item(due, "at", 0.2), item(moved, "at", 0.3)]
    late = [item(gone, "late", [due, moved]), item(moved, "at", 3600)]
    result = run(module, [armed, [item(gone, "discard")], late], ready=Journal.arrived, late=True)
    assert [call[0] for call in result.journal.calls[moved]][2:5] == ["batch", "notify", "notify_at"]


@of_shards
def test_a_time_that_comes_during_a_batch_waits_for_the_next_activation(module: Any) -> None:
    """The next batch is quicker, though no other key of the first is in the shard."""
    due, later = ODD[:2]
    first = [item(due, "at", 0.1), item(later, "at", 0.4)]
    second = [item(EVEN[0], "sleep", 0.6), item(EVEN[1], "late", [due])]
    result = run(module, [first, second, [item(later, "discard")]], ready=Journal.arrived, late=True)
    assert [call[0] for call in result.journal.calls[later]] == ["batch", "notify_at", "batch"]


class Fleeting(timers.operators.StatefulBatchLogic[Any, Any, None]):
    """Goes after each batch."""

    def on_batch(self, values: list[Any]) -> Any:
        return values, True

    def snapshot(self) -> None:
        return None


def shards(count: int) -> list[Any]:
    return [Shard("step", count, lambda state: Fleeting(), None) for _ in range(count)]


@pytest.mark.parametrize("end", ["on_eof", "notify_at"])
def test_the_shards_of_a_thread_share_the_start_until_the_activation_ends(end: str) -> None:
    def other_thread() -> None:
        third.on_batch([("c", 1)])
        third.notify_at()

    first, second, third = shards(3)
    first.on_batch([("a", 1)])
    (start,) = STARTS.values()
    thread = threading.Thread(target=other_thread)
    thread.start()
    thread.join()
    second.on_batch([("b", 1)])
    assert first.on_notify() == ([], False)
    assert list(STARTS.values()) == [start]
    getattr(first, end)()
    assert not STARTS


def test_a_shard_that_is_discarded_sets_no_start() -> None:
    first, second = shards(2)
    first.on_batch([("a", 1)])
    first.notify_at()
    assert first.on_notify() == ([], True)
    assert not STARTS
    second.on_notify()
    assert not STARTS


@pytest.mark.parametrize("method", ["on_batch", "on_notify", "on_eof", "notify_at"])
def test_a_logic_that_raises_leaves_no_start_behind(method: str) -> None:
    class Failing(Fleeting):
        def on_batch(self, values: list[Any]) -> Any:
            return values, self.fail("on_batch")

        def on_notify(self) -> Any:
            return [], self.fail("on_notify")

        def on_eof(self) -> Any:
            return [], self.fail("on_eof")

        def notify_at(self) -> datetime:
            self.fail("notify_at")
            return datetime(2020, 1, 1, tzinfo=timezone.utc)

        def fail(self, called: str) -> bool:
            if called == method:
                raise LookupError
            return False

    shard: Any = Shard("step", 1, lambda state: Failing(), None)
    with pytest.raises(RuntimeError):
        for _ in range(2):
            shards(1)[0].on_batch([("b", 1)])
            shard.on_batch([("a", 1)])
            shard.on_notify()
            if method == "on_eof":
                shard.on_eof()
            shard.notify_at()
    assert not STARTS


@pytest.mark.parametrize("method", ["on_notify", "on_eof"])
def test_a_shard_without_keys_goes_when_it_is_called_next(method: str) -> None:
    shard: Any
    emptied, restored = shards(1)[0], Shard("step", 1, lambda state: Fleeting(), (timers.operators.FORMAT, 1, (), ()))
    assert emptied.on_batch([("a", 1)]) == ([("a", 1)], False)
    for shard in (emptied, restored):
        assert shard.notify_at() < datetime.now(timezone.utc)
        assert getattr(shard, method)() == ([], True)
