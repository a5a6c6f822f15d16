"""What cannot be an argument is refused by its name, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone, tzinfo
from typing import Any, Callable

import pytest

from timers import Deadlines, MultiNotifier

BAD: dict[str, Callable[[Any, Any], Any]] = {
    "timers must be an iterable, not NoneType": lambda n, d: n.__init__(None),
    "timers must be an iterable, not int": lambda n, d: MultiNotifier(5),  # type: ignore[arg-type]
    r"timers must hold \(at, token\) pairs, not int \(index 0\)": lambda n, d: n.__init__([5]),
    "ats must be an iterable, not int": lambda n, d: n.notify_many(5, []),
    "tokens must be an iterable, not float": lambda n, d: n.notify_many([1.5], 2.5),
    "deadlines must be an iterable, not NoneType": lambda n, d: d.__init__(None),
    "deadlines must be an iterable, not int": lambda n, d: d.update(5),
    r"deadlines must hold \(key, at\) pairs, not int \(index 0\)": lambda n, d: d.update([5]),
}


@pytest.mark.parametrize("match", BAD)
def test_what_is_no_iterable(match: str) -> None:
    n, d = MultiNotifier([(1.5, "a")]), Deadlines([("a", 1.5)])
    with pytest.raises(TypeError, match=f"^{match}$"):
        BAD[match](n, d)
    assert list(n) == [(1.5, "a")] and list(d.items()) == [("a", 1.5)]


GOOD: dict[str, Any] = {"timers": [(0.5, "a"), (0.5, "a")], "deadlines": [("a", 0.5), ("a", 0.5)]}


@pytest.mark.parametrize("things", [(1.5, "a", 2), (), "abc"], ids=repr)
def test_what_is_no_pair(things: Any) -> None:
    kind = type(things).__name__
    for make, name in ((MultiNotifier, "timers"), (Deadlines, "deadlines")):
        with pytest.raises(
            ValueError, match=rf"^{name} must hold .* pairs, not {kind} of length {len(things)} \(index 2\)$"
        ):
            make([*GOOD[name], things])


def test_what_is_long_or_has_no_repr_is_named_all_the_same() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise ZeroDivisionError

    makes: dict[str, Any] = {"timers": MultiNotifier, "deadlines": Deadlines}
    for name, make in makes.items():
        for bad in (("a", 1.5, [0] * 10**5), ("a", 1.5, Mute()), [Mute()], Mute()):
            with pytest.raises((TypeError, ValueError), match=f"^{name} must hold ") as caught:
                make([bad])
            assert len(str(caught.value)) < 99


def test_which_time_of_several_is_refused() -> None:
    d: Any = Deadlines({"a": 1.5})
    n: Any = MultiNotifier([(1.5, "a")])
    refused: list[tuple[Any, type[Exception]]] = [(None, TypeError), (float("nan"), ValueError), (2**64, OverflowError)]
    for at, error in refused:
        for put in (d.update, d.__init__):
            with pytest.raises(error, match=r"^deadlines, index 2: at must be "):
                put([("a", 1.5), ("b", 1.5), ("c", at), ("d", None)])
        with pytest.raises(error, match=r"^at must be "):
            d["a"] = at
        for make in (MultiNotifier, n.__init__):
            with pytest.raises(error, match=r"^timers, index 2: at must be "):
                make([(1.5, "a"), (1.5, "b"), (at, "c"), (None, "d")])
    assert dict(d) == {"a": 1.5} and list(n) == [(1.5, "a")]


def test_whatever_can_be_walked_is_taken() -> None:
    class Old:
        """As sequences were before there were iterators."""

        def __getitem__(self, index: int) -> Any:
            return [(1.5, "a"), [2.5, "b"]][index]

    class Pair:
        def __iter__(self) -> Iterator[Any]:
            return iter((3.5, "c"))

    makes: list[Any] = [MultiNotifier, lambda things: Deadlines((token, at) for at, token in things)]
    for make in makes:
        assert len(make(Old())) == 2
    assert list(makes[0](Old())) == [(1.5, "a"), (2.5, "b")] and list(makes[0]([Pair()])) == [(3.5, "c")]


def test_what_says_that_it_cannot_be_walked() -> None:
    class Closed:
        __iter__: Any = None

        def __getitem__(self, index: int) -> None:
            raise AssertionError

    makes: dict[str, Any] = {"timers": MultiNotifier, "deadlines": Deadlines}
    for name, make in makes.items():
        with pytest.raises(TypeError, match=f"^{name} must be an iterable, not Closed$"):
            make(Closed())
        with pytest.raises(TypeError, match=rf"^{name} must hold .* pairs, not Closed \(index 0\)$"):
            make([Closed()])


def test_an_error_of_an_iterable_is_its_own() -> None:
    class Broken:
        def __iter__(self) -> Any:
            raise TypeError("the reason")

    for call in (MultiNotifier, Deadlines, lambda things: MultiNotifier[Any, float]().notify_many(things, [])):
        with pytest.raises(TypeError, match=r"^the reason$"):
            call(Broken())


@pytest.mark.parametrize("dtype", ["object", "M8[s]", "f8"])
def test_an_array_without_a_dimension(dtype: str) -> None:
    numpy = pytest.importorskip("numpy")
    n: MultiNotifier[Any] = MultiNotifier()
    with pytest.raises(ValueError, match=r"^ats must have one dimension, not 0$"):
        n.notify_many(numpy.zeros((), dtype), ["a"])
    with pytest.raises(ValueError, match=r"^tokens must have one dimension, not 0$"):
        n.notify_many([datetime(2024, 1, 1)], numpy.zeros((), dtype))
    assert not n


@pytest.mark.parametrize("nanosecond", [None, lambda self: 5, "5", 1.5])
def test_a_datetime_with_nanoseconds_that_are_none(nanosecond: Any) -> None:
    kind: Any = type("Stamp", (datetime,), {"nanosecond": nanosecond})
    n: MultiNotifier[str] = MultiNotifier([(kind(2024, 1, 1), "a")])
    assert n.next_at() == datetime(2024, 1, 1)


NAIVE, AWARE = datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=timezone.utc)
MIXED: dict[str, Callable[[Any, Any], Any]] = {
    "timers, index 1: at is a naive datetime, and the other timers are at aware datetimes: can't compare offset-naive "
    "and offset-aware datetimes": lambda n, d: n.__init__([(AWARE, 1), (NAIVE, 2)]),
    "timers, index 1: at must be a datetime, a float or an int, not bool": lambda n, d: n.__init__([(1, 1), (True, 2)]),
    "deadlines, index 1: at is a naive datetime, and the other timers are at floats": lambda n, d: Deadlines[Any, Any](
        {1: 1.5, 2: NAIVE}
    ),
    "deadlines, index 1: at is a float, and the other timers are at naive datetimes": lambda n, d: d.__init__(
        [(1, NAIVE), (2, 1.5)]
    ),
    "deadlines, index 0: at is a naive datetime, and the other timers are at floats": lambda n, d: d.update(
        {2: NAIVE, "a": 1.5}
    ),
    "deadlines, index 0: at must be a datetime, a float or an int, not str": lambda n, d: d.update(a="soon"),
    "ats[1] is a naive datetime, and the other timers are at floats": lambda n, d: n.notify_many([1.5, NAIVE], "ab"),
    "at is an int, and the other timers are at floats: no float equals it": lambda n, d: n.notify_at(2**53 + 1, "b"),
    "now is an int, and the other timers are at floats: no float equals it": lambda n, d: d.due(2**53 + 1),
    "ats[1] must be a datetime, a float or an int, not str": lambda n, d: n.notify_many([1.5, "a"], "ab"),
    "ats[0] must be a datetime, a float or an int, not str": lambda n, d: n.notify_many("ab", "ab"),
}
WRONG: dict[str, Callable[[Any], Any]] = {
    "ats[1] must be a time, not NaN": lambda n: n.notify_many([1.5, float("nan")], "ab"),
    "ats[1] must be an int of at most 64 bits, sign included": lambda n: n.notify_many([1, 2**64], "ab"),
}


@pytest.mark.parametrize("message", [*MIXED, *WRONG])
def test_the_kind_that_is_named_is_the_one_that_is_held(message: str) -> None:
    n, d = MultiNotifier([(1.5, "a")]), Deadlines([("a", 1.5)])
    kind = TypeError if message in MIXED else OverflowError if "64 bits" in message else ValueError
    with pytest.raises(kind) as caught:
        MIXED[message](n, d) if message in MIXED else WRONG[message](n)
    assert str(caught.value) == message
    assert list(n) == [(1.5, "a")] and list(d.items()) == [("a", 1.5)]


class Loud(ValueError):
    """Has a word of its own for itself."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number

    def __str__(self) -> str:
        raise AssertionError


@pytest.mark.parametrize("error", [ValueError("of mine"), Loud("ats must be loud", 1), ValueError(5, "a"), TypeError()])
def test_an_error_of_a_zone_is_its_own(error: Exception) -> None:
    class Zone(tzinfo):
        def utcoffset(self, at: datetime | None) -> Any:
            raise error

        dst = tzname = utcoffset

    n: MultiNotifier[str] = MultiNotifier()
    with pytest.raises(type(error)) as caught:
        n.notify_many([AWARE, datetime(2024, 1, 1, tzinfo=Zone())], "ab")
    assert caught.value is error and not n


def test_an_error_of_a_key_is_its_own() -> None:
    error = TypeError("at is mine")

    class Key:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            raise error

    d: Any = Deadlines([(Key(), 1.5)])
    pairs: list[tuple[Any, Any]]
    for pairs in ([(Key(), 2.5)], [("a", 0.5), (Key(), 2.5)]):
        with pytest.raises(TypeError) as caught:
            d.update(pairs)
        assert caught.value is error and len(d) == 1
    # That another kind of time is refused needs no look at the keys.
    for pairs in ([(Key(), NAIVE)], [("a", 0.5), (Key(), NAIVE)]):
        with pytest.raises(TypeError, match=f"^deadlines, index {len(pairs) - 1}: at is a naive datetime"):
            d.update(pairs)
    assert list(d.values()) == [1.5]


def test_clearing_what_is_empty_changes_nothing() -> None:
    n: MultiNotifier[str, float] = MultiNotifier()
    d: Deadlines[str, float] = Deadlines()
    iterators: list[Iterator[Any]] = [iter(n), iter(d)]
    n.clear()
    d.clear()
    assert [list(iterator) for iterator in iterators] == [[], []]
