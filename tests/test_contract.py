"""What the promises say of bad input, time zones, foreign code, copies and states."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import weakref
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any, Generic, TypeVar

import pytest

from tests.driver import FIRST, LAST, MICROSECOND, UTC
from timers import MultiNotifier

U = TypeVar("U")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MIXED = "can't compare offset-naive and offset-aware datetimes"


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Keyed(MultiNotifier[U], Generic[U]):
    __slots__ = ("key", "__dict__")

    def __init__(self, key: str) -> None:
        self.key = key


class Broken(tzinfo):
    def utcoffset(self, at: Any) -> timedelta:
        raise ZeroDivisionError

    dst = utcoffset
    tzname = utcoffset  # type: ignore[assignment]


@pytest.mark.parametrize("bad", [None, date(2026, 1, 1), 5, "2026-01-01"])
def test_only_datetimes(bad: Any) -> None:
    n: MultiNotifier[int] = MultiNotifier()
    for call in (lambda: n.notify_at(bad, 1), lambda: n.cancel(bad, 1), lambda: MultiNotifier([(bad, 1)])):
        with pytest.raises(TypeError, match="at must be a datetime"):
            call()
    with pytest.raises(TypeError, match="now must be a datetime"):
        n.due(bad)
    assert not n


def test_naive_and_aware_never_mix() -> None:
    n = MultiNotifier([(NOON, 1)])
    naive = NOON.replace(tzinfo=None)
    for call in (n.due, n.due_items, lambda at: n.notify_at(at, 2), lambda at: n.cancel(at, 1), lambda at: n.notify_many([at], [2])):
        with pytest.raises(TypeError, match=MIXED):
            call(naive)
    with pytest.raises(TypeError, match=MIXED):
        n.reschedule(NOON, 1, naive)
    assert list(n) == [(NOON, 1)]
    n.clear()
    n.notify_at(naive, 3)
    assert n.next_at() == naive and n.next_at().tzinfo is None  # type: ignore[union-attr]


def test_broken_tzinfo_changes_nothing() -> None:
    n = MultiNotifier([(NOON, 1)])
    at = datetime(2026, 1, 1, tzinfo=Broken())
    for call in (lambda: n.notify_at(at, 2), lambda: n.due(at), lambda: n.reschedule(NOON, 1, at)):
        with pytest.raises(ZeroDivisionError):
            call()
    assert list(n) == [(NOON, 1)]


def test_instants_beyond_the_calendar() -> None:
    early = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
    late = datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))
    n = MultiNotifier([(late, "late"), (LAST, "last"), (FIRST, "first"), (early, "early")])
    seen = []
    while n:
        at = n.next_at()
        assert at is not None
        seen.append((at, n.due(at)))
    assert seen == [(early, ["early"]), (FIRST, ["first"]), (LAST, ["last"]), (late, ["late"])]


def test_fold_makes_two_instants() -> None:
    zoneinfo = pytest.importorskip("zoneinfo")
    try:
        berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("no time zone data on this machine")
    first = datetime(2025, 10, 26, 2, 30, tzinfo=berlin)
    n = MultiNotifier([(first.replace(fold=1), "second"), (first, "first")])
    at = n.next_at()
    assert at is not None and at.tzinfo is UTC and at == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert n.due(at) == ["first"]


def test_nanoseconds_never_fire_early() -> None:
    pandas = pytest.importorskip("pandas")
    stamp = pandas.Timestamp("2026-01-01T12:00:00.000000001Z")
    n = MultiNotifier([(stamp, 1)])
    assert n.next_at() == NOON + MICROSECOND
    assert n.due(stamp) == []
    assert (stamp, 1) in n
    with pytest.raises(ValueError, match="at must lie"):
        n.notify_at(pandas.NaT, 2)


def test_datetime64() -> None:
    numpy = pytest.importorskip("numpy")
    for unit in ("D", "h", "m", "s", "ms", "us", "ns"):
        ats = numpy.array(["2026-01-02", "2026-01-01"], dtype=f"M8[{unit}]")
        n: MultiNotifier[str] = MultiNotifier()
        n.notify_many(ats, ["b", "a"])
        assert n.next_at() == datetime(2026, 1, 1, tzinfo=UTC)
        assert n.due(LAST) == ["a", "b"]
    for bad in (["NaT"], ["10000-01-01"], ["0000-12-31"]):
        with pytest.raises(ValueError, match="ats holds"):
            n.notify_many(numpy.array(bad, dtype="M8[us]"), ["x"])
    n.notify_many(numpy.array([1], dtype="M8[ns]"), ["x"])
    assert n.next_at() == datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


def test_limits() -> None:
    n = MultiNotifier([(NOON, number) for number in range(5)])
    assert n.due(NOON, limit=0) == []
    assert n.due(NOON, 2) == [0, 1] and n.next_at() == NOON
    assert n.due_items(now=NOON, limit=1) == [(NOON, 2)]
    with pytest.raises(ValueError, match="limit"):
        n.due(NOON, -1)
    with pytest.raises(TypeError):
        n.due(NOON, 1.5)  # type: ignore[arg-type]
    assert n.due(NOON, 10**30) == [3, 4]


def test_bulk_is_all_or_nothing() -> None:
    n = MultiNotifier([(NOON, 0)])
    with pytest.raises(ValueError, match="same length"):
        n.notify_many([NOON], [1, 2])
    with pytest.raises(TypeError):
        n.notify_many([NOON, None], [1, 2])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        n.__init__([(NOON, 1), None])  # type: ignore[misc]
    assert list(n) == [(NOON, 0)]


def test_iteration_notices_changes() -> None:
    n = MultiNotifier([(later(1), "b"), (NOON, "a")])
    pairs = iter(n)
    assert next(pairs) == (NOON, "a")
    n.notify_at(NOON, "c")
    with pytest.raises(RuntimeError, match="changed"):
        next(pairs)


def test_container_manners() -> None:
    n: MultiNotifier[Any] = MultiNotifier()
    assert not n and len(n) == 0 and n.next_at() is None and n.due(NOON) == [] and "no timers" in repr(n)
    n.notify_at(NOON, n)
    assert n and len(n) == 1 and "\n" not in repr(n)
    assert n == n and hash(n) != hash(MultiNotifier())
    assert (NOON, n) in n and 5 not in n
    assert n.due(NOON) == [n]


@pytest.mark.parametrize("size", [0, 1, 5, 200, 5000])
@pytest.mark.parametrize("mutable", [False, True])
def test_copies_have_the_same_future_and_are_independent(size: int, mutable: bool) -> None:
    n: MultiNotifier[Any] = MultiNotifier((later(number * 7 % 100), str(number)) for number in range(size))
    if mutable:
        n.notify_at(later(50), [])
    expected = list(n)
    makers = [copy.copy, copy.deepcopy]
    makers += [lambda n, p=protocol: pickle.loads(pickle.dumps(n, p)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    for make in makers:
        twin = make(n)
        assert list(twin) == expected
        twin.notify_at(later(-1), "new")
        twin._check()
        n._check()
        assert list(n) == expected
        assert twin.due(LAST) == ["new"] + [token for _, token in expected]
        last = make(n)
        assert n.due(LAST) == [token for _, token in expected]
        last._check()
        n.__setstate__(last.__reduce_ex__(2)[2])


def test_one_mutable_token_is_really_copied() -> None:
    mutable: list[Any] = []
    n: MultiNotifier[Any] = MultiNotifier([(later(number), number) for number in range(1000)] + [(later(2000), mutable)])
    mutable.append(n)
    twin = copy.deepcopy(n)
    token = twin.due(LAST)[-1]
    assert token is not mutable and token[0] is twin


def test_subclasses_keep_their_attributes() -> None:
    n = Keyed[int]("k")
    n.extra = [n]  # type: ignore[attr-defined]
    n.notify_at(NOON, 1)
    for twin in (copy.copy(n), copy.deepcopy(n), pickle.loads(pickle.dumps(n))):
        assert type(twin) is Keyed and twin.key == "k" and list(twin) == [(NOON, 1)]
    assert copy.deepcopy(n).extra[0] is not n  # type: ignore[attr-defined]


def test_cycles_are_collected() -> None:
    for size in (1, 100):
        n: MultiNotifier[Any] = MultiNotifier([(later(number), "x") for number in range(size)])
        n.notify_at(NOON, (n, []))
        watch = weakref.ref(n)
        del n
        gc.collect()
        assert watch() is None


def test_comparisons_that_raise_or_reenter() -> None:
    class Nasty:
        def __init__(self, act: Any) -> None:
            self.act = act

        def __eq__(self, other: object) -> bool:
            return bool(self.act())

    n: MultiNotifier[Any] = MultiNotifier([(NOON, "a"), (NOON, "b")])
    with pytest.raises(ZeroDivisionError):
        n.cancel(NOON, Nasty(lambda: 1 / 0))
    for look in (lambda: list(n), lambda: copy.copy(n), lambda: pickle.dumps(n), lambda: (NOON, "b") in n):
        assert n.cancel(later(1), Nasty(look)) is False
        assert not any([n.cancel(NOON, Nasty(lambda look=look: look() and 0))])
        n._check()
    assert list(n) == [(NOON, "a"), (NOON, "b")]
    with pytest.raises(RuntimeError, match="again and again"):
        n.cancel(NOON, Nasty(lambda: n.notify_at(NOON, 1)))
    assert n.due(LAST, 2) == ["a", "b"]
    assert n.cancel(NOON, Nasty(n.clear)) is False
    n._check()
    assert not n


def test_finalisers_may_use_the_notifier() -> None:
    n: MultiNotifier[Any] = MultiNotifier()

    class Last:
        def __del__(self) -> None:
            n.notify_at(NOON, "from the end")
            n.due(LAST, 1)

    for number in range(100):
        n.notify_at(later(number), Last())
    n.clear()
    n._check()
    n.notify_at(NOON, Last())
    n.cancel(NOON, n.due_items(NOON)[0][1])
    n._check()


@pytest.mark.parametrize(
    "state",
    [None, (), (1,), (2, b"", (), False), (1, b"\x80", ("x",), False), (1, b"\x00", ("x",), False), (1, b"\x01", (), False),
     (1, b"", ("x",), False), (1, b"\xff" * 12, ("x",), False), (1, 10**12, (), False), (1, b"", [], False), (1, b"", (), 1),
     (2**80, b"", (), False), (1, b"\x01", ("x",), True), (1, b"", (), False, 5)],
)  # fmt: skip
def test_forged_states(state: Any) -> None:
    n = MultiNotifier([(NOON, 1)])
    with pytest.raises((TypeError, ValueError)):
        n.__setstate__(state)
    assert list(n) == [(NOON, 1)]


def test_mutated_states() -> None:
    rng = random.Random(5)
    good = MultiNotifier([(later(number), number) for number in range(20)]).__reduce_ex__(2)[2]
    for _ in range(5000):
        times = bytearray(good[1])
        for _ in range(rng.randint(1, 4)):
            times[rng.randrange(len(times))] = rng.randrange(256)
        n: MultiNotifier[int] = MultiNotifier()
        try:
            n.__setstate__((1, bytes(times), good[2], good[3]))
        except ValueError:
            assert not n
        else:
            assert len(n) == 20
        n._check()


def test_failing_allocations() -> None:
    testcapi = pytest.importorskip("_testcapi")
    pairs = [(later(number * 37 % 600), str(number)) for number in range(600)]
    batch = [later(number * 41 % 600) for number in range(300)]
    actions = {
        "notify": lambda n: n.notify_at(later(9000), "new"),
        "far": lambda n: n.notify_at(LAST, "new"),
        "many": lambda n: n.notify_many(batch, range(300)),
        "due": lambda n: n.due(later(300)),
        "slice": lambda n: n.due(later(300), 70),
        "items": lambda n: n.due_items(later(300)),
        "cancel": lambda n: n.cancel(*pairs[5]),
        "reschedule": lambda n: n.reschedule(*pairs[5], LAST),
        "copy": copy.copy,
        "pickle": lambda n: n.__reduce_ex__(2),
        "iterate": list,
    }
    for name, act in actions.items():
        for prepared in (False, True):
            for failing in range(1, 400):
                n = MultiNotifier(pairs)
                twin = copy.copy(n) if prepared else None
                before, count, failed = n.next_at(), len(n), False
                testcapi.set_nomemory(failing, failing + 1)
                try:
                    act(n)
                except MemoryError:
                    failed = True
                finally:
                    testcapi.remove_mem_hooks()
                n._check()
                if failed:
                    assert (n.next_at(), len(n)) == (before, count), (name, failing)
                    assert n.due(LAST) == MultiNotifier(pairs).due(LAST)
                elif failing > 40:
                    break
                if twin is not None:
                    twin._check()
                    assert len(twin) == 600
