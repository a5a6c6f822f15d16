"""Every queue behind the three methods of `MultiNotifier`, each as well written as its idea allows."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta, timezone
from heapq import heappop, heappush
from operator import itemgetter
from typing import Any, Callable, Protocol

from sortedcontainers import SortedKeyList

from timers import MultiNotifier

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
MILLISECOND = timedelta(milliseconds=1)
soonest = itemgetter(0)


class Queue(Protocol):
    def notify_at(self, at: datetime, token: Any) -> None: ...
    def next_at(self) -> datetime | None: ...
    def due(self, now: datetime) -> list[Any]: ...


class Heap:
    """`heapq` of (at, sequence number, token)."""

    __slots__ = ("heap", "sequence")

    def __init__(self) -> None:
        self.heap: list[tuple[datetime, int, Any]] = []
        self.sequence = 0

    def notify_at(self, at: datetime, token: Any) -> None:
        self.sequence = sequence = self.sequence + 1
        heappush(self.heap, (at, sequence, token))

    def next_at(self) -> datetime | None:
        return self.heap[0][0] if self.heap else None

    def due(self, now: datetime) -> list[Any]:
        heap, tokens = self.heap, []
        while heap and heap[0][0] <= now:
            tokens.append(heappop(heap)[2])
        return tokens


class IntegerHeap:
    """`heapq` of (microsecond, sequence number, token): dear to insert, cheap to compare."""

    __slots__ = ("heap", "sequence")

    def __init__(self) -> None:
        self.heap: list[tuple[int, int, Any]] = []
        self.sequence = 0

    def notify_at(self, at: datetime, token: Any) -> None:
        self.sequence = sequence = self.sequence + 1
        heappush(self.heap, ((at - EPOCH) // MICROSECOND, sequence, token))

    def next_at(self) -> datetime | None:
        return EPOCH + timedelta(microseconds=self.heap[0][0]) if self.heap else None

    def due(self, now: datetime) -> list[Any]:
        heap, tokens, last = self.heap, [], (now - EPOCH) // MICROSECOND
        while heap and heap[0][0] <= last:
            tokens.append(heappop(heap)[2])
        return tokens


class ResortedList:
    """A list sorted at each insert and cut at each query."""

    __slots__ = ("pending",)

    def __init__(self) -> None:
        self.pending: list[tuple[datetime, Any]] = []

    def notify_at(self, at: datetime, token: Any) -> None:
        self.pending.append((at, token))
        self.pending.sort(key=soonest)

    def next_at(self) -> datetime | None:
        return self.pending[0][0] if self.pending else None

    def due(self, now: datetime) -> list[Any]:
        end = 0
        for at, _ in self.pending:
            if at > now:
                break
            end += 1
        tokens = [token for _, token in self.pending[:end]]
        del self.pending[:end]
        return tokens


class SortOnQuery:
    """Appended to, and sorted, the soonest last, where a query finds it dirty."""

    __slots__ = ("dirty", "pending", "sequence")

    def __init__(self) -> None:
        self.pending: list[tuple[datetime, int, Any]] = []
        self.sequence = 0
        self.dirty = False

    def notify_at(self, at: datetime, token: Any) -> None:
        self.sequence = sequence = self.sequence + 1
        self.pending.append((at, sequence, token))
        self.dirty = True

    def clean(self) -> list[tuple[datetime, int, Any]]:
        if self.dirty:
            self.pending.sort(reverse=True)
            self.dirty = False
        return self.pending

    def next_at(self) -> datetime | None:
        pending = self.clean()
        return pending[-1][0] if pending else None

    def due(self, now: datetime) -> list[Any]:
        pending, tokens = self.clean(), []
        while pending and pending[-1][0] <= now:
            tokens.append(pending.pop()[2])
        return tokens


class Sorted:
    """`sortedcontainers.SortedKeyList`."""

    __slots__ = ("pending",)

    def __init__(self) -> None:
        self.pending = SortedKeyList(key=soonest)

    def notify_at(self, at: datetime, token: Any) -> None:
        self.pending.add((at, token))

    def next_at(self) -> datetime | None:
        return self.pending[0][0] if self.pending else None

    def due(self, now: datetime) -> list[Any]:
        if not self.pending or self.pending[0][0] > now:
            return []
        end = self.pending.bisect_key_right(now)
        tokens = [token for _, token in self.pending[:end]]
        del self.pending[:end]
        return tokens


class Buckets:
    """A dict of millisecond buckets and a heap of their ticks: the wheel's idea in plain Python."""

    __slots__ = ("buckets", "ticks")

    def __init__(self) -> None:
        self.buckets: dict[int, list[tuple[datetime, Any]]] = {}
        self.ticks: list[int] = []

    def notify_at(self, at: datetime, token: Any) -> None:
        tick = (at - EPOCH) // MILLISECOND
        bucket = self.buckets.get(tick)
        if bucket is None:
            self.buckets[tick] = [(at, token)]
            heappush(self.ticks, tick)
        else:
            bucket.append((at, token))

    def next_at(self) -> datetime | None:
        return min(self.buckets[self.ticks[0]], key=soonest)[0] if self.ticks else None

    def due(self, now: datetime) -> list[Any]:
        ticks, tokens, last = self.ticks, [], (now - EPOCH) // MILLISECOND
        while ticks and ticks[0] <= last:
            bucket = self.buckets[ticks[0]]
            bucket.sort(key=soonest)
            if ticks[0] == last and bucket[-1][0] > now:
                end = bisect_right([at for at, _ in bucket], now)
                tokens += [token for _, token in bucket[:end]]
                del bucket[:end]
                break
            tokens += [token for _, token in bucket]
            del self.buckets[heappop(ticks)]
        return tokens


class LazyHeap(Heap):
    """A heap that forgets lazily: each token has one timer, and an older entry of it is dropped when it is popped."""

    __slots__ = ("latest",)

    def __init__(self) -> None:
        super().__init__()
        self.latest: dict[Any, int] = {}

    def notify_at(self, at: datetime, token: Any) -> None:
        super().notify_at(at, token)
        self.latest[token] = self.sequence

    def reschedule(self, at: datetime, token: Any, new_at: datetime) -> bool:
        self.sequence = sequence = self.sequence + 1
        self.latest[token] = sequence
        heappush(self.heap, (new_at, sequence, token))
        return True

    def due(self, now: datetime) -> list[Any]:
        heap, latest, tokens = self.heap, self.latest, []
        while heap and heap[0][0] <= now:
            _, sequence, token = heappop(heap)
            if latest.get(token) == sequence:
                del latest[token]
                tokens.append(token)
        return tokens


# The slow ones last, for what is left of the time.
CONTENDERS: dict[str, Callable[[], Queue]] = {
    "MultiNotifier": MultiNotifier,
    "heapq": Heap,
    "sort on query": SortOnQuery,
    "dict of buckets": Buckets,
    "heapq of integers": IntegerHeap,
    "SortedKeyList": Sorted,
    "re-sorted list": ResortedList,
}
# More timers would take minutes: each insert into the re-sorted list is a pass over it, and so is each step of a churn
# through the list that is sorted on query.
MOST = {"re-sorted list": 1000}
MOST_CHURN = {"sort on query": 1000, **MOST}
# Rivals that are not here, and why.
MISSING = {
    "ratas": "a C++ wheel; not vendored, and it has whole ticks and no order within one",
    "asyncio, sched": "schedulers that call back; heapq inside",
    "wheels in Rust and Java": "no way to call them from Python costs less than what is measured",
}
