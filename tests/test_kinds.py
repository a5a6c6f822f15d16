"""Which tokens a deep copy shares: those whose copy nobody can tell from them, and no others."""

from __future__ import annotations

import builtins
import copy
import copyreg
import enum
import gc
import pickle
import sys
import types
import typing
import uuid
import weakref
from collections import namedtuple
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, Callable, NamedTuple

import pytest

from tests.model import LAST
from tests.proof.allocations import FREE_THREADED_3_13
from tests.test_contract import NOON, later
from timers import MultiNotifier

classes_die = pytest.mark.skipif(
    FREE_THREADED_3_13, reason="once there was a thread, this CPython keeps classes and functions for ever"
)


class Color(enum.Enum):
    RED = 1
    PAIR = (1, "x")


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: Any
    y: Any = 0


class Named(namedtuple("Named", "x")):
    __slots__ = ()

    def double(self) -> Any:
        return self.x * 2


class Metaclass(type):
    pass


def at_home() -> None:
    pass


MAKERS: dict[str, Callable[[int], Any]] = {
    "date": lambda number: date.fromordinal(number + 1),
    "time": lambda number: time(number % 24),
    "time with a zone": lambda number: time(number % 24, tzinfo=timezone(timedelta(hours=1), "one")),
    "timedelta": timedelta,
    "timezone": lambda number: timezone(timedelta(minutes=number % 600), str(number)),
    "datetime with a zone": lambda number: NOON.astimezone(timezone(timedelta(minutes=number % 600))),
    "Decimal": Decimal,
    "Fraction": lambda number: Fraction(number, 7),
    "UUID": lambda number: uuid.UUID(int=number),
    "frozenset": lambda number: frozenset([number, str(number), (None, Decimal(number))]),
    "Enum": lambda number: list(Color)[number % 2],
    "Flag": lambda number: Access(number % 4),
    "NamedTuple": lambda number: Point(number, Point(Color.RED, uuid.UUID(int=number))),
    "NamedTuple with methods": Named,
    "type": lambda number: (int, Point, Metaclass("Made", (), {}), typing.Generic)[number % 4],
    "function": lambda number: (at_home, lambda: number, len)[number % 3],
    "tuple": lambda number: (number, (Color.RED, frozenset([number]))),
}
FROZENDICT: Any = getattr(builtins, "frozendict", None)
if FROZENDICT is not None:
    MAKERS["frozendict"] = lambda number: FROZENDICT({number: (str(number),), Color.RED: Point(number)})


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 500])
def test_immutable_tokens_are_shared(kind: str, size: int) -> None:
    tokens = [MAKERS[kind](number) for number in range(size)]
    n = MultiNotifier(zip(map(later, range(size)), tokens))
    memo: dict[int, Any] = {}
    twin = n.__deepcopy__(memo)
    # What is not copied leaves no trace.
    assert not memo
    third = copy.copy(copy.deepcopy(twin))
    for other in (twin, n, third):
        other._check()
        other.notify_at(NOON, Color.RED)
        other.notify_at(LAST, tokens[0])
        assert other.cancel(later(size - 1), tokens[-1])
        other._check()
        expected = [tokens[0], Color.RED, *tokens[1:-1], tokens[0]] if size > 1 else [Color.RED, tokens[0]]
        answer = other.due(LAST)
        assert len(answer) == len(expected)
        assert all(one is another for one, another in zip(answer, expected))
        other._check()


def test_what_is_shared_equals_what_copy_makes() -> None:
    for make in MAKERS.values():
        for number in range(8):
            token = make(number)
            copied = copy.deepcopy(token)
            assert type(copied) is type(token) and (copied is token or copied == token)


class Dressed:
    """Attributes for a subclass of anything."""


def dressed(kind: type, *arguments: Any) -> Any:
    token = type(kind.__name__, (kind,), {})(*arguments)
    token.__dict__["attribute"] = []
    return token


class WithCopy(NamedTuple):
    x: int

    def __deepcopy__(self, memo: Any) -> Any:
        return WithCopy(self.x + 1)


class WithReduce(NamedTuple):
    x: int

    def __reduce__(self) -> Any:
        return WithReduce, (self.x + 1,)


class WithReduceEx(NamedTuple):
    x: int

    def __reduce_ex__(self, protocol: Any) -> Any:
        return WithReduceEx, (self.x + 1,)


class WithAccess(NamedTuple):
    x: int

    def __getattribute__(self, name: str) -> Any:
        return (lambda memo: WithAccess(2)) if name == "__deepcopy__" else tuple.__getattribute__(self, name)


class Copied(enum.Enum):
    ONE = 1

    def __deepcopy__(self, memo: Any) -> Any:
        return [self]


class Registered(NamedTuple):
    x: int


copyreg.pickle(Registered, lambda token: (Registered, (token.x + 1,)))


class WithNew(namedtuple("WithNew", "x")):
    __slots__ = ()

    def __new__(cls, x: int) -> Any:
        return super().__new__(cls, x + 1)


class WithArguments(namedtuple("WithArguments", "x")):
    __slots__ = ()

    def __getnewargs__(self) -> Any:
        return (self[0] + 1,)


class WithNamedArguments(namedtuple("WithNamedArguments", "x")):
    __slots__ = ()

    def __getnewargs_ex__(self) -> Any:
        return (), {"x": self[0] + 1}


class WithIteration(namedtuple("WithIteration", "x")):
    __slots__ = ()

    def __iter__(self) -> Any:
        return iter([self[0] + 1])


class Own(enum.Enum):
    MEMBER = 1


vars(Own.MEMBER)["__deepcopy__"] = lambda memo: "copied"


def odd_uuid() -> uuid.UUID:
    token = uuid.UUID(int=5)
    object.__setattr__(token, "is_safe", Dressed())
    return token


LOOKALIKES: dict[str, Callable[[], Any]] = {
    "subclass of UUID": lambda: dressed(uuid.UUID, "1" * 32),
    "UUID of another": lambda: type("UUID", (), {"int": 5, "is_safe": []})(),
    "Fraction of another": lambda: type("Fraction", (), {"attribute": []})(),
    "Decimal of another": lambda: type("decimal.Decimal", (), {"attribute": []})(),
    "subclass of Decimal": lambda: dressed(Decimal, 5),
    "subclass of Fraction": lambda: dressed(Fraction, 5),
    "subclass of frozenset": lambda: dressed(frozenset, [5]),
    "subclass of str": lambda: dressed(str, "5"),
    "frozenset of an object": lambda: frozenset([Dressed()]),
    "tuple of a frozenset of an object": lambda: (1, frozenset([frozenset([Dressed()])])),
    "NamedTuple of a list": lambda: Point(1, []),
    "NamedTuple of a NamedTuple of a list": lambda: Point(1, Point(2, [])),
    "NamedTuple with attributes": lambda: dressed(Point, 1, 2),
    "NamedTuple with __deepcopy__": lambda: WithCopy(1),
    "NamedTuple with __reduce__": lambda: WithReduce(1),
    "NamedTuple with __reduce_ex__": lambda: WithReduceEx(1),
    "NamedTuple with __getattribute__": lambda: WithAccess(1),
    "NamedTuple known to copyreg": lambda: Registered(1),
    "NamedTuple with __new__": lambda: WithNew(1),
    "NamedTuple with __getnewargs__": lambda: WithArguments(1),
    "NamedTuple with __getnewargs_ex__": lambda: WithNamedArguments(1),
    "NamedTuple with __iter__": lambda: WithIteration(1),
    "Enum with __deepcopy__": lambda: Copied.ONE,
    "member of an Enum with __deepcopy__": lambda: Own.MEMBER,
    "instance": Dressed,
    "method": lambda: types.MethodType(at_home, Dressed()),
    "list": list,
    "namespace": types.SimpleNamespace,
}


@pytest.mark.parametrize("kind", LOOKALIKES)
def test_what_only_looks_immutable_is_copied(kind: str) -> None:
    token = LOOKALIKES[kind]()
    n: MultiNotifier[Any] = MultiNotifier((later(number), Point(number)) for number in range(100))
    n.notify_at(later(3.5), token)
    n._check()
    memo: dict[int, Any] = {}
    copied = copy.deepcopy(n, memo).due(LAST)
    expected = copy.deepcopy(token)
    assert len(copied) == 101 and type(copied[4]) is type(expected)
    assert (copied[4] is token) is (expected is token)
    if expected == copy.deepcopy(token):
        assert copied[4] == expected
    attributes = getattr(expected, "__dict__", {})
    assert getattr(copied[4], "__dict__", {}) == attributes
    if "attribute" in attributes and expected is not token:
        assert copied[4].attribute is not token.attribute
    assert n.due(LAST)[4] is token


def test_subclasses_of_dates_and_zones_are_copied() -> None:
    name = dressed(str, "name")
    tokens: list[Any] = [
        dressed(date, 2026, 1, 1),
        dressed(time, 1),
        dressed(timedelta, 1),
        timezone(timedelta(hours=1), name),
        timezone(dressed(timedelta, 0, 60)),
        time(1, tzinfo=timezone(timedelta(hours=1), name)),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1), name)),
    ]
    n: MultiNotifier[Any] = MultiNotifier((NOON, token) for token in tokens)
    for one, other in zip(copy.deepcopy(n).due(NOON), tokens):
        assert one is not other and one == other


@pytest.mark.parametrize(
    "token",
    [uuid.UUID(int=5), Fraction(1, 3), Decimal(5), frozenset([5]), timedelta(5), date(2026, 1, 1), NOON],
    ids=repr,
)
def test_what_copyreg_says_goes_first(token: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(copyreg.dispatch_table, type(token), lambda token: (str, ("copied",)))
    n: MultiNotifier[Any] = MultiNotifier([(NOON, token), (NOON, (token, 1))])
    one, pair = copy.deepcopy(token), copy.deepcopy((token, 1))
    assert copy.deepcopy(n).due(NOON) == [one, pair] and n.due(NOON) == [token, (token, 1)]


@pytest.mark.parametrize("token", [uuid.UUID(int=5), Fraction(1, 3)], ids=repr)
def test_a_class_that_was_told_how_to_copy(token: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert copy.deepcopy(MultiNotifier([(NOON, token)])).due(NOON) == [token]
    monkeypatch.setattr(type(token), "__deepcopy__", lambda self, memo: "copied", raising=False)
    assert copy.deepcopy(MultiNotifier([(NOON, token)])).due(NOON) == ["copied"]


def test_an_odd_uuid_is_no_uuid() -> None:
    n: MultiNotifier[Any] = MultiNotifier([(NOON, odd_uuid())])
    with pytest.raises(AttributeError):
        copy.deepcopy(n)
    n._check()


def test_members_of_an_enum_stay_what_they_are() -> None:
    class Odd(enum.Enum):
        MUTABLE = [1]  # noqa: RUF012
        PLAIN = "x"

    n: MultiNotifier[Any] = MultiNotifier([(NOON, Odd.MUTABLE), (NOON, Odd.PLAIN)])
    assert copy.deepcopy(n).due(NOON) == [Odd.MUTABLE, Odd.PLAIN]


def test_a_class_that_changes_its_mind() -> None:
    class Changing(NamedTuple):
        x: int

    n: MultiNotifier[Any] = MultiNotifier([(NOON, Changing(1))])
    assert copy.deepcopy(n).due(NOON)[0].x == 1
    Changing.__deepcopy__ = lambda self, memo: Changing(2)  # type: ignore[attr-defined]
    n.notify_at(NOON, Changing(1))
    assert copy.deepcopy(n).due(NOON)[1].x == 2


def _enum(n: Any) -> Any:
    class Made(enum.Enum):
        ONE = 1

    Made.ONE.owner = n  # type: ignore[attr-defined]
    return Made.ONE


def _named(n: Any) -> Any:
    class Made(NamedTuple):
        x: int

    Made.owner = n  # type: ignore[attr-defined]
    return Made(1)


def _type(n: Any) -> Any:
    return type("Made", (), {"owner": n})


def _function(n: Any) -> Any:
    return lambda: n


@classes_die
@pytest.mark.parametrize("make", [_enum, _named, _type, _function, lambda n: (1, _type(n)), lambda n: Point(n)])
@pytest.mark.parametrize("copies", [0, 1, 3])
@pytest.mark.parametrize("size", [0, 200])
def test_cycles_through_a_kind_are_collected(make: Callable[[Any], Any], copies: int, size: int) -> None:
    n: MultiNotifier[Any] = MultiNotifier((later(number), Color.RED) for number in range(size))
    for _ in range(3):
        # The collector has looked at what is there so far.
        gc.collect()
        n.notify_at(NOON, make(n))
    twins: list[Any] = []
    for _ in range(copies):
        twin = copy.deepcopy(n)
        twin.notify_at(NOON, make(twin))
        twins.append(twin)
    watches = [weakref.ref(n), *map(weakref.ref, twins)]
    for twin in [n, *twins]:
        gc.collect()
        twin._check()
        assert len(twin) >= size + 3
    del n, twin, twins
    gc.collect()
    assert [watch() for watch in watches] == [None] * (copies + 1)


@classes_die
def test_a_twin_keeps_no_cycle_of_another_alive() -> None:
    pattern: MultiNotifier[Any] = MultiNotifier((later(number), Color.RED) for number in range(100))
    twin = copy.deepcopy(pattern)
    twin.notify_at(NOON, _type(twin))
    watch = weakref.ref(twin)
    del twin
    gc.collect()
    assert watch() is None and pattern.due(LAST) == [Color.RED] * 100


@classes_die
@pytest.mark.parametrize("count", [1, 64, 65, 1000])
def test_what_has_fired_is_let_go(count: int) -> None:
    """Once nothing is left in boxes; and before, where no copy shares them."""

    def made(number: int) -> Any:
        return type(f"Made{number}", (), {})

    for shared in (False, True):
        tokens = [made(number) for number in range(count)]
        n: MultiNotifier[Any] = MultiNotifier((later(number), token) for number, token in enumerate(tokens))
        watches = [weakref.ref(token) for token in tokens]
        twin = copy.deepcopy(n) if shared else None
        del tokens
        n.due(later(count // 2))
        gc.collect()
        assert sum(watch() is not None for watch in watches) == (count if shared else count - count // 2 - 1)
        n.due(LAST)
        if twin is not None:
            assert len(twin.due(LAST)) == count
        gc.collect()
        assert not any(watch() for watch in watches)
        n._check()


def test_a_token_that_was_cancelled_costs_nothing() -> None:
    n: MultiNotifier[Any] = MultiNotifier((later(number), str(number)) for number in range(1000))
    for token in (uuid.UUID(int=1), [1]):
        n.notify_at(NOON, token)
        assert n.cancel(NOON, token)
        memo: dict[int, Any] = {}
        n.__deepcopy__(memo)
        assert not memo
    size = sys.getsizeof(n)
    n.notify_many([NOON] * 10_000, [[1]] * 10_000)
    assert len(n.due(NOON)) == 10_001 and sys.getsizeof(n) < size + 20_000


def test_foreign_code_at_the_end_of_a_token() -> None:
    """A set can be watched: who is told of its end may do anything."""
    answers: list[Any] = []
    n: MultiNotifier[Any] = MultiNotifier()

    def at_the_end(watch: Any) -> None:
        n.notify_at(later(5), Point(1))
        answers.append(n.due(later(1)))
        n._check()

    class Watched(frozenset):  # type: ignore[type-arg]
        pass

    for _ in range(20):
        watches = []
        for number in range(200):
            token = frozenset([number]) if number % 3 else Watched()
            watches.append(weakref.ref(token, at_the_end))
            n.notify_at(later(0), token)
        del token
        twin = copy.deepcopy(n)
        n.due(later(2), 150)
        del twin
        n.notify_at(later(9), Color.RED)
        n.due(later(2))
        n.clear()
        n._check()
    assert answers


def test_boxes_are_used_again() -> None:
    n: MultiNotifier[Any] = MultiNotifier((later(number), Point(number)) for number in range(1000))
    snapshot = n
    for number in range(20_000):
        if number % 50 == 0:
            snapshot = copy.deepcopy(n)
        assert n.due(later(number), 1) == [Point(number)]
        n.notify_at(later(number + 1000), Point(number + 1000))
    assert len(snapshot) == 1000
    n._check()
    assert sys.getsizeof(n) < 1.5 * sys.getsizeof(MultiNotifier(list(n)))
    assert pickle.loads(pickle.dumps(n)).due(LAST) == [Point(number) for number in range(20_000, 21_000)]
