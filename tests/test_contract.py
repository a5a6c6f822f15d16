"""What the promises say of arguments, bulk, slices, cancelling, iteration and manners."""

from __future__ import annotations

import contextlib
import copy
import operator
import random
import subprocess
import sys
import weakref
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Callable, Generic, NamedTuple, TypeVar

import pytest

import timers
from tests.clocks import UTC
from tests.model import FIRST, LAST, MICROSECOND
from timers import MultiNotifier

U = TypeVar("U")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAIVE = NOON.replace(tzinfo=None)
MIXED = "can't compare offset-naive and offset-aware datetimes"

# Every method that takes a time, with the name of the argument that is bad.
TIMED: list[tuple[str, Callable[[MultiNotifier[Any], Any], Any]]] = [
    ("at", lambda n, at: n.notify_at(at, 1)),
    ("now", lambda n, at: n.due(at)),
    ("now", lambda n, at: n.due(at, 0)),
    ("now", lambda n, at: n.due_items(at)),
    ("at", lambda n, at: n.cancel(at, 1)),
    ("at", lambda n, at: n.reschedule(at, 1, NOON)),
    ("new_at", lambda n, at: n.reschedule(NOON, 1, at)),
    ("ats", lambda n, at: n.notify_many([at], [1])),
]


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Keyed(MultiNotifier[U], Generic[U]):
    __slots__ = ("__dict__", "key")

    def __init__(self, key: str) -> None:
        self.key = key


def test_generics() -> None:
    assert isinstance(timers.T, TypeVar)
    assert isinstance(MultiNotifier[str](), MultiNotifier)
    assert isinstance(Keyed[int]("k"), Keyed)

    class Named(MultiNotifier[str]):
        pass

    n = Named([(NOON, "a")])
    n.note = "kept"  # type: ignore[attr-defined]
    assert n.due(NOON) == ["a"] and weakref.ref(n)() is n


def test_arguments_have_names() -> None:
    n: MultiNotifier[int] = MultiNotifier(timers=[(NOON, 1)])
    n.notify_at(at=NOON, token=2)
    n.notify_many(ats=[NOON], tokens=[3])
    assert n.reschedule(at=NOON, token=1, new_at=NOON) is True
    assert n.cancel(at=NOON, token=2) is True
    assert n.due_items(now=NOON, limit=1) == [(NOON, 3)]
    assert n.due(now=NOON, limit=None) == [1]


@pytest.mark.parametrize("pending", [0, 1, 100])
@pytest.mark.parametrize("bad", [None, date(2026, 1, 1), True, "2026-01-01", Decimal(1), timedelta(1)])
def test_only_datetimes(bad: Any, pending: int) -> None:
    n: MultiNotifier[int] = MultiNotifier((NOON, 1) for _ in range(pending))
    for name, call in TIMED:
        with pytest.raises(TypeError, match=rf"\b{name}\b.*datetime"):
            call(n, bad)
    with pytest.raises(TypeError, match=r"\bat\b.*datetime"):
        MultiNotifier([(bad, 1)])
    assert list(n) == [(NOON, 1)] * pending


@pytest.mark.parametrize(("right", "wrong"), [(NOON, NAIVE), (NAIVE, NOON)])
def test_naive_and_aware_never_mix(right: datetime, wrong: datetime) -> None:
    n = MultiNotifier([(right, 1)])
    for _, call in TIMED:
        if call is not TIMED[6][1]:
            with pytest.raises(TypeError, match=MIXED):
                call(n, wrong)
    with pytest.raises(TypeError, match=MIXED):
        n.reschedule(right, 1, wrong)
    with pytest.raises(TypeError, match=MIXED):
        (wrong, 1) in n  # noqa: B015
    for ats in ([right, wrong], [wrong, right]):
        with pytest.raises(TypeError, match=MIXED):
            n.notify_many(ats, [2, 3])
        with pytest.raises(TypeError, match=MIXED):
            MultiNotifier(zip(ats, [2, 3]))
    assert list(n) == [(right, 1)]
    n.clear()
    assert n.due(wrong) == [] and n.due(right) == [] and not n.cancel(wrong, 1) and (wrong, 1) not in n
    n.notify_at(wrong, 3)
    at = n.next_at()
    assert at == wrong and at.tzinfo is wrong.tzinfo


def test_emptied_in_any_way_takes_either_kind() -> None:
    empties: list[Callable[[MultiNotifier[int]], Any]] = [
        lambda n: n.due(NOON),
        lambda n: n.due_items(NOON, 1),
        lambda n: n.cancel(NOON, 1),
        lambda n: n.clear(),
    ]
    for empty in empties:
        n = MultiNotifier([(NOON, 1)])
        empty(n)
        n.notify_many([NAIVE], [2])
        assert n.next_at() == NAIVE and n.due(NAIVE) == [2]


def test_due_gives_a_new_list() -> None:
    n: MultiNotifier[int] = MultiNotifier()
    assert type(n.due(NOON)) is list and n.due(NOON) is not n.due(NOON)
    n.notify_at(NOON, 1)
    n.due(NOON).append(2)
    assert n.due(NOON) == []


def test_any_token() -> None:
    nan = float("nan")
    tokens: list[Any] = [None, {}, [], {1}, nan, object(), int, lambda: 0, ..., 2**100]
    n: MultiNotifier[Any] = MultiNotifier((NOON, token) for token in tokens)
    n.notify_at(NOON, n)
    n.notify_at(NOON, n)
    assert (NOON, nan) in n and (NOON, float("nan")) not in n
    answer = n.due(NOON)
    assert all(one is other for one, other in zip(answer, [*tokens, n, n])) and len(answer) == len(tokens) + 2


def test_limits() -> None:
    class Three:
        def __index__(self) -> int:
            return 3

    n = MultiNotifier([(NOON, number) for number in range(9)])
    assert n.due(NOON, limit=0) == [] == n.due_items(NOON, limit=0)
    assert n.due(NOON, 2) == [0, 1] and n.next_at() == NOON
    assert n.due_items(now=NOON, limit=1) == [(NOON, 2)]
    assert n.due(NOON, Three()) == [3, 4, 5]
    for due in (n.due, n.due_items):
        for at in (NOON, later(-1)):
            for negative in (-1, -(10**30)):
                with pytest.raises(ValueError, match="limit"):
                    due(at, negative)
            bad: Any
            for bad in (1.5, "1", b"", []):
                with pytest.raises(TypeError):
                    due(at, bad)
    assert n.due(NOON, 10**30) == [6, 7, 8]
    with pytest.raises(ValueError, match="limit"):
        n.due(NOON, -1)


def test_slices_leave_next_at_exact() -> None:
    n = MultiNotifier((later(number // 10), number) for number in range(5000))
    taken: list[int] = []
    while n:
        at = n.next_at()
        assert at == later(len(taken) // 10)
        taken += n.due(LAST, 7)
        n._check()
    assert taken == list(range(5000))


@pytest.mark.parametrize("pending", [0, 1, 300])
def test_bulk_is_all_or_nothing(pending: int) -> None:
    before = [(later(number), number) for number in range(pending)]
    n: MultiNotifier[Any] = MultiNotifier(before)

    def broken(values: list[Any]) -> Any:
        yield from values
        raise ZeroDivisionError

    for ats, tokens in (([NOON], [1, 2]), ([NOON, NOON], [1]), (iter([]), [1])):
        with pytest.raises(ValueError, match="length"):
            n.notify_many(ats, tokens)
    bad: Any
    for bad in ([NOON, None], [NOON] * 200 + [5], [NOON, NAIVE]):
        with pytest.raises(TypeError):
            n.notify_many(bad, range(len(bad)))
    for bad in (5, None):
        with pytest.raises(TypeError):
            n.notify_many(bad, [])
        with pytest.raises(TypeError):
            n.notify_many([], bad)
        with pytest.raises(TypeError):
            MultiNotifier(bad)
    with pytest.raises(ZeroDivisionError):
        n.notify_many(broken([NOON]), [1])
    with pytest.raises(ZeroDivisionError):
        n.notify_many([NOON], broken([1]))
    with pytest.raises(ZeroDivisionError):
        MultiNotifier(broken([(NOON, 1)]))
    for pair in (None, (NOON,), (NOON, 1, 2), 5):
        with pytest.raises((TypeError, ValueError)):
            MultiNotifier([(NOON, 1), pair])  # type: ignore[list-item]
    assert list(n) == before
    n._check()


def test_bulk_reads_its_arguments_first() -> None:
    n: MultiNotifier[Any] = MultiNotifier([(NOON, "before")])

    def ats() -> Any:
        assert n.due(NOON) == ["before"]
        yield NOON
        n.notify_at(NOON, "while")

    n.notify_many(ats(), iter(["after"]))
    assert n.due(NOON) == ["while", "after"]
    n.notify_many(dict.fromkeys([NOON, later(1)]), {"a": 1, "b": 2})
    n.notify_many((), ())
    assert n.due(LAST) == ["a", "b"]


def test_bulk_goes_by_what_is_pending_once_it_has_read() -> None:
    def clearing(pending: Any, ats: list[Any], at: Any = None) -> Any:
        pending.clear()
        if at is not None:
            pending.notify_at(at, "first")
        yield from ats

    n: MultiNotifier[Any, Any] = MultiNotifier([(1.5, "a")])
    n.notify_many(clearing(n, [1]), ["b"])
    assert n.next_at() == 1 and type(n.next_at()) is int
    n = MultiNotifier([(1.5, "a")])
    n.notify_many(clearing(n, [3, 2], 5), ["b", "c"])
    assert list(n) == [(2, "c"), (3, "b"), (5, "first")]
    n = MultiNotifier([(1, "a")])
    n.notify_many(clearing(n, [3, 2], 2.5), ["b", "c"])
    assert list(n) == [(2.0, "c"), (2.5, "first"), (3.0, "b")] and type(n.next_at()) is float
    with pytest.raises(TypeError, match=r"ats\[0\] is an int, and the other timers are at floats"):
        n.notify_many([2**53 + 1], ["d"])
    with pytest.raises(TypeError, match=r"ats\[1\] is an int, and the other timers are at floats"):
        n.notify_many([1, 2**53 + 1], ["d", "e"])


def test_bulk_keeps_the_order_among_equals() -> None:
    n = MultiNotifier([(NOON, 0)])
    n.notify_many([NOON] * 500, range(1, 501))
    n.notify_at(NOON, 501)
    n.notify_many([later(-1), NOON], [-1, 502])
    assert n.due(NOON) == list(range(-1, 503))


def test_notifiers_from_other_queues() -> None:
    """A list of pairs as `bytewax.timers` keeps, a heap, and another notifier."""
    import heapq

    pairs = [(later(number * 7 % 20), str(number)) for number in range(100)]
    heap = [(at, number, token) for number, (at, token) in enumerate(pairs)]
    heapq.heapify(heap)
    expected = [token for _, token in sorted(pairs, key=lambda pair: pair[0])]
    assert MultiNotifier(pairs).due(LAST) == expected
    assert MultiNotifier((at, token) for at, _, token in sorted(heap)).due(LAST) == expected
    assert MultiNotifier(MultiNotifier(pairs)).due(LAST) == expected
    assert MultiNotifier([[NOON, 1]]).due(NOON) == [1]  # type: ignore[arg-type]


def test_cancel_takes_the_first_equal() -> None:
    """The very token before one that equals it; of each the first that was inserted."""
    one, other = float("1"), float("1")
    n: MultiNotifier[Any] = MultiNotifier([(later(1), 1), (NOON, 1), (NOON, True), (NOON, one), (NOON, 2), (NOON, one)])
    assert n.cancel(NOON, one) is True
    assert [repr(token) for _, token in n] == ["1", "True", "2", "1.0", "1"]
    assert n.cancel(NOON, other) is True
    assert list(map(repr, n.due(NOON))) == ["True", "2", "1.0"]
    assert n.cancel(NOON, 1) is False and n.cancel(later(1) + MICROSECOND, 1) is False
    assert (later(1), 1) in n and n.cancel(later(1), 1) and n.next_at() is None


def test_cancel_knows_other_zones() -> None:
    from datetime import timezone

    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=45)))
    n = MultiNotifier([(there, 1), (NOON, 2)])
    assert (there, 2) in n and n.cancel(there, 2) and n.reschedule(NOON, 1, there) and n.due_items(there) == [(NOON, 1)]


def test_reschedule_goes_behind_its_equals() -> None:
    n = MultiNotifier((NOON, number) for number in range(4))
    assert n.reschedule(NOON, 1, NOON) is True
    assert n.reschedule(NOON, 9, later(-1)) is False
    assert n.reschedule(NOON, 2, later(-1)) is True and n.next_at() == later(-1)
    assert n.due(NOON) == [2, 0, 3, 1]
    assert n.reschedule(NOON, 1, later(5)) is False


def test_membership_of_anything_else() -> None:
    n = MultiNotifier([(NOON, 1)])
    for other in (5, None, (NOON,), (NOON, 1, 2), "ab", NOON):
        # TypeError is as clear an answer.
        with contextlib.suppress(TypeError):
            assert other not in n
    assert [NOON, 1] in n or (NOON, 1) in n


def test_membership_of_any_tuple() -> None:
    class Item(NamedTuple):
        at: datetime
        token: int

    n = MultiNotifier([Item(NOON, 1)])
    assert Item(NOON, 1) in n and Item(NOON, 2) not in n


def test_tokens_are_not_looked_through_to_their_ends() -> None:
    # Fifty to the power of five parts.
    token: tuple[Any, ...] = (0,)
    for _ in range(5):
        token = (token,) * 50
    n = MultiNotifier([(NOON, token)])
    assert copy.copy(n).due(NOON)[0] is token


CHANGES: list[Callable[[MultiNotifier[Any]], Any]] = [
    lambda n: n.notify_at(later(9), "new"),
    lambda n: n.notify_many([NOON], ["new"]),
    lambda n: n.due(NOON),
    lambda n: n.due(NOON, 1),
    lambda n: n.due_items(NOON),
    lambda n: n.cancel(NOON, "a"),
    lambda n: n.reschedule(NOON, "a", NOON),
    lambda n: n.clear(),
    lambda n: n.__setstate__(copy.copy(n).__reduce_ex__(2)[2]),
    lambda n: n.notify_at(NOON, "x") or n.cancel(NOON, "x"),  # type: ignore[func-returns-value]
]
NO_CHANGES: list[Callable[[MultiNotifier[Any]], Any]] = [
    lambda n: n.next_at(),
    lambda n: n.due(later(-1)),
    lambda n: n.due(NOON, 0),
    lambda n: n.due_items(later(-1)),
    lambda n: n.cancel(NOON, "z"),
    lambda n: n.reschedule(NOON, "z", NOON),
    lambda n: (NOON, "a") in n,
    lambda n: n.notify_many([], []),
    lambda n: (len(n), bool(n), repr(n), sys.getsizeof(n), list(n)),
    copy.copy,
    copy.deepcopy,
    lambda n: n.__reduce_ex__(2),
]


@pytest.mark.parametrize("size", [2, 40, 300])
@pytest.mark.parametrize("steps", [0, 1, -1])
def test_iteration_notices_changes(size: int, steps: int) -> None:
    pairs = [(NOON, "a"), *[(later(number), "b") for number in range(1, size)]]
    for change in CHANGES:
        n: MultiNotifier[Any] = MultiNotifier(pairs)
        pending = iter(n)
        for pair in pairs[: steps if steps >= 0 else size]:
            assert next(pending) == pair
        change(n)
        with pytest.raises(RuntimeError, match="changed"):
            next(pending)
    for look in NO_CHANGES:
        n = MultiNotifier(pairs)
        pending = iter(n)
        taken = [next(pending)]
        look(n)
        assert [*taken, *pending] == pairs
        n.notify_at(NOON, "late")
        assert list(pending) == []


@pytest.mark.parametrize("size", [0, 1, 5, 31, 32, 33, 1000])
@pytest.mark.parametrize("step", [0.0, 1.5])
def test_an_iterator_knows_how_many_are_left(size: int, step: float) -> None:
    n = MultiNotifier((step * number, number) for number in range(size))
    pairs = iter(n)
    for number in range(size):
        assert operator.length_hint(pairs) == size - number and next(pairs)[1] == number
    assert operator.length_hint(pairs) == 0 and list(pairs) == []
    # As a dict's, it has no more to show after a change, and says so at the next step.
    pairs = iter(n)
    shown = [next(pairs) for _ in range(size // 2)]
    n.due(step * size, size // 2 + 1)
    assert operator.length_hint(pairs) == 0 and len(shown) == size // 2
    if size:
        with pytest.raises(RuntimeError, match="changed"):
            list(pairs)


def test_an_iterator_outlives_its_notifier() -> None:
    pending = iter(MultiNotifier((later(number), [number]) for number in range(300)))
    assert [token for _, token in pending] == [[number] for number in range(300)]


def test_container_manners() -> None:
    n: MultiNotifier[Any] = MultiNotifier()
    assert not n and len(n) == 0 and n.next_at() is None and n.due(NOON) == [] and list(n) == []
    n.notify_at(NOON, n)
    assert n and bool(n) is True and len(n) == 1
    assert n == n and n != MultiNotifier([(NOON, 1)]) and hash(n) == hash(n) and len({n, MultiNotifier()}) == 2
    assert (NOON, n) in n
    assert n.due(NOON) == [n]
    n.clear()
    n.clear()
    assert n.next_at() is None


@pytest.mark.parametrize("count", [49, 64, 80, 100])
def test_a_few_timers_in_steady_churn_take_few_bytes(count: int) -> None:
    rng = random.Random(count)
    n: MultiNotifier[int, float] = MultiNotifier((rng.random() * 60, number) for number in range(count))
    held = []
    for _ in range(2000):
        now = n.next_at()
        assert now is not None
        for token in n.due(now):
            n.notify_at(now + rng.random() * 60, token)
        held.append(sys.getsizeof(n) / count)
    assert sum(held) / len(held) <= 48


@pytest.mark.parametrize("size", [0, 1, 3, 100_000])
def test_one_short_line(size: int) -> None:
    n = MultiNotifier((later(number), "x" * 1000) for number in range(size))
    assert "\n" not in repr(n) and len(repr(n)) < 200 and "MultiNotifier" in repr(n)
    assert "Keyed" in repr(Keyed("k"))


def test_size_counts_what_is_owned() -> None:
    n: MultiNotifier[int] = MultiNotifier()
    empty = sys.getsizeof(n)
    n.notify_many([later(number / 100) for number in range(10_000)], range(10_000))
    full = sys.getsizeof(n)
    assert full - empty > 10_000 * 8
    twin = copy.copy(n)
    assert sys.getsizeof(twin) > 10_000 * 8 and sys.getsizeof(n) > 10_000 * 8
    assert len(n.due(LAST)) == 10_000
    assert sys.getsizeof(n) < empty + 10_000


@pytest.mark.parametrize("step", [timedelta(milliseconds=5), timedelta(0), MICROSECOND, timedelta(hours=1)])
def test_what_is_cancelled_leaves_little_behind(step: timedelta) -> None:
    count = 1000 if not step else 30_000
    pairs = [(NOON + number * step, number) for number in range(count)]
    for left in (range(0, count, 49), range(count - 30, count), range(5)):
        n = MultiNotifier(pairs)
        for at, number in pairs:
            if number not in left:
                assert n.cancel(at, number)
        n._check()
        assert sys.getsizeof(n) < 100 * len(n) + 5000
        assert n.due(LAST) == list(left)


def test_next_at_is_exact_after_every_removal() -> None:
    n = MultiNotifier((NOON + number * MICROSECOND, number) for number in range(2000))
    for number in range(0, 2000, 2):
        assert n.cancel(NOON + number * MICROSECOND, number)
        assert n.next_at() == NOON + (number + 1) * MICROSECOND
        assert n.reschedule(NOON + (number + 1) * MICROSECOND, number + 1, LAST)
    assert n.next_at() == LAST and n.due(FIRST) == [] and len(n) == 1000


def test_nothing_foreign_is_imported() -> None:
    code = "import sys, timers; print(*{'numpy', 'pandas', 'bytewax'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""
