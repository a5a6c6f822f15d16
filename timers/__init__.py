"""Timers for stream processors: `MultiNotifier`, a timer queue on a hierarchical timing wheel."""

from typing import TypeVar

from timers.notifier import MultiNotifier
from timers.version import __version__


__all__ = ["MultiNotifier", "T", "__version__"]

T = TypeVar("T")
