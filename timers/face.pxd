# cython: language_level=3
"""What `MultiNotifier` and `Deadlines` have in common for their users: falling due, size, copies, pickles."""

from timers.timerset cimport TimerSet

cdef class Face(TimerSet):
    pass


# Make a class, which stands in C, what it is called, and quick to call.
cdef int publish(kind, const char *name) except -1
