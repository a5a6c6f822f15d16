"""deepcopy and pickle: of a million timers, and of the few that most notifiers hold."""

from __future__ import annotations

import copy
import heapq
import pickle
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any, Callable

from bench import loops
from bench.bars.rows import MILLION, Row, Run, floor, group, need_numpy
from bench.contenders import Heap
from bench.measure import Task, nanoseconds
from bench.workloads import DENSE, START, Timers
from timers import MultiNotifier

KINDS: dict[str, Callable[[int], Any]] = {
    "str": str,
    "int": int,
    "bytes": lambda number: b"%d" % number,
    "None": lambda number: None,
    "tuple": lambda number: (number, str(number)),
}
LATE = START + timedelta(days=1)


def notifier_of(timers: Timers, tokens: list[Any]) -> MultiNotifier[Any]:
    """Filled one by one, in random order."""
    queue: MultiNotifier[Any] = MultiNotifier()
    loops.each(queue.notify_at, zip(timers.ats, tokens))
    return queue


def heap_of(timers: Timers, tokens: list[Any]) -> Heap:
    heap = Heap()
    heap.heap = [(at, number, token) for number, (at, token) in enumerate(zip(timers.ats, tokens))]
    heapq.heapify(heap.heap)
    return heap


@group
def deepcopy(run: Run) -> Iterator[Row]:
    def copies(timers: Timers, tokens: list[Any]) -> dict[str, float]:
        queue = notifier_of(timers, tokens)
        first, one = nanoseconds(1, copy.deepcopy, queue)
        queue.notify_at(LATE, tokens[0])
        changed, two = nanoseconds(1, copy.deepcopy, queue)
        queue.due(START + timedelta(seconds=1))
        drained, _ = nanoseconds(1, copy.deepcopy, queue)
        expected = [tokens[number] for number in timers.due_order]
        if not one.due(timers.last) == two.due(timers.last) == expected:
            raise SystemExit("deepcopy: a copy is not what it was copied from")
        return {"the first": first, "after a notify_at": changed, "after a due": drained}

    for count in (2, 1000, MILLION):
        timers = DENSE.timers(count)
        for kind, make in KINDS.items() if count == MILLION else [("str", str)]:
            figures = run.interleave({"": partial(copies, timers, [make(number) for number in range(count)])})
            for label, taken in figures.items():
                micros = [value / 1000 for value in taken]
                yield run.at_most(f"deepcopy, {count:,} timers, {kind} tokens: {label}", 100, "us", micros)

    timers = DENSE.timers(100_000)

    def mutable() -> dict[str, float]:
        tokens: list[Any] = [[number] for number in range(len(timers))]
        queue, plain = notifier_of(timers, tokens), [tokens[number] for number in timers.due_order]
        ours, twin = nanoseconds(len(timers), copy.deepcopy, queue)
        theirs, other = nanoseconds(len(timers), copy.deepcopy, plain)
        if twin.due(timers.last) != other:
            raise SystemExit("deepcopy: a copy is not what it was copied from")
        return {"ours": ours, "list": theirs}

    figures = run.brief({"": mutable})
    work = "deepcopy, 100 k timers, list tokens"
    yield run.within(work, 1.1, figures["ours"], "a plain list of the same tokens", figures["list"])


@group
def pickles(run: Run) -> Iterator[Row]:
    timers = DENSE.timers(MILLION)
    things: dict[str, Any] = {
        "wheel": notifier_of(timers, timers.tokens),
        "list": [timers.tokens[number] for number in timers.due_order],
        "heapq": heap_of(timers, timers.tokens),
    }
    sizes: dict[str, int] = {}

    def both(name: str) -> dict[str, float]:
        dumped, data = nanoseconds(MILLION, pickle.dumps, things[name])
        sizes[name] = len(data)
        loaded, thing = nanoseconds(MILLION, pickle.loads, data)
        if name != "list":
            loops.check([thing.due(timers.last)], timers.expected, "pickle")
        return {"dumps": dumped, "loads": loaded}

    figures = run.interleave({name: partial(both, name) for name in things})
    for how, bar in (("dumps", 5), ("loads", 6)):
        work, ours = f"pickle.{how}, 1 M str tokens", figures[f"wheel {how}"]
        yield run.within(work, 1.6, ours, "the plain list of the tokens in due order", figures[f"list {how}"])
        yield run.faster(work, bar, ours, "the heap", figures[f"heapq {how}"])
    beyond = (sizes["wheel"] - sizes["list"]) / MILLION
    yield run.at_most("pickled size, 1 M dense", 5, "bytes a timer beyond the list of the tokens", [beyond])


@group
def restoring(run: Run) -> Iterator[Row]:
    numpy = need_numpy()
    timers = DENSE.timers(MILLION)
    tokens = [timers.tokens[number] for number in timers.due_order]
    ats = numpy.datetime64(START.replace(tzinfo=None), "us") + numpy.array(sorted(timers.micros), "m8[us]")
    reduced: Any = notifier_of(timers, timers.tokens).__reduce_ex__(4)
    without_tokens = pickle.dumps(notifier_of(timers, [None] * MILLION))

    def restore() -> Any:
        make, arguments, state = reduced[:3]
        queue = make(*arguments)
        if state is not None:
            queue.__setstate__(state)
        return queue

    def insert_many() -> Any:
        queue: MultiNotifier[str] = MultiNotifier()
        queue.notify_many(ats, tokens)
        return queue

    def task(work: Callable[..., Any], *arguments: Any) -> dict[str, float]:
        taken, queue = nanoseconds(MILLION, work, *arguments)
        if arguments == ():
            loops.check([queue.due(timers.last)], timers.expected, "restoring")
        return {"": taken}

    figures = run.interleave(
        {
            "state": partial(task, restore),
            "loads": partial(task, pickle.loads, without_tokens),
            "many": partial(task, insert_many),
        }
    )
    other, theirs = "notify_many of datetime64 in due order", figures["many"]
    yield run.within("restoring 1 M from their state", 3, figures["state"], other, theirs)
    yield run.within("restoring 1 M by pickle.loads, tokens None", 3, figures["loads"], other, theirs)


@group
def small_snapshots(run: Run) -> Iterator[Row]:
    times = 50_000

    def calls(how: Callable[[Any], Any], thing: Any) -> dict[str, float]:
        return {"": nanoseconds(times, loops.call, times, how, thing)[0]}

    hows: list[tuple[Callable[[Any], Any], float, str]] = [
        (copy.deepcopy, 1.3, "a compiled __deepcopy__ that returns a new empty object"),
        (pickle.dumps, 2, "a compiled __reduce__ of a class and 40 bytes"),
    ]
    nothing = floor()
    for count in range(5):
        queue: MultiNotifier[int] = MultiNotifier(zip(DENSE.timers(count).ats, range(count)))
        tasks: dict[str, Task] = {}
        for how, _, _ in hows:
            tasks[f"wheel {how.__name__}"] = partial(calls, how, queue)
            tasks[f"floor {how.__name__}"] = partial(calls, how, nothing)
        figures = run.brief(tasks)
        for how, bar, other in hows:
            ours, theirs = figures[f"wheel {how.__name__}"], figures[f"floor {how.__name__}"]
            yield run.within(f"{how.__name__}, {count} timers", bar, ours, other, theirs)
        if count == 2:
            yield run.at_most("pickled size, 2 timers, int tokens", 110, "bytes", [len(pickle.dumps(queue))])
