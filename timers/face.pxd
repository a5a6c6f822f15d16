# cython: language_level=3
"""What `MultiNotifier` and `Deadlines` have in common for their users: falling due, size, copies, pickles."""

from timers.timerset cimport TimerSet

cdef class Face(TimerSet):
    pass


# The iterator of an argument; TypeError that names it where it has none.
cdef object each_of(object things, str name)
cdef tuple make_pair(object pair, str name, str what, size_t index)
# An error again that names a time, with its index: names are not made for those that are right. What others raise is
# theirs, and left to the caller.
cdef int raise_at(object error, str name, size_t index) except -1
# The same for the `at` of one of several pairs.
cdef int raise_within(object error, str things, size_t index) except -1
# Make a class, which stands in C, what it is called, and quick to call.
cdef int publish(kind, const char *name) except -1


cdef inline tuple pair_of(object pair, str name, str what, size_t index):
    """One of the pairs of an argument, whatever iterable it was."""
    return <tuple>pair if type(pair) is tuple and len(<tuple>pair) == 2 else make_pair(pair, name, what, index)
