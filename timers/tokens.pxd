# cython: language_level=3
"""What the tree holds of a token: a *word*.

An even word is a plain object: immutable, referring to nothing that is not, and of a type whose end runs no foreign
code. The chunk that holds it owns one reference. Copies may share it, and the collector need not see it.

An odd word is the number of a *box* (see boxes.pxd), where any other object lies: the same tree serves two notifiers
whose boxes hold different objects. Box 0 is never used; its word, NOBODY, marks a gap.
"""

cdef extern from *:
    """
    #define timers_keep(word) do { if (!((word) & 1)) Py_INCREF((PyObject *)(word)); } while (0)
    #define timers_drop(word) do { if (!((word) & 1)) Py_DECREF((PyObject *)(word)); } while (0)
    """
    # Macros, which read their argument twice. Callers hold the GIL, or on a free-threaded interpreter are attached.
    void timers_keep(size_t word) noexcept nogil
    void timers_drop(size_t word) noexcept nogil

cdef enum:
    NOBODY = 1


cdef inline bint is_boxed(size_t word) noexcept nogil:
    return word & 1


cdef inline size_t box_of(size_t word) noexcept nogil:
    return word >> 1


cdef inline size_t boxed(size_t box) noexcept nogil:
    return box << 1 | 1
