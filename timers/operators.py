"""Bytewax's `stateful_batch` and `stateful` for millions of keys with armed timers.

    from timers.operators import StatefulBatchLogic, stateful_batch

Bytewax compares the notification time of every armed key with the clock at every activation of a step, so its cost
grows with the keys. Here keys are grouped into shards: the engine sees one key a shard, and a shard finds its own due
keys through `Deadlines`. What a key's logic sees, emits and may answer is as in Bytewax; between the keys of a
step the order may differ.

The number of shards trades time against bytes. Each activation costs the engine 20 to 40 ns a shard. Each epoch writes
every shard with an awoken key whole: `1 / shards` of all states for each awoken key, and nearly everything once more
keys than shards are awoken. `SHARDS` costs an activation what a thousand armed keys cost in Bytewax; of 100,000 keys
with 113 bytes each, an epoch then writes 1.1 MB where 100 are awoken and 11 MB where 10,000 are (Bytewax: 10 kB and
1 MB). Take more shards where millions of keys hold state of which an epoch changes little, fewer for some thousands of
keys, and longer epochs where many keys are awoken in each. The number is part of the recovery store: choose it before
the first run. `python -m bench.engine` measures the trade.
"""

import inspect
import operator
import pickle
import zlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timezone
from importlib import metadata
from threading import get_ident
from types import MappingProxyType
from typing import Any, Callable, Generic, Optional, SupportsIndex, TypeVar

from timers.deadlines import Deadlines

try:
    from bytewax.dataflow import operator as bytewax_operator
    from bytewax.errors import BytewaxRuntimeError
    from bytewax.operators import KeyedStream, StatefulBatchLogic, StatefulLogic, flat_map_batch
    from bytewax.operators import stateful_batch as bytewax_stateful_batch

    if list(inspect.signature(bytewax_stateful_batch).parameters) != ["step_id", "up", "builder"]:
        raise ImportError("bytewax.operators.stateful_batch takes other parameters")
except ImportError as error:
    raise ImportError(
        f"timers.operators needs Bytewax 0.21 ({error}): pip install 'multinotifier[bytewax]' on CPython 3.9 to 3.12, "
        "or 'multinotifier[bytewax-fork]' on 3.10 to 3.12"
    ) from None

__all__ = ["SHARDS", "KeyedStream", "StatefulBatchLogic", "StatefulLogic", "stateful", "stateful_batch"]

V = TypeVar("V")
W = TypeVar("W")
S = TypeVar("S")
Builder = Callable[[Optional[S]], StatefulBatchLogic[V, W, S]]

SHARDS = 1024
UTC = timezone.utc
# Due in every activation.
PAST = datetime.min.replace(tzinfo=UTC)
# When the activation that a thread is in began, by the thread. The engine calls every `on_batch` of an activation, then
# every `on_notify`, every `on_eof` and every `notify_at`. A shard that stays sets the start if there is none, and the
# first `on_eof` or `notify_at` drops it: a shard that stays is called one of them. So there is none between two
# activations, be they of one step or of two. (A `threading.local` forgets: Python takes a worker for a new thread
# whenever it comes back from the engine.)
STARTS: dict[int, datetime] = {}
# What numpy 1 calls its `bool`; only the fork of Bytewax knows what numpy 2 does.
NUMPY_BOOLS = ("bool_", "bool") if any(metadata.distributions(name="bytewax-fork")) else ("bool_",)
# A shard's snapshot, once pickled, is (FORMAT, number of shards, keys, their pickled snapshots).
FORMAT = "timers.operators 1"
Pickled = tuple[str, int, tuple[str, ...], tuple[bytes, ...]]
# The newest that every supported Python reads.
PROTOCOL = 5


def shard_of(key: str, shards: int) -> int:
    """The same in every process and every run: recovery stores depend on it."""
    return zlib.crc32(key.encode()) % shards


def stateful_batch(
    step_id: str, up: KeyedStream[V], builder: Builder[S, V, W], *, shards: SupportsIndex = SHARDS
) -> KeyedStream[W]:
    """`bytewax.operators.stateful_batch`, whose cost doesn't grow with the keys: the engine sees `shards` keys only.

    `shards`: at least 1, and part of the recovery store (see above). TypeError if it is no integer, else ValueError.
    The steps before and after the stateful one are named `<step_id>_to_shards` and `<step_id>_to_keys`.

    What a key has had is given out together once it has been silent for a while, or the input ends:

    >>> from datetime import datetime, timedelta, timezone
    >>> import bytewax.operators as op
    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> class Session(StatefulBatchLogic):
    ...     def __init__(self, state):
    ...         self.values, self.at = state or ([], None)
    ...     def on_batch(self, values):
    ...         self.values += values
    ...         self.at = datetime.now(timezone.utc) + timedelta(minutes=30)
    ...         return [], self.RETAIN
    ...     def on_notify(self):
    ...         return [self.values], self.DISCARD
    ...     on_eof = on_notify
    ...     def notify_at(self):
    ...         return self.at
    ...     def snapshot(self):
    ...         return list(self.values), self.at
    >>> out = []
    >>> flow = Dataflow("flow")
    >>> clicks = op.input("clicks", flow, TestingSource([("ann", 1), ("bob", 2), ("ann", 3)]))
    >>> sessions = stateful_batch("sessions", clicks, Session, shards=8)
    >>> op.output("out", sessions, TestingSink(out))
    >>> run_main(flow)
    >>> sorted(out)
    [('ann', [1, 3]), ('bob', [2])]
    """
    try:
        count = operator.index(shards)
    except TypeError:
        raise TypeError(f"shards must be an integer, not {type(shards).__name__}") from None
    if count < 1:
        raise ValueError(f"shards must be at least 1, not {count}")
    names = [str(number) for number in range(count)]

    def shard(items: list[Any]) -> list[tuple[str, tuple[str, V]]]:
        return [(names[shard_of(key, count)], (key, value)) for key, value in (keyed(step, item) for item in items)]

    def build(state: Optional[Pickled]) -> Shard[V, W, S]:
        return Shard(step, count, builder, state)

    def keys(items: list[tuple[str, tuple[str, W]]]) -> list[tuple[str, W]]:
        return [pair for _, pair in items]

    sharded = bytewax_stateful_batch(step_id, flat_map_batch(f"{step_id}_to_shards", up, shard), build)
    # The functions above run only once the dataflow does.
    step = sharded.stream_id.rpartition(".")[0]
    return flat_map_batch(f"{step_id}_to_keys", sharded, keys)


@bytewax_operator
def stateful(
    step_id: str,
    up: KeyedStream[V],
    builder: Callable[[Optional[S]], StatefulLogic[V, W, S]],
    *,
    shards: SupportsIndex = SHARDS,
) -> KeyedStream[W]:
    """`bytewax.operators.stateful` over the sharded `stateful_batch`."""

    def build(state: Optional[S]) -> ItemLogic[V, W, S]:
        return ItemLogic(builder, state)

    return stateful_batch("stateful_batch", up, build, shards=shards)


def keyed(step: str, item: Any) -> tuple[str, Any]:
    """The item itself, its key a plain `str` that UTF-8 can hold."""
    if not isinstance(item, tuple) or len(item) != 2:
        raise TypeError(f'step "{step}" requires (key, value) 2-tuples from upstream; got {item!r}')
    key, value = item
    if type(key) is not str:
        if not isinstance(key, str):
            raise TypeError(f'step "{step}" requires str keys from upstream; got the key {key!r}')
        key = str.__str__(key)
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError as error:
            raise TypeError(f'step "{step}" requires keys that UTF-8 can hold; got the key {key!r}') from error
    return key, value


class KeySnapshot:
    """What a key's logic answered. It is pickled when the engine asks for it, which may be never, and once."""

    __slots__ = ("pickled", "state")

    def __init__(self, state: Any, pickled: Optional[bytes] = None) -> None:
        self.state = state
        self.pickled = pickled

    def dumps(self) -> bytes:
        if self.pickled is None:
            self.pickled = pickle.dumps(self.state, PROTOCOL)
            self.state = None
        return self.pickled


class Keyed:
    """What a shard holds of a key: its logic, and the logic's last snapshot."""

    __slots__ = ("logic", "snapshot")

    def __init__(self, logic: StatefulBatchLogic[Any, Any, Any], snapshot: KeySnapshot) -> None:
        self.logic = logic
        self.snapshot = snapshot


class ShardSnapshot:
    """What the engine gets; pickled, a tuple."""

    def __init__(self, shard: "Shard[Any, Any, Any]") -> None:
        self.failed = shard.failed
        self.shards = shard.shards
        self.snapshots = {key: held.snapshot for key, held in shard.keys.items()}

    def __reduce__(self) -> tuple[type[tuple[Any, ...]], tuple[Pickled]]:
        pickled = []
        for key, snapshot in self.snapshots.items():
            try:
                pickled.append(snapshot.dumps())
            except Exception as error:
                raise self.failed("pickle.dumps of the snapshot", key) from error
        return tuple, ((FORMAT, self.shards, tuple(self.snapshots), tuple(pickled)),)


class Shard(StatefulBatchLogic[tuple[str, V], tuple[str, W], Any], Generic[V, W, S]):
    """The logic of one engine key. Its state is a `ShardSnapshot`, and comes back as what that is once pickled.

    - Each key has a logic, and one that has asked to be notified a time in `timers`.
    - `unasked` are the keys whose `notify_at` is still to be called in this activation.
    - `awoken` are the keys whose snapshot is older than their logic.
    - What is due is so at the start of the activation: the engine too takes the time before it calls any `on_batch`, so
      that a timer that is moved in good time doesn't fire because a batch took long, this shard's or another's.
    - `batched` is whether the shard has a batch in this activation. If it has, and is left without keys, it stays until
      an activation without, or the end of the input: were every shard of an activation discarded, none would be asked
      `notify_at`, and the start would outlast it.
    - `asked` is when the engine was asked to notify the shard; by its clock, which is the one that counts, that time
      has come when it does.
    """

    def __init__(self, step: str, shards: int, builder: Builder[S, V, W], state: Optional[Pickled]) -> None:
        self.step = step
        self.shards = shards
        self.builder = builder
        self.keys: dict[str, Keyed] = {}
        self.timers: Deadlines[str] = Deadlines()
        # Ordered sets.
        self.unasked: dict[str, None] = {}
        self.awoken: dict[str, None] = {}
        self.batched = False
        self.asked: Optional[datetime] = None
        # The engine calls `on_batch` first for a new shard; not so for what it has restored, be it from `None`.
        self.known = state is not None
        if state is not None:
            self.restore(state)

    def on_batch(self, values: list[tuple[str, V]]) -> tuple[Iterable[tuple[str, W]], bool]:
        self.known = self.batched = True
        thread = get_ident()
        # If a logic raises, a later run in the thread finds none.
        now = STARTS.pop(thread, None) or datetime.now(UTC)
        batches: defaultdict[str, list[V]] = defaultdict(list)
        for key, value in values:
            batches[key].append(value)
        emitted: list[tuple[str, W]] = []
        for key, batch in batches.items():
            if key not in self.keys:
                self.build(key, None)
            self.call(key, "on_batch", emitted, batch)
        STARTS[thread] = now
        return emitted, False

    def on_notify(self) -> tuple[Iterable[tuple[str, W]], bool]:
        thread = get_ident()
        start = STARTS.pop(thread, None)
        now = start or datetime.now(UTC)
        emitted: list[tuple[str, W]] = []
        for key in self.timers.due(max(now, self.asked or now)):
            self.call(key, "on_notify", emitted)
        discard = not self.keys and not self.batched
        if start is not None or not discard:
            STARTS[thread] = now
        return emitted, discard

    def on_eof(self) -> tuple[Iterable[tuple[str, W]], bool]:
        STARTS.pop(get_ident(), None)
        emitted: list[tuple[str, W]] = []
        for key in list(self.keys):
            self.call(key, "on_eof", emitted)
        return emitted, not self.keys

    def notify_at(self) -> Optional[datetime]:
        if not self.known:
            raise self.foreign(None)
        STARTS.pop(get_ident(), None)
        for key in self.unasked:
            at = self.ask(key)
            if at is not None and at != self.timers.get(key):
                self.timers[key] = at
        self.unasked.clear()
        self.batched = False
        self.asked = self.timers.next_at() if self.keys else PAST
        return self.asked

    def snapshot(self) -> ShardSnapshot:
        for key in self.awoken:
            held = self.keys[key]
            try:
                held.snapshot = KeySnapshot(held.logic.snapshot())
            except Exception as error:
                raise self.failed("snapshot", key) from error
        self.awoken.clear()
        return ShardSnapshot(self)

    def restore(self, state: Any) -> None:
        if type(state) is not tuple or len(state) != 4 or type(state[0]) is not str or state[0] != FORMAT:
            raise self.foreign(state)
        _, shards, keys, snapshots = state
        if shards != self.shards:
            raise ValueError(
                f'step "{self.step}" has shards={self.shards}, but the recovery store was written with '
                f"shards={shards}: start it with shards={shards}, or with an empty recovery store"
            )
        for key, snapshot in zip(keys, snapshots):
            try:
                inner = pickle.loads(snapshot)
            except Exception as error:
                raise self.failed("pickle.loads", key) from error
            self.build(key, inner, snapshot)
            self.unasked[key] = None

    def build(self, key: str, state: Optional[S], pickled: bytes = b"") -> None:
        try:
            logic = self.builder(state)
        except Exception as error:
            raise self.failed("builder", key) from error
        if not isinstance(logic, StatefulBatchLogic):
            raise self.refused("builder", key, "a StatefulBatchLogic", logic)
        self.keys[key] = Keyed(logic, KeySnapshot(None, pickled))

    def call(self, key: str, method: str, emitted: list[tuple[str, W]], *arguments: list[V]) -> None:
        """Calls an `on_*` method of the key's logic; keeps or discards the logic as it says."""
        try:
            answer = getattr(self.keys[key].logic, method)(*arguments)
        except Exception as error:
            raise self.failed(method, key) from error
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise self.refused(method, key, "a 2-tuple of (emit, discard)", answer)
        emit, discard = answer
        if not is_sequence(emit):
            raise self.refused(method, key, "an emit that is a sequence, and no str", emit)
        if type(discard) is not bool and not is_numpy_bool(discard):
            raise self.refused(method, key, "a discard flag that is a bool", discard)
        try:
            emitted.extend([(key, value) for value in emit])
        except Exception as error:
            raise self.failed(method, key) from error
        if discard:
            self.timers.pop(key, None)
            del self.keys[key]
            self.unasked.pop(key, None)
            self.awoken.pop(key, None)
        else:
            self.unasked[key] = self.awoken[key] = None

    def ask(self, key: str) -> Optional[datetime]:
        try:
            at = self.keys[key].logic.notify_at()
        except Exception as error:
            raise self.failed("notify_at", key) from error
        if at is not None and (not isinstance(at, datetime) or at.tzinfo is None or at.tzinfo != UTC):
            raise self.refused("notify_at", key, "a datetime in timezone.utc, or None", at)
        return at

    def failed(self, method: str, key: str) -> BytewaxRuntimeError:
        return BytewaxRuntimeError(f'error calling {method} in step "{self.step}" for key "{key}"')

    def refused(self, method: str, key: str, wanted: str, got: Any) -> TypeError:
        return TypeError(f'{method} in step "{self.step}" for key "{key}" must answer {wanted}; got {got!r}')

    def foreign(self, state: Any) -> ValueError:
        return ValueError(
            f'step "{self.step}" finds a state in the recovery store that timers.operators did not write: '
            f"{type(state).__name__}, probably of bytewax.operators. It can't be taken over key by key. To migrate, "
            "start with an empty recovery store (python -m bytewax.recovery) and read the input again from where the "
            "oldest state began; or keep bytewax.operators in this step and give a new step_id to the sharded one"
        )


class ItemLogic(StatefulBatchLogic[V, W, S]):
    """A `StatefulLogic` behind the interface of a `StatefulBatchLogic`."""

    def __init__(self, builder: Callable[[Optional[S]], StatefulLogic[V, W, S]], state: Optional[S]) -> None:
        self.builder = builder
        self.logic: Optional[StatefulLogic[V, W, S]] = builder(state)

    @property
    def kept(self) -> StatefulLogic[V, W, S]:
        assert self.logic is not None, "the shard discards this logic together with the inner one"
        return self.logic

    def on_batch(self, values: list[V]) -> tuple[Iterable[W], bool]:
        emitted: list[W] = []
        for value in values:
            if self.logic is None:
                self.logic = self.builder(None)
            emit, discard = self.logic.on_item(value)
            emitted.extend(emit)
            if discard:
                self.logic = None
        return emitted, self.logic is None

    def on_notify(self) -> tuple[Iterable[W], bool]:
        return self.kept.on_notify()

    def on_eof(self) -> tuple[Iterable[W], bool]:
        return self.kept.on_eof()

    def notify_at(self) -> Optional[datetime]:
        return self.kept.notify_at()

    def snapshot(self) -> S:
        return self.kept.snapshot()


def is_numpy_bool(discard: Any) -> bool:
    """What the engine takes for one: it goes by the name."""
    return type(discard).__module__ == "numpy" and type(discard).__name__ in NUMPY_BOOLS


def is_sequence(emit: Any) -> bool:
    """What the engine takes for one: whatever can be indexed, but for mappings and `str`."""
    return isinstance(emit, (list, tuple)) or (
        hasattr(type(emit), "__getitem__") and not isinstance(emit, (str, dict, MappingProxyType))
    )
