"""One shard of `timers.operators` without an engine: its keys are armed, and events move their timers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Optional

from timers import operators
from timers.operators import StatefulBatchLogic


class Moved(StatefulBatchLogic[datetime, None, Optional[datetime]]):
    """Wants to be notified at the last value."""

    at: Optional[datetime] = None

    def on_batch(self, values: list[datetime]) -> tuple[list[None], bool]:
        self.at = values[-1]
        return [], False

    def on_notify(self) -> tuple[list[None], bool]:
        return [], True

    def notify_at(self) -> Optional[datetime]:
        return self.at

    def snapshot(self) -> Optional[datetime]:
        return self.at


def armed(ats: dict[str, datetime]) -> Any:
    shard: Any = operators.Shard("step", 1, lambda state: Moved(), None)
    shard.on_batch(list(ats.items()))
    shard.notify_at()
    return shard


def events(shard: Any, moves: list[tuple[str, datetime]]) -> Optional[datetime]:
    """An activation for each; answers when the shard wants to be notified in the end."""
    at = None
    for move in moves:
        shard.on_batch([move])
        at = shard.notify_at()
    return at
