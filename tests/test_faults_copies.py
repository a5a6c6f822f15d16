"""Faults of copies: tokens and attributes that act while they are copied, arguments of `__new__`."""

from __future__ import annotations

import copy
import functools
import gc
import pickle
import weakref
from datetime import datetime, timedelta
from typing import Any, Callable

import pytest

from tests.clocks import UTC
from tests.interruptions import once
from tests.proof import allocations
from timers import Deadlines, MultiNotifier

T = datetime(2026, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


# ---- a deep copy is one moment's


class Sub(MultiNotifier[Any]):
    extra: Any = None


class Memo(dict):  # type: ignore[type-arg]
    """Acts where something is looked up, or kept."""

    act: Callable[[], Any] = staticmethod(lambda: None)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.act()


class Acting:
    """A value whose copying acts."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act

    def __deepcopy__(self, memo: Any) -> str:
        self.act()
        return "copied"


MUTATIONS: dict[str, Callable[[MultiNotifier[Any]], Any]] = {
    "mixes": lambda n: n.notify_at(T, ["mutable"]),
    "adds": lambda n: n.notify_at(T, "plain"),
    "empties": lambda n: n.clear(),
    "takes": lambda n: n.due(T + 2 * MICROSECOND),
    "unmixes": lambda n: n.__init__([(T, "plain")]),  # type: ignore[misc]
}


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("size", [1, 20, 200])
@pytest.mark.parametrize("hook", ["memo", "attribute", "token", "__new__"])
def test_a_deep_copy_that_changes_what_it_copies(hook: str, size: int, mixed: bool, mutation: str) -> None:
    def read(n: MultiNotifier[Any]) -> list[Any]:
        return [(at, "copied" if isinstance(token, Acting) else token) for at, token in n]

    for run in range(3):
        pairs: list[Any] = [(T + number * MICROSECOND, [number] if mixed else number) for number in range(size)]
        n = Sub(pairs)
        act = once(lambda n=n: MUTATIONS[mutation](n), run)  # type: ignore[misc]
        memo = Memo()
        if hook == "memo":
            memo.act = act
        elif hook == "attribute":
            n.extra = Acting(act)
        elif hook == "token":
            n.notify_at(T, Acting(act))
        else:
            n.extra = Acting(act)
            n.__class__ = Renewed
        before = read(n)
        twin = copy.deepcopy(n, memo)
        twin._check()
        n._check()
        assert read(twin) in (before, read(n))
        assert type(twin) is type(n)


class Renewed(Sub):
    def __new__(cls, *arguments: Any) -> Any:
        return super().__new__(cls)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (self.extra,)


# ---- subclasses with arguments for __new__


class Named(MultiNotifier[Any]):
    def __new__(cls, name: str) -> Any:
        self = super().__new__(cls)
        self.name = name
        return self

    name: str

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        raise AssertionError("copying and unpickling call no __init__")

    def __getnewargs__(self) -> tuple[str]:
        return (self.name,)


class Keyed(Named):
    __slots__ = ("key",)

    key: Any

    def __new__(cls, *, key: Any) -> Any:
        self = super().__new__(cls, "keyed")
        self.key = key
        return self

    def __getnewargs_ex__(self) -> tuple[Any, Any]:
        return (), {"key": self.key}


def _pickled(n: Any, protocol: int) -> Any:
    return pickle.loads(pickle.dumps(n, protocol))


def _pickled_in_python(n: Any, protocol: int) -> Any:
    return pickle._loads(pickle._dumps(n, protocol))  # type: ignore[attr-defined]


def _makers() -> dict[str, Callable[[Any], Any]]:
    makers: dict[str, Callable[[Any], Any]] = {"copy": copy.copy, "deepcopy": copy.deepcopy}
    for protocol in PROTOCOLS:
        makers[f"pickle {protocol}"] = functools.partial(_pickled, protocol=protocol)
        makers[f"pickle {protocol} in Python"] = functools.partial(_pickled_in_python, protocol=protocol)
    return makers


class Keeps:
    """Sets a timer in the copy that is being made of what it knows."""

    def __init__(self, known: Any) -> None:
        self.known = known

    def __hash__(self) -> int:
        return 1

    def __deepcopy__(self, memo: Any) -> Keeps:
        twin = Keeps(copy.deepcopy(self.known, memo))
        if isinstance(twin.known, Deadlines):
            twin.known["set"] = 7.0
        else:
            twin.known.notify_at(7.0, "set")
        return twin


@pytest.mark.parametrize("where", ["a token", "an attribute", "a key"])
def test_a_timer_that_is_set_in_a_copy_in_the_making(where: str) -> None:
    known: Any = Deadlines() if where == "a key" else Sub()
    if where == "a key":
        known[Keeps(known)] = 1.0
    elif where == "a token":
        known = MultiNotifier()
        known.notify_at(1.0, Keeps(known))
    else:
        known.notify_at(1.0, "a")
        known.extra = Keeps(known)
    with pytest.raises(RuntimeError, match="a copy is changed while it is made"):
        copy.deepcopy(known)
    known._check()
    assert len(known) == 1


@pytest.mark.parametrize("how", _makers())
@pytest.mark.parametrize("size", [0, 1, 200])
def test_arguments_of_new(how: str, size: int) -> None:
    for make, attributes in (
        (lambda: Named.__new__(Named, "n"), ("name",)),
        (lambda: Keyed.__new__(Keyed, key=[1]), ("name", "key")),
    ):
        n: Any = make()  # type: ignore[no-untyped-call]
        pairs = [(T + number * MICROSECOND, number) for number in range(size)]
        n.notify_many([at for at, _ in pairs], [token for _, token in pairs])
        twin = _makers()[how](n)
        assert type(twin) is type(n) and twin is not n
        for name in attributes:
            assert getattr(twin, name) == getattr(n, name)
        twin._check()
        assert list(twin) == list(n) == pairs


class Interned(Named):
    """Of each name there is one."""

    known: dict[str, Any] = {}  # noqa: RUF012

    def __new__(cls, name: str) -> Any:
        if name not in cls.known:
            cls.known[name] = super().__new__(cls, name)
        return cls.known[name]


class Awkward(Sub):
    answer: Any = ()

    def __getnewargs__(self) -> Any:
        return self.answer


def test_new_that_answers_what_it_likes() -> None:
    n = Interned.__new__(Interned, "a")
    n.notify_many([T] * 100, list(range(100)))
    for make in _makers().values():
        twin = make(n)
        twin._check()
        assert twin is n and n.due(T, 1000) == list(range(100)) and not n
        n.notify_many([T] * 100, list(range(100)))
    odd = Awkward([(T, "x")])
    for answer in (None, 5, [1]):
        odd.answer = answer
        for maker in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                maker(odd)
    assert odd.due(T) == ["x"]


@pytest.mark.skipif(allocations.FREE_THREADED_3_13, reason="this CPython crashes without memory for a list")
def test_a_copy_that_finds_no_memory_keeps_nothing() -> None:
    """CPython 3.10 to 3.12 never gives back the list by which another could not be extended."""
    testing = pytest.importorskip("_testcapi")
    n: MultiNotifier[Any, int] = MultiNotifier((number, Thing()) for number in range(500))
    known = [weakref.ref(token) for _, token in n]
    failed = 0
    for number in range(60):
        testing.set_nomemory(number, number + 1)
        try:
            copy.copy(n)
        except MemoryError:
            failed += 1
        finally:
            testing.remove_mem_hooks()
    assert failed > 5 and len(n) == 500
    n.clear()
    gc.collect()
    assert not any(token() for token in known)


class Thing:
    """A token that can be referred to weakly."""
