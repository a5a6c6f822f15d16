"""Faults that were once found by others than the proofs, each with its whole kind, through the public API alone."""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import os
import pickle
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.clocks import UTC
from timers import MultiNotifier

T = datetime(2026, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
SOURCES = Path(__file__).parents[1] / "timers"
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()


def survives(code: str) -> None:
    """Run a program that may crash in an interpreter of its own, where freed memory is written over."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), *sys.path]))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"PYTHONMALLOC": "debug", **os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=300,
    )
    assert done.returncode == 0, f"ended with {done.returncode}:\n{done.stdout[-3000:]}"


@contextlib.contextmanager
def collecting(act: Callable[[], Any], threshold: int = 1) -> Iterator[None]:
    """`act` runs in every collection; with a threshold of 1, one comes with every object that the collector sees."""
    kept: list[Any] = []

    def callback(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            act()
        elif threshold == 1:
            # Nor is there an old list that could be used again.
            kept.append([[] for _ in range(8 if kept else 100)])

    old = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(callback)
    gc.set_threshold(threshold, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*old)
        gc.callbacks.remove(callback)


def once(act: Callable[[], Any], run: int = 0) -> Callable[[], None]:
    """`act` the `run`-th time only."""
    runs = iter(range(10**9))

    def acting() -> None:
        if next(runs) == run:
            act()

    return acting


# ---- 1: a search inside a `due` with a limit


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


# ---- 2: what a call holds


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
        r"|__pyx_v_\w+->\w+ = |.*[!=]= ?\(?\(?\(?PyObject ?\*?\)? ?\)?Py_None|.*\bPy_None\b)"
    )
    lines = [line.strip() for line in text.splitlines()]
    found = []
    for number, line in enumerate(lines):
        if not uses.search(line) or keeps.match(line) or line.startswith(("/*", "*", "#")):
            continue
        # Plain fields and pointers behind an attribute are read at once; of what lies in a box the callers take care.
        if re.search(r"->\w+\)?->(?:queue|serial|ob_item|keyed|keys|hashes)\b", line):
            continue
        # A string in a message is only looked at.
        if "__Pyx_PyUnicode_Unicode(" in line:
            continue
        # Held by a variable, or as an element of a tuple that is not changed any more.
        target = re.match(r"(__pyx_\w+) = ", line)
        near = " ".join(lines[max(number - 2, 0) : number + 3])
        if target and any(f"INCREF({held})" in near for held in (target[1], uses.findall(line)[0])):
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


# ---- 3: what next_at() caches


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


# ---- 4: the ends of the calendar

LARGEST = timezone(DAY - MICROSECOND)
SMALLEST = timezone(MICROSECOND - DAY)
# Where instants end: microseconds since the day before year 1, as states count them.
FIRST = DAY // MICROSECOND
LAST = (datetime.max - datetime.min) // MICROSECOND + FIRST


class Nano(datetime):
    nanosecond = 1


def _nano(at: datetime) -> Nano:
    return Nano(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, at.tzinfo)


ENDS = {
    "first naive": datetime.min,
    "last naive": datetime.max,
    "first aware": datetime.min.replace(tzinfo=LARGEST),
    "last aware": datetime.max.replace(tzinfo=SMALLEST),
}


def _comes(n: MultiNotifier[str], at: datetime) -> None:
    """The only timer can be seen, and comes."""
    n._check()
    assert "1 timers" in repr(n)
    answer = n.next_at()
    assert answer is not None and (answer.tzinfo is None) == (at.tzinfo is None)
    assert [time for time, _ in n] == [answer]
    assert pickle.loads(pickle.dumps(n)).next_at() == answer
    assert (answer, "x") in n
    latest = ENDS["last naive"] if at.tzinfo is None else ENDS["last aware"]
    assert n.due(latest) == ["x"] and not n


@pytest.mark.parametrize("end", ENDS)
def test_ends_of_the_calendar(end: str) -> None:
    at = ENDS[end]
    _comes(MultiNotifier([(at, "x")]), at)
    inner = at + MICROSECOND if "first" in end else at - MICROSECOND
    _comes(MultiNotifier([(inner, "x")]), inner)
    # Rounded up, to what still lies within.
    _comes(MultiNotifier([(_nano(inner), "x")]), inner)
    if "first" in end:
        _comes(MultiNotifier([(_nano(at), "x")]), at)
        return
    pending = MultiNotifier([(inner, "x")])
    calls: list[Callable[[], Any]] = [
        lambda: MultiNotifier[str]().notify_at(_nano(at), "x"),
        lambda: MultiNotifier([(_nano(at), "x")]),
        lambda: pending.notify_at(_nano(at), "y"),
        lambda: pending.notify_many([inner, _nano(at)], ["y", "z"]),
        lambda: pending.reschedule(inner, "x", _nano(at)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="1 to 9999"):
            call()
    # A clock is rounded down.
    assert pending.due(_nano(at)) == ["x"]


def _number(value: int) -> bytes:
    """As states write it: seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


@pytest.mark.parametrize("naive", [False, True])
@pytest.mark.parametrize("version", [1, 2])
def test_ends_of_the_calendar_in_states(naive: bool, version: int) -> None:
    low, high = (FIRST, LAST) if naive else (1, LAST + FIRST - 1)
    for instant in (low, low + 1, high - 1, high):
        n: MultiNotifier[str] = MultiNotifier()
        n.__setstate__((version, _number(instant), ("x",), naive))
        _comes(n, datetime.min if naive else T)
    for times in ([low - 1], [high + 1], [high, 1], [high - 1, 2], [low, high], [2**63 - 1], [2**63]):
        n = MultiNotifier([(T, "kept")])
        with pytest.raises(ValueError):
            n.__setstate__((version, b"".join(map(_number, times)), ("x",) * len(times), naive))
        assert n.due(T) == ["kept"]


# ---- 5: what the collector sees


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


# ---- 6: a deep copy is one moment's


class Sub(MultiNotifier[Any]):
    extra: Any = None


class Memo(dict):  # type: ignore[type-arg]
    """Acts where something is looked up, or kept."""

    act: Callable[[], Any] = staticmethod(lambda: None)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.act()


class Acting:
    """A value whose copying acts."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act

    def __deepcopy__(self, memo: Any) -> str:
        self.act()
        return "copied"


MUTATIONS: dict[str, Callable[[MultiNotifier[Any]], Any]] = {
    "mixes": lambda n: n.notify_at(T, ["mutable"]),
    "adds": lambda n: n.notify_at(T, "plain"),
    "empties": lambda n: n.clear(),
    "takes": lambda n: n.due(T + 2 * MICROSECOND),
    "unmixes": lambda n: n.__init__([(T, "plain")]),  # type: ignore[misc]
}


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("size", [1, 20, 200])
@pytest.mark.parametrize("hook", ["memo", "attribute", "token", "__new__"])
def test_a_deep_copy_that_changes_what_it_copies(hook: str, size: int, mixed: bool, mutation: str) -> None:
    def read(n: MultiNotifier[Any]) -> list[Any]:
        return [(at, "copied" if isinstance(token, Acting) else token) for at, token in n]

    for run in range(3):
        pairs: list[Any] = [(T + number * MICROSECOND, [number] if mixed else number) for number in range(size)]
        n = Sub(pairs)
        act = once(lambda n=n: MUTATIONS[mutation](n), run)  # type: ignore[misc]
        memo = Memo()
        if hook == "memo":
            memo.act = act
        elif hook == "attribute":
            n.extra = Acting(act)
        elif hook == "token":
            n.notify_at(T, Acting(act))
        else:
            n.extra = Acting(act)
            n.__class__ = Renewed
        before = read(n)
        twin = copy.deepcopy(n, memo)
        twin._check()
        n._check()
        assert read(twin) in (before, read(n))
        assert type(twin) is type(n)


class Renewed(Sub):
    def __new__(cls, *arguments: Any) -> Any:
        return super().__new__(cls)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (self.extra,)


# ---- 7: subclasses with arguments for __new__


class Named(MultiNotifier[Any]):
    def __new__(cls, name: str) -> Any:
        self = super().__new__(cls)
        self.name = name
        return self

    name: str

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        raise AssertionError("copying and unpickling call no __init__")

    def __getnewargs__(self) -> tuple[str]:
        return (self.name,)


class Keyed(Named):
    __slots__ = ("key",)

    key: Any

    def __new__(cls, *, key: Any) -> Any:
        self = super().__new__(cls, "keyed")
        self.key = key
        return self

    def __getnewargs_ex__(self) -> tuple[Any, Any]:
        return (), {"key": self.key}


def _pickled(n: Any, protocol: int) -> Any:
    return pickle.loads(pickle.dumps(n, protocol))


def _pickled_in_python(n: Any, protocol: int) -> Any:
    return pickle._loads(pickle._dumps(n, protocol))  # type: ignore[attr-defined]


def _makers() -> dict[str, Callable[[Any], Any]]:
    makers: dict[str, Callable[[Any], Any]] = {"copy": copy.copy, "deepcopy": copy.deepcopy}
    for protocol in PROTOCOLS:
        makers[f"pickle {protocol}"] = functools.partial(_pickled, protocol=protocol)
        makers[f"pickle {protocol} in Python"] = functools.partial(_pickled_in_python, protocol=protocol)
    return makers


@pytest.mark.parametrize("how", _makers())
@pytest.mark.parametrize("size", [0, 1, 200])
def test_arguments_of_new(how: str, size: int) -> None:
    for make, attributes in (
        (lambda: Named.__new__(Named, "n"), ("name",)),
        (lambda: Keyed.__new__(Keyed, key=[1]), ("name", "key")),
    ):
        n: Any = make()  # type: ignore[no-untyped-call]
        pairs = [(T + number * MICROSECOND, number) for number in range(size)]
        n.notify_many([at for at, _ in pairs], [token for _, token in pairs])
        twin = _makers()[how](n)
        assert type(twin) is type(n) and twin is not n
        for name in attributes:
            assert getattr(twin, name) == getattr(n, name)
        twin._check()
        assert list(twin) == list(n) == pairs


class Interned(Named):
    """Of each name there is one."""

    known: dict[str, Any] = {}  # noqa: RUF012

    def __new__(cls, name: str) -> Any:
        if name not in cls.known:
            cls.known[name] = super().__new__(cls, name)
        return cls.known[name]


class Awkward(Sub):
    answer: Any = ()

    def __getnewargs__(self) -> Any:
        return self.answer


def test_new_that_answers_what_it_likes() -> None:
    n = Interned.__new__(Interned, "a")
    n.notify_many([T] * 100, list(range(100)))
    for make in _makers().values():
        twin = make(n)
        twin._check()
        assert twin is n and n.due(T, 1000) == list(range(100)) and not n
        n.notify_many([T] * 100, list(range(100)))
    odd = Awkward([(T, "x")])
    for answer in (None, 5, [1]):
        odd.answer = answer
        for maker in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                maker(odd)
    assert odd.due(T) == ["x"]


# ---- 8: what fits no 32 bits


@pytest.mark.parametrize("days", [1, 49, 50, 99, 100, 36_500, 2_900_000])
def test_timers_far_apart(days: int) -> None:
    """More slots of a fine level away than 32 bits can name."""
    for size in (0, 1, 60, 300):
        n: MultiNotifier[Any] = MultiNotifier((T + number * MICROSECOND, number) for number in range(size))
        # Cascades.
        assert not n.cancel(T, "nobody")
        for number in range(3):
            n.notify_at(T + days * DAY + number * MICROSECOND, f"far {number}")
        n._check()
        assert (T + days * DAY, "far 0") in n
        assert (T + days * DAY - timedelta(milliseconds=2**32), "far 0") not in n
        assert n.due(T + days * DAY - MICROSECOND) == list(range(size))
        assert n.due(T + days * DAY + MICROSECOND) == ["far 0", "far 1"]
        assert n.cancel(T + days * DAY + 2 * MICROSECOND, "far 2")


# ---- 9: columns that are not aligned


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_arrays_that_are_not_aligned(unit: str, order: str) -> None:
    """The sanitizer of undefined behaviour sees what the processor forgives."""
    numpy = pytest.importorskip("numpy")
    for count in (1, 2, 100):
        aligned = numpy.arange(count).astype(f"{order}M8[{unit}]")
        block = numpy.zeros(8 * count + 1, "u1")
        block[1:] = aligned.view("u1")
        ats = block[1:].view(aligned.dtype)
        assert not ats.flags.aligned and ats.flags.c_contiguous
        n: MultiNotifier[int] = MultiNotifier()
        n.notify_many(ats, range(count))
        other: MultiNotifier[int] = MultiNotifier()
        other.notify_many(aligned, range(count))
        assert list(n) == list(other) and len(n) == count


# ---- 10: lists that others change


class Shifting(tzinfo):
    """Exchanges an element of the list that is being read."""

    ats: list[Any]

    def utcoffset(self, at: Any) -> timedelta:
        self.ats[-1] = "not a datetime"
        return timedelta()

    def dst(self, at: Any) -> None:
        return None

    def tzname(self, at: Any) -> None:
        return None


def test_times_are_read_as_they_were_given() -> None:
    zone = Shifting()
    zone.ats = [T.replace(tzinfo=zone), T, T + DAY]
    n = MultiNotifier([(T, "before")])
    n.notify_many(zone.ats, ["a", "b", "c"])
    assert list(n) == [(T, "before"), (T, "a"), (T, "b"), (T + DAY, "c")]


def test_a_list_of_times_that_threads_change() -> None:
    """Says little where there is a GIL."""
    ats = [T + number * MICROSECOND for number in range(200)]
    numbers = range(200)
    n: MultiNotifier[int] = MultiNotifier()
    errors: list[BaseException] = []
    rounds = 300 if FREE_THREADED else 50
    working = [True]

    def insert() -> None:
        try:
            for _ in range(rounds):
                n.notify_many(ats, numbers)
        except BaseException as error:
            errors.append(error)

    def assign() -> None:
        try:
            while working[0]:
                for shift in range(5):
                    ats[50:150] = [T + (number + shift) * timedelta(milliseconds=1) for number in range(100)]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=insert) for _ in range(3)]
    other = threading.Thread(target=assign)
    for thread in [*threads, other]:
        thread.start()
    for thread in threads:
        thread.join()
    working[0] = False
    other.join()
    assert not errors
    n._check()
    assert sorted(n.due(T + DAY)) == sorted([*numbers] * (3 * rounds))


def test_a_notifier_that_threads_initialise() -> None:
    n: MultiNotifier[str] = MultiNotifier()
    pairs = [(T + number * MICROSECOND, str(number)) for number in range(60)]
    errors: list[BaseException] = []
    rounds = 2000 if FREE_THREADED else 100

    def work(number: int) -> None:
        try:
            for step in range(rounds):
                if number % 2:
                    n.__init__(pairs)  # type: ignore[misc]
                elif step % 2:
                    copy.copy(n).notify_at(T, "mine")
                else:
                    taken = n.due(T + DAY)
                    assert taken in ([], [token for _, token in pairs])
                sys.getsizeof(n)
                repr(n)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    n._check()


# ---- Cython


def _comprehensions(text: str) -> list[str]:
    """List comprehensions outside strings and comments."""
    code = re.sub(r'"""(?:.|\n)*?"""', '""', text)
    code = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', code)
    code = re.sub(r"#.*", "", code)
    return re.findall(r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\bfor\b[^\[\]]*\bin\b", code)


@pytest.mark.skipif(not list(SOURCES.glob("*.pyx")), reason="there are no sources beside the tests")
def test_no_list_comprehension_is_compiled() -> None:
    """The C that some versions of Cython make of one releases an item twice when the list cannot grow."""
    assert _comprehensions("taken = [pair_of(pending, index) for index in range(3)]")
    assert _comprehensions("taken = [a[index] for index in b]") and not _comprehensions(
        '"[x for x in y]"  # [x for x in y]'
    )
    for path in [*SOURCES.glob("*.pyx"), *SOURCES.glob("*.pxd")]:
        assert not _comprehensions(path.read_text()), path


# ---- the core in rooms


class Thing:
    """A token that is told by its identity, or by code of its own."""


class Equal:
    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Equal)

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("make", [lambda number: Thing(), Equal, lambda number: frozenset([number])])
def test_a_deep_copy_that_is_left_with_an_index(make: Callable[[int], Any]) -> None:
    n: MultiNotifier[Any] = MultiNotifier((T, make(number)) for number in range(100))
    tokens = [token for _, token in n]
    assert n.cancel(T, tokens[1])
    twin = copy.deepcopy(n)
    del n, tokens
    for token in [token for _, token in twin][::-7]:
        assert twin.cancel(T, token)
        assert not any(left is token for _, left in twin)
        twin._check()


@pytest.mark.parametrize("far", range(12))
@pytest.mark.parametrize("distance", [1, 2, 7, 8, 9, 1000])
def test_most_at_one_instant(far: int, distance: int) -> None:
    pairs = [(10**9 + (number * distance if number <= far else 0), str(number)) for number in range(100)]
    n = MultiNotifier(pairs)
    assert (10**9, "99") in n
    n._check()
    assert n.due(2**63 - 1) == [token for _, token in sorted(pairs, key=lambda pair: pair[0])]


def test_more_copies_than_a_node_can_count() -> None:
    for pairs in ([(1.0, number) for number in range(40)], [(float(number), number) for number in range(400)]):
        n = MultiNotifier(pairs)
        assert pairs[7] in n
        twins = [copy.copy(n) for _ in range(130_000)]
        for twin in (n, twins[0], twins[60_000], twins[-1]):
            twin.notify_at(-0.5, -1)
            twin._check()
            assert twin.due(1e9) == [-1, *(token for _, token in pairs)]
        del twins


def test_an_empty_set_of_boxes_is_copied() -> None:
    n: MultiNotifier[Any] = MultiNotifier([(T, [number]) for number in range(100)])
    assert len(n.due(T)) == 100
    twin = copy.deepcopy(n)
    twin.notify_at(T, [1])
    n.notify_at(T, [2])
    assert (n.due(T), twin.due(T)) == ([[2]], [[1]])


@pytest.mark.parametrize("taken", [0, 253, 254, 255, 300, 520])
def test_a_search_in_a_crowd_of_two(taken: int) -> None:
    n: MultiNotifier[Any] = MultiNotifier((T, str(number)) for number in range(1300))
    tokens = [token for _, token in n]
    assert n.due(T, taken) == tokens[:taken]
    for number in (taken, 600, 777, 1299):
        twin = copy.copy(n)
        assert (T, str(number)) in n
        assert n.cancel(T, tokens[number]) and not n.cancel(T, tokens[number])
        assert twin.reschedule(T, tokens[number], T + DAY)
        n._check()
        twin._check()
        left = tokens[taken:number] + tokens[number + 1 :]
        assert [token for _, token in n] == left
        assert twin.due(T + DAY) == [*left, tokens[number]]
        n = MultiNotifier((T, token) for token in tokens)
        n.due(T, taken)
