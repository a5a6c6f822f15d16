"""What the collector has begun to clear may still be found, by `gc.get_objects`, and called: it must not crash."""

from __future__ import annotations

import pytest

from tests.interruptions import survives

TIMERS = [
    "n.notify_at(1.0, object())",
    "n.notify_at(1.0, 'plain')",
    "n.notify_many([1.0] * 70, [object()] * 70)",
    "n.cancel(3.0, object())",
    "n.reschedule(3.0, None, 5.0)",
    "(3.0, object()) in n",
    "n.__init__()",
]
KEYS = [
    "n.__setitem__(object(), 1.0)",
    "n.__setitem__('plain', 1.0)",
    "n.__setitem__(None, 1.0)",
    "n.setdefault(object(), 1.0)",
    "n.update({object(): 1.0})",
    "n.get(object())",
    "n.pop(object(), None)",
    "[n.popitem() for _ in range(2)]",
    "list(n.items())",
    "object() in n.keys(), (object(), 3.0) in n.items(), 3.0 in n.values()",
    "n.keys() | {None}",
    "n == dict.fromkeys(range(len(n)), 3.0), n == n.copy()",
    "n | {object(): 2.0}",
    "Deadlines(n)",
]
BOTH = [
    "copy.copy(n)",
    "copy.deepcopy(n)",
    "n.__reduce_ex__(2)",
    "n.due(1e9)",
    "n.due_items(1e9, 2)",
    "n.next_at()",
    "n.clear()",
    "list(n)",
    "repr(n), len(n), bool(n)",
    "sys.getsizeof(n)",
    "n._check()",
]


@pytest.mark.parametrize("kind", ["timers", "timers of one instant", "keys", "keys of one instant"])
def test_what_the_collector_clears(kind: str) -> None:
    survives(f"""
        import contextlib, copy, gc, sys
        from timers import Deadlines, MultiNotifier

        for size in (3, 64, 300):
            for act in {BOTH + (KEYS if "keys" in kind else TIMERS)!r}:
                pairs = ((3.0 if "instant" in {kind!r} else float(each), object()) for each in range(size))
                if "keys" in {kind!r}:
                    n = Deadlines((token, at) for at, token in pairs)
                else:
                    n = MultiNotifier(pairs)
                (3.0, object()) in n
                (boxes,) = [each for each in gc.get_referents(n) if type(each).__name__ == "Boxes"]
                (blocks,) = [each for each in gc.get_referents(boxes) if type(each) is list]
                # As the collector does.
                blocks.clear()
                for _ in range(2):
                    with contextlib.suppress(RuntimeError, ValueError, KeyError):
                        eval(act)
                del n
    """)


def test_views_that_the_collector_clears() -> None:
    survives("""
        import gc, weakref
        from timers import Deadlines

        class Keyed(Deadlines):
            pass

        class Found:
            pass

        for name in ("keys", "items", "values"):
            d, found = Keyed({object(): 3.0}), Found()
            # Whose callback comes while the cycle is being cleared.
            found.view = view = getattr(d, name)()
            found.own, d.found = found, found
            calls = []
            gone = weakref.ref(d, lambda ref: calls.append(ref))
            views = [each for each in gc.get_objects() if type(each) is type(view)]
            assert len(views) == 1
            del d, found, view, views
            gc.collect()
            assert gone() is None and calls
    """)
