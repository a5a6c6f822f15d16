"""Crowds, seen from inside: their segments, and the index with which one of many is found."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from types import MethodType
from typing import Any, NamedTuple

import pytest

from tests.test_wheel import LAST, bytes_of, is_bucket, is_crowd

SEGMENT, SPARSE = 254, 32
ASK, NOWHERE = -2, -1


def crowd(inside: Any, count: int, deadline: int = 5) -> Any:
    """A queue whose only slot in use is a crowd."""
    timers = inside.Numbers([deadline] * count)
    timers.find(deadline, to_write=True)
    assert is_crowd(of(timers, deadline))
    return timers


def of(timers: Any, deadline: int = 5) -> Any:
    root = timers.shape()
    return root.slots[deadline - root.base]


def fill(crowd: Any) -> list[tuple[int, int]]:
    return [(segment.capacity, segment.used) for segment in crowd.segments]


def test_a_bucket_becomes_a_crowd(inside: Any) -> None:
    """When a part of it is taken, or one of it is wanted; not when all of it is."""
    for count in (32, SEGMENT, SEGMENT + 1, 1000):
        for deadline in (0, 5, LAST):
            timers = crowd(inside, count, deadline)
            shape = of(timers, deadline)
            assert shape[:4] == (deadline, count, 0, count) and timers.check() == count
            assert [segment.used for segment in shape.segments][:-1] == [SEGMENT] * ((count - 1) // SEGMENT)
            assert all(segment.used == segment.capacity for segment in shape.segments)
            assert timers.find(deadline) == list(range(count)) and timers.read(9) == [(deadline, k) for k in range(9)]
            assert timers.memory() == bytes_of(timers.shape())
            assert timers.due(LAST, times=True) == [(deadline, k) for k in range(count)] and timers.memory() == 0
    timers = inside.Numbers([5] * 1000)
    assert timers.due(5, 400) == list(range(400)) and of(timers).live == 600
    timers = inside.Numbers([5] * 1000)
    assert timers.ripen(5) == 1000 and is_bucket(timers.shape())


def test_one_at_a_time_is_taken_from_the_crowd_itself(inside: Any) -> None:
    """As long as it is the soonest, nobody else's, and one stays."""
    timers = inside.Numbers([5] * 600 + [6])
    assert timers.take_ready(5, 1) == [] and timers.due(5, 1) == [0]
    for first in range(1, 400):
        assert len(timers.ready) == 600 - first and timers.take_ready(5, 1) == [first]
        assert timers.next == 5 and timers.check() == 600 - first
    assert timers.take_ready(5) == timers.take_ready(5, 200) == [] and timers.take_ready(9, 10) == list(range(400, 410))
    timers.put(5)
    assert len(timers.ready) == 191
    twin = timers.copy()
    assert (timers.ready, twin.ready) == (None, None) and twin.due(5, 1) == timers.due(5, 1) == [410]
    assert len(twin.ready) == len(timers.ready) == 190 and twin.take_ready(5, 1) == [411] == timers.take_ready(5, 1)
    timers.put(4)
    assert timers.ready is None and timers.take_ready(5, 1) == [] and timers.due(5, 2) == [602, 412]
    timers.remove(5, 413)
    assert timers.due(5, 1) == [414]
    while timers.take_ready(5, 1):
        pass
    assert timers.due(9) == [601, 600] and timers.check() == 0
    assert twin.due(9) == [*range(412, 600), 601, 600] and twin.check() == 0


def test_first_in_first_out(inside: Any) -> None:
    timers, wanted = crowd(inside, 600), list(range(600))
    rng = random.Random(1)
    for _ in range(300):
        for _ in range(rng.randrange(9)):
            wanted.append(timers.number)
            timers.put(5)
        most = rng.choice((0, 1, 5, 12, 300)) if rng.random() < 0.2 else rng.randrange(7)
        if most and wanted:
            assert timers.due(5, most) == wanted[:most]
            wanted = wanted[most:]
        assert timers.check() == len(wanted)
        if timers.shape() is None or not is_crowd(of(timers)):
            break
        # Segments that are gone lie in front for a while, but no more than half.
        assert of(timers).start // SEGMENT <= (of(timers).end + SEGMENT - 1) // SEGMENT // 2
    assert timers.read() == [(5, number) for number in wanted] and timers.due(LAST) == wanted


def test_segments_grow(inside: Any) -> None:
    timers = crowd(inside, SEGMENT + 40)
    assert fill(of(timers)) == [(SEGMENT, SEGMENT), (40, 40)]
    timers.put(5)
    assert fill(of(timers)) == [(SEGMENT, SEGMENT), (80, 41)]
    for _ in range(300):
        timers.put(5)
    assert fill(of(timers)) == [(SEGMENT, SEGMENT), (SEGMENT, SEGMENT), (SEGMENT, 87)] and timers.check() == 595
    for count, number in ((SEGMENT + 40, 0), (SEGMENT, 0), (SEGMENT, 1)):
        timers = crowd(inside, count)
        with pytest.raises(MemoryError):
            timers.starve(number).put(5)
        assert timers.check() == count and timers.read() == [(5, k) for k in range(count)]


def test_making_a_crowd_takes_memory(inside: Any) -> None:
    for number in range(20):
        timers = inside.Numbers([5] * 600 + [6] * 600)
        timers.ripen(5)
        assert is_bucket(of(timers))
        try:
            timers.starve(number).ripen(5, 300)
        except MemoryError:
            assert is_bucket(of(timers)) and timers.check() == 1200
        else:
            break
    # The crowd, its array of segments, and these.
    assert number >= 5 and is_crowd(of(timers)) and timers.take() == list(range(300)) and timers.check() == 900


def test_gaps(inside: Any) -> None:
    """What is removed leaves a gap; one at the start is passed, and of many the crowd is cleared."""
    timers = crowd(inside, 1000)
    for number in (7, 0, 2, 1, 999):
        timers.remove(5, number)
        assert timers.check() == of(timers).live
    assert of(timers)[1:4] == (995, 3, 1000)
    timers.remove(5, 3)
    assert of(timers).start == 4 and timers.due(5, 5) == [4, 5, 6, 8, 9]
    left = list(range(10, 999))
    rng = random.Random(2)
    while len(left) > 13:
        timers.remove(5, left.pop(rng.randrange(1, len(left))))
        shape = of(timers)
        assert timers.check() == len(left) and shape.end - shape.start <= 2 * shape.live + SPARSE
    assert timers.find(5) == left
    timers.put(5)
    assert timers.find(5) == [*left, 1000] and timers.due(5, 3) == left[:3]
    # A segment that is gone as a whole is passed, too.
    timers = crowd(inside, 1000)
    for number in range(1, 400):
        timers.remove(5, number)
    timers.remove(5, 0)
    assert timers.check() == 600 and len(of(timers).segments) == 3 and timers.find(5)[0] == 400


def test_gaps_stay_where_there_is_no_memory(inside: Any) -> None:
    for number in range(4):
        timers, left = crowd(inside, 1000), list(range(1000))
        while len(left) > 20:
            timers.starve(number).remove(5, left.pop(len(left) // 2))
            assert timers.check() == len(left)
        assert timers.find(5) == left
    assert timers.due(LAST) == left


def test_a_crowd_that_is_none_any_more_is_a_bucket_again(inside: Any) -> None:
    for last in (False, True):
        timers = inside.Numbers([5] * 40 + [1 << 40 | 5] * 40)
        timers.find(5, to_write=True)
        timers.find(1 << 40 | 5, to_write=True)
        for number in range(39, 12, -1):
            timers.remove(5, number)
        (slot,) = [slot for digit, slot in timers.shape().slots.items() if not digit]
        assert is_crowd(slot.slots[5])
        if last:
            timers.starve()
        timers.remove(5, 12)
        if last:
            for number in range(12):
                assert timers.find(5) == list(range(number, 12))
                timers.starve().remove(5, number)
                assert timers.check() == 40 + 11 - number
        else:
            assert timers.find(5) == list(range(12)) and not timers.is_crowded(5) and timers.check() == 52


def test_what_was_put_last_is_taken_back(inside: Any) -> None:
    timers = crowd(inside, 40)
    for _ in range(300):
        timers.put(5)
    for number in range(339, -1, -1):
        if number % 3 == 0:
            assert timers.find(5)[-1] == number
        assert timers.take_back(5) == number and timers.check() == number
    assert timers.shape() is None


# ---- the index


class Same:
    """Of the equality that `object` gives."""


class Own(Same):
    """Of an equality of its own."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("asked")

    __hash__ = None  # type: ignore[assignment]


class Pair(NamedTuple):
    one: Any
    other: Any


# A subclass that says nothing about equality, of each type.
Inherited: dict[type, Any] = {kind: type("Inherited", (kind,), {}) for kind in (str, int, float, date)}


class Other(str):
    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    __hash__ = str.__hash__


class Hashed(str):
    def __hash__(self) -> int:
        return 5


def held(objects: list[Any]) -> list[Any]:
    return [None, *objects]


def test_the_very_token_comes_before_an_equal_one(inside: Any) -> None:
    one, other, more = ("".join(["to", "ken"]) for _ in range(3))
    objects = held([1, other, 2, one, *range(3, 99), one, other])
    timers = crowd(inside, len(objects) - 1)
    assert timers.search(5, one, objects) == 3 and timers.search(5, other, objects) == 1
    assert timers.search(5, more, objects) == 1 and timers.search(5, "none", objects) == NOWHERE
    assert timers.search(5, 1.0, objects) == 0 and timers.search(5, True, objects) == 0
    # The next of its ring, once the oldest is gone.
    timers.remove(5, 1)
    assert timers.search(5, other, objects) == len(objects) - 2 and timers.search(5, more, objects) == 3
    timers.remove(5, len(objects) - 2)
    timers.remove(5, 3)
    assert timers.search(5, other, objects) == timers.search(5, more, objects) == len(objects) - 3
    timers.remove(5, len(objects) - 3)
    assert timers.search(5, other, objects) == NOWHERE
    # Rings that are spent are used again.
    for _ in range(200):
        timers.put(5)
        objects.append(other)
        assert timers.search(5, other, objects) == timers.number - 1 == timers.search(5, more, objects)
        timers.remove(5, timers.number - 1)
        assert timers.search(5, other, objects) == NOWHERE and timers.search(5, 50, objects) == 51


def test_who_goes_from_the_oldest_to_the_youngest_needs_no_index(inside: Any) -> None:
    names = [f"client {number}" for number in range(1000)]
    timers = crowd(inside, len(names))
    for number, name in enumerate(names[:900]):
        assert timers.search(5, name, held(names)) == number
        assert timers.memory() < bytes_of(timers.shape()) + 100
        timers.remove(5, number)


def test_who_asks_with_equal_tokens_is_spared_the_table_of_identities(inside: Any) -> None:
    names = [f"client {number}" for number in range(1000)]
    memory = []
    for very in (True, False):
        timers, objects = crowd(inside, 1000), held(list(names))
        before = timers.memory()
        # The first search in a large crowd is a pass, if it finds the very token; from then on it has a table.
        for number in (7, 8, 999):
            token = names[number] if very else f"client {number}"
            assert timers.search(5, token, objects) == number
        memory.append(timers.memory() - before)
        assert timers.search(5, "client 1000", objects) == NOWHERE
        # Of several that are equal the very one is told all the same.
        for number in (3, 999):
            timers.put(5)
            objects.append(f"client {number}")
        for number in (1000, 3, 1001, 999):
            assert timers.search(5, objects[number + 1], objects) == number
        assert timers.search(5, "".join(["client", " 3"]), objects) == 3 and timers.check() == 1002
    assert 0 < memory[1] == memory[0]


def test_what_tells_tokens_apart(inside: Any) -> None:
    class Zone(tzinfo):
        def utcoffset(self, at: Any) -> timedelta:
            return timedelta(hours=1)

        dst = utcoffset

        def tzname(self, at: Any) -> str:
            return "Zone"

    class Called(Own):
        def __call__(self) -> None:
            pass

    zone, same, own = Zone(), Same(), Own()
    deep: Any = ()
    for _ in range(99):
        deep = (deep,)
    values = [
        "a", 1, b"b", None, 1.5, 1j, date(2024, 1, 1), timedelta(1), datetime(2024, 1, 1), time(1), (1, "a"),
        datetime(2024, 1, 1, tzinfo=timezone.utc), frozenset([1, "a"]), (1, same), frozenset([same]), (frozenset([2]),),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1))), range(3), Decimal("1.5"), Decimal("nan"),
        Inherited[str]("a"), Inherited[int](1), Inherited[float](1.5), Inherited[date](2024, 1, 1),
        Pair(1, ("a", same)), deep, zone.tzname, (zone.tzname, 1), [].append, len, timezone(timedelta(hours=1)),
        time(1, tzinfo=timezone.utc),
    ]  # fmt: skip
    asked = [
        own, (own,), frozenset([(1, (2, time(1, tzinfo=zone)))]), datetime(2024, 1, 1, tzinfo=zone), (deep,),
        [1], MethodType(Called(), 1), tuple(range(200)), Decimal("snan"), Fraction(1, 3), Pair(1, own), Other("a"),
        Hashed("a"),
    ]  # fmt: skip
    fillers = list(range(10, 99))
    for value in values:
        objects = held([*fillers, value, *fillers])
        timers = crowd(inside, len(objects) - 1)
        assert timers.search(5, value, objects) == 89 and timers.search(5, 50, objects) == 40
        assert timers.search(5, "none", objects) == timers.search(5, same, objects) == NOWHERE
    for token in asked:
        objects = held([*fillers, token, *fillers])
        timers = crowd(inside, len(objects) - 1)
        # The very token is found without a question, and others than it takes one.
        assert timers.search(5, token, objects) == 89 and timers.search(5, 50, objects) == 40
        assert timers.search(5, "none", objects) == timers.search(5, Own(), objects) == ASK
        assert crowd(inside, 89).search(5, token, held(fillers)) == ASK
    objects = held([*fillers, same, *fillers])
    timers = crowd(inside, len(objects) - 1)
    assert timers.search(5, same, objects) == 89 and timers.search(5, Same(), objects) == NOWHERE


def test_the_index_keeps_up(inside: Any) -> None:
    """With what comes, goes, is taken, and with closed gaps and other positions."""
    rng = random.Random(4)
    objects: list[Any] = held([rng.randrange(40) for _ in range(500)])
    timers, there = crowd(inside, 500), list(range(500))
    for _ in range(1500):
        choice = rng.random()
        if choice < 0.45 or len(there) < 40:
            there.append(timers.number)
            timers.put(5)
            objects.append(rng.randrange(40))
        elif choice < 0.9:
            number = rng.choice(there)
            timers.remove(5, number)
            there.remove(number)
        else:
            most = rng.randrange(9)
            assert timers.due(5, most) == there[:most]
            there = there[most:]
        token = rng.randrange(42)
        wanted = next((number for number in there if objects[number + 1] == token), NOWHERE)
        assert timers.search(5, token, objects) == wanted and timers.check() == len(there)
    assert timers.find(5) == there


def test_a_quarter_of_an_index_stays_free(inside: Any) -> None:
    """Also where its room would be just below a power of two, and is filled."""
    for size in (340, 341, 342, 682, 1365, 1366):
        objects = held([f"client {number}" for number in range(2 * size)])
        timers = crowd(inside, size)
        for number in range(size, 2 * size):
            assert timers.search(5, "none", objects) == NOWHERE and (number % 64 or timers.check() == number)
            timers.put(5)


def test_the_index_takes_memory(inside: Any) -> None:
    objects = held(list(range(1000)))
    objects[101] = objects[901] = 10**9
    for number in range(20):
        timers = crowd(inside, 1000)
        before = timers.memory()
        try:
            # Equal to several, of which one might be the very token: both tables are asked.
            assert timers.starve(number, number + 1).search(5, int("1000000000"), objects) == 100
        except MemoryError:
            assert timers.check() == 1000 and timers.search(5, 7, objects) == 7
        else:
            break
    # The index, and two arrays for each of its tables.
    assert number >= 5
    # What it takes is given back with the crowd, and once it is too small.
    assert timers.search(5, 7, objects) == 7 and timers.memory() > before + 2 * 1500 * 4
    for number in range(900):
        timers.put(5)
        objects.append(-number)
    assert timers.search(5, -899, objects) == 1899 and timers.search(5, 7, objects) == 7
    # Of a crowd with many gaps these are closed first.
    for number in range(1, 1300):
        timers.remove(5, number)
        if number == 1200:
            timers.search(5, 0, objects)
    for _ in range(2000):
        timers.put(5)
        objects.append("late")
    assert timers.search(5, "late", objects) == 1900 and timers.check() == 2601


def test_check_names_what_is_broken_in_a_crowd(inside: Any) -> None:
    timers = crowd(inside, 600)
    timers.put(9)

    def broken(path: tuple[int, ...], what: str, value: int, index: int = 0) -> Any:
        before = timers.poke(path, what, value, index)
        name = timers.check()
        timers.poke(path, what, before, index)
        return name

    assert timers.check() == 601
    assert broken((1,), "live", 599) == broken((1,), "live", 0) == "populated"
    assert broken((1,), "words", 253, 1) == broken((1,), "used", 9, 0) == "populated"
    assert broken((1,), "end", 599) == "unbroken"
    assert broken((1,), "deadline", 6) == broken((), "shift", 2) == "single"
    assert timers.check() == 601
