"""The views of `Deadlines`, and it as a whole beside a dict: equal, merged, copied, and all of it at one moment."""

from __future__ import annotations

import copy
import ctypes
import gc
import operator
import pickle
import sys
import threading
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from contextlib import contextmanager
from datetime import datetime, timezone
from fractions import Fraction
from typing import Any, Callable

import pytest

from tests.interruptions import collecting, once
from tests.keyed import Named
from timers import Deadlines

HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
PLAIN = {"a": 1.5, "b": 0.5, "c": 2.5}
OTHERS: list[Any] = [
    {"a", "d"},
    frozenset(),
    {"a", "b", "c"},
    {"a", "b", "c", "d"},
    {("a", 1.5)},
    set(PLAIN.items()),
    {("a", 9.0), ("b", 0.5), 5, ("a",)},
    PLAIN.keys(),
    PLAIN.items(),
    {"a": 1.5, "z": 0.5}.items(),
    {"a": []}.items(),
    Deadlines({"b": 0.5, "e": 1.0}).keys(),
    Deadlines(PLAIN).items(),
]
OPERATORS = ("and_", "or_", "sub", "xor", "eq", "ne", "le", "lt", "ge", "gt")


def outcome(act: Callable[..., Any], *sides: Any) -> Any:
    try:
        return act(*sides)
    except TypeError:
        return TypeError


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("make", ["keys", "items"])
def test_a_view_is_a_set_as_that_of_a_dict(make: str, name: str) -> None:
    act = getattr(operator, name)
    mine, theirs = getattr(Deadlines(PLAIN), make)(), getattr(PLAIN, make)()
    for other in (*OTHERS, [], ["a", "a"], iter(()), 5, None):
        assert outcome(act, mine, other) == outcome(act, theirs, other)
        # A view of ours knows a dict's, not the other way round.
        if not isinstance(other, (KeysView, ItemsView)):
            assert outcome(act, other, mine) == outcome(act, other, theirs)
    for other in ([], "ax", "xy", {"a"}, [("a", 1.5)], [5], Deadlines(PLAIN)):
        assert mine.isdisjoint(other) is theirs.isdisjoint(other)


def test_what_a_view_is() -> None:
    d: Any = Deadlines(PLAIN)
    for view, kind, shown in (
        (d.keys(), KeysView, ["b", "a", "c"]),
        (d.values(), ValuesView, [0.5, 1.5, 2.5]),
        (d.items(), ItemsView, [("b", 0.5), ("a", 1.5), ("c", 2.5)]),
    ):
        assert isinstance(view, kind) and list(view) == shown and len(view) == 3 and shown[1] in view
        assert sys.getsizeof(view) < 100 and repr(view) == f"{type(view).__name__}({d!r})"
        for twin in (copy.copy(view), copy.deepcopy(view), pickle.loads(pickle.dumps(view))):
            assert type(twin) is type(view) and list(twin) == shown
        d["d"] = 9.0
        assert len(view) == 4 and len(list(view)) == 4
        del d["d"]
    for view in (d.keys(), d.items()):
        with pytest.raises(TypeError, match="unhashable"):
            hash(view)
    assert 9.0 not in d.values() and Fraction(3, 2) in d.values() and ("a", Fraction(3, 2)) in d.items()
    assert ["a", 1.5] not in d.items() and ("a", 1.5, 1) not in d.items() and ("z", 1.5) not in d.items()
    keys = d.keys()
    asks: list[Callable[[], Any]] = [lambda: [] in keys, lambda: ([], 1.5) in d.items()]
    for ask in asks:
        with pytest.raises(TypeError, match="unhashable"):
            ask()


@pytest.mark.parametrize("at", [7, 7.5, datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=timezone.utc)])
def test_an_item_is_found_whatever_its_kind_of_time(at: Any) -> None:
    """A view makes the time by itself, and datetimes need what their module has of C."""
    d: Any = Deadlines({"a": at})
    assert ("a", at) in d.items() and ("b", at) not in d.items() and at in d.values()
    assert d.items() == {"a": at}.items() == d.items() and d.items() & {("a", at)} and d.items() >= {("a", at)}


@pytest.mark.parametrize("make", [iter, *(operator.methodcaller(name) for name in ("keys", "values", "items"))])
def test_a_change_before_the_first_step_is_noticed(make: Callable[[Any], Any]) -> None:
    d: Any = Deadlines(PLAIN)
    shown = iter(make(d))
    assert operator.length_hint(shown) == 3
    d["d"] = 0.1
    with pytest.raises(RuntimeError, match="changed during iteration"):
        next(shown)


def test_the_times_are_told_without_the_keys() -> None:
    d: Any = Deadlines(PLAIN)
    key = Named(1)
    d[key] = 5.0
    key.name = 2
    assert 7.0 not in d.values() and 5.0 in d.values()


def test_a_view_asks_no_override() -> None:
    class Sub(Deadlines[str, float]):
        def __iter__(self) -> Iterator[str]:
            raise AssertionError

        __len__ = __contains__ = __getitem__ = __iter__  # type: ignore[assignment]

    d: Any = Sub()
    d.update(PLAIN)
    assert d.keys() == {"a", "b", "c"} and len(d.items()) == 3 and ("a", 1.5) in d.items() and 0.5 in d.values()


class Odd:
    """A key whose hash lets other threads in."""

    def __init__(self, name: int) -> None:
        self.name = name

    def __hash__(self) -> int:
        return hash(self.name)


KEYS: set[Any] = {f"k{number}" for number in range(3000)}
WHOLE: dict[str, Callable[[Any], Any]] = {
    "keys -": lambda d: d.keys() - {"x"},
    "keys |": lambda d: d.keys() | {"x"},
    "keys ^": lambda d: d.keys() ^ {"x"},
    "keys <=": lambda d: d.keys() <= {"x"} | KEYS,
    "keys ==": lambda d: d.keys() == KEYS,
    "items -": lambda d: d.items() - {"x"},
    "items ^": lambda d: d.items() ^ {"x"},
    "items <=": lambda d: d.items() <= KEYS,
    "in values": lambda d: -1.0 in d.values(),
}
# Each step is a call of its own, as it is with a dict: without a GIL another thread may come in between, and with one
# in a collection that a step sets off.
WALKS: dict[str, Callable[[Any], Any]] = {
    "list of items": lambda d: list(d.items()),
    "list of values": lambda d: list(d.values()),
    "sorted": lambda d: sorted(d.values()),
    "tuple": lambda d: tuple(d.keys()),
}
WHOLE_OF_ANY: dict[str, Callable[[Any], Any]] = {
    "copy": lambda d: Deadlines(d),
    "update": lambda d: Deadlines({"x": 1.0}).update(d),
    "update itself": lambda d: d.update(d),
    "==": lambda d: d == Deadlines(d),
    "== dict": lambda d: d == dict.fromkeys(range(len(d)), 1.0),
    "|": lambda d: {} | d | d,
    "keys -": lambda d: d.keys() - {"x"},
    "items |": lambda d: d.items() | {"x"},
}


@contextmanager
def beside_a_writer(d: Any) -> Iterator[None]:
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            d["more"] = float(number % 5000)
            del d["more"]

    writer = threading.Thread(target=write)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()
        sys.setswitchinterval(interval)
    d._check()


def let_others_in(phase: str, info: dict[str, int]) -> None:
    for _ in range(10):
        pass


@pytest.mark.parametrize("collecting", [False, True])
@pytest.mark.parametrize(
    ("act", "odd"), [*((act, False) for act in WHOLE.values()), *((act, True) for act in WHOLE_OF_ANY.values())]
)
def test_each_is_one_moment_beside_a_thread_that_writes(act: Callable[[Any], Any], odd: bool, collecting: bool) -> None:
    d: Any = Deadlines((Odd(index) if odd and index % 3 else key, float(index)) for index, key in enumerate(KEYS))
    threshold = gc.get_threshold()
    if collecting:
        gc.callbacks.append(let_others_in)
        gc.set_threshold(1)
    try:
        with beside_a_writer(d):
            for _ in range(5 if collecting else 30):
                act(d)
    finally:
        gc.set_threshold(*threshold)
        if collecting:
            gc.callbacks.remove(let_others_in)


@pytest.mark.parametrize("run", range(6))
@pytest.mark.parametrize(
    ("name", "before", "after"), [("eq", "ax", "a"), ("lt", "x", "ab"), ("gt", "axy", "ab"), ("le", "abx", "ax")]
)
def test_lengths_are_compared_at_the_moment_of_the_keys(name: str, before: str, after: str, run: int) -> None:
    """What is asked is false before and after."""
    # CPython keeps tuples of up to 20 to use them again, and then nothing is collected.
    many = [f"k{number}" for number in range(30)]
    d: Any = Deadlines(dict.fromkeys([*many, *before], 1.5))
    keys, others, compare = d.keys(), {*many, "a", "b"}, getattr(operator, name)
    # Once before, as `isinstance` of an abstract class notes what it was asked.
    assert not compare(keys, others)
    with collecting(once(lambda: d.__init__(dict.fromkeys([*many, *after], 1.5)), run)):
        assert not compare(keys, others)


@pytest.mark.skipif(not HAS_GIL, reason="a step is a moment of its own")
@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS)
def test_a_walk_lets_no_thread_in_but_by_a_collection(walk: Callable[[Any], Any]) -> None:
    d: Any = Deadlines((key, float(index)) for index, key in enumerate(KEYS))
    gc.disable()
    try:
        with beside_a_writer(d):
            for _ in range(30):
                walk(d)
    finally:
        gc.enable()


# ---- the whole


def test_equal_are_those_with_the_same_items() -> None:
    d: Any = Deadlines({"a": 1.0, "b": 1.0, "c": 2.0})
    moved: Any = Deadlines({"c": 2.0, "b": 1.0, "a": 1.0})
    for same in (
        moved,
        dict(d),
        copy.deepcopy(d),
        {"a": 1, "b": Fraction(1), "c": 2},
        Deadlines({"a": 1, "b": 1, "c": 2}),
    ):
        assert d == same and same == d and (d != same) is False
    for other in ({}, {"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 1.0, "c": 3.0}, {"a": 1.0, "b": 1.0, "d": 2.0}):
        for kind in (dict, Deadlines):
            assert d != kind(other) and kind(other) != d and (d == kind(other)) is False
    assert d != 5 and d != [("a", 1.0)] and Deadlines() == {} == Deadlines()
    noon = datetime(2026, 1, 1, 12)
    aware, naive = Deadlines({"a": noon.replace(tzinfo=timezone.utc)}), Deadlines({"a": noon})
    assert aware != naive and aware == {"a": noon.replace(tzinfo=timezone.utc)} and naive == {"a": noon}

    class Ours(Mapping[str, float]):
        def __getitem__(self, key: str) -> float:
            return PLAIN[key]

        def __iter__(self) -> Iterator[str]:
            return iter(PLAIN)

        def __len__(self) -> int:
            return 3

    assert Deadlines(PLAIN) == Ours() and Ours() == Deadlines(PLAIN) and Ours() != d


def test_equality_asks_the_keys_as_a_dict_does() -> None:
    d: Any = Deadlines((Named(number) if number % 3 else f"{number}", float(number % 7)) for number in range(300))
    twin = Deadlines((Named(number) if number % 3 else f"{number}", float(number % 7)) for number in range(299, -1, -1))
    assert d == twin and twin == dict(d.items()) and d == d.copy()
    twin[Named(4)] = 99.0
    assert d != twin
    key = next(key for key in d if type(key) is Named)
    key.name = -5
    assert d == d and d == d.copy()


def test_one_from_another_is_as_from_its_items() -> None:
    d: Any = Deadlines((Named(number) if number % 3 else f"{number}", number % 7) for number in range(300))
    before = list(d.items())
    twins: list[Any] = [Deadlines(d), Deadlines(), Deadlines({"first": -5})]
    for twin in twins:
        first = list(twin.items()) if len(twin) == 1 else []
        twin.update(d)
        twin._check()
        assert list(twin.items()) == first + before
        twin["new"] = -1
        assert list(d.items()) == before
    d.update(d)
    assert list(d.items()) == before
    d.__init__(d)
    assert list(d.items()) == before
    empty: Any = Deadlines()
    shown = iter(empty)
    empty.update(Deadlines())
    assert list(shown) == []

    class Louder(Deadlines[Any, float]):
        def __getitem__(self, key: Any) -> float:
            return 2 * super().__getitem__(key)

    loud: Any = Louder()
    loud.update(PLAIN)
    assert dict(Deadlines(loud)) == {"a": 3.0, "b": 1.0, "c": 5.0}
    assert list(({} | loud).items()) == list(loud.items())


class Sub(Deadlines[str, float]):
    def __init__(self, name: str) -> None:
        self.name = name


def test_merging() -> None:
    d: Any = Deadlines({"a": 1.0, "b": 2.0})
    for other in ({"b": 0.5, "c": 1.0}, Deadlines({"b": 0.5, "c": 1.0})):
        assert list((d | other).items()) == [("b", 0.5), ("a", 1.0), ("c", 1.0)]
        assert list((other | d).items()) == [("c", 1.0), ("a", 1.0), ("b", 2.0)]
        assert type(d | other) is type(other | d) is Deadlines
    assert list(d.items()) == [("a", 1.0), ("b", 2.0)]
    same = d
    d |= [("c", 3.0)]
    d |= {"a": 4.0}
    assert d is same and list(d.items()) == [("b", 2.0), ("c", 3.0), ("a", 4.0)]
    acts: list[Callable[[], Any]] = [lambda: d | 5, lambda: [("a", 1.0)] | d, lambda: d | [("a", 1.0)]]
    for act in acts:
        with pytest.raises(TypeError, match="unsupported operand"):
            act()
    with pytest.raises(TypeError):
        d |= 5
    with pytest.raises(TypeError, match=r"deadlines, index 0: at must be"):
        d | {"z": "late"}
    assert len(d) == 3
    sub: Any = Sub("x")
    sub["a"] = 1.0
    for merged in (sub | {"b": 2.0}, {"b": 2.0} | sub):
        assert type(merged) is Sub and merged.name == "x" and dict(merged) == {"a": 1.0, "b": 2.0} and len(sub) == 1


def test_a_copy_method_of_a_subclass() -> None:
    class Own(Deadlines[str, float]):
        def __copy__(self) -> Any:
            return self.copy()

    d = Own(PLAIN)
    for twin in (copy.copy(d), d.copy()):
        assert type(twin) is Own and twin == d and twin is not d


@pytest.mark.parametrize("make", [Deadlines, type("Sub", (Deadlines,), {})])
def test_it_is_no_sequence(make: Any) -> None:
    d = make({"a": 1.5, 0: 2.5})
    assert not ctypes.pythonapi.PySequence_Check(ctypes.py_object(d)) and d[0] == 2.5 and list(d) == ["a", 0]
    numpy = pytest.importorskip("numpy")
    assert all(thing is d for thing in numpy.full(2, d, dtype=object))


def test_a_default_that_is_not_needed_is_not_read() -> None:
    d: Any = Deadlines(PLAIN)
    assert d.setdefault("a", None) == 1.5
    with pytest.raises(TypeError, match="default must be"):
        d.setdefault("z", None)
    assert dict(d) == PLAIN


# ---- deep copies


def test_a_deep_copy_keeps_the_order_of_equals() -> None:
    for size in (5, 200, 3000):
        d: Any = Deadlines((Named(number) if number % 9 == 4 else f"{number}", number % 3) for number in range(size))
        names = [key.name if type(key) is Named else key for key in d]
        twin = copy.deepcopy(d)
        twin._check()
        assert [key.name if type(key) is Named else key for key in twin] == names
        assert all(twin[key] == at for key, at in d.items())
        for number in range(4, size, 9):
            del twin[Named(number)]
        twin._check()
        d._check()
        assert len(twin) == len([name for name in names if type(name) is str]) and len(d) == size


def test_a_deep_copy_whose_keys_get_other_hashes() -> None:
    class Turning:
        def __init__(self, number: int) -> None:
            self.number = number

        def __hash__(self) -> int:
            return hash(self.number)

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Turning) and self.number == other.number

        def __deepcopy__(self, memo: Any) -> Any:
            return Turning((self.number + step) % size)

    size = 300
    for step in (1, 7):
        d: Any = Deadlines((Turning(number), float(number % 5)) for number in range(size))
        twin = copy.deepcopy(d)
        twin._check()
        assert [key.number for key in twin] == [(key.number + step) % size for key in d]
        assert all(twin[Turning((number + step) % size)] == number % 5 for number in range(size))


def test_deep_copies_that_are_equal() -> None:
    class Alike:
        def __deepcopy__(self, memo: Any) -> str:
            return "a"

    for keys in ([Alike(), Alike()], [Alike(), "a"], ["a", "b", Alike()]):
        d: Any = Deadlines({key: float(index) for index, key in enumerate(keys)})
        with pytest.raises(ValueError, match="equal"):
            copy.deepcopy(d)
        assert list(d) == keys
        d._check()
    d = Deadlines({Alike(): 1.0, "b": 2.0})
    twin = copy.deepcopy(d)
    twin._check()
    assert (
        list(twin) == ["a", "b"]
        and twin["a"] == 1.0
        and twin.pop("a") == 1.0
        and pickle.loads(pickle.dumps(twin)) == twin
    )


@pytest.mark.parametrize("where", ["__deepcopy__", "__hash__", "__eq__"])
@pytest.mark.parametrize("act", [lambda d: d.clear(), lambda d: d.__setitem__("x", 0.5), lambda d: 1 / 0])
def test_foreign_code_in_a_deep_copy(where: str, act: Callable[[Any], Any]) -> None:
    armed = False

    def come_in(name: str) -> None:
        if armed and name == where:
            act(d)

    class Key:
        def __init__(self, number: int) -> None:
            self.number = number

        def __hash__(self) -> int:
            come_in("__hash__")
            return self.number % 2

        def __eq__(self, other: object) -> bool:
            come_in("__eq__")
            return isinstance(other, Key) and self.number == other.number

        def __deepcopy__(self, memo: Any) -> Any:
            come_in("__deepcopy__")
            return Key(self.number)

    d: Any = Deadlines((Key(number) if number % 2 else f"{number}", float(number)) for number in range(20))
    armed = True
    try:
        twin = copy.deepcopy(d)
    except ZeroDivisionError:
        twin = None
    armed = False
    d._check()
    assert twin is None or [at for _, at in twin.items()] == list(map(float, range(20)))
    if twin is None:
        assert len(d) == 20
    else:
        twin._check()
