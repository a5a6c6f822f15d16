# cython: language_level=3
"""Iteration: an iterator shows what is ready, and then takes slices of a copy, which shares what it can."""

from timers.timerset cimport TimerSet

cdef enum Shape:
    """What is shown of each timer."""
    PAIRS       # (time, token)
    ITEMS       # (token, time)
    TOKENS
    TIMES

cdef object iterate(TimerSet owner, Shape shape)
# All at once, as they are at one moment.
cdef list list_all(TimerSet owner, Shape shape)
