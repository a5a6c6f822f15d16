"""Copies, seen from inside: what they share, and that a write makes its own no more than what lies on its way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from tests.test_crowd import SEGMENT, crowd, of
from tests.test_overflow import FAR, outlying
from tests.test_wheel import CHUNK, cascaded, in_order, is_bucket, is_wheel, ticks

# A node has at most so many owners.
MOST = 60000


def owners(shape: Any) -> Any:
    if shape is None:
        return None
    if is_bucket(shape):
        return [chunk.owners for chunk in shape]
    if is_wheel(shape):
        return shape.owners, {digit: owners(slot) for digit, slot in shape.slots.items()}
    return shape.owners, [segment.owners for segment in shape.segments]


def test_a_copy_takes_no_memory_but_for_the_heap(inside: Any) -> None:
    for timers in (inside.Numbers(ticks(9)), inside.Numbers(ticks(300)), crowd(inside, 300), outlying(inside, [])):
        twin = timers.starve().copy()
        assert twin.shape() == timers.shape() and twin.shape()[0 if is_bucket(twin.shape()) else 3] is not None
        assert twin.read() == timers.read() and twin.check() == timers.check() == len(timers)
        assert timers.ready is None and twin.ready is None
    timers = outlying(inside, [5, FAR])
    with pytest.raises(MemoryError):
        timers.starve().copy()
    twin = timers.copy()
    assert twin.heap() == timers.heap() and twin.due(5) == [600] and timers.check() == 602 == twin.check() + 1


def test_an_append_to_a_shared_bucket(inside: Any) -> None:
    """The newest chunk is copied, unless it is full; the older ones are shared."""
    for count in (1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 200):
        timers = inside.Numbers(ticks(count))
        twin = timers.copy()
        full = count % CHUNK == 0
        before = timers.shape()
        twin.put(7)
        assert timers.shape() == before or owners(timers.shape())[0] == (2 if full else 1)
        shape = twin.shape()
        assert shape[0].owners == 1 and len(shape) == len(before) + full
        assert owners(shape)[1:] == [2, *[1] * 9][: len(shape) - 1]
        assert twin.read() == in_order([*ticks(count), 7]) and timers.read() == in_order(ticks(count))
        timers.put(8)
        assert twin.check() == timers.check() == count + 1
        del twin
        assert set(owners(timers.shape())) == {1}
    timers = inside.Numbers(ticks(9))
    twin = timers.copy()
    with pytest.raises(MemoryError):
        twin.starve().put(7)
    assert owners(timers.shape()) == [2] and twin.check() == 9
    for count in (200, 7 * CHUNK):
        timers = inside.Numbers(ticks(count))
        twin = timers.copy()
        with pytest.raises(MemoryError):
            twin.starve().put(7)
        assert owners(timers.shape()) == [2, *[1] * ((count - 1) // CHUNK)] and twin.check() == count


def test_a_write_makes_its_own_what_lies_on_its_way(inside: Any) -> None:
    deadlines = [*ticks(600), *(1 << 40 | deadline for deadline in ticks(600))]
    for write in ("put", "remove", "due"):
        timers = cascaded(inside, deadlines)
        timers.find(0, to_write=True)
        twin = timers.copy()
        assert owners(twin.shape())[0] == 2
        if write == "put":
            twin.put(3)
        elif write == "remove":
            twin.remove(0, 0, to_write=True)
        else:
            assert twin.due(0) == [0]
        count, slots = owners(twin.shape())
        near, far = slots.values()
        assert count == 1 and near[0] == 1 and far == [2, *[1] * 99][: len(far)]
        digits = list(near[1])
        assert all(near[1][digit][0] in (2, (2,)) or near[1][digit][0] == 2 for digit in digits[1:])
        assert timers.read() == in_order(deadlines) and timers.check() == 1200
        assert owners(timers.shape())[0] == 1
        del timers
        assert owners(twin.shape())[1][0 if 0 in slots else digits[0]][0] == 1 and isinstance(twin.check(), int)


def test_a_write_without_memory_leaves_both_as_they_were(inside: Any) -> None:
    deadlines = [*ticks(600), *(1 << 40 | deadline for deadline in ticks(600)), *[77] * 600]
    timers = cascaded(inside, deadlines)
    timers.find(77, to_write=True)
    timers.put(1 << 60)
    wanted = timers.read()
    writes: tuple[Callable[[Any], Any], ...] = (
        lambda twin: twin.put(3),
        lambda twin: twin.put(77),
        lambda twin: twin.put(1 << 38),
        lambda twin: twin.find(0, to_write=True),
        lambda twin: twin.find(77, to_write=True),
        lambda twin: twin.ripen(77, 300),
        lambda twin: twin.ripen(1 << 40 | 5),
        lambda twin: twin.copy(),
    )
    for write in writes:
        for number in range(200):
            twin = timers.copy()
            try:
                write(twin.starve(number))
            except MemoryError:
                assert twin.read() == timers.read() == wanted and twin.check() == timers.check() == len(wanted)
            else:
                break
        assert 0 < number < 199 and isinstance(twin.check(), int) and timers.read() == wanted
        del twin
        assert set(flat(owners(timers.shape()))) == {1}


def flat(counts: Any) -> list[int]:
    if isinstance(counts, int):
        return [counts]
    return [count for part in (counts.values() if isinstance(counts, dict) else counts) for count in flat(part)]


def test_a_shared_crowd(inside: Any) -> None:
    timers = crowd(inside, 4 * SEGMENT)
    twin = timers.copy()
    assert of(twin).owners == 1 and twin.shape().owners == 2
    assert twin.due(5, SEGMENT + 9) == list(range(SEGMENT + 9))
    assert [segment.owners for segment in of(timers).segments] == [1, 2, 2, 2] and of(twin).end == 4 * SEGMENT
    # Of a copy the segments that are gone are no part.
    third = twin.copy()
    third.put(5)
    assert of(third)[:4] == (5, 3 * SEGMENT - 8, 9, 3 * SEGMENT + 1)
    assert [segment.owners for segment in of(third).segments] == [3, 3, 3, 1]
    third.remove(5, 2 * SEGMENT + 5)
    assert [segment.owners for segment in of(third).segments] == [3, 1, 3, 1]
    assert timers.find(5) == list(range(4 * SEGMENT)) and twin.find(5) == list(range(SEGMENT + 9, 4 * SEGMENT))
    assert timers.check() == 4 * SEGMENT and twin.check() == 3 * SEGMENT - 9 == third.check()
    with pytest.raises(MemoryError):
        twin.copy().starve().remove(5, SEGMENT + 20)
    # A search in a copy makes an index of its own.
    objects = [None, *range(5 * SEGMENT)]
    assert timers.search(5, 7, objects) == 7 and twin.search(5, 7, objects) == -1 == third.search(5, 7, objects)
    del timers, twin
    assert {segment.owners for segment in of(third).segments} == {1}


def generations(
    inside: Any, rng: random.Random, rounds: int, choices: list[int], batches: list[Callable[[], list[int]]]
) -> Iterator[Any]:
    """Copies of copies that live and die alone, each compared with a plain list; shows one after each change."""
    living: list[tuple[Any, list[tuple[int, int]]]] = [(inside.Numbers(), [])]
    for _ in range(rounds):
        timers, model = living[rng.randrange(len(living))]
        choice = rng.random()
        if choice < 0.12:
            living.append((timers.copy(), list(model)))
            if len(living) > 12:
                living.pop(rng.randrange(len(living)))
        elif choice < 0.66:
            for deadline in rng.choice(batches)():
                model.append((deadline, timers.number))
                timers.put(deadline)
        elif choice < 0.78:
            now, most = rng.choice(choices), rng.choice((1, 7, 100, 400, 5000))
            taken = [pair for pair in sorted(model) if pair[0] <= now][:most]
            assert timers.due(now, most, times=True) == taken
            gone = set(taken)
            model[:] = [pair for pair in model if pair not in gone]
        elif model:
            deadline, number = rng.choice(model)
            assert timers.find(deadline, to_write=rng.random() < 0.5) == [
                other for at, other in model if at == deadline
            ]
            timers.remove(deadline, number)
            model.remove((deadline, number))
        assert timers.check() == len(model)
        yield timers
    for timers, model in living:
        assert timers.read() == sorted(model) and timers.check() == len(model)


def test_copies_of_copies_live_and_die_alone(inside: Any) -> None:
    rng = random.Random(6)
    choices = [0, 5, 7, 1 << 40, *ticks(90), FAR, *(number << 33 for number in range(40))]
    batches = [lambda: [rng.choice(choices)], lambda: rng.choices(choices, k=5), lambda: rng.choices(choices, k=90)]
    for _ in generations(inside, rng, 4000, choices, batches):
        pass


def test_a_node_with_too_many_owners_is_copied(inside: Any) -> None:
    """Chunks, the older ones too, crowds and their segments, and wheels."""
    for count in (20, 70, 100):
        for depth in range((count - 1) // CHUNK + 1):
            timers = inside.Numbers(ticks(count))
            for level in range(depth + 1):
                timers.poke((0,) * level, "owners", MOST)
            twin = timers.copy()
            assert owners(timers.shape())[: depth + 1] == [MOST] * (depth + 1)
            assert owners(twin.shape())[: depth + 1] == [1] * (depth + 1)
            assert owners(twin.shape())[depth + 1 : depth + 2] in ([], [2])
            assert twin.read() == in_order(ticks(count)) and twin.check() == count
            for number in range(depth + 1):
                with pytest.raises(MemoryError):
                    timers.starve(number).copy()
                assert owners(timers.shape())[: depth + 1] == [MOST] * (depth + 1)
            del twin
            for level in range(depth + 1):
                assert timers.poke((0,) * level, "owners", 1) == MOST
            assert set(owners(timers.shape())) == {1}
    timers = crowd(inside, 3 * SEGMENT)
    timers.poke((), "owners", MOST), timers.poke((1,), "owners", MOST)
    timers.poke((1,), "segment owners", MOST, 1)
    twin = timers.copy()
    assert owners(twin.shape()) == (1, {1: (1, [2, 1, 2])}) and twin.check() == 3 * SEGMENT
    assert twin.find(5) == list(range(3 * SEGMENT))
    for number in range(4):
        with pytest.raises(MemoryError):
            timers.starve(number).copy()
    del twin
    assert owners(timers.shape()) == (MOST, {1: (MOST, [1, MOST, 1])})
    timers.poke((), "owners", 1), timers.poke((1,), "owners", 1), timers.poke((1,), "segment owners", 1, 1)
