"""Verifying: see invariants.pxd."""

from libc.stdint cimport uint32_t, uint64_t

from timers.bits cimport FREE_THREADED, owners_of
from timers.bucket cimport Chunk, bucket_count, is_forwarded, successor
from timers.crowd cimport check_crowd
from timers.slots cimport base_for, bits_of, first_of, last_of, occupied, words_of
from timers.wheel cimport Wheel, as_bucket, as_crowd, as_wheel, end_of, is_crowd, is_wheel


cdef const char *check(Slot root, size_t *count) noexcept nogil:
    # A root that is a bucket may be shared.
    return check_slot(root, 0, <uint64_t>-1, True, count) if root else NULL


cdef const char *check_slot(Slot slot, uint64_t low, uint64_t high, bint mixed, size_t *count) noexcept nogil:
    cdef Chunk *chunk
    cdef Wheel *wheel
    cdef uint32_t index
    cdef bint empty = True
    cdef bint is_root
    cdef const char *broken
    if is_crowd(slot):
        count[0] += as_crowd(slot).live
        if low != high or as_crowd(slot).deadline != low:
            return "single: a crowd lies in a slot of more deadlines than one"
        return check_crowd(as_crowd(slot))
    if not is_wheel(slot):
        chunk = as_bucket(slot)
        while chunk is not NULL:
            if not mixed and not FREE_THREADED and owners_of(&chunk.owners) != 1:
                return "mixed: a bucket is shared in a wheel that was never copied"
            if is_forwarded(chunk):
                return check_successor(chunk, low, high, mixed, count)
            if chunk.count > chunk.capacity:
                return "no-hole: a chunk is empty or over-full"
            if chunk.before != (bucket_count(chunk.older) if chunk.older is not NULL else 0):
                return "counted: the older chunks have more or fewer timers than one says"
            for index in range(chunk.count):
                if not low <= chunk.timers[index].deadline <= high:
                    return "in-slot: a timer lies outside the range of its slot"
            if chunk.ordered and chunk.older is not NULL:
                return "ordered: a chunk says so, and is not the oldest"
            for index in range(1, chunk.count if chunk.ordered else 0):
                if chunk.timers[index - 1].deadline > chunk.timers[index].deadline:
                    return "ordered: a chunk says so, and is not"
            count[0] += chunk.count
            chunk = chunk.older
        return NULL
    wheel = as_wheel(slot)
    is_root = low == 0 and high == <uint64_t>-1
    if wheel.base != base_for(wheel.base, wheel.shift, 0 if is_root else bits_of(wheel)):
        return "aligned: the base of a wheel is no multiple of its range, or of the slots of the root"
    if not low <= wheel.base <= end_of(wheel) <= high:
        return "nested: a finer wheel reaches beyond the slot that holds it"
    for index in range(16):
        if (<int>index < words_of(wheel.size) and occupied(wheel)[index] != 0) != (wheel.words >> index & 1):
            return "occupied: a bit disagrees with its word"
    for index in range(wheel.size):
        if (wheel.slots[index] != 0) != (occupied(wheel)[index >> 6] >> (index & 63) & 1):
            return "occupied: a bit disagrees with its slot"
        if wheel.slots[index]:
            empty = False
            broken = check_slot(wheel.slots[index], first_of(wheel, index), last_of(wheel, index), wheel.mixed, count)
            if broken is not NULL:
                return broken
    if empty:
        return "no-husk: a wheel is empty"
    return NULL


cdef const char *check_successor(
    Chunk *forwarded, uint64_t low, uint64_t high, bint mixed, size_t *count
) noexcept nogil:
    cdef Slot slot = successor(forwarded)
    cdef size_t before = count[0]
    cdef const char *broken
    if not mixed or not forwarded.ordered or not (is_wheel(slot) or is_crowd(slot)):
        return "no-hole: a chunk is empty or over-full"
    broken = check_slot(slot, low, high, mixed, count)
    if broken is NULL and count[0] - before != forwarded.before:
        return "forwarded: what became of a chunk has more or fewer timers"
    return broken


cdef uint64_t soonest_of(Slot slot) noexcept nogil:
    cdef uint64_t first = <uint64_t>-1
    cdef uint32_t index
    cdef Chunk *chunk
    if is_crowd(slot):
        return as_crowd(slot).deadline
    if is_wheel(slot):
        for index in range(as_wheel(slot).size):
            if as_wheel(slot).slots[index]:
                return soonest_of(as_wheel(slot).slots[index])
    chunk = as_bucket(slot)
    while chunk is not NULL:
        if is_forwarded(chunk):
            return min(first, soonest_of(successor(chunk)))
        for index in range(chunk.count):
            first = min(first, chunk.timers[index].deadline)
        chunk = chunk.older
    return first
