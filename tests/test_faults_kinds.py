"""Faults of telling what kind a token is: to look at a token, or at its class, may run foreign code, or none."""

from __future__ import annotations

import copy
import enum
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.interruptions import collecting, once, survives
from timers import Deadlines, MultiNotifier


class Key:
    """Its copy has another hash."""


def looks_like(name: str) -> Any:
    return type(name, (), {})()


def counts(*tokens: Any) -> list[int]:
    return [sys.getrefcount(token) for token in tokens]


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The modules that are asked for; none of those that a token may be of has been imported."""
    asked: list[str] = []

    class Finder:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            asked.append(name)

    for name in ("uuid", "decimal", "fractions"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    yield asked


@pytest.mark.parametrize("name", ["UUID", "Fraction", "decimal.Decimal"])
def test_a_class_of_a_known_name_imports_nothing(unseen: list[str], name: str) -> None:
    n: MultiNotifier[Any, float] = MultiNotifier()
    n.notify_at(1.0, looks_like(name))
    n.notify_many([1.0, 2.0], ["x", looks_like(name)])
    assert (1.0, looks_like(name)) not in n and len(copy.deepcopy(n)) == 3 and not unseen


def test_no_attribute_of_a_token_is_asked() -> None:
    asked = []

    class Odd(enum.Enum):
        ONE = 1

        @property
        def __deepcopy__(self) -> Any:
            asked.append(self)
            raise KeyboardInterrupt

    class Pair(NamedTuple):
        x: int

    class Maker:
        def __get__(self, instance: Any, owner: Any = None) -> Any:
            asked.append(owner)
            raise KeyboardInterrupt

    made = Pair(1)
    Pair.__new__ = Maker()  # type: ignore[assignment,method-assign]
    n: MultiNotifier[Any, float] = MultiNotifier()
    for token in (Odd.ONE, made):
        n.notify_at(1.0, token)
        n.notify_many([1.0, 1.0], ["x", token])
    assert not asked and n.due(1.0) == [Odd.ONE, "x", Odd.ONE, made, "x", made]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="collections start between bytecodes")
def test_tokens_that_a_collection_exchanges_while_they_are_looked_at() -> None:
    names = [f"C{number}" for number in range(200)]
    colours: Any = enum.Enum("Colour", names)  # type: ignore[misc]
    members = list(colours)
    first, other = ("token " * len(sys.argv) + name for name in ("first", "other"))
    for run in range(40):
        tokens: list[Any] = [first, *members]
        before = counts(first, other)

        def exchange(tokens: list[Any] = tokens) -> None:
            tokens[0] = other
            tokens.extend(range(1000))
            del tokens[len(members) + 1 :]

        n: MultiNotifier[Any, float] = MultiNotifier()
        with collecting(once(exchange, run)):
            n.notify_many([1.0] * len(tokens), tokens)
        assert n.due(1.0)[1:] == members
        tokens.clear()
        assert counts(first, other) == [before[0] - 1, before[1]]


def test_a_class_that_is_called_decimal() -> None:
    survives(
        """
        from timers import MultiNotifier

        def hash_of(token):
            if acts and token.x == 500:
                acts.clear()
                n.clear()
                junk.extend(bytes(48) for _ in range(1000))
            return hash(token.x)

        Decimal = type("decimal.Decimal", (), {"__hash__": hash_of, "__eq__": lambda self, other: self is other})
        junk, acts = [], []
        n = MultiNotifier()
        for number in range(1001):
            token = Decimal()
            token.x = number
            if number < 1000:
                n.notify_at(1.0, token)
        acts.append(1)
        assert n.cancel(1.0, token) is False
        n._check()
        """
    )


# ---- deep copies of what a foreign hand makes mutable meanwhile


@pytest.mark.parametrize("run", range(8))
def test_a_mutable_token_that_comes_while_a_deep_copy_begins(run: int) -> None:
    n: MultiNotifier[Any, float] = MultiNotifier([(1.0, frozenset([1]))])
    mutable: list[Any] = []
    with collecting(once(lambda: n.notify_at(2.0, mutable), run)):
        twin = copy.deepcopy(n)
    assert not any(token is mutable for token in twin.due(2.0))


@pytest.mark.parametrize("run", range(12))
def test_a_key_that_comes_while_a_deep_copy_begins(run: int) -> None:
    d: Deadlines[Any, float] = Deadlines({frozenset([1]): 1.0})
    key = Key()
    with collecting(once(lambda: d.__setitem__(key, 2.0), run)):
        twin = copy.deepcopy(d)
    twin._check()
    assert key not in twin and all(each in twin for each in twin)


def test_a_key_that_comes_with_the_arguments_of_new() -> None:
    class Leases(Deadlines[Any, float]):
        def __getnewargs__(self) -> tuple[()]:
            if len(self) == 1:
                self[Key()] = 2.0
            return ()

    twin = copy.deepcopy(Leases({frozenset([1]): 1.0}))
    twin._check()
    assert type(twin) is Leases and len(twin) == 2 and all(each in twin for each in twin)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="collections start between bytecodes")
def test_timers_that_are_handed_over_while_an_object_is_made() -> None:
    survives(
        """
        import copy, gc
        from tests.interruptions import collecting
        from timers import Deadlines

        class Leases(Deadlines):
            half = None
            def __init__(self, *_): pass
            def __new__(cls, *_):
                return Leases.half if Leases.half is not None else super().__new__(cls)

        big = Leases()
        big["a"], big[frozenset([1])] = 1.0, 2.0
        filled = []

        def fill():
            for thing in gc.get_objects():
                if type(thing) is Leases and thing is not big and not filled:
                    filled.append(thing)
                    Leases.half = thing
                    try:
                        copy.copy(big)
                    finally:
                        Leases.half = None

        with collecting(fill):
            made = Leases()
        made._check()
        assert not filled or made.due(5.0) == ["a", frozenset([1])]
        """
    )


@pytest.mark.parametrize("run", range(6))
def test_the_soonest_of_another_kind_of_times(run: int) -> None:
    d: Deadlines[Any, Any] = Deadlines({number: 1.0 for number in range(40)})

    def exchange() -> None:
        d.clear()
        d["x"] = 5

    with collecting(once(exchange, run)):
        assert d.popitem() in [(0, 1.0), ("x", 5)]


def test_a_chain_of_copies_cascades_once(inside: Any) -> None:
    """As copies of one do: before the second copy it is done for all."""
    first = inside.Numbers(range(0, 1 << 20, 1 << 10))
    second = first.copy()
    assert isinstance(second.shape(), list)
    third = second.copy()
    assert hasattr(third.shape(), "slots") and third.check() == second.check() == first.check() == 1024


def test_a_type_that_equals_any_other() -> None:
    """As the tokens of a state."""

    class Meta(type):
        def __eq__(cls, other: object) -> bool:
            return True

        __hash__ = type.__hash__

    class Tokens(metaclass=Meta):
        def __len__(self) -> int:
            return 100_000

    for queue in (MultiNotifier([(1.5, "a")]), Deadlines([("a", 1.5)])):
        for state in (
            (2, b"\1" * 100_000, Tokens(), False),
            (Tokens(), b"\1", ("a",), False),
            (2, b"\1", ("a",), Tokens()),
            (2, Tokens(), ("a",), False),
        ):
            with pytest.raises(TypeError):
                queue.__setstate__(state)
        queue._check()
        assert len(queue) == 1


def test_a_table_of_copiers_whose_keys_are_asked() -> None:
    """Lists of tokens are read where they lie; the tables of `copy` may hold keys with an `==` of their own."""
    survives("""
    import copy, copyreg
    from datetime import date, datetime, time, timedelta, timezone
    from timers import Deadlines, MultiNotifier

    class Key:
        asked = 0
        def __init__(self, kind): self.kind = kind
        def __hash__(self): return hash(self.kind)
        def __eq__(self, other):
            Key.asked += 1
            tokens.clear()
            return False

    makes = {
        timedelta: timedelta, date: lambda n: date(2000, 1, 1 + n % 28),
        datetime: lambda n: datetime(2000, 1, 1 + n % 28),
        time: lambda n: time(n % 24), timezone: lambda n: timezone(timedelta(minutes=n % 600)),
    }
    for kind, make in makes.items():
        for wrap in (lambda token: token, lambda token: ("a", token)):
            keep = [make(number) for number in range(2000)]
            tokens = [wrap(token) for token in keep]
            key = Key(kind)
            copyreg.dispatch_table[key] = None
            n = MultiNotifier()
            try: n.notify_many([1.0] * 2000, tokens)
            except RuntimeError: assert not n
            else: assert n.due(1.0) == [wrap(token) for token in keep]
            del copyreg.dispatch_table[key], tokens
    assert Key.asked
    """)


def test_a_class_with_a_name_that_clears_what_is_shown() -> None:
    class Name(str):
        __slots__ = ()

        def __format__(self, how: str) -> str:
            n.clear()
            return "name"

    class Meta(type):
        __name__ = Name("name")

    class Named(MultiNotifier[Any, float], metaclass=Meta):
        pass

    n = Named([(1.5, "a")])
    assert repr(n) == "<name: no timers>"
