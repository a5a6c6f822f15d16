"""Foreign code and want of memory: garbage, hooks that raise or come back, allocations that fail."""

from __future__ import annotations

import copy
import gc
import itertools
import os
import random
import weakref
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Callable

import pytest

from tests.clocks import UTC
from tests.driver import Sub
from tests.model import LAST
from tests.proof import allocations, leaks, nested, reentry, threads
from tests.test_contract import NOON, later
from timers import MultiNotifier


@pytest.mark.parametrize("size", [1, 2, 40, 1000])
@pytest.mark.parametrize("kind", [MultiNotifier, Sub])
def test_cycles_are_collected(size: int, kind: Any) -> None:
    wraps: list[Callable[[Any], Any]] = [lambda n: n, lambda n: [n], lambda n: (n, []), lambda n: {"n": n}]
    for wrap in wraps:
        n = MultiNotifier() if kind is MultiNotifier else Sub("k")
        n.notify_many([later(number) for number in range(size)], ["x"] * size)
        n.notify_at(NOON, wrap(n))
        watch = weakref.ref(n)
        del n
        gc.collect()
        assert watch() is None


def test_cycles_through_twins_and_iterators() -> None:
    n: MultiNotifier[Any] = MultiNotifier((later(number), str(number)) for number in range(200))
    twin = copy.copy(n)
    twin.notify_at(NOON, [n, twin])
    n.notify_at(NOON, [n, twin])
    third = copy.copy(twin)
    third.notify_at(NOON, iter(third))
    watches = [weakref.ref(n), weakref.ref(twin), weakref.ref(third)]
    del n, twin, third
    gc.collect()
    assert [watch() for watch in watches] == [None] * 3


def test_collections_see_no_reference_twice() -> None:
    """A collector that counts a reference too often frees what is alive."""
    tokens = [[number] for number in range(300)]
    n: MultiNotifier[Any] = MultiNotifier((later(number), (str(number), tokens[number])) for number in range(300))
    twins = [copy.copy(n), copy.deepcopy(n), copy.copy(copy.copy(n))]
    for _ in range(3):
        gc.collect()
    for twin in [n, *twins]:
        assert [token[1] for token in twin.due(LAST)] == tokens


def test_the_collector_finds_the_owner() -> None:
    token: list[Any] = []
    for size in (0, 100):
        n: MultiNotifier[Any] = MultiNotifier([(later(number), [number]) for number in range(size)])
        n.notify_at(NOON, token)
        owners: list[Any] = [token]
        # Through the boxes, the list in them, and a block in that.
        for _ in range(4):
            owners = gc.get_referrers(*owners)
        assert any(owner is n for owner in owners)


def test_a_notifier_that_never_rests() -> None:
    """Foreign code that adds to what is searched at every attempt: RuntimeError, and nothing lost."""

    class Restless:
        def __eq__(self, other: object) -> bool:
            n.notify_at(NOON, object())
            return False

        __hash__ = None  # type: ignore[assignment]

    n: MultiNotifier[Any] = MultiNotifier([(NOON, "a"), (NOON, "b")])
    calls: list[Callable[[], bool]] = [lambda: n.cancel(NOON, Restless()), lambda: (NOON, Restless()) in n]
    for call in calls:
        with pytest.raises(RuntimeError, match="again and again"):
            call()
    assert n.due(NOON, limit=2) == ["a", "b"]


@pytest.mark.parametrize("count", [3, 30, 300])
def test_a_search_beside_who_sets_timers(count: int) -> None:
    """As other threads do: it comes to an end, and asks no token again and again."""

    class Slow:
        def __init__(self, value: int) -> None:
            self.value = value

        def __eq__(self, other: object) -> bool:
            asked.append(self.value)
            n.notify_at(later(len(asked)), "other")
            if len(asked) == 2 and first:
                # Who was asked goes, with the last reference to it.
                n.cancel(NOON, first.pop())
            return isinstance(other, Slow) and self.value == other.value

        __hash__ = None  # type: ignore[assignment]

        def __del__(self) -> None:
            n.notify_at(later(1), "gone")

    asked: list[int] = []
    n: MultiNotifier[Any] = MultiNotifier()
    first = [Slow(0)]
    n.notify_at(NOON, first[0])
    n.notify_many([NOON] * count, [Slow(number) for number in range(1, count + 1)])
    assert (NOON, Slow(-1)) not in n and len(asked) <= 2 * count
    for value in (count, 1):
        asked.clear()
        assert n.cancel(NOON, Slow(value)) and len(asked) <= 2 * count
        n._check()
    assert [token.value for token in n.due(NOON)] == list(range(2, count))


def test_lists_are_read_before_what_they_hold_is_asked() -> None:
    n: MultiNotifier[Any] = MultiNotifier([(NOON, 0)])

    class Shrinking(datetime):
        @property
        def year(self) -> int:
            ats.clear()
            return 2026

    ats: list[Any] = [Shrinking(2026, 1, 1, tzinfo=UTC), NOON]
    count = len(n)
    n.notify_many(ats, [1, 2])
    assert not ats and len(n) == count + 2


def test_lists_are_read_before_tokens_are_made() -> None:
    n: MultiNotifier[str] = MultiNotifier()
    ats = [later(number) for number in range(3)]

    def made() -> Iterator[str]:
        for number in range(3):
            ats[-1] = LAST
            yield f"{number}"
        ats.clear()

    n.notify_many(ats, made())
    assert list(n) == [(later(number), f"{number}") for number in range(3)]


@pytest.mark.parametrize("threshold", range(1, 5))
@pytest.mark.parametrize("shortened", ["ats", "tokens"])
def test_lists_that_a_collection_shortens(shortened: str, threshold: int) -> None:
    """They are copied where foreign code may come in, and to copy them may let it in."""
    n: MultiNotifier[Any] = MultiNotifier([(NOON, 0)])
    at = later(1).astimezone() if shortened == "ats" else later(1)
    lists: dict[str, list[Any]] = {"ats": [at] * 20, "tokens": [object()] * 20}

    def shorten(phase: str, info: dict[str, int]) -> None:
        lists[shortened].clear()

    old = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(shorten)
    gc.set_threshold(threshold)
    try:
        n.notify_many(lists["ats"], lists["tokens"])
    except (RuntimeError, ValueError):
        assert len(n) == 1
    else:
        assert len(n) == 21
    finally:
        gc.set_threshold(*old)
        gc.callbacks.remove(shorten)
    n._check()


def test_a_collection_at_every_attempt() -> None:
    """From CPython 3.12 on collections wait until no C code runs: then each call just succeeds."""
    tokens = [f"{number}" for number in range(50)]
    # Each with the tokens that it removes.
    calls: list[Callable[[MultiNotifier[Any]], list[Any]]] = [
        lambda n: n.due(later(60)),
        lambda n: [token for _, token in n.due_items(later(60))],
        lambda n: list(n)[:0],
        lambda n: list(n.__reduce_ex__(2))[:0],
    ]
    for call in calls:
        n: MultiNotifier[Any] = MultiNotifier((later(number), token) for number, token in enumerate(tokens))

        def more(phase: str, info: dict[str, int], n: MultiNotifier[Any] = n) -> None:
            n.notify_at(LAST, "more")

        old = gc.get_threshold()
        gc.callbacks.append(more)
        gc.set_threshold(1)
        given: list[Any] = []
        try:
            given = call(n)
        except RuntimeError as error:
            assert "again and again" in str(error) or "changed" in str(error)
        finally:
            gc.set_threshold(*old)
            gc.callbacks.remove(more)
        n._check()
        assert given + [token for _, token in n if token != "more"] == tokens


@pytest.mark.parametrize("threshold", range(1, 30))
def test_a_collection_that_cancels_what_is_being_taken(threshold: int) -> None:
    pairs = [(later(number), str(number)) for number in range(30)]
    n = MultiNotifier(pairs)

    def cancel(phase: str, info: dict[str, int]) -> None:
        for pair in pairs[:25]:
            n.cancel(*pair)

    old = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(cancel)
    gc.set_threshold(threshold)
    try:
        taken = n.due_items(later(60))
    finally:
        gc.set_threshold(*old)
        gc.callbacks.remove(cancel)
    n._check()
    assert taken in (pairs, pairs[25:]) and not n


def test_a_search_from_inside_that_cascades_the_bucket_being_searched() -> None:
    """It is still whole where there was no memory for the outer search to cascade it."""
    testcapi = pytest.importorskip("_testcapi")
    found: list[bool] = []

    class Nosy:
        def __eq__(self, other: object) -> bool:
            testcapi.remove_mem_hooks()
            if not found:
                found.append((later(10**7 + 3), "nobody") in n)
                # What was freed is written over.
                self.junk = [bytes(size) for size in range(16, 512, 16) for _ in range(300)]
            return False

    for failing in range(8):
        found.clear()
        n: MultiNotifier[Any] = MultiNotifier((later(start + i), i) for start in (0, 10**7) for i in range(300))
        assert not n.cancel(later(10**6), "splits the root")
        n.notify_at(later(10**7 + 250), Nosy())
        n.notify_at(later(10**7 + 250), "wanted")
        cancel, at = n.cancel, later(10**7 + 250)
        testcapi.set_nomemory(failing, failing + 1)
        try:
            cancelled = cancel(at, "wanted")
        except MemoryError:
            cancelled = False
        finally:
            testcapi.remove_mem_hooks()
        assert len(n) == 602 - cancelled and (not cancelled or found == [] or found == [False])
        n._check()


def test_a_write_from_inside_that_fails_after_it_has_taken_the_tree_back() -> None:
    testcapi = pytest.importorskip("_testcapi")
    # As many as fill their chunks: one more needs memory.
    n = MultiNotifier((NOON, str(number)) for number in range(52))
    twins = [copy.copy(n)]
    at, failed = later(1), []

    class Writing:
        def __eq__(self, other: object) -> bool:
            if twins:
                twins.clear()
                notify_at = n.notify_at
                testcapi.set_nomemory(0, 0)
                try:
                    notify_at(at, "new")
                except MemoryError:
                    testcapi.remove_mem_hooks()
                    failed.append(True)
                finally:
                    testcapi.remove_mem_hooks()
            return bool(other == "51")

        __hash__ = None  # type: ignore[assignment]

    assert n.cancel(NOON, Writing()) and failed and len(n) == 51  # type: ignore[arg-type]
    n._check()


def test_deep_nesting_is_let_go_without_recursion() -> None:
    n: MultiNotifier[Any] = MultiNotifier()
    for _ in range(200_000):
        outer: MultiNotifier[Any] = MultiNotifier()
        outer.notify_at(NOON, n)
        n = outer
    del n, outer
    gc.collect()


@pytest.mark.parametrize("hook", reentry.HOOKS)
def test_re_entry(hook: str) -> None:
    cases = [case for case in reentry.cases() if case[0] == hook]
    rng = random.Random(hook)
    # Every method from every hook, in some of the circumstances.
    for _, group in itertools.groupby(cases, key=lambda case: case[:3]):
        for case in rng.sample(list(group), 5):
            reentry.run(*case)


@pytest.mark.parametrize("hook", reentry.RAISING)
def test_hooks_that_raise(hook: str) -> None:
    for outer in reentry.RAISING[hook].values():
        for size, after in itertools.product(reentry.SIZES, range(3)):
            reentry.raising(outer, size, after)


@pytest.mark.parametrize("seed", range(8))
def test_calls_inside_calls(seed: int) -> None:
    nested.check(seed, 40)


@pytest.mark.skipif(allocations.FREE_THREADED_3_13, reason="this CPython crashes without memory for a list")
@pytest.mark.parametrize("action", allocations.ACTIONS)
def test_failing_allocations(action: str) -> None:
    pytest.importorskip("_testcapi")
    cases = [case for case in allocations.cases() if case[1] == action]
    for case in random.Random(action).sample(cases, 14):
        allocations.sweep(*case, step=5, first=random.Random(repr(case)).randrange(5))


def test_failing_allocations_see_what_is_only_reported() -> None:
    class Late:
        def __del__(self) -> None:
            raise MemoryError

    testcapi = pytest.importorskip("_testcapi")
    unraised = allocations.Unraised(lambda number: testcapi.set_nomemory(number, number + 1), testcapi.remove_mem_hooks)
    with unraised:
        Late()
    with pytest.raises(AssertionError, match="ignored and reported"):
        unraised.check()


# The rounds of the driver tell little in so few.
@pytest.mark.parametrize("name", [name for name in leaks.ROUNDS if name != "driver"])
def test_references_stay(name: str) -> None:
    leaks.flat(name, 12)


@pytest.mark.skipif(not leaks.STATM.exists(), reason="no /proc tells the resident memory")
@pytest.mark.skipif("PYTHONMALLOC" in os.environ, reason="the memory of another allocator")
def test_memory_after_a_burst() -> None:
    leaks.burst(100_000)


def test_threads() -> None:
    threads.check(8, 3000, 1)


@pytest.mark.parametrize("name", [name for name in threads.WORKS if name != "shared notifiers"])
def test_threads_with(name: str) -> None:
    threads.run(name, 8, 1000, 1)
