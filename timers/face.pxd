# cython: language_level=3
"""What `MultiNotifier` and `Deadlines` have in common for their users: falling due, size, copies, pickles."""

from timers.timerset cimport TimerSet

cdef class Face(TimerSet):
    pass


# The iterator of an argument; TypeError that names it where it has none.
cdef object each_of(object things, str name)
# One of the pairs of an argument, whatever iterable it was.
cdef tuple pair_of(object pair, str name, str what)
# Make a class, which stands in C, what it is called, and quick to call.
cdef int publish(kind, const char *name) except -1
