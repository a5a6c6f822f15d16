"""Faults of foreign code inside a call: collections, `==`, hooks of copies, constructors. As in test_faults.py."""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import pickle
import re
import weakref
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.clocks import UTC
from tests.interruptions import collecting, once, survives
from timers import Deadlines, MultiNotifier

T = datetime(2026, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
SOURCES = Path(__file__).parents[1] / "timers"
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


# ---- a search inside a `due` with a limit


@pytest.mark.parametrize("search", ["n.cancel(at, 'nobody')", "(at, 'nobody') in n", "n.reschedule(at, 'nobody', T)"])
@pytest.mark.parametrize("take", ["due", "due_items"])
@pytest.mark.parametrize("hook", ["finaliser", "callback"])
def test_a_search_inside_what_is_taken(search: str, take: str, hook: str) -> None:
    survives(f"""
        import gc
        from datetime import datetime, timedelta, timezone
        from timers import MultiNotifier

        T = datetime(2026, 1, 1, tzinfo=timezone.utc)
        for threshold in (1, 2, 3, 5, 700):
            n = MultiNotifier((T + timedelta(days=1 + i), f"far{{i}}") for i in range(60))
            n.notify_at(datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "before year 1")
            n.cancel(T + timedelta(days=3), "x")
            for i in range(3000):
                n.notify_at(T + timedelta(milliseconds=i * 7 % 13 * 20), f"t{{i}}")
            expected = sorted(n, key=lambda pair: pair[0])[:2000]
            at = T + timedelta(milliseconds=100)

            class Session:
                def __init__(self): self.me = self
                def __del__(self): {search}

            def callback(phase, info): {search}

            gc.disable()
            gc.collect()
            if {hook!r} == "finaliser":
                Session()
            else:
                gc.callbacks.append(callback)
            gc.set_threshold(threshold, 10, 10)
            gc.enable()
            taken = n.{take}(T + timedelta(hours=1), 2000)
            gc.disable()
            gc.callbacks.clear()
            assert len(n) == 1061
            if {take!r} == "due":
                assert taken == [token for _, token in expected]
            else:
                assert taken == expected
            n._check()
    """)


@pytest.mark.parametrize("shared", [False, True])
def test_a_copy_or_search_inside_a_search(shared: bool) -> None:
    """What no one sees as a change has nevertheless moved what is searched; nor does it make a search give up."""
    acts: list[Callable[[MultiNotifier[Any]], Any]] = [
        lambda n: (T, "nobody") in n,
        lambda n: n.cancel(T + DAY, "nobody"),
        lambda n: copy.copy(n),
        lambda n: copy.deepcopy(n),
        lambda n: n.next_at(),
        lambda n: list(n),
        lambda n: n.__reduce_ex__(2),
        lambda n: n.due(T - DAY),
        lambda n: n.due(T, 0),
    ]
    for act in acts:
        for size in (1, 3, 32, 49, 200, 700):
            n: MultiNotifier[Any] = MultiNotifier((T, str(number)) for number in range(size))
            n.notify_many([T + number * timedelta(hours=1) for number in range(size)], ["later"] * size)
            twins = [copy.copy(n)] if shared else []
            asked = 0

            class Nosy:
                def __eq__(self, other: object) -> bool:
                    nonlocal asked
                    asked += 1
                    if act is acts[2]:  # noqa: B023
                        twins.append(act(n))  # noqa: B023
                    else:
                        act(n)  # noqa: B023
                    return bool(other == str(size - 1))  # noqa: B023

                __hash__ = None  # type: ignore[assignment]

            assert n.cancel(T, Nosy())
            assert size <= asked < 3 * size + 3
            n._check()
            assert len(n) == 2 * size - 1
            for twin in twins:
                twin._check()
                assert len(twin) == 2 * size


@pytest.mark.parametrize("kind", ["keys", "timers"])
def test_a_copy_into_which_more_comes(kind: str) -> None:
    """The list of what is copied moves in memory while that of the copy is made."""
    survives(f"""
        import copy, gc
        from tests.interruptions import collecting, once
        from timers import Deadlines, MultiNotifier

        for run in range(8):
            tokens = [object() for _ in range(9000)]
            pairs, times = [(token, 2.0) for token in tokens], [2.0] * 9000
            if {kind!r} == "keys":
                n, more = Deadlines(pairs[:3000]), lambda: n.update(pairs)
            else:
                n, more = MultiNotifier(zip(times, tokens[:3000])), lambda: n.notify_many(times[3000:], tokens[3000:])
            with collecting(once(more, run)):
                twin = copy.copy(n)
            n._check()
            twin._check()
            assert len(twin) in (3000, 9000)
    """)


# ---- what a call holds


@pytest.mark.parametrize(
    "call", ["sys.getsizeof(n)", "n.next_at()", "repr(n)", "n._check()", "next(iter(n))", "copy.copy(n)"]
)
def test_what_a_call_holds_while_foreign_code_runs(call: str) -> None:
    survives(f"""
        import copy, gc, sys
        from datetime import datetime, timedelta, timezone
        from timers import MultiNotifier

        T = datetime(2026, 1, 1, tzinfo=timezone.utc)
        n = MultiNotifier((T + timedelta(hours=i), [i]) for i in range(9))
        def callback(phase, info):
            if phase == "stop":
                runs.append(phase)
                # With nothing to take its place, which could pass for it.
                if len(runs) == run:
                    n.notify_at(earlier, "new")
                    n.cancel(earlier, "new")
                # Enough for a collection at the next object.
                kept.append([[[], (each,)] for each in range(9)])
        earlier = T - timedelta(hours=1)
        gc.set_threshold(0)
        gc.callbacks.append(callback)
        kept = []
        for run in range(1, 12):
            runs = []
            n.next_at()
            # Nor is there an old list or tuple that could be used again.
            kept += [[[] for _ in range(200)], [(each,) for each in range(3000)]]
            gc.set_threshold(1, 1000, 1000)
            try:
                {call}
            except (RuntimeError, AssertionError):
                pass
            gc.set_threshold(0)
        gc.callbacks.clear()
        n._check()
        assert len(n) == 9
        assert n.next_at() == T, n.next_at()
    """)


def _borrowed(text: str) -> list[str]:
    """The lines of generated C that hand an attribute of an extension type on without holding it."""
    names: set[str] = set()
    for body in re.findall(r"struct __pyx_obj_\w+ \{([^}]*)\}", text):
        names |= set(re.findall(r"(?:PyObject|struct __pyx_obj_\w+) \*(\w+);", body))
    uses = re.compile(rf"__pyx_v_\w+->(?:{'|'.join(sorted(names)) or '$'})\b")
    keeps = re.compile(
        r"(?:__Pyx_(?:GOTREF|INCREF|DECREF_SET|GIVEREF|CLEAR)\(|Py_(?:INCREF|CLEAR|VISIT)\("
        r"|__pyx_t_\d+ = \(__pyx_v_\w+->\w+ [!=]= __pyx_v_\w+\);"
        r"|__pyx_v_\w+->\w+ = |.*[!=]= ?\(?\(?\(?PyObject ?\*?\)? ?\)?Py_None|.*\bPy_None\b)"
    )
    lines = [line.strip() for line in text.splitlines()]
    found = []
    for number, line in enumerate(lines):
        if not uses.search(line) or keeps.match(line) or line.startswith(("/*", "*", "#")):
            continue
        # Plain fields and pointers behind an attribute are read at once; of what lies in a box the callers take care.
        if re.search(r"->\w+\)?->(?:queue|serial|ob_item|ready|keyed|keys|hashes|loose)\b", line):
            continue
        # Of what class it is.
        if re.search(r"= \(\(\(PyObject \*\)Py_TYPE\(__pyx_v_self->\w+\)\) == ", line):
            continue
        # A string in a message is only looked at.
        if "__Pyx_PyUnicode_Unicode(" in line:
            continue
        # Held by a variable, or as an element of a tuple that is not changed any more.
        target = re.match(r"(__pyx_\w+) = ", line)
        near = " ".join(lines[max(number - 2, 0) : number + 3])
        if target and any(re.search(rf"INCREF\([^;]*{held}\)", near) for held in (target[1], uses.findall(line)[0])):
            continue
        if "Tuple_GET_ITEM" in line and "Call" not in line and "callargs" not in line:
            continue
        found.append(f"{number + 1}: {line}")
    return found


GENERATED = [
    path for path in (SOURCES.parent / "build/timers").glob("*.c") if (SOURCES / path.name).with_suffix(".pyx").exists()
]


@pytest.mark.skipif(not GENERATED, reason="there is no generated C beside the tests")
def test_no_attribute_is_borrowed_across_a_call() -> None:
    faulty = "struct __pyx_obj_X {\n  PyObject *soonest;\n}\nPyObject *__pyx_callargs[2] = {t, __pyx_v_self->soonest};"
    assert _borrowed(faulty)
    for path in GENERATED:
        assert not _borrowed(path.read_text()), path


@pytest.mark.skipif(not GENERATED, reason="there is no generated C beside the tests")
def test_no_list_is_sliced() -> None:
    """Where its items lie is looked up before the new list is made, which may let in code that moves them."""
    for path in GENERATED:
        assert not re.search(r"= __Pyx_PyList_GetSlice\(", path.read_text()), path


# ---- what next_at() caches


def _beyond(year: int) -> datetime:
    """An aware time that lies outside the calendar in UTC."""
    if year == 1:
        return datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))
    return datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize("threshold", [1, 2, 3])
def test_an_answer_of_next_at_that_holds_no_more(year: int, threshold: int) -> None:
    at = _beyond(year)
    changes: list[Callable[[MultiNotifier[str]], Any]] = [
        lambda n: n.cancel(at, "beyond"),
        lambda n: n.reschedule(at, "beyond", at + (MICROSECOND if year == 1 else -MICROSECOND)),
        lambda n: n.due(at),
        lambda n: n.clear(),
        lambda n: n.notify_at(at - (MICROSECOND if year != 1 else timedelta()), "earlier"),
        lambda n: n.__init__([(T, "other")]),  # type: ignore[misc]
        lambda n: n.__setstate__(MultiNotifier([(T, "other")]).__reduce_ex__(2)[2]),
    ]
    for change in changes:
        for calls in (1, 2, 3):
            for run in range(3):
                n = MultiNotifier([(at, "beyond")])
                with collecting(once(lambda n=n, change=change: change(n), run), threshold):  # type: ignore[misc]
                    for _ in range(calls):
                        n.next_at()
                n._check()
                assert n.next_at() == (next(iter(n))[0] if n else None)


# ---- what the collector sees


def _holed() -> list[Any]:
    """Lists and tuples with places that hold nothing: they refer to fewer objects than they have places."""
    return [
        type(each)
        for each in gc.get_objects()
        if type(each) in (list, tuple) and len(gc.get_referents(each)) < len(each)
    ]


@pytest.mark.parametrize("size", [3, 70])
@pytest.mark.parametrize("name", ["due", "due with a limit", "due_items", "iter", "pickle", "deepcopy", "_check"])
def test_nothing_half_filled_is_in_sight(name: str, size: int) -> None:
    calls: dict[str, Callable[[MultiNotifier[Any]], Any]] = {
        "due": lambda n: n.due(T + DAY),
        "due with a limit": lambda n: n.due(T + DAY, 40),
        "due_items": lambda n: n.due_items(T + DAY),
        "iter": lambda n: list(n),
        "pickle": lambda n: n.__reduce_ex__(2),
        "deepcopy": lambda n: copy.deepcopy(n),
        "_check": lambda n: n._check(),
    }
    for threshold in (1, 2, 3):
        n: MultiNotifier[Any] = MultiNotifier((T + number * MICROSECOND, [number]) for number in range(size))
        n.notify_at(_beyond(1), "beyond")
        runs = iter(range(10**9))
        seen: list[Any] = []

        def look(n: MultiNotifier[Any] = n, runs: Iterator[int] = runs, seen: list[Any] = seen) -> None:
            seen += _holed()
            if next(runs) < 12:
                n.notify_at(T + 2 * DAY, "makes it begin again")

        with collecting(look, threshold), contextlib.suppress(RuntimeError, AssertionError):
            calls[name](n)
        assert not seen
        n._check()


# ---- found by calls inside calls


class Thing:
    """A token or a key of somebody's own."""

    like: Any = None


def held(n: Any) -> list[Any]:
    n._check()
    return list(n.due(1e9))


@pytest.mark.parametrize("again", ["more", "none"])
@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", [MultiNotifier, Deadlines])
def test_a_copy_has_the_boxes_of_its_timers(kind: Any, copier: Any, again: str) -> None:
    """All timers are exchanged while what they hold is being copied."""
    first, second = ([Thing() for _ in range(count)] for count in (130, 300 if again == "more" else 0))
    for run in range(14):
        pairs, others = (
            [(each, float(at)) if kind is Deadlines else (float(at), each) for at, each in enumerate(things)]
            for things in (first, second)
        )
        n = kind(pairs)
        with collecting(once(functools.partial(n.__init__, others), run)):
            twin = copier(n)
        assert len(held(twin)) in (130, len(second))
        if copier is copy.copy:
            assert held(copy.copy(n)) in (first, second)


@pytest.mark.parametrize("kind", [MultiNotifier, Deadlines])
@pytest.mark.parametrize("threshold", [1, 700])
def test_the_collector_looks_into_copies(kind: Any, threshold: int) -> None:
    count = 300 if threshold == 1 else 64_000
    n = kind((Thing(), float(at)) if kind is Deadlines else (float(at), Thing()) for at in range(count))
    old = gc.get_threshold()
    gc.set_threshold(threshold, 10, 10)
    try:
        twin = copy.copy(n)
    finally:
        gc.set_threshold(*old)
    watch = weakref.ref(twin)
    for thing in (*(twin if kind is Deadlines else (token for _, token in twin)),):
        thing.like = twin
    del n, twin, thing
    gc.collect()
    assert watch() is None


@pytest.mark.parametrize("run", range(4))
def test_what_is_there_by_default_was_there_or_is_the_default(run: int) -> None:
    """Two calls at once: both answer the default of the one, or of the other."""

    class Key:
        def __init__(self, name: str) -> None:
            self.name = name

        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            acting()
            return isinstance(other, Key) and self.name == other.name

    acting: Callable[[], Any] = lambda: None  # noqa: E731
    d: Deadlines[Any, float] = Deadlines([(Key("other"), 5.0)])
    answers = []
    acting = once(lambda: answers.append(d.setdefault(Key("new"), 2.0)), run)
    answers.append(d.setdefault(Key("new"), 3.0))
    acting()
    assert answers in ([2.0, 2.0], [3.0], [3.0, 3.0]) and len(d) == 2


def test_a_default_is_answered_as_it_is_kept() -> None:
    d: Deadlines[str, Any] = Deadlines({"a": 1.5})
    assert d.setdefault("b", 2) == 2.0 == d["b"]
    assert d.setdefault("a", 7) == 1.5


@pytest.mark.parametrize("run", range(4))
@pytest.mark.parametrize("take", ["peekitem", "popitem"])
def test_the_soonest_of_what_is_cleared_meanwhile(take: str, run: int) -> None:
    d: Deadlines[str, float] = Deadlines({"a": 1.5})
    with collecting(once(d.clear, run)), contextlib.suppress(KeyError, RuntimeError):
        assert getattr(d, take)() == ("a", 1.5)


@pytest.mark.parametrize("run", range(6))
def test_a_soonest_that_comes_while_none_is_found(run: int) -> None:
    d: Deadlines[str, float] = Deadlines()
    with contextlib.suppress(KeyError), collecting(once(lambda: d.update(a=0.5), run)):
        assert d.peekitem() == ("a", 0.5)
