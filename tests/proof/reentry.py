"""Foreign code that runs inside a call and uses the same notifier: from every hook, into every method.

Whatever happens, the invariants hold, nothing is given twice, and what was neither given nor removed is still pending.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import itertools
import pickle
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from typing import Any, Callable

from tests.clocks import TODAY, UTC
from tests.model import LAST
from timers import MultiNotifier

SIZES = (1, 3, 70, 700)
AT = TODAY
Act = Callable[[], Any]


def nothing() -> None:
    pass


class Token:
    """Has a number; runs `act` where a subclass says."""

    def __init__(self, number: int, act: Act = nothing) -> None:
        self.number, self.act = number, act


class Dying(Token):
    def __del__(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.act()


class Comparing(Token):
    def __eq__(self, other: object) -> bool:
        return bool(self.act())

    __hash__ = None  # type: ignore[assignment]


class Copying(Token):
    def __deepcopy__(self, memo: Any) -> Any:
        self.act()
        return Token(self.number)


class Pickling(Token):
    def __reduce__(self) -> Any:
        self.act()
        return Token, (self.number,)


class Zone(tzinfo):
    def __init__(self, act: Act) -> None:
        self.act = act

    def utcoffset(self, at: Any) -> timedelta:
        self.act()
        return timedelta(0)

    def dst(self, at: Any) -> None:
        return None

    def tzname(self, at: Any) -> None:
        return None


class Fine(datetime):
    """Asked for its nanoseconds, as a `pandas.Timestamp` is."""

    act: Act

    @property
    def nanosecond(self) -> int:
        self.act()
        return 0


class Index:
    def __init__(self, act: Act) -> None:
        self.act = act

    def __index__(self) -> int:
        self.act()
        return 2


class Ledger:
    """What was put in, given out and removed, by the numbers of the tokens."""

    def __init__(self, notifier: MultiNotifier[Any]) -> None:
        self.notifier = notifier
        self.numbers = itertools.count()
        self.inserted: set[int] = set()
        self.given: list[int] = []
        self.removed = 0
        # After `clear` anything may be gone.
        self.wiped = False
        self.iterator: Iterator[Any] | None = None

    def token(self, kind: type[Token] = Token, act: Act = nothing) -> Token:
        token = kind(next(self.numbers), act)
        self.inserted.add(token.number)
        return token

    def give(self, tokens: Any) -> None:
        self.given += [token.number for token in tokens]

    def cancel(self, at: datetime, token: Any) -> None:
        # In two steps: the call may come back to this ledger.
        gone = self.notifier.cancel(at, token)
        self.removed += gone

    def verify(self) -> None:
        n = self.notifier
        n._check()
        pending = [token.number for _, token in n]
        assert len(pending) == len(n)
        seen = pending + self.given
        assert len(seen) == len(set(seen)), "a timer was given twice"
        assert set(seen) <= self.inserted, "a timer came from nowhere"
        lost = len(self.inserted) - len(seen) - self.removed
        assert lost == 0 or self.wiped, f"{lost} timers were lost"
        assert [at for at, _ in n] == sorted(at for at, _ in n)
        assert n.next_at() == (next(iter(n))[0] if n else None)


# ---- what the foreign code does

Action = Callable[[Ledger, MultiNotifier[Any]], Any]


def _notify(ledger: Ledger, n: MultiNotifier[Any]) -> None:
    attempt(ledger, lambda token: n.notify_at(AT - timedelta(1), token))


def _notify_same(ledger: Ledger, n: MultiNotifier[Any]) -> None:
    attempt(ledger, lambda token: n.notify_at(AT, token))


def _notify_many(ledger: Ledger, n: MultiNotifier[Any]) -> None:
    tokens = [ledger.token() for _ in range(200)]
    try:
        n.notify_many([AT + timedelta(milliseconds=token.number * 7 % 300) for token in tokens], tokens)
    except BaseException:
        ledger.inserted -= {token.number for token in tokens}
        raise


def _cancel(ledger: Ledger, n: MultiNotifier[Any]) -> None:
    for at, token in itertools.islice(n, 1):
        ledger.cancel(at, token)


def _reschedule(ledger: Ledger, n: MultiNotifier[Any]) -> None:
    for at, token in itertools.islice(n, 1):
        n.reschedule(at, token, LAST)


def _clear(ledger: Ledger, n: MultiNotifier[Any]) -> None:
    ledger.wiped = True
    n.clear()


def _setstate(ledger: Ledger, n: MultiNotifier[Any]) -> None:
    ledger.wiped = True
    attempt(ledger, lambda token: n.__setstate__(MultiNotifier([(AT, token)]).__reduce_ex__(2)[2]))


def _init(ledger: Ledger, n: MultiNotifier[Any]) -> None:
    ledger.wiped = True
    attempt(ledger, lambda token: MultiNotifier.__init__(n, [(AT, token)]))


def attempt(ledger: Ledger, insert: Callable[[Token], Any], kind: type[Token] = Token, act: Act = nothing) -> None:
    token = ledger.token(kind, act)
    try:
        insert(token)
    except BaseException:
        ledger.inserted.discard(token.number)
        raise


def _step(ledger: Ledger, n: MultiNotifier[Any]) -> None:
    """One step of an iterator that goes on from call to call."""
    iterator = ledger.iterator or iter(n)
    ledger.iterator = None
    with contextlib.suppress(RuntimeError, StopIteration):
        next(iterator)
        ledger.iterator = iterator


ACTIONS: dict[str, Action] = {
    "nothing": lambda ledger, n: None,
    "notify_at": _notify,
    "notify_at the same": _notify_same,
    "notify_many": _notify_many,
    "next_at": lambda ledger, n: n.next_at(),
    "due": lambda ledger, n: ledger.give(n.due(LAST)),
    "due with a limit": lambda ledger, n: ledger.give(n.due(LAST, 2)),
    "due_items": lambda ledger, n: ledger.give(token for _, token in n.due_items(LAST)),
    "cancel": _cancel,
    "reschedule": _reschedule,
    "in": lambda ledger, n: (LAST, 5) in n,
    "clear": _clear,
    "__setstate__": _setstate,
    "__init__": _init,
    "iterate": lambda ledger, n: list(n),
    "a step": _step,
    "peek": lambda ledger, n: next(iter(n), None),
    "copy": lambda ledger, n: copy.copy(n).due(LAST),
    "deepcopy": lambda ledger, n: copy.deepcopy(n).due(LAST),
    "pickle": lambda ledger, n: n.__reduce_ex__(5),
    "len, bool, repr": lambda ledger, n: (len(n), bool(n), repr(n)),
    "getsizeof": lambda ledger, n: sys.getsizeof(n),
    "_check": lambda ledger, n: n._check(),
    "collect": lambda ledger, n: gc.collect(),
}


# `_check` looks at a notifier that nobody changes meanwhile.
METHODS = [name for name in ACTIONS if name not in ("nothing", "collect", "_check")]


# ---- where it does it


def _inserted(ledger: Ledger, n: MultiNotifier[Any], at: datetime) -> None:
    attempt(ledger, lambda token: n.notify_at(at, token))


def _bulk(ledger: Ledger, n: MultiNotifier[Any], ats: Any, count: int) -> None:
    tokens = [ledger.token() for _ in range(count)]
    try:
        n.notify_many(ats, iter(tokens))
    except BaseException:
        ledger.inserted -= {token.number for token in tokens}
        raise


def _rebuilt(ledger: Ledger, n: MultiNotifier[Any], pairs: Any) -> None:
    ledger.wiped = True
    n.__init__(pairs)  # type: ignore[misc]


def _timed(make: Callable[[Act], datetime]) -> dict[str, Callable[[Ledger, MultiNotifier[Any], Act], Any]]:
    """Every method that takes a time."""
    return {
        "notify_at": lambda ledger, n, act: _inserted(ledger, n, make(act)),
        "due": lambda ledger, n, act: ledger.give(n.due(make(act))),
        "due with a limit": lambda ledger, n, act: ledger.give(n.due(make(act), 2)),
        "due_items": lambda ledger, n, act: ledger.give(token for _, token in n.due_items(make(act))),
        "cancel": lambda ledger, n, act: ledger.cancel(make(act), Token(-1)),
        "in": lambda ledger, n, act: (make(act), 5) in n,
        "reschedule": lambda ledger, n, act: n.reschedule(make(act), next(iter(n))[1], LAST),
        "reschedule to": lambda ledger, n, act: n.reschedule(AT, next(iter(n))[1], make(act)),
        "notify_many": lambda ledger, n, act: _bulk(ledger, n, [AT, make(act), AT], 3),
    }


def _acting(act: Act, values: list[Any]) -> Iterator[Any]:
    for value in values:
        act()
        yield value
    act()


def _dying_batch(ledger: Ledger, n: MultiNotifier[Any], act: Act) -> None:
    """Tokens that die with a refused batch."""
    with contextlib.suppress(TypeError):
        n.notify_many([AT] * 60 + [None], (Dying(-1, act) for _ in range(61)))  # type: ignore[list-item]


def _with_token(kind: type[Token], call: Callable[[Ledger, MultiNotifier[Any]], Any]) -> Callable[..., Any]:
    """`call`, on a notifier that also holds a token that acts."""

    def outer(ledger: Ledger, n: MultiNotifier[Any], act: Act) -> None:
        attempt(ledger, lambda token: n.notify_at(AT, token), kind, act)
        call(ledger, n)

    return outer


def _drop(ledger: Ledger, n: MultiNotifier[Any]) -> None:
    ledger.give(n.due(LAST))


def _cancel_all(ledger: Ledger, n: MultiNotifier[Any]) -> None:
    # Names the pairs without holding their tokens.
    for at in [at for at, _ in n]:
        ledger.cancel(at, Anything())


class Anything:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def _sound_twin(twin: MultiNotifier[Any]) -> None:
    twin._check()
    assert len(twin.due(LAST)) == len({id(token) for token in twin.due(LAST)}) or not twin


def _collected(call: Callable[[Ledger, MultiNotifier[Any]], Any]) -> Callable[..., Any]:
    """`call`, with a collection, and in it a finaliser, at almost every allocation."""

    def outer(ledger: Ledger, n: MultiNotifier[Any], act: Act) -> None:
        class Garbage:
            def __init__(self) -> None:
                self.itself = self

            def __del__(self) -> None:
                with contextlib.suppress(RuntimeError):
                    act()

        Garbage()
        old = gc.get_threshold()
        gc.set_threshold(1)
        try:
            call(ledger, n)
        finally:
            gc.set_threshold(*old)

    return outer


def _called_back(call: Callable[[Ledger, MultiNotifier[Any]], Any]) -> Callable[..., Any]:
    """`call`, with a collection and its callbacks at almost every allocation."""

    def outer(ledger: Ledger, n: MultiNotifier[Any], act: Act) -> None:
        def callback(phase: str, info: dict[str, int]) -> None:
            with contextlib.suppress(RuntimeError):
                act()

        old = gc.get_threshold()
        gc.callbacks.append(callback)
        gc.set_threshold(1)
        try:
            call(ledger, n)
        finally:
            gc.set_threshold(*old)
            gc.callbacks.remove(callback)

    return outer


Outer = Callable[[Ledger, MultiNotifier[Any], Act], Any]
HOOKS: dict[str, dict[str, Outer]] = {
    "utcoffset": _timed(lambda act: AT.replace(tzinfo=Zone(act))),
    "nanosecond": _timed(lambda act: _fine(act)),
    "__index__": {
        "due": lambda ledger, n, act: ledger.give(n.due(LAST, Index(act))),
        "due_items": lambda ledger, n, act: ledger.give(token for _, token in n.due_items(LAST, Index(act))),
    },
    "__eq__ of the argument": {
        "cancel": lambda ledger, n, act: ledger.cancel(AT, Comparing(-1, act)),
        "reschedule": lambda ledger, n, act: n.reschedule(AT, Comparing(-1, act), LAST),
        "reschedule to the same": lambda ledger, n, act: n.reschedule(AT, Comparing(-1, act), AT),
        "in": lambda ledger, n, act: (AT, Comparing(-1, act)) in n,
    },
    "__eq__ of a pending token": {
        "cancel": _with_token(Comparing, lambda ledger, n: ledger.cancel(AT, 5)),
        "reschedule": _with_token(Comparing, lambda ledger, n: n.reschedule(AT, 5, LAST)),
        "in": _with_token(Comparing, lambda ledger, n: (AT, 5) in n),
    },
    "iterator": {
        "notify_many": lambda ledger, n, act: _bulk(ledger, n, _acting(act, [AT, AT]), 2),
        "notify_many, tokens": lambda ledger, n, act: attempt(
            ledger, lambda token: n.notify_many([AT], _acting(act, [token]))
        ),
        "__init__": lambda ledger, n, act: _rebuilt(ledger, n, _acting(act, [(AT, ledger.token())])),
        "__init__, pair": lambda ledger, n, act: _rebuilt(ledger, n, [_acting(act, [AT, ledger.token()])]),
        "in": lambda ledger, n, act: _acting(act, [AT, 5]) in n,
    },
    "__del__": {
        "clear": _with_token(Dying, _clear),
        "__setstate__": _with_token(Dying, _setstate),
        "__init__": _with_token(Dying, _init),
        "due": _with_token(Dying, _drop),
        "cancel": _with_token(Dying, _cancel_all),
        "notify_many": _dying_batch,
    },
    "__deepcopy__": {
        "deepcopy": _with_token(Copying, lambda ledger, n: _sound_twin(copy.deepcopy(n))),
    },
    "__reduce__": {
        "pickle": _with_token(Pickling, lambda ledger, n: _sound_twin(pickle.loads(pickle.dumps(n)))),
        "deepcopy": _with_token(Pickling, lambda ledger, n: _sound_twin(copy.deepcopy(n))),
    },
    "finaliser in a collection": {name: _collected(ACTIONS[name]) for name in METHODS},
    "callback of a collection": {name: _called_back(ACTIONS[name]) for name in METHODS},
}


def _fine(act: Act) -> datetime:
    at = Fine(AT.year, AT.month, AT.day, tzinfo=UTC)
    at.act = act
    return at


def fill(size: int) -> Ledger:
    """Half of the timers at one time, some far from all others."""
    ledger = Ledger(MultiNotifier())
    for number in range(size):
        far = timedelta(days=300 * number) if number % 60 == 58 else timedelta(milliseconds=number)
        ledger.notifier.notify_at(AT if number % 2 else AT + far, ledger.token())
    return ledger


def case(outer: Outer, action: Action, size: int, shared: bool, after: int, swallow: bool) -> None:
    """One call; its foreign code acts once, the `after`-th time that it runs."""
    ledger = fill(size)
    n = ledger.notifier
    twin = copy.copy(n) if shared else None
    before = list(twin) if twin is not None else []
    runs = 0

    def act() -> bool:
        nonlocal runs
        runs += 1
        if runs == after + 1:
            if swallow:
                with contextlib.suppress(RuntimeError):
                    action(ledger, n)
            else:
                action(ledger, n)
        return swallow

    with contextlib.suppress(RuntimeError, StopIteration):
        outer(ledger, n, act)
    runs = after + 1
    ledger.verify()
    if twin is not None:
        twin._check()
        assert list(twin) == before, "a twin changed"


def raising(outer: Outer, size: int, after: int) -> None:
    """One call; its foreign code raises."""
    ledger = fill(size)
    runs = 0

    def act() -> bool:
        nonlocal runs
        runs += 1
        if runs == after + 1:
            raise ZeroDivisionError
        return False

    try:
        outer(ledger, ledger.notifier, act)
    except ZeroDivisionError:
        assert not ledger.given
        order = [(at, token.number) for at, token in ledger.notifier]
        assert order == sorted(order)
    runs = after + 1
    ledger.verify()


def cases() -> Iterator[tuple[str, str, str, int, bool, int, bool]]:
    for hook, outers in HOOKS.items():
        for outer, action in itertools.product(outers, ACTIONS):
            for size, shared, after, swallow in itertools.product(SIZES, (False, True), (0, 1, 5), (False, True)):
                yield hook, outer, action, size, shared, after, swallow


# What a finaliser or a callback of the collector raises goes nowhere.
RAISING = {hook: outers for hook, outers in HOOKS.items() if hook != "__del__" and "collection" not in hook}


def run(hook: str, outer: str, action: str, size: int, shared: bool, after: int, swallow: bool) -> None:
    try:
        case(HOOKS[hook][outer], ACTIONS[action], size, shared, after, swallow)
    except Exception as error:
        text = f"{action} from {hook} in {outer}, {size} timers, shared={shared}, after={after}, swallow={swallow}"
        raise AssertionError(f"{text}: {error!r}") from error
