"""Random operations on `Deadlines`, every answer compared with that of a dict which is sorted at every question."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Hashable
from datetime import datetime, timedelta, timezone
from typing import Any, Callable

from timers import Deadlines

Key = Callable[[random.Random], Hashable]
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Named:
    """A key whose hash many share, equal to others of its name."""

    def __init__(self, name: int) -> None:
        self.name = name

    def __hash__(self) -> int:
        return self.name % 7

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and self.name == other.name

    def __deepcopy__(self, memo: Any) -> Named:
        # CPython 3.13.0 itself crashes where `copy` finds no memory for the attributes of an object.
        return type(self)(self.name)

    def __repr__(self) -> str:
        return f"Named({self.name})"


class Model:
    """Of each key the time, and the number of the setting."""

    def __init__(self) -> None:
        self.held: dict[Any, tuple[Any, int]] = {}
        self.number = 0

    def set(self, key: Any, at: Any) -> None:
        self.number += 1
        self.held[key] = at, self.number

    def items(self) -> list[tuple[Any, Any]]:
        return [(key, at) for key, (at, _) in sorted(self.held.items(), key=lambda item: item[1])]

    def due(self, now: Any, limit: int | None) -> list[tuple[Any, Any]]:
        taken = [(key, at) for key, at in self.items() if at <= now][:limit]
        for key, _ in taken:
            del self.held[key]
        return taken

    def twin(self) -> Model:
        twin = Model()
        twin.held, twin.number = self.held.copy(), self.number
        return twin


KEYS: dict[str, Key] = {
    "strings": lambda rng: str(rng.randrange(300)),
    "many strings": lambda rng: str(rng.randrange(10**9)),
    "ints": lambda rng: rng.randrange(2000),
    # Equal ones of several types, and one that equals no other.
    "mixed": lambda rng: rng.choice([1, True, 1.0, 0, False, "1", b"1", None, (1, "a"), (1.0, "a"), frozenset([1])]),
    "pairs": lambda rng: (rng.randrange(60), str(rng.randrange(9))),
    "objects": lambda rng: Named(rng.randrange(200)),
}
TIMES: dict[str, Callable[[random.Random], Any]] = {
    "floats": lambda rng: rng.random() * 60,
    "seconds": lambda rng: float(rng.randrange(5)),
    "ints": lambda rng: rng.randrange(10**6),
    "datetimes": lambda rng: START + timedelta(microseconds=rng.randrange(60 * 10**6)),
    "far and near": lambda rng: rng.choice([1.0, 1e9, float("inf"), -1e300]) * rng.random(),
}
COPIERS: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    Deadlines.copy,
    lambda d: pickle.loads(pickle.dumps(d, 5)),
    Deadlines,
]
TWINS = 4


def run(keys: str, times: str, count: int, seed: int, check: bool = False) -> int:
    """So many operations on some that copy each other; answers how many."""
    rng = random.Random(f"{keys} {times} {seed}")
    new_key, new_at = KEYS[keys], TIMES[times]
    pool: list[tuple[Any, Model]] = [(Deadlines(), Model())]
    for _ in range(count):
        d, model = rng.choice(pool)
        key, at, chance = new_key(rng), new_at(rng), rng.random()
        held = model.held.get(key)
        if chance < 0.5:
            d[key] = at
            model.set(key, at)
        elif chance < 0.6:
            assert d.pop(key, None) == (model.held.pop(key)[0] if held else None)
        elif chance < 0.65:
            assert d.setdefault(key, at) == (held[0] if held else at)
            if not held:
                model.set(key, at)
        elif chance < 0.75:
            assert (key in d) is bool(held) and d.get(key) == (held[0] if held else None)
        elif chance < 0.8:
            limit = rng.choice((None, 0, 1, 9))
            assert d.due(at, limit) == [key for key, _ in model.due(at, limit)]
        elif chance < 0.85:
            limit = rng.choice((None, 3))
            assert d.due_items(at, limit) == model.due(at, limit)
        elif chance < 0.87:
            if d:
                assert d.popitem() == model.due(model.items()[0][1], 1)[0]
        elif chance < 0.9:
            pairs = [(new_key(rng), new_at(rng)) for _ in range(rng.randrange(40))]
            d.update(pairs)
            for key, at in pairs:
                model.set(key, at)
        elif chance < 0.92:
            if len(pool) == TWINS:
                del pool[rng.randrange(TWINS)]
            pool.append((rng.choice(COPIERS)(d), model.twin()))
        elif chance < 0.93:
            look(d, model)
        if check:
            d._check()
    for d, model in pool:
        look(d, model)
    return count


def look(d: Any, model: Model) -> None:
    items = model.items()
    d._check()
    assert list(d) == [key for key, _ in items] and list(d.items()) == items and len(d) == len(items)
    assert bool(d) is bool(items) and d.next_at() == (items[0][1] if items else None)
    assert d == dict(items) and (not items or d.peekitem() == items[0])
