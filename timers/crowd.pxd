# cython: language_level=3
"""A crowd: very many timers of one deadline, of which some are taken or searched for.

A bucket is good at being filled and taken whole. Where only a part of an instant is taken, or one timer of it is
wanted, its bucket becomes a crowd: the words alone, in segments, from the oldest on.

    segments    [ s0 ][ s1 ][ s2 ]           positions  0 .. SEGMENT - 1 | SEGMENT .. | ..
                  · ·w w w·w w w w w . .       · taken or removed (NOBODY), . not yet used
                     ^start          ^end

A copy of a crowd shares its segments; a segment that is written to becomes the crowd's own.

An *index* is made by the first search, and given back with the crowd: two hash tables of positions, by identity and,
when that finds nothing, by value. The positions of one key form a ring, from the oldest to the youngest and round; a
table holds the youngest, so that both ends are at hand. What is gone is unlinked when it is met. An index holds for the
boxes that it was made with: a crowd may come to another notifier, as a deep copy's.

Invariants (`check` in wheel.pyx verifies each by name):
  populated   a crowd holds a timer, and `live` counts those between `start` and `end`
  unbroken    every segment but the last is used to its end
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from cpython.object cimport PyObject

from timers.bucket cimport Chunk

cdef enum:
    # Words in a full-grown segment, two kilobytes.
    SEGMENT = 254

cdef struct Segment:
    uint16_t owners
    uint16_t used
    uint16_t capacity
    size_t words[1]     # `capacity` of them

cdef struct Index

cdef struct Crowd:
    uint64_t deadline
    size_t live
    size_t start
    size_t end
    size_t room         # for segments
    Segment **segments
    Index *index
    uint16_t owners


# The functions that answer a pointer answer NULL, and those that answer int -1, for want of memory, and then have
# changed nothing.

# Make a crowd of a bucket, which the caller leaves.
cdef Crowd *new_crowd(Chunk *newest) noexcept nogil
cdef Crowd *copy_crowd(Crowd *crowd) noexcept nogil
cdef void leave_crowd(Crowd *crowd) noexcept nogil
cdef size_t crowd_memory(Crowd *crowd) noexcept nogil
cdef const char *check_crowd(Crowd *crowd) noexcept nogil

# Of a crowd that is the caller's own.
cdef int crowd_append(Crowd *crowd, size_t word) noexcept nogil
# Move out the youngest word, which the crowd was given last.
cdef size_t crowd_withdraw(Crowd *crowd) noexcept nogil
# Move out the oldest words; if these are all, what is left is empty and must be left.
cdef void crowd_take(Crowd *crowd, size_t count, size_t *words) noexcept nogil
# Of any crowd: its words in order, at most `count`, without references.
cdef size_t crowd_read(Crowd *crowd, size_t count, size_t *words, size_t stride) noexcept nogil

# ---- one of many

cdef enum Nature:
    # How a token is told from others: by identity alone; by a built-in type's hash and equality; by code of its own.
    IDENTITY
    VALUE
    OWN

cdef Nature nature_of(PyObject *token) noexcept

cdef enum:
    NOWHERE = -1
    # The tokens must be asked one by one.
    ASK = -2
    STARVED = -3

# The position of the oldest timer with this very token, or else of the oldest with an equal one. `boxes`: the
# blocks where boxed tokens lie; `serial`: which boxes these are. Runs no foreign code. The crowd is the caller's own.
cdef int64_t crowd_find(Crowd *crowd, PyObject *token, PyObject **boxes, uint64_t serial) except STARVED
# Move out the word at a position; a crowd that has none left must be left.
cdef int crowd_remove(Crowd *crowd, size_t position, size_t *word) noexcept nogil
