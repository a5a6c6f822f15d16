"""The NumPy room: `datetime64` arrays to instants (see instant.pxd), with no Python object a timer.

NumPy is never imported here: an array can only come from someone who has.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from typing import Any

MICROSECOND = timedelta(microseconds=1)
EPOCH = date(1970, 1, 1).toordinal() * (timedelta(days=1) // MICROSECOND)

# Microseconds a unit: numerator and denominator.
UNITS = {
    "W": (timedelta(weeks=1) // MICROSECOND, 1),
    "D": (timedelta(days=1) // MICROSECOND, 1),
    "h": (timedelta(hours=1) // MICROSECOND, 1),
    "m": (timedelta(minutes=1) // MICROSECOND, 1),
    "s": (10**6, 1),
    "ms": (10**3, 1),
    "us": (1, 1),
    "ns": (1, 10**3),
    "ps": (1, 10**6),
    "fs": (1, 10**9),
    "as": (1, 10**12),
}
MONTHS = {"Y": 12, "M": 1}


def is_datetime64(ats: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(ats, numpy.ndarray) and ats.dtype.kind == "M"


def to_instants(ats: Any) -> Any:
    """A contiguous int64 array; fractions of a microsecond are rounded up."""
    numpy = sys.modules["numpy"]
    if ats.ndim != 1:
        raise ValueError(f"ats must have one dimension, not {ats.ndim}")
    if not len(ats):
        return numpy.empty(0, "i8")
    if numpy.isnat(ats).any():
        raise ValueError("ats holds NaT")
    unit, many = numpy.datetime_data(ats.dtype)
    numbers = numpy.ascontiguousarray(ats, ats.dtype.newbyteorder("=")).view("i8")
    # The extremes in Python's integers, which do not wrap.
    least, most = int(numbers.min()) * many, int(numbers.max()) * many
    if unit in MONTHS:
        months = MONTHS[unit]
        _check_range((1 - 1970) * 12 <= least * months and most * months < (10_000 - 1970) * 12)
        return to_instants(ats.astype("M8[D]"))
    if unit not in UNITS:
        raise ValueError("ats must have a unit of time")
    up, down = UNITS[unit]
    first, last = (_instant(extreme, up, down) // UNITS["D"][0] for extreme in (least, most))
    _check_range(date.min.toordinal() <= first and last <= date.max.toordinal())
    if max(-least, most) * up >= 2**63:
        numbers = numbers.astype(object)
    return numpy.ascontiguousarray(_instant(numbers, many * up, down), "i8")


def _instant(number: Any, up: int, down: int) -> Any:
    return EPOCH - -number * up // down


def _check_range(inside: bool) -> None:
    if not inside:
        raise ValueError("ats holds an instant outside the years 1 to 9999")
