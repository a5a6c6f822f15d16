"""The second differential fuzz: around the sizes at which things change, with calls from inside every call.

Each step is a call (the outer one) with a hook that, at its n-th run, makes another (the inner one) that asks for, or
changes, what the outer one has in hand. Calls are atomic, so the two must have happened one after the other, in some
order: a plain list answers for both orders, and one of them must agree in every answer and in what is left. Meanwhile
the collector is asked, at each run of the hook, for lists and tuples with places that hold nothing.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import random
import sys
from collections.abc import Iterator
from typing import Any, Callable

from tests.clocks import UTC
from tests.proof.plain import (
    FAR,
    NOBODY,
    Pair,
    Plain,
    PlainKeys,
    Tag,
    Zone,
    call,
    call_keys,
    moment,
    number_of,
    pairs_of,
    turned,
)
from timers import Deadlines, MultiNotifier

# Sizes near which a queue may change its ways: small powers of two, their multiples, and what its constants are today.
SIZES = (1, 2, 3, 8, 24, 25, 31, 32, 33, 47, 48, 49, 50, 64, 96, 97, 128, 200, 257, 400, 1000, 3000)
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


def holed() -> list[Any]:
    # The `zip` in there shows its own.
    caller = sys._getframe(2).f_back
    if caller is not None and caller.f_globals["__name__"] == "copy":
        return []
    found = []
    for generation in (0, 1):
        for each in gc.get_objects(generation):
            if type(each) in (list, tuple) and len(gc.get_referents(each)) < len(each):
                found.append(type(each))
    return found


class Stage:
    """A notifier and the plain list, near a size at which something may change."""

    Model: type[Plain] = Plain
    calls, inner = CALLS, INNER
    call: Callable[..., Any] = staticmethod(call)

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.numbers = rng, iter(range(10**9))
        # How many of the tokens are of a kind of their own.
        self.own_tokens = rng.choice((0, 0, 0, 0.3, 0.3, 1))
        size = max(rng.choice(SIZES if rng.random() < 0.3 else SIZES[:-3]) + rng.choice((-1, 0, 0, 1)), 0)
        self.spread, self.unit = rng.choice(SPREADS), rng.choice((1, 1000, 20_000, 10**9))
        self.pairs: list[Pair] = [(self.time(), self.token()) for _ in range(size)]
        if rng.random() < 0.4:
            self.pairs.append((rng.choice((-FAR, -FAR, FAR)), "beyond"))
        if rng.random() < 0.3:
            # What lies far away makes the others lie in a slot of their own.
            self.pairs += [(10**12 + number * 10**10, f"far {number}") for number in range(60)]
        self.notifier = self.made()
        self.twin = copy.copy(self.notifier) if rng.random() < 0.2 else None
        self.given = list(self.pairs)

    def made(self) -> Any:
        n: MultiNotifier[Any] = MultiNotifier((moment(at), token) for at, token in self.pairs)
        if self.rng.random() < 0.4:
            n.cancel(moment(10**12 + 1), NOBODY)
        return n

    def read(self, n: Any) -> list[Pair]:
        return pairs_of(n)

    def token(self) -> Any:
        number = next(self.numbers)
        return Tag(number) if self.rng.random() < self.own_tokens else f"t{number}"

    def time(self) -> int:
        return self.rng.randrange(self.spread) * self.unit

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
        return Deadlines((token, moment(at)) for at, token in self.pairs)

    def read(self, n: Any) -> list[Pair]:
        return turned(n.items())


def key(answer: Any) -> Any:
    """Comparable without code of tokens."""
    if isinstance(answer, (list, tuple)):
        return [key(each) for each in answer]
    return answer.number if isinstance(answer, Tag) else answer


@contextlib.contextmanager
def hooked(hook: Callable[[], None], everywhere: bool) -> Iterator[None]:
    """In the code of tokens, zones and iterators; `everywhere`: in a collection at every object, too."""
    kept: list[Any] = []

    def callback(phase: str, info: dict[str, int]) -> None:
        # It would be used again.
        kept.append(info)
        if phase == "start":
            hook()
        else:
            # Enough for a collection at the next object, and no old list or tuple that could be used again.
            kept.append([[[], (each,), (each, each), {each: each}] for each in range(3)])

    old = gc.get_threshold()
    Tag.hook = hook
    gc.set_threshold(0)
    if everywhere:
        kept += [[[[], {each: each}] for each in range(100)], [(each,) for each in range(2100)]]
        # What is there already is neither collected nor looked at.
        gc.freeze()
        gc.callbacks.append(callback)
        kept.append([[], [], []])
        gc.set_threshold(1, 10**6, 10**6)
    try:
        yield
    finally:
        gc.set_threshold(0)
        if everywhere:
            gc.callbacks.remove(callback)
            gc.unfreeze()
        Tag.hook = staticmethod(lambda: None)
        kept.clear()
        gc.set_threshold(*old)


def step(stage: Stage, look: bool = True) -> None:
    """`look`: whether the collector is asked."""
    rng, n = stage.rng, stage.notifier
    outer, inner = stage.name(stage.calls), stage.name(stage.inner)
    ours, theirs = stage.arguments(), stage.arguments()
    # Anyone's hook, or the collector's.
    everywhere = rng.random() < 0.8
    zone = Zone() if rng.random() < 0.3 and abs(ours[0]) < FAR else UTC
    wanted, runs, busy = rng.choice((1, 2, 2, 3, 3, 4, 5, *range(4, 12), 20)), 0, False
    inside: list[Any] = []
    holes: list[Any] = []

    def hook() -> None:
        nonlocal runs, busy
        if busy:
            return
        busy = True
        # Else each look would make more to look at.
        gc.disable()
        if look and everywhere and runs < 30:
            holes.extend(holed())
        runs += 1
        try:
            if runs == wanted + 1:
                inside.append(stage.call(n, inner, *theirs, UTC))
        finally:
            busy = False
            gc.enable()
        if runs > 30:
            # Enough: the rest goes undisturbed.
            gc.set_threshold(0)

    if outer == "next_at" and rng.random() < 0.7:
        # It has not been asked yet.
        n = stage.notifier = copy.copy(n)
    before = list(stage.pairs)
    answer: Any = RuntimeError
    with hooked(hook, everywhere), contextlib.suppress(RuntimeError):
        answer = stage.call(n, outer, *ours, zone)
    what = f"{type(n).__name__}: {outer}{ours[:3]} with {inner}{theirs[:3]} inside, of {len(before)} timers"
    assert not holes, f"{what}: the collector sees {holes}"
    n._check()
    left = stage.read(n)
    for order in ([0, 1], [1, 0]) if inside else ([0],):
        plain = stage.Model(list(before))
        answers: list[Any] = [RuntimeError, None]
        for which in order:
            if which:
                answers[1] = plain.apply(inner, *theirs)
            elif answer is not RuntimeError:
                answers[0] = plain.apply(outer, *ours)
        if key(answers) == key([answer, *(inside or [None])]) and key(plain.items()) == key(left):
            break
    else:
        raise AssertionError(f"{what}: {answer!r:.200} and {inside!r:.200} in neither order")
    stage.pairs = plain.pairs
    now = stage.Model(stage.pairs)
    # Not always: what is asked may be kept, and then the next step finds it.
    if outer == "next_at" or rng.random() < 0.2:
        soonest = number_of(n.next_at()), now.next_at(0, None, None, [])
        assert soonest[0] == soonest[1], f"{what}: next_at() answers {soonest[0]}, not {soonest[1]}"
    if stage.twin is not None:
        assert key(stage.read(stage.twin)) == key(stage.Model(stage.given).items()), f"{what}: a twin changed"


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
