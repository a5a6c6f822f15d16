"""Copies and pickles: the same future, independence, subclasses, tokens, golden files, forged states."""

from __future__ import annotations

import copy
import gc
import pickle
import pickletools
import random
import sys
import tracemalloc
import weakref
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Generic

import pytest

from tests.configs import CONFIGS
from tests.driver import Sub
from tests.golden import FAMILIES, FOLDER, FORMAT, rounds
from tests.model import LAST
from tests.proof import snapshots
from tests.proof.states import forge, good_states
from tests.test_contract import NAIVE, NOON, Keyed, U, later
from tests.tokens import COPIERS
from timers import MultiNotifier

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("size", [0, 1, 2, 5, 31, 32, 33, 48, 49, 200, 5000])
@pytest.mark.parametrize("kind", ["plain", "mutable", "one mutable", "crowd", "naive"])
def test_copies_have_the_same_future_and_are_independent(size: int, kind: str) -> None:
    start = NAIVE if kind == "naive" else NOON
    spread = 1 if kind == "crowd" else 100
    pairs: list[tuple[datetime, Any]] = [
        (start + (later(number * 7 % spread) - NOON), str(number)) for number in range(size)
    ]
    if kind == "mutable":
        pairs = [(at, [token]) for at, token in pairs]
    if kind == "one mutable" and pairs:
        pairs[size // 2] = (pairs[size // 2][0], [])
    expected = sorted(pairs, key=lambda pair: pair[0])
    end = LAST.replace(tzinfo=start.tzinfo)
    for deep, make in COPIERS.values():
        n: MultiNotifier[Any] = MultiNotifier(pairs)
        # Once with and once without a look inside, which may change the structure.
        for look in (False, True):
            if look:
                assert list(n) == expected
            twin = make(n)
            third = make(twin)
            twin.notify_at(start - (later(1) - NOON), "new")
            twin._check()
            n._check()
            assert list(n) == expected and n.next_at() == (expected[0][0] if expected else None)
            answer = twin.due(end)
            assert answer == ["new"] + [token for _, token in expected]
            if kind == "mutable":
                assert all((one is other) is not deep for one, (_, other) in zip(answer[1:], expected))
            del twin
            assert third.due_items(end) == expected and list(n) == expected
            n._check()
        last = make(n)
        assert n.due(end) == [token for _, token in expected]
        assert last.due_items(end, 3) == expected[:3]
        last._check()


def test_a_write_to_either_twin_leaves_the_other() -> None:
    writes: list[Callable[[MultiNotifier[Any]], Any]] = [
        lambda n: n.notify_at(NOON, "x"),
        lambda n: n.notify_many([NOON] * 60, range(60)),
        lambda n: n.due(later(40)),
        lambda n: n.due(later(40), 3),
        lambda n: n.due_items(later(40)),
        lambda n: n.cancel(later(7), "1"),
        lambda n: n.reschedule(later(7), "1", LAST),
        lambda n: n.clear(),
        lambda n: n.__setstate__(MultiNotifier([(NOON, 1)]).__reduce_ex__(2)[2]),
        list,
    ]
    for size in (3, 40, 1000):
        pairs = [(later(number * 7 % 100), str(number)) for number in range(size)]
        for _, make in COPIERS.values():
            for write in writes:
                for first in (False, True):
                    n: MultiNotifier[Any] = MultiNotifier(pairs)
                    twin = make(n)
                    write(n if first else twin)
                    other = twin if first else n
                    other._check()
                    assert list(other) == sorted(pairs, key=lambda pair: pair[0])
                    n._check()
                    write(other)
                    assert list(n) == list(twin)


def allocated(call: Callable[[], object]) -> int:
    """The bytes that a call allocates, at its peak."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_only_looks_copies_nothing() -> None:
    pairs = [(later(number / 1000), number) for number in range(100_000)]
    n = MultiNotifier(pairs)
    # A search may reshape the tree, once.
    assert pairs[5] in n and pairs[70_000] in n and (later(50), "nobody") not in n
    twin = copy.copy(n)
    calls: list[Callable[[], object]] = [
        lambda: pairs[5] in n and pairs[70_000] in twin,
        lambda: (NOON, "nobody") in n,
        lambda: n.cancel(later(50), "nobody"),  # type: ignore[arg-type]
        lambda: n.cancel(later(-50), 5),
        lambda: twin.reschedule(later(10**9), 5, NOON),
    ]
    for call in calls:
        assert allocated(call) < 10_000
    assert n.cancel(*pairs[70_000]) and pairs[70_000] in twin and pairs[70_000] not in n
    assert twin.reschedule(*pairs[5], later(-1)) and pairs[5] in n and twin.next_at() == later(-1)
    n._check()
    twin._check()
    assert len(n) == 99_999 and len(twin) == 100_000


def test_a_write_beside_each_of_many_snapshots_wastes_no_memory() -> None:
    n: MultiNotifier[int] = MultiNotifier()
    for number in range(3000):
        snapshot = copy.copy(n)
        n.notify_at(later(number * 7919 % 3000), number)
    del snapshot
    assert sys.getsizeof(n) < 1.2 * sys.getsizeof(MultiNotifier(list(n)))


def test_equal_times_keep_their_order_in_copies() -> None:
    n = MultiNotifier((NOON, number * 7919 % 1000) for number in range(1000))
    for _, make in COPIERS.values():
        twin = make(n)
        twin.notify_at(NOON, "last")
        assert twin.due(NOON) == [*(number * 7919 % 1000 for number in range(1000)), "last"]


def test_one_mutable_token_among_atoms_is_really_copied() -> None:
    mutable: list[Any] = []
    n: MultiNotifier[Any] = MultiNotifier(
        [(later(number), number) for number in range(1000)] + [(later(2000), mutable)]
    )
    mutable.append(n)
    twin = copy.deepcopy(n)
    token = twin.due(LAST)[-1]
    assert token is not mutable and token[0] is twin
    assert pickle.loads(pickle.dumps(n)).due(LAST)[-1] is not mutable
    assert copy.copy(n).due(LAST)[-1] is mutable


@pytest.mark.parametrize(
    "token",
    [
        ([],),
        (1, (2, [3])),
        (("a",), {}),
        Sub("k"),
        frozenset([object()]),
        bytearray(b"x"),
        type("E", (str,), {"x": []})("e"),
    ],
)
def test_what_hides_a_mutable_token(token: Any) -> None:
    """A tuple of anything mutable, a subclass of an atom: shared only where it may be."""
    n: MultiNotifier[Any] = MultiNotifier((later(number), number) for number in range(100))
    n.notify_at(NOON, token)
    copied = copy.deepcopy(n).due(NOON)[-1]
    assert type(copied) is type(token) and (copied is token) is (copy.deepcopy(token) is token)


def test_datetimes_are_tokens_too() -> None:
    tokens = [NOON, NAIVE, NOON.astimezone(timezone(timedelta(hours=1)))]
    n = MultiNotifier((NOON, token) for token in tokens * 20)
    assert copy.deepcopy(n).due(NOON) == tokens * 20


def test_deepcopy_knows_the_memo() -> None:
    shared: list[Any] = [1]
    n: MultiNotifier[Any] = MultiNotifier([(NOON, shared), (NOON, shared)])
    m: MultiNotifier[Any] = MultiNotifier([(NOON, 1)])
    everything: list[Any] = [n, n, shared, m, m]
    one, two, token, atom, again = copy.deepcopy(everything)
    first, second = one.due(NOON)
    assert one is two and first is second is token and token is not shared and atom is again


def test_subclasses_keep_their_attributes() -> None:
    n: Any = Keyed[int]("k")
    n.extra = [n]
    n.notify_at(NOON, 1)
    assert hasattr(n, "__orig_class__")
    for deep, make in COPIERS.values():
        twin: Any = make(n)
        assert [type(twin), twin.key, list(twin)] == [Keyed, "k", [(NOON, 1)]]
        assert (twin.extra is n.extra) is not deep
        assert not deep or twin.extra[0] is twin
    state = pickle.dumps(n)
    assert b"__orig_class__" not in state and b"GenericAlias" not in state


class Text(str):
    pass


class Private(MultiNotifier[U], Generic[U]):
    __slots__ = ("__hidden", "empty")
    __hidden: list[int]

    def __init__(self) -> None:
        raise AssertionError("copying and unpickling never call __init__")

    def hide(self) -> None:
        self.__hidden = [1]

    def hidden(self) -> list[int]:
        return self.__hidden


def test_slots_and_constructors() -> None:
    n: Private[str] = Private.__new__(Private)
    n.hide()
    n.notify_at(NOON, "a")
    for _, make in COPIERS.values():
        twin: Any = make(n)
        assert twin.hidden() == [1] and not hasattr(twin, "empty") and twin.due(NOON) == ["a"]


def test_a_state_may_bring_no_attribute_that_the_class_has_not() -> None:
    state: Any = MultiNotifier([(NOON, "b")]).__reduce_ex__(2)[2]
    state += ({"empty": 1, "unknown": 2},)
    private: Private[str] = Private.__new__(Private)
    for n in (private, MultiNotifier[str]()):
        n.notify_at(NOON, "a")
        with pytest.raises(ValueError, match="an attribute '"):
            n.__setstate__(state)
        assert not hasattr(n, "empty") and list(n) == [(NOON, "a")]


def test_pickles_name_no_class_but_ours() -> None:
    n: MultiNotifier[Any] = MultiNotifier((later(number), number) for number in range(100))
    for protocol in PROTOCOLS:
        names: set[str] = set()
        strings: list[str] = []
        for opcode, argument, _ in pickletools.genops(pickle.dumps(n, protocol)):
            strings += [argument] if isinstance(argument, str) else []
            if opcode.name == "GLOBAL":
                names.add(str(argument).split()[0])
            elif opcode.name == "STACK_GLOBAL":
                names.add(strings[-2])
        # Protocol 2 has no bytes of its own: it writes a call of `_codecs.encode`.
        assert {name.split(".")[0] for name in names} - {"_codecs"} == {"timers"}


def test_weak_references_and_collected_twins() -> None:
    n = MultiNotifier((later(number), str(number)) for number in range(100))
    for _, make in COPIERS.values():
        twin = make(n)
        watch = weakref.ref(twin)
        del twin
        assert watch() is None
    gc.collect()
    n._check()
    assert len(n.due(LAST)) == 100


def test_setstate_replaces_what_was_there() -> None:
    for size in (0, 1, 300):
        n: MultiNotifier[Any] = MultiNotifier((later(number), number) for number in range(size))
        other: MultiNotifier[Any] = MultiNotifier([(NAIVE, "old")])
        other.__setstate__(n.__reduce_ex__(2)[2])
        assert list(other) == list(n)
        other.__setstate__(MultiNotifier([(NAIVE, "new")]).__reduce_ex__(2)[2])
        assert list(other) == [(NAIVE, "new")]


def contents(n: Any) -> Any:
    """Items as text: comparable for tokens that refer back."""
    return type(n), [(at, "itself" if token == [n] else repr(token)) for at, token in n], getattr(n, "extra", None)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.pickle")), ids=lambda path: path.stem)
def test_golden_pickles(path: Any) -> None:
    data, buffers = pickle.loads(path.read_bytes())
    loaded = pickle.loads(data, buffers=buffers)
    family, version, *_ = path.name.split("-")
    for name, n in loaded.items():
        n._check()
        if family == "format":
            assert contents(n) == contents(FAMILIES[family][name]()), name
        else:
            assert list(n.items()) == list(FAMILIES[family][name]().items()), name
    assert set(loaded) == set(FAMILIES[family]) or int(version) < FORMAT


def test_many_strings_are_pickled_as_one() -> None:
    plain = [str(number) for number in range(100)]
    for tokens, joined in (
        (plain, True),
        (plain[:63], False),
        # What is shared stays shared.
        ([*plain, plain[7]], False),
        ([*plain, Text("text")], False),
        ([*plain, 5], False),
        ([5, *plain], False),
    ):
        n = MultiNotifier((later(number), token) for number, token in enumerate(tokens))
        assert type(n.__reduce_ex__(2)[2][2]) is (str if joined else tuple)
        for protocol in PROTOCOLS:
            twin = pickle.loads(pickle.dumps(n, protocol))
            answer = twin.due(LAST)
            assert answer == tokens and [type(token) for token in answer] == [type(token) for token in tokens]
            assert len({id(token) for token in answer}) == len({id(token) for token in tokens})


def is_joined(n: MultiNotifier[str]) -> bool:
    return type(n.__reduce_ex__(4)[2][2]) is str


@pytest.mark.parametrize("counted", [False, True])
def test_strings_that_others_hold_are_not_written_again(counted: bool) -> None:
    strings = [f"client {number:04}" + "." * 40 for number in range(100)]
    ats: list[Any] = [number / 8 if counted else later(number) for number in range(100)]
    notifiers = [MultiNotifier(zip(ats, strings)) for _ in range(50)]
    assert not is_joined(notifiers[0])
    for protocol in PROTOCOLS:
        alone = len(pickle.dumps(strings, protocol))
        data = pickle.dumps([notifiers, strings], protocol)
        # Protocol 2 writes bytes as text.
        assert len(data) < alone + 50 * 100 * (14 if counted else 7) + 50 * 100 * 5
        twins, again = pickle.loads(data)
        for twin in twins:
            assert all(one is other for (_, one), other in zip(twin, again))
    # The only ones who hold them, but for a copy that shares its tree.
    n = notifiers.pop()
    del notifiers, strings, again, twins, twin
    twin = copy.copy(n)
    assert is_joined(n) and is_joined(twin)
    assert [token for _, token in pickle.loads(pickle.dumps(n))] == [token for _, token in twin]


def test_short_strings_are_joined_whoever_holds_them() -> None:
    strings = list(map(str, range(1000)))
    assert is_joined(MultiNotifier((later(number), token) for number, token in enumerate(strings)))
    # A few that others hold do not change what is best for most.
    mixed = [string + "." * 40 if int(string) % 10 == 0 else "".join([string, "." * 40]) for string in strings]
    held = mixed[::10]
    n = MultiNotifier(zip(map(later, range(1000)), mixed))
    del mixed
    assert is_joined(n) and len(held) == 100


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"\1",
        b"\3",
        b"\1\1",
        b"\1\1\2",
        b"\2\1",
        b"\2\1\x80",
        b"\2\1\1",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\1",
    ],
)
def test_damaged_strings(rest: bytes) -> None:
    n: MultiNotifier[str] = MultiNotifier([(NAIVE, "old")])
    first = n.__reduce_ex__(2)[2][1]
    with pytest.raises(ValueError):
        n.__setstate__((2, first + rest, "ab", True))
    assert list(n) == [(NAIVE, "old")]
    n.__setstate__((2, first + b"\1\1\1\1\0", "ab", True))
    assert [token for _, token in n] == ["a", "b", ""]


def test_times_out_of_band() -> None:
    n = MultiNotifier((later(number), number) for number in range(5_000))
    buffers: list[Any] = []
    data = pickle.dumps(n, 5, buffer_callback=buffers.append)
    assert buffers and len(data) < 5 * len(n)
    for kind in (bytes, bytearray, memoryview):
        assert list(pickle.loads(data, buffers=[kind(buffer) for buffer in buffers])) == list(n)


def test_golden_pickles_are_there() -> None:
    for family, recipes in FAMILIES.items():
        assert len(list(FOLDER.glob(f"{family}-{FORMAT}-*.pickle"))) == 5
        for protocol in range(2, 6):
            data, buffers = rounds(family, protocol, False)
            assert set(pickle.loads(data, buffers=buffers)) == set(recipes)


@pytest.mark.parametrize("name", CONFIGS)
def test_snapshots_have_the_same_future(name: str) -> None:
    snapshots.check(name, 1, 20)


def test_forged_states() -> None:
    forge(random.Random(1), 20_000)


@pytest.mark.parametrize(
    "state", [None, (), (1,), [], {}, "state", b"", 5, object(), (None,) * 4, (None,) * 5, (1, 2, 3, 4, 5, 6)]
)
def test_no_state_at_all(state: Any) -> None:
    n: MultiNotifier[int] = MultiNotifier([(NOON, 1)])
    with pytest.raises((TypeError, ValueError)):
        n.__setstate__(state)
    assert list(n) == [(NOON, 1)]


def test_versions_of_the_future_are_named() -> None:
    for _, state in good_states():
        for version in (0, FORMAT + 1, 2**31, 2**64, 2**80, -1):
            n: MultiNotifier[Any] = MultiNotifier([(NOON, 1)])
            with pytest.raises(ValueError, match="version"):
                n.__setstate__((version, *state[1:]))
            assert list(n) == [(NOON, 1)]
