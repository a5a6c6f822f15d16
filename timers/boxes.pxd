# cython: language_level=3
"""Boxes: where the tokens lie that the tree does not hold itself (see tokens.pxd), one list for each notifier.

The collector sees the list; a deep copy has the same tree, and other objects in boxes of the same numbers. So what is
in the boxes is all that the collector must walk and that a deep copy must copy.

A box that is given back waits on a stack, which has room for all boxes before they are needed: giving back cannot fail.

Where tokens are the keys of `Deadlines`, their table (keys.pxd) lies here too, with the hashes of those in boxes.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from timers.keys cimport Keys

cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject **ob_item
    Py_ssize_t PyList_GET_SIZE(object list) noexcept

cdef class Boxes:
    cdef list items         # None in those that are free; the first is never used
    cdef uint32_t *free     # the numbers of the free ones
    cdef uint32_t waiting   # how many these are
    cdef uint32_t room      # for so many
    cdef uint64_t serial    # no two have the same, and none has 0
    cdef bint keyed         # the tokens are keys
    cdef Keys keys
    cdef uint64_t *hashes   # by box


# Whether a token may lie in the tree itself.
cdef bint is_plain(object token) noexcept

# Put a token into a box, and the hash of a key beside it; answers the number of the box.
cdef size_t put_in_box(Boxes boxes, object token, uint64_t hash) except 0
# Move it out, with its reference.
cdef PyObject *take_from_box(Boxes boxes, size_t box) noexcept
cdef Boxes copy_boxes(Boxes boxes)
cdef size_t boxes_memory(Boxes boxes) except 0


cdef inline PyObject *peek_in_box(Boxes boxes, size_t box) noexcept:
    """What lies in a box, a borrowed reference."""
    # The collector may have cleared the list.
    if <Py_ssize_t>box >= PyList_GET_SIZE(boxes.items):
        return <PyObject *>None
    return (<PyListObject *>boxes.items).ob_item[box]


cdef inline size_t in_use(Boxes boxes) noexcept:
    return PyList_GET_SIZE(boxes.items) - 1 - boxes.waiting
