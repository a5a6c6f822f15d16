"""`timers.operators` against `bytewax.operators` in the real engine."""

import collections
import doctest
import pickle
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

pytest.importorskip("bytewax", reason="Bytewax has no wheel for this Python")

import bytewax.operators
import pandas
from bytewax.recovery import RecoveryConfig
from bytewax.testing import run_main

import timers.operators
from tests.engine_flow import Journal, causes, run
from tests.operator_steps import ENGINES, NO_WAIT, Counting, alike, item, logic, new_store

README = Path(__file__).parents[1] / "bench" / "README.md"


def rows(store: Path, query: str) -> Iterator[Any]:
    for part in sorted(store.glob("*.sqlite3")):
        with closing(sqlite3.connect(part)) as connection:
            yield from connection.execute(query)


def states(store: Path) -> dict[str, Any]:
    """The last state of every key of the stateful step; of a sharded one, of the keys inside."""
    last: dict[str, Any] = {}
    query = "SELECT state_key, ser_change FROM snaps WHERE step_id LIKE 'flow.step%' ORDER BY snap_epoch"
    for key, state in rows(store, query):
        last[key] = state
    inside: dict[str, Any] = {}
    for key, pickled in last.items():
        state = None if pickled is None else pickle.loads(pickled)
        if isinstance(state, tuple) and state[0] == timers.operators.FORMAT:
            inside.update(zip(state[2], map(pickle.loads, state[3])))
        elif pickled is not None:
            inside[key] = state
    return inside


def test_docstrings() -> None:
    failed, attempted = doctest.testmod(timers.operators)
    assert attempted and not failed


# --- What the engine asks of a logic, and when


def kinds(result: Any, key: str) -> list[str]:
    return [call[0] for call in result.journal.calls[key]]


@alike
def test_life_of_a_key(module: Any) -> None:
    result = run(module, [[item("a", "at", -1)], [item("a"), item("a")], [item("a", "discard")], [item("a")]])
    expected = "batch notify_at notify notify_at batch notify_at batch batch notify_at eof notify_at snapshot"
    assert kinds(result, "a") == expected.split()
    # Rebuilt after the discard, it counts from 1 again.
    assert [value[:2] for value in result.output["a"]] == [
        ("batch", 1),
        ("notify", 2),
        ("batch", 4),
        ("batch", 4),
        ("batch", 5),
        ("batch", 1),
        ("eof", 2),
    ]


@alike
def test_values_of_a_batch_come_together_and_in_order(module: Any) -> None:
    batch = [item(key, "keep", number) for number, key in enumerate("abacabad" * 20)]
    result = run(module, [batch])
    for key in "abcd":
        values = tuple(value for other, value in batch if other == key)
        assert result.journal.calls[key][0] == ("batch", values)
        assert [value[2] for value in result.output[key] if value[0] == "batch"] == list(values)


@alike
def test_an_earlier_time_replaces_the_later(module: Any) -> None:
    result = run(module, [[item("a", "at", 3600)], [item("a", "at", 0.05)]])
    assert kinds(result, "a")[2:6] == ["batch", "notify_at", "notify", "notify_at"]


@alike
def test_a_later_time_replaces_the_earlier(module: Any) -> None:
    result = run(module, [[item("a", "at", 0.3)], [item("a", "at", 3600), item("b", "at", 0.5)], []], ready=moved)
    assert "notify" not in kinds(result, "a")
    assert "notify" in kinds(result, "b")


def moved(journal: Journal) -> bool:
    """As `Journal.quiet`, but the second batch doesn't wait for the timers of the first."""
    return journal.arrived() if journal.sent == 1 else journal.quiet()


@alike
def test_none_leaves_the_earlier_time_standing(module: Any) -> None:
    result = run(module, [[item("a", "at", 0.3)], [item("a", "at", None)], []], ready=moved)
    expected = "batch notify_at batch notify_at notify notify_at eof notify_at snapshot"
    assert kinds(result, "a") == expected.split()


@alike
def test_a_passed_time_notifies_even_where_the_batch_moves_it(module: Any) -> None:
    first = [item(key, "at", 0.3) for key in "abcde"] + [item("e", "flag", "discard on notify")]
    second = [item("z", "late", "abcde"), item("a", "at", 3600), item("b", "at", None), item("c", "discard"), item("e")]
    result = run(module, [first, second], ready=Journal.arrived, late=True)
    expected = ["batch", "notify_at", "batch", "notify", "notify_at", "eof", "notify_at", "snapshot"]
    assert kinds(result, "a") == kinds(result, "b") == expected
    assert kinds(result, "c") == ["batch", "notify_at", "batch"]
    assert kinds(result, "d") == ["batch", "notify_at", "notify", "notify_at", "eof", "notify_at", "snapshot"]
    assert kinds(result, "e") == ["batch", "notify_at", "batch", "notify"]


@alike
def test_a_time_moved_in_good_time_stays_quiet_though_the_batch_is_slow(module: Any) -> None:
    second = [item("z", "late", "a"), item("a", "sleep", 0.4), item("b", "at", 3600)]
    first = [item("a", "at", 0.3), item("b", "at", 0.5)]
    result = run(module, [first, second], ready=Journal.arrived, late=True)
    assert (kinds(result, "a").count("notify"), kinds(result, "b").count("notify")) == (1, 0)


@alike
def test_discarding_forgets_the_timer(module: Any) -> None:
    batches = [[item("a", "at", 0.3)], [item("a", "discard"), item("b", "at", 0.5)], [item("a")], []]
    result = run(module, batches, ready=lambda journal: journal.arrived() if journal.sent < 4 else journal.quiet())
    assert "notify" not in kinds(result, "a")
    assert "notify" in kinds(result, "b")


@alike
def test_discarding_on_notify_and_on_eof(module: Any, store: Path) -> None:
    batches = [
        [item("a", "flag", "discard on notify"), item("a", "at", -1), item("b", "flag", "discard on eof"), item("c")],
        [item("a")],
    ]
    result = run(module, batches, store=store)
    assert [value[:2] for value in result.output["a"]] == [("batch", 2)] * 2 + [("notify", 3), ("batch", 1), ("eof", 2)]
    assert [value[:2] for value in result.output["b"]] == [("batch", 1), ("eof", 2)]
    assert sorted(states(store)) == ["a", "c"]


@alike
def test_eof_reaches_every_key_once_and_does_not_wait_for_timers(module: Any) -> None:
    keys = [f"key {number}" for number in range(100)]
    result = run(module, [[item(key, "at", 3600) for key in keys]], workers=2)
    for key in keys:
        assert kinds(result, key) == ["batch", "notify_at", "eof", "notify_at", "snapshot"]


@alike
def test_snapshots_only_of_the_keys_awoken_in_the_epoch(module: Any, store: Path) -> None:
    batches = [[item("a"), item("b", "at", 3600)], [item("b")], [item("c")], [item("a", "at", -1)], []]
    result = run(module, batches, epoch=NO_WAIT, store=store)
    for key, epochs in {"a": 2, "b": 2, "c": 1}.items():
        calls = kinds(result, key)
        assert calls.count("snapshot") in (epochs + 1, epochs + 2), "one an epoch, one at the end, one for the timer"
        assert all(call != "snapshot" for call, before in zip(calls[1:], calls) if before == "snapshot")
    assert {key: state[:2] for key, state in states(store).items()} == {
        "a": ("a", 4),
        "b": ("b", 3),
        "c": ("c", 2),
    }


# --- Random logics, several executions, one worker and two


def script(seed: int) -> list[list[Any]]:
    rng = random.Random(seed)
    keys = [f"key {number}" for number in range(12)]
    actions: list[tuple[str, Any]] = [("at", seconds) for seconds in (-1, 0.005, 3600, None)]
    actions += [("keep", None), ("discard", None), ("flag", "discard on notify"), ("flag", "discard on eof")]
    weights = [4, 3, 4, 2, 4, 2, 1, 1]
    return [
        [item(rng.choice(keys), *action) for action in rng.choices(actions, weights, k=rng.randint(1, 12))]
        for _ in range(30)
    ]


@pytest.mark.parametrize("shards", [1, 3, 1024])
@pytest.mark.parametrize("workers", [(1, 1, 1), (2, 2, 2), (1, 2, 1), (2, 1, 2)], ids=str)
def test_random_logics_as_the_original(tmp_path: Path, workers: tuple[int, ...], shards: int) -> None:
    batches = script(seed=shards + sum(workers))
    pairs = []
    stores = [new_store(tmp_path / name) for name in ("bytewax", "timers")]
    for end, count in zip((10, 20, 30), workers):
        original = run(bytewax.operators, batches[:end], workers=count, store=stores[0])
        sharded = run(timers.operators, batches[:end], workers=count, store=stores[1], shards=shards)
        pairs.append((original, sharded))
        assert sharded.output == original.output
        assert sharded.journal.calls == original.journal.calls
        old, new = map(states, stores)
        assert {key: comparable(state) for key, state in new.items()} == {
            key: comparable(state) for key, state in old.items()
        }
    called = {call[0] for _, sharded in pairs for calls in sharded.journal.calls.values() for call in calls}
    assert called == {"batch", "notify", "eof", "notify_at", "snapshot", "restored"}


def comparable(state: tuple[str, int, Optional[datetime], frozenset[str]]) -> Any:
    key, count, at, flags = state
    return key, count, at is None, flags


# --- `stateful`


@alike
def test_stateful(module: Any, store: Path) -> None:
    def execution(batches: Any, workers: int) -> Any:
        # The logics note nothing: each batch comes after the one before has passed.
        started = time.monotonic()
        return run(
            module,
            batches,
            name="stateful",
            builder=Counting,
            workers=workers,
            store=store,
            ready=lambda journal: time.monotonic() > started + 0.3 * journal.sent,
        ).output

    first = [[item("a"), item("a", "discard"), item("a"), item("b", "at", -1)]]
    assert execution(first, 1) == {
        "a": [("item", 1), ("item", 2), ("item", 1), ("eof", 1)],
        "b": [("item", 1), ("notify", 1), ("eof", 1)],
    }
    assert execution([*first, [item("a", "keep"), item("b")]], 2) == {
        "a": [("item", 2), ("eof", 2)],
        "b": [("item", 2), ("eof", 2)],
    }
    assert states(store) == {"a": 2, "b": 2}


# --- Recovery


def forms(shards: int) -> tuple[Any, ...]:
    return ("timers.operators 0", shards, (), ())


@pytest.mark.parametrize(
    "state", [None, 5, "state", ("a", 1), {"a": 1}, (1, 2, 3, 4), forms(1024), pandas.NaT], ids=repr
)
@pytest.mark.parametrize("name", ["stateful_batch", "stateful"])
def test_stores_of_the_original_are_refused(store: Path, state: Any, name: str) -> None:
    """The engine finds the state under the same step id, and the error says how to migrate."""

    class Kept(Counting):
        def on_batch(self, values: Any) -> Any:
            return values, False

        def snapshot(self) -> Any:
            return state

    builder = Kept if name == "stateful" else lambda resumed: logic(snapshot=Kept.snapshot)()

    def execution(module: Any, batches: Any) -> None:
        started = time.monotonic()
        ready = lambda journal: time.monotonic() > started  # noqa: E731
        run(module, batches, builder=builder, name=name, store=store, ready=ready)

    batches = [[(key, (key, "keep", None)) for key in ("a", "17", "1023")]]
    execution(bytewax.operators, batches)
    execution(bytewax.operators, batches)
    with pytest.raises(BaseException) as caught:
        execution(timers.operators, batches)
    message = next(message for message in causes(caught.value) if "migrate" in message)
    step = "flow.step" if name == "stateful_batch" else "flow.step.stateful_batch"
    assert f'"{step}"' in message and "bytewax.operators" in message and "recovery store" in message


def test_another_number_of_shards_is_refused(store: Path) -> None:
    batches = [[item("a")]]
    run(timers.operators, batches, store=store, shards=8)
    with pytest.raises(BaseException) as caught:
        run(timers.operators, batches, store=store, shards=9)
    message = next(message for message in causes(caught.value) if "shards" in message)
    assert '"flow.step"' in message and "shards=8" in message and "shards=9" in message
    run(timers.operators, batches, store=store, shards=8)


@alike
def test_keys_that_stay_asleep_keep_their_states(module: Any, store: Path) -> None:
    first = [[item(key, "at", 3600) for key in "abc"]]
    run(module, first, store=store)
    before = states(store)
    # No end of input, which would awake them all; several epochs, in which only one is awoken.
    batches = [*first, [item("a")], [item("a")], [item("b", "discard")], []]
    result = run(module, batches, store=store, epoch=NO_WAIT, abort=True)
    assert kinds(result, "c") == ["restored", "notify_at"]
    after = states(store)
    assert sorted(after) == ["a", "c"]
    assert after["c"] == before["c"]
    assert after["a"] != before["a"]
    result = run(module, batches, store=store)
    assert kinds(result, "c")[0] == "restored"


def test_a_damaged_state_names_the_step_and_the_key(store: Path) -> None:
    run(timers.operators, [[item("the key")]], store=store)
    for part in store.glob("*.sqlite3"):
        with closing(sqlite3.connect(part)) as connection, connection:
            state = (timers.operators.FORMAT, timers.operators.SHARDS, ("the key",), (b"damaged",))
            connection.execute("UPDATE snaps SET ser_change = ? WHERE step_id = 'flow.step'", [pickle.dumps(state)])
    with pytest.raises(BaseException) as caught:
        run(timers.operators, [[], []], store=store)
    assert any('"flow.step"' in message and '"the key"' in message for message in causes(caught.value))


@pytest.mark.parametrize("name", ["stateful_batch", "stateful"])
def test_the_step_ids_are_those_of_the_original(tmp_path: Path, name: str) -> None:
    steps = []
    for module in ENGINES:
        store = new_store(tmp_path / module.__name__)
        builder = Counting if name == "stateful" else None
        run(module, [[item("a")], []], name=name, builder=builder, store=store, ready=lambda journal: True)
        steps.append(set(rows(store, "SELECT DISTINCT step_id FROM snaps")))
    assert steps[0] == steps[1]


@alike
@pytest.mark.parametrize("workers", [(1, 1, 1), (1, 2, 1), (2, 1, 2)], ids=str)
def test_timers_overdue_after_an_outage_fire_at_once_and_once(module: Any, store: Path, workers: Any) -> None:
    keys = [f"key {number}" for number in range(50)]
    armed = [[item(key, "at", 0.5) for key in keys]]
    first, second, third = workers
    result = run(module, armed, store=store, workers=first, ready=Journal.arrived)
    assert not any("notify" in kinds(result, key) for key in keys)
    time.sleep(0.6)
    # The input sends nothing but an item that arms no timer: before it, all have fired.
    result = run(module, [*armed, [item(key) for key in keys]], store=store, workers=second)
    for key in keys:
        assert kinds(result, key)[:5] == ["restored", "notify_at", "notify", "notify_at", "batch"]
        assert kinds(result, key).count("notify") == 1
    result = run(module, [*armed, [item(key) for key in keys]], store=store, workers=third)
    assert not any("notify" in kinds(result, key) for key in keys)


# --- Processes: a cluster, and what a killed one leaves behind


class Processes:
    """Executions of `tests.engine_worker` over one recovery store, with `count` timers in all."""

    def __init__(self, directory: Path, count: int) -> None:
        self.directory = directory
        self.count = count
        self.output = directory / "output"
        self.output.touch()
        self.execution = 0
        self.running: list[subprocess.Popen[bytes]] = []
        new_store(directory / "store")

    def start(self, processes: int, workers: int) -> None:
        command = [sys.executable, "-m", "tests.engine_worker", "--count", str(self.count), "--directory"]
        command += [str(self.directory), "--execution", str(self.execution), "--workers", str(workers)]
        if processes > 1:
            command += ["--addresses", *free_addresses(processes)]
        root = Path(__file__).parent.parent
        self.running = [
            subprocess.Popen([*command, "--process", str(number)], cwd=root, stderr=subprocess.DEVNULL)
            for number in range(processes)
        ]
        self.execution += 1

    def fired(self) -> list[tuple[int, int, int]]:
        """(execution, epoch, token) of every timer that fired, in the order of the output."""
        lines = self.output.read_text().splitlines()
        return [tuple(map(int, line.split())) for line in lines]  # type: ignore[misc]

    def wait(self, done: Any) -> None:
        deadline = time.monotonic() + 60
        while not done(self.fired()):
            assert time.monotonic() < deadline, "the processes hang"
            assert all(process.poll() is None for process in self.running), "a process ended early"
            time.sleep(0.05)

    def kill(self) -> None:
        for process in self.running:
            process.send_signal(signal.SIGKILL)
        for process in self.running:
            process.wait()
        self.running = []

    def finish(self) -> None:
        self.wait(lambda fired: len({token for _, _, token in fired}) == self.count)
        (self.directory / "stop").touch()
        assert [process.wait(timeout=60) for process in self.running] == [0] * len(self.running)


def free_addresses(count: int) -> list[str]:
    """Loopback ports that the system has just found to be free."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{opened.getsockname()[1]}" for opened in sockets]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[int], Processes]]:
    all_processes: list[Processes] = []

    def start(count: int) -> Processes:
        all_processes.append(Processes(tmp_path, count))
        return all_processes[-1]

    yield start
    for processes in all_processes:
        processes.kill()


def test_a_cluster_of_two_processes(started: Callable[[int], Processes]) -> None:
    processes = started(1000)
    processes.start(2, 1)
    processes.finish()
    assert sorted(token for _, _, token in processes.fired()) == list(range(1000))


@pytest.mark.parametrize("seed", range(2))
def test_no_timer_is_lost_where_the_processes_are_killed(started: Callable[[int], Processes], seed: int) -> None:
    # The input takes three seconds, of which the killed executions see about one.
    processes = started(4500)
    rng = random.Random(seed)
    for count, workers in [(1, 1), (1, 2), (2, 1), (1, 1), (1, 2)]:
        processes.start(count, workers)
        current = processes.execution - 1
        processes.wait(lambda fired, current=current: fired and fired[-1][0] == current)
        time.sleep(rng.uniform(0, 0.3))
        assert len({token for _, _, token in processes.fired()}) < processes.count, "killed after the last timer"
        processes.kill()
    processes.start(1, 2)
    processes.finish()

    resumed = dict(rows(processes.directory / "store", "SELECT ex_num, MAX(resume_epoch) FROM exs GROUP BY ex_num"))
    fired: dict[int, list[tuple[int, int]]] = {}
    for execution, epoch, token in processes.fired():
        fired.setdefault(token, []).append((execution, epoch))
    assert sorted(fired) == list(range(processes.count))
    for times in fired.values():
        for (before, epoch), (after, _) in zip(times, times[1:]):
            assert before < after, "twice in one execution"
            again = [resumed[execution] for execution in range(before + 1, after + 1)]
            assert min(again) <= epoch, "again though its epoch had been committed"


# --- Shards


def test_the_shard_of_a_key_never_changes() -> None:
    """A store that was written before would be useless."""
    keys = ["", "a", "key 1", "83.149.9.216", "Ünïcode \U0001f4a1"]
    assert [timers.operators.shard_of(key, 1024) for key in keys] == [0, 579, 311, 21, 739]


@pytest.mark.parametrize("shards", [1, 7, 64, 1024])
@pytest.mark.parametrize("form", ["{}", "user-{:08}", "10.0.{0}.{0}", "Ü{}"])
def test_shards_are_even(shards: int, form: str) -> None:
    each = 200
    counts = collections.Counter(
        timers.operators.shard_of(form.format(number), shards) for number in range(each * shards)
    )
    assert len(counts) == shards
    # Six standard deviations of a random choice.
    assert max(counts.values()) < each + 6 * each**0.5


# --- The example


@pytest.mark.skipif(not README.exists(), reason="there is no such file beside the tests")
def test_the_example_of_the_readme(tmp_path: Path) -> None:
    """As it stands, and once more with a store, for which its state is copied."""
    blocks = re.findall(r"```py\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    (example,) = [block for block in blocks if "bytewax" in block]
    scope: dict[str, Any] = {}
    exec(example, scope)
    scope["reminders"].clear()
    store = new_store(tmp_path / "store")
    run_main(scope["flow"], epoch_interval=NO_WAIT, recovery_config=RecoveryConfig(store))
    assert scope["reminders"] == [("bob", "after 0 s"), ("ann", "after 0.1 s")]
    assert any(kept is not None for (kept,) in rows(store, "SELECT ser_change FROM snaps"))
