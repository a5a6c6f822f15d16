# cython: language_level=3
"""An index finds one of a crowd: two hash tables of positions, by identity and by value, each made when it is asked.

An index is made by the first search that a glance at a small crowd does not answer, and given back with the crowd. Who
asks with the very tokens asks the table by identity first; who asks with equal ones that by value, and the other only
where several are equal, or some have an equality of their own.

The positions of one key form a ring, from the oldest to the youngest and round; a table holds the youngest, so that
both ends are at hand. What is gone is unlinked when it is met. What is new is entered when it is searched.

By value are told apart the tokens whose type, and that of all their parts, is a built-in one; others have their
identity alone, or a hash and `==` of their own, which are foreign code: an index runs none, and says `ASK`.

An index holds for the boxes that it was made with: a crowd may come to another notifier, as a deep copy's.
"""

from libc.stdint cimport int64_t, uint64_t

from cpython.object cimport PyObject

from timers.crowd cimport Crowd

cdef enum:
    NOWHERE = -1
    # The tokens must be asked one by one.
    ASK = -2
    STARVED = -3

# The position of the oldest timer with this very token, or else of the oldest with an equal one. `boxes`: the
# blocks where boxed tokens lie; `serial`: which boxes these are. Runs no foreign code. The crowd is the caller's own.
cdef int64_t crowd_find(Crowd *crowd, PyObject *token, PyObject **boxes, uint64_t serial) except STARVED
