"""The workloads under pytest-benchmark: `pytest bench --benchmark-only`. Not part of the normal tests."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import loops, measure, workloads
from bench.contenders import CONTENDERS, MOST, MOST_CHURN
from bench.workloads import DENSE, ORDERS_TO_TRY, Workload

SIZES = (1000, 100_000)
ROUNDS = 3

pytestmark = pytest.mark.benchmark(timer=measure.now)
contenders = pytest.mark.parametrize("name", CONTENDERS)
sizes = pytest.mark.parametrize("count", SIZES)


def fits(name: str, count: int, most: dict[str, int]) -> None:
    if count > most.get(name, count):
        pytest.skip(f"quadratic: {name} is measured up to {most[name]:,} timers")


def run(benchmark: BenchmarkFixture, group: str, prepare: Callable[[], Any], work: Callable[..., Any]) -> Any:
    """Every round works on what `prepare` made for it; what the last one answered."""
    benchmark.group = group
    pedantic: Callable[..., Any] = benchmark.pedantic
    return pedantic(work, setup=lambda: ((prepare(),), {}), rounds=ROUNDS)


@contenders
@sizes
def test_insert(benchmark: BenchmarkFixture, name: str, count: int) -> None:
    fits(name, count, MOST)
    timers = DENSE.timers(count)
    run(benchmark, f"insert {count:,}", CONTENDERS[name], lambda queue: loops.insert(queue, timers))


@pytest.mark.parametrize("workload", ORDERS_TO_TRY, ids=lambda workload: workload.name)
def test_insert_in_order(benchmark: BenchmarkFixture, workload: Workload) -> None:
    timers = workload.timers(SIZES[-1])

    def prepare() -> Any:
        return loops.prepare(CONTENDERS["MultiNotifier"], workload)

    run(benchmark, f"insert {SIZES[-1]:,}, by order", prepare, lambda queue: loops.insert(queue, timers))


@contenders
@sizes
@pytest.mark.parametrize("how", ["steps", "once"])
def test_drain(benchmark: BenchmarkFixture, name: str, count: int, how: str) -> None:
    fits(name, count, MOST)
    timers = DENSE.timers(count)
    clock = timers.coarse_clock if how == "steps" else [timers.last]

    def filled() -> Any:
        queue = CONTENDERS[name]()
        loops.insert(queue, timers)
        return queue

    slices = run(benchmark, f"drain {count:,}, {how}", filled, lambda queue: loops.drain(queue, clock))
    loops.check(slices, timers.expected, name)


@contenders
@sizes
def test_churn(benchmark: BenchmarkFixture, name: str, count: int) -> None:
    fits(name, count, MOST_CHURN)
    work = workloads.churn(DENSE, count, 10_000)

    def filled() -> Any:
        queue = CONTENDERS[name]()
        loops.insert(queue, work.initial)
        return queue

    slices = run(benchmark, f"churn {count:,}", filled, lambda queue: loops.churn(queue, work))
    loops.check(slices, work.expected, name)


@contenders
def test_next_at(benchmark: BenchmarkFixture, name: str) -> None:
    count = 1000
    queue = CONTENDERS[name]()
    loops.insert(queue, DENSE.timers(count))
    benchmark.group = f"next_at among {count:,}"
    assert benchmark(queue.next_at) == min(DENSE.timers(count).ats)
