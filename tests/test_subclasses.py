"""What a subclass says of itself: how it is pickled, and so copied, and what its attributes are."""

from __future__ import annotations

import copy
import copyreg
import dataclasses
import pickle
import sys
import threading
from typing import Any, Callable

import pytest

from timers import Deadlines, MultiNotifier

COPIERS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda timers: pickle.loads(pickle.dumps(timers)),
}


class Guarding:
    """With a lock, which is left out of pickles."""

    def __init__(self, timers: Any = ()) -> None:
        super().__init__(timers)  # type: ignore[call-arg]
        self.lock = threading.Lock()
        self.name = ["guarded"]

    def __getstate__(self) -> Any:
        state: Any = super().__getstate__()
        return (*state[:-1], {name: value for name, value in state[-1].items() if name != "lock"})

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        self.lock = threading.Lock()


class GuardedNotifier(Guarding, MultiNotifier[Any, float]):
    pass


class GuardedDeadlines(Guarding, Deadlines[Any, float]):
    pass


class Wrapping(MultiNotifier[Any, float]):
    """Its state is of a form of its own, and given to one it is used up."""

    lock: Any

    def __getstate__(self) -> Any:
        state: Any = super().__getstate__()
        return {"timers": state[:4], "name": self.name}

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state.pop("timers"))
        self.name = state.pop("name")
        self.lock = threading.Lock()


class WrappingDeadlines(Deadlines[Any, float]):
    lock: Any

    def __getstate__(self) -> Any:
        return list(self.items()), self.name

    def __setstate__(self, state: Any) -> None:
        Deadlines.__init__(self, state[0])
        self.name = state[1]
        self.lock = threading.Lock()


class Key:
    pass


class Reduced(MultiNotifier[Any, float]):
    def __reduce__(self) -> Any:
        return Reduced, ([(1.0, "reduced")],)


class Named(MultiNotifier[Any, float]):
    def __reduce__(self) -> Any:
        return "ONLY"


ONLY = Named()


class Registered(MultiNotifier[Any, float]):
    pass


def remade(timers: Registered) -> Any:
    return Registered, ([(2.0, "registered")],)


@pytest.mark.parametrize("name", COPIERS)
def test_a_lock_left_out_of_the_state(name: str) -> None:
    key = Key()
    for made in (GuardedNotifier([(1.0, "a"), (2.0, key)]), GuardedDeadlines({"a": 1.0}), GuardedDeadlines({key: 1.0})):
        twin = COPIERS[name](made)
        assert type(twin) is type(made) and len(twin) == len(made) and twin.next_at() == 1.0
        assert twin.lock is not made.lock and not twin.lock.locked()
        assert twin.name == made.name and (twin.name is made.name) is (name == "copy")
        if name == "copy":
            assert list(twin) == list(made)
        twin._check()


@pytest.mark.parametrize("name", COPIERS)
def test_a_state_of_a_form_of_its_own(name: str) -> None:
    key = Key()
    made: Any
    for made in (Wrapping(), Wrapping([(1.0, "a")]), Wrapping([(2.0, key)]), WrappingDeadlines({"a": 1.0, key: 2.0})):
        made.name, made.lock = ["wrapped"], threading.Lock()
        twin = COPIERS[name](made)
        assert type(twin) is type(made) and len(twin) == len(made) and twin.next_at() == made.next_at()
        assert twin.lock is not made.lock
        assert twin.name == made.name and (twin.name is made.name) is (name == "copy")
        twin._check()


@pytest.mark.parametrize("name", COPIERS)
def test_a_class_that_reduces_itself(name: str) -> None:
    assert list(COPIERS[name](Reduced([(5.0, "a")]))) == [(1.0, "reduced")]
    assert COPIERS[name](ONLY) is ONLY
    copyreg.pickle(Registered, remade)
    try:
        assert list(COPIERS[name](Registered([(5.0, "a")]))) == [(2.0, "registered")]
    finally:
        del copyreg.dispatch_table[Registered]
    assert list(COPIERS[name](Registered([(5.0, "a")]))) == [(5.0, "a")]


def test_a_copy_by_its_state_knows_the_memo() -> None:
    made: Any = GuardedNotifier()
    made.notify_at(1.0, made)
    made.name.append(made)
    twin = copy.deepcopy(made)
    assert twin.due(1.0) == [twin] and twin.name[1] is twin is not made


class Fields:
    """As a dataclass that is frozen and has slots: its state has its fields, and no timers."""

    __slots__ = ()
    name: Any

    def __getstate__(self) -> Any:
        return [self.name]

    def __setstate__(self, state: Any) -> None:
        object.__setattr__(self, "name", state[0])


class Silent:
    def __getstate__(self) -> Any:
        return None


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("mixin", [Fields, Silent])
@pytest.mark.parametrize("token", ["a", Key()], ids=["plain", "loose"])
def test_no_copy_loses_timers_that_a_state_has_not(deep: bool, mixin: Any, token: Any) -> None:
    for base, timers in ((MultiNotifier, [(1.0, token)]), (Deadlines, {token: 1.0})):
        kind: Any = type("Described", (mixin, base), {})
        made = kind(timers)
        made.name = ["name"]
        twin = copy.deepcopy(made) if deep else copy.copy(made)
        assert type(twin) is kind and len(twin) == 1 and twin.next_at() == 1.0
        assert twin.name == ["name"] and (twin.name is made.name) is not deep
        twin._check()


@pytest.mark.skipif(sys.version_info < (3, 10), reason="dataclasses have no slots there")
@pytest.mark.parametrize("base", [MultiNotifier, Deadlines])
def test_a_dataclass_whose_pickles_would_lose_the_timers(base: Any) -> None:
    kind: Any = type("Frozen", (base,), {"__annotations__": {"name": str}, "name": "x"})
    kind = dataclasses.dataclass(frozen=True, eq=False, slots=True)(kind)
    globals()["Frozen"] = kind
    kind.__module__ = __name__
    made = kind("hello")
    assert pickle.loads(pickle.dumps(made)).name == "hello"
    base.__init__(made, {"a": 1.0} if base is Deadlines else [(1.0, "a")])
    for copied in (copy.copy(made), copy.deepcopy(made)):
        assert list(copied) == list(made) and len(copied) == 1 and copied.name == "hello"
    with pytest.raises(TypeError, match=r"^Frozen.__getstate__\(\), which dataclasses has made, leaves the timers out"):
        pickle.dumps(made)


class Meta(type):
    """Has an answer to any name, and one of its own to some."""

    __dictoffset__ = 0

    def __getattr__(cls, name: str) -> Any:
        return 5


class Metered(MultiNotifier[Any, float], metaclass=Meta):
    pass


@pytest.mark.parametrize("name", COPIERS)
def test_no_metaclass_is_asked(name: str) -> None:
    made: Any = Metered([(1.0, "a")])
    made.name = "name"
    twin = COPIERS[name](made)
    assert list(twin) == [(1.0, "a")] and twin.name == "name"


class Delegating:
    """Has an answer to any name that it has not, as a proxy has."""

    label = "label"

    def __new__(cls) -> Any:
        return super().__new__(cls)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.label, name)


class Answering:
    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name in ("__deepcopy__", "__reduce_ex__"):
            raise AttributeError(name)
        return lambda *arguments: None


class Refusing:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.mark.parametrize("name", COPIERS)
@pytest.mark.parametrize("mixin", [Delegating, Answering, Refusing])
def test_no_object_is_asked_what_its_class_has_not(name: str, mixin: Any) -> None:
    for base, timers in ((MultiNotifier, [(1.0, "a")]), (Deadlines, {"a": 1.0})):
        kind: Any = type("Asked", (mixin, base), {"__slots__": ()} if mixin is Answering else {})
        globals()["Asked"] = kind
        kind.__module__ = __name__
        made = kind()
        made.__init__(timers)
        twin = COPIERS[name](made)
        assert type(twin) is kind and list(twin) == list(made) and len(twin) == 1


@pytest.mark.parametrize("name", COPIERS)
def test_an_attribute_whose_name_is_no_string(name: str) -> None:
    made = Registered([(1.0, "a")])
    attributes: Any = vars(made)
    attributes[1] = "one"
    assert vars(COPIERS[name](made)) == {1: "one"}


class Slotted(MultiNotifier[Any, float]):
    __slots__ = ("__dict__", "first", "second")
    second: Any


class SlottedDeadlines(Deadlines[Any, float]):
    __slots__ = ("__dict__", "first", "second")


class Name(str):
    """Acts where it is compared."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        raise KeyError("compared")


@pytest.mark.parametrize("kind", [Slotted, SlottedDeadlines])
def test_names_that_act_are_refused_at_once(kind: Any) -> None:
    made = kind()
    made.first, made.third = "old", "old"
    state = (*made.__getstate__()[:4], {"first": "new", "other": 1, Name("third"): 2})
    with pytest.raises(TypeError, match="the names of attributes must be strings"):
        made.__setstate__(state)
    assert made.first == made.third == "old" and not hasattr(made, "other")


@pytest.mark.parametrize("kind", [Slotted, SlottedDeadlines])
@pytest.mark.parametrize("filled", [False, True])
def test_a_state_that_is_refused_leaves_the_attributes(kind: Any, filled: bool, monkeypatch: Any) -> None:
    made, other = kind(), kind()
    made.update({"new": 1.0}) if kind is SlottedDeadlines else made.notify_at(1.0, "new")
    made.first, made.second, made.third = "new", "new", "new"
    state = made.__getstate__()
    other.__setstate__(kind().__getstate__())
    if filled:
        other.first, other.third = "old", "old"
    with monkeypatch.context() as patched:
        patched.setattr(kind, "second", property(lambda timers: 1))
        with pytest.raises(AttributeError):
            other.__setstate__(state)
    assert not other and getattr(other, "first", None) == getattr(other, "third", None) == ("old" if filled else None)
    assert not hasattr(other, "second") and hasattr(other, "first") is filled
    other._check()
    other.__setstate__(state)
    assert other.first == other.second == other.third == "new" and len(other) == 1


@pytest.mark.parametrize("kind", [Slotted, SlottedDeadlines])
def test_what_was_there_goes_once_the_new_is_in_place(kind: Any) -> None:
    """So what its finalisers set is not replaced."""

    class Leaving:
        def __del__(self) -> None:
            made.update(late=5.0) if kind is SlottedDeadlines else made.notify_at(5.0, "late")

    made = kind()
    made.first, made.third = Leaving(), Leaving()
    made.__setstate__((*kind().__getstate__()[:4], {"first": "new", "third": "new"}))
    assert made.first == made.third == "new"
    assert made.due(5.0) == ["late"] * (1 if kind is SlottedDeadlines else 2)
    made._check()


def test_a_slot_that_was_not_set_stays_so(monkeypatch: Any) -> None:
    class Defaulting(Slotted):
        def __getattr__(self, name: str) -> Any:
            return "default"

    made: Any = Defaulting([(1.0, "a")])
    made.third = 3
    assert made.__getstate__()[-1] == {"third": 3}
    state = (*made.__getstate__()[:4], {"first": "new", "second": "new"})
    monkeypatch.setattr(Slotted, "second", property(lambda timers: 1))
    with pytest.raises(AttributeError):
        made.__setstate__(state)
    with pytest.raises(AttributeError):
        object.__getattribute__(made, "first")


class Hashing:
    """A key that acts when it is hashed."""

    def __hash__(self) -> int:
        if target is not None:
            target["other"] = 5.0
        return 1


target: Any = None


def test_keys_that_act_while_a_state_is_restored() -> None:
    global target
    made: Any = SlottedDeadlines({Hashing(): 1.0})
    old: Any = SlottedDeadlines({"old": 2.0})
    made.first, old.first = "new", "old"
    state = made.__getstate__()
    target = old
    try:
        with pytest.raises(RuntimeError, match="the keys are changed while a state is restored"):
            old.__setstate__(state)
    finally:
        target = None
    assert dict(old) == {"old": 2.0, "other": 5.0} and old.first == "old"
    old._check()
