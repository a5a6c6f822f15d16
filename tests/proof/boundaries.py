"""Every boundary of every level, to the tick and to the microsecond, seen from cursors all over the calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tests.clocks import CLOCKS, ORIGINS, SHIFTS, STEPS, TICK_SIZE, boundary
from tests.model import BEGINNING, END, instant, moment
from timers import MultiNotifier

# A crowd at the boundary makes buckets cascade there.
CROWD = 60


def cursors(count: int) -> list[int]:
    """`count` instants spread evenly over year 1 to 9999, and the CLOCKS."""
    return [BEGINNING + (END - BEGINNING) * part // max(count - 1, 1) for part in range(count)] + [
        instant(at) for at in CLOCKS
    ]


def around(cursor: int) -> Iterator[int]:
    """The boundaries of each level before and after the cursor, and one unit of each level away."""
    seen = set()
    for shift in SHIFTS:
        unit = TICK_SIZE << shift
        for origin in ORIGINS:
            edge = boundary(cursor, shift, origin)
            for place in (edge, edge + unit, cursor - unit, cursor + unit):
                if BEGINNING <= place <= END and place not in seen:
                    seen.add(place)
                    yield place


def alone(cursor: int, place: int) -> int:
    """Timers on both sides of one boundary, and nothing else, in a notifier that has lived at the cursor."""
    n: MultiNotifier[int] = MultiNotifier([(moment(cursor), -1)])
    assert n.due(moment(cursor)) == [-1]
    micros = sorted(place + step for step in STEPS if BEGINNING <= place + step <= END)
    for micro in reversed(micros):
        n.notify_at(moment(micro), micro)
        n.notify_at(moment(micro), -micro)
    for micro in micros:
        at = moment(micro)
        assert n.next_at() == at, f"next_at() is {n.next_at()!r}, not {at!r}"
        if micro > BEGINNING:
            early = n.due(moment(micro - 1))
            assert early == [], f"{early!r} came early, at {moment(micro - 1)!r}"
        due = n.due(at)
        assert due == [micro, -micro], f"due at {at!r}: {due!r}"
    assert not n
    return len(micros)


def crowded(cursor: int, place: int) -> None:
    """A crowd on both sides: the near side leaves, the far side stays, every one in order."""
    micros = [place + offset * step for offset in range(-CROWD, CROWD) for step in (1, 331)]
    micros = sorted(micro for micro in micros if BEGINNING <= micro <= END)
    n: MultiNotifier[int] = MultiNotifier([(moment(cursor), -1)])
    n.notify_many([moment(micro) for micro in micros], range(len(micros)))
    n._check()
    for now in (place - TICK_SIZE, place - 1, place, place + 1, place + TICK_SIZE, END):
        if now >= BEGINNING:
            due = [number for number in n.due(moment(min(now, END))) if number >= 0]
            wanted = [number for number, micro in enumerate(micros) if micro <= now]
            assert due == wanted[len(wanted) - len(due) :] and (not wanted or not due or due[-1] == wanted[-1]), (
                f"due at {now}: {due}"
            )
            left = sum(number >= 0 for _, number in n)
            assert left == len(micros) - len(wanted), f"{left} left at {now}, not {len(micros) - len(wanted)}"
    n._check()


def together(cursor: int) -> None:
    """All of them at once: the tree has every level."""
    places = sorted({place + step for place in around(cursor) for step in STEPS if BEGINNING <= place + step <= END})
    times: list[datetime] = [moment(micro) for micro in places]
    n: MultiNotifier[int] = MultiNotifier()
    for at in times[1::2] + times[::2]:
        n.notify_at(at, instant(at))
    n._check()
    assert [at for at, _ in n] == times
    for number, at in enumerate(times):
        assert n.next_at() == at
        if at > times[0]:
            assert n.due(moment(places[number] - 1)) == []
        assert n.due(at) == [places[number]]
    assert not n


def check(cursor: int) -> int:
    """Answers the number of boundaries seen from this cursor."""
    count = 0
    for place in around(cursor):
        alone(cursor, place)
        crowded(cursor, place)
        count += 1
    together(cursor)
    return count
