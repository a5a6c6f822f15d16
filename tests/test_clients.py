"""Four schedulers with a notifier in place of their heap: what their own tests do not ask.

Their own tests run here too, as far as they need nothing from elsewhere; `python -m bench.clients` runs all.
"""

from __future__ import annotations

import asyncio
import gc
import sched
import subprocess
import sys
import threading
from decimal import Decimal
from fractions import Fraction
from importlib.util import find_spec
from math import inf
from typing import Any

import pytest

NEEDS_SEQUENCE = pytest.mark.skipif(sys.version_info < (3, 10), reason="an event has no sequence number in CPython 3.9")


@NEEDS_SEQUENCE
def test_sched_priorities_decide_among_equal_times() -> None:
    from bench.clients.events import Scheduler

    clock: list[Any] = [0]
    scheduler = Scheduler(lambda: clock[0], lambda delay: clock.append(clock.pop() + delay))
    ran: list[str] = []

    def first() -> None:
        ran.append("first")
        scheduler.enterabs(Fraction(1, 3), 0, ran.append, ("urgent",))  # among those that are due with this one
        scheduler.cancel(dropped)

    # As floats these are equal.
    third, later = Fraction(1, 3), Fraction(1, 3) + Fraction(1, 10**30)
    scheduler.enterabs(later, 0, ran.append, ("later",))
    scheduler.enterabs(third, 2, ran.append, ("second",))
    dropped = scheduler.enterabs(third, 2, ran.append, ("dropped",))
    scheduler.enterabs(third, 1, first)
    scheduler.run()
    assert ran == ["first", "urgent", "second", "later"] and clock == [later]
    with pytest.raises(ValueError):
        scheduler.cancel(dropped)


class Stop(Exception):
    """What a handler of a signal raises, as that of SIGINT does."""


def interrupted(run: Any, ran: list[str], count: int) -> None:
    """Raise in the midst of `run` again and again, between any two lines of ours, and go on until all ran."""
    stops = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal stops
        if not frame.f_code.co_filename.endswith(("events.py", "simulation.py")):
            return None
        if event == "line":
            steps[0] += 1
            if steps[0] % 53 == 0 and stops < 20:
                stops += 1
                raise Stop
        return trace

    steps = [0]
    while True:
        sys.settrace(trace)
        try:
            run()
            break
        except Stop:
            continue
        finally:
            sys.settrace(None)
    # As with the heap, each takes with it what was about to be run.
    assert stops == 20 and count - stops <= len(ran) <= count


@NEEDS_SEQUENCE
def test_sched_interrupted() -> None:
    from bench.clients.events import Scheduler

    scheduler, ran = Scheduler(lambda: 2.0, lambda delay: None), list[str]()
    for _ in range(1000):
        scheduler.enterabs(1.0, 1, ran.append, ("event",))
    interrupted(scheduler.run, ran, 1000)


@pytest.mark.skipif(find_spec("simpy") is None, reason="simpy is not installed")
def test_simpy_interrupted() -> None:
    from bench.clients.simulation import WheelEnvironment

    environment, ran = WheelEnvironment(), list[str]()
    for _ in range(1000):
        environment.timeout(1).callbacks.append(lambda event: ran.append("event"))
    interrupted(environment.run, ran, 1000)


@NEEDS_SEQUENCE
def test_sched_queue_beside_a_thread_that_sets_events() -> None:
    from bench.clients.events import Scheduler

    scheduler = Scheduler()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        thread = threading.Thread(target=lambda: [scheduler.enterabs(1e9 + n, 1, print) for n in range(3000)])
        thread.start()
        while thread.is_alive():
            assert len(scheduler.queue) <= 3000
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(scheduler.queue) == 3000


@NEEDS_SEQUENCE
@pytest.mark.parametrize("theirs", [False, True])
def test_sched_fires_what_is_due_at_infinity(theirs: bool) -> None:
    from bench.clients.events import Scheduler

    clock = [0.0]
    scheduler = (sched.scheduler if theirs else Scheduler)(
        lambda: clock[0], lambda delay: clock.append(clock.pop() + delay)
    )
    ran: list[str] = []
    scheduler.enterabs(inf, 1, ran.append, ("never",))
    assert scheduler.run(blocking=False) == inf
    scheduler.run()
    assert ran == ["never"] and clock == [inf]
    clock[0] = -inf
    scheduler.enterabs(-inf, 1, ran.append, ("ever",))
    assert scheduler.run(blocking=False) is None and ran == ["never", "ever"]


@NEEDS_SEQUENCE
def test_sched_keeps_the_arguments_by_name_that_it_is_given() -> None:
    from bench.clients.events import Scheduler

    scheduler = Scheduler(lambda: 0, lambda delay: None)
    ran: list[dict[str, int]] = []
    given: dict[str, int] = {}
    event = scheduler.enter(0, 1, lambda **named: ran.append(named), kwargs=given)
    assert event.kwargs is given
    given["late"] = 1
    scheduler.enter(0, 2, lambda **named: ran.append(named))
    scheduler.run()
    assert ran == [{"late": 1}, {}]
    for stranger in (None, "event", event):
        with pytest.raises(ValueError):
            scheduler.cancel(stranger)  # type: ignore[arg-type]


class Counted:
    """A priority that counts how often one is compared."""

    comparisons = 0

    def __init__(self, rank: float) -> None:
        self.rank = rank

    def __lt__(self, other: Counted) -> bool:
        Counted.comparisons += 1
        return self.rank < other.rank


@NEEDS_SEQUENCE
def test_sched_sets_events_of_the_present_moment_at_the_cost_of_any_other() -> None:
    from bench.clients.events import Scheduler

    scheduler = Scheduler(lambda: 0, lambda delay: None)
    count, ran = 1000, []

    def again(number: int) -> None:
        ran.append(number)
        if number < count:
            scheduler.enter(0, Counted(1), again, (number + count,))

    for number in range(count):
        scheduler.enter(0, Counted(1), again, (number,))
    Counted.comparisons = 0
    scheduler.run()
    assert len(ran) == 2 * count and Counted.comparisons < 40 * len(ran)


def test_simpy_peeks_at_the_cost_of_a_timeout() -> None:
    pytest.importorskip("simpy")
    from bench.clients.simulation import WheelEnvironment

    env = WheelEnvironment()
    count = 1000
    for _ in range(count):
        env.schedule(env.event(), Counted(1), 1000)  # type: ignore[arg-type]
    assert env.peek() == 1000
    Counted.comparisons = 0
    for _ in range(count):
        env.schedule(env.event(), Counted(1), 999.5)  # type: ignore[arg-type]
        assert env.peek() == 999.5
    assert Counted.comparisons < 40 * count


@NEEDS_SEQUENCE
def test_sched_asks_no_clock_without_need_and_again_after_it_waited() -> None:
    from bench.clients.events import Scheduler

    Scheduler(lambda: 1 / 0, lambda delay: None).run()
    # A clock that counts in ints, and goes on whenever it is asked.
    clock = iter(range(100, 200, 10))
    slept: list[Any] = []
    scheduler = Scheduler(lambda: next(clock), slept.append)
    scheduler.enterabs(125, 1, slept.append, ("fired",))
    scheduler.run()
    assert slept == [15, 5, "fired", 0]


def test_asyncio_cancels_the_very_handle() -> None:
    from bench.clients.eventloop import EventLoop

    loop = EventLoop()
    ran: list[str] = []
    try:
        now = loop.time()
        # Equal to each other, and one of them has fired when it is cancelled.
        fired = loop.call_at(now, ran.append, "a")
        loop.run_until_complete(asyncio.sleep(0.001))
        again = loop.call_at(now, ran.append, "a")
        fired.cancel()
        dropped, kept = [loop.call_at(now, ran.append, "b") for _ in range(2)]
        dropped.cancel()
        loop.run_until_complete(asyncio.sleep(0.001))
        assert ran == ["a", "a", "b"]
        assert not again.cancelled() and not kept.cancelled()
    finally:
        loop.close()


def test_asyncio_sweeps_what_was_cancelled() -> None:
    from bench.clients.eventloop import EventLoop

    loop: Any = EventLoop()
    now = 1.0
    loop.time = lambda: now
    ran: list[int] = []
    try:
        timers = [loop.call_at(2, ran.append, number) for number in range(1000)]
        nevers = [loop.call_at(inf, ran.append, number) for number in range(3000)]
        for never in nevers[:-1]:
            never.cancel()
        timers[500].cancel()
        loop.run_until_complete(asyncio.sleep(0))
        assert len(loop._pending) == 1000
        now = 3.0
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        assert ran == [number for number in range(1000) if number != 500]
        # Cancelled after they have fired, they are counted, and change nothing.
        for timer in timers:
            timer.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        assert [timer for _, timer in loop._pending] == nevers[-1:]
    finally:
        loop.close()


def test_asyncio_sweeps_while_a_finaliser_sets_a_timer() -> None:
    from bench.clients.eventloop import EventLoop

    class Garbage:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            loop.call_later(0, ran.append, "late")

    loop = EventLoop()
    ran: list[str] = []
    old = gc.get_threshold()
    try:
        for threshold in range(1, 20):
            for never in [loop.call_at(inf, ran.append, "never") for _ in range(300)]:
                never.cancel()
            gc.collect()
            gc.disable()
            Garbage()
            gc.set_threshold(threshold)
            gc.enable()
            loop.run_until_complete(asyncio.sleep(0.001))
            gc.set_threshold(*old)
        gc.collect()
        loop.run_until_complete(asyncio.sleep(0.001))
        assert ran == ["late"] * 19
    finally:
        gc.set_threshold(*old)
        loop.close()


def test_asyncio_keeps_its_alarm_though_time_passes_meanwhile() -> None:
    from bench.clients.eventloop import EventLoop

    loop: Any = EventLoop()
    now = [0.0]
    ran: list[int] = []

    def later() -> float:
        now[0] += 0.001
        return now[0]

    loop.time = later
    try:
        for number in range(300):
            loop.call_at(number * 0.0017, ran.append, number)
        loop.call_at(0.515, loop.stop)
        loop.run_forever()
        assert ran == list(range(300))
    finally:
        loop.close()


def test_asyncio_wakes_for_what_is_set_while_the_alarm_is_set() -> None:
    from bench.clients.eventloop import EventLoop
    from timers import MultiNotifier

    class Meddled(MultiNotifier[Any, float]):
        """As a finaliser would, that comes at the worst moment."""

        left = 3

        def next_at(self) -> Any:
            at = super().next_at()
            if self.left:
                self.left -= 1
                loop.call_at(loop.time() + 0.001 * self.left, ran.append, self.left)
            return at

    loop: Any = EventLoop()
    ran: list[int] = []
    loop._pending = Meddled()
    try:
        loop.call_at(loop.time() + 0.1, loop.stop)
        loop.call_soon(ran.append, -1)  # so that it waits only after what is set there
        loop.run_forever()
        assert sorted(ran) == [-1, 0, 1, 2]
    finally:
        loop.close()


@pytest.mark.parametrize("late, early", [(2**53 + 1, 2**53), (Decimal("0.1"),) * 2, (Fraction(1, 10),) * 2])
def test_what_no_float_is_exactly(late: Any, early: Any) -> None:
    if sys.version_info < (3, 10):
        pytest.skip("an event has no sequence number in CPython 3.9")
    simpy = pytest.importorskip("simpy")
    from bench.clients.events import Scheduler
    from bench.clients.simulation import WheelEnvironment

    ran: list[Any] = []
    clock: list[Any] = [early * 0]
    scheduler = Scheduler(lambda: clock[0], lambda delay: clock.append(clock.pop() + delay))
    scheduler.enterabs(late, 2, ran.append, ("second",))
    scheduler.run(blocking=False)
    scheduler.enterabs(early, 1, ran.append, ("first",))
    scheduler.run()
    assert ran == ["first", "second"] and clock == [late]

    ran = []
    environment = WheelEnvironment(early * 0)
    environment.timeout(late).callbacks.append(lambda _: ran.append(environment.now))
    assert environment.peek() == late
    event = simpy.events.Event(environment)
    event._ok, event._value = True, None
    event.callbacks.append(lambda _: ran.append(environment.now))
    environment.schedule(event, simpy.events.URGENT, early)
    environment.run()
    assert ran == [early, late]


def test_trio_knows_a_deadline_that_is_no_float() -> None:
    trio = pytest.importorskip("trio")
    from trio.testing import MockClock

    from bench.clients.deadlines import WithWheel

    async def main() -> None:
        for deadline in (Fraction(10, 3), 2**53 + 1):
            with trio.CancelScope(deadline=deadline) as scope:
                await trio.sleep_forever()
            assert scope.cancelled_caught

    trio.run(main, clock=MockClock(autojump_threshold=0), instruments=[WithWheel()])


def test_trio_sweeps_deadlines_that_were_dropped() -> None:
    pytest.importorskip("trio")
    from bench.clients.deadlines import Deadlines

    class Scope:
        _registered_deadline = inf

        def move(self, deadline: float) -> None:
            if self._registered_deadline != inf:
                deadlines.remove(self._registered_deadline, self)
            self._registered_deadline = deadline
            if deadline != inf:
                deadlines.add(deadline, self)

        def _cancel(self, reason: Any) -> None:
            ran.append(self)
            self.move(inf)

    deadlines = Deadlines()
    ran: list[Scope] = []
    scopes = [Scope() for _ in range(3)]
    for _ in range(2000):
        # Each moves between the same two, and ends up at the later one.
        for scope in scopes:
            scope.move(1)
        for scope in scopes:
            scope.move(2)
    assert len(deadlines._timers) == 12_000
    assert not deadlines.expire(0) and len(deadlines._timers) == 3
    scopes[0].move(3)
    scopes[1].move(1)
    scopes[1].move(inf)
    assert deadlines.next_deadline() == 2
    assert deadlines.expire(2) and ran == scopes[2:]
    assert deadlines.next_deadline() == 3
    assert deadlines.expire(3) and ran == [scopes[2], scopes[0]]
    assert deadlines.next_deadline() == inf and not deadlines._active


def test_trio_moves_a_deadline_while_another_expires() -> None:
    trio = pytest.importorskip("trio")
    from trio.testing import MockClock

    from bench.clients.deadlines import WithWheel

    scopes = [trio.CancelScope(deadline=1) for _ in range(2)]

    async def wait(mine: Any, other: Any) -> None:
        def abort(_: Any) -> Any:
            other.deadline = inf
            return trio.lowlevel.Abort.SUCCEEDED

        with mine:
            await trio.lowlevel.wait_task_rescheduled(abort)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, *scopes)
            nursery.start_soon(wait, *scopes[::-1])
            await trio.sleep(2)
            nursery.cancel_scope.cancel()
        assert [scope.cancelled_caught for scope in scopes].count(True) == 1

    trio.run(main, clock=MockClock(autojump_threshold=0), instruments=[WithWheel()])


def test_simpy_goes_by_priority_and_keeps_whole_numbers() -> None:
    simpy = pytest.importorskip("simpy")
    from bench.clients.simulation import WheelEnvironment

    ran: list[Any] = []

    def process(env: Any) -> Any:
        yield env.timeout(2**60 + 1)  # no float is so exact
        ran.append(env.now)
        env.timeout(1).callbacks.append(lambda _: ran.append("normal"))
        urgent = env.event()
        urgent._ok, urgent._value = True, None
        urgent.callbacks.append(lambda _: ran.append("urgent"))
        env.schedule(urgent, simpy.events.URGENT, 1)

    env = WheelEnvironment()
    env.process(process(env))
    env.run()
    assert ran == [2**60 + 1, "urgent", "normal"] and isinstance(env.now, int)


@pytest.mark.parametrize("name", ["sched", "trio"])
def test_their_own_tests(name: str) -> None:
    if name == "sched" and (sys.version_info < (3, 10) or not find_spec("test.test_sched")):
        pytest.skip("CPython 3.10 or newer, with its tests")
    pytest.importorskip(name)
    done = subprocess.run([sys.executable, "-m", "bench.clients", name], capture_output=True, text=True)
    assert not done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
