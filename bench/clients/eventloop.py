"""An asyncio event loop without its heap."""

from __future__ import annotations

import asyncio
from typing import Any, Callable

from timers import MultiNotifier


class Timer(asyncio.TimerHandle):
    """A handle that equals only itself; two of asyncio's are equal where time, callback and arguments are.

    So the cancelling of one that has fired cannot hit another, and one of many that share a time is found by its hash.
    """

    __slots__ = ()
    __hash__ = object.__hash__
    __eq__, __ne__ = object.__eq__, object.__ne__
    __lt__, __le__, __gt__, __ge__ = object.__lt__, object.__le__, object.__gt__, object.__ge__  # type: ignore[operator]


# No stub knows the methods and attributes with an underscore.
BaseEventLoop: Any = asyncio.BaseEventLoop


class Timers(BaseEventLoop):  # type: ignore[misc]
    """Goes before any event loop of asyncio's. Timers of one time are called in the order in which they were set.

    The loop's own heap stays empty, but for one handle while the loop waits: it says until when.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._pending: MultiNotifier[Timer, float] = MultiNotifier()
        self._alarm: Any = asyncio.TimerHandle(0, lambda: None, (), self)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        timer = super().call_at(when, callback, *args, context=context)
        self._scheduled.pop()
        if timer._source_traceback:
            del timer._source_traceback[-1]
        timer.__class__ = Timer
        self._pending.notify_at(float(when), timer)
        return timer

    def _timer_handle_cancelled(self, timer: Any) -> None:
        self._pending.cancel(float(timer.when()), timer)

    def _run_once(self) -> None:
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
