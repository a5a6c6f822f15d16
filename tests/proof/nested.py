"""The second differential fuzz: around the sizes at which things change, with calls from inside every call.

Each step is a call (the outer one) with a hook that, at its n-th run, makes another (the inner one) that asks for, or
changes, what the outer one has in hand. Calls are atomic, so the two must have happened one after the other, in some
order: a plain list answers for both orders, and one of them must agree in every answer and in what is left. Meanwhile
the collector is asked, at each run of the hook, for lists and tuples with places that hold nothing.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import random
import sys
from datetime import timedelta
from typing import Any, Callable

from tests.proof.plain import (
    FAR,
    NOBODY,
    Calendar,
    Clock,
    Count,
    Pair,
    Plain,
    PlainKeys,
    Tag,
    Zone,
    call,
    call_keys,
    pairs_of,
    turned,
)
from timers import Deadlines, MultiNotifier

# Of the hook in one call, the last of which may make another call: then the rest goes undisturbed.
MOST_RUNS = 21
# Sizes near which a queue may change its ways: small powers of two, their multiples, and what its constants are today.
SIZES = (1, 2, 3, 8, 24, 25, 31, 32, 33, 47, 48, 49, 50, 64, 96, 97, 128, 200, 257, 400, 1000, 3000)
# The last takes an object that the collector sees to make its hash.
WORDS: tuple[Callable[[int], Any], ...] = ("t{}".format, "t{}".format, "t{}".format, timedelta)
SPREADS = (1, 2, 13, 50, 1000, 10**7)

CALLS = {"due": 5, "due_items": 5, "cancel": 3, "contains": 3, "reschedule": 2, "next_at": 6, "iterate": 3, "size": 4}
CALLS.update(copy=2, deepcopy=2, freeze=2, thaw=1, notify_at=1, notify_many=1, renew=1, text=1, check=1)
INNER = {
    "cancel": 5,
    "contains": 5,
    "notify_at": 4,
    "reschedule": 3,
    "due": 2,
    "due_items": 1,
    "copy": 3,
    "deepcopy": 1,
}
INNER.update(next_at=1, clear=1, renew=3, notify_many=2, iterate=1, freeze=1, size=1)
KEY_CALLS = {"set": 4, "add": 2, "update": 2, "delete": 3, "pop": 3, "get": 3, "contains": 2, "setdefault": 2}
KEY_CALLS.update(popitem=3, peekitem=2, due=4, due_items=4, next_at=4, iterate=2, size=2, copy=2, deepcopy=2)
KEY_CALLS.update(freeze=1, thaw=1, renew=1, text=1, check=1)
KEY_INNER = {"set": 5, "add": 4, "update": 2, "delete": 4, "pop": 2, "get": 3, "contains": 2, "setdefault": 1}
KEY_INNER.update(popitem=2, due=2, due_items=1, copy=3, deepcopy=1, next_at=1, clear=1, renew=3, iterate=1, freeze=1)


def holed(generation: int) -> list[Any]:
    # The `zip` in there shows its own.
    caller = sys._getframe(2).f_back
    if caller is not None and caller.f_globals["__name__"] == "copy":
        return []
    return [
        type(each)
        for each in gc.get_objects(generation)
        if (type(each) is list or type(each) is tuple) and each and len(gc.get_referents(each)) < len(each)
    ]


class Stage:
    """A notifier and the plain list, near a size at which something may change."""

    Model: type[Plain] = Plain
    calls, inner = CALLS, INNER
    call: Callable[..., Any] = staticmethod(call)

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.numbers = rng, iter(range(10**9))
        # How many of the tokens are of a kind of their own, and whether nobody else has those, so that they die with
        # their timers; what the others are.
        self.own_tokens = rng.choice((0, 0, 0, 0.3, 0.3, 1))
        self.mortal = rng.random() < 0.5
        self.word: Callable[[int], Any] = rng.choice(WORDS)
        size = max(rng.choice(SIZES if rng.random() < 0.3 else SIZES[:-3]) + rng.choice((-1, 0, 0, 1)), 0)
        # Most of them count, which makes no work beside the notifier's own.
        self.clock: Clock = rng.choice((Calendar(), Count(int), Count(int), Count(float)))
        self.spread, self.unit = rng.choice(SPREADS), rng.choice((1, 1000, 20_000, 10**9))
        self.pairs: list[Pair] = [(self.time(), self.token()) for _ in range(size)]
        if rng.random() < 0.4:
            self.pairs.append((rng.choice((-FAR, -FAR, FAR)), "beyond"))
        if rng.random() < 0.3:
            # What lies far away makes the others lie in a slot of their own.
            self.pairs += [(10**12 + number * 10**10, f"far {number}") for number in range(60)]
        self.notifier = self.made()
        self.twin: Any = copy.copy(self.notifier) if rng.random() < 0.3 else None
        self.given = self.Model(self.pairs).items()

    def made(self) -> Any:
        moment = self.clock.moment
        n: MultiNotifier[Any, Any] = MultiNotifier([(moment(at), token) for at, token in self.lent(self.pairs)])
        if self.rng.random() < 0.4:
            n.cancel(moment(10**12 + 1), NOBODY)
        return n

    def disturbed(self) -> Clock:
        """A clock that lets foreign code in where the arguments are read."""
        return Calendar(Zone()) if isinstance(self.clock, Calendar) else Count(self.clock.moment, hooks=True)

    def read(self, n: Any) -> list[Pair]:
        return pairs_of(n, self.clock)

    def token(self) -> Any:
        number = next(self.numbers)
        return Tag(number) if self.rng.random() < self.own_tokens else self.word(number)

    def lent(self, pairs: list[Pair]) -> list[Pair]:
        """The pairs as the notifier gets them."""
        if not self.mortal:
            return pairs
        return [(at, Tag(token.number) if type(token) is Tag else token) for at, token in pairs]

    def time(self) -> int:
        return int(self.rng.random() * self.spread) * self.unit

    def arguments(self) -> tuple[int, Any, int | None, list[Pair]]:
        rng = self.rng
        at, token = rng.choice(self.pairs) if self.pairs and rng.random() < 0.6 else (self.time(), NOBODY)
        if rng.random() < 0.4:
            token = Tag(-1) if self.own_tokens else NOBODY
        elif type(token) is Tag and rng.random() < 0.5:
            token = Tag(token.number)
        if rng.random() < 0.3 and at < FAR:
            at = self.spread * self.unit
        if self.pairs and rng.random() < 0.4:
            at, token = min(self.pairs, key=lambda pair: pair[0])
        size = len(self.pairs)
        limit = rng.choice(
            (None, None, 1, 2, size // 9, size // 8 + 1, size // 2, max(size - 1, 0), size * 2 // 3, 48, 49)
        )
        more = [(self.time(), self.token()) for _ in range(rng.choice((1, 1, 3, 60)))]
        if rng.random() < 0.1:
            more[0] = rng.choice((-FAR, FAR, -1)), more[0][1]
        return at, token, limit, more

    def name(self, weights: dict[str, int]) -> str:
        return self.rng.choices(list(weights), list(weights.values()))[0]


class KeyStage(Stage):
    """The same with `Deadlines`."""

    Model = PlainKeys
    calls, inner = KEY_CALLS, KEY_INNER
    call = staticmethod(call_keys)

    def made(self) -> Any:
        return Deadlines([(token, self.clock.moment(at)) for at, token in self.lent(self.pairs)])

    def read(self, n: Any) -> list[Pair]:
        return turned(n.items(), self.clock)


class Hooked:
    """In the code of tokens, zones and iterators; `everywhere`: in a collection at every object, too.

    Neither entering nor leaving makes an object between the last line here and the caller's: it would be hooked.
    """

    def __init__(self, hook: Callable[[], None], everywhere: bool) -> None:
        self.hook, self.everywhere = hook, everywhere
        self.kept: list[Any] = []

    def collecting(self, phase: str, info: dict[str, int]) -> None:
        # It would be used again.
        self.kept.append(info)
        if phase == "start":
            self.hook()
        else:
            # Enough for a collection at the next object, and no old list or tuple that could be used again.
            self.kept.append([[[], (each,), (each, each), (each, each, each), {each: each}] for each in range(3)])

    def __enter__(self) -> None:
        self.old = gc.get_threshold()
        gc.set_threshold(0)
        if self.everywhere:
            # What is there already is neither collected nor looked at, and what an interpreter keeps for the next list
            # is given up: such a list would not count as a new object.
            gc.freeze()
            gc.collect()
            gc.callbacks.append(self.collecting)
            self.kept.append([[], [], []])
        Tag.hook = self.hook
        if self.everywhere:
            gc.set_threshold(1, 10**6, 10**6)

    def __exit__(self, *error: object) -> None:
        gc.set_threshold(0)
        if self.everywhere:
            gc.callbacks.remove(self.collecting)
            gc.unfreeze()
        Tag.hook = staticmethod(lambda: None)
        self.kept.clear()
        gc.set_threshold(*self.old)


def step(stage: Stage, look: bool = True) -> None:
    """`look`: whether the collector is asked."""
    rng, n = stage.rng, stage.notifier
    outer, inner = stage.name(stage.calls), stage.name(stage.inner)
    ours, theirs = stage.arguments(), stage.arguments()
    # Anyone's hook, or the collector's.
    everywhere = rng.random() < 0.8
    clock = stage.disturbed() if rng.random() < 0.3 and abs(ours[0]) < FAR else stage.clock
    wanted, runs, busy = rng.choice((1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 9, 11, MOST_RUNS)), 0, False
    # On the notifier itself, or on one with which it shares.
    apart = stage.twin is not None and rng.random() < 0.4
    inside: list[Any] = []
    holes: list[Any] = []

    def hook() -> None:
        nonlocal runs, busy
        if busy or runs >= MOST_RUNS:
            return
        busy = True
        # Else each look would make more to look at.
        gc.disable()
        if look and everywhere:
            # What lives on has been looked at when it was new: now and then is enough.
            holes.extend(holed(runs % 4 == 3))
        runs += 1
        try:
            if runs == wanted:
                inside.append(stage.call(stage.twin if apart else n, inner, *theirs[:3], more, stage.clock))
        finally:
            busy = False
            gc.enable()
        if runs >= MOST_RUNS:
            gc.set_threshold(0)

    if outer == "next_at" and rng.random() < 0.7:
        # It has not been asked yet.
        n = stage.notifier = copy.copy(n)
    before = list(stage.pairs)
    answer: Any = RuntimeError
    more = stage.lent(theirs[3])
    ask = functools.partial(stage.call, n, outer, *ours[:3], stage.lent(ours[3]), clock)
    hooks = Hooked(hook, everywhere)
    with contextlib.suppress(RuntimeError), hooks:
        answer = ask()
    what = f"{type(n).__name__}: {outer}{ours[:3]} with {inner}{theirs[:3]} inside, of {len(before)} timers"
    assert not holes, f"{what}: the collector sees {holes}"
    n._check()
    if apart and inside:
        # Nor did either notice the other.
        plain = stage.Model(stage.given)
        asked = plain.apply(inner, *theirs)
        assert inside.pop() == asked, f"{what} of its twin: not {asked!r:.200}"
        stage.given = plain.items()
        stage.twin._check()
    left = stage.read(n)
    for order in ([0, 1], [1, 0]) if inside else ([0],):
        plain = stage.Model(list(before))
        answers: list[Any] = [RuntimeError, None]
        for which in order:
            if which:
                answers[1] = plain.apply(inner, *theirs)
            elif answer is not RuntimeError:
                answers[0] = plain.apply(outer, *ours)
        # Code of tokens runs undisturbed by now.
        if answers == [answer, *(inside or [None])] and plain.items() == left:
            break
    else:
        raise AssertionError(f"{what}: {answer!r:.200} and {inside!r:.200} in neither order")
    stage.pairs = plain.pairs
    now = stage.Model(stage.pairs)
    # Not always: what is asked may be kept, and then the next step finds it.
    if outer == "next_at" or rng.random() < 0.2:
        soonest = stage.clock.number(n.next_at()), now.next_at(0, None, None, [])
        assert soonest[0] == soonest[1], f"{what}: next_at() answers {soonest[0]}, not {soonest[1]}"
    if stage.twin is not None:
        assert stage.read(stage.twin) == stage.given, f"{what}: a twin changed"


def check(seed: int, steps: int, look: bool = True) -> int:
    """`steps` of them on ever new notifiers."""
    rng = random.Random(seed)
    done = 0
    while done < steps:
        stage = rng.choice((Stage, KeyStage))(rng)
        for _ in range(min(rng.choice((2, 5, 12)), steps - done)):
            step(stage, look)
            done += 1
    return done
