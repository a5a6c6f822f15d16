"""The tokens that tests try: immutable, equal, telling, changeable; and the ways to copy what holds them."""

from __future__ import annotations

import copy
import enum
import pickle
import random
import uuid
import weakref
from datetime import time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, Callable, ClassVar, NamedTuple


class Label:
    """A token that equals others; `number` tells them apart."""

    def __init__(self, group: int, number: int) -> None:
        self.group, self.number = group, number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Label) and self.group == other.group

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Label({self.group}, {self.number})"


def _equal_token(rng: random.Random, number: int) -> Any:
    return rng.choice([0, False, 0.0, 1, True, "a", "".join(["a"]), None, (1,), (True,), b"a", (), "long " * 9])


class Plain:
    """Equal to itself only, and copied and unpickled as itself; `number` says which one."""

    known: ClassVar[weakref.WeakValueDictionary[int, Plain]] = weakref.WeakValueDictionary()

    def __init__(self, number: int) -> None:
        self.number = number
        self.known[number] = self

    def __deepcopy__(self, memo: Any) -> Plain:
        return self

    def __reduce__(self) -> Any:
        return _plain, (self.number,)

    def __repr__(self) -> str:
        return f"Plain({self.number})"


def _plain(number: int) -> Plain:
    return Plain.known.get(number) or Plain(number)


def _mixed_token(rng: random.Random, number: int) -> Any:
    return rng.choice(_MIXED)(rng, number)


class Color(enum.Enum):
    RED = 1
    BLUE = (2, "b")


class Pair(NamedTuple):
    left: Any
    right: Any


# Immutable, and each in a box or in the tree.
_FIXED: list[Callable[[int], Any]] = [
    lambda number: uuid.UUID(int=number % 31),
    lambda number: Decimal(number % 31) / 7,
    lambda number: Fraction(number % 31, 7),
    lambda number: frozenset([number % 31, Color.RED]),
    lambda number: list(Color)[number % 2],
    lambda number: Pair(number % 31, Color.BLUE),
    lambda number: (int, Pair, Color)[number % 3],
    lambda number: (_mixed_token, len)[number % 2],
    lambda number: time(number % 24, tzinfo=timezone(timedelta(hours=number % 3))),
    lambda number: timezone(timedelta(minutes=number % 31)),
    lambda number: str(number % 31),
]
TOKENS: dict[str, Callable[[random.Random, int], Any]] = {
    "numbers": lambda rng, number: number,
    # Equal ones are other objects.
    "strings": lambda rng, number: str(number % 97),
    "pairs": lambda rng, number: (str(number % 97), number % 3),
    "objects": lambda rng, number: Plain(number),
    "mixed": _mixed_token,
    "equal": _equal_token,
    "labels": lambda rng, number: Label(rng.randrange(5), number),
    "lists": lambda rng, number: [number],
    "fixed": lambda rng, number: _FIXED[number % len(_FIXED)](number // 7),
    "few lists": lambda rng, number: [number] if rng.random() < 0.01 else str(number),
}
_MIXED = [TOKENS[name] for name in ("numbers", "strings", "pairs", "objects", "equal")]
# Where `==` does not tell the tokens apart, their text does.
TEXTUAL = {"equal", "labels", "mixed"}
# Copies must not share these.
CHANGEABLE = {"lists", "few lists"}


def _rounds(protocol: int) -> Callable[[Any], Any]:
    return lambda notifier: pickle.loads(pickle.dumps(notifier, protocol))


def _out_of_band(notifier: Any) -> Any:
    buffers: list[Any] = []
    state = pickle.dumps(notifier, 5, buffer_callback=buffers.append)
    return pickle.loads(state, buffers=buffers)


COPIERS: dict[str, tuple[bool, Callable[[Any], Any]]] = {
    "copy": (False, copy.copy),
    "deepcopy": (True, copy.deepcopy),
    **{f"pickle {protocol}": (True, _rounds(protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)},
    "pickle out of band": (True, _out_of_band),
}
