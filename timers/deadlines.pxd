# cython: language_level=3
"""The class of one timer a key, for other Cython code."""

from timers.face cimport Face

cdef class Deadlines(Face):
    pass
