"""The quick tests that a mutant must survive: a few seconds, the most telling first."""

from __future__ import annotations

import faulthandler
import random
import sys
from datetime import timedelta
from typing import Any

from tests.driver import CONFIGS, EPOCH, TODAY, run
from tests.model import LAST, MICROSECOND, Model, instant, moment
from tests.proof import allocations, boundaries
from timers import MultiNotifier


def calendar() -> None:
    n: MultiNotifier[int] = MultiNotifier()
    for day in range(0, 3_652_059, 1009):
        for micro in (0, 86_399_999_999):
            at = moment(day * 86_400_000_000 + micro)
            n.notify_at(at, day)
            assert n.next_at() == at and n.due(at) == [day]
    for at in (moment(-1), moment(-86_399_999_999), moment(instant(LAST) + 1), moment(instant(LAST) + 86_399_999_999)):
        n.notify_at(at, 1)
        assert n.next_at() == at and n.due(at - timedelta(0)) == [1]


def crowds() -> None:
    for count in (1, 15, 16, 17, 30, 31, 32, 33, 47, 48, 49, 50, 95, 300, 3000):
        for distinct in (1, 7, 32, 33, 1000, 1_000_000, 10**12):
            pairs = [(EPOCH + (number * 7_919_793 % distinct) * MICROSECOND, number) for number in range(count)]
            n = MultiNotifier(pairs)
            expected = sorted(pairs, key=lambda pair: pair[0])
            assert list(n) == expected
            n._check()
            assert sys.getsizeof(n) >= 16 * count
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


def twins() -> None:
    """An insert in bulk into trees of every shape, and twins that are written to."""
    import copy

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


def memory() -> None:
    """Empty again means small again, and a crowd of chunks no larger than it must be."""
    n: MultiNotifier[int] = MultiNotifier()
    empty = sys.getsizeof(n)
    n.notify_many([TODAY + number * 997 * MICROSECOND for number in range(20_000)], range(20_000))
    assert sys.getsizeof(n) < 60 * 20_000
    for _ in range(500):
        n.due(LAST, 30)
        assert sys.getsizeof(n) < empty + 80 * len(n) + 40_000
    n.clear()
    assert sys.getsizeof(n) <= empty + 100


def main() -> None:
    faulthandler.enable()
    calendar()
    for number, name in enumerate(("dense", "every level", "one millisecond", "labels", "copies")):
        run(CONFIGS[name], 400, number, check=True)
    crowds()
    for cursor in boundaries.cursors(3)[:4]:
        boundaries.check(cursor)
    twins()
    memory()
    for number, name in enumerate(CONFIGS):
        run(CONFIGS[name], 500, 50 + number, check=True)
        run(CONFIGS[name], 1500, 100 + number)
    rng = random.Random(7)
    for case in rng.sample([case for case in allocations.cases() if case[1] not in ("repr", "_check", "next_at")], 60):
        allocations.sweep(*case, step=3, first=rng.randrange(3))


if __name__ == "__main__":
    main()
