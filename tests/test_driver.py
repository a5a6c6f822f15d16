"""Model, oracle and notifier side by side: random operations, every boundary, and hypothesis to shrink."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.clocks import CLOCKS, EPOCH, FLOATS, INTS, TICK, WRITERS, float_at, place_of, write
from tests.configs import CONFIGS, USUAL
from tests.driver import Operation, replay, run, shrink
from tests.model import BEGINNING, END, LAST, MICROSECOND, Model, Time, instant, moment
from tests.proof import boundaries
from timers import MultiNotifier

MODELLED = [
    "notify_at",
    "due",
    "slice",
    "due_items",
    "cancel",
    "reschedule",
    "notify_many",
    "contains",
    "items",
    "clear",
]


@pytest.mark.parametrize("name", CONFIGS)
def test_the_oracle_is_the_model(name: str) -> None:
    config = CONFIGS[name]
    if config.subclass:
        return
    weights = config.weights or USUAL
    run(replace(config, weights={kind: weights[kind] for kind in MODELLED}), 400, 1, notifier=Model())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CONFIGS)
def test_random_operations(name: str, seed: int) -> None:
    run(CONFIGS[name], 2000, seed, check=True)


@pytest.mark.parametrize("name", CONFIGS)
def test_many_random_operations(name: str) -> None:
    run(CONFIGS[name], 60_000, 1000)


def test_runs_repeat_and_shrink() -> None:
    one: list[Operation] = []
    two: list[Operation] = []
    run(CONFIGS["dense"], 500, 3, trace=one)
    run(CONFIGS["dense"], 500, 3, trace=two)
    assert one == two
    replay(CONFIGS["dense"], one)

    def fails(trace: list[Operation]) -> bool:
        return sum(operation.name == "due" for operation in trace) > 2

    assert [operation.name for operation in shrink(one, fails)] == ["due"] * 3


def test_clocks_hold_every_boundary() -> None:
    instants = {instant(at) for at in CLOCKS}
    assert {BEGINNING, END, instant(EPOCH), instant(EPOCH) - 1, instant(EPOCH) - 1000} <= instants
    assert all(moment(micros) == at for micros, at in zip(sorted(instants), CLOCKS))


def test_floats_are_counted_in_order() -> None:
    numbers = [float_at(place) for place in FLOATS]
    assert numbers == sorted(numbers) and all(place_of(number) == place for number, place in zip(numbers, FLOATS))
    assert {-math.inf, -5e-324, 0.0, 5e-324, 1.0, math.nextafter(1.0, 2.0)} <= {*numbers}
    assert place_of(-0.0) == place_of(0.0) == 0 and math.copysign(1, float_at(0)) == 1


@pytest.mark.parametrize("cursor", boundaries.cursors(64)[::9])
def test_boundaries_of_every_level(cursor: int) -> None:
    boundaries.check(cursor)


@pytest.mark.parametrize("distinct", [1, 1000, 100_000, 10_000_000])
def test_crowds(distinct: int) -> None:
    pairs = [(EPOCH + (number * 7919 % distinct) * MICROSECOND, number) for number in range(50_000)]
    n = MultiNotifier(pairs)
    expected = sorted(pairs, key=lambda pair: pair[0])
    assert list(n) == expected
    taken: list[int] = []
    while n:
        taken += n.due(LAST, 777)
        n._check()
    assert taken == [token for _, token in expected]


@pytest.mark.parametrize("distinct", [1, 1000, 10_000_000])
@pytest.mark.parametrize("order", ["ascending", "descending", "as inserted", "scattered"])
def test_cancelling_a_crowd(distinct: int, order: str) -> None:
    # Another order than that of insertion costs as much as there are timers at that microsecond.
    count = 2_000 if distinct == 1 else 20_000
    pairs = [(EPOCH + (number * 7919 % distinct) * MICROSECOND, number) for number in range(count)]
    n = MultiNotifier(pairs)
    gone = {"ascending": sorted(pairs), "descending": sorted(pairs)[::-1], "as inserted": pairs}.get(
        order, [pairs[number * 6151 % count] for number in range(count)]
    )
    for done, pair in enumerate(gone):
        assert n.cancel(*pair)
        if done == count // 2:
            left = set(gone[done + 1 :])
            assert list(n) == sorted(left, key=lambda pair: (pair[0], pair[1]))
            n._check()
    assert not n


class Machine(RuleBasedStateMachine):
    """Every operation against the plain model, twins included; shrinks what it finds."""

    # Times, and the oracle's integers, of which each kind of time has its own.
    times = st.one_of(
        st.integers(0, 90).map(lambda number: EPOCH + number * MICROSECOND),
        st.integers(0, 5000).map(lambda number: EPOCH + number * MICROSECOND),
        st.integers(0, 5000).map(lambda number: EPOCH + number * TICK),
        st.sampled_from(CLOCKS),
        st.datetimes(timezones=st.timezones() | st.none().map(lambda _: EPOCH.tzinfo)),
        st.integers(0, 62).map(lambda power: instant(EPOCH) + (1 << power)),
        st.sampled_from(FLOATS + INTS),
        st.floats(allow_nan=False).map(place_of),
        st.integers(-(2**63), 2**63 - 1),
    ).filter(lambda at: not isinstance(at, datetime) or BEGINNING <= instant(at) <= END)
    tokens = st.one_of(
        st.integers(0, 3), st.sampled_from([True, 1.0, "a", None, (1,)]), st.lists(st.integers(), max_size=1)
    )

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[Model, MultiNotifier[Any]]] = []

    @initialize(kind=st.sampled_from(list(WRITERS)), timers=st.lists(st.tuples(times, tokens), max_size=70))
    def build(self, kind: str, timers: list[tuple[Any, Any]]) -> None:
        self.kind = kind
        timers = [(self.dress(at), token) for at, token in timers]
        self.pairs = [(Model(timers), MultiNotifier[Any](timers))]

    def dress(self, at: datetime | int) -> Any:
        if isinstance(at, datetime) and self.kind == "aware":
            return at
        _, first, last = WRITERS[self.kind]
        return write(self.kind, min(max(instant(at) if isinstance(at, datetime) else at, first), last))

    @property
    def model(self) -> Model:
        return self.pairs[-1][0]

    @property
    def wheel(self) -> MultiNotifier[Any]:
        return self.pairs[-1][1]

    @rule(at=times, token=tokens)
    def notify_at(self, at: Any, token: Any) -> None:
        self.model.notify_at(self.dress(at), token)
        self.wheel.notify_at(self.dress(at), token)

    @rule(start=times, count=st.integers(0, 60), stride=st.integers(-50, 50), lists=st.booleans())
    def notify_many(self, start: Any, count: int, stride: int, lists: bool) -> None:
        first = instant(start) if isinstance(start, datetime) else start
        ats = [self.dress(first + number * stride) for number in range(count)]
        self.model.notify_many(ats, range(count))
        self.wheel.notify_many(ats if lists else iter(ats), range(count))

    @rule(now=times, limit=st.none() | st.integers(0, 50))
    def due(self, now: Any, limit: Any) -> None:
        assert repr(self.wheel.due(self.dress(now), limit)) == repr(self.model.due(self.dress(now), limit))

    @rule(now=times, limit=st.none() | st.integers(0, 50))
    def due_items(self, now: Any, limit: Any) -> None:
        assert repr(self.wheel.due_items(self.dress(now), limit)) == repr(self.model.due_items(self.dress(now), limit))

    @rule(data=st.data(), at=times, token=tokens, pending=st.booleans())
    def cancel(self, data: Any, at: Any, token: Any, pending: bool) -> None:
        at, token = self.chosen(data, at, token, pending)
        assert ((at, token) in self.wheel) is ((at, token) in self.model)
        assert self.wheel.cancel(at, token) is self.model.cancel(at, token)

    @rule(data=st.data(), at=times, token=tokens, pending=st.booleans(), new_at=times)
    def reschedule(self, data: Any, at: Any, token: Any, pending: bool, new_at: Any) -> None:
        at, token = self.chosen(data, at, token, pending)
        new_at = self.dress(new_at)
        assert self.wheel.reschedule(at, token, new_at) is self.model.reschedule(at, token, new_at)

    def chosen(self, data: Any, at: Any, token: Any, pending: bool) -> tuple[Time, Any]:
        if pending and len(self.model):
            at, token = data.draw(st.sampled_from(self.model.timers))
            return at, token
        return self.dress(at), token

    @rule()
    def clear(self) -> None:
        self.model.clear()
        self.wheel.clear()

    @rule(how=st.sampled_from(["copy", "deepcopy", *range(2, pickle.HIGHEST_PROTOCOL + 1)]))
    def twin(self, how: Any) -> None:
        if how in ("copy", "deepcopy"):
            twin = getattr(copy, how)(self.wheel)
        else:
            twin = pickle.loads(pickle.dumps(self.wheel, how))
        model = Model()
        # A loaded state is in due order: what can be observed of the order of insertion is the same.
        model.timers = list(self.model)
        self.pairs = [*self.pairs[-3:], (model, twin)]

    @rule(number=st.integers(0, 3))
    def switch(self, number: int) -> None:
        self.pairs.append(self.pairs.pop(number % len(self.pairs)))

    @invariant()
    def same(self) -> None:
        for model, wheel in self.pairs:
            assert wheel.next_at() == model.next_at()
            assert repr(list(wheel)) == repr(list(model))
            assert len(wheel) == len(model) and bool(wheel) is bool(len(model))
            wheel._check()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)


@pytest.mark.parametrize("size", [1, 2, 40, 3000])
def test_a_jump_costs_as_much_as_its_timers(size: int) -> None:
    """Not a matter of time: nothing but the answer is looked at, and a loop over elapsed ticks would never end."""
    n = MultiNotifier((EPOCH + timedelta(days=365 * 7 * number // size), number) for number in range(size))
    for year in (1, 1970, 9999, 1, 9999):
        now = datetime(year, 12, 31, tzinfo=EPOCH.tzinfo)
        due = n.due(now)
        assert len(n) + len(due) in (0, size)
        for number in due:
            n.notify_at(now, number)
