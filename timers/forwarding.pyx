"""Forwarding: see forwarding.pxd."""

from libc.string cimport memcpy

from timers.bits cimport PyMem_Free, PyMem_Malloc
from timers.bucket cimport CHUNK, Timer, bucket_count, is_forwarded, is_own, new_chunk, prefetch_older, successor
from timers.cascade cimport make_crowd, split
from timers.insertion cimport insert_slowly
from timers.sharing cimport free, share
from timers.tokens cimport timers_drop, timers_keep
from timers.wheel cimport DONE, as_bucket


cdef inline Chunk *first_in_common(Chunk *newest) noexcept nogil:
    """The youngest chunk that is shared or forwarded, or NULL."""
    while newest is not NULL and is_own(newest) and not is_forwarded(newest):
        newest = newest.older
    return newest


cdef inline Chunk *first_forwarded(Chunk *newest) noexcept nogil:
    while newest is not NULL and not is_forwarded(newest):
        # Most are looked at in full right afterwards.
        prefetch_older(newest)
        newest = newest.older
    return newest


cdef bint is_in_common(Chunk *newest) noexcept nogil:
    return first_in_common(newest) is not NULL


cdef int open_bucket(Slot *slot, uint32_t limit, bint mixed) noexcept nogil:
    cdef Chunk *shared = first_in_common(as_bucket(slot[0])) if mixed else NULL
    cdef Chunk *forwarded = first_forwarded(shared)
    cdef size_t done = bucket_count(forwarded) if forwarded is not NULL else 0
    if shared is not NULL and bucket_count(shared) > done + CHUNK:
        return -1 if forward(shared, forwarded, limit) < 0 else follow(slot, limit)
    return follow(slot, limit) if forwarded is not NULL else inside(slot, limit)


cdef inline int inside(Slot *slot, uint32_t limit) noexcept nogil:
    return split(slot, limit) if limit else make_crowd(slot)


cdef int forward(Chunk *chunk, Chunk *forwarded, uint32_t limit) noexcept nogil:
    """Make for all owners what becomes of a chunk and the older ones; `forwarded`: one among them that is, or NULL."""
    cdef Chunk *twin = new_chunk(chunk.older, chunk.count)
    cdef Slot slot = <Slot>twin
    if twin is NULL:
        return -1
    memcpy(twin.timers, chunk.timers, chunk.count * sizeof(Timer))
    twin.count = chunk.count
    if (inside(&slot, limit) if forwarded is NULL else follow(&slot, limit)) < 0:
        PyMem_Free(twin)
        return -1
    chunk.before += chunk.count
    chunk.count = 0
    # Nobody appends to it.
    chunk.ordered = True
    chunk.older = <Chunk *>slot
    return 0


cdef int follow(Slot *slot, uint32_t limit) noexcept nogil:
    cdef Chunk *forwarded = first_forwarded(as_bucket(slot[0]))
    cdef Slot top
    if forwarded is NULL:
        return 0
    top = share(successor(forwarded))
    if not top:
        return -1
    if insert_newer(&top, limit, as_bucket(slot[0]), forwarded) < 0:
        free(top)
        return -1
    free(slot[0])
    slot[0] = top
    return 0


cdef int insert_newer(Slot *top, uint32_t limit, Chunk *newest, Chunk *forwarded) noexcept nogil:
    """Insert what is in the chunks before a forwarded one."""
    cdef size_t count = bucket_count(newest) - bucket_count(forwarded)
    cdef size_t index
    cdef int answer = 0
    cdef Slot ready = 0
    cdef Timer *timers
    if not count:
        return 0
    timers = <Timer *>PyMem_Malloc(count * sizeof(Timer))
    if timers is NULL:
        return -1
    while newest is not forwarded:
        memcpy(timers + (newest.before - forwarded.before), newest.timers, newest.count * sizeof(Timer))
        newest = newest.older
    for index in range(count):
        timers_keep(timers[index].word)
        if insert_slowly(top, limit, timers[index].deadline, timers[index].word, &ready) != DONE:
            timers_drop(timers[index].word)
            answer = -1
            break
    PyMem_Free(timers)
    return answer
