"""The wheel against the model, every invariant verified after every operation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.driver import CLOCKS, CONFIGS, EPOCH, FIRST, LAST, MICROSECOND, TICK, run
from tests.model import Model
from timers import MultiNotifier


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", CONFIGS)
def test_random_operations(name: str, seed: int) -> None:
    run(CONFIGS[name], 2000, seed, check=True)


@pytest.mark.parametrize("cursor", CLOCKS + [FIRST + (LAST - FIRST) / 64 * part for part in range(64)])
def test_boundaries_of_every_level(cursor: Any) -> None:
    model, wheel = Model(), MultiNotifier()
    for shift in range(48):
        for step in (-TICK, -MICROSECOND, timedelta(0), MICROSECOND, TICK):
            for sign in (-1, 1):
                try:
                    at = cursor + sign * (1 << shift) * TICK + step
                except OverflowError:
                    continue
                model.notify_at(at, (shift, step, sign))
                wheel.notify_at(at, (shift, step, sign))
    wheel._check()
    while model.pending:
        now = model.next_at()
        assert now is not None and wheel.next_at() == now
        if now > FIRST:
            assert wheel.due(now - MICROSECOND) == []
        assert wheel.due(now) == model.due(now)
        wheel._check()
    assert not wheel


@pytest.mark.parametrize("distinct", [1, 1000, 100_000, 10_000_000])
@pytest.mark.parametrize("order", [1, -1])
def test_crowds(distinct: int, order: int) -> None:
    pairs = [(EPOCH + (number * 7919 % distinct) * MICROSECOND, number) for number in range(50_000)]
    wheel = MultiNotifier(pairs)
    expected = [token for _, token in sorted(pairs, key=lambda pair: pair[0])]
    assert [token for _, token in wheel] == expected
    taken: list[int] = []
    while wheel:
        taken += wheel.due(LAST, 777)
    wheel._check()
    assert taken == expected
    wheel = MultiNotifier(pairs)
    for pair in sorted(pairs)[::order] if distinct > 1 else pairs:
        assert wheel.cancel(*pair)
    assert not wheel


class Machine(RuleBasedStateMachine):
    """Shrinks what the driver finds."""

    times = st.one_of(
        st.integers(0, 5000).map(lambda number: EPOCH + number * MICROSECOND),
        st.integers(0, 5000).map(lambda number: EPOCH + number * TICK),
        st.sampled_from(CLOCKS),
    )
    tokens = st.integers(0, 3)

    def __init__(self) -> None:
        super().__init__()
        self.model, self.wheel = Model(), MultiNotifier()

    @rule(at=times, token=tokens)
    def notify_at(self, at: Any, token: int) -> None:
        self.model.notify_at(at, token)
        self.wheel.notify_at(at, token)

    @rule(start=times, count=st.integers(0, 60), stride=st.integers(-50, 50))
    def notify_many(self, start: Any, count: int, stride: int) -> None:
        if FIRST + TICK * 4 < start < LAST - TICK * 4:
            ats = [start + number * stride * MICROSECOND for number in range(count)]
            self.model.notify_many(ats, list(range(count)))
            self.wheel.notify_many(ats, range(count))

    @rule(now=times, limit=st.none() | st.integers(0, 50))
    def due(self, now: Any, limit: Any) -> None:
        assert self.wheel.due(now, limit) == self.model.due(now, limit)

    @rule(at=times, token=tokens)
    def cancel(self, at: Any, token: int) -> None:
        assert self.wheel.cancel(at, token) == self.model.cancel(at, token)

    @rule(at=times, token=tokens, new_at=times)
    def reschedule(self, at: Any, token: int, new_at: Any) -> None:
        assert self.wheel.reschedule(at, token, new_at) == self.model.reschedule(at, token, new_at)

    @invariant()
    def same(self) -> None:
        assert self.wheel.next_at() == self.model.next_at()
        assert list(self.wheel) == self.model.items()
        self.wheel._check()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
