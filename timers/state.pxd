# cython: language_level=3
"""Pickles: the state of timers as what every release can read, and back. See state.pyx for its form."""

from libc.stdint cimport uint8_t

from timers.timerset cimport TimerSet

# Of timers in order: the deadlines, in the memory of a bytes object, their tokens, and their kind (times.pxd).
cdef tuple freeze(bytes deadlines, tuple tokens, uint8_t kind)
# (deadlines, list of tokens, kind). ValueError or TypeError for what no release has written.
cdef tuple thaw(state)
# Fill an empty one with what a state has; after an error it is of no use.
cdef int thaw_into(TimerSet fresh, state) except -1
