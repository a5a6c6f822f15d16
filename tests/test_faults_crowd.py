"""Faults of moments that look safe: searching a crowd."""

from __future__ import annotations

import copy
import sys
from typing import Any

import pytest

from tests.interruptions import SETTING, survives
from timers import MultiNotifier


class Thing:
    """A token of its own."""


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


@pytest.mark.parametrize("act", ["cancel", "reschedule"])
@pytest.mark.parametrize("others", [0, 3, 40])
def test_an_equal_token_that_is_set_anew_behind_another_while_it_is_asked(others: int, act: str) -> None:
    """Then the other is the first."""

    class Token:
        asked = 0

        def __eq__(self, other: object) -> bool:
            self.asked += 1
            if self is old and self.asked == 1:
                n.notify_at(2.0, "any change")
            if self is old and self.asked == 2:
                assert n.cancel(1.0, old)
                n.notify_at(1.0, new)
                n.notify_at(1.0, old)
            return isinstance(other, Token)

        __hash__ = None  # type: ignore[assignment]

    old, new = Token(), Token()
    n: MultiNotifier[Any, float] = MultiNotifier([*((1.0, f"{each}") for each in range(others)), (1.0, old)])
    assert n.cancel(1.0, Token()) if act == "cancel" else n.reschedule(1.0, Token(), 3.0)
    n._check()
    # They equal each other.
    assert [each is old for each in n.due(1.0)[others:]] == [True] and len(n) == 1 + (act == "reschedule")
