"""Other Cython code calls a notifier on deadlines: `client.pyx`."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from tests import window
from timers import MultiNotifier


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("Cython")
    folder = tmp_path_factory.mktemp("client")
    window.compile(folder, "client")
    return window.load(folder, "client")


def test_a_simulation(client: Any) -> None:
    loop = client.Loop()
    seen: list[tuple[str, float]] = []

    def tick(now: float) -> None:
        seen.append(("tick", now))
        if now < 1:
            loop.call_later(0.1, tick)

    loop.call_at(0.0, tick)
    loop.call_at(0.25, lambda now: seen.append(("a", now)))
    loop.call_at(0.25, lambda now: seen.append(("b", now)))
    # Before what is next, while that is being handled.
    loop.call_at(0.26, lambda now: loop.call_at(-1.0, lambda now: seen.append(("late", now))))
    loop.run()
    assert not loop.timers and loop.timers.next_at() is None
    ticks = [now for name, now in seen if name == "tick"]
    assert ticks == list(itertools.accumulate([0.1] * (len(ticks) - 1), initial=0.0)) and ticks[-1] >= 1 > ticks[-2]
    assert [pair for pair in seen if pair[0] != "tick"] == [("a", 0.25), ("b", 0.25), ("late", -1.0)]


def test_both_ways_lead_to_the_same_timers(client: Any) -> None:
    timers: Any = MultiNotifier([(3, "three"), (-(2**63), "first")])
    client.put_ints(timers, [5, 2**63 - 1, 3], ["five", "last", "again"])
    assert len(timers) == 5 and client.soonest_int(timers) == -(2**63) == timers.next_at()
    assert client.due_ints(timers, 3, 2) == ["first", "three"] and timers.next_at() == 3
    assert list(timers) == [(3, "again"), (5, "five"), (2**63 - 1, "last")]
    assert timers.due(5) == ["again", "five"] and client.due_ints(timers, 5) == []
    timers._check()


def test_errors_are_those_of_the_methods(client: Any) -> None:
    timers: Any = MultiNotifier([(0.5, "half")])
    with pytest.raises(TypeError, match="now is an int"):
        client.due_ints(timers, 2**62 + 1)
    with pytest.raises(TypeError, match="at is an int"):
        client.put_ints(timers, [2**62 + 1], ["huge"])
    assert list(timers) == [(0.5, "half")]
    # An int that is a float is one.
    client.put_ints(timers, [1], ["one"])
    assert list(timers) == [(0.5, "half"), (1.0, "one")]


def test_deadlines_of_floats_are_in_their_order(client: Any) -> None:
    numbers = [-math.inf, -1e308, -1.0, -math.ulp(0.0), 0.0, math.ulp(0.0), 0.1, 1.0, math.nextafter(1.0, 2), math.inf]
    deadlines = [client.fold(number) for number in numbers]
    assert deadlines == sorted(set(deadlines)) and [client.unfold(deadline) for deadline in deadlines] == numbers
    assert client.fold(-0.0) == client.fold(0.0)
