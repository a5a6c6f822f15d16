"""Faults of moments that look safe: a hash, a last reference that is let go, an exception or an object being made."""

from __future__ import annotations

import copy
import pickle
from abc import ABCMeta
from typing import Any

import pytest

from tests.interruptions import SETTING, collecting, once, survives
from timers import Deadlines, MultiNotifier

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


@pytest.mark.parametrize("run", range(4))
@pytest.mark.parametrize(("size", "shown"), [(5, 0), (5, 5), (33, 1), (40, 1), (40, 32), (40, 40), (100, 64)])
def test_an_iteration_that_comes_to_its_end_inside_a_step(size: int, shown: int, run: int) -> None:
    """It does not begin again."""
    n = MultiNotifier([(float(number), number) for number in range(size)])
    timers = iter(n)
    got = [next(timers) for _ in range(shown)]
    with collecting(once(lambda: got.extend(timers), run)):
        step = next(timers, None)
    got += [*filter(None, [step]), *timers]
    assert sorted(got) == list(n)


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
            return pyarrow.chunked_array([pyarrow.array([datetime(2024, 1, 1)] * len(kept))]).__arrow_c_stream__()
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
def test_a_class_that_says_how_it_is_pickled_is_copied_so(key: Any) -> None:
    made: Any = Recorded({key: 2.0})
    for copied in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert type(copied) is Recorded and list(copied.items()) == [("z", 1.0)]
