"""Faults that were once found by others than the proofs, each with its whole kind, through the public API alone."""

from __future__ import annotations

import copy
import pickle
import re
import sys
import threading
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.clocks import UTC
from timers import MultiNotifier

T = datetime(2026, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
SOURCES = Path(__file__).parents[1] / "timers"
FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()


# ---- the ends of the calendar

LARGEST = timezone(DAY - MICROSECOND)
SMALLEST = timezone(MICROSECOND - DAY)
# Where instants end: microseconds since the day before year 1, as states count them.
FIRST = DAY // MICROSECOND
LAST = (datetime.max - datetime.min) // MICROSECOND + FIRST


class Nano(datetime):
    nanosecond = 1


def _nano(at: datetime) -> Nano:
    return Nano(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, at.tzinfo)


ENDS = {
    "first naive": datetime.min,
    "last naive": datetime.max,
    "first aware": datetime.min.replace(tzinfo=LARGEST),
    "last aware": datetime.max.replace(tzinfo=SMALLEST),
}


def _comes(n: MultiNotifier[str], at: datetime) -> None:
    """The only timer can be seen, and comes."""
    n._check()
    assert "1 timers" in repr(n)
    answer = n.next_at()
    assert answer is not None and (answer.tzinfo is None) == (at.tzinfo is None)
    assert [time for time, _ in n] == [answer]
    assert pickle.loads(pickle.dumps(n)).next_at() == answer
    assert (answer, "x") in n
    latest = ENDS["last naive"] if at.tzinfo is None else ENDS["last aware"]
    assert n.due(latest) == ["x"] and not n


@pytest.mark.parametrize("end", ENDS)
def test_ends_of_the_calendar(end: str) -> None:
    at = ENDS[end]
    _comes(MultiNotifier([(at, "x")]), at)
    inner = at + MICROSECOND if "first" in end else at - MICROSECOND
    _comes(MultiNotifier([(inner, "x")]), inner)
    # Rounded up, to what still lies within.
    _comes(MultiNotifier([(_nano(inner), "x")]), inner)
    if "first" in end:
        _comes(MultiNotifier([(_nano(at), "x")]), at)
        return
    pending = MultiNotifier([(inner, "x")])
    calls: list[Callable[[], Any]] = [
        lambda: MultiNotifier[str]().notify_at(_nano(at), "x"),
        lambda: MultiNotifier([(_nano(at), "x")]),
        lambda: pending.notify_at(_nano(at), "y"),
        lambda: pending.notify_many([inner, _nano(at)], ["y", "z"]),
        lambda: pending.reschedule(inner, "x", _nano(at)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="1 to 9999"):
            call()
    # A clock is rounded down.
    assert pending.due(_nano(at)) == ["x"]


def _number(value: int) -> bytes:
    """As states write it: seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


@pytest.mark.parametrize("naive", [False, True])
@pytest.mark.parametrize("version", [1, 2])
def test_ends_of_the_calendar_in_states(naive: bool, version: int) -> None:
    low, high = (FIRST, LAST) if naive else (1, LAST + FIRST - 1)
    for instant in (low, low + 1, high - 1, high):
        n: MultiNotifier[str] = MultiNotifier()
        n.__setstate__((version, _number(instant), ("x",), naive))
        _comes(n, datetime.min if naive else T)
    for times in ([low - 1], [high + 1], [high, 1], [high - 1, 2], [low, high], [2**63 - 1], [2**63]):
        n = MultiNotifier([(T, "kept")])
        with pytest.raises(ValueError):
            n.__setstate__((version, b"".join(map(_number, times)), ("x",) * len(times), naive))
        assert n.due(T) == ["kept"]


# ---- what fits no 32 bits


@pytest.mark.parametrize("days", [1, 49, 50, 99, 100, 36_500, 2_900_000])
def test_timers_far_apart(days: int) -> None:
    """More slots of a fine level away than 32 bits can name."""
    for size in (0, 1, 60, 300):
        n: MultiNotifier[Any] = MultiNotifier((T + number * MICROSECOND, number) for number in range(size))
        # Cascades.
        assert not n.cancel(T, "nobody")
        for number in range(3):
            n.notify_at(T + days * DAY + number * MICROSECOND, f"far {number}")
        n._check()
        assert (T + days * DAY, "far 0") in n
        assert (T + days * DAY - timedelta(milliseconds=2**32), "far 0") not in n
        assert n.due(T + days * DAY - MICROSECOND) == list(range(size))
        assert n.due(T + days * DAY + MICROSECOND) == ["far 0", "far 1"]
        assert n.cancel(T + days * DAY + 2 * MICROSECOND, "far 2")


# ---- columns that are not aligned


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_arrays_that_are_not_aligned(unit: str, order: str) -> None:
    """The sanitizer of undefined behaviour sees what the processor forgives."""
    numpy = pytest.importorskip("numpy")
    for count in (1, 2, 100):
        aligned = numpy.arange(count).astype(f"{order}M8[{unit}]")
        block = numpy.zeros(8 * count + 1, "u1")
        block[1:] = aligned.view("u1")
        ats = block[1:].view(aligned.dtype)
        assert not ats.flags.aligned and ats.flags.c_contiguous
        n: MultiNotifier[int] = MultiNotifier()
        n.notify_many(ats, range(count))
        other: MultiNotifier[int] = MultiNotifier()
        other.notify_many(aligned, range(count))
        assert list(n) == list(other) and len(n) == count


# ---- lists that others change


class Shifting(tzinfo):
    """Exchanges an element of the list that is being read."""

    ats: list[Any]

    def utcoffset(self, at: Any) -> timedelta:
        self.ats[-1] = "not a datetime"
        return timedelta()

    def dst(self, at: Any) -> None:
        return None

    def tzname(self, at: Any) -> None:
        return None


def test_times_are_read_as_they_were_given() -> None:
    zone = Shifting()
    zone.ats = [T.replace(tzinfo=zone), T, T + DAY]
    n = MultiNotifier([(T, "before")])
    n.notify_many(zone.ats, ["a", "b", "c"])
    assert list(n) == [(T, "before"), (T, "a"), (T, "b"), (T + DAY, "c")]


def test_a_list_of_times_that_threads_change() -> None:
    """Says little where there is a GIL."""
    ats = [T + number * MICROSECOND for number in range(200)]
    numbers = range(200)
    n: MultiNotifier[int] = MultiNotifier()
    errors: list[BaseException] = []
    rounds = 300 if FREE_THREADED else 50
    working = [True]

    def insert() -> None:
        try:
            for _ in range(rounds):
                n.notify_many(ats, numbers)
        except BaseException as error:
            errors.append(error)

    def assign() -> None:
        try:
            while working[0]:
                for shift in range(5):
                    ats[50:150] = [T + (number + shift) * timedelta(milliseconds=1) for number in range(100)]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=insert) for _ in range(3)]
    other = threading.Thread(target=assign)
    for thread in [*threads, other]:
        thread.start()
    for thread in threads:
        thread.join()
    working[0] = False
    other.join()
    assert not errors
    n._check()
    assert sorted(n.due(T + DAY)) == sorted([*numbers] * (3 * rounds))


def test_a_notifier_that_threads_initialise() -> None:
    n: MultiNotifier[str] = MultiNotifier()
    pairs = [(T + number * MICROSECOND, str(number)) for number in range(60)]
    errors: list[BaseException] = []
    rounds = 2000 if FREE_THREADED else 100

    def work(number: int) -> None:
        try:
            for step in range(rounds):
                if number % 2:
                    n.__init__(pairs)  # type: ignore[misc]
                elif step % 2:
                    copy.copy(n).notify_at(T, "mine")
                else:
                    taken = n.due(T + DAY)
                    assert taken in ([], [token for _, token in pairs])
                sys.getsizeof(n)
                repr(n)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    n._check()


# ---- Cython


def _comprehensions(text: str) -> list[str]:
    """List comprehensions outside strings and comments."""
    code = re.sub(r'"""(?:.|\n)*?"""', '""', text)
    code = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', code)
    code = re.sub(r"#.*", "", code)
    return re.findall(r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\bfor\b[^\[\]]*\bin\b", code)


@pytest.mark.skipif(not list(SOURCES.glob("*.pyx")), reason="there are no sources beside the tests")
def test_no_list_comprehension_is_compiled() -> None:
    """The C that some versions of Cython make of one releases an item twice when the list cannot grow."""
    assert _comprehensions("taken = [pair_of(pending, index) for index in range(3)]")
    assert _comprehensions("taken = [a[index] for index in b]") and not _comprehensions(
        '"[x for x in y]"  # [x for x in y]'
    )
    for path in [*SOURCES.glob("*.pyx"), *SOURCES.glob("*.pxd")]:
        assert not _comprehensions(path.read_text()), path


# ---- the core in rooms


class Thing:
    """A token that is told by its identity, or by code of its own."""


class Equal:
    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Equal)

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("make", [lambda number: Thing(), Equal, lambda number: frozenset([number])])
def test_a_deep_copy_that_is_left_with_an_index(make: Callable[[int], Any]) -> None:
    n: MultiNotifier[Any] = MultiNotifier((T, make(number)) for number in range(100))
    tokens = [token for _, token in n]
    assert n.cancel(T, tokens[1])
    twin = copy.deepcopy(n)
    del n, tokens
    for token in [token for _, token in twin][::-7]:
        assert twin.cancel(T, token)
        assert not any(left is token for _, left in twin)
        twin._check()


@pytest.mark.parametrize("far", range(12))
@pytest.mark.parametrize("distance", [1, 2, 7, 8, 9, 1000])
def test_most_at_one_instant(far: int, distance: int) -> None:
    pairs = [(10**9 + (number * distance if number <= far else 0), str(number)) for number in range(100)]
    n = MultiNotifier(pairs)
    assert (10**9, "99") in n
    n._check()
    assert n.due(2**63 - 1) == [token for _, token in sorted(pairs, key=lambda pair: pair[0])]


def test_more_copies_than_a_node_can_count() -> None:
    for pairs in ([(1.0, number) for number in range(40)], [(float(number), number) for number in range(400)]):
        n = MultiNotifier(pairs)
        assert pairs[7] in n
        twins = [copy.copy(n) for _ in range(130_000)]
        for twin in (n, twins[0], twins[60_000], twins[-1]):
            twin.notify_at(-0.5, -1)
            twin._check()
            assert twin.due(1e9) == [-1, *(token for _, token in pairs)]
        del twins


def test_an_empty_set_of_boxes_is_copied() -> None:
    n: MultiNotifier[Any] = MultiNotifier([(T, [number]) for number in range(100)])
    assert len(n.due(T)) == 100
    twin = copy.deepcopy(n)
    twin.notify_at(T, [1])
    n.notify_at(T, [2])
    assert (n.due(T), twin.due(T)) == ([[2]], [[1]])


@pytest.mark.parametrize("taken", [0, 253, 254, 255, 300, 520])
def test_a_search_in_a_crowd_of_two(taken: int) -> None:
    n: MultiNotifier[Any] = MultiNotifier((T, str(number)) for number in range(1300))
    tokens = [token for _, token in n]
    assert n.due(T, taken) == tokens[:taken]
    for number in (taken, 600, 777, 1299):
        twin = copy.copy(n)
        assert (T, str(number)) in n
        assert n.cancel(T, tokens[number]) and not n.cancel(T, tokens[number])
        assert twin.reschedule(T, tokens[number], T + DAY)
        n._check()
        twin._check()
        left = tokens[taken:number] + tokens[number + 1 :]
        assert [token for _, token in n] == left
        assert twin.due(T + DAY) == [*left, tokens[number]]
        n = MultiNotifier((T, token) for token in tokens)
        n.due(T, taken)
