"""What `timers.operators` refuses, as Bytewax does: answers, times, items, keys, steps; and what the errors name."""

import array
import collections
import re
import time
import types
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pytest

pytest.importorskip("bytewax", reason="Bytewax has no wheel for this Python")

import bytewax.operators
import pandas
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource

import timers.operators
from tests.engine_flow import causes, run
from tests.operator_steps import UTC, Counting, both, item, logic


def failure(module: Any, builder: Any, items: Any = (("the key", 1),)) -> list[str]:
    started = time.monotonic()
    with pytest.raises(BaseException) as caught:
        run(module, [items, []], builder=builder, ready=lambda journal: time.monotonic() > started + 0.1)
    return causes(caught.value)


def emits(module: Any, answer: Any) -> Any:
    builder = lambda state: logic(on_batch=lambda self, values: answer)()  # noqa: E731
    started = time.monotonic()
    return run(module, [[("k", 1)]], builder=builder, ready=lambda journal: time.monotonic() > started).output["k"]


class Answer(NamedTuple):
    emit: Any
    discard: bool


class Indexed:
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        return [1, 2][index]


class Broken(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        raise KeyError("broken")


@both
@pytest.mark.parametrize(
    "emit",
    [
        [1, 2],
        (1, 2),
        range(1, 3),
        b"\x01\x02",
        bytearray(b"\x01\x02"),
        memoryview(b"\x01\x02"),
        collections.deque([1, 2]),
        array.array("i", [1, 2]),
        collections.UserList([1, 2]),
        collections.UserDict({1: 1, 2: 2}),
        Indexed(),
    ],
    ids=lambda emit: type(emit).__name__,
)
def test_sequences_are_emitted(module: Any, emit: Any) -> None:
    assert emits(module, (emit, True)) == [1, 2]
    assert emits(module, Answer(emit, True)) == [1, 2]


EMITS: list[Any] = ["ab", {1}, frozenset([1]), {1: 2}, {1: 2}.keys(), iter([1]), map(str, [1]), None, 5, Broken([1])]
EMITS += [types.MappingProxyType({1: 2}), (number for number in (1, 2))]
FLAGS: list[Any] = [0, 1, None, "", []]
ANSWERS: list[Any] = [None, [], ([],), ([], False, 1), [[], False], "ab", 5]
ANSWERS += [(emit, False) for emit in EMITS] + [([], flag) for flag in FLAGS]


@both
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: re.sub(" at 0x[^>]*", "", repr(answer)))
@pytest.mark.parametrize("method", ["on_batch", "on_notify", "on_eof"])
def test_answers_are_refused(module: Any, answer: Any, method: str) -> None:
    past = datetime.now(UTC) - timedelta(1)
    methods = {"notify_at": lambda self: past, method: lambda self, *values: answer}
    messages = failure(module, lambda state: logic(**methods)())
    assert any('"flow.step"' in message and '"the key"' in message and method in message for message in messages)


@both
@pytest.mark.parametrize("built", [object(), logic, Counting(None), None, 5], ids=lambda built: type(built).__name__)
def test_logics_of_a_wrong_class_are_refused(module: Any, built: Any) -> None:
    messages = failure(module, lambda state: built)
    assert "TypeError" in messages[-1] and "StatefulBatchLogic" in messages[-1]
    if module is timers.operators:
        assert '"flow.step"' in messages[-1] and '"the key"' in messages[-1]


class Always(tzinfo):
    """Equal to every other, and so to UTC."""

    def __repr__(self) -> str:
        return "Always()"

    def utcoffset(self, at: Optional[datetime], /) -> timedelta:
        return timedelta(0)

    def dst(self, at: Optional[datetime], /) -> None:
        return None

    def tzname(self, at: Optional[datetime], /) -> str:
        return "always"

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


@both
@pytest.mark.parametrize(
    "at",
    [
        datetime(2020, 1, 1),
        datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=2))),
        pandas.NaT,
        date(2020, 1, 1),
        "2020-01-01",
        1577836800,
        0.5,
        False,
        pandas.Timestamp("2020-01-01", tz="Europe/Berlin"),
    ],
    ids=repr,
)
def test_times_are_refused(module: Any, at: Any) -> None:
    messages = failure(module, lambda state: logic(notify_at=lambda self: at)())
    assert any('"flow.step"' in message and '"the key"' in message and "notify_at" in message for message in messages)


@both
@pytest.mark.parametrize(
    "at",
    [
        datetime(2020, 1, 1, tzinfo=UTC),
        datetime(2020, 1, 1, tzinfo=timezone(timedelta(0), "Zulu")),
        datetime(2020, 1, 1, tzinfo=Always()),
        datetime.min.replace(tzinfo=UTC),
        pandas.Timestamp("2020-01-01", tz=UTC),
    ],
    ids=repr,
)
def test_times_are_accepted(module: Any, at: datetime) -> None:
    started = time.monotonic()
    output = run(
        module,
        [[("k", 1)], []],
        builder=lambda state: logic(notify_at=lambda self: at, on_notify=lambda self: (["fired"], True))(),
        ready=lambda journal: time.monotonic() > started + 0.1 * journal.sent,
    ).output
    assert output == {"k": ["fired"]}


@both
@pytest.mark.parametrize("wrong", ["k", "ke", b"ke", None, 5, ["k", 1], ("k",), ("k", 1, 2), {}], ids=repr)
def test_items_that_are_no_pairs_are_refused(module: Any, wrong: Any) -> None:
    messages = failure(module, lambda state: logic()(), [wrong])
    assert "TypeError" in messages[-1] and '"flow.step"' in messages[-1] and "2-tuple" in messages[-1]


@both
@pytest.mark.parametrize("key", [None, 5, b"key", ("k",), "\ud800"], ids=repr)
def test_keys_that_are_no_strings_are_refused(module: Any, key: Any) -> None:
    messages = failure(module, lambda state: logic()(), [(key, 1)])
    message = next(message for message in messages if message.startswith("TypeError"))
    assert '"flow.step"' in message and "key" in message
    if module is timers.operators:
        assert repr(key) in message


class Odd(str):
    """A `str` that hashes, compares and prints unlike its characters."""

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __str__(self) -> str:
        return "odd"


@both
def test_subclasses_of_str_are_keys_like_others(module: Any) -> None:
    items = [(Odd("a"), ("a", "keep", 1)), item("a", "keep", 2), (Odd("a"), ("a", "keep", 3))]
    result = run(module, [items])
    assert len(result.journal.calls["a"][0][1]) == 3
    assert list(result.output) == ["a"]
    assert type(next(iter(result.output))) is str


@both
@pytest.mark.parametrize("method", ["on_batch", "on_notify", "on_eof", "notify_at", "snapshot"])
def test_errors_name_the_step_and_the_key(module: Any, method: str) -> None:
    def fail(self: Any, *values: Any) -> Any:
        raise LookupError("the reason")

    past = datetime.now(UTC) - timedelta(1)
    messages = failure(module, lambda state: logic(**{"notify_at": lambda self: past, method: fail})())
    assert messages[-1] == "LookupError: the reason"
    assert any('"flow.step"' in message and '"the key"' in message and method in message for message in messages)


def test_errors_of_the_builder_name_the_step_and_the_key() -> None:
    def fail(state: Any) -> Any:
        raise LookupError("the reason")

    messages = failure(timers.operators, fail)
    assert messages[-1] == "LookupError: the reason"
    assert '"flow.step"' in messages[-2] and '"the key"' in messages[-2] and "builder" in messages[-2]


def test_states_that_cannot_be_pickled_name_the_step_and_the_key(store: Path) -> None:
    started = time.monotonic()
    with pytest.raises(BaseException) as caught:
        run(
            timers.operators,
            [[("the key", 1)]],
            builder=lambda state: logic(snapshot=lambda self: lambda: None)(),
            ready=lambda journal: time.monotonic() > started,
            store=store,
        )
    messages = causes(caught.value)
    assert any('"flow.step"' in message and '"the key"' in message and "snapshot" in message for message in messages)


@both
@pytest.mark.parametrize("name", ["stateful_batch", "stateful"])
def test_steps_are_refused_where_the_flow_is_built(module: Any, name: str) -> None:
    build = getattr(module, name)
    flow = Dataflow("flow")
    stream: Any = bytewax.operators.input("input", flow, TestingSource[Any]([]))
    with pytest.raises(ValueError, match="period"):
        build("a.b", stream, Counting)
    with pytest.raises(TypeError, match="step_id"):
        build(5, stream, Counting)
    with pytest.raises(TypeError, match="up"):
        build("step", flow, Counting)
    stream.then(build, "step", Counting)
    with pytest.raises(ValueError, match=r"flow\.step"):
        build("step", stream, Counting)


@pytest.mark.parametrize("wrong, error", [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("8", TypeError)])
@pytest.mark.parametrize("name", ["stateful_batch", "stateful"])
def test_numbers_of_shards_are_refused(wrong: Any, error: Any, name: str) -> None:
    stream: Any = bytewax.operators.input("input", Dataflow("flow"), TestingSource[Any]([]))
    with pytest.raises(error, match="shards"):
        getattr(timers.operators, name)("step", stream, Counting, shards=wrong)
