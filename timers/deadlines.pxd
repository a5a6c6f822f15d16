# cython: language_level=3
"""The class of one timer a key, for other Cython code."""

from timers.face cimport Face

cdef class Deadlines(Face):
    # Of another size than a notifier: no object becomes one of the other kind by its `__class__`.
    cdef size_t apart
