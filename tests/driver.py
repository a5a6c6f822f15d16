"""Drives model and wheel side by side with random operations and compares every answer.

`python -m tests.driver --operations 1000000 --seed 1` runs all configurations and prints the seed.
"""

from __future__ import annotations

import argparse
import copy
import pickle
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from tests.model import Model
from timers import MultiNotifier

UTC = timezone.utc
MICROSECOND = timedelta(microseconds=1)
TICK = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


def _clocks() -> list[datetime]:
    """The extremes, the second before 1970, today, and a boundary of each level of the wheel with its neighbours."""
    today = datetime(2026, 1, 1, tzinfo=UTC)
    times = [FIRST, LAST, EPOCH - MICROSECOND, EPOCH, today]
    # The wheel counts its ticks from the day before FIRST.
    tick = (today - FIRST + timedelta(days=1)) // TICK
    for shift in (0, 8, 16, 24, 32, 40):
        boundary = FIRST + ((tick >> shift << shift) * TICK - timedelta(days=1))
        times += [boundary + step for step in (-TICK, -MICROSECOND, timedelta(0), MICROSECOND, TICK)]
    return times


CLOCKS = _clocks()


@dataclass(frozen=True)
class Config:
    """Where the clock starts, how far timers and clock move, and how often each operation is chosen."""

    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    spread: timedelta = timedelta(seconds=60)
    step: timedelta = timedelta(milliseconds=50)
    grain: timedelta = MICROSECOND
    backwards: float = 0.0
    jumps: bool = False
    weights: dict[str, int] = field(
        default_factory=lambda: {"notify": 20, "due": 8, "slice": 2, "items": 1, "cancel": 4, "reschedule": 3, "many": 1, "copy": 1, "iterate": 1}
    )


CONFIGS = {
    "dense": Config(),
    "sparse": Config(spread=timedelta(days=400), step=timedelta(days=1)),
    "one millisecond": Config(spread=TICK, step=timedelta(microseconds=3)),
    "one microsecond": Config(spread=MICROSECOND, step=MICROSECOND),
    "milliseconds": Config(grain=TICK, step=TICK),
    "backwards": Config(backwards=0.5, step=timedelta(seconds=5)),
    "jumps": Config(spread=timedelta(days=900_000), jumps=True),
    "far past": Config(start=FIRST + timedelta(seconds=5)),
    "far future": Config(start=LAST - timedelta(seconds=5), step=timedelta(microseconds=7)),
    "growing": Config(weights={"notify": 30, "due": 1, "slice": 1, "cancel": 2, "reschedule": 2, "many": 3, "items": 1, "copy": 1}),
    "naive": Config(start=datetime(2026, 1, 1)),
}


def _bounded(time: datetime) -> datetime:
    low, high = FIRST.replace(tzinfo=time.tzinfo), LAST.replace(tzinfo=time.tzinfo)
    return min(max(time, low), high)


def _move(time: datetime, by: timedelta) -> datetime:
    try:
        return _bounded(time + by)
    except OverflowError:
        return (LAST if by > timedelta(0) else FIRST).replace(tzinfo=time.tzinfo)


def run(config: Config, operations: int, seed: int, check: bool = False) -> int:
    """Answers the number of tokens that fell due; AssertionError where model and wheel differ."""
    rng = random.Random(seed)
    model, wheel = Model(), MultiNotifier()
    now, token, fired = config.start, 0, 0
    kinds, weights = list(config.weights), list(config.weights.values())
    reach = max(config.spread // config.grain, 1)

    def some_time() -> datetime:
        if config.jumps and rng.random() < 0.2:
            return rng.choice(CLOCKS)
        return _move(now, rng.randint(-reach // 16, reach) * config.grain)

    def some_pair() -> tuple[datetime, int]:
        return rng.choice(model.pending) if model.pending and rng.random() < 0.9 else (some_time(), token)

    for kind in rng.choices(kinds, weights, k=operations):
        if kind == "notify":
            at, token = some_time(), token + rng.randint(0, 1)
            model.notify_at(at, token)
            wheel.notify_at(at, token)
        elif kind in ("due", "slice", "items"):
            sign = -1 if rng.random() < config.backwards else 1
            now = rng.choice(CLOCKS) if config.jumps and rng.random() < 0.1 else _move(now, sign * rng.random() * config.step)
            limit = rng.randint(0, 40) if kind == "slice" else None
            expected = model.due_items(now, limit)
            if kind == "items":
                assert wheel.due_items(now) == expected
            else:
                assert wheel.due(now, limit) == [token for _, token in expected]
            fired += len(expected)
        elif kind == "cancel":
            pair = some_pair()
            assert (pair in wheel) == (pair in model.pending)
            assert wheel.cancel(*pair) == model.cancel(*pair)
        elif kind == "reschedule":
            pair, at = some_pair(), some_time()
            assert wheel.reschedule(*pair, at) == model.reschedule(*pair, at)
        elif kind == "many":
            ats = [some_time() for _ in range(rng.randint(0, 80))]
            tokens = list(range(token, token + len(ats)))
            model.notify_many(ats, tokens)
            wheel.notify_many(ats, tokens)
        elif kind == "copy":
            twin = rng.choice([copy.copy, copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n, rng.randint(2, 5)))])(wheel)
            wheel = rng.choice([wheel, twin])
        else:
            assert list(wheel) == model.items()
        assert wheel.next_at() == model.next_at()
        assert len(wheel) == len(model.pending)
        if check:
            wheel._check()
    assert wheel.due(LAST.replace(tzinfo=now.tzinfo)) == model.due(LAST.replace(tzinfo=now.tzinfo))
    return fired


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--check", action="store_true", help="verify every invariant after every operation")
    arguments = parser.parse_args()
    print("seed", arguments.seed)
    # Short runs keep the model small, and so fast.
    rounds = max(arguments.operations // len(CONFIGS) // 2000, 1)
    for name, config in CONFIGS.items():
        fired = sum(run(config, 2000, arguments.seed + turn, arguments.check) for turn in range(rounds))
        print(f"{name}: {rounds * 2000} operations, {fired} tokens due, all as the model")


if __name__ == "__main__":
    main()
