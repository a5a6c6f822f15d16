"""`sched.scheduler` without its heap, from CPython 3.10 on."""

from __future__ import annotations

import sched
import time
from copy import copy
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Callable, Optional

from timers import MultiNotifier

Event = sched.Event
# As the class makes one, without a frame of Python.
new_event = partial(tuple.__new__, Event)
NOTHING: Any = object()
Action = Callable[..., Any]


class Scheduler(sched.scheduler):
    """Times may be any numbers that `float` takes, but NaN; a handle is the event itself.

    Priorities decide between events of one time. So those of the soonest time lie in a small heap of their own, where
    the whole event is compared. The lock is for what is on its way there; to set an event is one call of the
    notifier's, which is atomic, as `itertools.count` is under the GIL.
    """

    _lock: Any  # a threading.RLock, made by the parent

    def __init__(self, timefunc: Callable[[], Any] = time.monotonic, delayfunc: Callable[[Any], Any] = time.sleep):
        super().__init__(timefunc, delayfunc)
        self._timers: MultiNotifier[Event, float] = MultiNotifier()
        self._soonest: list[Event] = []
        self._number = count().__next__

    def enterabs(self, time: Any, priority: Any, action: Action, argument: Any = (), kwargs: Any = NOTHING) -> Event:
        event = new_event((time, priority, self._number(), action, argument, {} if kwargs is NOTHING else kwargs))
        self._timers.notify_at(float(time), event)
        return event

    def enter(self, delay: Any, priority: Any, action: Action, argument: Any = (), kwargs: Any = NOTHING) -> Event:
        return self.enterabs(self.timefunc() + delay, priority, action, argument, kwargs)

    def cancel(self, event: Event) -> None:
        with self._lock:
            if not (isinstance(event, sched.Event) and self._timers.cancel(float(event.time), event)):
                self._soonest.remove(event)  # ValueError if it is not there either
                heapify(self._soonest)

    def empty(self) -> bool:
        with self._lock:
            return not self._timers and not self._soonest

    @property
    def queue(self) -> list[Event]:
        with self._lock:
            # A copy is walked over: another thread may set an event meanwhile.
            return sorted([*self._soonest, *(event for _, event in copy(self._timers))])

    def run(self, blocking: bool = True) -> Optional[Any]:
        lock, soonest, timers = self._lock, self._soonest, self._timers
        timefunc, delayfunc = self.timefunc, self.delayfunc
        while True:
            at = timers.next_at()
            now = None if at is None else timefunc()
            if at is not None and type(now) is float and at > now and not soonest:
                wait = at - now  # nothing need be taken to see that
            else:
                with lock:
                    # One at a time: an interrupt in between loses no more than with the heap.
                    while at is not None and (not soonest or at <= float(soonest[0][0])):
                        for event in timers.due(at, 1):
                            heappush(soonest, event)
                        at = timers.next_at()
                    if not soonest:
                        if at is None:
                            return None
                        continue  # another thread took them
                    when, _, _, action, argument, kwargs = soonest[0]
                    if now is None or when > now:
                        now = timefunc()  # it may have taken long to get the lock
                    waits = when > now
                    if not waits:
                        heappop(soonest)
                if not waits:
                    action(*argument, **kwargs)
                    delayfunc(0)  # other threads may run
                    continue
                wait = when - now
            if not blocking:
                return wait
            delayfunc(wait)
