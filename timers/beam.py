"""Apache Beam: any number of exact timers a key, where Beam has one for each `TimerSpec`.

    from timers.beam import NotifierCoder, due, notify_at

A `DoFn` keeps a `MultiNotifier` in a state cell and one timer of Beam set to `wake_at(notifier)`; where that fires,
`due(moment(timestamp))` are the tokens. `notify_at` and `due` do that in a line each:

    class Reminders(beam.DoFn):
        PENDING = ReadModifyWriteStateSpec("pending", NotifierCoder())
        WAKE = TimerSpec("wake", TimeDomain.WATERMARK)

        def process(self, element, pending=beam.DoFn.StateParam(PENDING), wake=beam.DoFn.TimerParam(WAKE)):
            key, (at, token) = element
            notify_at(at, token, pending, wake)

        @on_timer(WAKE)
        def remind(
            self,
            key=beam.DoFn.KeyParam,
            now=beam.DoFn.TimestampParam,
            pending=beam.DoFn.StateParam(PENDING),
            wake=beam.DoFn.TimerParam(WAKE),
        ):
            for token in due(now, pending, wake):
                yield key, token

Whatever else is to be done with the notifier (`cancel`, `due_items`, ...) goes between `kept` and `keep`. State and
timers of a bundle are committed together, so a bundle that is retried finds both as they were; what it reads may be
cached and must not be changed in place, hence `kept` copies.

State and timers belong to a key and a window. A token for a time beyond its window is the runner's affair: the local
ones fire it then, while others may have dropped the state with the window. Such timers belong into the global window.

Beam's runners cut the time of a timer, and that of an element between two stages, down to the millisecond. A timer set
to the exact microsecond would come back too early, find nothing due and set itself again, for ever. So `wake_at` rounds
up: a timer is at most a millisecond late, and never early. Times finer than a millisecond belong into the element, and
so do times before 1970, at which Beam cuts that of an element to the later millisecond, out of its window.
"""

from datetime import datetime, timedelta, timezone
from pickle import dumps, loads
from typing import Any, Callable, Optional, Protocol

from timers.notifier import MultiNotifier

try:
    from apache_beam.coders import Coder
    from apache_beam.transforms.userstate import BaseTimer, ReadModifyWriteRuntimeState
    from apache_beam.utils.timestamp import Timestamp
except ImportError as error:
    raise ImportError(f"timers.beam needs Apache Beam ({error}): pip install 'multinotifier[beam]'") from None

__all__ = ["NotifierCoder", "due", "keep", "kept", "moment", "notify_at", "wake_at"]

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
MILLISECOND = timedelta(milliseconds=1)
FIRST = datetime.min.replace(tzinfo=timezone.utc)
LAST = datetime.max.replace(tzinfo=timezone.utc)
FIRST_MICROS, LAST_MICROS = (FIRST - EPOCH) // MICROSECOND, (LAST - EPOCH) // MICROSECOND
# Beam before 2.77 has none.
HAS_NANOSECONDS = hasattr(Timestamp, "nanos")
# Instants that are in year 10000 already in UTC have names in the zones behind it, and all of them in this one.
BEHIND = timezone(MICROSECOND - timedelta(days=1))
VERY_LAST = datetime.max.replace(tzinfo=BEHIND)
# The newest that every supported Python reads.
PROTOCOL = 5


class Notifier(Protocol):
    """`MultiNotifier` and what else knows its next time."""

    def next_at(self) -> Optional[datetime]: ...


def wake_at(notifier: Notifier) -> Optional[Timestamp]:
    """When a timer of Beam has to fire for the notifier: its next time, rounded up to a whole millisecond.

    `None` if nothing is pending. The notifier's times have to be aware datetimes, as those of `moment` are: `TypeError`
    otherwise. Every datetime has a timestamp; Beam's last one is in year 294247.

    >>> from timers import MultiNotifier
    >>> wake_at(MultiNotifier([(datetime(1970, 1, 1, microsecond=1001, tzinfo=timezone.utc), "token")]))
    Timestamp(0.002000)
    >>> wake_at(MultiNotifier()) is None
    True
    """
    at = notifier.next_at()
    return None if at is None else _stamp(at)


def _stamp(at: datetime) -> Timestamp:
    try:
        before = EPOCH - at
    except TypeError:
        held = "naive datetimes" if isinstance(at, datetime) else f"times of type {type(at).__name__}"
        raise TypeError(f"notifier must hold aware datetimes for a timer of Beam, but holds {held}") from None
    return Timestamp(micros=-(before // MILLISECOND) * 1000)


def moment(timestamp: Timestamp) -> datetime:
    """The timestamp as an aware datetime in UTC, for `due` and `notify_at`.

    What is finer than a microsecond is cut off: no datetime is later than the timestamp, so nothing is due early. A
    timestamp before year 1, as of elements that have none, is the first datetime of UTC. One after year 9999 is in a
    zone behind UTC, where such an instant has a name, or else the very last aware datetime that there is.

    >>> moment(Timestamp(micros=1_767_225_600_000_001))
    datetime.datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
    """
    return _moment(timestamp, "timestamp")


def _moment(timestamp: Timestamp, name: str) -> datetime:
    try:
        micros = timestamp.nanos // 1000 if HAS_NANOSECONDS else timestamp.micros
    except AttributeError:
        raise TypeError(f"{name} must be a Timestamp of Beam, not {type(timestamp).__name__}") from None
    if FIRST_MICROS <= micros <= LAST_MICROS:
        return EPOCH + micros * MICROSECOND
    if micros < FIRST_MICROS:
        return FIRST
    return EPOCH.astimezone(BEHIND) + min(micros * MICROSECOND, VERY_LAST - EPOCH)


def notify_at(
    at: datetime,
    token: Any,
    state: ReadModifyWriteRuntimeState,
    timer: BaseTimer,
    make: Callable[[], Any] = MultiNotifier,
) -> None:
    """What the state keeps gets one timer more; that of Beam is set anew only where the new one is the soonest.

    The state must have been written by the functions of this module alone. `make` answers the first notifier.
    """
    notifier = kept(state, make)
    before = notifier.next_at()
    notifier.notify_at(at, token)
    soonest = notifier.next_at()
    stamp = None if soonest == before else _stamp(soonest)
    state.write(notifier)
    if stamp is not None:
        timer.set(stamp)


def due(now: Timestamp, state: ReadModifyWriteRuntimeState, timer: BaseTimer) -> list[Any]:
    """The tokens that are due when Beam's timer fires, as the notifier's `due` answers; the others are kept."""
    notifier = kept(state)
    tokens: list[Any] = notifier.due(_moment(now, "now"))
    keep(notifier, state, timer)
    return tokens


def kept(state: ReadModifyWriteRuntimeState, make: Callable[[], Any] = MultiNotifier) -> Any:
    """The begin of a call of the `DoFn`: a copy of what the state holds, or what `make` answers where that is nothing.

    A copy shares what it does not change, and so costs next to nothing where tokens are immutable.
    """
    held = state.read()
    return make() if held is None else held.__copy__()


def keep(notifier: Notifier, state: ReadModifyWriteRuntimeState, timer: BaseTimer) -> None:
    """The end of a call of the `DoFn`: the notifier is its new state and sets its timer; an empty one clears both."""
    stamp = wake_at(notifier)
    if stamp is None:
        state.clear()
        timer.clear()
    else:
        state.write(notifier)
        timer.set(stamp)


class NotifierCoder(Coder):
    """Notifiers as Beam's state: the state of their pickle, a few bytes a timer and the tokens.

    It names no class where that is `MultiNotifier` itself; anything else is pickled whole.

    >>> from timers import MultiNotifier
    >>> coder = NotifierCoder()
    >>> coder.decode(coder.encode(MultiNotifier([(EPOCH, "token")]))).due(EPOCH)
    ['token']
    """

    def encode(self, value: Any) -> bytes:
        # A state is a tuple, and anything else in a list.
        return dumps(value.__getstate__() if type(value) is MultiNotifier else [value], PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        loaded = loads(encoded)
        if type(loaded) is tuple:
            notifier: MultiNotifier[Any] = MultiNotifier()
            notifier.__setstate__(loaded)
            return notifier
        # What is in no list is a notifier as pickle itself writes it.
        return loaded[0] if type(loaded) is list else loaded

    def to_type_hint(self) -> Any:
        return Any
