"""Inserting where appending is not all: see insertion.pxd."""

from libc.stdint cimport uint32_t

from timers.bucket cimport append, bucket_count, insert_ordered, is_forwarded
from timers.cascade cimport make_crowd, split
from timers.crowd cimport crowd_append
from timers.sharing cimport free, own_crowd, own_wheel, share, with_room
from timers.slots cimport mark
from timers.wheel cimport BEYOND, DONE, SPARSE, STARVED, Wheel, as_crowd, coarser, hang, is_crowd, prune


cdef bint insert_in_crowd(Slot *root, uint64_t deadline, size_t word) noexcept nogil:
    cdef Slot slot = own_slot(root[0], deadline)
    return is_crowd(slot) and owners_of(&as_crowd(slot).owners) == 1 and crowd_append(as_crowd(slot), word) == 0


cdef int insert_slowly(Slot *root, uint32_t limit, uint64_t deadline, size_t word, Slot *ready) noexcept nogil:
    cdef Slot *slot = root
    cdef Slot *top = NULL
    cdef Wheel *wheel = NULL
    cdef Wheel *coarse
    cdef Chunk *newest
    cdef uint64_t digit = 0
    cdef uint32_t whole = limit
    cdef Slot joined
    cdef bint was_ready
    while is_wheel(slot[0]):
        wheel = as_wheel(slot[0])
        digit = digit_for(wheel, deadline)
        if digit < wheel.size:
            if own_wheel(slot) < 0:
                return STARVED
            wheel = as_wheel(slot[0])
            limit = wheel.shift
            slot = &wheel.slots[<size_t>digit]
        elif limit == 64:
            return BEYOND
        else:
            # The finer wheel may be shared: it is not changed, only put elsewhere.
            coarse = coarser(wheel, deadline, limit, SPARSE)
            if coarse is NULL:
                return STARVED
            hang(coarse, slot[0])
            slot[0] = <Slot>coarse + 1
            top = slot
    if is_crowd(slot[0]):
        return STARVED if own_crowd(slot, root) < 0 or crowd_append(as_crowd(slot[0]), word) < 0 else DONE
    newest = as_bucket(slot[0])
    if newest is not NULL and is_forwarded(newest):
        joined = share(slot[0])
        if not joined:
            return STARVED
        free(slot[0])
        slot[0] = joined
        return insert_slowly(root, whole, deadline, word, ready)
    # Without memory, and where a part of it may be forwarded, it goes on growing.
    if newest is not NULL and bucket_count(newest) >= FLOOD and not (wheel is not NULL and wheel.mixed):
        if (split(slot, limit) if limit else make_crowd(slot)) == 0:
            return insert_slowly(root, whole, deadline, word, ready)
    was_ready = slot[0] == ready[0] and newest is not NULL
    if was_ready:
        ready[0] = 0
    newest = with_room(newest)
    if newest is NULL:
        # A wheel that is new, with nothing but the former one in it, goes again.
        if top is not NULL:
            prune(top)
        return STARVED
    if slot[0] and newest.ordered:
        insert_ordered(newest, deadline, word)
    else:
        append(newest, deadline, word)
    if not slot[0]:
        mark(wheel, <size_t>digit)
    slot[0] = <Slot>newest
    if was_ready and newest.ordered:
        ready[0] = slot[0]
    return DONE
