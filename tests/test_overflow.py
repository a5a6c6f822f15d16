"""The overflow heap, seen from inside: what lies in it, in which order, and when the wheel takes it over."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import pytest

from tests.test_wheel import CHUNK, LAST, cascaded, in_order, is_bucket, is_wheel, numbers_of, ticks, timers_of

# A heap of so many is handed over to the wheel; a cascade of the root leaves at most half as many to it.
LIMIT = 64
FAR, NEAR = 1 << 50, 1 << 40


def near(start: int = NEAR) -> list[int]:
    """No slot of their wheel has more than a chunk."""
    return [start + number * 1200 for number in range(600)]


def wheels(shape: Any) -> list[Any]:
    return [shape, *(wheel for slot in shape.slots.values() for wheel in wheels(slot))] if is_wheel(shape) else []


def leaves(shape: Any) -> list[Any]:
    return [leaf for slot in shape.slots.values() for leaf in leaves(slot)] if is_wheel(shape) else [shape]


def deadlines_of(shape: Any) -> list[list[int]]:
    return [timers_of(leaf) for leaf in leaves(shape)]


def outlying(inside: Any, far: list[int], start: int = NEAR) -> Any:
    """A wheel of the near timers, and then those."""
    timers = cascaded(inside, near(start), look=LAST)
    for deadline in far:
        timers.put(deadline)
    return timers


def test_what_the_wheel_does_not_reach_lies_in_the_heap(inside: Any) -> None:
    timers = outlying(inside, [FAR, 5, FAR + 1, 4])
    root = timers.shape()
    assert is_wheel(root) and timers.heap() == [(4, 603), (5, 601), (FAR + 1, 602), (FAR, 600)]
    end = root.base + (root.size << root.shift)
    for deadline in (root.base, end - 1):
        timers.put(deadline)
    assert len(timers.heap()) == 4
    for deadline in (root.base - 1, end):
        timers.put(deadline)
    assert len(timers.heap()) == 6 and timers.check() == 608 and timers.next == 4
    more = [FAR, 5, FAR + 1, 4, root.base, end - 1, root.base - 1, end]
    assert timers.due(LAST, times=True) == in_order(near() + more)
    assert timers.heap() is None and timers.shape() is None and timers.memory() == 0


def test_how_fine_the_root_is_does_not_depend_on_the_clock(inside: Any) -> None:
    """On both sides of a turn of high bits timers lay in two slots, each as wide as all of them."""
    for start in (0, 1 << 30, (1 << 40) - 330_000, (1 << 63) - 330_000, LAST - 800_000):
        root = cascaded(inside, near(start), look=LAST).shape()
        assert root.shift == 15 and 22 <= len(root.slots) <= 23
        assert root.base <= start and near(start)[-1] - root.base < root.size << root.shift


def test_equal_ones_stay_in_the_order_of_their_insertion(inside: Any) -> None:
    rng = random.Random(3)
    far = [rng.choice([FAR, FAR + 1, FAR + 2, 3, 4]) for _ in range(LIMIT - 1)]
    timers = outlying(inside, far)
    assert len(timers.heap()) == LIMIT - 1 and timers.check() == 600 + LIMIT - 1
    wanted = [(deadline, 600 + number) for number, deadline in enumerate(far)]
    assert timers.find(FAR) == [number for deadline, number in wanted if deadline == FAR]
    early = sorted(pair for pair in wanted if pair[0] < NEAR)
    assert timers.due(4, times=True) == early and timers.due(NEAR - 1) == []
    assert timers.due(LAST)[600:] == numbers_of(sorted(pair for pair in wanted if pair[0] > NEAR))


def test_slices_of_early_wheel_and_late(inside: Any) -> None:
    far = [FAR + number % 3 for number in range(20)] + [number % 4 for number in range(20)]
    everything = near() + far
    for most in (1, 19, 20, 21, 619, 620, 621, 630, 1000):
        timers, order = outlying(inside, far), in_order(everything)
        assert timers.read() == order
        while order:
            assert timers.due(LAST, most, times=True) == order[:most]
            order = order[most:]
            assert timers.check() == len(order)


def test_the_heap_is_handed_over_to_a_coarser_wheel(inside: Any) -> None:
    """At LIMIT timers; the wheel takes the nearer half at least, those of equal deadlines in their order."""
    cases = (
        ([NEAR * 2 + number // 3 for number in range(LIMIT)], 0),
        ([NEAR * 2 + number // 3 for number in range(LIMIT // 2)] + [1 << 60 | number for number in range(32)], 32),
        ([1 << 60 | number for number in range(31)] + [NEAR * 2 + number // 3 for number in range(33)], 31),
        ([number % 5 for number in range(LIMIT)], 0),
        ([1 << (41 + number % 20) for number in range(LIMIT)], 30),
    )
    # A root that begins before a multiple of its range, with timers on one side of it or on both, is divided.
    for (far, left), start in product(cases, (NEAR, NEAR - 330_000)):
        timers = outlying(inside, far[:-1], start)
        root = timers.shape()
        assert len(timers.heap()) == LIMIT - 1
        timers.put(far[-1])
        assert timers.check() == 600 + LIMIT and len(timers.heap() or ()) == left
        # What the former one held lies, as it was, in wheels as fine as that.
        crown = timers.shape()
        assert crown.shift >= root.shift + root.size.bit_length() - 1
        finer = [leaf for wheel in wheels(crown) if wheel.shift == root.shift for leaf in leaves(wheel)]
        assert all(leaf in finer for leaf in leaves(root))
        assert timers.read() == in_order(near(start) + far)
        assert timers.due(LAST, times=True) == in_order(near(start) + far)


def test_the_hand_over_takes_memory_and_without_it_the_heap_grows(inside: Any) -> None:
    hand_over_starved(inside, NEAR, [NEAR * 2 + number // 3 + (number % 7 << 44) for number in range(LIMIT)])
    # What the two parts of a divided root reach beyond it, and what only a wheel on top of these does.
    between = [NEAR + (1 << 21) - 1 - number for number in range(20)]
    between += [NEAR + (number + 2 << 30) for number in range(44)]
    hand_over_starved(inside, NEAR - 330_000, between)
    hand_over_starved(inside, NEAR - 330_000, [number << 52 for number in range(1, LIMIT + 1)])


def hand_over_starved(inside: Any, start: int, far: list[int]) -> None:
    wanted = in_order(near(start) + far)
    for number in range(99):
        timers = outlying(inside, far[:-1], start)
        root = timers.shape()
        timers.starve(number).put(far[-1])
        assert timers.check() == 664 and timers.read() == wanted
        if timers.heap() is None or len(timers.heap()) < LIMIT:
            break
        assert leaves(timers.shape()) == leaves(root) and len(timers.heap()) == LIMIT
        # The next time it succeeds.
        timers.put(LAST)
        assert len(timers.heap()) < LIMIT // 2 and timers.check() == 665
        assert timers.due(LAST, times=True) == [*wanted, (LAST, 664)]
    assert number > 8


def test_the_root_slides(inside: Any) -> None:
    """As time goes by, where that reaches at least half of the heap."""
    for beyond, left in ((LIMIT, 0), (LIMIT // 2, LIMIT // 2), (LIMIT // 2 - 1, None)):
        timers = outlying(inside, [])
        root = timers.shape()
        end = root.base + (root.size << root.shift)
        gone = len(timers.due(NEAR + 500 * 1100))
        far = [*(end + number % 5 for number in range(beyond)), *(FAR - number for number in range(LIMIT - beyond))]
        for deadline in far:
            timers.put(deadline)
        pairs = [(deadline, 600 + number) for number, deadline in enumerate(far)]
        wanted = [*in_order(near())[gone:], *sorted(pairs)]
        if left is None:
            assert timers.shape().base % (root.size << root.shift) == 0
        else:
            slid = timers.shape()
            assert (slid.shift, slid.size) == (root.shift, root.size) and len(timers.heap() or ()) == left
            # With an eighth left for what is sooner.
            assert min(slid.slots) == root.size // 8 and slid.base > root.base
        assert timers.check() == len(wanted) and timers.due(LAST, times=True) == wanted


def test_sliding_takes_memory_and_without_it_the_heap_grows(inside: Any) -> None:
    for number in range(99):
        timers = outlying(inside, [])
        root = timers.shape()
        end = root.base + (root.size << root.shift)
        gone = len(timers.due(NEAR + 500 * 1100))
        root = timers.shape()
        far = [end + number * 999 for number in range(LIMIT)]
        for deadline in far[:-1]:
            timers.put(deadline)
        twin = timers.copy()
        timers.starve(number).put(far[-1])
        wanted = [*in_order(near())[gone:], *((deadline, 600 + number) for number, deadline in enumerate(far))]
        assert timers.check() == len(wanted) and timers.read() == wanted
        assert twin.check() == len(wanted) - 1 and twin.read() == wanted[:-1]
        if timers.heap() is None or len(timers.heap()) < LIMIT:
            break
        assert deadlines_of(timers.shape()) == deadlines_of(root)
        assert timers.due(LAST, times=True) == wanted
    assert number > 3


def test_a_root_with_one_finer_wheel_does_not_slide_without_memory(inside: Any) -> None:
    """The finer wheel takes its place when what was taken over goes back."""
    late = [NEAR + (22 << 15) + number for number in range(80)]
    for number in range(60):
        timers = cascaded(inside, [*near(), *late], look=0)
        root = timers.shape()
        assert len(timers.due(late[0] - 1)) == 600
        # All that is left lies in one slot, which has cascaded.
        (slot,) = timers.shape().slots.values()
        assert is_wheel(slot) and timers.shape().shift == root.shift
        end = root.base + (root.size << root.shift)
        far = [end + each * 999 for each in range(LIMIT)]
        for deadline in far[:-1]:
            timers.put(deadline)
        timers.starve(number).put(far[-1])
        assert timers.check() == 80 + LIMIT
        assert [deadline for deadline, _ in timers.due(LAST, times=True)] == [*late, *far]


def test_a_heap_that_cannot_grow_refuses(inside: Any) -> None:
    timers = outlying(inside, [])
    with pytest.raises(MemoryError):
        timers.starve().put(5)
    assert timers.heap() is None and timers.check() == 600
    for number in range(4):
        timers.put(number)
    with pytest.raises(MemoryError):
        timers.starve().put(5)
    assert len(timers.heap()) == 4 and timers.check() == 604
    timers.put(5)
    assert timers.due(9) == [600, 601, 602, 603, 605 - 1]


def test_a_cascade_leaves_outliers_to_the_heap(inside: Any) -> None:
    """An eighth of all at most, and half of LIMIT; on either side, and at the same time."""
    for count, early, late, left in (
        (300, 0, 20, 20),
        (300, 20, 0, 20),
        (300, 7, 9, 16),
        (40, 0, 5, 5),
        (40, 0, 6, 0),
        (300, 0, 33, 0),
        (300, 33, 0, 0),
        (3000, 0, 32, 32),
    ):
        for first in (True, False):
            far = [number % 5 for number in range(early)] + [FAR + number % 5 for number in range(late)]
            deadlines = far + near()[:count] if first else near()[:count] + far
            timers = cascaded(inside, deadlines, look=NEAR)
            # Where the last are the far ones, they may pass for the many.
            assert len(timers.heap() or ()) == left or not first
            assert timers.check() == len(deadlines) and timers.read() == in_order(deadlines)
            assert timers.due(LAST, times=True) == in_order(deadlines)


def test_the_heap_is_alone_when_the_wheel_runs_out(inside: Any) -> None:
    """And becomes a bucket, which cascades if it is large; without memory for that it stays a heap, and works."""
    far = [FAR + (number % 7 << 44) for number in range(40)]
    wanted = [(deadline, 600 + number) for number, deadline in enumerate(far)]
    end = NEAR + (1 << 30)
    for count in (1, 5, CHUNK, 40):
        timers = outlying(inside, far[:count])
        assert len(timers.due(end)) == 600 and timers.heap() is None and timers.check() == count
        assert is_bucket(timers.shape()) == (count <= CHUNK) and timers.due(LAST, times=True) == sorted(wanted[:count])
        for number in range(3):
            timers = outlying(inside, far[:count])
            timers.ripen(end)
            timers.starve(number).take()
            assert timers.check() == count and timers.next == FAR and timers.read() == sorted(wanted[:count])
            if timers.heap() is not None:
                assert timers.shape() is None and len(timers.heap()) == count
                assert timers.find(FAR) == [number for deadline, number in wanted[:count] if deadline == FAR]
                twin = timers.copy()
                assert timers.due(FAR, 1) == [600] and timers.heap() is None and timers.check() == count - 1
                assert twin.due(LAST, times=True) == sorted(wanted[:count])
    # Nothing can be put where there is no memory for the bucket, and the next that can be makes one.
    timers = outlying(inside, far)
    timers.ripen(end)
    timers.starve().take()
    for number in range(2):
        with pytest.raises(MemoryError):
            timers.starve(number).put(7)
        assert timers.check() == 40 and len(timers.heap()) == 40
    timers.put(7)
    assert timers.heap() is None and timers.check() == 41 and timers.due(LAST)[0] == 640


def test_one_of_many_in_the_heap(inside: Any) -> None:
    far = [FAR + number % 3 for number in range(30)]
    timers = outlying(inside, far)
    assert timers.find(FAR + 5) == [] and not timers.is_crowded(FAR)
    for number in (0, 27, 3, 12):
        assert timers.remove(FAR, 600 + number) == 600 + number and timers.check() == timers.check()
    left = [number for number in range(0, 30, 3) if number not in (0, 27, 3, 12)]
    assert timers.find(FAR) == [600 + number for number in left]
    # The last of a deadline is taken back, whatever comes after it.
    timers.put(FAR)
    timers.put(FAR + 9)
    assert timers.take_back(FAR) == 630 and timers.take_back(FAR + 9) == 631
    for number in range(30):
        if number % 3 or number in left:
            timers.remove(far[number], 600 + number)
            assert isinstance(timers.check(), int)
    assert not timers.heap() and timers.check() == 600
    # What the bucket had becomes an outlier when it cascades for a search.
    timers = inside.Numbers([*near(), FAR])
    assert timers.find(FAR, to_write=True) == [600] and timers.heap() == [(FAR, 600)]
    timers = inside.Numbers([*near(), FAR])
    assert timers.is_crowded(FAR) and timers.remove(FAR, 600) == 600 and timers.check() == 600
    with pytest.raises(MemoryError):
        inside.Numbers(ticks(600)).starve().find(5, to_write=True)


def test_few_that_are_left_of_both_are_one_chunk(inside: Any) -> None:
    timers = outlying(inside, [5, FAR])
    assert len(timers.due(near()[589])) == 591
    (chunk,) = timers.shape()
    assert timers.heap() is None and chunk.deadlines == [*near()[590:], FAR] == timers.ready
    # Without memory all stays where it is.
    timers = outlying(inside, [5, FAR])
    timers.ripen(near()[589])
    timers.starve().take()
    assert timers.heap() == [(FAR, 601)] and is_wheel(timers.shape()) and timers.check() == 11


def test_check_names_what_is_broken_in_the_heap(inside: Any) -> None:
    timers = outlying(inside, [3, FAR, FAR + 1, 4])

    def broken(what: str, value: int, index: int) -> Any:
        before = timers.poke("heap", what, value, index)
        name = timers.check()
        timers.poke("heap", what, before, index)
        return name

    assert timers.check() == 604
    assert broken("deadline", 5, 0) == broken("deadline", 2, 3) == "heap-order"
    assert broken("deadline", NEAR, 3) == "heap-outside"
    assert broken("number", 1, 2) == broken("number", 4, 2) == "heap-numbered"
    # Of equals the number decides.
    timers = outlying(inside, [FAR, FAR])
    assert broken("number", 1, 0) == "heap-numbered" and timers.poke("heap", "number", 1, 0) == 0
    timers.poke("heap", "number", 0, 1)
    assert timers.check() == "heap-order"
    timers.poke("heap", "number", 1, 1), timers.poke("heap", "number", 0, 0)
    assert timers.check() == 602
    # A heap beside a bucket.
    few = inside.Numbers([5])
    root = timers.poke("queue", "root", few.poke("queue", "root", 0))
    assert timers.check() == "heap-needed"
    few.poke("queue", "root", timers.poke("queue", "root", root))
    assert timers.check() == 602 and few.check() == 1
