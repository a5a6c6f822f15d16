"""What runs of random operations differ in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tests.clocks import EPOCH, TICK, TODAY
from tests.model import FIRST, LAST, MICROSECOND, Time


@dataclass(frozen=True)
class Config:
    """Where the clock starts, how far timers and clock move, what times and tokens look like, what is done."""

    start: Time = TODAY
    # Timers lie up to `spread` after the clock, and a sixteenth of it before; the clock moves up to `step`. Where times
    # are numbers, a microsecond stands for one, or for the next float.
    spread: timedelta = timedelta(seconds=60)
    step: timedelta = timedelta(seconds=1)
    grain: timedelta = MICROSECOND
    backwards: float = 0.0
    # How often a time is taken from CLOCKS, and how often from the nearest boundaries of a level.
    jumps: float = 0.0
    edges: float = 0.02
    # How often a time lies far away, before or after the clock: seconds to millennia.
    outliers: float = 0.0
    # "utc", "naive", "zones", "stamps", "floats", "ints"; "either" of aware and naive, "any" of the four kinds.
    times: str = "utc"
    tokens: str = "numbers"
    subclass: bool = False
    # Twins that live on beside the notifier in use.
    twins: int = 3
    # Copies that have the very tokens are not read when they are made, which would put all in order.
    unread: bool = False
    # In place of the usual weights.
    weights: dict[str, int] | None = None


# What costs as much as there are timers is rare, so that volume stays affordable.
USUAL = {
    "notify_at": 600,
    "due": 180,
    "slice": 60,
    "due_items": 25,
    "cancel": 120,
    "reschedule": 120,
    "notify_many": 6,
    "contains": 30,
    "copy": 4,
    "switch": 12,
    "drop": 3,
    "keep": 2,
    "restore": 2,
    "rebuild": 1,
    "items": 2,
    "iterate": 2,
    "step": 20,
    "scribble": 3,
    "look": 2,
    "refuse": 12,
    "clear": 2,
}

CONFIGS = {
    "dense": Config(),
    "sparse": Config(spread=timedelta(days=400), step=timedelta(days=9)),
    "one millisecond": Config(spread=TICK, step=timedelta(microseconds=20)),
    "one microsecond": Config(spread=MICROSECOND, step=MICROSECOND),
    "whole milliseconds": Config(grain=TICK, step=TICK * 400),
    "every level": Config(edges=0.7, spread=timedelta(days=90), step=timedelta(days=2)),
    "backwards": Config(backwards=0.5, step=timedelta(seconds=5)),
    "jumps": Config(spread=timedelta(days=900_000), step=timedelta(days=20_000), jumps=0.1, backwards=0.3),
    "far past": Config(start=FIRST + timedelta(seconds=5), backwards=0.3),
    "far future": Config(start=LAST - timedelta(seconds=30), backwards=0.4),
    "before 1970": Config(start=EPOCH - timedelta(seconds=2), step=timedelta(milliseconds=20)),
    "growing": Config(
        weights={**USUAL, "notify_at": 1500, "notify_many": 30, "due": 15, "slice": 15, "copy": 1, "clear": 0}
    ),
    "growing in a second": Config(
        spread=timedelta(seconds=1), weights={**USUAL, "notify_many": 45, "due": 9, "slice": 150, "copy": 1, "clear": 0}
    ),
    "small": Config(spread=timedelta(seconds=2), weights={**USUAL, "notify_at": 200, "notify_many": 0, "copy": 60}),
    "copies": Config(
        spread=timedelta(seconds=9), twins=6, weights={**USUAL, "copy": 60, "switch": 90, "keep": 12, "restore": 12}
    ),
    "cancelling": Config(weights={**USUAL, "due": 9, "cancel": 500, "reschedule": 500}),
    "slices": Config(
        spread=timedelta(seconds=3), weights={**USUAL, "notify_many": 40, "due": 9, "slice": 300, "due_items": 150}
    ),
    "naive": Config(times="naive", jumps=0.05, backwards=0.2),
    "aware or naive": Config(times="either", weights={**USUAL, "clear": 60}),
    "zones": Config(times="zones"),
    "zones at the ends": Config(
        times="zones", spread=timedelta(days=900_000), step=timedelta(days=9000), jumps=0.3, backwards=0.5
    ),
    "datetime subclass": Config(times="stamps"),
    "equal tokens": Config(tokens="equal", spread=timedelta(microseconds=60), step=timedelta(microseconds=7)),
    "labels": Config(tokens="labels", spread=timedelta(milliseconds=3), step=timedelta(microseconds=90)),
    "mutable tokens": Config(tokens="lists", weights={**USUAL, "copy": 30, "scribble": 30, "switch": 60}),
    "immutable tokens": Config(
        tokens="fixed",
        spread=timedelta(seconds=9),
        twins=6,
        weights={**USUAL, "copy": 60, "switch": 90, "keep": 12, "restore": 12},
    ),
    "immutable tokens at once": Config(
        tokens="fixed", spread=timedelta(microseconds=60), weights={**USUAL, "copy": 30, "switch": 60, "cancel": 400}
    ),
    "one mutable token": Config(tokens="few lists", weights={**USUAL, "copy": 30, "scribble": 30, "switch": 60}),
    "subclass": Config(subclass=True, weights={**USUAL, "copy": 30, "switch": 60}),
    "outliers": Config(outliers=0.02),
    "many outliers": Config(outliers=0.3, weights={**USUAL, "copy": 30, "switch": 60}),
    "outliers of a growing one": Config(
        outliers=0.003, weights={**USUAL, "notify_at": 1500, "notify_many": 30, "due": 15, "slice": 15, "clear": 0}
    ),
    "outliers, cancelled": Config(outliers=0.1, weights={**USUAL, "due": 9, "cancel": 500, "reschedule": 500}),
    "outliers, copied": Config(
        outliers=0.1,
        tokens="few lists",
        twins=6,
        weights={**USUAL, "copy": 60, "switch": 90, "keep": 12, "restore": 12},
    ),
    "generations": Config(
        spread=timedelta(seconds=9), twins=40, weights={**USUAL, "copy": 80, "switch": 60, "drop": 9}
    ),
    "copies of many": Config(
        twins=9,
        unread=True,
        step=timedelta(milliseconds=20),
        weights={
            **USUAL,
            "notify_many": 150,
            "due": 1,
            "slice": 1,
            "due_items": 1,
            "copy": 40,
            "switch": 60,
            "clear": 0,
        },
    ),
    "iterating": Config(
        spread=timedelta(seconds=1),
        weights={
            **USUAL,
            "due": 30,
            "slice": 20,
            "cancel": 60,
            "iterate": 90,
            "step": 2000,
            "contains": 300,
            "look": 60,
        },
    ),
    "whole seconds": Config(grain=timedelta(seconds=1), step=timedelta(seconds=2), tokens="equal"),
    **{
        f"one instant, {tokens}": Config(
            spread=timedelta(hours=1),
            grain=timedelta(hours=1),
            step=timedelta(0),
            tokens=tokens,
            weights={
                **USUAL,
                **dict(due=3, due_items=40, cancel=250, reschedule=150, notify_many=30, copy=20, switch=30),
            },
        )
        for tokens in ("strings", "numbers", "pairs", "objects", "equal", "labels", "mixed")
    },
    "floats": Config(start=1.7e9, times="floats", backwards=0.1),
    "floats around zero": Config(start=0.0, times="floats", spread=TICK, step=TICK / 50, backwards=0.4),
    "floats far apart": Config(start=1.7e9, times="floats", jumps=0.1, outliers=0.1, edges=0.1, backwards=0.3),
    "neighbours": Config(start=1.0, times="floats", spread=9 * MICROSECOND, step=MICROSECOND),
    "ints": Config(start=17 * 10**17, times="ints", backwards=0.1),
    "ints to both ends": Config(start=0, times="ints", jumps=0.1, outliers=0.1, edges=0.1, backwards=0.3),
    "small ints": Config(start=0, times="ints", spread=9 * MICROSECOND, step=MICROSECOND, tokens="equal"),
    "any kind": Config(times="any", weights={**USUAL, "clear": 60, "refuse": 60}),
}
