"""The deadlines of trio's cancel scopes without their heap."""

from __future__ import annotations

from copy import copy
from math import inf
from typing import Any

import trio
from trio._core import _run

from timers import MultiNotifier

# So many dropped deadlines may always be pending.
FEW = 1000
# trio reads it, and no more.
REASON = _run.CancelReason(source="deadline")


def counts(deadline: float, scope: Any) -> bool:
    # trio takes whole numbers and fractions too.
    return float(scope._registered_deadline) == deadline


class Deadlines:
    """The methods that trio's own class has, and as there, what a scope drops or moves stays until it is passed over.

    It is told by the scope, which knows the deadline that counts. A scope is compared by identity, and its own handle.
    trio does not tell the scopes of one deadline apart; here they are cancelled in the order in which they were set.
    """

    def __init__(self) -> None:
        self._timers: MultiNotifier[Any, float] = MultiNotifier()
        self._active = 0

    def add(self, deadline: float, scope: Any) -> None:
        self._timers.notify_at(float(deadline), scope)
        self._active += 1

    def remove(self, deadline: float, scope: Any) -> None:
        self._active -= 1

    def next_deadline(self) -> float:
        while len(self._timers) > self._active:
            # Some were dropped, maybe the soonest.
            deadline, scope = next(iter(self._timers))
            if counts(deadline, scope):
                return deadline
            self._timers.cancel(deadline, scope)
        at = self._timers.next_at()
        return inf if at is None else at

    def expire(self, now: float) -> bool:
        expired = False
        for scope in self._timers.due(now):
            # It may have been dropped or put off, even by another that is cancelled here.
            if float(scope._registered_deadline) <= now:
                expired = True
                scope._cancel(REASON)
        if len(self._timers) > FEW + 2 * self._active:
            self._sweep()
        return expired

    def _sweep(self) -> None:
        seen = set()
        # A copy is walked over: a finaliser may set another deadline meanwhile.
        for deadline, scope in copy(self._timers):
            # One that was dropped and set again is there twice.
            if scope in seen or not counts(deadline, scope):
                self._timers.cancel(deadline, scope)
            else:
                seen.add(scope)


class WithWheel(trio.abc.Instrument):
    """`trio.run(main, instruments=[WithWheel()])`. No deadline can be set before an instrument hears of the run."""

    def before_run(self) -> None:
        _run.GLOBAL_RUN_CONTEXT.runner.deadlines = Deadlines()  # type: ignore[assignment]
