"""Every timer queue behind the three methods of `MultiNotifier`."""

from __future__ import annotations

import heapq
from datetime import datetime
from typing import Any, Callable

from sortedcontainers import SortedKeyList

from timers import MultiNotifier


class Heap:
    """`heapq` of (at, sequence number, token)."""

    def __init__(self) -> None:
        self.heap: list[Any] = []
        self.sequence = 0

    def key(self, at: datetime) -> Any:
        return at

    def notify_at(self, at: datetime, token: Any) -> None:
        self.sequence += 1
        heapq.heappush(self.heap, (self.key(at), self.sequence, token))

    def due(self, now: datetime) -> list[Any]:
        heap, key, tokens = self.heap, self.key(now), []
        while heap and heap[0][0] <= key:
            tokens.append(heapq.heappop(heap)[2])
        return tokens


class IntegerHeap(Heap):
    """`heapq` with microseconds for times."""

    def key(self, at: datetime) -> Any:
        return (at.toordinal() * 86400 + at.hour * 3600 + at.minute * 60 + at.second) * 1_000_000 + at.microsecond


class ResortedList:
    """A list sorted at each insert and copied at each query."""

    def __init__(self) -> None:
        self.pending: list[Any] = []

    def notify_at(self, at: datetime, token: Any) -> None:
        self.pending.append((at, token))
        self.pending.sort(key=lambda timer: timer[0])

    def due(self, now: datetime) -> list[Any]:
        tokens = [token for at, token in self.pending if at <= now]
        self.pending = [timer for timer in self.pending if timer[0] > now]
        return tokens


class SortOnQuery:
    """Appended to, latest first, and sorted only where a query finds it dirty."""

    def __init__(self) -> None:
        self.pending: list[Any] = []
        self.sequence = 0
        self.dirty = False

    def notify_at(self, at: datetime, token: Any) -> None:
        self.sequence -= 1
        self.pending.append((at, self.sequence, token))
        self.dirty = True

    def due(self, now: datetime) -> list[Any]:
        if self.dirty:
            self.pending.sort(reverse=True)
            self.dirty = False
        pending, tokens = self.pending, []
        while pending and pending[-1][0] <= now:
            tokens.append(pending.pop()[2])
        return tokens


class Sorted:
    """`sortedcontainers.SortedKeyList`."""

    def __init__(self) -> None:
        self.pending = SortedKeyList(key=lambda timer: timer[0])

    def notify_at(self, at: datetime, token: Any) -> None:
        self.pending.add((at, token))

    def due(self, now: datetime) -> list[Any]:
        end = self.pending.bisect_key_right(now)
        tokens = [token for _, token in self.pending[:end]]
        del self.pending[:end]
        return tokens


CONTENDERS: dict[str, Callable[[], Any]] = {
    "MultiNotifier": MultiNotifier,
    "heapq": Heap,
    "heapq of integers": IntegerHeap,
    "sort on query": SortOnQuery,
    "SortedKeyList": Sorted,
    "re-sorted list": ResortedList,
}
# The re-sorted list costs O(n) an insert: more timers would take minutes.
MOST = {"re-sorted list": 3_000}
