# cython: language_level=3
"""A crowd: very many timers of one deadline, of which some are taken or searched for.

A bucket is good at being filled and taken whole. Where only a part of an instant is taken, or one timer of it is
wanted, its bucket becomes a crowd: the words alone, in segments, from the oldest on.

    segments    [ s0 ][ s1 ][ s2 ]           positions  0 .. SEGMENT - 1 | SEGMENT .. | ..
                  · ·w w w·w w w w w . .       · taken or removed (NOBODY), . not yet used
                     ^start          ^end

A copy of a crowd shares its segments; a segment that is written to becomes the crowd's own.

One of many is found by an index (index.pxd), which a crowd keeps for as long as its positions stay what they are.

Invariants (`check_crowd` verifies each by name):
  populated   a crowd holds a timer, and `live` counts those between `start` and `end`; that of a segment all its words
  unbroken    every segment but the last is used to its end
  airy        a quarter of the rings of an index stay free, so that a search never passes over many
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from timers.bucket cimport Chunk
from timers.tokens cimport NOBODY

cdef enum:
    # Words in a full-grown segment, two kilobytes.
    SEGMENT = 254

cdef struct Segment:
    uint16_t owners
    uint16_t used
    uint16_t capacity
    uint16_t live       # words that are no gaps
    size_t words[1]     # `capacity` of them

cdef struct Ring:
    uint32_t hash
    uint32_t youngest

cdef struct Table:
    Ring *rings         # 2 ** bits of them, open addressing
    uint32_t *next      # of each in a ring of several: the next younger; of the youngest: the oldest. Or NULL
    size_t done         # positions from here on are not in it yet

# What index.pxd makes; a crowd lets go of it.
cdef struct Index:
    size_t room         # for so many positions
    uint64_t serial     # of the boxes that tokens lie in; 0: of those that were entered, none does
    int bits
    bint by_identity    # the first search found the very token
    bint asks           # of those that `equal` has seen some must be asked
    bint busy           # a search is at it
    const void *searcher    # whose it is (sharing.pxd),
    bint stays          # for good: it was made again, after another had taken one away
    Table same          # by identity
    Table equal         # by value
    uint32_t *numbers   # of the first timers of the segments (numbers.pxd)
    size_t numbered     # so many segments

cdef struct Crowd:
    uint64_t deadline
    size_t live
    size_t start
    size_t end
    size_t room         # for segments
    Segment **segments
    Index *index
    uint16_t owners
    bint robbed         # of its index, by a copy


cdef extern from *:
    """
    #define timers_ALL ((size_t)-1)
    """
    const size_t ALL "timers_ALL"


# The functions that answer a pointer answer NULL, and those that answer int -1, for want of memory, and then have
# changed nothing.

# Make a crowd of a bucket, which the caller leaves.
cdef Crowd *new_crowd(Chunk *newest) noexcept nogil
# Where there is an index, positions in the copy are the same.
cdef Crowd *copy_crowd(Crowd *crowd) noexcept nogil
# Give the index to a copy, if it is that of its owner. Another owner of the crowd makes one when it searches.
cdef void pass_index(Crowd *crowd, Crowd *twin, const void *owner) noexcept nogil
cdef void leave_crowd(Crowd *crowd) noexcept nogil
cdef size_t crowd_memory(Crowd *crowd) noexcept nogil
cdef const char *check_crowd(Crowd *crowd) noexcept nogil

# Of a crowd that is the caller's own.
cdef int crowd_append(Crowd *crowd, size_t word) noexcept nogil
# Move out the youngest word, which the crowd was given last.
cdef size_t crowd_withdraw(Crowd *crowd) noexcept nogil
# Move out the oldest words; if these are all, what is left is empty and must be left.
cdef void crowd_take(Crowd *crowd, size_t count, size_t *words) noexcept nogil
# Of any crowd: its words in order, at most `count` and those before a position, without references.
cdef size_t crowd_read(Crowd *crowd, size_t count, size_t end, size_t *words, size_t stride) noexcept nogil
# Move out the word at a position; a crowd that has none left must be left.
cdef int crowd_remove(Crowd *crowd, size_t position, size_t *word) noexcept nogil
cdef void free_index(Index *index) noexcept nogil


cdef inline bint is_index_of(Crowd *crowd, uint64_t serial) noexcept nogil:
    """Whether the index, if there is one, holds for these boxes."""
    return crowd.index is NULL or crowd.index.serial == 0 or crowd.index.serial == serial


cdef inline size_t next_live(Crowd *crowd, size_t position, size_t end) noexcept nogil:
    """The first position with a word, from `position` on; `end`, which is no further than the crowd's, or more."""
    cdef Segment *segment
    while position < end:
        segment = crowd.segments[position // SEGMENT]
        if not segment.live:
            position += SEGMENT - position % SEGMENT
        elif segment.words[position % SEGMENT] == NOBODY:
            position += 1
        else:
            break
    return position


cdef inline size_t word_at(Crowd *crowd, size_t position) noexcept nogil:
    return crowd.segments[position // SEGMENT].words[position % SEGMENT]
