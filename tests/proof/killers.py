"""The quick tests that a mutant must survive: a few seconds, the most telling first."""

from __future__ import annotations

import copy
import faulthandler
import random
import sys
import tracemalloc
from collections import Counter
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

from tests import keyed, test_crowd, test_numbers, test_overflow, test_sharing, test_wheel, window
from tests.clocks import EPOCH, ORIGINS, TODAY, boundary
from tests.configs import CONFIGS
from tests.driver import run
from tests.model import FIRST, LAST, MICROSECOND, Model, instant, moment
from tests.proof import allocations, boundaries
from timers import MultiNotifier

resource: Any
try:
    import resource
except ImportError:
    resource = None

# Seconds of the processor, five times what the tests take with the checks of the allocator; and bytes.
PATIENCE = 40
MOST_MEMORY = 4 << 30


# Where the window to the inside of the wheel is compiled.
INSIDE = Path("inside")


class Zone(tzinfo):
    """A zone without an offset: its times are naive."""

    def utcoffset(self, at: Any) -> None:
        return None

    dst = utcoffset

    def tzname(self, at: Any) -> None:
        return None


def calendar() -> None:
    n: MultiNotifier[int] = MultiNotifier()
    for day in range(0, 3_652_059, 1009):
        for micro in (0, 86_399_999_999):
            at = moment(day * 86_400_000_000 + micro)
            n.notify_at(at, day)
            assert n.next_at() == at and n.due(at) == [day]
    for year in range(1, 10_000):
        for month, day in ((1, 1), (2, 28), (3, 1), (12, 31)):
            for at in (
                datetime(year, month, day, tzinfo=timezone.utc),
                moment(instant(datetime(year, month, day)) - 1),
            ):
                n.notify_at(at, year)
                assert n.next_at() == at and n.due(at) == [year]
    for at in (FIRST, LAST):
        n.notify_at(at, 1)
        soonest = n.next_at()
        assert soonest is not None and soonest.tzinfo is timezone.utc and n.due(at) == [1]
    for at in (moment(-1), moment(-86_399_999_999), moment(instant(LAST) + 1), moment(instant(LAST) + 86_399_999_999)):
        n.notify_at(at, 1)
        assert n.next_at() == at and n.due(at - timedelta(0)) == [1]


class Odd(datetime):
    """Its offset is not what a tzinfo may answer."""

    days: int

    def utcoffset(self) -> timedelta:
        return timedelta(days=self.days)


class Fine(datetime):
    """A little later than it looks."""

    nanosecond = 1


def zones() -> None:
    run(CONFIGS["zones at the ends"], 600, 1, check=True)
    naive = datetime(2026, 1, 1, tzinfo=Zone())
    n = MultiNotifier([(naive, 1)])
    assert n.next_at() == datetime(2026, 1, 1) and n.due(naive) == [1]
    for days in (-1, 1):
        odd = Odd(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))
        odd.days = days
        try:
            n.notify_at(odd, 1)
        except ValueError:
            continue
        raise AssertionError("an offset of a day was accepted")
    for zone in (None, timezone.utc, timezone(timedelta(hours=1))):
        fine = Fine(2026, 1, 1, tzinfo=zone)
        n = MultiNotifier([(fine, 1)])
        assert n.next_at() == datetime(2026, 1, 1, tzinfo=zone) + MICROSECOND and n.due(fine) == []


def crowds() -> None:
    for count in (1, 15, 16, 17, 30, 31, 32, 33, 47, 48, 49, 50, 95, 300, 3000):
        for distinct in (1, 7, 32, 33, 1000, 1_000_000, 10**12):
            pairs = [(EPOCH + (number * 7_919_793 % distinct) * MICROSECOND, number) for number in range(count)]
            n = MultiNotifier(pairs)
            assert sys.getsizeof(n) >= 16 * count
            expected = sorted(pairs, key=lambda pair: pair[0])
            assert list(n) == expected
            n._check()
            # Iterating makes crowds, of eight bytes a timer.
            alike = Counter(at for at, _ in pairs).values()
            assert sys.getsizeof(n) >= sum((8 if times > 28 else 16) * times for times in alike)
            if count < 100:
                for pair in pairs[::2]:
                    assert n.cancel(*pair)
                    n._check()
                assert list(n) == [pair for pair in expected if pair[1] % 2]
            n.notify_many([at for at, _ in pairs], range(count))
            n._check()
            taken: list[int] = []
            while n:
                taken += n.due(LAST, 7)
            assert len(taken) == count + (count // 2 if count < 100 else count)


def batches() -> None:
    """Crowds that fall due as a whole: in any order, most of one digit, and around the size that still counts."""
    for count in (49, 600, 8191, 8192, 8193, 20_000):
        for distinct in (2, 700, 10**6, 10**12):
            for strange in (0, 10**15):
                micros = [number * 7_919_793 % distinct for number in range(count)]
                micros[count // 2] += strange
                order = sorted(range(count), key=micros.__getitem__)
                ats = [EPOCH + micro * MICROSECOND for micro in micros]
                n = MultiNotifier(zip(ats, range(count)))
                assert [token for _, token in n] == order
                backwards = MultiNotifier((ats[number], number) for number in reversed(order))
                assert [at for at, _ in backwards] == [ats[number] for number in order]
                twin = copy.copy(n)
                last = ats[order[-1]]
                assert n.due(last - MICROSECOND) + n.due(last) == order
                assert twin.due_items(last) == [(ats[number], number) for number in order]
                sorted_again = MultiNotifier((ats[number], number) for number in order)
                assert sorted_again.due(last, count - 1) == order[:-1]
                assert sorted_again.due(last) == order[-1:]


def twins() -> None:
    """An insert in bulk into trees of every shape, and twins that are written to."""
    rng = random.Random(4)
    for _ in range(60):
        model, n = Model(), MultiNotifier[Any]()
        for _ in range(rng.randrange(1, 5)):
            spread = rng.choice((1, 40, 2000, 10**6, 10**9, 10**13))
            count = rng.choice((1, 20, 60, 200))
            start = TODAY + timedelta(microseconds=rng.randrange(spread))
            ats = [start + rng.randrange(spread) * MICROSECOND for _ in range(count)]
            tokens = [str(rng.random()) for _ in ats]
            model.notify_many(ats, tokens)
            n.notify_many(ats, tokens)
            n._check()
            now = start + rng.randrange(spread) * MICROSECOND
            limit = rng.choice((None, 3))
            assert n.due(now, limit) == model.due(now, limit)
        twin = copy.copy(n)
        twin.notify_at(TODAY, "new")
        twin._check()
        assert list(n) == list(model) and len(twin) == len(n) + 1


def strangers() -> None:
    """What lies just one range of the wheel further is not there, and not looked for beyond the wheel."""
    for origin in ORIGINS:
        start = boundary(instant(EPOCH), 40, origin)
        for step in (0, 1, *(1000 << shift for shift in range(0, 33, 4))):
            n: MultiNotifier[Any] = MultiNotifier((moment(start + number * step), number) for number in range(100))
            for further in range(43):
                for at in (start + (1000 << further), start + (1 << further)):
                    assert (moment(at), "stranger") not in n
                    assert not n.cancel(moment(at), "stranger")


def memory() -> None:
    """Empty again means small again, and a crowd of chunks no larger than it must be."""
    n: MultiNotifier[int] = MultiNotifier()
    empty = sys.getsizeof(n)
    assert n.__sizeof__() == object.__sizeof__(n)
    crowd = MultiNotifier((TODAY + number * MICROSECOND, number) for number in range(100))
    assert (TODAY, 0) in crowd
    size = sys.getsizeof(crowd)
    crowd.notify_at(LAST, 0)
    assert sys.getsizeof(crowd) > size and crowd.cancel(LAST, 0) and sys.getsizeof(crowd) == size
    assert sys.getsizeof(MultiNotifier([(TODAY, 1), (TODAY, 2)])) < empty + 64
    n.notify_many([TODAY + number * 997 * MICROSECOND for number in range(20_000)], range(20_000))
    assert sys.getsizeof(n) < 60 * 20_000
    for _ in range(500):
        n.due(LAST, 30)
        assert sys.getsizeof(n) < empty + 80 * len(n) + 40_000
    n.due(LAST, len(n) - 13)
    assert sys.getsizeof(n) > empty + 300
    n.due(LAST, 1)
    assert sys.getsizeof(n) < empty + 600
    n.clear()
    assert sys.getsizeof(n) <= empty + 100
    for number in range(500):
        twin = copy.copy(n)
        n.notify_at(moment(number * 7919 % 500), number)
    assert len(twin) == 499 and sys.getsizeof(n) < 1.2 * sys.getsizeof(MultiNotifier(list(n)))
    for number in range(490):
        assert n.cancel(moment(number * 7919 % 500), number)
    assert sys.getsizeof(n) < empty + 600


def sizes() -> None:
    """What `getsizeof` counts is what Python's allocator gave."""
    for spread in (1, 10**3, 10**6, 10**10):
        ats = [moment(number * 7_919_793 % spread) for number in range(3000)]
        tracemalloc.start()
        n = MultiNotifier[None]()
        for at in ats:
            n.notify_at(at, None)
        assert len(n.due(moment(0))) < 3001 and n.next_at() != LAST
        owned = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert owned == sys.getsizeof(n), f"{owned} bytes are {sys.getsizeof(n)}"


def blocks() -> None:
    """What a tree of every level owned is given back, chunk by chunk."""
    pairs = [(moment(number * 10**14 % (3 * 10**17)), number) for number in range(3000)]
    pairs += [(EPOCH + number * MICROSECOND, number) for number in range(3000)]
    marks = []
    for _ in range(4):
        n = MultiNotifier(pairs)
        assert len(list(n)) == len(pairs)
        copy.copy(n).notify_at(TODAY, 0)
        assert len(n.due(TODAY)) < len(pairs)
        n.notify_at(TODAY, 0)
        n.clear()
        del n
        marks.append(sys.getallocatedblocks())
    assert marks[-1] - marks[1] < 40, f"{marks[-1] - marks[1]} blocks are lost"


def keys() -> None:
    """A key for each of the kinds, at times that they share and at such as they do not."""
    for number, name in enumerate(keyed.KEYS):
        for times in ("seconds", "datetimes", "far and near"):
            keyed.run(name, times, 300, number, check=True)
            keyed.run(name, times, 1000, number)
    for count in (100, 254, 762):
        test_numbers.test_a_key_that_was_taken_beside_a_copy_and_is_set_again(count)
    for few in (1, 3):
        test_numbers.test_random_calls_on_few_times("key {}".format, few, seed=1)


def numbers(inside: Any) -> None:
    for before in (1, 700, 3500):
        test_numbers.test_numbers_go_round(inside, before)
    test_numbers.test_numbers_that_went_round_long_ago(inside)
    test_numbers.test_only_first_numbers_are_looked_up(inside)


def shapes() -> None:
    inside = window.look(INSIDE)
    for tests in (test_wheel, test_overflow, test_crowd, test_sharing):
        for name, test in vars(tests).items():
            if name.startswith("test_"):
                test(inside)
    numbers(inside)


def limit() -> None:
    """A mutant that does not end, or takes all memory, is dead too."""
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def main() -> None:
    faulthandler.enable()
    calendar()
    zones()
    for number, name in enumerate(("dense", "every level", "one millisecond", "labels", "copies")):
        run(CONFIGS[name], 400, number, check=True)
    crowds()
    batches()
    for cursor in boundaries.cursors(3)[:4]:
        boundaries.check(cursor)
    keys()
    twins()
    strangers()
    memory()
    blocks()
    sizes()
    for number, name in enumerate(CONFIGS):
        run(CONFIGS[name], 500, 50 + number, check=True)
        run(CONFIGS[name], 1500, 100 + number)
    rng = random.Random(7)
    for case in rng.sample([case for case in allocations.cases() if case[1] not in ("repr", "_check", "next_at")], 60):
        allocations.sweep(*case, step=3, first=rng.randrange(3))


if __name__ == "__main__":
    if sys.argv[1:] == ["mutant"]:
        limit()
        shapes()
    main()
