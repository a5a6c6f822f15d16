"""Faults of moments that look safe: a hash, a last reference that is let go, an exception or an object being made."""

from __future__ import annotations

import copy
import pickle
import sys
from abc import ABCMeta
from typing import Any

import pytest

from tests.interruptions import survives
from timers import Deadlines, MultiNotifier

# A collection in the next allocation of something that the collector sees, or in one soon after.
SETTING = """
    import copy, gc, sys, warnings
    from datetime import datetime, timedelta, timezone
    from timers import Deadlines, MultiNotifier

    class Thing:
        pass

    class Garbage:
        def __init__(self, act): self.act, self.me = act, self
        def __del__(self):
            if gc.isenabled(): self.act()

    def collect(act, threshold):
        gc.disable()
        gc.collect()
        Garbage(act)
        gc.set_threshold(threshold)
        gc.enable()
"""


# ---- what a failed attempt held is let go


def test_a_key_that_dies_once_the_search_is_over() -> None:
    survives(f"""{SETTING}
    class Old:
        gone = False
        def __hash__(self): return 7
        def __eq__(self, other):
            if not self.gone and type(other) is New:
                self.gone = True
                del d[self]
            return self is other
        def __del__(self):
            for key in range(more): d[key] = float(key)

    class New:
        def __hash__(self): return 7

    for more in (1, 5, 40):
        d = Deadlines()
        d[Old()] = 1.0
        d[New()] = 2.0
        d._check()
        assert len(d) == more + 1 and all(key in d for key in range(more))
        assert len(d.due(1e9)) == more + 1
    """)


@pytest.mark.parametrize("kind", ["MultiNotifier", "Deadlines"])
def test_boxes_that_die_once_there_are_others(kind: str) -> None:
    survives(f"""{SETTING}
    class Token:
        def __del__(self):
            if state == ["cleared"]:
                state.append("dead")
                if kind is MultiNotifier: n.clear()
                else: n.update((key, float(key)) for key in range(40))

    def clear():
        state.append("cleared")
        n.clear()
        if kind is MultiNotifier: n.notify_at(2.0, Thing())

    kind = {kind}
    for threshold in range(1, 12):
        state = []
        # As many as leave no box free.
        pairs = [(1.0, Token()) for _ in range(64)]
        n = kind(pairs) if kind is MultiNotifier else kind((token, at) for at, token in pairs)
        new = Thing()
        del pairs
        collect(clear, threshold)
        if kind is MultiNotifier: n.notify_at(3.0, new)
        else: n[new] = 3.0
        gc.disable()
        n._check()
        left = n.due(100.0)
        # From 3.12 on, collections come between calls: then all may be cleared afterwards.
        assert len({{id(token) for token in left}}) == len(left) and (new in left or "cleared" in state)
    """)


def test_a_copy_that_dies_once_there_is_another() -> None:
    survives(f"""{SETTING}
    class Token:
        def __del__(self):
            if armed: n.notify_at(3.0, new)

    def change():
        n.clear()
        n.notify_at(2.0, other)

    new, other = Thing(), Thing()
    for threshold in range(1, 40):
        for size in (1, 64, 65, 130):
            armed = False
            n = MultiNotifier((1.0, Thing() if number else Token()) for number in range(size))
            armed = True
            collect(change, threshold)
            twin = copy.copy(n)
            gc.disable()
            armed = False
            n._check()
            twin._check()
            assert None not in [token for _, token in twin]
    """)


# ---- searching a crowd


@pytest.mark.parametrize("run", [1, 2, 5, 30])
def test_an_index_made_anew_inside_a_search(run: int) -> None:
    survives(f"""{SETTING}
    class Asking:
        __hash__ = None
        runs = 0
        def __init__(self, wanted): self.wanted = wanted
        def __eq__(self, other):
            self.runs += 1
            if self.runs == {run}:
                # Refused, but now there are boxes.
                try: n.notify_at(datetime(2020, 1, 1), object())
                except TypeError: pass
                assert (5.0, "absent") not in n
            return other == self.wanted

    for total in (100, 160, 300):
        for gone in (total // 2 + 1, total // 2 + 15):
            for gap in (range(1, 1 + gone), range(total - gone - 1, total - 1)):
                left = [str(number) for number in range(total) if number not in gap]
                for wanted in (left[0], left[-1], left[len(left) // 2]):
                    n = MultiNotifier((5.0, str(number)) for number in range(total))
                    assert (5.0, "none") not in n
                    for number in gap:
                        assert n.cancel(5.0, str(number))
                    assert n.cancel(5.0, Asking(wanted))
                    n._check()
                    assert [token for _, token in n] == [token for token in left if token != wanted]
    """)


@pytest.mark.parametrize("act", ["clear", "due", "cancel", "look", "copy"])
@pytest.mark.parametrize("kind", ["timedelta", "datetime"])
def test_a_hash_that_starts_a_collection(kind: str, act: str) -> None:
    survives(f"""{SETTING}
    def token(number):
        if {kind!r} == "timedelta": return timedelta(number)
        return datetime(2020, 1, 1, tzinfo=timezone.utc) + timedelta(number)

    def act():
        acts = {{
            "clear": n.clear,
            "due": lambda: n.due(5.0, 150),
            "cancel": lambda: [n.cancel(5.0, token(number)) for number in range(150)],
            "look": lambda: [(5.0, token(number)) in n for number in range(300)],
            "copy": lambda: kept.append(copy.deepcopy(n)),
        }}
        acts[{act!r}]()

    for threshold in (1, 2, 5, 20):
        kept = []
        n = MultiNotifier((5.0, token(number)) for number in range(200))
        pair, other = (5.0, token(199)), (5.0, token(1000))
        # So that none is left to be used again.
        held = [(number,) * 3 for number in range(5000)]
        collect(act, threshold)
        found = pair in n
        gc.disable()
        assert found or {act!r} in ("clear", "due") and not len(n) or pair not in n
        assert other not in n
        n._check()
    """)


@pytest.mark.parametrize("act", ["clear()", "due(5.0, 150)", "cancel(5.0, ('a3',))"])
def test_a_comparison_that_is_a_warning(act: str) -> None:
    survives(
        f"""{SETTING}
    def hook(*arguments, **named):
        if len(kept) < 5:
            kept.append([bytearray(size) for size in range(1, 4100, 8)])
            n.{act}

    kept = []
    n = MultiNotifier((5.0, ("a%d" % number,)) for number in range(200))
    warnings.simplefilter("always")
    warnings.showwarning = hook
    for number in range(200):
        n.notify_at(5.0, (b"a%d" % number,))
    assert (5.0, ("none",)) not in n
    n._check()
    """,
        "-b",
    )


def test_a_class_that_is_given_an_equality_later() -> None:
    survives(f"""{SETTING}
    things = [Thing() for _ in range(200)]
    n = MultiNotifier((5.0, (thing,)) for thing in things)
    assert (5.0, ("absent",)) not in n
    number = hash(things[77])
    Thing.__hash__ = object.__hash__
    Thing.__eq__ = lambda self, other: bool(n.clear())
    assert (5.0, (number,)) not in n
    assert not len(n)
    """)


@pytest.mark.parametrize("size", [200, 1000])
def test_a_crowd_beside_a_copy_keeps_its_index(size: int) -> None:
    n = MultiNotifier((5.0, str(number)) for number in range(size))
    assert (5.0, "17") in n
    taken = n.due(5.0, size // 3)
    assert (5.0, str(size - 1)) in n
    twins = []
    left = [str(number) for number in range(size)][size // 3 :]
    for number in range(size // 2, size, 7):
        twins.append((copy.deepcopy(n), left.copy()))
        assert n.cancel(5.0, str(number)) and not n.cancel(5.0, str(number))
        left.remove(str(number))
        twin, held = twins[number % len(twins)]
        assert (5.0, str(number - 1)) in twin and (5.0, taken[0]) not in twin
    for twin, held in [*twins, (n, left)]:
        twin._check()
        assert [token for _, token in twin] == held


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there each copy makes its own")
@pytest.mark.parametrize("make", [str, lambda number: Thing()])
def test_an_index_stays_with_who_writes(make: Any) -> None:
    """Whatever copies read, and whoever reads the timers."""
    n: MultiNotifier[Any, float] = MultiNotifier((5.0, make(number)) for number in range(4000))
    tokens = [token for _, token in n]
    bare = sys.getsizeof(n)
    assert (5.0, tokens[3000]) in n
    # An index takes eight bytes a ring, and these are more than the timers; a segment takes two kilobytes.
    least = bare + 8 * 4096
    assert sys.getsizeof(n) > least
    kept: list[MultiNotifier[Any, float]] = []
    acts: list[Any] = [
        lambda: list(n),
        lambda: [pair for pair, _ in zip(n, range(40))],
        lambda: list(kept[-1]),
        lambda: next(iter(kept[-1])),
        lambda: n.notify_at(5.0, make(4000)),
        lambda: n.due(5.0, 1),
        lambda: n.due_items(5.0, 1),
        lambda: n.cancel(5.0, tokens[2000]),
        lambda: n.reschedule(5.0, tokens[2001], 5.0),
    ]
    for act in acts:
        kept.append(copy.deepcopy(n))
        act()
        assert sys.getsizeof(n) > least
        n._check()


class Thing:
    """A token of its own."""


def test_asking_ends_with_the_last_token_that_must_be_asked() -> None:
    class Own:
        __hash__: Any = None
        asked = 0

        def __eq__(self, other: object) -> bool:
            Own.asked += 1
            return False

    own = Own()
    n: MultiNotifier[Any, float] = MultiNotifier([(5.0, own), *((5.0, str(number)) for number in range(500))])
    assert (5.0, "none") not in n and Own.asked
    assert n.cancel(5.0, own)
    Own.asked = 0
    assert n.cancel(5.0, "400") and not n.cancel(5.0, "400") and n.cancel(5.0, "300")
    n.notify_at(5.0, own)
    assert (5.0, "none") not in n and Own.asked == 1


# ---- iterators


@pytest.mark.parametrize("shown", [0, 1, 31, 32, 33])
@pytest.mark.parametrize("size", [40, 100, 1000])
def test_an_iteration_without_memory_shows_all_and_nothing_twice(size: int, shown: int) -> None:
    testing = pytest.importorskip("_testcapi")
    for number in range(12):
        n = MultiNotifier((float(each * 7 % size), each) for each in range(size))
        timers = iter(n)
        got = [next(timers) for _ in range(shown)]
        for _ in range(40):
            testing.set_nomemory(number, number + 1)
            try:
                each = next(timers, None)
            except MemoryError:
                break
            finally:
                testing.remove_mem_hooks()
            got += filter(None, [each])
        got += timers
        assert sorted(got) == sorted(n)


@pytest.mark.parametrize("shown", [1, 9, 28, 29, 30, 31])
def test_an_iteration_that_goes_on_inside_a_step(shown: int) -> None:
    survives(f"""{SETTING}
    for size in ({shown}, 29, 100):
        for threshold in (1, 2, 3):
            n = MultiNotifier([(1000.0 + number / 64, number) for number in range(size)])
            n.notify_many([5000.0 + number for number in range(size)], range(1000, 1000 + size))
            wanted = [token for _, token in n]
            timers = iter(n)
            got = [token for _, (_, token) in zip(range({shown}), timers)]
            collect(lambda: got.extend(token for _, token in [next(timers)]), threshold)
            step = next(timers)
            gc.disable()
            got += [step[1], *(token for _, token in timers)]
            assert sorted(got) == sorted(wanted), got
    """)


# ---- undone before anything is raised


@pytest.mark.parametrize("act", ["list(n)", "n.due(1e15)", "n.clear()"])
def test_what_is_refused_in_bulk_was_never_there(act: str) -> None:
    survives(f"""{SETTING}
    def look():
        seen.extend(token for _, token in n)
        {act}

    def tokens():
        n.notify_at(0.5, "z")
        yield from "abcd"
        collect(look, threshold)

    for threshold in range(1, 30):
        n = MultiNotifier()
        seen = []
        try:
            # The last is no float. Only if "z" is gone already these are ints, among themselves.
            n.notify_many([1, 2, 3, 2**53 + 1], tokens())
        except TypeError:
            gc.disable()
            assert seen in ([], ["z"]) and len(n) <= 1
        else:
            gc.disable()
            assert seen == ["z"] and len(n) == 4
        n._check()
    """)


@pytest.mark.parametrize("call", ["n.notify_many(ats, tokens)", "n.reschedule(5.0, 't3', 7.25)"])
def test_what_finds_no_memory_was_never_there(call: str) -> None:
    pytest.importorskip("_testcapi")
    survives(f"""{SETTING}
    import _testcapi

    def look():
        seen.append((len(n), [token for _, token in n].count("t3")))
        n.due(1e9)

    ats = [float(number) for number in range(200)]
    tokens = [f"more {{at}}" for at in ats]
    for threshold in (1, 2, 3, 7):
        for size in (5, 40, 1000):
            for number in range(0, 30, 1 if size == 40 else 3):
                n = MultiNotifier((5.0 if each % 2 else float(each), f"t{{each}}") for each in range(size))
                seen = []
                assert (5.0, "none") not in n
                twin = copy.copy(n)
                collect(look, threshold)
                _testcapi.set_nomemory(number, number + 1)
                try:
                    {call}
                except MemoryError:
                    pass
                finally:
                    _testcapi.remove_mem_hooks()
                gc.disable()
                # Before, or after.
                assert set(seen) <= {{(size, 1), (size + 200, 1)}}, seen
                n._check()
    """)


# ---- lists and classes of others


def test_a_list_of_tokens_that_its_column_keeps() -> None:
    pytest.importorskip("pyarrow")
    survives(f"""{SETTING}
    import pyarrow
    class Column:
        def __arrow_c_stream__(self, requested_schema=None):
            return pyarrow.chunked_array([pyarrow.array([1.5] * len(kept))]).__arrow_c_stream__()
        def to_pylist(self):
            collect(kept.clear, 1)
            return kept

    kept = [object() for _ in range(1000)]
    wanted = kept.copy()
    blocks = [tuple(range(64)) for _ in range(5000)]
    n = MultiNotifier()
    try: n.notify_many([5.0] * 1000, Column())
    except ValueError: wanted = []
    gc.disable()
    assert n.due(5.0) == wanted and not kept
    """)


def test_no_object_is_a_notifier_and_a_deadlines() -> None:
    survives("""
    from timers import Deadlines, MultiNotifier

    def refused(call):
        try: call()
        except TypeError: return
        raise AssertionError

    for bases in ((MultiNotifier, Deadlines), (Deadlines, MultiNotifier)):
        refused(type("Both", bases, {}))

    class One(MultiNotifier): __slots__ = ()
    class Other(Deadlines): __slots__ = ()
    refused(lambda: setattr(One(), "__class__", Other))
    refused(lambda: setattr(One, "__bases__", (MultiNotifier, Deadlines)))
    d = Other({"key": 1.0})
    # Which CPython allows.
    Other.__bases__ = (MultiNotifier, Deadlines)
    state = MultiNotifier([(1.0, "a")]).__getstate__()
    refused(lambda: d.notify_at(1.0, "a"))
    refused(lambda: d.notify_many([1.0], ["a"]))
    refused(lambda: d.cancel(1.0, "key"))
    refused(lambda: d.reschedule(1.0, "key", 2.0))
    refused(lambda: d.__init__([(1.0, "a")]))
    refused(lambda: MultiNotifier.__setstate__(d, state))
    assert Deadlines.items(d).__len__() == 1 and d.due(5.0) == ["key"]
    """)


@pytest.mark.parametrize("copier", ["copy", "deepcopy"])
@pytest.mark.parametrize("kind", ["MultiNotifier", "Deadlines"])
def test_a_copy_that_is_found_before_it_is_one(kind: str, copier: str) -> None:
    survives(f"""{SETTING}
    def act():
        for found in gc.get_objects():
            if type(found) is {kind} and found is not n and not seen:
                try:
                    if {kind} is MultiNotifier: found.notify_at(1.0, token)
                    else: found[token] = 1.0
                except RuntimeError: continue
                found.next_at()
                seen.append(found)

    for threshold in range(1, 12):
        seen, token = [], "".join(["to", "ken!"])
        count = sys.getrefcount(token)
        n = MultiNotifier([(5.0, "a")]) if {kind} is MultiNotifier else Deadlines([("a", 5.0)])
        collect(act, threshold)
        try: twin = copy.{copier}(n)
        except RuntimeError: twin = n
        gc.disable()
        twin._check()
        # It may also be found once it is one.
        assert twin.next_at() == min(twin.values() if {kind} is Deadlines else [at for at, _ in twin])
        seen.clear()
        del twin
        assert sys.getrefcount(token) == count
    """)


def test_new_that_answers_what_only_calls_itself_a_notifier() -> None:
    made = False

    class Odd(MultiNotifier[Any], metaclass=ABCMeta):
        def __new__(cls, *_: Any) -> Any:
            return Deadlines() if made else MultiNotifier.__new__(cls)

    Odd.register(Deadlines)
    odd = Odd([(1.0, "a")])
    made = True
    for copier in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="must answer one of its kind"):
            copier(odd)


def test_keys_set_before_there_is_a_table() -> None:
    survives("""
    import gc
    from timers import Deadlines

    def callback(phase, info):
        for found in gc.get_objects():
            if type(found) is Deadlines and id(found) not in known:
                try: act(found)
                except (KeyError, RuntimeError): pass

    acts = [
        lambda d: d.__setitem__("key", 1.0), lambda d: d["key"], lambda d: "key" in d, lambda d: d.update(key=1.0),
        lambda d: d.setdefault("key", 1.0), lambda d: d.pop("key"), lambda d: d.popitem(), lambda d: d.due(1.0), len,
        lambda d: d.clear(), lambda d: copies.append(d.copy()), lambda d: d.__deepcopy__({}), list, repr,
        lambda d: d.__init__({"key": 1.0}),
    ]
    copies = []
    for act in acts:
        for first in range(1, 6):
            gc.collect()
            known = {id(found) for found in gc.get_objects() if type(found) is Deadlines}
            gc.callbacks.append(callback)
            gc.set_threshold(1)
            kept = [[] for _ in range(first)]
            gc.enable()
            d = Deadlines()
            gc.disable()
            gc.callbacks.clear()
            d._check()
            d["key"] = 2.0
            assert d.due(5.0) == ["key"]
    for d in copies:
        d["key"] = 2.0
        assert d.due(5.0) == ["key"]
    """)


# ---- keys


def test_a_key_whose_hash_changes() -> None:
    survives("""
    from timers import Deadlines

    class Key:
        hash = 1
        def __hash__(self): return self.hash

    for filled in (0, 30, 300):
        for first in (1, 2):
            key = Key()
            d = Deadlines((number, 5.0) for number in range(filled))
            d[key] = 5.0
            key.hash = 2
            d[key] = 5.0
            assert len(d) == filled + 2
            key.hash = first
            del d[key]
            d._check()
            key.hash = 3 - first
            d[key] = 6.0
            d._check()
            assert d.due(5.0) == list(range(filled)) and d.pop(key) == 6.0 and not d
    """)


class Recorded(Deadlines[Any, float]):
    def __reduce__(self) -> Any:
        return Recorded, ({"z": 1.0},)


@pytest.mark.parametrize("key", ["a", object()], ids=["plain", "loose"])
def test_a_deep_copy_does_not_ask_how_to_pickle(key: Any) -> None:
    made: Any = Recorded({key: 2.0})
    assert list(copy.copy(made).items()) == [(key, 2.0)]
    assert list(copy.deepcopy(made).values()) == [2.0]
    assert list(pickle.loads(pickle.dumps(made)).items()) == [("z", 1.0)]
