"""Threads that use the same notifiers: nothing lost, nothing given twice. A thread sanitizer may look on."""

from __future__ import annotations

import copy
import itertools
import pickle
import random
import statistics
import sys
import threading
import time
from datetime import timedelta
from typing import Any, Callable

from tests.clocks import TODAY
from tests.model import LAST
from timers import Deadlines, MultiNotifier

# A race that 300 operations a thread never showed, 20,000 did.
OPERATIONS = 20_000
THREADS = 8


class Crew:
    """Threads over one notifier, its twin, and a ledger of what each put in and took out."""

    def __init__(self, threads: int, operations: int, seed: int) -> None:
        self.notifiers: list[MultiNotifier[Any]] = [MultiNotifier(), MultiNotifier()]
        # Read by all, while some assign to its slices.
        self.ats = [TODAY + timedelta(microseconds=number) for number in range(1, 21)]
        # Anything put in here may be gone: it is initialised again and again.
        self.renewed: MultiNotifier[Any] = MultiNotifier()
        self.operations, self.seed = operations, seed
        self.barrier = threading.Barrier(threads)
        self.inserted: list[list[int]] = [[] for _ in range(threads)]
        self.taken: list[list[int]] = [[] for _ in range(threads)]
        self.errors: list[BaseException] = []
        self.threads = [threading.Thread(target=self.work, args=(number,)) for number in range(threads)]

    def work(self, thread: int) -> None:
        try:
            self.barrier.wait()
            self.operate(thread)
        except BaseException as error:
            self.errors.append(error)

    def operate(self, thread: int) -> None:
        rng = random.Random(self.seed * 1000 + thread)
        numbers = itertools.count(thread * 10**9)
        inserted, taken = self.inserted[thread], self.taken[thread]
        for step in range(self.operations):
            n = self.notifiers[rng.random() < 0.2]
            at = TODAY + timedelta(microseconds=step * 50 + rng.randrange(50_000))
            choice = rng.random()
            if choice < 0.5:
                number = next(numbers)
                n.notify_at(at, number if step % 64 else [number])
                inserted.append(number)
            elif choice < 0.6:
                taken += flat(n.due(at - timedelta(milliseconds=10), rng.choice((None, 5))))
            elif choice < 0.65:
                taken += flat(token for _, token in n.due_items(at - timedelta(milliseconds=10), 5))
            elif choice < 0.75 and inserted:
                # Its time is not known any more: mostly in vain, but it looks.
                assert n.cancel(LAST, inserted[-1]) is False
                number = next(numbers)
                n.notify_at(at, number)
                if n.cancel(at, number):
                    continue
                inserted.append(number)
            elif choice < 0.8:
                number = next(numbers)
                n.notify_at(at, number)
                inserted.append(number)
                n.reschedule(at, number, at + timedelta(milliseconds=5))
            elif choice < 0.84:
                batch = list(itertools.islice(numbers, 20))
                n.notify_many([at + timedelta(microseconds=number % 997) for number in batch], batch)
                inserted += batch
            elif choice < 0.86:
                batch = list(itertools.islice(numbers, 20))
                self.ats[5:15] = [at + timedelta(microseconds=number % 97) for number in batch[:10]]
                n.notify_many(self.ats, batch)
                inserted += batch
                self.renewed.__init__([(at, [number]) for number in batch])  # type: ignore[misc]
                taken_whole = flat(self.renewed.due(LAST))
                assert len(taken_whole) in (0, 20), "a call was not atomic"
                sys.getsizeof(self.renewed)
                repr(self.renewed)
            elif choice < 0.9:
                n.next_at()
                len(n)
                bool(n)
                repr(n)
                assert (LAST, -1) not in n
            elif choice < 0.93:
                try:
                    for _ in itertools.islice(n, 5):
                        pass
                except RuntimeError:
                    pass
            elif choice < 0.96:
                twin = rng.choice((copy.copy, copy.deepcopy))(n)
                twin.notify_at(TODAY, "mine")
                assert twin.due(TODAY)[0] == "mine"
            elif choice < 0.97:
                pickle.loads(pickle.dumps(n))._check()
            elif choice < 0.98:
                sys.getsizeof(n)
                MultiNotifier([(at, 1)]).clear()

    def run(self) -> int:
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()
        if self.errors:
            raise self.errors[0]
        left: list[int] = []
        self.renewed._check()
        for n in self.notifiers:
            n._check()
            left += flat(n.due(LAST))
        seen = sorted(left + list(itertools.chain(*self.taken)))
        wanted = sorted(itertools.chain(*self.inserted))
        assert len(seen) == len(set(seen)), "a timer was given twice"
        lost = len(set(wanted) - set(seen))
        assert seen == wanted, (
            f"{lost} timers were lost of {len(wanted)}, {len(set(seen) - set(wanted))} came from nowhere"
        )
        return len(self.threads) * self.operations


def flat(tokens: Any) -> list[int]:
    return [token[0] if type(token) is list else token for token in tokens]


def check(threads: int, operations: int, seed: int) -> int:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        return Crew(threads, operations, seed).run()
    finally:
        sys.setswitchinterval(interval)


def together(threads: int, work: Callable[[int], None]) -> float:
    """The seconds from a common start to the last end."""
    barrier = threading.Barrier(threads + 1)
    errors: list[BaseException] = []

    def one(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    crew = [threading.Thread(target=one, args=(number,)) for number in range(threads)]
    for thread in crew:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in crew:
        thread.join()
    seconds = time.perf_counter() - started
    if errors:
        raise errors[0]
    return seconds


def sharing(threads: int, operations: int, seed: int) -> int:
    """Threads that each copy, write to and drain what all of them share: every copy holds what was copied."""
    tokens = [str(number) for number in range(1000)]
    first = MultiNotifier((TODAY + timedelta(milliseconds=number * 7), token) for number, token in enumerate(tokens))
    copies = [copy.copy(first) for _ in range(threads)]

    def work(number: int) -> None:
        rng = random.Random(seed * 1000 + number)
        mine, rest = copies[number], tokens
        done = 0
        while done < operations:
            if not rest:
                mine, rest = copy.copy(first), tokens
            limit = rng.randrange(1, 200)
            twin = rng.choice((copy.copy, copy.deepcopy))(mine)
            assert mine.due(LAST, limit) == rest[:limit]
            assert twin.cancel(TODAY, "0") is (rest is tokens)
            twin.notify_at(LAST, "mine")
            assert twin.due(LAST)[-1] == "mine"
            rest = rest[limit:]
            done += 5
        mine._check()

    together(threads, work)
    first._check()
    assert first.due(LAST) == tokens
    return threads * operations


class Named:
    """A key with code of its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and self.name == other.name


def keyed(threads: int, operations: int, seed: int) -> int:
    """Threads on the same `Deadlines`, each with keys of its own; all of them ask, copy, and look at all of it."""
    d: Deadlines[Any, int] = Deadlines()
    # Whose keys come and go, whoever sets them.
    wild: Deadlines[Any, int] = Deadlines()
    own: list[dict[Any, int]] = [{} for _ in range(threads)]

    def work(number: int) -> None:
        rng = random.Random(seed * 1000 + number)
        mine = own[number]
        for step in range(operations):
            name = f"{number} {rng.randrange(200)}"
            key: Any = Named(name) if len(name) % 2 else name
            choice, at = rng.random(), rng.randrange(10**6)
            if choice < 0.4:
                d[key] = mine[key] = at
            elif choice < 0.55:
                assert d.pop(key, None) == mine.pop(key, None), "a key has another time"
            elif choice < 0.7:
                assert d.get(key) == mine.get(key) and (key in d) is (key in mine), "a key has another time"
            elif choice < 0.75:
                assert d.setdefault(key, at) == mine.setdefault(key, at), "a key has another time"
            elif choice < 0.8:
                batch = [(f"{number} {rng.randrange(200)}x", at + step) for step in range(9)]
                d.update(batch)
                mine.update(batch)
            elif choice < 0.83:
                twin = rng.choice((copy.copy, copy.deepcopy, Deadlines.copy))(d)
                twin["mine"] = -1
                assert twin.popitem() == ("mine", -1)
                twin._check()
            elif choice < 0.84:
                pickle.loads(pickle.dumps(d))._check()
            elif choice < 0.87:
                try:
                    for _ in itertools.islice(rng.choice((d, d.items(), d.values())), 5):
                        pass
                except RuntimeError:
                    pass
            elif choice < 0.9:
                assert d.due(-1) == [] and len(d) >= 0
                d.next_at()
                repr(d)
                sys.getsizeof(d)
            elif choice < 0.97:
                wild[rng.randrange(40)] = at
                if step % 7 == 0:
                    taken = wild.due(at, rng.choice((None, 3)))
                    assert len(taken) == len(set(taken))
                    copy.copy(wild)._check()
            elif choice < 0.98:
                wild.__init__([(f"{step}", at)])  # type: ignore[misc]
            elif choice < 0.99:
                wild.clear()
            else:
                wild.pop(step % 40, None)

    together(threads, work)
    d._check()
    wild._check()
    everything: dict[Any, int] = {}
    for mine in own:
        everything.update(mine)
    assert dict(d.items()) == everything, "a key was lost, or has another time"
    return threads * operations


def tables(threads: int, operations: int, seed: int) -> int:
    """Threads that each write to a copy of the same `Deadlines`, whose tree and table are shared in part."""
    first: Deadlines[Any, int] = Deadlines((Named(f"{key}") if key % 9 == 0 else f"{key}", key) for key in range(3000))
    wanted = list(first.items())
    copies = [copy.copy(first) for _ in range(threads)]

    def work(number: int) -> None:
        rng = random.Random(seed * 1000 + number)
        mine, held = copies[number], dict(wanted)
        for step in range(operations):
            key = rng.choice(wanted)[0]
            choice = rng.random()
            if choice < 0.5:
                mine[key] = held[key] = step
            elif choice < 0.8:
                assert mine.pop(key, None) == held.pop(key, None), "a key has another time"
            elif choice < 0.99:
                assert mine.get(key) == held.get(key), "a key has another time"
            elif choice < 0.995:
                for due in mine.due(step, 5):
                    del held[due]
            else:
                assert dict(mine.items()) == held, "a copy has what it was not given"
                mine, held = copy.copy(rng.choice((first, copy.copy(first)))), dict(wanted)
        mine._check()

    together(threads, work)
    first._check()
    assert list(first.items()) == wanted, "what was copied changed"
    return threads * operations


def throughput(threads: int, operations: int, own: bool) -> float:
    """How many times the work of one thread several do in the same time, each with a notifier of its own.

    `own`: with tokens and times of their own too; else all insert the same ones.
    """
    times = [[TODAY + timedelta(microseconds=step * 37 % 60_000_000) for step in range(operations)]]
    tokens = [[str(number) for number in range(operations)]]
    for number in range(1, threads):
        times.append([at + timedelta(microseconds=number) for at in times[0]] if own else times[0])
        tokens.append([f"{number} {token}" for token in tokens[0]] if own else tokens[0])

    def work(number: int) -> None:
        n: MultiNotifier[str] = MultiNotifier()
        notify_at, due = n.notify_at, n.due
        for at, token in zip(times[number], tokens[number]):
            notify_at(at, token)
        for step in range(0, 60_001, 10):
            due(TODAY + timedelta(milliseconds=step))
        assert not n

    rounds = [together(1, work) * threads / together(threads, work) for _ in range(7)]
    return statistics.median(rounds)


WORKS: dict[str, Callable[[int, int, int], int]] = {
    "shared notifiers": check,
    "copies that share": sharing,
    "shared Deadlines": keyed,
    "copies of Deadlines that share": tables,
}


def run(name: str, threads: int, operations: int, seed: int) -> int:
    return WORKS[name](threads, operations, seed)


if __name__ == "__main__":
    # In the interpreter that a build made for it: prints which module it loaded.
    import timers.notifier

    print(timers.notifier.__file__, "GIL" if getattr(sys, "_is_gil_enabled", lambda: True)() else "free-threaded")
    count, operations, seed = map(int, sys.argv[1:])
    for name, work in WORKS.items():
        print(work(count, operations, seed), "operations on", name, flush=True)
    print("throughput of two threads against one, each with its own notifier: ", end="")
    print(f"{throughput(2, 200_000, True):.2f} with tokens of their own, {throughput(2, 200_000, False):.2f} shared")
