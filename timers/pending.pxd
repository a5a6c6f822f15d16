# cython: language_level=3
"""Iteration: an iterator has a copy of the timers, which shares what it can, and takes slices of it."""

from timers.timerset cimport TimerSet

cdef object iterate(TimerSet owner)
