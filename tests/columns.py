"""What the tests of columns share: a batch that is taken, and one that is refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from timers import MultiNotifier

UTC = timezone.utc
START = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = [START + timedelta(hours=number, microseconds=number * 7) for number in range(20)]
CLOCKS = [at.replace(tzinfo=None) for at in INSTANTS]
WORDS = ["", "a", "é", "twelve chars", "more than twelve", "\N{GRINNING FACE}", "\0", *(f"t{n}" for n in range(13))]


def answers(ats: Any, tokens: Any = WORDS) -> list[tuple[Any, Any]]:
    n: MultiNotifier[Any, Any] = MultiNotifier()
    n.notify_many(ats, tokens)
    n._check()
    return list(n)


def refused(
    ats: Any,
    error: type[Exception],
    match: str,
    tokens: Any = ("a", "b", "c"),
    held: Sequence[tuple[Any, str]] = ((START, "before"),),
) -> None:
    """`held` are the timers before, and after."""
    n: MultiNotifier[Any, Any] = MultiNotifier(held)
    with pytest.raises(error, match=match or None):
        n.notify_many(ats, tokens)
    n._check()
    assert list(n) == list(held)
