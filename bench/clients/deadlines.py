"""The deadlines of trio's cancel scopes without their heap."""

from __future__ import annotations

from math import inf
from typing import Any

import trio
from trio._core import _run

from timers import MultiNotifier


class Deadlines:
    """The methods that trio's own class has. A scope is hashed and compared by identity, so it is its own handle.

    trio does not tell the scopes of one deadline apart; here they are cancelled in the order in which they were set.
    """

    def __init__(self) -> None:
        self._timers: MultiNotifier[Any, float] = MultiNotifier()

    def add(self, deadline: float, scope: Any) -> None:
        self._timers.notify_at(float(deadline), scope)  # trio takes whole numbers too

    def remove(self, deadline: float, scope: Any) -> None:
        self._timers.cancel(float(deadline), scope)

    def next_deadline(self) -> float:
        at = self._timers.next_at()
        return inf if at is None else at

    def expire(self, now: float) -> bool:
        expired = self._timers.due_items(now)
        for deadline, scope in expired:
            # Cancelling one may move or drop the deadline of another that was taken with it.
            if scope._registered_deadline == deadline:
                scope._cancel(_run.CancelReason(source="deadline"))
        return bool(expired)


class WithWheel(trio.abc.Instrument):
    """`trio.run(main, instruments=[WithWheel()])`. No deadline can be set before an instrument hears of the run."""

    def before_run(self) -> None:
        _run.GLOBAL_RUN_CONTEXT.runner.deadlines = Deadlines()  # type: ignore[assignment]
