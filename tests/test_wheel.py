"""The shape that the wheel takes, seen from inside: where it cascades, what it sorts in place, what it asks memory for.

Nothing of this can be told from the answers of a notifier: it is why they are fast. See also test_overflow.py,
test_crowd.py and test_sharing.py.
"""

from __future__ import annotations

import random
from struct import calcsize
from typing import Any

import pytest

TICK = 1024
LAST = 2**64 - 1
CHUNK, BATCH, FLOOD, CALM = 28, 131072, 131072, 12
# What a chunk (a full-grown one a trail besides), a wheel and a segment take besides their timers, slots and words, and
# each of those.
WORD = calcsize("P")
HEAD, TIMER, TRAIL, WHEEL, SLOT, SEGMENT, CROWD = 8 + WORD, 8 + WORD, 16, 16, WORD, 8, 64 if WORD == 8 else 40


def ticks(count: int, start: int = 0) -> list[int]:
    return [(start + number) * TICK for number in range(count)]


def is_bucket(shape: Any) -> bool:
    return isinstance(shape, list)


def is_crowd(shape: Any) -> bool:
    return hasattr(shape, "live")


def is_wheel(shape: Any) -> bool:
    return hasattr(shape, "slots")


def timers_of(bucket: Any) -> list[int]:
    """The deadlines of a bucket in the order of their insertion."""
    return [deadline for chunk in reversed(bucket) for deadline in chunk.deadlines]


def capacities(bucket: Any) -> list[int]:
    return [chunk.capacity for chunk in bucket]


def bytes_of(shape: Any) -> int:
    if shape is None:
        return 0
    if is_bucket(shape):
        return sum(HEAD + chunk.capacity * TIMER + (chunk.capacity == CHUNK) * TRAIL for chunk in shape)
    if is_crowd(shape):
        # Its array of segments has room for all of them, to begin with.
        words: int = sum(segment.capacity for segment in shape.segments)
        return CROWD + len(shape.segments) * (WORD + SEGMENT) + words * WORD
    size: int = shape.size
    bits = (size + 63) // 64 * 8
    return WHEEL + size * SLOT + bits + sum(map(bytes_of, shape.slots.values()))


def in_order(deadlines: list[int]) -> list[tuple[int, int]]:
    return sorted((deadline, number) for number, deadline in enumerate(deadlines))


def numbers_of(pairs: list[tuple[int, int]]) -> list[int]:
    return [number for _, number in pairs]


def cascaded(inside: Any, deadlines: list[int], look: int | None = None) -> Any:
    """With a wheel for a root."""
    timers = inside.Numbers(deadlines)
    timers.find(deadlines[0] if look is None else look, to_write=True)
    return timers


# ---- buckets


def test_chunks_grow(inside: Any) -> None:
    shape = inside.Numbers(ticks(200)).shape()
    assert capacities(shape) == [CHUNK] * 8 and [len(chunk.deadlines) for chunk in shape] == [4, *[CHUNK] * 7]
    assert timers_of(shape) == ticks(200)
    grown = [capacities(inside.Numbers(ticks(count)).shape()) for count in (1, 2, 3, 6, 7, 14, 15, 28, 29)]
    assert grown == [[2], [2], [6], [6], [14], [14], [28], [28], [28, 28]]


def test_a_few_are_kept_in_order(inside: Any) -> None:
    """The soonest is then the first of one chunk, and ready; equal ones stand as they were put."""
    deadlines = [number * 7919 % 11 * TICK for number in range(CHUNK)]
    timers = inside.Numbers()
    for count, deadline in enumerate(deadlines, 1):
        timers.put(deadline)
        (chunk,) = timers.shape()
        assert chunk.ordered and chunk.deadlines == timers.ready == sorted(deadlines[:count])
    assert timers.read() == in_order(deadlines)
    timers.put(0)
    assert timers.ready is None and len(timers.shape()) == 2 and timers.read() == in_order([*deadlines, 0])


def test_the_ready_are_taken_one_by_one_or_all_where_these_are_all_there_are(inside: Any) -> None:
    timers = inside.Numbers(ticks(5)[::-1])
    assert timers.take_ready(TICK) == [4, 3] and timers.next == 2 * TICK and timers.check() == 3
    assert timers.take_ready(TICK) == [] and timers.take_ready(LAST, 1) == [2]
    assert timers.take_ready(LAST, 2) == [1, 0] and timers.next is None and timers.check() == 0
    timers = inside.Numbers(ticks(300))
    timers.due(0)
    # Another timer in front, by the short way and by the long one.
    assert timers.ready is not None
    timers.put(5)
    assert timers.next == 5 and timers.check() == 300
    timers.due(5)
    timers.put(4 * TICK)
    assert timers.check() == 300 and timers.due(4 * TICK) == [1, 2, 3, 4, 301]


def test_small_buckets_take_no_memory_to_be_sorted(inside: Any) -> None:
    few = ticks(CHUNK)[::-1]
    assert inside.Numbers(few).starve().read() == in_order(few)
    timers = inside.Numbers(few)
    assert timers.starve().ripen(LAST, 9) == 9 and timers.starve().take() == list(range(CHUNK - 9, CHUNK))[::-1]
    left = list(range(CHUNK - 9))[::-1]
    assert timers.starve().ripen(LAST) == len(left) and timers.starve().take() == left
    many = ticks(CHUNK + 1)[::-1]
    timers = inside.Numbers(many)
    with pytest.raises(MemoryError):
        timers.starve().read()
    for now, most in ((LAST, 9), (5 * TICK, 99)):
        with pytest.raises(MemoryError):
            timers.starve().ripen(now, most)
    assert timers.starve().ripen(LAST) == len(many)
    with pytest.raises(MemoryError):
        timers.starve().take()
    assert timers.check() == len(many) and timers.due(LAST, times=True) == in_order(many)


def test_what_is_due_as_a_whole_is_taken_from_where_it_lies(inside: Any) -> None:
    """Without a cascade, up to a size; and sorted only while it is taken."""
    for count in (32, 48, 49, 600, BATCH):
        deadlines = [number * 7919 % 600 * TICK for number in range(count)]
        for times in (False, True):
            timers = inside.Numbers(deadlines)
            assert timers.ripen(max(deadlines)) == count
            assert is_bucket(timers.shape()) and timers_of(timers.shape())[CHUNK:] == deadlines[CHUNK:]
            assert timers.read() == in_order(deadlines)
            wanted = in_order(deadlines)
            assert timers.take(times) == (wanted if times else numbers_of(wanted))
            assert timers.shape() is None and timers.check() == 0 and timers.memory() == 0
    for count, now, most in ((BATCH + 1, LAST, 1 << 30), (60, 58 * TICK, 1 << 30), (60, LAST, 59)):
        timers = inside.Numbers(ticks(count))
        assert timers.ripen(now, most) == min(count, now // TICK + 1, most)
        assert is_wheel(timers.shape()) and timers.check() == count


def test_timers_that_differ_little(inside: Any) -> None:
    """Compared in 16 bits, or by all of them, and around the sizes at which that changes."""
    for low, high in ((0, 1), (0, 1023), (0, 1024), (TICK - 1, TICK), (3 * TICK - 1, 2 * TICK - 1), (1 << 63, 5)):
        for count in (2, 12, 13, 16, 24, 25):
            deadlines = [high] * count + [low] * count
            timers = inside.Numbers(deadlines)
            assert timers.read() == in_order(deadlines) and timers.due(LAST) == numbers_of(in_order(deadlines))


def test_deadlines_of_many_bits(inside: Any) -> None:
    """As floats have them: told apart by their highest digits, the rest one by one, unless these tell too few apart."""
    rng = random.Random(3)
    for count in (25, 49, 400, 5000, 70_000):
        even = [rng.getrandbits(50) for _ in range(count)]
        crowded = [1 << 49, *(rng.getrandbits(20) for _ in range(count - 1))]
        few = [rng.randrange(3) << 48 | rng.randrange(3) for _ in range(count)]
        falling = [1 << 49, *range(count, 1, -1)]
        for deadlines in (even, crowded, few, falling):
            timers = inside.Numbers(deadlines)
            assert timers.read() == in_order(deadlines) and timers.due(LAST) == numbers_of(in_order(deadlines))


# ---- cascades


def test_the_level_is_that_of_the_highest_bit_in_which_timers_differ(inside: Any) -> None:
    """And the slots are as many as there are timers for."""
    for bit in range(64):
        base = 0 if bit > 60 else 1 << 63
        for count, bits in ((64, 3), (256, 4), (384, 5), (1 << 12, 8), (1 << 14, 10), (1 << 15, 10)):
            deadlines = [(base | 1 << bit) if number % 2 else base for number in range(count)]
            timers = cascaded(inside, deadlines)
            shape = timers.shape()
            # For twice as much, and an eighth of it before.
            bits = min(bits + 1, 10, max(bit + 2, 3))
            shift = min(max(0, bit + 2 - bits), 64 - bits)
            sooner = min(base, 1 << (shift + bits - 3))
            first = base - sooner if shift + bits < 64 else 0
            assert shape[:3] == (shift, first, 1 << bits)
            digits = [(base - first) >> shift, ((base | 1 << bit) - first) >> shift]
            assert list(shape.slots) == digits and timers.check() == count
            assert timers.read() == in_order(deadlines)
            assert timers.memory() == bytes_of(shape)


def test_a_cascade_allots_what_each_slot_needs(inside: Any) -> None:
    shape = cascaded(inside, ticks(640), look=LAST).shape()
    assert shape[:4] == (15, 0, 64, 1) and list(shape.slots) == list(range(20))
    assert all(capacities(slot) == [4, CHUNK] for slot in shape.slots.values())
    assert [timers_of(slot) for slot in shape.slots.values()] == [ticks(32, 32 * number) for number in range(20)]


def test_only_a_bucket_of_more_than_a_chunk_cascades(inside: Any) -> None:
    for ask, arguments in (("find", (3 * TICK, True)), ("ripen", (3 * TICK,)), ("ripen", (LAST, 5))):
        few, many = inside.Numbers(ticks(CHUNK)[::-1]), inside.Numbers(ticks(CHUNK + 1)[::-1])
        getattr(few, ask)(*arguments)
        getattr(many, ask)(*arguments)
        assert is_bucket(few.shape()) and few.check() == CHUNK
        assert many.shape()[:3] == (12, 0, 16) and many.check() == CHUNK + 1


def test_what_the_smallest_wheel_reaches_is_no_outlier(inside: Any) -> None:
    for far in (7, 8):
        timers = inside.Numbers([*[6] * 40, far])
        assert timers.due(6) == list(range(40)) and timers.check() == 1 and timers.due(LAST) == [40]
    timers = cascaded(inside, [*[6] * 40, 12, 13])
    assert timers.shape()[:3] == (0, 5, 8) and list(timers.shape().slots) == [1, 7] and timers.heap() == [(13, 41)]
    assert timers.check() == 42


def test_a_cascade_without_memory_changes_nothing(inside: Any) -> None:
    deadlines = [number * 7919 % 600 * TICK for number in range(600)]
    for number in range(60):
        timers = inside.Numbers(deadlines)
        before = timers.shape()
        try:
            timers.starve(number).find(5, to_write=True)
        except MemoryError:
            assert timers.heap() is None and timers.check() == 600 and timers.read() == in_order(deadlines)
            # The heap, the wheel, and for each of its slots but the last two chunks.
            assert timers.shape() == before or number >= 2 + 37
        else:
            break
    assert number > 2 + 37 and is_wheel(timers.shape()) and timers.read() == in_order(deadlines)


def test_what_is_not_due_is_left_alone(inside: Any) -> None:
    deadlines = [tick * (TICK << 6) + number for number in range(60) for tick in (3, 5)]
    for now in (3 * (TICK << 6) + 1, 4 * (TICK << 6), 5 * (TICK << 6) - 1):
        timers = inside.Numbers(deadlines)
        assert timers.ripen(now) == min(now - 3 * (TICK << 6) + 1, 60)
        later = list(timers.shape().slots.values())[-1]
        assert is_bucket(later) and len(timers_of(later)) == 60
    timers = inside.Numbers(deadlines)
    assert timers.ripen(5 * (TICK << 6)) == 61 and is_wheel(list(timers.shape().slots.values())[-1])
    assert timers.take() == [*range(0, 120, 2), 1] and timers.check() == 59
    assert inside.Numbers([LAST]).ripen(LAST - 1) == inside.Numbers([5]).ripen(LAST, 0) == 0
    assert inside.Numbers().ripen(LAST) == 0


def test_slices(inside: Any) -> None:
    """Whatever part is taken, of whatever is there: the rest is as it was."""
    deadlines = [number * 7919 % 5000 // 7 for number in range(2000)]
    for most in (1, 7, 30, 31, 32, 500, 1999):
        timers, order = inside.Numbers(deadlines), in_order(deadlines)
        while order:
            taken = timers.due(LAST, most, times=True)
            assert taken == order[:most]
            order = order[most:]
            assert timers.check() == len(order)
        assert timers.shape() is None


def test_a_wheel_widens_within_its_slot(inside: Any) -> None:
    """What the finer wheel in a slot does not reach, but the slot does, puts a coarser one between."""
    timers = cascaded(inside, [*ticks(600), *(1 << 40 | deadline for deadline in ticks(600))])
    timers.find(0, to_write=True)
    top = timers.shape()
    assert is_wheel(top.slots[0]) and top.slots[0][:3] == (15, 0, 32)
    timers.put(5 << 30)
    assert timers.heap() is None
    between = timers.shape().slots[0]
    assert (between.shift, between.base, list(between.slots)) == (25, 0, [0, 160])
    assert between.slots[0] == top.slots[0] and timers_of(between.slots[160]) == [5 << 30]
    assert timers.check() == 1201
    # And goes again with that timer.
    timers.remove(5 << 30, 1200)
    assert timers.shape() == top and timers.check() == 1200
    for number in range(2):
        with pytest.raises(MemoryError):
            timers.starve(number).put(5 << 30)
        assert timers.shape() == top and timers.check() == 1200
    timers.put(5 << 30)
    assert timers.take_back(5 << 30) == timers.number - 1 and timers.check() == 1200
    assert timers.shape()[:3] == top[:3] and timers.shape().slots[0][:3] == top.slots[0][:3]
    # As much as the slot is wide and no more.
    shift = top.shift
    more = [1 << bit for bit in range(20, shift)]
    first = timers.number
    for number, deadline in enumerate(more, 1201):
        timers.put(deadline)
        assert timers.check() == number and timers.heap() is None
    wanted = [*in_order(ticks(600)), *((deadline, number) for number, deadline in enumerate(more, first))]
    assert timers.due((1 << shift) - 1, times=True) == sorted(wanted)


def test_a_flood_cascades_as_it_comes(inside: Any) -> None:
    timers = inside.Numbers(ticks(FLOOD))
    assert is_bucket(timers.shape())
    timers.put(FLOOD * TICK)
    assert is_bucket(timers.shape()) == (FLOOD % CHUNK != 0)
    for number in range(1, CHUNK + 1):
        timers.put((FLOOD + number) * TICK)
    assert timers.shape()[:3] == (19, 0, 1024) and timers.check() == len(timers) == FLOOD + CHUNK + 1
    assert timers.due(LAST) == list(range(FLOOD + CHUNK + 1))
    # In a slot of a wheel, too.
    timers = cascaded(inside, [0, 1 << 40] * 20, look=LAST)
    for number in range(FLOOD + CHUNK):
        timers.put(number)
    # Where it takes two levels, these are alike.
    assert timers.shape().slots[0].size == 128 and timers.check() == FLOOD + CHUNK + 40
    # One of one deadline becomes a crowd.
    timers = inside.Numbers([7] * (FLOOD + CHUNK))
    assert timers.shape()[:3] == (0, 6, 8)
    for _ in range(FLOOD + CHUNK):
        timers.put(7)
    assert is_crowd(timers.shape().slots[1]) and timers.check() == 2 * (FLOOD + CHUNK)
    assert timers.due(7) == list(range(2 * (FLOOD + CHUNK)))


def test_a_flood_without_memory_goes_on_growing(inside: Any) -> None:
    timers = inside.Numbers(ticks(FLOOD))
    while len(timers.shape()[0].deadlines) < CHUNK:
        timers.put(LAST)
    count = len(timers)
    # No heap, then no wheel, and none in a second attempt; but a chunk.
    for number in range(3):
        with pytest.raises(MemoryError):
            timers.starve(number).put(5)
        assert is_bucket(timers.shape()) and timers.check() == count
    timers.starve(0, 2).put(5)
    assert timers.check() == count + 1
    # No crowd, but a chunk.
    timers = inside.Numbers([6] * 40 + [7])
    timers.ripen(6)
    full = (FLOOD + CHUNK) // CHUNK * CHUNK
    for _ in range(full - 1):
        timers.put(7)
    timers.starve(0, 1).put(7)
    assert is_bucket(timers.shape().slots[2]) and timers.check() == full + 41
    for _ in range(CHUNK):
        timers.put(7)
    assert is_crowd(timers.shape().slots[2]) and timers.check() == full + 41 + CHUNK
    assert timers.due(7) == list(range(full + 41 + CHUNK))


# ---- one of many


def test_removing_makes_a_bucket_small_again(inside: Any) -> None:
    timers = inside.Numbers(ticks(CHUNK))
    for number in range(CHUNK - 1):
        timers.remove(number * TICK, number)
        (chunk,) = timers.shape()
        assert chunk.deadlines == ticks(CHUNK - 1 - number, number + 1) and timers.check() == CHUNK - 1 - number
        assert chunk.capacity < 4 * (len(chunk.deadlines) + 1)
    timers.remove((CHUNK - 1) * TICK, CHUNK - 1)
    assert timers.shape() is None and timers.memory() == 0
    timers = inside.Numbers(ticks(CHUNK))
    for number in range(CHUNK):
        timers.starve().remove(number * TICK, number)
    assert timers.shape() is None


def test_a_wheel_folds_where_few_are_left(inside: Any) -> None:
    timers = cascaded(inside, ticks(60))
    for number in range(59, CALM, -1):
        timers.remove(number * TICK, number)
        assert is_wheel(timers.shape()) and timers.check() == number
    timers.remove(CALM * TICK, CALM)
    (chunk,) = timers.shape()
    assert chunk.ordered and chunk.deadlines == ticks(CALM) == timers.ready and chunk.capacity == CALM
    # A finer wheel first, and the one that it lies in when a slot of it is empty.
    deadlines = [*ticks(60), *(1 << 40 | deadline for deadline in ticks(60))]
    timers = cascaded(inside, deadlines)
    timers.find(0, to_write=True)
    for number in [*range(10, 60), *range(60, 118)]:
        timers.remove(deadlines[number], number)
        assert timers.check() == len(timers)
        if number == 59:
            assert is_bucket(timers.shape().slots[0])
    assert timers.ready == [*ticks(10), 1 << 40 | 58 * TICK, 1 << 40 | 59 * TICK]


def test_a_wide_root_is_made_anew_where_few_are_left(inside: Any) -> None:
    """Where it has eight slots a timer, with what lies in the heap beside it."""
    count, start, far = 20_000, 1 << 30, (0, 1 << 62)
    for starved in (False, True):
        timers = cascaded(inside, [*ticks(count, start), *far], look=start * TICK)
        assert timers.shape().size == 1024 and len(timers.heap()) == 2
        for number in range(count - 1, 126, -1):
            timers.remove((start + number) * TICK, number)
        assert timers.shape().size == 1024 and timers.check() == 129
        (timers.starve() if starved else timers).remove((start + 126) * TICK, 126)
        assert timers.shape().size == (1024 if starved else 16) and len(timers.heap()) == 2
        assert timers.check() == 128
        assert timers.due(LAST) == [count, *range(126), count + 1]


def test_folding_takes_memory_and_without_it_the_wheel_stays_until_it_is_empty(inside: Any) -> None:
    for deadlines in (ticks(60), [*ticks(60), *(1 << 40 | deadline for deadline in ticks(60))]):
        timers = cascaded(inside, deadlines)
        for number, deadline in enumerate(deadlines):
            assert is_wheel(timers.shape()) and timers.check() == len(deadlines) - number
            timers.find(deadline, to_write=True)
            timers.starve().remove(deadline, number)
        assert timers.shape() is None


def test_nothing_is_searched_where_nothing_is(inside: Any) -> None:
    timers = cascaded(inside, [*ticks(60), *(1 << 40 | deadline for deadline in ticks(60))])
    timers.find(0, to_write=True)
    for deadline in (5, 1 << 39, 1 << 50, 61 * TICK):
        assert timers.find(deadline) == timers.find(deadline, to_write=True) == [] and not timers.is_crowded(deadline)
    assert inside.Numbers().find(5) == inside.Numbers([7]).find(5) == []
    assert timers.check() == 120


def test_the_last_that_was_put_is_taken_back(inside: Any) -> None:
    """From whatever shape it came to, which is then as it was, or smaller."""
    rng = random.Random(5)
    for before in ([], ticks(5), ticks(200), [7] * 200, [number << 30 for number in range(200)]):
        for look in (False, True):
            more = [rng.choice([*before, 0, 7, LAST, 1 << 40, 5 * TICK, 1 << 50]) for _ in range(90)]
            timers = cascaded(inside, before, look=LAST) if look and before else inside.Numbers(before)
            wanted = timers.read()
            for deadline in more:
                timers.put(deadline)
            for number, deadline in reversed(list(enumerate(more, len(before)))):
                assert timers.take_back(deadline) == number and timers.check() == number
            assert timers.read() == wanted


def test_what_comes_next_is_found_without_memory(inside: Any) -> None:
    """By looking at more, and nothing is ready."""
    for deadlines in (ticks(300, 1), [9 * TICK] * 300, [(number * 7919 % 300 + 1) * TICK for number in range(300)]):
        timers = inside.Numbers([*deadlines, 1])
        timers.ripen(1)
        timers.starve()
        assert timers.take() == [300] and timers.next == min(deadlines) and timers.check() == 300
        assert timers.due(LAST) == numbers_of(in_order(deadlines))


# ---- check


def test_check(inside: Any) -> None:
    """Each invariant, broken by hand, is named; and sound trees at the limits are not blamed."""
    near = [*ticks(60), *(deadline + TICK - 1 for deadline in ticks(60)), *ticks(60, 190)]
    # A coarse wheel with a finer wheel in two of its slots, which begins or ends where the slot does.
    deadlines = [*near, *((1 << 40) + (1 << 34) - 1 - deadline for deadline in near)]
    timers = cascaded(inside, deadlines)
    for deadline in (deadlines[-1], 0):
        timers.find(deadline, to_write=True)
    shape = timers.shape()
    low, high = shape.slots
    assert is_wheel(shape.slots[low]) and is_wheel(shape.slots[high]) and timers.check() == len(deadlines)
    assert inside.Numbers([0, LAST]).check() == 2

    def broken(path: Any, what: str, value: int, index: int = 0) -> Any:
        before = timers.poke(path, what, value, index)
        name = timers.check()
        timers.poke(path, what, before, index)
        return name

    finer = shape.slots[low]
    digit = next(digit for digit, slot in finer.slots.items() if is_bucket(slot) and len(slot) == 1)
    begin, width = finer.base + (digit << finer.shift), 1 << finer.shift
    count = len(timers_of(finer.slots[digit]))
    assert broken((low, digit), "count", 0) == broken((low, digit), "count", count + 30) == "no-hole"
    assert broken((low, digit), "before", 1) == "counted"
    long = next(digit for digit, slot in finer.slots.items() if is_bucket(slot) and len(slot) > 1)
    assert broken((low, long), "ordered", 1) == "ordered"
    assert broken((low, digit), "deadline", begin + width) == "in-slot"
    assert broken((low, digit), "deadline", begin - 1 if begin else width) == "in-slot"
    assert broken((low,), "base", TICK) == broken((), "base", shape.base + 1) == "aligned"
    assert broken((low,), "base", 1 << 50) == broken((high,), "base", 0) == "nested"
    words = [
        sum(1 << digit % 64 for digit in finer.slots if digit // 64 == word) for word in range((finer.size + 63) // 64)
    ]
    assert broken((low,), "occupied", words[0] ^ 1 << digit) == broken((low,), "slot", 0, digit) == "occupied"
    assert broken((low,), "words", 0) == broken((low,), "words", 0b11111) == "occupied"
    assert broken("queue", "count", 5) == "counted"
    assert broken("queue", "next", 5) == broken("queue", "next", LAST) == "next"
    assert timers.check() == len(deadlines)
    few = inside.Numbers([5, 7])
    assert few.ready == [5, 7] and few.poke("queue", "next", 3) == 5 and few.check() == "ready"
    few.poke("queue", "next", 5)
    few.poke((), "ordered", 0)
    assert few.check() == "ready"
    few.poke((), "ordered", 1)
    few.poke((), "owners", 2)
    assert few.check() == "ready"
    few.poke((), "owners", 1)
    few.poke((), "deadline", 9)
    assert few.check() == "ordered"
    few.poke((), "deadline", 5)
    assert few.check() == 2
    # An empty wheel.
    slots = {digit: timers.poke((), "slot", 0, digit) for digit in shape.slots}
    bits = timers.poke((), "occupied", 0, low // 64), timers.poke((), "occupied", 0, high // 64)
    words = timers.poke((), "words", 0)
    assert timers.check() == "no-husk"
    timers.poke((), "words", words)
    for word, bit in zip((high // 64, low // 64), reversed(bits)):
        timers.poke((), "occupied", bit, word)
    for digit, slot in slots.items():
        timers.poke((), "slot", slot, digit)
    assert timers.check() == len(deadlines)
