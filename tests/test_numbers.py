"""Keys among very many of one time, which are found by their numbers (numbers.pxd)."""

from __future__ import annotations

import copy
import random
from typing import Any, Callable

import pytest

from timers import Deadlines

SEGMENT = 254


class Keys:
    """`Deadlines`, and beside it a dict of each key's time and when it was set."""

    def __init__(self, name: Callable[[int], Any]) -> None:
        self.name = name
        self.deadlines: Any = Deadlines()
        self.held: dict[Any, tuple[float, int]] = {}
        self.clock = 0

    def set(self, number: int, at: float) -> None:
        key = self.name(number)
        self.deadlines[key] = at
        self.clock += 1
        self.held[key] = at, self.clock

    def remove(self, number: int) -> None:
        key = self.name(number)
        assert (self.deadlines.pop(key, None) is None) == (self.held.pop(key, None) is None)

    def due(self, now: float, limit: int) -> None:
        wanted = [key for key, (at, _) in self.ordered() if at <= now][:limit]
        assert self.deadlines.due(now, limit) == wanted
        for key in wanted:
            del self.held[key]

    def ordered(self) -> list[tuple[Any, tuple[float, int]]]:
        return sorted(self.held.items(), key=lambda item: item[1])

    def check(self) -> None:
        self.deadlines._check()
        assert list(self.deadlines.items()) == [(key, at) for key, (at, _) in self.ordered()]

    def twin(self, copier: Callable[[Any], Any]) -> Keys:
        twin = Keys(self.name)
        twin.deadlines, twin.held, twin.clock = copier(self.deadlines), dict(self.held), self.clock
        return twin


@pytest.mark.parametrize("name", ["key {}".format, int, lambda number: (number, "key")], ids=["str", "int", "tuple"])
@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_random_calls_on_few_times(name: Callable[[int], Any], times: int, seed: int) -> None:
    rng = random.Random(seed)
    generations = [Keys(name)]
    count = rng.choice([300, 1200, 4000])
    for number in range(count):
        generations[0].set(number, float(rng.randrange(times)))
    for step in range(3000):
        keys = rng.choice(generations)
        choice = rng.random()
        if choice < 0.6:
            keys.set(rng.randrange(count), float(rng.randrange(times)))
        elif choice < 0.9:
            keys.remove(rng.randrange(count))
        elif choice < 0.93:
            keys.due(float(rng.randrange(times)), rng.choice([1, 10, 300]))
        elif choice < 0.94:
            if len(generations) > 4:
                generations.pop(rng.randrange(len(generations))).check()
            generations.append(keys.twin(rng.choice([copy.copy, copy.deepcopy])))
        if not step % 300:
            keys.check()
    for keys in generations:
        keys.check()


@pytest.mark.parametrize("count", [100, SEGMENT, 3 * SEGMENT])
def test_a_key_that_was_taken_beside_a_copy_and_is_set_again(count: int) -> None:
    """Its word still lies before the start of a segment that both own."""
    # The very same objects each time.
    strings = [f"key {number}" for number in range(count)]
    keys = Keys(strings.__getitem__)
    for number in range(count):
        keys.set(number, 1.0)
    keys.deadlines["last"] = 2.0
    keys.held["last"] = 2.0, -1
    keys.set(count // 2, 1.0)
    kept = keys.twin(copy.copy)
    keys.due(1.0, count // 3)
    for number in range(count // 3):
        keys.set(number, 1.0)
    for number in reversed(range(0, count, 3)):
        keys.set(number, 1.0)
    keys.check()
    kept.check()


@pytest.mark.parametrize("before", [1, 10, 700, 1999, 2000, 3500])
def test_numbers_go_round(inside: Any, before: int) -> None:
    rng = random.Random(before)
    keys = Keys(int)
    inside.number_keys(keys.deadlines, 2**32 - before)
    for number in range(2000):
        keys.set(number, 1.0)
    for _ in range(3000):
        keys.set(rng.randrange(2000), 1.0)
    keys.check()


def test_numbers_that_went_round_long_ago(inside: Any) -> None:
    """Then they tell nothing, and all are looked through."""
    keys = Keys(int)
    for number in range(2000):
        keys.set(number, 1.0)
        inside.number_keys(keys.deadlines, number * 7919 * 2**20 % 2**32)
    for number in random.Random(1).sample(range(2000), 1000):
        keys.remove(number)
    assert list(keys.deadlines) == [key for key, _ in keys.ordered()]


def test_only_first_numbers_are_looked_up(inside: Any) -> None:
    keys = Keys("key {}".format)
    for number in range(100 * SEGMENT):
        keys.set(number, 1.0)
    keys.set(-1, 2.0)
    assert inside.numbered_segments(keys.deadlines) is None
    size = keys.deadlines.__sizeof__()
    keys.set(5000, 1.0)
    assert inside.numbered_segments(keys.deadlines) == 100
    # A crowd has an eight-byte word of each timer, a bucket twice as much; four bytes a segment come to it.
    assert keys.deadlines.__sizeof__() < size
    keys.set(0, 1.0)
    assert inside.numbered_segments(keys.deadlines) == 101
    keys.check()


def test_a_crowd_of_one_segment_needs_no_numbers(inside: Any) -> None:
    keys = Keys("key {}".format)
    for number in range(SEGMENT - 1):
        keys.set(number, 1.0)
    keys.set(-1, 2.0)
    keys.set(100, 1.0)
    assert inside.numbered_segments(keys.deadlines) is None
    keys.check()
