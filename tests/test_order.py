"""What is due as a whole is sorted on its way out: whatever is far from what, in order, and equal ones as inserted."""

from __future__ import annotations

import random
import subprocess
import sys
from math import inf
from typing import Any, Callable

import pytest

from timers import MultiNotifier

Shape = Callable[[random.Random, int], list[float]]


def dense(rng: random.Random, count: int) -> list[float]:
    return [1e5 + 60 * rng.random() for _ in range(count)]


def crowds(many: int) -> Shape:
    def shape(rng: random.Random, count: int) -> list[float]:
        places = [10.0 ** rng.uniform(-300, 300) for _ in range(many)]
        return [rng.choice(places) * (1 + rng.random() / 1000) for _ in range(count)]

    return shape


def halving(rng: random.Random, count: int) -> list[float]:
    """Half of them close together, half of the others too, and so on."""
    places = [10.0 ** rng.uniform(-300, 300) for _ in range(64)]
    return [places[min(int(rng.expovariate(0.7)), 63)] * (1 + rng.random()) for _ in range(count)]


SHAPES: dict[str, Shape] = {
    "dense": dense,
    "one before": lambda rng, count: [*dense(rng, count - 1), -inf],
    "one after": lambda rng, count: [inf, *dense(rng, count - 1)],
    "some": lambda rng, count: [rng.choice([at, at, at, -at, 0.0, inf]) for at in dense(rng, count)],
    "ties": lambda rng, count: [rng.choice([1e5, 1e5 + 1, 2e5, inf]) for _ in range(count)],
    "all over": lambda rng, count: [rng.choice([-1, 1]) * 10.0 ** rng.uniform(-300, 300) for _ in range(count)],
    "halving": halving,
    **{f"{many} crowds": crowds(many) for many in (2, 3, 5, 9, 40)},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_far_ones_and_crowds(shape: str) -> None:
    rng = random.Random(1)
    for count in [*range(2, 70), 300, 1000, 5000]:
        ats = SHAPES[shape](rng, count)
        ats[rng.randrange(count)] = ats[rng.randrange(count)]
        rng.shuffle(ats)
        n: MultiNotifier[Any, float] = MultiNotifier()
        n.notify_many(ats, range(count))
        assert n.due(inf) == sorted(range(count), key=ats.__getitem__)


@pytest.mark.parametrize("far", [-(2**63), 2**63 - 1, 0])
def test_ints_with_one_far_away(far: int) -> None:
    rng = random.Random(2)
    for count in (25, 49, 500, 20_000):
        ats = [2**60 + rng.randrange(60 * 10**9) for _ in range(count - 1)] + [far]
        n: MultiNotifier[Any, int] = MultiNotifier()
        n.notify_many(ats, range(count))
        assert n.due(2**63 - 1) == sorted(range(count), key=ats.__getitem__)


def test_clusters_in_clusters_on_a_small_stack() -> None:
    # At each of fourteen depths some lie far from the others. A stack that overflows ends the process.
    script = """
import threading
from timers import MultiNotifier

ats, bits = [number % 16 for number in range(25)], 4
while (width := (len(ats) + 6).bit_length() - 1) + bits <= 62:
    ats += [(1 << bits + width - 1) + (number << bits - 3) for number in range(6)]
    bits += width

def run():
    n = MultiNotifier()
    n.notify_many(ats[::-1], ats[::-1])
    assert n.due(2**63 - 1) == sorted(ats)
    print("done")

try:
    threading.stack_size(48 << 10)
except ValueError:
    # The least that CPython 3.15 takes.
    threading.stack_size(52 << 10)
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "done\n"
