"""Shared buckets that cascade, seen from inside: once, for all who share them."""

from __future__ import annotations

import random
import sysconfig
from typing import Any, Callable

import pytest

from tests.test_sharing import MOST, flat, generations, owners
from tests.test_wheel import CHUNK, FLOOD, TICK, cascaded, in_order, is_crowd, is_wheel, ticks

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
shared_once = pytest.mark.skipif(FREE_THREADED, reason="there each copy cascades for itself")

# Two slots of a root: the first has a single deadline, the other many.
SINGLE, FAR = 77, 1 << 40
NEAR = [SINGLE] * 200
DEADLINES = [*NEAR, *ticks(600, FAR // TICK)]


def pair(inside: Any) -> tuple[Any, Any]:
    """A tree and a copy, each with a root of its own, whose buckets are shared."""
    timers = cascaded(inside, DEADLINES, 1 << 43)
    twin = timers.copy()
    assert twin.find(1 << 43, to_write=True) == []
    assert owners(twin.shape())[0] == owners(timers.shape())[0] == 1
    return timers, twin


def slot(timers: Any, digit: int) -> Any:
    return list(timers.shape().slots.values())[digit]


@shared_once
def test_one_cascades_and_the_other_shares_it(inside: Any) -> None:
    timers, twin = pair(inside)
    count = len(slot(timers, 1))
    assert count > 1 and owners(slot(timers, 1)) == [2, *[1] * (count - 1)]
    wanted = twin.find(FAR, to_write=True)
    # The wheel belongs to the forwarded chunk; the way down to what was searched is the twin's own.
    (forwarded,) = slot(timers, 1)
    assert forwarded.owners == 1 and is_wheel(forwarded.successor) and forwarded.successor.owners == 1
    assert timers.check() == twin.check() == len(DEADLINES) and timers.read() == twin.read() == in_order(DEADLINES)
    assert timers.find(FAR, to_write=True) == wanted
    del twin
    assert set(flat(owners(timers.shape()))) == {1} and timers.check() == len(DEADLINES)


def test_a_crowd_is_made_once(inside: Any) -> None:
    timers, twin = pair(inside)
    timers.find(SINGLE, to_write=True)
    twin.find(SINGLE, to_write=True)
    other = twin.copy()
    assert other.due(SINGLE, 5) == list(range(5)) and timers.find(SINGLE) == twin.find(SINGLE) == list(range(200))
    for each, count in ((timers, 800), (twin, 800), (other, 795)):
        assert is_crowd(crowd_in(slot(each, 0))) and each.check() == count


def crowd_in(shape: Any) -> Any:
    while is_wheel(shape):
        (shape,) = shape.slots.values()
    return shape


FOLLOWING: dict[str, Callable[[Any], Any]] = {
    "find": lambda timers: timers.find(FAR, to_write=True),
    "put": lambda timers: timers.put(FAR + 5),
    "put before": lambda timers: timers.put(FAR - 1),
    "due of some": lambda timers: timers.due(FAR + 5000),
    "due of all": lambda timers: timers.due(1 << 50),
    "slices": lambda timers: timers.due(1 << 50, 300),
    "read": lambda timers: timers.read(),
    "a copy": lambda timers: timers.copy().put(FAR),
}


@pytest.mark.parametrize("newer", [0, 1, CHUNK, 3 * CHUNK])
@pytest.mark.parametrize("what", FOLLOWING)
def test_the_other_follows(inside: Any, what: str, newer: int) -> None:
    """Also with timers in front that it has put there since; and where memory is wanting, nothing has changed."""
    number = 0
    while True:
        timers, twin = pair(inside)
        for each in range(newer):
            timers.put(FAR + each % 7)
        wanted = in_order([*DEADLINES, *(FAR + each % 7 for each in range(newer))])
        twin.find(FAR, to_write=True)
        assert timers.check() == len(wanted) and not is_wheel(slot(timers, 1))
        try:
            FOLLOWING[what](timers.starve(number))
        except MemoryError:
            assert timers.read() == wanted and timers.check() == len(wanted)
            number += 1
            continue
        assert isinstance(timers.check(), int) and twin.read() == in_order(DEADLINES)
        left = timers.read()
        assert left == wanted[len(wanted) - len(left) :] or "put" in what
        assert timers.due(1 << 63, times=True) == left
        assert twin.due(1 << 63, times=True) == in_order(DEADLINES)
        break


def test_to_cascade_takes_memory_and_without_it_both_are_as_they_were(inside: Any) -> None:
    for deadline in (FAR, SINGLE):
        number = 0
        while True:
            timers, twin = pair(inside)
            twin.put(deadline)
            try:
                twin.starve(number).find(deadline, to_write=True)
            except MemoryError:
                number += 1
                assert twin.read() == in_order([*DEADLINES, deadline]) and twin.check() == len(DEADLINES) + 1
                assert timers.read() == in_order(DEADLINES) and timers.check() == len(DEADLINES)
            else:
                break
        assert number > 5


@shared_once
@pytest.mark.parametrize("newer", [1, 2 * CHUNK, 5 * CHUNK])
def test_what_is_shared_in_front_of_a_forwarded_chunk_is_inserted_once(inside: Any, newer: int) -> None:
    """For all owners, if it is more than a chunk; and where memory is wanting, nothing has changed."""
    number = 0
    while True:
        timers, twin = pair(inside)
        for each in range(newer):
            timers.put(FAR + each % 7)
        twin.find(FAR, to_write=True)
        wanted = in_order([*DEADLINES, *(FAR + each % 7 for each in range(newer))])
        third = timers.copy()
        # A root of its own.
        assert third.find(1 << 43, to_write=True) == []
        try:
            third.starve(number).find(FAR, to_write=True)
        except MemoryError:
            number += 1
            assert timers.read() == third.read() == wanted
            assert timers.check() == third.check() == len(wanted)
            continue
        once = newer > CHUNK
        bucket = slot(timers, 1)
        assert (len(bucket) == 1 and is_wheel(bucket[0].successor)) == once
        assert timers.check() == third.check() == len(wanted) and twin.check() == len(DEADLINES)
        assert timers.due(1 << 63, times=True) == third.due(1 << 63, times=True) == wanted
        assert twin.due(1 << 63, times=True) == in_order(DEADLINES)
        break


def test_what_comes_next_is_found_in_what_was_forwarded_without_memory(inside: Any) -> None:
    timers, twin = pair(inside)
    twin.find(FAR, to_write=True)
    timers.put(FAR + 1)
    timers.remove(SINGLE, 0)
    timers.ripen(SINGLE)
    timers.starve()
    assert len(timers.take()) == 199 and timers.read()[0] == (FAR, 200) and timers.check() == 601


@shared_once
def test_too_many_owners(inside: Any) -> None:
    """A wheel shares what became of a chunk; a chunk on top of a forwarded one is copied with it."""
    timers, twin = pair(inside)
    timers.put(FAR)
    other = timers.copy()
    twin.find(FAR, to_write=True)
    digit = list(timers.shape().slots)[1]
    # The chunk on top, and the forwarded one.
    for path in ((digit,), (digit, 0)):
        timers.poke(path, "owners", MOST)
    assert other.find(1 << 43, to_write=True) == []
    wanted = in_order([*DEADLINES, FAR])
    assert owners_on_top(slot(timers, 1)) == [MOST, MOST] and owners_on_top(slot(other, 1)) == [1, 1]
    assert other.check() == len(wanted) and other.read() == wanted
    for path in ((digit,), (digit, 0)):
        timers.poke(path, "owners", 1)
    assert timers.due(1 << 63, times=True) == wanted and twin.read() == in_order(DEADLINES)


def owners_on_top(bucket: Any) -> list[int]:
    return [chunk.owners for chunk in bucket]


@shared_once
def test_check_tells_what_is_wrong(inside: Any) -> None:
    timers, twin = pair(inside)
    assert timers.poke((), "mixed", 0) == 1
    assert timers.check() == "mixed"
    timers.poke((), "mixed", 1)
    twin.find(FAR, to_write=True)
    digit = list(timers.shape().slots)[1]
    assert timers.poke((digit,), "before", 599) == 600 and timers.check() == "forwarded"
    timers.poke((digit,), "before", 600)
    assert timers.poke((digit,), "ordered", 0) == 1 and timers.check() == "no-hole"
    timers.poke((digit,), "ordered", 1)
    assert timers.check() == len(DEADLINES)


@pytest.mark.parametrize("alive", [False, True])
@pytest.mark.parametrize("single", [False, True])
def test_a_flood_where_a_copy_was(inside: Any, single: bool, alive: bool) -> None:
    """It cascades each time that it has doubled, also while a copy still shares the begin of it."""
    timers, twin = pair(inside)
    if not alive:
        del twin
    begin, step = (SINGLE, 0) if single else (FAR + 600 * TICK, 3)
    before = len(NEAR if single else DEADLINES[200:])
    for number in range(FLOOD - before + CHUNK):
        timers.put(begin + number * step)
    assert not hasattr(slot(timers, 0 if single else 1), "deadlines")
    shape = slot(timers, 0 if single else 1)
    assert is_crowd(crowd_in(shape)) if single else is_wheel(shape)
    assert timers.check() == len(DEADLINES) + FLOOD - before + CHUNK
    assert [deadline for deadline, _ in timers.read()] == sorted(
        [*DEADLINES, *(begin + number * step for number in range(FLOOD - before + CHUNK))]
    )
    if alive:
        assert twin.check() == len(DEADLINES) and twin.read() == in_order(DEADLINES)


@pytest.mark.parametrize("seed", range(4))
def test_generations(inside: Any, seed: int) -> None:
    """Copies of copies whose large buckets cascade at any moment."""
    rng = random.Random(seed)
    choices = [SINGLE, *ticks(60, FAR // TICK), *ticks(60, 1 << 35), *(each << 34 for each in range(64))]

    def some() -> list[int]:
        start, step = rng.choice(choices), rng.choice((0, 1, TICK))
        return [start + each * step for each in range(rng.choice((1, 2, 40, 300)))]

    shown = sum("Forwarded" in repr(timers.shape()) for timers in generations(inside, rng, 1500, choices, [some]))
    assert shown > 100 or FREE_THREADED
