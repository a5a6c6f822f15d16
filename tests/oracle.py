"""The answers of `tests/model.py`, fast enough for a billion questions: integers in a list that stays sorted."""

from __future__ import annotations

import copy
from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Any

# A key is the instant above, and the number of the insertion below.
NUMBER_BITS = 40


class Oracle:
    """Speaks integers in the order of time where the notifier speaks datetimes or numbers."""

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.tokens: dict[int, Any] = {}
        self.number = 0
        # Of time: of the pending timers, or of the last that were.
        self.kind = "aware"
        # Moves with every change that an iterator must notice.
        self.changes = 0

    def notify_at(self, instant: int, token: Any) -> None:
        key = (instant << NUMBER_BITS) + self.number
        self.number += 1
        self.changes += 1
        insort(self.keys, key)
        self.tokens[key] = token

    def notify_many(self, instants: Iterable[int], tokens: Iterable[Any]) -> None:
        for instant, token in zip(instants, tokens):
            self.notify_at(instant, token)

    def items(self) -> list[tuple[int, Any]]:
        return [(key >> NUMBER_BITS, self.tokens[key]) for key in self.keys]

    def next_at(self) -> int | None:
        return self.keys[0] >> NUMBER_BITS if self.keys else None

    def _take(self, now: int, limit: int | None) -> list[int]:
        end = bisect_left(self.keys, (now + 1) << NUMBER_BITS)
        taken = self.keys[: end if limit is None else min(end, limit)]
        if taken:
            del self.keys[: len(taken)]
            self.changes += 1
        return taken

    def due_items(self, now: int, limit: int | None = None) -> list[tuple[int, Any]]:
        return [(key >> NUMBER_BITS, self.tokens.pop(key)) for key in self._take(now, limit)]

    def due(self, now: int, limit: int | None = None) -> list[Any]:
        return [self.tokens.pop(key) for key in self._take(now, limit)]

    def _find(self, instant: int, token: Any) -> int | None:
        """The earliest whose token is the given one, or else the earliest whose token equals it."""
        place, equal = bisect_left(self.keys, instant << NUMBER_BITS), None
        while place < len(self.keys) and self.keys[place] >> NUMBER_BITS == instant:
            held = self.tokens[self.keys[place]]
            if held is token:
                return place
            if equal is None and held == token:
                equal = place
            place += 1
        return equal

    def contains(self, instant: int, token: Any) -> bool:
        return self._find(instant, token) is not None

    def _remove(self, instant: int, token: Any) -> list[Any]:
        place = self._find(instant, token)
        if place is None:
            return []
        self.changes += 1
        return [self.tokens.pop(self.keys.pop(place))]

    def cancel(self, instant: int, token: Any) -> bool:
        return bool(self._remove(instant, token))

    def reschedule(self, instant: int, token: Any, new_instant: int) -> bool:
        held = self._remove(instant, token)
        for token in held:
            self.notify_at(new_instant, token)
        return bool(held)

    def clear(self) -> None:
        self.changes += bool(self.keys)
        self.keys = []
        self.tokens = {}

    def __len__(self) -> int:
        return len(self.keys)

    def twin(self, deep: bool) -> Oracle:
        twin = Oracle()
        twin.keys = self.keys[:]
        twin.tokens = copy.deepcopy(self.tokens) if deep else self.tokens.copy()
        twin.number, twin.kind = self.number, self.kind
        return twin
