"""A timer queue that is obviously right: a list, sorted by time at every question."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Optional


class Model:
    def __init__(self) -> None:
        self.pending: list[tuple[datetime, Any]] = []

    def notify_at(self, at: datetime, token: Any) -> None:
        self.pending.append((at, token))

    def notify_many(self, ats: list[datetime], tokens: list[Any]) -> None:
        self.pending.extend(zip(ats, tokens))

    def items(self) -> list[tuple[datetime, Any]]:
        return sorted(self.pending, key=lambda timer: timer[0])

    def next_at(self) -> Optional[datetime]:
        return min((at for at, _ in self.pending), default=None)

    def due_items(self, now: datetime, limit: Optional[int] = None) -> list[tuple[datetime, Any]]:
        # Sorting the list itself is stable, and so keeps the order of insertion.
        self.pending = self.items()
        due = [timer for timer in self.pending if timer[0] <= now][:limit]
        del self.pending[: len(due)]
        return due

    def due(self, now: datetime, limit: Optional[int] = None) -> list[Any]:
        return [token for _, token in self.due_items(now, limit)]

    def cancel(self, at: datetime, token: Any) -> bool:
        if (at, token) not in self.pending:
            return False
        self.pending.remove((at, token))
        return True

    def reschedule(self, at: datetime, token: Any, new_at: datetime) -> bool:
        if not self.cancel(at, token):
            return False
        self.notify_at(new_at, token)
        return True
