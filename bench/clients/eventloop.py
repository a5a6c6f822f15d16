"""An asyncio event loop without its heap."""

from __future__ import annotations

import asyncio
from typing import Any, Callable

from timers import MultiNotifier

# No stub knows the methods and attributes with an underscore.
BaseEventLoop: Any = asyncio.BaseEventLoop
# So many cancelled timers may always be pending.
FEW = 100


class Timers(BaseEventLoop):  # type: ignore[misc]
    """Goes before any event loop of asyncio's. Timers of one time are called in the order in which they were set.

    Nothing is looked up, so it does no harm that two handles of asyncio's are equal where time, callback and arguments
    are. As in asyncio's own heap, a handle that is cancelled is only marked, and stays until its time, when the loop
    passes it over, or until half of what is pending may be cancelled: it costs no search, and a wake-up at most.

    The loop's own heap stays empty, but for one handle while the loop waits: it says until when.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._timer_cancelled_count: int  # which asyncio keeps
        self._pending: MultiNotifier[asyncio.TimerHandle, float] = MultiNotifier()
        self._alarm: Any = asyncio.TimerHandle(0, lambda: None, (), self)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        timer = super().call_at(when, callback, *args, context=context)
        self._scheduled.pop()
        if timer._source_traceback:
            del timer._source_traceback[-1]
        self._pending.notify_at(float(when), timer)
        return timer

    def _run_once(self) -> None:
        # The loop counts those that have fired too: what is swept once too often is at most twice what was cancelled.
        if self._timer_cancelled_count > max(FEW, len(self._pending) // 2):
            self._timer_cancelled_count = 0
            self._pending = MultiNotifier((at, timer) for at, timer in self._pending if not timer.cancelled())
        at = self._pending.next_at()
        if at is None:
            self._scheduled = []
        else:
            self._alarm._when = at
            self._scheduled = [self._alarm]
        super()._run_once()

    def _process_events(self, events: Any) -> None:
        super()._process_events(events)
        self._scheduled = []
        self._ready.extend(self._pending.due(self.time() + self._clock_resolution))

    def close(self) -> None:
        super().close()
        self._pending.clear()


class EventLoop(Timers, asyncio.SelectorEventLoop):  # type: ignore[misc]
    """`asyncio.run(main(), loop_factory=EventLoop)`, or `EventLoop().run_until_complete(main())` before Python 3.12."""
