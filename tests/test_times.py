"""Time: zones, folds, naive times, the ends of the calendar, subclasses of datetime, NumPy."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Callable

import pytest

from tests.clocks import CLOCKS, EPOCH, TICK, UTC, Folded, Stamp
from tests.model import FIRST, LAST, MICROSECOND, instant, moment
from tests.test_contract import MIXED, NAIVE, NOON, TIMED
from timers import MultiNotifier


class Zone(tzinfo):
    """Answers whatever it is given, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def utcoffset(self, at: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    dst = tzname = utcoffset


@pytest.mark.parametrize("naive", [False, True])
def test_every_clock_to_the_microsecond(naive: bool) -> None:
    n: MultiNotifier[int] = MultiNotifier()
    for at in CLOCKS:
        at = at.replace(tzinfo=None) if naive else at
        n.notify_at(at, 1)
        answer = n.next_at()
        assert answer == at and type(answer) is datetime and answer.tzinfo is (None if naive else UTC)
        if instant(at) > instant(FIRST):
            assert n.due(at - MICROSECOND) == []
        assert n.due_items(at) == [(at, 1)]


def test_every_day_of_the_calendar() -> None:
    n: MultiNotifier[int] = MultiNotifier()
    for day in range(0, 3_652_059, 97):
        at = FIRST + timedelta(days=day, microseconds=day % 3)
        n.notify_at(at, day)
        assert n.next_at() == at and n.due(at) == [day]
    for year in (1, 4, 100, 400, 1900, 1904, 2000, 2100, 9999):
        for month, day in ((1, 1), (2, 28), (3, 1), (12, 31)):
            at = datetime(year, month, day, 23, 59, 59, 999_999, UTC)
            n.notify_at(at, 1)
            assert n.next_at() == at and n.due(at) == [1]


def test_instants_beyond_the_calendar() -> None:
    early = datetime.min.replace(tzinfo=timezone(timedelta(hours=23, minutes=59, seconds=59, microseconds=999_999)))
    late = datetime.max.replace(tzinfo=timezone(timedelta(hours=-23, minutes=-59, seconds=-59, microseconds=-999_999)))
    n = MultiNotifier([(late, "late"), (LAST, "last"), (FIRST, "first"), (early, "early")])
    assert n.due(early - timedelta(0)) == ["early"]
    n.notify_at(early, "early")
    assert list(n) == [(early, "early"), (FIRST, "first"), (LAST, "last"), (late, "late")]
    assert n.cancel(late, "late") and n.reschedule(early, "early", late)
    seen = []
    while n:
        at = n.next_at()
        assert at is not None and at.utcoffset() is not None
        seen.append((at, n.due(at)))
    assert seen == [(FIRST, ["first"]), (LAST, ["last"]), (late, ["early"])]


def test_fold_makes_two_instants() -> None:
    first = datetime(2025, 10, 26, 2, 30, tzinfo=Folded())
    n = MultiNotifier([(first.replace(fold=1), "second"), (first, "first")])
    at = n.next_at()
    assert at == datetime(2025, 10, 26, 1, 30, tzinfo=UTC) and at.tzinfo is UTC
    assert (first, "second") not in n and n.due(at) == ["first"]
    assert n.next_at() == datetime(2025, 10, 26, 2, 30, tzinfo=UTC)


def test_time_zone_data() -> None:
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
    n.clear()
    n.notify_at(NOON.astimezone(zoneinfo.ZoneInfo("UTC")), "utc")
    assert n.next_at().tzinfo is UTC  # type: ignore[union-attr]


def test_a_zone_without_an_offset_is_naive() -> None:
    at = NAIVE.replace(tzinfo=Zone(None))
    n = MultiNotifier([(at, 1), (NAIVE, 2)])
    assert n.next_at() == NAIVE and n.next_at().tzinfo is None  # type: ignore[union-attr]
    with pytest.raises(TypeError, match=MIXED):
        n.notify_at(NOON, 3)
    assert n.due(at) == [1, 2]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ZeroDivisionError(), ZeroDivisionError),
        (5, TypeError),
        (timedelta(days=1), ValueError),
        (timedelta(days=-1), ValueError),
    ],
)
@pytest.mark.parametrize("pending", [0, 1])
def test_bad_zones_change_nothing(answer: Any, error: type[Exception], pending: int) -> None:
    n = MultiNotifier([(NOON, 1)] * pending)
    at = NAIVE.replace(tzinfo=Zone(answer))
    for _, call in TIMED:
        with pytest.raises(error):
            call(n, at)
    assert list(n) == [(NOON, 1)] * pending


@pytest.mark.parametrize(
    ("answer", "error"),
    [(5, TypeError)]
    # The last three are, in microseconds and 64 bits, less than a day.
    + [(timedelta(days=days), ValueError) for days in (1, -1, -2, 213_503_982, 213_503_983, 427_007_965)],
)
def test_a_subclass_with_an_impossible_offset(answer: Any, error: type[Exception]) -> None:
    class Odd(datetime):
        def utcoffset(self) -> Any:
            return answer

    n = MultiNotifier([(NOON, 1)])
    for _, call in TIMED:
        with pytest.raises(error):
            call(n, Odd(2026, 1, 1, tzinfo=Zone(timedelta(hours=1))))
    assert list(n) == [(NOON, 1)]


def test_no_time_is_rounded_up_out_of_the_calendar() -> None:
    class Late(datetime):
        nanosecond = 1

    last = Late(9999, 12, 31, 23, 59, 59, 999_999)
    n: MultiNotifier[int] = MultiNotifier()
    with pytest.raises(ValueError, match="at must lie within the years 1 to 9999"):
        n.notify_at(last, 1)
    assert n.next_at() is None and n.due(last) == []
    n.notify_at(last - MICROSECOND, 1)
    assert n.next_at() == datetime.max and n.due(last) == [1]


def test_subclasses_are_read_and_not_asked() -> None:
    stamp = Stamp(2026, 1, 1, 12, tzinfo=UTC)
    n = MultiNotifier([(stamp, 1), (NOON, 2)])
    answer = n.next_at()
    assert answer == NOON and type(answer) is datetime
    assert n.cancel(stamp, 2) and (stamp, 1) in n and n.due(stamp) == [1]


def test_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    whole, more = pandas.Timestamp("2026-01-01T12:00Z"), pandas.Timestamp("2026-01-01T12:00:00.000000001Z")
    n = MultiNotifier([(more, 1)])
    assert n.next_at() == NOON + MICROSECOND and type(n.next_at()) is datetime
    # Rounded down for `now`, up for everything else: never early.
    assert (
        n.due(more) == []
        and n.due_items(more) == []
        and n.due(pandas.Timestamp("2026-01-01T12:00:00.000000999Z")) == []
    )
    assert (more, 1) in n and (whole, 1) not in n and not n.cancel(whole, 1)
    assert n.reschedule(more, 1, pandas.Timestamp("2026-01-01T12:00:00.000001001Z"))
    assert n.next_at() == NOON + 2 * MICROSECOND
    n.notify_many([more, whole], [3, 2])
    assert n.cancel(more, 3) and n.due(whole) == [2] and n.due(NOON + 2 * MICROSECOND) == [1]
    n.notify_at(pandas.Timestamp("1969-12-31T23:59:59.999999999Z"), 4)
    assert n.next_at() == EPOCH and n.due(EPOCH) == [4]
    n.notify_at(pandas.Timestamp("2026-01-01T12:00:00.5+05:45"), 5)
    assert n.next_at() == datetime(2026, 1, 1, 6, 15, 0, 500_000, UTC)
    n.clear()
    n.notify_at(pandas.Timestamp("2026-01-01T12:00"), 6)
    assert n.next_at() == NAIVE


def test_pandas_beyond_and_nat() -> None:
    pandas = pytest.importorskip("pandas")
    numpy = pytest.importorskip("numpy")
    far = [pandas.Timestamp(numpy.datetime64(seconds, "s")) for seconds in (300_000_000_000, -300_000_000_000)]
    for bad in (pandas.NaT, *far):
        for pending in (0, 1):
            n = MultiNotifier([(NAIVE, 1)] * pending)
            for name, call in TIMED:
                if name != "new_at":
                    with pytest.raises(ValueError, match=rf"\b{name}\b"):
                        call(n, bad)
            with pytest.raises(ValueError, match=r"\bnew_at\b"):
                n.reschedule(NAIVE, 1, bad)
            assert list(n) == [(NAIVE, 1)] * pending
    last = pandas.Timestamp(numpy.datetime64("9999-12-31T23:59:59.999999", "us")).tz_localize("UTC")
    n = MultiNotifier([(last, 1)])
    assert n.next_at() == LAST


def test_pendulum_and_freezegun() -> None:
    pendulum = pytest.importorskip("pendulum")
    n = MultiNotifier([(pendulum.datetime(2026, 1, 1, 12), 1)])
    assert n.next_at() == NOON and n.next_at().tzinfo is UTC  # type: ignore[union-attr]
    assert n.due(pendulum.datetime(2026, 1, 1, 13, tz="Europe/Berlin") if pendulum else NOON) == [1]
    freezegun = pytest.importorskip("freezegun")
    with freezegun.freeze_time("2026-01-01 12:00"):
        import datetime as module

        n.notify_at(module.datetime.now(UTC), 2)
        assert n.due(module.datetime.now(UTC) - TICK) == [] and n.due(module.datetime.now(UTC)) == [2]


UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]


@pytest.mark.parametrize("unit", UNITS)
def test_datetime64_of_every_unit(unit: str) -> None:
    numpy = pytest.importorskip("numpy")
    # The finest units reach only a few years, or seconds, from 1970.
    texts = ["1970-01-08", "1970-01-01"] if unit == "W" else ["1970-01-01", "1970-01-01"]
    if unit not in ("W", "ps", "fs", "as"):
        texts = ["1971-01-01", "1969-01-01"]
    ats = numpy.array(texts, dtype=f"M8[{unit}]")
    wanted = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts]
    if unit == "W":
        wanted = [datetime.fromisoformat(str(at.astype("M8[D]"))).replace(tzinfo=UTC) for at in ats]
    n: MultiNotifier[str] = MultiNotifier([(LAST, "z")])
    n.notify_many(ats, ["b", "a"])
    model = sorted(zip(wanted, ["b", "a"]), key=lambda pair: pair[0])
    assert list(n) == [*model, (LAST, "z")] and n.next_at().tzinfo is UTC  # type: ignore[union-attr]
    n._check()


@pytest.mark.parametrize(("unit", "one"), [("ns", 10**3), ("ps", 10**6), ("fs", 10**9), ("as", 10**12)])
def test_datetime64_rounds_up(unit: str, one: int) -> None:
    numpy = pytest.importorskip("numpy")
    counts = [0, 1, one - 1, one, one + 1, -1, 1 - one, -one, -one - 1]
    n: MultiNotifier[int] = MultiNotifier()
    n.notify_many(numpy.array(counts, dtype=f"M8[{unit}]"), range(len(counts)))
    expected = sorted(((EPOCH + -(-count // one) * MICROSECOND, number) for number, count in enumerate(counts)))
    assert list(n) == expected


@pytest.mark.parametrize("pending", [0, 1, 100])
def test_datetime64_refuses_the_whole_batch(pending: int) -> None:
    numpy = pytest.importorskip("numpy")
    before = [(NOON, number) for number in range(pending)]
    n: MultiNotifier[int] = MultiNotifier(before)
    bad: list[tuple[list[Any], str]] = [
        ([bad], unit) for bad in ("NaT", "10000-01-01", "0000-12-31") for unit in ("us", "ms", "s", "D", "Y")
    ]
    bad += [(["NaT"], unit) for unit in ("ns", "as", "W", "M")]
    bad += [([value], unit) for unit in ("us", "ms", "s", "D", "W", "M", "Y") for value in (2**63 - 1, 1 - 2**63)]
    for values, unit in bad:
        good = numpy.array([0], dtype="i8").view("M8[us]").astype(f"M8[{unit}]")
        # A value that wraps around when cast to microseconds must not look like a year of ours.
        kind = "i8" if isinstance(values[0], int) else f"M8[{unit}]"
        ats = numpy.concatenate([good, numpy.array(values, dtype=kind).astype(f"M8[{unit}]")])
        with pytest.raises(ValueError, match="ats"):
            n.notify_many(ats, [1, 2])
    for shape in ((1, 1), ()):
        with pytest.raises((ValueError, TypeError)):
            n.notify_many(numpy.zeros(shape, dtype="M8[us]"), [1])
    with pytest.raises(ValueError, match="length"):
        n.notify_many(numpy.zeros(2, dtype="M8[us]"), [1])
    assert list(n) == before


def test_datetime64_of_every_layout() -> None:
    numpy = pytest.importorskip("numpy")
    micros = [instant(at) - instant(EPOCH) for at in CLOCKS]
    plain = numpy.array(micros, dtype="i8").view("M8[us]")
    expected = [(at, number) for number, at in enumerate(CLOCKS)]
    forms: list[Callable[[], Any]] = [
        lambda: plain,
        lambda: numpy.repeat(plain, 2)[::2],
        lambda: plain[::-1][::-1],
        lambda: plain.astype(">M8[us]"),
        lambda: plain.tolist() and list(plain.astype(object)),
    ]
    for form in forms[:4]:
        n: MultiNotifier[int] = MultiNotifier()
        n.notify_many(form(), range(len(micros)))
        assert list(n) == expected
    readonly = plain.copy()
    readonly.flags.writeable = False
    n = MultiNotifier()
    n.notify_many(readonly, numpy.arange(len(micros)))
    assert list(n) == expected
    n.notify_many(plain[:0], [])
    assert len(n) == len(micros)
    naive = MultiNotifier([(NAIVE, 1)])
    with pytest.raises(TypeError, match=MIXED):
        naive.notify_many(plain, range(len(micros)))
    assert list(naive) == [(NAIVE, 1)]


def test_numpy_is_never_imported_for_others() -> None:
    code = "import sys, datetime as d, timers; timers.MultiNotifier().notify_many([d.datetime.min], [1])"
    code += "; print('numpy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_moments_are_instants() -> None:
    """The test's own arithmetic."""
    for micros in (-86_399_999_999, -1, 0, 1, 10**17, instant(LAST), instant(LAST) + 1, instant(LAST) + 86_399_999_999):
        at: datetime | None = moment(micros)
        assert at is not None and instant(at) == micros
