"""An asyncio event loop without its heap."""

from __future__ import annotations

import asyncio
from copy import copy
from math import inf
from typing import Any, Callable

from timers import MultiNotifier

# No stub knows the methods and attributes with an underscore.
BaseEventLoop: Any = asyncio.BaseEventLoop
# So many cancelled timers may always be pending.
FEW = 100


class Timers(BaseEventLoop):  # type: ignore[misc]
    """Goes before any event loop that leaves `call_at` to asyncio. Timers of one time are called as they were set.

    Two handles of asyncio's are equal where time, callback and arguments are, which does no harm: as in asyncio's own
    heap, one that is cancelled is only marked, and stays until its time, when the loop passes it over, or until half of
    what is pending may be cancelled. It costs no search, and a wake-up at most; those that are swept are themselves
    what is looked up. A time that is NaN, or beyond what a float can hold, is refused.

    In the loop's own heap is one handle, the alarm: until when to wait, which may be too early, but never too late.
    """

    # asyncio's own.
    _scheduled: list[Any]
    _timer_cancelled_count: int
    _closed: bool

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._pending: MultiNotifier[asyncio.TimerHandle, float] = MultiNotifier()
        self._alarm: Any = asyncio.TimerHandle(inf, self._rearm, (), self)
        self._rearm()

    def _rearm(self) -> None:
        self._scheduled[:] = [self._alarm]

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        if self._debug or self._closed or when is None:
            timer = super().call_at(when, callback, *args, context=context)
            self._rearm()
            if timer._source_traceback:
                del timer._source_traceback[-1]
        else:
            timer = asyncio.TimerHandle(when, callback, args, self, context)
            timer._scheduled = True  # type: ignore[attr-defined]
        at = float(when)
        self._pending.notify_at(at, timer)
        if at < self._alarm._when:
            self._alarm._when = at
        return timer

    def _process_events(self, events: Any) -> None:
        if events:
            super()._process_events(events)
        pending = self._pending
        # The loop counts those that have fired too, so it may sweep too early, but not too often.
        if self._timer_cancelled_count > FEW and self._timer_cancelled_count > len(pending) // 2:
            self._sweep()
        self._ready.extend(pending.due(self.time() + self._clock_resolution))
        while True:
            at = pending.next_at()
            self._alarm._when = inf if at is None else at
            if pending.next_at() is at:  # and no finaliser has set a timer meanwhile
                break

    def _sweep(self) -> None:
        self._timer_cancelled_count = 0
        # A copy is walked over: a finaliser may set another timer meanwhile.
        for when, timer in copy(self._pending):
            if timer._cancelled:
                self._pending.cancel(when, timer)

    def close(self) -> None:
        super().close()
        self._pending.clear()


class EventLoop(Timers, asyncio.SelectorEventLoop):  # type: ignore[misc]
    """`asyncio.run(main(), loop_factory=EventLoop)`, or `EventLoop().run_until_complete(main())` before Python 3.12."""
