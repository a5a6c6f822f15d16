"""The shape that the wheel takes, seen from inside: where it cascades, what it sorts in place, what it asks memory for.

Nothing of this can be told from the answers of a notifier: it is why they are fast.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests import window

TICK = 1024
LAST = 2**64 - 1
# What a chunk or a wheel takes besides its timers or slots, and each of those.
HEAD, TIMER, WHEEL, SLOT = 16, 16, 48, 8


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("_testcapi")
    folder = tmp_path_factory.mktemp("inside")
    window.compile(folder)
    return window.load(folder)


def ticks(count: int, start: int = 0) -> list[int]:
    return [(start + number) * TICK for number in range(count)]


def is_bucket(shape: Any) -> bool:
    return isinstance(shape, list)


def timers_of(shape: Any) -> list[int]:
    if is_bucket(shape):
        return [deadline for _, _, deadlines in shape for deadline in deadlines]
    return [deadline for slot in shape[3].values() for deadline in timers_of(slot)]


def bytes_of(shape: Any) -> int:
    if is_bucket(shape):
        return sum(HEAD + capacity * TIMER for capacity, _, _ in shape)
    size: int = shape[2]
    return WHEEL + size * SLOT + sum(map(bytes_of, shape[3].values()))


def capacities(shape: Any) -> list[int]:
    return [capacity for capacity, _, _ in shape]


def in_order(deadlines: list[int]) -> list[tuple[int, int]]:
    return sorted((deadline, number) for number, deadline in enumerate(deadlines))


def due(tree: Any, most: int, now: int = LAST) -> Any:
    """The tokens taken."""
    assert tree.ripen(now, most) == (0, most)
    return tree.take()[0]


def test_chunks_grow(inside: Any) -> None:
    shape = inside.Tree(ticks(200)).shape()
    assert capacities(shape) == [2, 6, 14, 30, 31, 31, 31, 31, 31]
    assert [before for _, before, _ in shape] == [0, 2, 8, 22, 52, 83, 114, 145, 176]
    assert timers_of(shape) == ticks(200)


def test_only_a_crowd_cascades(inside: Any) -> None:
    for ask, arguments in (("earliest", ()), ("find", (3 * TICK,)), ("ripen", (3 * TICK,)), ("ripen", (LAST, 5))):
        few, many = inside.Tree(ticks(48)), inside.Tree(ticks(49))
        getattr(few, ask)(*arguments)
        getattr(many, ask)(*arguments)
        assert is_bucket(few.shape()) and few.check() == 48
        assert many.shape()[:3] == (10, 0, 256) and many.check() == 49
        assert list(many.shape()[3]) == list(range(49))


def test_levels(inside: Any) -> None:
    """The level is that of the highest bit in which the timers differ; a wheel is as large as its level."""
    for bit in range(64):
        shift = 0 if bit < 5 else 5 if bit < 10 else 10 + (bit - 10) // 8 * 8
        size = 32 if bit < 10 else 256 if bit < 58 else 64
        base = 0 if shift == 58 else 1 << 63
        for count in (54, 57):
            tree = inside.Tree([(base | 1 << bit) if number % 3 == 2 else base for number in range(count)])
            tree.earliest()
            shape = tree.shape()
            assert shape[:3] == (shift, base, size)
            assert list(shape[3]) == [0, 1 << bit - shift] and all(map(is_bucket, shape[3].values()))
            assert tree.memory() == bytes_of(shape) and tree.check() == count


def test_most_timers_tell_the_level(inside: Any) -> None:
    """Where those in one slot are likely a crowd by themselves, that is a wheel at once."""
    base = 1 << 60
    far = base + (1 << 40)

    def later(last: list[int]) -> Any:
        """The slot of the far timers, at which nobody looked."""
        tree = inside.Tree([far, far, base, *(far + deadline for deadline in ticks(49)), *last])
        tree.earliest()
        top = tree.shape()
        assert top[:3] == (34, base, 256) and list(top[3]) == [0, 64] and tree.check() == 52 + len(last)
        return top[3][64]

    # Of 64 timers, with 12 in the last chunk: nine tell of 48 in one slot, and ten of more.
    assert is_bucket(later([base] * 3 + [far + TICK] * 9))
    slot = later([base] * 2 + [far + TICK] * 10)
    assert slot[:3] == (10, far, 256) and all(map(is_bucket, slot[3].values()))
    # Differences that would cancel each other.
    slot = later([far, far + 300 * TICK] * 6)
    assert slot[:3] == (18, far, 256) and all(map(is_bucket, slot[3].values()))


def test_first_chunks_of_a_cascade(inside: Any) -> None:
    """As large as an even spread would need and a quarter more; the next is a third of that, or 6."""
    crowded = [7 * TICK, 9 * TICK] * 100
    for count, first, chunks in (
        (4900, 25, [25, 8, 18, 31, 31, 31]),
        (9800, 31, [31, 10, 22, 31, 31, 31]),
        (60, 2, [2, 6, 14, 30, 31, 31]),
    ):
        tree = inside.Tree(crowded + [number % 256 * TICK for number in range(count)])
        tree.earliest()
        slots = tree.shape()[3]
        assert capacities(slots[9])[:5] == chunks[:5]
        assert capacities(slots[8])[0] == first
        assert tree.memory() == bytes_of(tree.shape())


def test_what_is_due_as_a_whole_is_taken_from_where_it_lies(inside: Any) -> None:
    """Without a cascade, up to a size; and sorted only while it is taken."""
    for count in (23, 24, 25, 48, 49, 60, 600, 65536):
        deadlines = [number * 7919 % 600 * TICK for number in range(count)]
        tree = inside.Tree(deadlines)
        assert tree.ripen(max(deadlines)) == (0, count)
        assert is_bucket(tree.shape()) and timers_of(tree.shape()) == deadlines
        assert tree.read(count) == (0, in_order(deadlines))
        assert tree.take() == ([number for _, number in in_order(deadlines)], 0) and tree.shape() == []
    for count, now in ((65537, 65537 * TICK), (60, 58 * TICK)):
        tree = inside.Tree(ticks(count))
        assert tree.ripen(now) == (0, min(count, now // TICK + 1))
        assert not is_bucket(tree.shape()) and tree.check() == count


def test_a_bucket_of_which_a_sizable_part_goes_is_sorted_where_it_lies(inside: Any) -> None:
    for count, most in ((48, 1), (60, 59), (63, 7), (64, 8), (71, 8)):
        deadlines = [number * 7919 % 600 * TICK for number in range(count)]
        tree = inside.Tree(deadlines)
        assert tree.ripen(LAST, most) == (0, most)
        assert is_bucket(tree.shape()) and timers_of(tree.shape()) == sorted(deadlines) and tree.check() == count
        order = in_order(deadlines)
        assert tree.take() == ([number for _, number in order[:most]], order[most][0])
        assert tree.check() == count - most
    for count, most in ((64, 7), (72, 8), (65537, 65536)):
        tree = inside.Tree(ticks(count))
        assert tree.ripen(LAST, most) == (0, most) and not is_bucket(tree.shape())
    # As many as there are: that is the whole, and what comes after it is left alone.
    for count in (40, 60):
        deadlines = [tick * TICK - number for tick in (3, 5) for number in range(count)]
        tree = inside.Tree(deadlines[:count])
        assert tree.ripen(LAST, count) == (0, count) and timers_of(tree.shape()) == deadlines[:count]
        tree = inside.Tree(deadlines)
        tree.find(3 * TICK)
        before = tree.shape()[3][4]
        assert tree.ripen(LAST, count) == (0, count) and tree.shape()[3][4] == before
        assert tree.take()[0] == list(range(count))[::-1]
    # Of a crowd that is due in part nothing is sorted: it cascades. A smaller bucket stays.
    for count in (48, 49):
        deadlines = ticks(count)[::-1]
        tree = inside.Tree(deadlines)
        assert tree.ripen(40 * TICK) == (0, 41)
        assert is_bucket(tree.shape()) == (count == 48)
        assert tree.take() == ([count - 1 - number for number in range(41)], 41 * TICK if count == 48 else 0)
    # Where nothing is due, nothing is touched, nor given out.
    assert inside.Tree([LAST]).ripen(LAST - 1) == (0, 0)
    tree = inside.Tree([*ticks(3)[::-1], *ticks(60, 300)])
    tree.earliest()
    assert tree.ripen(2 * TICK) == (0, 3) and tree.take()[0] == [2, 1, 0]
    tree = inside.Tree(ticks(48, 1)[::-1])
    assert tree.ripen(TICK - 1) == (0, 0) and timers_of(tree.shape()) == ticks(48, 1)[::-1]
    # What is left of one deadline is known, too.
    tree = inside.Tree([7] * 200)
    tree.find(7)
    assert tree.ripen(LAST, 50) == (0, 50) and tree.take() == (list(range(50)), 7)


# So many come before a bucket is a flood that needs another chunk.
FLOOD = 52 + 31 * 4227


def test_a_flood_that_takes_memory_where_there_is_none_goes_on_growing(inside: Any) -> None:
    tree = inside.Tree(ticks(FLOOD))
    tree.insert(FLOOD * TICK, failures=1)
    # There was no memory for the wheel.
    assert is_bucket(tree.shape()) and tree.check() == FLOOD + 1
    for count in (FLOOD + 1, FLOOD + 2, FLOOD + 3):
        tree.insert(count * TICK)
    assert is_bucket(tree.shape()) and tree.check() == FLOOD + 4
    tree = inside.Tree(ticks(FLOOD))
    with pytest.raises(MemoryError):
        tree.insert(0, failures=2)
    assert is_bucket(tree.shape()) and tree.check() == FLOOD


def test_a_flood_cascades_as_it_comes(inside: Any) -> None:
    tree = inside.Tree(ticks(FLOOD))
    assert is_bucket(tree.shape()) and FLOOD - 31 < 131072 <= FLOOD
    tree.insert(FLOOD * TICK)
    shape = tree.shape()
    assert shape[:3] == (26, 0, 256) and tree.check() == FLOOD + 1
    assert due(tree, FLOOD + 1) == list(range(FLOOD + 1))
    # Of one deadline it goes on growing, in a slot of its own.
    tree = inside.Tree([7] * (FLOOD + 100))
    shape = tree.shape()
    assert shape[:3] == (0, 0, 32) and list(shape[3]) == [7] and is_bucket(shape[3][7])
    assert tree.check() == FLOOD + 100


def test_a_flood_as_a_batch_takes_the_shape_of_what_is_there(inside: Any) -> None:
    flood = ticks(FLOOD + 1)
    # The last but one begins where the wheel of the flood ends.
    for here, look in (([], 0), (ticks(3), 0), (ticks(60), 1), (ticks(60, 1 << 24), 1), (ticks(60, 1 << 30), 1)):
        tree = inside.Tree(here)
        if look:
            tree.earliest()
        tree.insert_bucket(flood)
        assert tree.check() == len(here + flood)
        assert is_bucket(tree.shape()) == (len(here) == 3)
        assert due(tree, len(here + flood)) == [number for _, number in in_order(here + flood)]


def test_few_timers_of_neighbouring_ticks(inside: Any) -> None:
    """In the bits of one tick alone they would be equal, or the other way round."""
    for late, early in ((TICK, 0), (TICK, 1), (3 * TICK - 1, 2 * TICK - 1), (3 * TICK, 2 * TICK + 7)):
        for count in (1, 12, 24):
            deadlines = [late] * count + [early] * count
            tree = inside.Tree(deadlines)
            assert tree.read(2 * count) == (0, in_order(deadlines))
            assert due(tree, 2 * count) == [number for _, number in in_order(deadlines)]


def test_what_comes_next_is_known_where_it_was_looked_at(inside: Any) -> None:
    """The bucket in which `due` stops tells; where it stops before one, 0 says that nothing is known."""
    deadlines = [tick * TICK + number for number in (7, 5, 9) for tick in range(60)]
    for now, most, taken, following in (
        (7 * TICK + 4, LAST, 21, 7 * TICK + 5),
        (7 * TICK + 5, LAST, 22, 7 * TICK + 7),
        (7 * TICK + 9, LAST, 24, 0),
        (8 * TICK, LAST, 24, 8 * TICK + 5),
        (8 * TICK - 1, LAST, 24, 0),
        (7 * TICK + 5, 22, 22, 7 * TICK + 7),
        (7 * TICK + 7, 22, 22, 7 * TICK + 7),
        (7 * TICK + 7, 21, 21, 0),
        (LAST, LAST, 180, 0),
    ):
        tree = inside.Tree(deadlines)
        tree.earliest()
        assert tree.ripen(now, min(most, 1 << 40)) == (0, taken)
        assert tree.take() == ([number for _, number in in_order(deadlines)[:taken]], following)
        assert not following or tree.earliest() == following
    # Of a bucket that is due in part but cascades, the slots tell, and not the bucket.
    deadlines = [tick * TICK for tick in range(70)]
    tree = inside.Tree(deadlines)
    assert tree.ripen(65 * TICK, 10) == (0, 10) and tree.take() == (list(range(10)), 0)
    assert tree.earliest() == 10 * TICK


def test_what_is_not_due_is_left_alone(inside: Any) -> None:
    """Two crowded ticks: the later one cascades when the first of its timers is due, and not before."""
    deadlines = [tick * TICK + number for number in range(60) for tick in (3, 5)]
    for now in (3 * TICK + 1, 4 * TICK, 5 * TICK - 1):
        tree = inside.Tree(deadlines)
        assert tree.ripen(now) == (0, min(now - 3 * TICK + 1, 60))
        assert is_bucket(tree.shape()[3][5])
    tree = inside.Tree(deadlines)
    assert tree.ripen(5 * TICK) == (0, 61) and not is_bucket(tree.shape()[3][5])
    assert tree.take()[0] == [*range(0, 120, 2), 1] and tree.check() == 59


def test_nothing_takes_memory_that_need_not(inside: Any) -> None:
    """A crowd in order, ties included, is read as it is; and less than a crowd is sorted on the stack."""
    ordered = [number // 2 * TICK for number in range(60)]
    assert inside.Tree(ordered).read(60, starve=True) == (0, in_order(ordered))
    few, many = ticks(48)[::-1], ticks(49)[::-1]
    assert inside.Tree(few).read(48, starve=True) == (0, in_order(few))
    assert inside.Tree(many).read(49, starve=True)[0] == -1
    tree = inside.Tree(few)
    assert tree.ripen(LAST, 47, starve=True) == (0, 47) and timers_of(tree.shape()) == few[::-1]
    tree = inside.Tree(few)
    assert tree.ripen(LAST, starve=True) == (0, 48) and tree.take(starve=True)[0] == list(range(48))[::-1]
    tree = inside.Tree(many)
    assert tree.ripen(LAST, 48, starve=True)[0] == tree.ripen(9 * TICK, starve=True)[0] == -1
    assert tree.ripen(LAST, starve=True) == (0, 49)
    with pytest.raises(MemoryError):
        tree.take(starve=True)
    assert tree.check() == 49 and tree.read(49) == (0, in_order(many))
    assert inside.Tree().ripen(LAST) == (0, 0) and inside.Tree().read(0) == (0, [])


def test_an_outlier_puts_a_wheel_on_top_and_takes_it_away_again(inside: Any) -> None:
    tree = inside.Tree(ticks(60))
    tree.earliest()
    before = tree.shape()
    tree.insert(1 << 40)
    assert tree.shape() == (34, 0, 256, {0: before, 64: [(2, 0, [1 << 40])]}) and tree.check() == 61
    tree.remove(1 << 40, 60)
    assert tree.shape() == before
    # From either side.
    tree = inside.Tree([(1 << 40) + deadline for deadline in ticks(60)])
    tree.earliest()
    before = tree.shape()
    tree.insert(5)
    assert tree.shape() == (34, 0, 256, {0: [(2, 0, [5])], 64: before})
    assert tree.ripen(9) == (0, 1) and tree.take() == ([60], 0) and tree.shape() == before


def test_remove(inside: Any) -> None:
    """The first, the last and a middle chunk go when they are empty; and the last timer of a slot with its wheel."""
    for chunk in ([0, 1], list(range(22, 52)), list(range(52, 60))):
        tree = inside.Tree([7] * 60)
        for token in chunk:
            tree.remove(7, token)
        assert tree.find(7) == [token for token in range(60) if token not in chunk]
        assert len(tree.shape()) == 4 and tree.check() == 60 - len(chunk)
        tree.insert(7)
        assert tree.find(7)[-1] == 60
    tree = inside.Tree(ticks(60))
    for token in range(60):
        assert is_bucket(tree.shape()) == (token == 0 or token > 35)
        tree.remove(token * TICK, token)
    assert tree.shape() == []


def test_folding_takes_memory_and_without_it_the_wheel_stays_until_it_is_empty(inside: Any) -> None:
    tree = inside.Tree(ticks(60))
    tree.find(0)
    for token in range(60):
        assert not is_bucket(tree.shape())
        tree.remove(token * TICK, token, starve=True)
    assert tree.shape() == []


def test_what_is_due_comes_to_the_front_of_a_small_bucket_and_the_rest_stays_as_it_was(inside: Any) -> None:
    for count in (7, 40, 48):
        deadlines = [number * 11 % 50 * TICK for number in range(count)]
        tree = inside.Tree(deadlines)
        now = 20 * TICK
        first = sorted(deadline for deadline in deadlines if deadline <= now)
        rest = [deadline for deadline in deadlines if deadline > now]
        assert tree.ripen(now) == (0, len(first)) and timers_of(tree.shape()) == first + rest
        assert len(tree.take()[0]) == len(first) and timers_of(tree.shape()) == rest and tree.check() == len(rest)


def test_a_wheel_folds_where_few_are_left(inside: Any) -> None:
    tree = inside.Tree(ticks(60))
    for token in range(59, 23, -1):
        assert token > 58 or not is_bucket(tree.shape())
        tree.remove(token * TICK, token)
    assert tree.shape() == [(24, 0, ticks(24))]
    for token in range(1, 22):
        tree.remove(token * TICK, token)
    assert tree.shape() == [(24, 0, [0, 22 * TICK, 23 * TICK])]
    tree.remove(0, 0)
    assert tree.shape() == [(2, 0, ticks(2, 22))] and tree.find(23 * TICK) == [23]
    # Finer wheels first, and then the one that they lie in, when a slot of it is empty.
    deadlines = [*ticks(60), *ticks(60, 1 << 10), *ticks(60, 2 << 10)]
    tree = inside.Tree(deadlines)
    tree.find(0)
    for token in [*range(10, 60), *range(70, 180)]:
        assert token > 178 or not is_bucket(tree.shape())
        tree.remove(deadlines[token], token)
    assert tree.shape() == [(20, 0, [*ticks(10), *ticks(10, 1 << 10)])] and tree.check() == 20


def test_half_empty_neighbours_are_one(inside: Any) -> None:
    # As soon as both fit in the former.
    tree = inside.Tree([7] * 60)
    tree.find(7)
    assert capacities(tree.shape()[3][7]) == [3, 6, 14, 30, 31]
    for token in [3, 4, 5, *range(9, 19)]:
        tree.remove(7, token)
    assert len(tree.shape()[3][7]) == 5
    tree.remove(7, 19)
    assert capacities(tree.shape()[3][7]) == [3, 6, 30, 31] and tree.check() == 46
    tree = inside.Tree([7] * 60)
    for token in range(60):
        if token % 3:
            tree.remove(7, token)
    assert tree.find(7) == list(range(0, 60, 3)) and tree.check() == 20
    tree.insert(7)
    assert tree.find(7) == [*range(0, 60, 3), 60]


def test_a_clone_has_no_more_chunks_than_it_must(inside: Any) -> None:
    for count, packed in ((1, [1]), (22, [22]), (60, [31, 31, 8]), (145, [31, 31, 31, 31, 31])):
        twin = inside.Tree(ticks(count)).copy()
        assert capacities(twin.shape()) == packed and twin.read(count) == (0, in_order(ticks(count)))


def test_equal_timers_are_not_cascaded_for_a_search(inside: Any) -> None:
    tree = inside.Tree([TICK + 7] * 60 + ticks(60, 2))
    assert tree.find(TICK + 7) == list(range(60)) and tree.find(TICK + 6) == []
    tick = tree.shape()[3][1]
    while not is_bucket(tick):
        ((_, tick),) = tick[3].items()
    assert timers_of(tick) == [TICK + 7] * 60


def test_insert_bucket(inside: Any) -> None:
    """Behind what is there of the same deadline, whichever of the two reaches further."""
    groups: tuple[list[int], ...] = (
        [],
        ticks(3),
        ticks(60),
        ticks(60, 1 << 30),
        [*ticks(60), 1 << 40],
        [5] * 60 + ticks(60),
        [1 << 59, 7, 1 << 33, 1 << 24] * 20,
    )
    for here in groups:
        for look in (0, 1, 60):
            for more in groups[1:]:
                tree = inside.Tree(here)
                if here:
                    tree.ripen(LAST, look)
                    tree.earliest()
                tree.insert_bucket(more)
                assert tree.check() == len(here + more)
                twin = tree.copy()
                assert tree.ripen(LAST) == (0, len(here + more))
                assert tree.read(len(here + more)) == (0, in_order(here + more))
                assert tree.take()[0] == [number for _, number in in_order(here + more)]
                assert tree.shape() == [] and twin.read(len(here + more)) == (0, in_order(here + more))


def test_calm(inside: Any) -> None:
    """A wheel, or a chunk of more than eight times what is in it, becomes a chunk that fits."""
    for left, then in ((16, {2: 16, 1: 2}), (9, {2: 9, 1: 2}), (8, {1: 8}), (1, {1: 2})):
        tree = inside.Tree(ticks(60))
        tree.earliest()
        due(tree, 60 - left)
        assert not is_bucket(tree.shape())
        tree.calm(left)
        assert tree.shape() == [(max(left, 2), 0, ticks(left, 60 - left))]
        for count, capacity in then.items():
            due(tree, tree.check() - count)
            tree.calm(count)
            assert tree.shape() == [(capacity, 0, ticks(count, 60 - count))]


def test_check(inside: Any) -> None:
    """Each invariant, broken by hand, is named; and sound trees at the limits are not blamed."""
    near = [*ticks(60), *(deadline + TICK - 1 for deadline in ticks(60)), *ticks(60, 190)]
    # A coarse wheel with a finer wheel in two of its slots, which begins or ends where the slot does.
    deadlines = [*near, *((1 << 40) + (1 << 34) - 1 - deadline for deadline in near)]
    tree = inside.Tree(deadlines)
    tree.earliest()
    tree.find(deadlines[-1])
    shape = tree.shape()
    assert shape[:3] == (34, 0, 256) and list(shape[3]) == [0, 64]
    assert shape[3][0][:2] == (10, 0) and shape[3][64][:2] == (10, (1 << 40) + (1 << 34) - 256 * TICK)
    assert tree.check() == len(deadlines) and inside.Tree([0, LAST]).check() == 2

    def broken(path: tuple[int, ...], what: str, value: int, index: int = 0) -> Any:
        before = tree.poke(path, what, value, index)
        name = tree.check()
        tree.poke(path, what, before, index)
        return name

    assert broken((0, 5), "count", 0) == broken((0, 5), "count", 3) == "no-hole"
    assert broken((0, 7), "before", 1) == "counted"
    assert broken((0, 5), "deadline", 5 * TICK - 1) == broken((0, 5), "deadline", 6 * TICK) == "in-slot"
    assert broken((0,), "base", TICK) == broken((), "base", 1 << 34) == "aligned"
    assert broken((0,), "base", 1 << 34) == broken((64,), "base", 0) == broken((0,), "shift", 34) == "nested"
    words = [sum(1 << digit % 64 for digit in shape[3][0][3] if digit // 64 == word) for word in range(4)]
    for digit in (5, 100, 200):
        assert broken((0,), "occupied", words[digit // 64] ^ 1 << digit % 64, digit // 64) == "occupied"
    assert broken((0,), "slot", 0, 5) == "occupied"
    assert tree.check() == len(deadlines)

    coarsest = inside.Tree([0, LAST] * 30)
    coarsest.earliest()
    assert coarsest.shape()[:3] == (58, 0, 64) and list(coarsest.shape()[3]) == [0, 63]
    assert coarsest.poke((), "shift", 59) == 58 and coarsest.check() == "nested"
    coarsest.poke((), "shift", 58)
    slots = [coarsest.poke((), "slot", 0, digit) for digit in (0, 63)]
    bits = coarsest.poke((), "occupied", 0)
    assert coarsest.check() == "no-husk"
    coarsest.poke((), "occupied", bits)
    for digit, slot in zip((0, 63), slots):
        coarsest.poke((), "slot", slot, digit)
    assert coarsest.check() == 60
