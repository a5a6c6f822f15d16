"""Keys of `Deadlines`: how they are found, whatever others do while one is compared."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest

from tests.interruptions import SETTING, collecting, survives
from timers import Deadlines, MultiNotifier


class Thing:
    """A token that lies in a box."""


class Slow:
    """A key that lets other threads go on whenever it is compared."""

    asked = 0

    def __init__(self, name: int) -> None:
        self.name = name

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        Slow.asked += 1
        time.sleep(1e-4)
        return isinstance(other, Slow) and self.name == other.name


@contextmanager
def others(d: Deadlines[Any, Any], at: Any) -> Iterator[None]:
    """Another thread, which moves its own keys all the time."""
    stopped = threading.Event()

    def move() -> None:
        number = 0
        while not stopped.is_set():
            d[f"other {number % 10}"] = at
            number += 1

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def test_a_key_is_found_beside_a_thread_that_sets_others() -> None:
    d: Deadlines[Any, float] = Deadlines((Slow(number), float(number)) for number in range(40))
    with others(d, 99.0):
        for number in range(0, 40, 4):
            assert d[Slow(number)] == number and Slow(number) in d and d.get(Slow(number + 100)) is None
            d[Slow(number)] = number + 50.0
            assert d.pop(Slow(number + 1)) == number + 1 and d.setdefault(Slow(number), 1.0) == number + 50
            del d[Slow(number + 2)]
            d.update({Slow(number): 1.5, Slow(number + 100): 2.5})
    d._check()
    left = {key.name: at for key, at in d.items() if isinstance(key, Slow)}
    assert left == {
        **{number: 1.5 for number in range(0, 40, 4)},
        **{number: float(number) for number in range(3, 40, 4)},
        **{number: 2.5 for number in range(100, 140, 4)},
    }


def test_an_update_of_many_ends_beside_a_thread_that_sets_others() -> None:
    d: Deadlines[Any, float] = Deadlines((Slow(number), 0.0) for number in range(300))
    with others(d, 99.0):
        d.update((Slow(number), float(number)) for number in range(300))
    d._check()
    assert {key.name: at for key, at in d.items() if isinstance(key, Slow)} == {n: float(n) for n in range(300)}


@pytest.mark.skipif(sys.version_info < (3, 10), reason="3.9 cannot be asked to put off a collection")
def test_a_call_that_makes_many_objects_ends_beside_others() -> None:
    """The callback of a collection lets other threads go on, which set timers."""
    d: Deadlines[Any, float] = Deadlines()
    keys = [Thing() for _ in range(6400)]
    with collecting(lambda: d.__setitem__("other", 99.0), threshold=30):
        d.update((key, 1.0) for key in keys)
    d._check()
    assert list(d)[:6400] == keys
    d["other"] = 99.0
    with collecting(lambda: d.__setitem__("other", 99.0), threshold=30):
        items = d.due_items(1.0)
    d._check()
    assert items == [(key, 1.0) for key in keys] and list(d) == ["other"]
    n: MultiNotifier[Any, float] = MultiNotifier((1.0, key) for key in keys)
    with collecting(lambda: n.notify_at(99.0, "other"), threshold=30):
        timers = n.due_items(1.0)
    n._check()
    assert timers == [(1.0, key) for key in keys] and {token for _, token in n} <= {"other"}
    early, late = datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), datetime(2024, 1, 1, tzinfo=timezone.utc)
    beyond: MultiNotifier[Any] = MultiNotifier((early, number) for number in range(4000))
    with collecting(lambda: beyond.notify_at(late, "other"), threshold=30):
        assert beyond.due_items(early) == [(early, number) for number in range(4000)]
    beyond._check()


def test_an_update_reads_each_time_once() -> None:
    class Zone(tzinfo):
        asked = 0

        def utcoffset(self, at: Any) -> timedelta:
            self.asked += 1
            time.sleep(1e-5)
            return timedelta(hours=1)

        def tzname(self, at: Any) -> str:
            return "Zone"

        dst = utcoffset

    zone = Zone()
    d: Deadlines[str] = Deadlines()
    with others(d, datetime(2024, 1, 1, tzinfo=timezone.utc)):
        d.update({str(number): datetime(2024, 1, 1, 12, tzinfo=zone) for number in range(1000)})
    assert zone.asked == 1000 and len(d) >= 1000
    d._check()


def test_no_key_is_asked_twice_for_an_answer() -> None:
    class Meddling:
        def __init__(self, name: int) -> None:
            self.name = name

        def __hash__(self) -> int:
            return 7

        def __eq__(self, other: object) -> bool:
            asked.append(self.name)
            d[f"set by {len(asked)}"] = 1.0
            return isinstance(other, Meddling) and self.name == other.name

    asked: list[int] = []
    keys = [Meddling(number) for number in range(20)]
    d: Deadlines[Any, float] = Deadlines()
    for key in keys:
        d[key] = 5.0
    del asked[:]
    assert d[Meddling(19)] == 5.0
    # The first once more, as what was before the interruption is not known.
    assert asked[0] == asked[1] and sorted(asked[1:]) == list(range(20))
    d._check()


def test_a_key_that_never_lets_a_search_end() -> None:
    class Endless:
        def __hash__(self) -> int:
            return 7

        def __eq__(self, other: object) -> bool:
            if len(d) < 100_000:
                d[Endless.__new__(Quiet)] = 5.0
            return False

    class Quiet(Endless):
        def __eq__(self, other: object) -> bool:
            return other is self or Endless.__eq__(self, other)

        __hash__ = Endless.__hash__

    d: Deadlines[Any, float] = Deadlines()
    try:
        d[Quiet()] = 5.0
        d[Quiet()] = 6.0
    except (RuntimeError, RecursionError):
        pass
    d._check()


@pytest.mark.parametrize("act", ["d.clear()", "d.pop(held, None)", "d.update({1: 2.0, 2: 3.0})", "copy.deepcopy(d)"])
def test_a_key_that_goes_while_it_is_asked(act: str) -> None:
    survives(f"""{SETTING}
    class Key:
        runs = 0
        def __init__(self, name): self.name = name
        def __hash__(self): return 7
        def __eq__(self, other):
            Key.runs += 1
            if Key.runs == 2:
                held = self
                {act}
            return isinstance(other, Key) and self.name == other.name

    for call in ("d[Key(3)]", "d.pop(Key(3))", "d.update([(Key(3), 1.0), (Key(9), 2.0)])", "d.setdefault(Key(3), 4.0)"):
        d = Deadlines()
        for number in range(5):
            d[Key(number)] = float(number)
        Key.runs = 0
        try: eval(call)
        except KeyError: pass
        d._check()
        names = [key.name for key in d if type(key) is Key]
        assert len(names) == len(set(names))
    """)


def test_keys_that_could_be_foreseen_to_meet() -> None:
    """Ints of which a table that multiplies by the golden ratio would keep the same 32 bits."""

    class Number(int):
        asked = 0

        def __eq__(self, other: object) -> bool:
            Number.asked += 1
            return int(self) == other

        __hash__ = int.__hash__

    inverse = pow(0x9E3779B97F4A7C15, -1, 2**64)
    numbers = [(7 << 32 | low) * inverse % 2**64 for low in range(8000)]
    keys = [Number(number) for number in numbers if number < 2**61 - 1]
    assert len(keys) > 900
    d: Deadlines[Any, int] = Deadlines((key, 5) for key in keys)
    assert Number.asked < 100
    d._check()


def test_items_are_asked_as_those_of_a_dict() -> None:
    given = {"a": 1.0, "b": 2.0}
    mine: Any = Deadlines(given).items()
    theirs: Any = given.items()
    for item in (5, "ab", ("a", 1.0), ("a", 2.0), ("c", 1.0), ("a", 1.0, 2), ["a", 1.0], (), None):
        assert (item in mine) is (item in theirs)
    for other in ({5}, {("a", 1.0), 5}, set(given.items())):
        assert other - mine == other - theirs and mine & other == theirs & other and mine ^ other == theirs ^ other
        assert (mine >= other, mine.isdisjoint(other)) == (theirs >= other, theirs.isdisjoint(other))
    for view in (mine, theirs):
        with pytest.raises(TypeError, match="unhashable"):
            assert ([], 1.0) in view
