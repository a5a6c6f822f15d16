"""`Deadlines`: a mapping of keys to times, in the order of falling due."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import tracemalloc
import weakref
from collections.abc import Callable, MutableMapping
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from operator import methodcaller
from typing import Any, Generic, TypeVar

import pytest

from tests.keyed import KEYS, START, TIMES, Named, run
from tests.proof import allocations
from timers import Deadlines

K = TypeVar("K")
COPIERS: tuple[Callable[[Any], Any], ...] = (
    copy.copy,
    copy.deepcopy,
    methodcaller("copy"),
    lambda d: pickle.loads(pickle.dumps(d)),
)
FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("keys", KEYS)
def test_random_operations(keys: str, times: str) -> None:
    run(keys, times, 1500, 1, check=True)
    run(keys, times, 4000, 2)


def test_it_is_a_mapping() -> None:
    assert issubclass(Deadlines, MutableMapping)
    d: Any = Deadlines({"a": 2.0, "b": 1.0})
    assert list(d) == ["b", "a"] and list(d.keys()) == ["b", "a"] and list(d.values()) == [1.0, 2.0]
    assert list(d.items()) == [("b", 1.0), ("a", 2.0)]
    assert d == {"a": 2.0, "b": 1.0} and d != {"a": 2.0} and d != 5
    assert d["a"] == 2.0 and "a" in d and "c" not in d and d.get("c") is None and d.get("c", 7) == 7
    with pytest.raises(KeyError, match="'c'"):
        d["c"]
    with pytest.raises(KeyError, match="'c'"):
        del d["c"]
    with pytest.raises(KeyError, match="'c'"):
        d.pop("c")
    assert d.pop("c", None) is None and d.pop("a") == 2.0 and d.setdefault("b", 9.0) == 1.0
    assert d.setdefault("n", 0.5) == 0.5 and d.peekitem() == ("n", 0.5) and d.popitem() == ("n", 0.5)
    d.update({"x": 3.0}, y=4.0)
    assert list(d) == ["b", "x", "y"]
    d.clear()
    assert not d and len(d) == 0 and d.next_at() is None and list(d) == []
    for take in (d.peekitem, d.popitem):
        with pytest.raises(KeyError):
            take()
    with pytest.raises(TypeError, match="unhashable"):
        hash(d)
    with pytest.raises(TypeError, match="reversible"):
        reversed(d)
    assert repr(d) == "<Deadlines: no keys>" and repr(Deadlines({1: 2})) == "<Deadlines: 1 keys, next at 2>"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="patterns came with CPython 3.10")
def test_patterns_know_it_as_a_mapping() -> None:
    class Sub(Deadlines[int, float]):
        pass

    found: dict[str, Any] = {}
    for d in (Deadlines({1: 0.5, 2: 1.5}), Sub({1: 0.5, 2: 1.5})):
        exec("match d:\n case {1: at, **rest}: pass", {"d": d}, found)
        assert found == {"at": 0.5, "rest": {2: 1.5}}


def test_a_default_is_answered_as_it_is_kept() -> None:
    d: Any = Deadlines({"a": 1.5})
    for key, default, wanted in (("b", 2, 2.0), ("b", 9, 2.0), ("a", 2, 1.5)):
        answer = d.setdefault(key, default)
        assert answer == d[key] == wanted and type(answer) is float
    with pytest.raises(TypeError, match="default is an int, and the other timers are at floats"):
        d.setdefault("c", 2**53 + 1)
    assert len(d) == 2
    d.clear()
    assert d.setdefault("a", 7) == 7 and type(d["a"]) is int


def test_what_is_set_again_comes_last_of_its_time() -> None:
    d = Deadlines([("a", 1), ("b", 1), ("c", 1)])
    d["a"] = 1
    assert list(d) == ["b", "c", "a"]
    d["b"] = 2
    d["b"] = 1
    assert d.due(1) == ["c", "a", "b"]


def test_a_key_stays_the_first_of_its_equals() -> None:
    d: Any = Deadlines({1: 5.0})
    d[True] = 6.0
    d[1.0] = 7.0
    assert [(type(key), at) for key, at in d.items()] == [(int, 7.0)]
    nan = float("nan")
    d = Deadlines({nan: 1.0})
    assert nan in d and float("nan") not in d
    d[nan] = 2.0
    assert d.due(9.0) == [nan]


def test_due() -> None:
    d: Any = Deadlines({number: number // 3 for number in range(30)})
    assert d.due(now=2, limit=4) == [0, 1, 2, 3] and d.due(2) == [4, 5, 6, 7, 8] and 8 not in d and 9 in d
    assert d.due_items(3) == [(9, 3), (10, 3), (11, 3)]
    for limit, error in ((-1, ValueError), ("x", TypeError)):
        with pytest.raises(error, match="limit"):
            d.due(99, limit)
    assert len(d) == 18


@pytest.mark.parametrize(
    ("at", "error"),
    [
        (None, TypeError),
        ("x", TypeError),
        (True, TypeError),
        (Fraction(1), TypeError),
        (float("nan"), ValueError),
        (2**63, OverflowError),
        (datetime(2026, 1, 1), TypeError),
    ],
)
def test_a_bad_time_changes_nothing(at: Any, error: type[Exception]) -> None:
    d: Any = Deadlines({"a": 1.5, "b": 2.5})
    for act, arguments in [
        (d.setdefault, ("new", at)),
        *((d.__setitem__, (key, at)) for key in ("a", "new")),
        *((act, ([("c", 3.0), (key, at)],)) for key in ("a", "new") for act in (d.update, d.__init__)),
    ]:
        with pytest.raises(error):
            act(*arguments)
        assert list(d.items()) == [("a", 1.5), ("b", 2.5)]
        d._check()


def test_bad_pairs_and_keys() -> None:
    d: Any = Deadlines({"a": 1.5})
    for bad in ([("c", 1.0, 2)], [5], 5, ["abc"]):
        for put in (d.update, d.__init__):
            with pytest.raises((TypeError, ValueError)):
                put(bad)
    for ask in (lambda: d.__setitem__([], 1.0), lambda: [] in d, lambda: d.get([]), lambda: d.pop([], 1)):
        with pytest.raises(TypeError, match="unhashable"):
            ask()
    assert list(d.items()) == [("a", 1.5)]


class Raising(Named):
    """A key that fails, or changes its deadlines, when it is compared or hashed."""

    act: Callable[[], Any] | None = None

    def __eq__(self, other: object) -> bool:
        if self.act is not None:
            self.act()
        return super().__eq__(other)

    def __hash__(self) -> int:
        return 1


def fail() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("size", [1, 3, 70, 700])
def test_all_or_nothing_where_a_key_fails(size: int) -> None:
    d: Any = Deadlines((Raising(number) if number < 9 else str(number), float(number % 50)) for number in range(size))
    before = [(id(key), at) for key, at in d.items()]
    key = next(key for key in d if isinstance(key, Raising))
    stranger = Raising(-1)
    for act in (
        lambda: d.__setitem__(stranger, 1.0),
        lambda: stranger in d,
        lambda: d.get(stranger),
        lambda: d.pop(stranger, None),
        lambda: d.setdefault(stranger, 1.0),
        lambda: d.update([("new", 2.0), (stranger, 1.0)]),
        lambda: d.update([(stranger, 1.0)]),
    ):
        key.act = fail
        with pytest.raises(ZeroDivisionError):
            act()
        del key.act
        assert [(id(key), at) for key, at in d.items()] == before
        d._check()


ACTS: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda d, key: d.__setitem__(key, 3.0),
    "get": lambda d, key: d.get(key),
    "delete": lambda d, key: d.pop(key, None),
    "update": lambda d, key: d.update([("u", 1.0), (key, 2.0)]),
    "setdefault": lambda d, key: d.setdefault(key, 4.0),
    "copy": lambda d, key: copy.copy(d),
    "deepcopy": lambda d, key: copy.deepcopy(d),
    "clear": lambda d, key: d.clear(),
    "due": lambda d, key: d.due(2.0, 3),
    "items": lambda d, key: list(d.items()),
    "next": lambda d, key: d.next_at(),
    "shrink": lambda d, key: d.due(99.0),
    "grow": lambda d, key: d.update((f"n{number}", 7.5) for number in range(600)),
}


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("inner", ACTS)
@pytest.mark.parametrize("outer", ACTS)
@pytest.mark.parametrize("size", [3, 70, 700])
def test_a_comparison_that_comes_back(outer: str, inner: str, size: int, always: bool) -> None:
    """Whatever a comparison does once, or each time, the deadlines stay whole: it is answered, or RuntimeError."""
    d: Any = Deadlines((Raising(n) if n % (size // 3) == 0 else str(n), float(n % 5)) for n in range(size))
    left = [True]
    depth: list[int] = []

    def act() -> None:
        if left and (always or left.pop()):
            depth.append(0)
            if len(depth) < 3:
                ACTS[inner](d, "other")
            depth.pop()

    for key in d:
        if isinstance(key, Raising):
            key.act = act
    try:
        ACTS[outer](d, Raising(-1))
    except RuntimeError as error:
        assert "again and again" in str(error) or "changed during" in str(error)
    left.clear()
    d._check()
    assert len(list(d)) == len(d)


def test_a_finaliser_of_a_key_that_falls_due_sees_it_gone() -> None:
    seen: list[Any] = []

    class Dying(Named):
        def __del__(self) -> None:
            seen.append((len(d), self.name in [key.name for key in d if isinstance(key, Named)]))
            d[f"{len(seen)}"] = 50.0
            d._check()

    d: Any = Deadlines((Dying(number), float(number)) for number in range(60))
    d.due(9.0)
    del d[Named(10)]
    d.pop(Named(11))
    d.popitem()
    gc.collect()
    assert len(seen) == 13 and not any(there for _, there in seen) and len(d) == 60
    seen.clear()
    d.clear()
    assert len(d) == 47


@pytest.mark.parametrize("size", [0, 1, 3, 40, 1000, 30_000])
@pytest.mark.parametrize("objects", [False, True])
def test_copies_share_and_are_independent(size: int, objects: bool) -> None:
    def make(number: int) -> Any:
        return Named(number) if objects and number % 9 == 0 else f"{number}"

    d: Any = Deadlines((make(number), number * 7919 % 1000 / 10) for number in range(size))
    expected = list(d.items())
    for copier in COPIERS:
        twin = copier(d)
        third = copier(twin)
        assert type(twin) is Deadlines and list(twin.items()) == expected
        for number in range(0, size, 7):
            twin[make(number)] = 1000.0 + number
        for number in range(3, size, 7):
            del twin[make(number)]
        twin["new"] = -1.0
        twin._check()
        assert list(d.items()) == expected == list(third.items())
        third.due(50.0)
        third._check()
        assert list(third.items()) == [(key, at) for key, at in expected if at > 50.0]
        d._check()
        assert list(d.items()) == expected


def test_a_write_beside_a_copy_costs_what_it_touches() -> None:
    d: Any = Deadlines((f"{number}", number * 7919 % 10**6 / 10) for number in range(200_000))
    tracemalloc.start()
    copies = [copy.deepcopy(d) for _ in range(10)]
    for number, twin in enumerate(copies):
        twin[f"{number}"] = 5.5
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown < sys.getsizeof(d) / 10


def test_keys_are_deep_copied_with_the_memo() -> None:
    class Box(Named):
        pass

    d: Any = Deadlines({Box(1): 1.0, "a": 2.0, (Box(2), 3): 3.0})
    holder = copy.deepcopy([d, list(d)])
    twin, keys = holder
    assert [one is other for one, other in zip(twin, keys)] == [True, True, True]
    assert all(key in twin for key in keys) and next(iter(twin)) is not next(iter(d))
    twin._check()
    itself: Any = Deadlines()
    itself[Held(itself)] = 1.0
    again = copy.deepcopy(itself)
    assert next(iter(again)).value is again is not itself


class Held:
    def __init__(self, value: Any) -> None:
        self.value = value


def test_cycles_are_collected() -> None:
    d: Any = Deadlines()
    d[Held(d)] = 1.0
    gone = weakref.ref(d)
    del d
    gc.collect()
    assert gone() is None


class Leases(Deadlines[K, float], Generic[K]):
    __slots__ = ("__dict__", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.extra = [name]


def test_subclasses() -> None:
    lease: Leases[str] = Leases[str]("x")
    lease["a"] = 1.5
    for copier in COPIERS:
        twin = copier(lease)
        assert type(twin) is Leases and twin.name == "x" and twin.extra == ["x"] and list(twin.items()) == [("a", 1.5)]
        twin["b"] = 2.5
        assert len(lease) == 1
    assert Deadlines[str, float]().due(1.0) == [] and Deadlines[str, float]({"a": 1.0})["a"] == 1.0


def test_aware_times_are_answered_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    d = Deadlines({"a": datetime(2026, 1, 1, 2, tzinfo=zone)})
    assert d["a"] == START and d["a"].tzinfo is timezone.utc and d.pop("a") == START
    d["b"] = START.replace(tzinfo=None)
    assert d["b"] == datetime(2026, 1, 1)


def test_states() -> None:
    d: Any = Deadlines((number, float(number)) for number in range(100))
    version, times, keys, kind = d.__reduce_ex__(2)[2]
    for state, error in (
        ((version, times, ("a",) * 100, kind), ValueError),
        ((version, times, tuple([number] for number in range(100)), kind), TypeError),
        ((version, times, "ab", kind), ValueError),
        ((9, times, keys, kind), ValueError),
        ((version, times, keys), TypeError),
        ((version, times[:-1], keys, kind), ValueError),
    ):
        with pytest.raises(error):
            d.__setstate__(state)
        d._check()
        assert len(d) == 100
    d.__setstate__(Deadlines({"a": 1}).__reduce_ex__(2)[2])
    assert list(d.items()) == [("a", 1)]


def test_iteration_notices_changes() -> None:
    d: Any = Deadlines((number, number) for number in range(100))
    for change in (lambda: d.__setitem__(5, 7), lambda: d.pop(3), lambda: d.due(0), d.clear):
        keys = iter(d)
        next(keys)
        change()
        with pytest.raises(RuntimeError, match="changed during iteration"):
            next(keys)


def test_memory() -> None:
    """Beside its keys, whatever it was through, it needs what a dict needs and 40 bytes a key; and gives it back."""
    d: Any = Deadlines()
    empty = sys.getsizeof(d)
    keys = [f"{number}" for number in range(20_000)]
    tracemalloc.start()
    for key in keys:
        d[key] = hash(key) % 1000 / 7
    # Not what a thread of the test runner allocates meanwhile.
    here = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, __file__)])
    owned = sum(trace.size for trace in here.traces)
    tracemalloc.stop()
    plain = dict.fromkeys(keys, 0.0)
    assert owned <= sys.getsizeof(d) + 200
    assert sys.getsizeof(d) <= sys.getsizeof(plain) + 40 * len(keys)
    for key in keys:
        d[key] = hash(key) % 999 / 7
    assert sys.getsizeof(d) <= sys.getsizeof(plain) + 50 * len(keys)
    d.due(1e9, 19_990)
    assert sys.getsizeof(d) < empty + 3000
    d.due(1e9)
    assert sys.getsizeof(d) <= empty + 100


@pytest.mark.skipif(allocations.FREE_THREADED_3_13, reason="this CPython crashes without memory for a list")
@pytest.mark.parametrize("size", [0, 1, 5, 6, 40, 400])
@pytest.mark.parametrize(
    "action",
    ["set", "setdefault", "move", "delete", "update", "due", "due_items", "copy", "build", "state"],
)
def test_failing_allocations(size: int, action: str) -> None:
    pytest.importorskip("_testcapi")
    fail, restore, least = allocations.switches()
    unraised = allocations.Unraised(fail, restore)
    state = Deadlines({f"s{number}": number / 8 for number in range(90)}).__reduce_ex__(2)[2]
    acts: dict[str, Callable[[Any], Any]] = {
        "set": lambda d: d.__setitem__("new", 77.25),
        "setdefault": lambda d: d.setdefault("new", 77.25),
        "move": lambda d: d.__setitem__("0", 99.5),
        "delete": lambda d: d.pop("0", None),
        "update": lambda d: d.update([("x", 1.5), (Named(3), 2.5), ("0", 5.0)]),
        "due": lambda d: d.due(3.0),
        "due_items": lambda d: d.due_items(3.0, 9),
        "copy": lambda d: copy.deepcopy(d),
        "build": lambda d: d.__init__([("x", 1.5), ("y", 2.5), ("x", 0.5)]),
        "state": lambda d: d.__setstate__(state),
    }
    for objects in (False, True):
        for twinned in (False, True):
            quiet = 0
            for failing in range(0, 4000, 1 if size < 50 else 7):
                d: Any = Deadlines(
                    (Named(number) if objects and number % 5 == 1 else f"{number}", float(number % 60))
                    for number in range(size)
                )
                twin = copy.copy(d) if twinned else None
                before = [(id(key), at) for key, at in d.items()]
                failed = False
                with unraised:
                    fail(failing)
                    try:
                        acts[action](d)
                    except MemoryError:
                        failed = True
                    finally:
                        restore()
                unraised.check()
                quiet = 0 if failed else quiet + 1
                d._check()
                if failed:
                    assert [(id(key), at) for key, at in d.items()] == before
                if twin is not None:
                    twin._check()
                    assert [(id(key), at) for key, at in twin.items()] == before
                if quiet > 11 and failing > least:
                    break
            else:
                raise AssertionError("does not end")


def test_look_is_no_change() -> None:
    d: Any = Deadlines((f"{number}", float(number % 60)) for number in range(300))
    keys = iter(d)
    next(keys)
    assert d["5"] == 5.0 and "7" in d and d.next_at() == 0.0 and d.due(-1.0) == [] and copy.copy(d) == d
    pickle.dumps(d)
    assert len(list(keys)) == 299


@pytest.mark.parametrize("make", [str, Named])
def test_an_update_of_none_or_one_changes_that_alone(make: Callable[[int], Any]) -> None:
    d: Any = Deadlines((make(number), float(number)) for number in range(100))
    expected = list(d.items())
    shown = iter(d.items())
    assert next(shown) == expected[0]
    d.update({})
    assert list(shown) == expected[1:]
    before = sys.getsizeof(d)
    d.update([(expected[7][0], 200.0)])
    assert list(d.items()) == [*expected[:7], *expected[8:], (expected[7][0], 200.0)]
    assert sys.getsizeof(d) < before + 3000
    with pytest.raises(TypeError):
        d.update([(expected[8][0], "late")])
    d._check()


def test_a_view_of_nothing() -> None:
    d: Any = Deadlines()
    for view in (d.items(), d.values()):
        kind: Any = type(view)
        with pytest.raises(TypeError):
            iter(kind(None))
