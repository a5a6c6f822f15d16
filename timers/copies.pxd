# cython: language_level=3
"""Copies, and what a subclass adds: its `__dict__`, its `__slots__`, arguments of its `__new__`."""

from timers.timerset cimport TimerSet

# A copy of any subclass. Its timers are those of one moment, and only then may copying tokens change anything.
cdef TimerSet copy_of(TimerSet self, TimerSet twin)
# The keys' copies may have other hashes; ValueError where two of them are equal.
cdef TimerSet deepcopy_of(TimerSet self, TimerSet twin, memo)
# What `copy` and `pickle` make a new one with: (function, arguments), without timers or attributes.
cdef tuple recipe(self)
# One made so, which is of the same class at least.
cdef TimerSet anew(TimerSet self, function, arguments)
cdef dict attributes_of(self)
# The end of `__setstate__`: the timers, and what a state says of attributes; all of it or nothing.
cdef int take_state(TimerSet self, TimerSet fresh, tuple state) except -1
# What a subclass answers that says itself how it is pickled, timers and all; else None.
cdef object own_recipe(TimerSet self)
# What `copy` makes of that; deep, if there is a memo.
cdef object copy_by(self, reduced, memo)
# TypeError for a state without the timers that there are, if nobody has written what answers it.
cdef int must_have_timers(TimerSet self, state) except -1
