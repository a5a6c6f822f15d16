"""What nested calls ought to answer: pairs in plain lists; the same calls on a `MultiNotifier`, or on `Deadlines`."""

from __future__ import annotations

import copy
import functools
import pickle
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from operator import itemgetter
from typing import Any, Callable, Union

from tests.clocks import TODAY, UTC
from timers import Deadlines

MICROSECOND = timedelta(microseconds=1)
BEFORE = datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))
AFTER = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))
NOBODY = "nobody"
MISSING = "no such key"

Pair = tuple[int, Any]
# Times are numbers here: of microseconds from TODAY where the notifier has datetimes, and two beyond the calendar.
FAR = 10**18


class Calendar:
    """Times as datetimes, of a zone."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self.zone, self.hooks = zone, zone is not UTC

    def moment(self, number: int) -> datetime:
        if abs(number) == FAR:
            return AFTER if number > 0 else BEFORE
        at = TODAY + number * MICROSECOND
        return at.replace(tzinfo=self.zone) if self.hooks else at

    def number(self, at: datetime | None) -> int | None:
        return None if at is None else number_of(at)


@functools.lru_cache(maxsize=10_000)
def number_of(at: datetime) -> int:
    return FAR if at == AFTER else -FAR if at == BEFORE else (at - TODAY) // MICROSECOND


class Count:
    """Times as `int` or `float`, which equal the numbers that they are made of."""

    def __init__(self, kind: type, hooks: bool = False) -> None:
        self.moment, self.hooks = kind, hooks

    @staticmethod
    def number(at: Any) -> Any:
        return at


Clock = Union[Calendar, Count]


class Plain:
    """What the answers ought to be: pairs in a list, in the order of insertion."""

    def __init__(self, pairs: list[Pair]) -> None:
        self.pairs = pairs

    def items(self) -> list[Pair]:
        return sorted(self.pairs, key=itemgetter(0))

    def apply(self, name: str, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        return getattr(self, name)(at, token, limit, more)

    def notify_at(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        self.pairs.append((at, more[0][1]))

    def notify_many(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        self.pairs += more

    def due(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        return [token for _, token in self.due_items(at, token, limit, more)]

    def due_items(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> list[Pair]:
        taken = [pair for pair in self.items() if pair[0] <= at][:limit]
        left = {id(pair) for pair in taken}
        self.pairs = [pair for pair in self.pairs if id(pair) not in left]
        return taken

    def find(self, at: int, token: Any) -> int | None:
        for place, pair in enumerate(self.pairs):
            if pair[0] == at and pair[1] == token:
                return place
        return None

    def contains(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        return self.find(at, token) is not None

    def cancel(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        place = self.find(at, token)
        if place is not None:
            del self.pairs[place]
        return place is not None

    def reschedule(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        place = self.find(at, token)
        if place is not None:
            self.pairs.append((more[0][0], self.pairs.pop(place)[1]))
        return place is not None

    def next_at(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        return min((at for at, _ in self.pairs), default=None)

    def clear(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        self.pairs = []

    def renew(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        self.pairs = list(more)

    def read(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        return self.items()

    iterate = copy = deepcopy = freeze = thaw = read

    def size(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        return None

    check = size

    def text(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        return str(len(self.pairs)) if self.pairs else "no"


class PlainKeys(Plain):
    """What `Deadlines` ought to answer: a key that is set again is another pair, at the end."""

    def put(self, at: int, key: Any) -> None:
        place = self.place_of(key)
        self.pairs.append((at, key if place is None else self.pairs.pop(place)[1]))

    def place_of(self, key: Any) -> int | None:
        keys = [pair[1] for pair in self.pairs]
        return keys.index(key) if key in keys else None

    def set(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        self.put(more[0][0], token)

    def add(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        self.put(at, more[0][1])

    def update(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        for at, key in more:
            self.put(at, key)

    def pop(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        place = self.place_of(token)
        return MISSING if place is None else self.pairs.pop(place)[0]

    def delete(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        return MISSING if self.pop(at, token, limit, more) == MISSING else None

    def get(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        place = self.place_of(token)
        return None if place is None else self.pairs[place][0]

    def contains(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        return self.place_of(token) is not None

    def setdefault(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        if self.place_of(token) is None:
            self.put(more[0][0], token)
        return self.get(at, token, limit, more)

    def popitem(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        return (self.due_items(FAR, token, 1, more) or [MISSING])[0]  # type: ignore[list-item]

    def peekitem(self, at: int, token: Any, limit: int | None, more: list[Pair]) -> Any:
        return (self.items() or [MISSING])[0]  # type: ignore[list-item]


class Tag:
    """A token that is compared, hashed, copied, pickled and let go by code of its own, which runs the hook."""

    hook: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        Tag.hook()
        return isinstance(other, Tag) and other.number == self.number

    def __hash__(self) -> int:
        Tag.hook()
        # Many have the same.
        return self.number % 50

    def __deepcopy__(self, memo: Any) -> Tag:
        Tag.hook()
        return Tag(self.number)

    def __reduce__(self) -> Any:
        Tag.hook()
        return Tag, (self.number,)

    def __del__(self) -> None:
        Tag.hook()


class Zone(tzinfo):
    def utcoffset(self, at: Any) -> timedelta:
        Tag.hook()
        return timedelta()

    def dst(self, at: Any) -> None:
        return None

    def tzname(self, at: Any) -> None:
        return None


class Index:
    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        Tag.hook()
        return self.value


def iterate(values: list[Any]) -> Iterator[Any]:
    for value in values:
        Tag.hook()
        yield value


def pairs_of(items: Any, clock: Clock) -> list[Pair]:
    return list(items) if isinstance(clock, Count) else [(clock.number(at), token) for at, token in items]  # type: ignore[misc]


def frozen(n: Any) -> Any:
    twin = type(n)()
    twin.__setstate__(n.__reduce_ex__(2)[2])
    return twin


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "freeze": frozen,
    "thaw": lambda n: pickle.loads(pickle.dumps(n)),
}


def call(n: Any, name: str, at: int, token: Any, limit: int | None, more: list[Pair], clock: Clock) -> Any:
    """The same on a notifier; a clock that `hooks` does so where arguments are read."""
    when, moment = clock.moment(at), clock.moment
    count: Union[int, Index, None] = Index(limit) if clock.hooks and limit is not None else limit
    if name == "notify_at":
        return n.notify_at(when, more[0][1])
    if name == "notify_many":
        ats, tokens = [moment(at) for at, _ in more], [token for _, token in more]
        return n.notify_many(iterate(ats), iterate(tokens)) if clock.hooks else n.notify_many(ats, tokens)
    if name == "due":
        return n.due(when, count)
    if name == "due_items":
        return pairs_of(n.due_items(when, count), clock)
    if name == "contains":
        return (when, token) in n
    if name == "cancel":
        return n.cancel(when, token)
    if name == "reschedule":
        return n.reschedule(when, token, moment(more[0][0]))
    if name == "next_at":
        return clock.number(n.next_at())
    if name == "clear":
        return n.clear()
    if name == "renew":
        return n.__init__([(moment(at), token) for at, token in more])
    if name == "iterate":
        return pairs_of(n, clock)
    if name in COPIES:
        twin = COPIES[name](n)
        twin._check()
        return pairs_of(twin, clock)
    if name == "size":
        assert sys.getsizeof(n) > 0
        return None
    if name == "check":
        return n._check()
    assert name == "text"
    return repr(n).split()[1]


def call_keys(
    d: Deadlines[Any, Any], name: str, at: int, token: Any, limit: int | None, more: list[Pair], clock: Clock
) -> Any:
    """The same on `Deadlines`, which answer each pair the other way round."""
    when, moment = clock.moment(at), clock.moment
    count: Union[int, Index, None] = Index(limit) if clock.hooks and limit is not None else limit
    try:
        if name == "set":
            d[token] = moment(more[0][0])
            return None
        if name == "add":
            d[more[0][1]] = when
            return None
        if name == "update":
            pairs = [(token, moment(at)) for at, token in more]
            return d.update(iterate(pairs) if clock.hooks else pairs)
        if name == "delete":
            del d[token]
            return None
        if name == "pop":
            return clock.number(d.pop(token))
        if name == "get":
            return clock.number(d.get(token))
        if name == "contains":
            return token in d
        if name == "setdefault":
            return clock.number(d.setdefault(token, moment(more[0][0])))
        if name == "popitem":
            return turned([d.popitem()], clock)[0]
        if name == "peekitem":
            return turned([d.peekitem()], clock)[0]
        if name == "due_items":
            return turned(d.due_items(when, count), clock)
    except KeyError:
        return MISSING
    if name == "iterate":
        return turned(d.items(), clock)
    if name in COPIES:
        twin = COPIES[name](d)
        twin._check()
        return turned(twin.items(), clock)
    if name == "renew":
        return d.__init__([(token, moment(at)) for at, token in more])  # type: ignore[misc]
    return call(d, name, at, token, limit, more, clock)


def turned(items: Any, clock: Clock) -> list[Pair]:
    return pairs_of([(at, key) for key, at in items], clock)
