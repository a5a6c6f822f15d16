"""Boxes are given back: their memory, and what lay in them."""

from __future__ import annotations

import copy
import gc
import sys
import weakref
from typing import Any, Callable
from uuid import uuid4

import pytest

from tests.model import LAST
from tests.test_contract import later
from timers import Deadlines, MultiNotifier

HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()


class Thing:
    """A token of its own."""


def closure(thing: Thing) -> Callable[[], Thing]:
    return lambda: thing


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("limit", [None, 1])
def test_boxes_are_given_back_though_one_is_in_use(copied: bool, limit: int | None) -> None:
    n: MultiNotifier[Any] = MultiNotifier([(LAST, [])])
    small = sys.getsizeof(n)
    n.notify_many([later(1)] * 10_000, [[number] for number in range(10_000)])
    twin = copy.copy(n) if copied else None
    assert sys.getsizeof(n) > 100_000
    while n.due(later(9), limit):
        pass
    n._check()
    assert len(n) == 1 and sys.getsizeof(n) < small + 10_000
    n.notify_at(later(1), [1])
    assert n.due(LAST) == [[1], []]
    if twin is not None:
        twin._check()
        assert twin.due(LAST) == [*([number] for number in range(10_000)), []]


@pytest.mark.parametrize("limit", [None, 1, 700])
@pytest.mark.parametrize("left", [1, 3])
def test_boxes_are_given_back_though_the_last_is_in_use(limit: int | None, left: int) -> None:
    n: MultiNotifier[Any, float] = MultiNotifier((1.0, [number]) for number in range(20_000))
    for number in range(left):
        n.notify_at(9.0, [number])
    large = sys.getsizeof(n)
    while n.due(5.0, limit):
        n._check()
    assert len(n) == left and sys.getsizeof(n) < large / 15
    for number in range(1000):
        n.notify_at(2.0, [number])
    n._check()
    twin = copy.deepcopy(n)
    assert twin.due(2.0) == n.due(2.0) == [[number] for number in range(1000)]
    assert twin.due(9.0) == n.due(9.0) == [[number] for number in range(left)]
    twin._check()


def test_keys_are_given_back_though_the_last_is_in_use() -> None:
    d: Deadlines[Any, float] = Deadlines((Thing(), 1.0) for _ in range(20_000))
    last = Thing()
    d[last] = 9.0
    large = sys.getsizeof(d)
    assert len(d.due(1.0)) == 20_000 and sys.getsizeof(d) < large / 4
    d._check()
    d.update((Thing(), 2.0) for _ in range(1000))
    assert d[last] == 9.0 and len(d) == 1001
    d._check()


@pytest.mark.parametrize(
    "end", [lambda d: d.due(9e9), lambda d: d.clear(), lambda d: [d.popitem() for _ in range(len(d))]]
)
def test_an_empty_one_is_as_small_as_a_new_one(end: Any) -> None:
    d: Deadlines[Any, float] = Deadlines()
    empty = sys.getsizeof(d)
    d.update((Thing(), float(number)) for number in range(10_000))
    end(d)
    assert not d and sys.getsizeof(d) < empty + 2000
    d._check()
    d[Thing()] = 1.0
    assert len(d.due(1.0)) == 1
    d._check()


def test_one_block_is_kept_for_what_comes_next() -> None:
    n: MultiNotifier[Any, float] = MultiNotifier()
    sizes = set()
    for number in range(500):
        n.notify_at(float(number), [number])
        assert n.due(float(number)) == [[number]]
        sizes.add(sys.getsizeof(n))
    assert len(sizes) == 1


@pytest.mark.skipif(not HAS_GIL, reason="there a block that was shared is let go as a whole")
@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy, lambda n: list(n), lambda n: n._check()])
def test_what_is_given_out_is_not_kept_by_a_copy_that_is_gone(copier: Any) -> None:
    things = [Thing() for _ in range(640)]
    seen = [weakref.ref(thing) for thing in things]
    n: MultiNotifier[Any, float] = MultiNotifier((float(index), closure(thing)) for index, thing in enumerate(things))
    del things
    copier(n)
    taken = n.due(638.0)
    assert [token() is thing() for token, thing in zip(taken, seen)] == [True] * 639
    del taken
    gc.collect()
    assert [thing() is None for thing in seen] == [True] * 639 + [False]
    n._check()
    assert [token() for token in n.due(639.0)] == [seen[-1]()]


@pytest.mark.skipif(not HAS_GIL, reason="there a block that was shared is let go as a whole")
@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("limit", [None, 1])
def test_what_was_given_out_beside_a_copy_goes_with_it(keyed: bool, limit: int | None) -> None:
    """Of each block a few tokens are left; the copy dies only then."""
    things = [Thing() for _ in range(6400)]
    seen = [weakref.ref(thing) for thing in things]
    timers = [(9.0 if index % 32 == 0 else 1.0, closure(thing)) for index, thing in enumerate(things)]
    n: Any = Deadlines((token, at) for at, token in timers) if keyed else MultiNotifier(timers)
    del things, timers
    twin = copy.deepcopy(n)
    while n.due(5.0, limit):
        pass
    gc.collect()
    assert all(thing() for thing in seen)
    del twin
    last = 100.0
    for _ in range(4):
        n.notify_at(0.0, closure(Thing())) if not keyed else n.__setitem__(closure(Thing()), 0.0)
        assert len(n.due(0.0)) == 1
        (token,) = n.due(9.0, 1)
        n.notify_at(last, token) if not keyed else n.__setitem__(token, last)
        del token
        n._check()
    gc.collect()
    assert [thing() is not None for thing in seen] == [index % 32 == 0 for index in range(6400)]
    twin = copy.deepcopy(n)
    for each in (n, twin):
        assert len(each.due(last)) == 200
        each._check()


def test_what_goes_with_a_copy_may_call_back() -> None:
    class Calling(Thing):
        def __del__(self) -> None:
            n.notify_at(7.0, closure(Thing()))
            n._check()
            twins.append(copy.deepcopy(n))

    twins: list[Any] = []
    n: MultiNotifier[Any, float] = MultiNotifier(
        (9.0 if index % 32 == 0 else 1.0, closure(Calling())) for index in range(1280)
    )
    twin = copy.deepcopy(n)
    assert len(n.due(5.0)) == 1240
    twin.clear()
    del twin
    for _ in range(10):
        n.due(9.0, 1)
        n._check()
    gc.collect()
    for each in twins:
        each._check()
    while n:
        n.due(9.0)
        n._check()


def test_the_index_of_a_crowd_outlives_the_boxes() -> None:
    n: MultiNotifier[Any, int] = MultiNotifier((5, str(number)) for number in range(1000))
    assert n.cancel(5, "7" + "7")
    indexed = sys.getsizeof(n)
    for _ in range(3):
        for number in range(200):
            n.notify_at(5, [number])
        for number in range(200):
            assert n.cancel(5, [number])
        n._check()
        assert sys.getsizeof(n) > indexed - 100
    assert n.due(5) == [str(number) for number in range(1000) if number != 77]
    # And then they go.
    n.notify_many([1] * 200, [[number] for number in range(200)])
    assert len(n.due(1)) == 200 and sys.getsizeof(n) == sys.getsizeof(MultiNotifier())


@pytest.mark.parametrize("alive", [False, True])
def test_what_a_copy_needs_is_kept_for_it(alive: bool) -> None:
    things = [Thing() for _ in range(640)]
    n: MultiNotifier[Any, float] = MultiNotifier((float(index), closure(thing)) for index, thing in enumerate(things))
    twins = [copy.deepcopy(n), copy.deepcopy(n)]
    if not alive:
        del twins[0]
    assert len(n.due(300.0)) == 301 and len(twins[-1].due(500.0)) == 501
    n.notify_many([1.0] * 100, [closure(thing) for thing in things[:100]])
    for each, left in ((n, [*things[:100], *things[301:]]), (twins[-1], things[501:])):
        each._check()
        assert [token() for token in each.due(1000.0)] == left
    if alive:
        twins[0]._check()
        assert [token() for token in twins[0].due(1000.0)] == things


def test_an_update_of_keys_leaves_no_more_than_single_ones() -> None:
    sizes = []
    for together in (False, True):
        keys = [uuid4() for _ in range(6400)]
        d: Deadlines[Any, float] = Deadlines((key, float(number)) for number, key in enumerate(keys))
        if together:
            d.update([(keys[0], 0.0), (keys[1], 1.0)])
        else:
            d[keys[0]], d[keys[1]] = 0.0, 1.0
        assert len(d.due(6299.0)) == 6300
        d._check()
        seen = sys.getrefcount(keys[500])
        sizes.append((sys.getsizeof(d), seen))
    assert sizes[1][0] < 1.5 * sizes[0][0] and (sizes[1][1] == sizes[0][1] or not HAS_GIL)


def test_blocks_that_die_may_call_back() -> None:
    class Calling:
        def __del__(self) -> None:
            n.notify_at(7.0, Thing())
            n._check()

    n: MultiNotifier[Any, float] = MultiNotifier((1.0, closure(Thing())) for _ in range(3000))
    n.notify_many([2.0] * 3000, [closure(Calling()) for _ in range(3000)])  # type: ignore[arg-type]
    n.notify_at(9.0, closure(Thing()))
    twin = copy.deepcopy(n)
    assert len(n.due(5.0)) == 6000
    twin.clear()
    del twin
    gc.collect()
    fired = 0
    while n:
        n._check()
        fired += len(n.due(9.0))
    assert fired == 3001


@pytest.mark.parametrize("shown", [0, 10, 40, 200])
@pytest.mark.parametrize("changed", [False, True])
def test_an_iterator_that_is_over_holds_nothing(shown: int, changed: bool) -> None:
    tokens = [f"token {number}" for number in range(200)]
    before = [sys.getrefcount(token) for token in tokens]
    n: MultiNotifier[Any, float] = MultiNotifier((float(number), token) for number, token in enumerate(tokens))
    iterator = iter(n)
    for _ in range(shown):
        next(iterator)
    if changed:
        n.clear()
        with pytest.raises(RuntimeError, match="changed during iteration"):
            next(iterator)
    else:
        assert len(list(iterator)) == 200 - shown
        n.clear()
    assert [sys.getrefcount(token) for token in tokens] == before
    for _ in range(2):
        if changed:
            with pytest.raises(RuntimeError, match="changed during iteration"):
                next(iterator)
        else:
            assert next(iterator, None) is None
