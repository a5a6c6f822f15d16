# cython: language_level=3
"""Who owns a node of the tree. A copy shares the whole tree with the original, and costs next to nothing.

Each node counts its owners. Whoever writes makes its own first what lies on the way from the root, a node after the
other, from the top: path copying, after Driscoll et al., "Making Data Structures Persistent", STOC 1986. A copy of a
wheel shares all that is in its slots.

What may be written to is what has one owner, in a slot that may be written to. (Of a bucket: its newest chunk.)
"""

from libc.stdint cimport uint8_t, uint32_t

from timers.bits cimport PyMem_Realloc, owners_of
from timers.bucket cimport (
    CHUNK, FEWEST, Chunk, bucket_count, chunk_size, is_own, lay_trail, leave_bucket, move, new_chunk,
)
from timers.crowd cimport Crowd, copy_crowd, leave_crowd, pass_index
from timers.wheel cimport Slot, Wheel, as_bucket, as_crowd, as_wheel, is_bucket, is_crowd, is_wheel

# One more owner of a tree; 0 for want of memory.
cdef Slot share(Slot root) noexcept nogil
# One owner less. Runs no foreign code.
cdef void free(Slot root) noexcept nogil
# A wheel that shares all slots with another; 0 without memory.
cdef Slot copy_wheel(Wheel *wheel) noexcept nogil
# A twin of a chunk, on top of the same older ones; NULL without memory.
cdef Chunk *copy_chunk(Chunk *chunk, uint32_t capacity) noexcept nogil
# Of all nodes, in bytes.
cdef size_t memory(Slot root) noexcept nogil


# ---- Of a slot that may be written to: make what it holds one's own; -1 without memory.

cdef inline int own_wheel(Slot *slot) noexcept nogil:
    cdef Slot twin
    if owners_of(&as_wheel(slot[0]).owners) == 1:
        return 0
    twin = copy_wheel(as_wheel(slot[0]))
    if not twin:
        return -1
    free(slot[0])
    slot[0] = twin
    return 0


cdef inline int own_crowd(Slot *slot, const void *owner) noexcept nogil:
    """`owner`: the root of the tree. By it an index tells whether who writes searched last, and takes it along."""
    cdef Crowd *twin
    if owners_of(&as_crowd(slot[0]).owners) == 1:
        return 0
    twin = copy_crowd(as_crowd(slot[0]))
    if twin is NULL:
        return -1
    pass_index(as_crowd(slot[0]), twin, owner)
    leave_crowd(as_crowd(slot[0]))
    slot[0] = <Slot>twin + 2
    return 0


cdef inline int one_chunk(Slot *slot) noexcept nogil:
    """Make a bucket of at most CHUNK timers one chunk, its own."""
    cdef Chunk *newest = as_bucket(slot[0])
    cdef Chunk *chunk
    cdef uint32_t count = <uint32_t>bucket_count(newest)
    if newest.older is NULL and is_own(newest):
        return 0
    chunk = new_chunk(NULL, count)
    if chunk is NULL:
        return -1
    move(newest, chunk.timers)
    chunk.count = <unsigned char>count
    slot[0] = <Slot>chunk
    return 0


cdef inline Chunk *with_room(Chunk *newest) noexcept nogil:
    """The newest chunk of the same bucket with room for one more timer, its own; NULL without memory.

    Takes the place of `newest`, of which the caller was an owner and no longer is.
    """
    cdef Chunk *chunk
    cdef uint32_t capacity
    if newest is NULL:
        return new_chunk(NULL, FEWEST)
    # A chunk is twice as large each time, until it is full-grown; what comes then lies in further ones.
    capacity = min(<uint32_t>CHUNK, 2 * newest.count + 2)
    if is_own(newest):
        if newest.count < newest.capacity:
            return newest
        if newest.capacity < CHUNK:
            chunk = <Chunk *>PyMem_Realloc(newest, chunk_size(capacity))
            if chunk is not NULL:
                chunk.capacity = <uint8_t>capacity
                if capacity == CHUNK:
                    lay_trail(chunk)
            return chunk
    elif newest.count < CHUNK:
        # Of a copy it is not known whether more will come: some room, which is little beside what the bucket holds.
        chunk = copy_chunk(newest, min(<uint32_t>CHUNK, newest.count + 1 + <uint32_t>bucket_count(newest) // 16))
        if chunk is not NULL:
            leave_bucket(newest)
        return chunk
    if newest.before > <uint32_t>-1 - 2 * CHUNK:
        return NULL
    return new_chunk(newest, CHUNK)


cdef inline bint is_large(Slot slot) noexcept nogil:
    """Whether it is a bucket of more timers than a chunk has."""
    return is_bucket(slot) and bucket_count(as_bucket(slot)) > CHUNK


cdef inline bint is_lone(Slot slot) noexcept nogil:
    """Whether it may be written to as it is."""
    if is_wheel(slot):
        return owners_of(&as_wheel(slot).owners) == 1
    if is_crowd(slot):
        return owners_of(&as_crowd(slot).owners) == 1
    return as_bucket(slot).older is NULL and is_own(as_bucket(slot))
