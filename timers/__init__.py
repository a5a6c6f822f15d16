"""Timers for stream processors, on a hierarchical timing wheel: `MultiNotifier`, a queue; `Deadlines`, one a key."""

from typing import TypeVar

from timers.version import __version__

try:
    from timers.deadlines import Deadlines
    from timers.notifier import MultiNotifier
except ModuleNotFoundError as error:
    if error.name != "timers.deadlines":
        raise
    raise ImportError(f"{__path__[0]} is not compiled for this Python: run `pip install -e .` in the clone") from None

__all__ = ["Deadlines", "MultiNotifier", "T", "__version__"]

T = TypeVar("T")
