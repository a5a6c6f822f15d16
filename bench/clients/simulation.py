"""simpy's `Environment` with a heap for what happens now, and only for that."""

from __future__ import annotations

from heapq import heappush
from typing import Any

from simpy import Environment
from simpy.core import SimTime
from simpy.events import NORMAL, Event, EventPriority

from timers import MultiNotifier


class WheelEnvironment(Environment):
    """The tokens are simpy's own entries, `(time, priority, number, event)`; it cancels none, so none needs a handle.

    Most events of a simulation happen at once, and urgent ones go first: these stay with the heap, and so does what
    shares the time of the next event.
    """

    def __init__(self, initial_time: SimTime = 0) -> None:
        super().__init__(initial_time)
        for name in ("process", "timeout", "event", "all_of", "any_of"):
            setattr(self, name, getattr(self, name))  # bound once, as Environment does for itself but for no subclass
        self._timers: MultiNotifier[Any, float] = MultiNotifier()

    def schedule(self, event: Event, priority: EventPriority = NORMAL, delay: SimTime = 0) -> None:
        at = self._now + delay
        entry = at, priority, next(self._eid), event
        if delay:
            self._timers.notify_at(float(at), entry)
        else:
            heappush(self._queue, entry)

    def _gather(self) -> None:
        """Bring the soonest event to the top of the heap."""
        queue, timers = self._queue, self._timers
        at = timers.next_at()
        # One at a time: an interrupt in between loses no more than with the heap.
        while at is not None and (not queue or at <= float(queue[0][0])):
            for entry in timers.due(at, 1):
                heappush(queue, entry)
            at = timers.next_at()

    def peek(self) -> SimTime:
        self._gather()
        return super().peek()

    def step(self) -> None:
        self._gather()
        Environment.step(self)
