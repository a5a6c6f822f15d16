# cython: language_level=3
"""Iteration: an iterator shows what is ready, and then takes slices of a copy, which shares what it can."""

from timers.timerset cimport TimerSet

# (time, token) pairs; `keyed`: tokens only, which are keys.
cdef object iterate(TimerSet owner, bint keyed)
