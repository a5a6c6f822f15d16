"""Leaks: the total of all references on a debug interpreter, and the memory of the process."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import gc
import os
import pickle
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from struct import calcsize
from typing import Any, Callable

from tests.clocks import TODAY
from tests.configs import CONFIGS, USUAL
from tests.driver import run
from tests.model import LAST
from tests.proof import allocations, reentry
from tests.tokens import COPIERS
from timers import MultiNotifier

# A burst may leave this much behind: arenas of Python's allocator that are not quite empty.
SLACK = 4 << 20
STATM = Path("/proc/self/statm")


def references() -> int:
    gc.collect()
    # Without a debug interpreter: the blocks of Python's allocator.
    return getattr(sys, "gettotalrefcount", sys.getallocatedblocks)()


def _driven() -> None:
    for number, name in enumerate(("dense", "labels", "mutable tokens", "copies", "subclass", "zones")):
        run(CONFIGS[name], 300, number)


def _methods() -> None:
    for shape in ("empty", "a few", "one millisecond", "objects", "a month"):
        for act in allocations.ACTIONS.values():
            pairs = allocations.SHAPES[shape]()
            n: Any = MultiNotifier(pairs)
            act(n, min(pairs, key=lambda pair: pair[0], default=(TODAY, 1)))


def _refusals() -> None:
    from tests.refusals import MIXTURES, REFUSALS

    n = MultiNotifier([(TODAY, [1])])
    for kind, call in REFUSALS:
        with contextlib.suppress(kind):
            call(n, TODAY, TODAY.replace(tzinfo=None))
    for mixture in MIXTURES:
        with contextlib.suppress(TypeError):
            mixture(n, TODAY.replace(tzinfo=None))


def _raising() -> None:
    for outers in reentry.RAISING.values():
        for outer in outers.values():
            reentry.raising(outer, 70, 0)


def _twins() -> None:
    for tokens in (str, lambda number: [number]):
        n: MultiNotifier[Any] = MultiNotifier(
            (TODAY + timedelta(milliseconds=number), tokens(number)) for number in range(300)
        )
        for _, make in COPIERS.values():
            twin = make(n)
            twin.notify_at(TODAY, [twin])
            third = copy.copy(twin)
            pending = iter(third)
            next(pending)
            third.due(LAST, 100)


def _states() -> None:
    n = MultiNotifier((TODAY + timedelta(milliseconds=number), [number]) for number in range(100))
    state = n.__reduce_ex__(5)[2]
    for forged in (
        (*state[:1], b"\xff" * 99, *state[2:]),
        (*state[:2], state[2] + (1,), *state[3:]),
        (9, *state[1:]),
        None,
    ):
        with contextlib.suppress(ValueError, TypeError):
            n.__setstate__(forged)
    n.__setstate__(pickle.loads(pickle.dumps(state)))


ROUNDS: dict[str, Callable[[], None]] = {
    "methods": _methods,
    "driver": _driven,
    "refusals": _refusals,
    "raising hooks": _raising,
    "twins": _twins,
    "states": _states,
}


def flat(name: str, rounds: int) -> int:
    """The references after `rounds` rounds are those before them; answers the rounds."""
    act = ROUNDS[name]
    exact = hasattr(sys, "gettotalrefcount")
    # Blocks also serve the interpreter's own caches, which take a hundred rounds to fill: a coarse look,
    # after rounds that are not counted.
    most = 3 if exact else 10 * max(rounds // 3, 1)
    for _ in range(5 if exact else max(60, rounds // 2)):
        act()
    part = max(rounds // 3, 1)
    marks = [0] * 4
    for mark in range(4):
        for _ in range(part if mark else 1):
            act()
        marks[mark] = references()
    growth = [after - before for before, after in zip(marks, marks[1:])]
    assert min(growth) <= most, f"{name}: references grow by {growth} in {part} rounds each"
    return rounds


def resident() -> int:
    """Bytes of the process in memory, without those that the C library keeps for later."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def steady(operations: int, seed: int) -> int:
    """Resident memory does not grow while random operations go on."""
    config = CONFIGS["dense"]
    weights = {**USUAL, "scribble": 0}
    config = replace(config, weights=weights)
    share = operations // 10
    marks = []
    for part in range(10):
        for turn in range(max(share // 100_000, 1)):
            run(config, min(share, 100_000), seed + part * 10_000 + turn)
        gc.collect()
        marks.append(resident())
    assert marks[-1] - marks[2] < SLACK, f"resident memory: {[mark >> 10 for mark in marks]} KiB"
    return operations


def burst(count: int) -> int:
    """Back down after a burst: drained, cleared or cancelled."""
    ats = [TODAY + timedelta(microseconds=number * 7919 % (60 * 10**6)) for number in range(count)]
    tokens = list(range(count))
    empties: list[Callable[[Any], Any]] = [
        lambda n: n.due(LAST),
        lambda n: n.clear(),
        lambda n: [n.due(LAST, 1000) for _ in range(count // 1000 + 1)],
        lambda n: [n.cancel(at, token) for at, token in zip(ats, tokens)],
        lambda n: [n.reschedule(at, token, TODAY) for at, token in zip(ats, tokens)] and n.due(LAST),
    ]
    for number, empty in enumerate(empties):
        n: MultiNotifier[int] = MultiNotifier()
        for _ in range(2):
            gc.collect()
            before = resident()
            small = sys.getsizeof(n)
            for at, token in zip(ats, tokens):
                n.notify_at(at, token)
            assert sys.getsizeof(n) > (8 + calcsize("P")) * count
            empty(n)
            assert not n
            gc.collect()
            # The first round also fills caches of the interpreter; the second counts.
            assert sys.getsizeof(n) <= small + 200
        grown = resident() - before
        assert grown < SLACK, f"burst {number}: {grown >> 10} KiB stay"
    return count * len(empties)


def main() -> None:
    """On the interpreter of a build: `python -m tests.proof.leaks ROUNDS`."""
    import timers.notifier

    print(timers.notifier.__file__, "total references" if hasattr(sys, "gettotalrefcount") else "allocated blocks")
    for name in ROUNDS:
        print(name, flat(name, int(sys.argv[1])), "rounds, flat")


if __name__ == "__main__":
    main()
