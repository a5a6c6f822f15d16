"""Random operations on notifiers, every answer compared with the oracle's.

A run is a `Config` (data), a number of operations and a seed, and repeats exactly. Every operation is first chosen, as
a name and plain arguments, and then applied; so a run that fails leaves a list that `shrink` makes minimal and
`replay` repeats. `python -m tests.proof operations` runs them by the billion.
"""

from __future__ import annotations

import copy
import pickle
import random
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Callable, NamedTuple

from tests.clocks import (
    CLOCKS,
    DAY,
    EPOCH,
    FLOATS,
    INTS,
    MIXED,
    NUMBERS,
    ORIGINS,
    SHIFTS,
    STEPS,
    TICK_SIZE,
    TODAY,
    UTC,
    WRITERS,
    ZONES,
    Stamp,
    boundary,
    read,
    write,
)
from tests.configs import USUAL, Config
from tests.model import BEGINNING, END, FIRST, MICROSECOND, Time, instant, moment
from tests.model import kind as kind_of
from tests.oracle import NUMBER_BITS, Oracle
from tests.refusals import MIXTURES, REFUSALS
from tests.tokens import CHANGEABLE, COPIERS, TEXTUAL, TOKENS
from timers import MultiNotifier


class Sub(MultiNotifier[Any]):
    """With another constructor, a slot and a `__dict__`."""

    __slots__ = ("__dict__", "key")

    def __init__(self, key: str) -> None:
        self.key = key
        self.extra = [key]


class Operation(NamedTuple):
    name: str
    arguments: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments))})"


class Stage:
    """Notifiers, each with its oracle, and the operations that are applied to both and compared."""

    def __init__(self, config: Config, notifier: Any = None) -> None:
        self.config = config
        if notifier is None:
            notifier = Sub("k") if config.subclass else MultiNotifier()
        self.notifier: Any = notifier
        self.oracle = Oracle()
        self.others: list[tuple[Any, Oracle]] = []
        self.kept: tuple[Any, Oracle] | None = None
        self.iterator: tuple[Iterator[Any], Oracle, int, Iterator[Any]] | None = None
        self.textual = config.tokens in TEXTUAL
        self.soonest: tuple[int | None, str, Time | None] = (None, "", None)

    def compare(self) -> None:
        """What must hold after every operation."""
        soonest, kind = self.oracle.next_at(), self.oracle.kind
        if soonest != self.soonest[0] or kind != self.soonest[1]:
            self.soonest = soonest, kind, None if soonest is None else write(kind, soonest)
        answer: Any = self.notifier.next_at()
        expected = self.soonest[2]
        assert answer == expected and type(answer) is type(expected), f"next_at() is {answer!r}, not {expected!r}"
        if kind == "aware" and getattr(expected, "tzinfo", None) is UTC:
            assert getattr(answer, "tzinfo", None) is UTC, f"next_at() is {answer!r}: not in UTC"
        assert len(self.notifier) == len(self.oracle.keys), f"len() is {len(self.notifier)}, not {len(self.oracle)}"

    def same(self, answer: list[Any], expected: list[Any]) -> None:
        assert answer == expected, f"answered {answer!r}, not {expected!r}"
        if self.textual:
            assert repr(answer) == repr(expected), f"answered {answer!r}, not {expected!r}"

    def moments(self, items: list[tuple[int, Any]]) -> list[tuple[Time, Any]]:
        kind = self.oracle.kind
        return [(write(kind, number), token) for number, token in items]

    def apply(self, operation: Operation) -> None:
        getattr(self, operation.name)(*operation.arguments)
        self.compare()

    # The operations. An instant that stands twice among the arguments is there for the oracle and for the notifier.

    def notify_at(self, micros: int, at: Time, token: Any) -> None:
        if not self.oracle.keys:
            self.oracle.kind = kind_of(at)
        self.oracle.notify_at(micros, token)
        assert self.notifier.notify_at(at, token) is None

    def due(self, micros: int, now: Time) -> None:
        self.same(self.notifier.due(now), self.oracle.due(micros))

    def slice(self, micros: int, now: Time, limit: int) -> None:
        self.same(self.notifier.due(now, limit), self.oracle.due(micros, limit))

    def due_items(self, micros: int, now: Time, limit: int | None) -> None:
        expected = self.moments(self.oracle.due_items(micros, limit))
        self.same(self.notifier.due_items(now=now, limit=limit), expected)

    def cancel(self, micros: int, at: Time, token: Any) -> None:
        assert self.notifier.cancel(at, token) is self.oracle.cancel(micros, token), "cancel() answered otherwise"

    def contains(self, micros: int, at: Time, token: Any) -> None:
        assert ((at, token) in self.notifier) is self.oracle.contains(micros, token), "`in` answered otherwise"

    def reschedule(self, micros: int, at: Time, token: Any, new_micros: int, new_at: Time) -> None:
        expected = self.oracle.reschedule(micros, token, new_micros)
        assert self.notifier.reschedule(at, token, new_at) is expected, "reschedule() answered otherwise"

    def notify_many(self, micros: list[int], ats: list[Time], tokens: list[Any], form: str) -> None:
        if not self.oracle.keys and ats:
            self.oracle.kind = kind_of(ats[0])
        self.oracle.notify_many(micros, tokens)
        if form == "column" and isinstance(self.notifier, MultiNotifier):
            numpy = sys.modules["numpy"]
            if self.config.times in NUMBERS:
                column = numpy.array(ats, dtype="f8" if self.config.times == "floats" else "i8")
            else:
                column = numpy.array([micro - instant(EPOCH) for micro in micros], dtype="i8").view("M8[us]")
            self.notifier.notify_many(column, tokens)
        elif form == "generators":
            self.notifier.notify_many((at for at in ats), tokens=iter(tokens))
        else:
            self.notifier.notify_many(ats, tuple(tokens))

    def clear(self) -> None:
        if not len(self.oracle):
            # Whether that is a change is nobody's business.
            self.iterator = None
        self.oracle.clear()
        self.notifier.clear()
        assert not self.notifier

    def items(self) -> None:
        self.same(list(self.notifier), self.moments(self.oracle.items()))

    def iterate(self) -> None:
        expected = iter(self.moments(self.oracle.items()))
        self.iterator = iter(self.notifier), self.oracle, self.oracle.changes, expected

    def step(self) -> None:
        """One step of an iterator over a notifier that may have changed since."""
        if self.iterator is None:
            return
        iterator, oracle, changes, expected = self.iterator
        try:
            answer = next(iterator)
        except RuntimeError:
            assert oracle.changes != changes, "iteration saw a change where there was none"
            self.iterator = None
        except StopIteration:
            # As a dict's: the end is a step like any other.
            assert oracle.changes == changes and next(expected, None) is None, "iteration ended early"
            self.iterator = None
        else:
            assert oracle.changes == changes, "iteration went on after a change"
            self.same([answer], [next(expected)])

    def copy(self, how: str, stay: bool) -> None:
        deep, make = COPIERS[how]
        twin = make(self.notifier), self.oracle.twin(deep and self.config.tokens in CHANGEABLE)
        assert type(twin[0]) is type(self.notifier)
        if not (self.config.unread and make in (copy.copy, copy.deepcopy)):
            self.adopt(*twin)
        if self.config.subclass:
            assert (twin[0].key, twin[0].extra) == ("k", ["k"])
            assert (twin[0].extra is self.notifier.extra) is not deep
        if not stay:
            self.others.append((self.notifier, self.oracle))
            self.notifier, self.oracle = twin
        else:
            self.others.append(twin)
        if len(self.others) > self.config.twins:
            self.drop(0)

    def adopt(self, notifier: Any, oracle: Oracle) -> None:
        """The very tokens of a copy, which may be other objects: identity decides what is cancelled."""
        tokens = [token for _, token in notifier]
        self.same(tokens, [oracle.tokens[key] for key in oracle.keys])
        for key, token in zip(oracle.keys, tokens):
            # Lists are changed in place, the notifier's and the oracle's each by itself.
            if type(token) is not list:
                oracle.tokens[key] = token

    def switch(self, number: int) -> None:
        if self.others:
            other = self.others.pop(number % len(self.others))
            self.others.append((self.notifier, self.oracle))
            self.notifier, self.oracle = other

    def drop(self, number: int) -> None:
        if self.others:
            del self.others[number % len(self.others)]

    def keep(self, protocol: int) -> None:
        self.kept = self.notifier.__reduce_ex__(protocol)[2], self.oracle.twin(False)

    def restore(self) -> None:
        if self.kept:
            state, oracle = self.kept
            if not len(oracle) and not len(self.oracle):
                self.iterator = None
            self.notifier.__setstate__(state)
            changes = self.oracle.changes + 1
            self.oracle.__dict__.update(vars(oracle.twin(False)), changes=changes)
            self.adopt(self.notifier, self.oracle)

    def rebuild(self) -> None:
        """A notifier from the pairs of another."""
        if not self.config.subclass:
            oracle = self.oracle.twin(False)
            self.notifier, self.oracle = MultiNotifier(timers=self.notifier), oracle

    def scribble(self) -> None:
        """Change a mutable token in place: copies must not share it, except `copy.copy`."""
        if self.oracle.keys:
            ours, theirs = self.oracle.tokens[self.oracle.keys[0]], next(iter(self.notifier))[1]
            if type(ours) is list:
                ours.append(len(ours))
                if ours is not theirs:
                    theirs.append(len(theirs))

    def look(self) -> None:
        assert "\n" not in repr(self.notifier) and len(repr(self.notifier)) < 200
        assert bool(self.notifier) is bool(self.oracle)
        assert sys.getsizeof(self.notifier) >= 16 * len(self.oracle) // 8

    def refuse(self, number: int, at: Time) -> None:
        held = self.oracle.kind if len(self.oracle) else kind_of(at)
        others: dict[str, Time] = {"aware": moment(instant(TODAY), True), "naive": TODAY, "float": TODAY, "int": 0.5}
        wrong = others[held]
        if len(self.oracle) and number >= len(REFUSALS):
            try:
                MIXTURES[number - len(REFUSALS)](self.notifier, wrong)
            except TypeError as error:
                mixed = held in ("aware", "naive")
                assert str(error).endswith("can't compare offset-naive and offset-aware datetimes") is mixed
            else:
                raise AssertionError(f"mixture {number - len(REFUSALS)} was accepted")
        elif number < len(REFUSALS):
            kind, call = REFUSALS[number]
            try:
                call(self.notifier, at, wrong)
            except kind:
                pass
            else:
                raise AssertionError(f"refusal {number} was accepted")

    def finish(self) -> None:
        """Every notifier that is left gives the rest of its future."""
        for notifier, oracle in [*self.others, (self.notifier, self.oracle)]:
            self.notifier, self.oracle = notifier, oracle
            self.compare()
            end = WRITERS[self.oracle.kind][2] + (DAY - 1 if self.oracle.kind == "aware" else 0)
            self.due(end, write(self.oracle.kind, end))
            assert not self.notifier


class Chooser:
    """Chooses the arguments of the operations, from what the oracle knows."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.config, self.rng = stage, stage.config, random.Random(seed)
        self.random, self.edges, self.jumps = self.rng.random, self.config.edges, self.config.jumps
        self.outliers = self.config.outliers
        self.now = read(self.config.start)
        self.grain = self.config.grain // MICROSECOND
        self.reach = max(self.config.spread // MICROSECOND, 1)
        self.stride = max(self.config.step // MICROSECOND, 1)
        self.number = 0
        times = self.config.times
        self.counted = times in NUMBERS
        self.clocks = {"floats": FLOATS, "ints": INTS}.get(times) or [instant(at) for at in CLOCKS]
        self.shifts = range(63) if self.counted else SHIFTS
        self.make_token = TOKENS[self.config.tokens]
        # Instants beyond the calendar exist only where zones do.
        beyond = DAY - 1 if times == "zones" else 0
        _, first, last = WRITERS[NUMBERS.get(times, "aware")]
        self.low, self.high = first - beyond, last + beyond
        self.plain = times == "utc"
        usual = self.config.weights or USUAL
        self.names, self.weights = list(usual), list(usual.values())

    def choices(self, count: int) -> list[str]:
        return self.rng.choices(self.names, self.weights, k=count)

    def operation(self, name: str) -> Operation:
        return Operation(name, getattr(self, name)())

    # Parts of the arguments.

    def instant(self) -> int:
        chance = self.random()
        if chance < self.edges:
            micros = self.edge(self.shifts)
            if chance < self.edges / 2:
                micros += (1 if self.counted else TICK_SIZE) << self.rng.choice(self.shifts)
        elif chance < self.edges + self.jumps:
            micros = self.rng.choice(self.clocks)
        elif chance < self.edges + self.jumps + self.outliers:
            micros = self.now + self.rng.choice((-1, 1)) * (1 << self.rng.randrange(20, 64))
        else:
            micros = self.now + int((self.random() * 1.0625 - 0.0625) * self.reach)
            micros -= micros % self.grain
        return self.low if micros < self.low else self.high if micros > self.high else micros

    def edge(self, shifts: range) -> int:
        """A boundary of a level before the clock, or near it."""
        rng, shift = self.rng, self.rng.choice(shifts)
        if self.counted:
            return (self.now >> shift << shift) + rng.choice((-1, 0, 1))
        return boundary(self.now, shift, rng.choice(ORIGINS)) + rng.choice(STEPS)

    def dress(self, micros: int) -> Time:
        """One of the times of an instant."""
        if self.plain:
            return FIRST + micros * MICROSECOND
        times, oracle = self.config.times, self.stage.oracle
        if times == "naive":
            return moment(micros, True)
        if times in MIXED:
            return write(oracle.kind if oracle.keys else self.rng.choice(MIXED[times]), micros)
        if times in NUMBERS:
            number = write(NUMBERS[times], micros)
            # Floats that are integers may come as such, where there are floats.
            if type(number) is float and oracle.keys and abs(number) < 2**63 and number == int(number):
                return self.rng.choice((number, int(number)))
            return number
        if times == "stamps":
            at = moment(micros)
            return Stamp(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, UTC)
        zone, fold = self.rng.choice(ZONES)
        offset = zone.utcoffset(datetime(1, 1, 1, fold=fold))
        assert offset is not None
        wall = micros + offset // MICROSECOND
        if not BEGINNING <= wall <= END:
            return moment(micros)
        return moment(wall, True).replace(tzinfo=zone, fold=fold)

    def token(self) -> Any:
        self.number += 1
        return self.make_token(self.rng, self.number)

    def pair(self) -> tuple[int, Time, Any]:
        """A pending pair, mostly."""
        oracle, rng = self.stage.oracle, self.rng
        if not oracle.keys or self.random() < 0.08:
            micros = self.instant()
            return micros, self.dress(micros), self.token()
        key = oracle.keys[int(self.random() * len(oracle.keys))]
        micros, token = key >> NUMBER_BITS, oracle.tokens[key]
        if self.random() < 0.05:
            micros = min(max(micros + rng.choice(STEPS), self.low), self.high)
        return micros, self.dress(micros), token

    def clock(self) -> int:
        rng, chance = self.rng, self.random()
        if chance < self.jumps:
            self.now = rng.choice(self.clocks)
        elif chance < self.jumps + self.edges:
            self.now = self.edge(self.shifts[:24])
        else:
            sign = -1 if chance > 1 - self.config.backwards else 1
            self.now += sign * int(self.random() * (self.stride + 1))
        self.now = min(max(self.now, self.low), self.high)
        return self.now

    # The arguments of each operation.

    def notify_at(self) -> tuple[Any, ...]:
        micros = self.instant()
        return micros, self.dress(micros), self.token()

    def due(self) -> tuple[Any, ...]:
        now = self.clock()
        return now, self.dress(now)

    def slice(self) -> tuple[Any, ...]:
        return (*self.due(), self.rng.choice((0, 1, 2, 7, 40, 400)))

    def due_items(self) -> tuple[Any, ...]:
        return (*self.due(), self.rng.choice((None, 0, 1, 5, 100)))

    cancel = contains = pair

    def reschedule(self) -> tuple[Any, ...]:
        micros = self.instant()
        return (*self.pair(), micros, self.dress(micros))

    def notify_many(self) -> tuple[Any, ...]:
        count = self.rng.choice((0, 1, 3, 30, 90))
        micros = [self.instant() for _ in range(count)]
        form = self.rng.choice(("lists", "generators", "column"))
        times = self.config.times
        inside = times in NUMBERS or all(BEGINNING <= micro <= END for micro in micros)
        if form == "column" and (times == "naive" or times in MIXED or not inside or "numpy" not in sys.modules):
            form = "lists"
        if times in MIXED and micros:
            what = kind_of(self.dress(micros[0]))
            ats = [write(what, micro) for micro in micros]
        else:
            ats = [self.dress(micro) for micro in micros]
        return micros, ats, [self.token() for _ in micros], form

    def copy(self) -> tuple[Any, ...]:
        return self.rng.choice(list(COPIERS)), self.rng.random() < 0.5

    def switch(self) -> tuple[Any, ...]:
        return (self.rng.randrange(9),)

    drop = switch

    def keep(self) -> tuple[Any, ...]:
        return (self.rng.randint(2, pickle.HIGHEST_PROTOCOL),)

    def refuse(self) -> tuple[Any, ...]:
        return self.rng.randrange(len(REFUSALS) + len(MIXTURES)), self.dress(self.instant())

    def nothing(self) -> tuple[Any, ...]:
        return ()

    clear = items = iterate = step = restore = rebuild = scribble = look = nothing


Trace = list[Operation]


def run(
    config: Config, operations: int, seed: int, check: bool = False, trace: Any = None, notifier: Any = None
) -> int:
    """Apply `operations` random ones; AssertionError where notifier and oracle differ.

    Each is appended to `trace` before it is applied. Answers the number of operations.
    """
    stage = Stage(config, notifier)
    chooser = Chooser(stage, seed)
    choose = {name: getattr(chooser, name) for name in chooser.names}
    apply = {name: getattr(stage, name) for name in chooser.names}
    compare = stage.compare
    for name in chooser.choices(operations):
        arguments = choose[name]()
        if trace is not None:
            trace.append(Operation(name, arguments))
        apply[name](*arguments)
        compare()
        if check:
            stage.notifier._check()
            for other, _ in stage.others:
                other._check()
    stage.finish()
    return operations


def replay(config: Config, trace: Trace, check: bool = True) -> None:
    stage = Stage(config)
    for operation in trace:
        stage.apply(operation)
        if check:
            stage.notifier._check()
    stage.finish()


def fails(config: Config, trace: Trace) -> bool:
    try:
        replay(config, trace)
    except Exception:
        return True
    return False


def shrink(trace: Trace, fails: Callable[[Trace], bool]) -> Trace:
    """Leave out ever smaller parts, as long as what is left still fails."""
    part = len(trace) // 2
    while part:
        start = 0
        while start < len(trace):
            shorter = trace[:start] + trace[start + part :]
            if fails(shorter):
                trace = shorter
            else:
                start += part
        part //= 2
    return trace
