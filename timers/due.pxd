# cython: language_level=3
"""What is due is taken: ripened, then a list made for it, and only then moved out, so that nothing is lost on the way.

The list is the one allocation that may let in foreign code. Where that has changed the timers, all begins again.
"""

from libc.stdint cimport uint8_t, uint64_t

from timers.timerset cimport TimerSet

cdef enum:
    # In place of a kind: that of the pending timers, whatever it is.
    ANY_KIND = 255

# The tokens of at most `most` timers due by `now`; or (time, token) pairs, of `Deadlines` (key, time).
cdef list take(TimerSet self, uint64_t now, uint8_t kind, size_t most)
cdef list take_items(TimerSet self, uint64_t now, uint8_t kind, size_t most)
