"""The NumPy room: what the numbers in a `datetime64` array mean, whatever its unit.

NumPy is never imported here: an array can only come from someone who has.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from math import gcd
from typing import Any

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1)
FIRST = (datetime.min - EPOCH) // MICROSECOND
LAST = (datetime.max - EPOCH) // MICROSECOND

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
INT64_MAX = 2**63 - 1
OUTSIDE = "ats holds NaT, or an instant outside the years 1 to 9999"


def is_datetime64(ats: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(ats, numpy.ndarray) and ats.dtype.kind == "M"


def scale(ats: Any) -> tuple[Any, int, int, int, int]:
    """The numbers as a contiguous int64 array, the least and the most that lie within the calendar, and the
    microseconds a number as a fraction (one of its two parts is 1)."""
    numpy = sys.modules["numpy"]
    if ats.ndim != 1:
        raise ValueError(f"ats must have one dimension, not {ats.ndim}")
    unit, many = numpy.datetime_data(ats.dtype)
    numbers = numpy.ascontiguousarray(ats, ats.dtype.newbyteorder("=")).view("i8")
    if unit in MONTHS:
        months = MONTHS[unit] * many
        if numpy.any((numbers < -(1969 * 12 // months)) | (numbers > (8030 * 12 - 1) // months)):
            raise ValueError(OUTSIDE)
        return scale(ats.astype("M8[D]"))
    if unit not in UNITS:
        raise ValueError(f"ats must have a unit of time, not {ats.dtype}")
    up, down = UNITS[unit]
    up, down = up * many // gcd(many, down), down // gcd(many, down)
    if up > 1 and down > 1:
        # Nobody has such arrays: Python's integers, which cannot wrap, are fast enough.
        instants = [-(-number * up // down) for number in numbers.tolist()]
        if numpy.isnat(ats).any() or (instants and not FIRST <= min(instants) <= max(instants) <= LAST):
            raise ValueError(OUTSIDE)
        return numpy.array(instants, "i8"), FIRST, LAST, 1, 1
    # The number that stands for NaT lies below all of these.
    return numbers, max(-(-FIRST * down // up), -INT64_MAX), min(LAST * down // up, INT64_MAX), up, down
