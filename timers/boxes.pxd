# cython: language_level=3
"""Boxes: where the tokens lie that the tree does not hold itself (see tokens.pxd), those of each notifier in blocks.

    blocks   [ - ][ b1 ][ b2 ]      b1  tuple of 64 tokens, None where a box is free
    rows     [ - ][ r1 ][ r2 ]      r1  which boxes of b1 are in use, and which of these are loose

The collector sees the blocks; in the place of one that was given back is None, and that is not its notifier's own.
Tokens are *fixed* or *loose* (keeping.pxd). A block without loose ones is shared by copies, and costs a deep copy
nothing.

Invariants (`check_boxes` verifies each by name):
  private    a block with a loose token is the notifier's own: made by it, and since then not shared. Only such a
             block is written to, or one that nobody else has any more, which becomes its own. What is taken from
             another stays there too, for as long as there are others
  bare       a free box of an own block holds None
  ready      counts the free boxes of own blocks; every block with a free box is on the stack of its kind, once
  boxes      `used` and `loose` count the boxes that are in use, and those of them that are loose

Where tokens are the keys of `Deadlines`, their table (keys.pxd) lies here too, with the hash of each key in a box.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from timers.keys cimport Keys

cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject **ob_item
    ctypedef struct PyTupleObject:
        PyObject **ob_item
    Py_ssize_t PyList_GET_SIZE(object list) noexcept

cdef extern from *:
    """
    /* A tuple, for which no collection starts: where very many are made in one call, each could let in foreign code or
       other threads, which change the timers, and the call would never come to an end. It comes a little later, with
       the next object that anyone makes. (From 3.12 on none starts where an object is made; 3.9 cannot be asked.) */
    static inline PyObject *timers_tuple(Py_ssize_t size) {
    #if PY_VERSION_HEX >= 0x030A0000 && PY_VERSION_HEX < 0x030C0000
        int enabled = PyGC_Disable();
        PyObject *made = PyTuple_New(size);
        if (enabled) PyGC_Enable();
        return made;
    #else
        return PyTuple_New(size);
    #endif
    }
    """
    tuple new_tuple "timers_tuple"(Py_ssize_t size)

cdef enum:
    BLOCK = 64
    BLOCK_BITS = 6

cdef struct Row:
    uint64_t used       # one bit a box
    uint64_t loose
    uint32_t next       # the next row of the same stack, 0 after the last
    bint own

cdef class Boxes:
    cdef object soonest     # the time of what is next, once it was asked for: the owner's affair
    cdef list blocks        # the first is None, and its boxes are never used
    cdef Row *rows
    cdef uint32_t count     # of rows
    cdef uint32_t room      # for so many
    cdef uint32_t open      # a stack of own blocks with free boxes
    cdef uint32_t shared    # and one of those that are not own
    cdef size_t ready
    cdef size_t used        # boxes in use,
    cdef size_t loose       # and how many of them hold a loose token
    cdef uint64_t serial    # no two have the same, and none has 0
    cdef size_t budget      # so many rows may be passed over to find out which are free
    cdef bint keyed         # the tokens are keys
    cdef Keys keys
    cdef uint64_t *hashes   # of keys; the first is that of the first box of the second block


# See to it that so many tokens can be put. May let in foreign code.
cdef int make_room(Boxes boxes, size_t wanted) except -1
# Put a token into a box, for which there is room, and the hash of a key beside it; answers the number of the box.
cdef size_t put_in_box(Boxes boxes, object token, bint loose, uint64_t hash) noexcept
# Move it out, with its reference.
cdef PyObject *take_from_box(Boxes boxes, size_t box) noexcept
# Put another token in the place of a loose one.
cdef int replace_in_box(Boxes boxes, size_t box, object token) except -1
# Once it is filled, no foreign code runs.
cdef Boxes copy_boxes(Boxes boxes)
# Whether nothing is in use, of more than one is likely to need soon; then they may be given back.
cdef bint are_spent(Boxes boxes) noexcept
cdef void empty_boxes(Boxes boxes) noexcept
# After tokens were taken: give back the blocks of which nothing is in use, if these are most. Amortised O(1).
cdef void trim_boxes(Boxes boxes) noexcept
cdef size_t boxes_memory(Boxes boxes) except 0
cdef int check_boxes(Boxes boxes) except -1


cdef inline int must_be_whole(Boxes boxes) except -1:
    """What the collector has begun to clear may still be found, and called."""
    if PyList_GET_SIZE(boxes.blocks) != boxes.count:
        raise RuntimeError("the collector has cleared this notifier")
    return 0


cdef inline PyObject *item_of(PyObject **blocks, size_t box) noexcept nogil:
    return (<PyTupleObject *>blocks[box >> BLOCK_BITS]).ob_item[box & (BLOCK - 1)]


cdef inline PyObject *peek_in_box(Boxes boxes, size_t box) noexcept:
    """What lies in a box, a borrowed reference."""
    # The collector may have cleared the list.
    if <Py_ssize_t>(box >> BLOCK_BITS) >= PyList_GET_SIZE(boxes.blocks):
        return <PyObject *>None
    return item_of((<PyListObject *>boxes.blocks).ob_item, box)
