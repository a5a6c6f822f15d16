"""Forged states: whatever `__setstate__` is given, it answers with a clean exception or with a valid notifier."""

from __future__ import annotations

import math
import random
import tracemalloc
from datetime import datetime, timedelta
from typing import Any

from tests.clocks import TODAY
from tests.driver import Sub
from tests.model import LAST, kind, rank
from timers import MultiNotifier

# Far above what an honest state of these sizes needs, far below what a forged length asks for.
MOST_MEMORY = 1 << 22


def good_states() -> list[tuple[Any, tuple[Any, ...]]]:
    """Notifiers, and their states, as `__reduce_ex__` gives them."""
    sub = Sub("k")
    sub.notify_many([TODAY] * 3, "abc")
    notifiers: list[Any] = [
        MultiNotifier(),
        MultiNotifier([(TODAY, 1), (TODAY, 2)]),
        MultiNotifier((TODAY + timedelta(milliseconds=number * number), str(number)) for number in range(70)),
        MultiNotifier((datetime.min + timedelta(days=number * 4000), [number]) for number in range(20)),
        MultiNotifier([(LAST, None)]),
        sub,
        MultiNotifier([(number, str(number)) for number in (-math.inf, -1.5, 0.0, 5e-324, 1.7e9, math.inf)]),
        MultiNotifier((number / 8, str(number)) for number in range(70)),
        MultiNotifier([(number, number) for number in (-(2**63), -1, 0, 7, 7, 2**63 - 1)]),
    ]
    return [(n, n.__reduce_ex__(protocol)[2]) for n in notifiers for protocol in (2, 5)]


def _bytes(value: Any) -> bytes:
    return bytes(memoryview(value))


def _is_bytes(value: Any) -> bool:
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


def _mutate_bytes(rng: random.Random, value: bytes) -> Any:
    data = bytearray(value)
    for _ in range(rng.randint(1, 3)):
        choice = rng.randrange(6)
        place = rng.randrange(len(data) + 1)
        if choice == 0 and place < len(data):
            data[place] = rng.randrange(256)
        elif choice == 1 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        elif choice == 2:
            del data[place : place + rng.randint(1, 9)]
        elif choice == 3:
            data[place:place] = rng.choice(
                [b"\0", b"\x80", b"\xff" * 9, b"\xff" * 12, b"\x80" * 8 + b"\1", b"\x7f", b"\xff" * 8 + b"\x7f"]
            )
        elif choice == 4:
            data[place:place] = data[: rng.randint(0, 9)]
        else:
            data = data[:place]
    return rng.choice([bytes, bytearray, memoryview, bytes, bytes])(data)


class _Index:
    def __index__(self) -> int:
        return 1

    def __len__(self) -> int:
        return 2**62

    def __iter__(self) -> Any:
        raise ZeroDivisionError


JUNK: list[Any] = [
    None,
    0,
    1,
    -1,
    2**31,
    2**63 - 1,
    2**63,
    2**64,
    2**80,
    -(2**80),
    10**12,
    1.0,
    float("nan"),
    True,
    False,
    "",
    "times",
    b"",
    b"\x80",
    bytearray(b"\0\0"),
    memoryview(b"\1\2\3\4")[::2],
    memoryview(bytearray(8)).cast("q"),
    (),
    [],
    {},
    (1,),
    (None, None),
    [1, 2],
    {"key": 1},
    {1: 2},
    {"__class__": int},
    {"no such": 1},
    set(),
    object(),
    range(10**12),
    _Index(),
    TODAY,
    int,
    type("Tuple", (tuple,), {})((1, 2)),
    type("Int", (int,), {})(1),
    type("Bytes", (bytes,), {})(b"\1"),
]


def _mutate(rng: random.Random, state: Any, depth: int = 2) -> Any:
    """One change somewhere in the state."""
    if rng.random() < 0.15 or not depth:
        return rng.choice(JUNK)
    if isinstance(state, tuple) and state:
        parts = list(state)
        place = rng.randrange(len(parts))
        choice = rng.random()
        if choice < 0.75:
            parts[place] = _mutate(rng, parts[place], depth - 1)
        elif choice < 0.85:
            del parts[place]
        elif choice < 0.95:
            parts.insert(place, rng.choice([*JUNK, *parts]))
        else:
            rng.shuffle(parts)
        return tuple(parts)
    if _is_bytes(state):
        return _mutate_bytes(rng, _bytes(state))
    if type(state) is int:
        return rng.choice([state + 1, state - 1, -state, state << 40, state << 70, bool(state)])
    if type(state) is str and state in ("float", "int"):
        return rng.choice(["float", "int", "Float", True, False, "aware"])
    if type(state) is bool:
        return rng.choice([not state, int(state), None, "yes", "float", "int"])
    if type(state) is dict:
        return {**state, rng.choice(["x", 1, "__dict__", "__class__", "key", None]): rng.choice(JUNK)}
    return rng.choice(JUNK)


def sound(n: MultiNotifier[Any]) -> None:
    """Valid in itself: invariants, order, one future through every door."""
    n._check()
    items = list(n)
    assert len(items) == len(n)
    kinds = {kind(at) for at, _ in items}
    assert len(kinds) < 2
    instants = [rank(at) for at, _ in items]
    assert instants == sorted(instants)
    # -0.0 and NaN are no times.
    assert all(at == at and repr(at) != "-0.0" for at, _ in items)
    assert n.next_at() == (items[0][0] if items else None)
    twin: MultiNotifier[Any] = MultiNotifier()
    twin.__setstate__(n.__reduce_ex__(2)[2][:4])
    assert [at for at, _ in twin] == [at for at, _ in items]
    # The latest instant of all may lie beyond the calendar.
    last = datetime.max if kinds == {"naive"} else items[-1][0] if items else LAST
    assert len(n.due(last)) == len(items) and not n


def forge(rng: random.Random, count: int) -> tuple[int, int]:
    """Answers how many were refused, and how many accepted."""
    states = good_states()
    refused = accepted = 0
    tracemalloc.start()
    try:
        for _ in range(count):
            original, state = rng.choice(states)
            forged: Any = state
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                forged = _mutate(rng, forged)
            target: Any = Sub("t") if type(original) is Sub else MultiNotifier()
            before = [(TODAY, 1), (TODAY + timedelta(1), [2])][: rng.randrange(3)]
            target.notify_many([at for at, _ in before], [token for _, token in before])
            tracemalloc.reset_peak()
            start = tracemalloc.get_traced_memory()[0]
            try:
                target.__setstate__(forged)
            except (TypeError, ValueError) as error:
                refused += 1
                assert list(target) == before, f"{forged!r} was refused and changed the target"
                assert type(target) is not Sub or vars(target) == {"extra": ["t"]}, (
                    f"{forged!r} was refused and left attributes"
                )
                assert str(error), f"{forged!r} was refused without a word"
            except Exception as error:
                raise AssertionError(f"{forged!r} raises {error!r}") from error
            else:
                accepted += 1
                try:
                    sound(target)
                except Exception as error:
                    raise AssertionError(f"{forged!r} was accepted and is unsound: {error!r}") from error
            peak = tracemalloc.get_traced_memory()[1] - start
            assert peak < MOST_MEMORY, f"{forged!r} allocated {peak} bytes"
    finally:
        tracemalloc.stop()
    return refused, accepted
