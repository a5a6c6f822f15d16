"""`timers.beam`: what it answers, and whether a timer in Beam's local runners is lost, early, late or twice."""

import doctest
import math
import pickle
import random
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("apache_beam", reason="Apache Beam is not installed")
import apache_beam as beam
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp

from timers import MultiNotifier
from timers.beam import EPOCH, NotifierCoder, due, keep, kept, moment, notify_at, wake_at

UTC = timezone.utc
# Beam and what it imports warn as they like.
pytestmark = pytest.mark.filterwarnings("default")

MICROSECOND = timedelta(microseconds=1)
MILLISECOND = timedelta(milliseconds=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
RUNNERS = [FnApiRunner, BundleBasedDirectRunner]
runners = pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner.__name__)


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """To weigh a value for its cache of states, Beam 2.77 takes milliseconds."""
    monkeypatch.setattr(worker_handlers, "STATE_CACHE_SIZE_MB", 0)


def holding(*ats: Any) -> "MultiNotifier[int]":
    return MultiNotifier(zip(ats, range(len(ats))))


# --- What the functions answer


def test_docstrings() -> None:
    failed, attempted = doctest.testmod(sys.modules[wake_at.__module__])
    assert attempted and not failed


@pytest.mark.parametrize(
    "at", [START, EPOCH, EPOCH - timedelta(days=1), START.astimezone(timezone(timedelta(hours=5)))]
)
@pytest.mark.parametrize("micros", [-1000, -999, -1, 0, 1, 499, 500, 999, 1000, 1001])
def test_up_to_the_next_millisecond(at: datetime, micros: int) -> None:
    at += micros * MICROSECOND
    woken = wake_at(holding(at))
    assert woken is not None and woken.micros % 1000 == 0
    assert timedelta(0) <= moment(woken) - at < MILLISECOND


def test_the_soonest_counts() -> None:
    assert wake_at(holding(START + MICROSECOND, START, START + MILLISECOND)) == Timestamp.from_utc_datetime(START)


def test_nothing_pending() -> None:
    assert wake_at(MultiNotifier()) is None


@pytest.mark.parametrize("hours", [-23, -12, 0, 12, 23])
@pytest.mark.parametrize("extreme", [datetime.min, datetime.max])
def test_the_ends_of_the_calendar(extreme: datetime, hours: int) -> None:
    at = extreme.replace(tzinfo=timezone(timedelta(hours=hours)))
    notifier = holding(at)
    woken = wake_at(notifier)
    assert woken is not None and MIN_TIMESTAMP < woken < MAX_TIMESTAMP
    assert notifier.due(moment(woken)) == [0]


def test_the_ends_of_beams_time() -> None:
    assert moment(MIN_TIMESTAMP) == datetime.min.replace(tzinfo=UTC)
    assert moment(MAX_TIMESTAMP) >= datetime.max.replace(tzinfo=timezone(timedelta(hours=-23)))


def test_moments_are_in_utc_and_ordered() -> None:
    last = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
    rng = random.Random(1)
    micros = sorted([rng.randrange(-(10**17), last) for _ in range(1000)] + [last, last + 1, last + 10**6])
    moments = [moment(Timestamp(micros=number)) for number in micros]
    assert moments == sorted(moments)
    for number, at in zip(micros, moments):
        if number <= last:
            assert at.tzinfo is UTC
        if number > -62_135_596_800_000_000:
            assert (at - EPOCH) // MICROSECOND == number


@pytest.mark.skipif(not hasattr(Timestamp, "nanos"), reason="Beam before 2.77 has no nanoseconds")
def test_nanoseconds_are_cut_off() -> None:
    assert moment(Timestamp(0, 1999, 9)) == EPOCH + MICROSECOND
    assert moment(Timestamp(0, -1, 9)) == EPOCH - MICROSECOND


@pytest.mark.parametrize("at, held", [(datetime(2026, 1, 1), "naive datetimes"), (1.5, "float"), (math.inf, "float")])
def test_times_that_beam_has_not(at: Any, held: str) -> None:
    try:
        notifier = holding(at)
    except TypeError:
        pytest.skip("not a time of this notifier")
    with pytest.raises(TypeError, match=f"notifier .*{held}"):
        wake_at(notifier)
    assert len(notifier) == 1


@pytest.mark.parametrize("timestamp", [None, 1.5, START])
def test_not_a_timestamp(timestamp: Any) -> None:
    with pytest.raises(TypeError, match="timestamp must be a Timestamp"):
        moment(timestamp)


def test_coder() -> None:
    notifier = MultiNotifier((START + number * MILLISECOND, f"token {number}") for number in range(10))
    coder: Any = NotifierCoder()
    encoded = coder.encode(notifier)
    assert list(coder.decode(encoded)) == list(notifier)
    assert coder.get_impl().decode_nested(coder.get_impl().encode_nested(notifier)).next_at() == START
    heap = [(at, number, token) for number, (at, token) in enumerate(notifier)]
    assert len(encoded) < len(pickle.dumps(heap)) / 2
    assert coder == NotifierCoder() and hash(coder) == hash(NotifierCoder())
    assert pickle.loads(pickle.dumps(coder)) == coder
    assert coder.decode(coder.encode(MultiNotifier())).next_at() is None
    assert len(encoded) < len(pickle.dumps(notifier, 5)) - 25, "it names no class"
    # What pickle wrote is read too, and a subclass stays one.
    assert list(coder.decode(pickle.dumps(notifier))) == list(notifier)
    assert type(coder.decode(coder.encode(Named([(START, "token")])))) is Named
    # Nor is a tuple of somebody's own taken for a state.
    for mine in ((), (1,), (1, b"", (), None), ("count", 3)):
        assert coder.decode(coder.encode(mine)) == mine
    many = MultiNotifier((START + number * MILLISECOND, number) for number in range(20_000))
    assert list(coder.decode(coder.encode(many))) == list(many)


class Named(MultiNotifier[str]):
    pass


class Cell:
    """A state and a timer of Beam, as far as they are asked."""

    def __init__(self, value: Any = None) -> None:
        self.value = value
        self.at: Any = None
        self.times_set = 0

    def read(self) -> Any:
        return self.value

    def write(self, value: Any) -> None:
        self.value = value

    def set(self, at: Any) -> None:
        self.at = at
        self.times_set += 1

    def clear(self) -> None:
        self.value = self.at = None


def test_what_was_kept_is_not_changed() -> None:
    notifier = holding(START, START + MILLISECOND)
    state: Any = Cell(notifier)
    timer: Any = Cell()
    copied = kept(state)
    assert list(copied) == list(notifier) and copied.due(START) == [0] and len(notifier) == 2
    keep(copied, state, timer)
    assert state.value is copied and timer.at == wake_at(copied)
    notify_at(START, 2, state, timer)
    assert len(copied) == 1 and len(state.value) == 2
    held = state.value
    assert due(timer.at, state, timer) == [2] and len(held) == 2
    copied = kept(state)
    copied.clear()
    keep(copied, state, timer)
    assert state.value is timer.at is None
    assert type(kept(state)) is MultiNotifier and type(kept(state, Named)) is Named
    state.write(Named([(START, "token")]))
    assert type(kept(state)) is Named


def test_the_timer_is_set_where_the_soonest_changes() -> None:
    state: Any = Cell()
    timer: Any = Cell()
    for number in (5, 7, 9, 6, 5, 3, 4):
        notify_at(START + number * MILLISECOND, number, state, timer, Named)
        assert timer.at == wake_at(state.value)
    assert type(state.value) is Named and timer.times_set == 2
    assert due(timer.at, state, timer) == [3] and timer.at == wake_at(state.value)
    assert due(Timestamp.of(2**33), state, timer) == [4, 5, 5, 6, 7, 9]
    assert state.value is timer.at is None


def test_a_timer_that_fires_too_early_is_set_again() -> None:
    state: Any = Cell()
    timer: Any = Cell()
    notify_at(START, "token", state, timer)
    timer.at = None
    assert due(Timestamp.from_utc_datetime(START - MILLISECOND), state, timer) == []
    assert due(timer.at, state, timer) == ["token"]


def test_what_cannot_be_kept_is_not_written() -> None:
    state: Any = Cell()
    timer: Any = Cell()
    with pytest.raises(TypeError, match="notifier must hold aware datetimes"):
        keep(holding(datetime(2026, 1, 1)), state, timer)
    with pytest.raises(TypeError, match="notifier must hold aware datetimes"):
        notify_at(datetime(2026, 1, 1), "token", state, timer)
    assert state.value is timer.at is None


def test_the_example_of_the_readme() -> None:
    text = (Path(__file__).parents[1] / "bench" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```py\n(.*?)```", text, re.S)
    (example,) = [block for block in blocks if "apache_beam" in block]
    exec(example, {})


def test_the_module_says_what_it_needs() -> None:
    code = "import sys; sys.modules['apache_beam'] = None; import timers.beam"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "timers.beam needs Apache Beam" in done.stderr.splitlines()[-1]
    assert "multinotifier[beam]" in done.stderr.splitlines()[-1]


# --- In a pipeline


class Timers(beam.DoFn):
    """Tells of every timer that fires its time and the moment; a token that is a delay sets another timer."""

    PENDING = ReadModifyWriteStateSpec("pending", NotifierCoder())
    WAKE = TimerSpec("wake", TimeDomain.WATERMARK)

    def process(
        self,
        element: tuple[str, tuple[datetime, Any]],
        pending: Any = beam.DoFn.StateParam(PENDING),
        wake: Any = beam.DoFn.TimerParam(WAKE),
    ) -> None:
        notifier = kept(pending)
        notifier.notify_at(*element[1])
        keep(notifier, pending, wake)

    @on_timer(WAKE)
    def fire(
        self,
        key: Any = beam.DoFn.KeyParam,
        now: Any = beam.DoFn.TimestampParam,
        pending: Any = beam.DoFn.StateParam(PENDING),
        wake: Any = beam.DoFn.TimerParam(WAKE),
    ) -> Iterable[Any]:
        notifier = kept(pending)
        while due := notifier.due_items(moment(now), limit=1):
            ((at, token),) = due
            yield key, at, moment(now), token
            if isinstance(token, timedelta):
                notifier.notify_at(at + token, "again")
        keep(notifier, pending, wake)


def fired(runner: Any, elements: list[Any], path: Path, *steps: Any) -> list[Any]:
    """What the steps tell, in the order in which they do.

    It is written by hand: BundleBasedDirectRunner closes a GroupByKey, as in Beam's own sinks and assertions, before
    the timers ahead of it have fired.
    """
    out = path / "fired"

    def write(told: Any) -> None:
        with out.open("ab") as file:
            pickle.dump(told, file)

    with beam.Pipeline(runner=runner()) as pipeline:
        told = pipeline | beam.Create(elements)
        for step in steps or [beam.ParDo(Timers())]:
            told |= step
        _ = told | "write" >> beam.Map(write)
    with out.open("rb") as file:
        return list(load_all(file))


def load_all(file: Any) -> Iterable[Any]:
    while file.peek(1):
        yield pickle.load(file)


@runners
def test_none_lost_none_early_none_later_than_a_millisecond(runner: Any, tmp_path: Path) -> None:
    rng = random.Random(24)
    elements = [
        (f"key {key}", (START + rng.randrange(1, 3000) * MICROSECOND, number))
        for number, key in enumerate(rng.choices(range(200), k=1000))
    ]
    told = fired(runner, elements, tmp_path)
    assert sorted((key, (at, token)) for key, at, _, token in told) == sorted(elements)
    assert all(timedelta(0) <= now - at < MILLISECOND for _, at, now, _ in told)
    by_key: dict[str, list[Any]] = {}
    for key, at, _, token in told:
        by_key.setdefault(key, []).append((at, token))
    assert all(pairs == sorted(pairs) for pairs in by_key.values()), "in the order of time, then of insertion"


@runners
def test_timers_set_by_timers(runner: Any, tmp_path: Path) -> None:
    delays = [timedelta(0), MICROSECOND, MILLISECOND, timedelta(days=300)]
    elements = [(str(number), (START + MICROSECOND, delay)) for number, delay in enumerate(delays)]
    told = fired(runner, elements, tmp_path)
    again = {key: (at, now) for key, at, now, token in told if token == "again"}
    assert len(told) == 2 * len(delays)
    for number, delay in enumerate(delays):
        at, now = again[str(number)]
        assert at == START + MICROSECOND + delay
        assert timedelta(0) <= now - at < MILLISECOND


@runners
def test_the_end_of_the_calendar_in_a_pipeline(runner: Any, tmp_path: Path) -> None:
    zones = [timezone(timedelta(hours=hours)) for hours in (-12, 0, 12)]
    ends = [(str(zone), (datetime.max.replace(tzinfo=zone), number)) for number, zone in enumerate(zones)]
    assert sorted(token for *_, token in fired(runner, ends, tmp_path)) == [0, 1, 2]


# --- The access log


@runners
def test_sessions_of_the_access_log(runner: Any, tmp_path: Path) -> None:
    from bench import access
    from bench.beamflow import Sessions, stamped

    requests = [request for request in access.built_in() if request[1] < "10.0.0.2"]
    ended = fired(runner, requests, tmp_path, beam.Map(stamped), beam.ParDo(Sessions()))
    assert sorted(ended) == sorted(expected_sessions(requests))


def expected_sessions(requests: list[Any]) -> Iterable[str]:
    """The plain model, client by client."""
    from bench import access

    clients: dict[str, list[datetime]] = {}
    for at, client in requests:
        clients.setdefault(client, []).append(at)
    for client, times in clients.items():
        count = 0
        for at, following in zip(times, [*times[1:], datetime.max.replace(tzinfo=UTC)]):
            count += 1
            if following - at >= access.TIMEOUT:
                yield access.record(client, count, at + access.TIMEOUT)
                count = 0
