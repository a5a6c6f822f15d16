"""An asyncio event loop without its heap."""

from __future__ import annotations

import asyncio
from copy import copy
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

    The loop's own heap stays empty, but for one handle while the loop waits: it says until when.
    """

    # asyncio's own.
    _scheduled: list[Any]
    _timer_cancelled_count: int
    _closed: bool

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._pending: MultiNotifier[asyncio.TimerHandle, float] = MultiNotifier()
        self._alarm: Any = asyncio.TimerHandle(0, lambda: None, (), self)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        if self._debug or self._closed or when is None:
            timer = super().call_at(when, callback, *args, context=context)
            self._scheduled.pop()
            if timer._source_traceback:
                del timer._source_traceback[-1]
        else:
            timer = asyncio.TimerHandle(when, callback, args, self, context)
            timer._scheduled = True  # type: ignore[attr-defined]
        self._pending.notify_at(float(when), timer)
        return timer

    def _run_once(self) -> None:
        # The loop counts those that have fired too, so it may sweep too early, but not too often.
        cancelled = self._timer_cancelled_count
        if cancelled > FEW and cancelled > len(self._pending) // 2:
            self._timer_cancelled_count = 0
            # A copy is walked over: a finaliser may set another timer meanwhile.
            for when, timer in copy(self._pending):
                if timer._cancelled:
                    self._pending.cancel(when, timer)
        at = self._pending.next_at()
        if at is None:
            self._scheduled = []
        else:
            self._alarm._when = at
            self._scheduled = [self._alarm]
        super()._run_once()

    def _process_events(self, events: Any) -> None:
        if events:
            super()._process_events(events)
        self._scheduled = []
        self._ready.extend(self._pending.due(self.time() + self._clock_resolution))

    def close(self) -> None:
        super().close()
        self._pending.clear()


class EventLoop(Timers, asyncio.SelectorEventLoop):  # type: ignore[misc]
    """`asyncio.run(main(), loop_factory=EventLoop)`, or `EventLoop().run_until_complete(main())` before Python 3.12."""
