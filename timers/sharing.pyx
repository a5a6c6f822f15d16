"""Sharing, and letting go: see sharing.pxd."""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from timers.bits cimport FREE_THREADED, PyMem_Free, PyMem_Malloc, join_owners, leave_owner, prefetch
from timers.bucket cimport CHUNK, TRAIL, Timer, is_forwarded, keep_all, successor, trail_of
from timers.crowd cimport crowd_memory
from timers.slots cimport first_occupied, next_occupied, unmark, wheel_size


cdef Slot share(Slot root) noexcept nogil:
    if not root:
        return 0
    if is_wheel(root):
        return root if join_owners(&as_wheel(root).owners) else copy_wheel(as_wheel(root))
    if is_crowd(root):
        if join_owners(&as_crowd(root).owners):
            return root
        root = <Slot>copy_crowd(as_crowd(root))
        return root + 2 if root else 0
    if is_forwarded(as_bucket(root)):
        return share(successor(as_bucket(root)))
    if join_owners(&as_bucket(root).owners):
        return root
    return <Slot>copy_chunk(as_bucket(root), as_bucket(root).capacity)


cdef Chunk *copy_chunk(Chunk *chunk, uint32_t capacity) noexcept nogil:
    cdef Chunk *twin
    cdef Slot below = <Slot>chunk.older
    if is_forwarded(chunk):
        below = share(successor(chunk))
    elif chunk.older is not NULL and not join_owners(&chunk.older.owners):
        below = <Slot>copy_chunk(chunk.older, chunk.older.capacity)
    if not below and chunk.older is not NULL:
        return NULL
    twin = new_chunk(NULL, capacity)
    if twin is NULL:
        free(below)
        return NULL
    memcpy(twin.timers, chunk.timers, chunk.count * sizeof(Timer))
    keep_all(twin.timers, chunk.count)
    twin.older = <Chunk *>below
    twin.before = chunk.before
    twin.count = chunk.count
    twin.ordered = chunk.ordered
    if capacity == CHUNK and chunk.capacity == CHUNK:
        memcpy(trail_of(twin), trail_of(chunk), TRAIL * sizeof(uint32_t))
    return twin


cdef void free(Slot root) noexcept nogil:
    cdef Wheel *wheel
    cdef int digit
    if not root:
        return
    if is_crowd(root):
        leave_crowd(as_crowd(root))
    elif not is_wheel(root):
        free(leave_bucket(as_bucket(root)))
    elif leave_owner(&as_wheel(root).owners) == 0:
        wheel = as_wheel(root)
        digit = first_occupied(wheel)
        while digit >= 0:
            free(wheel.slots[digit])
            digit = next_occupied(wheel, digit + 1)
        PyMem_Free(wheel)


cdef Slot copy_wheel(Wheel *wheel) noexcept nogil:
    cdef Wheel *twin = <Wheel *>PyMem_Malloc(wheel_size(wheel.size))
    cdef int digit
    if twin is NULL:
        return 0
    memcpy(twin, wheel, wheel_size(wheel.size))
    twin.owners = 1
    if not FREE_THREADED:
        twin.mixed = wheel.mixed = True
    digit = first_occupied(wheel)
    while digit >= 0:
        # The counts of owners lie anywhere.
        prefetch(<void *>(wheel.slots[digit] & ~<Slot>3))
        digit = next_occupied(wheel, digit + 1)
    digit = first_occupied(wheel)
    while digit >= 0:
        twin.slots[digit] = share(wheel.slots[digit])
        if not twin.slots[digit]:
            while digit < <int>twin.size:
                twin.slots[digit] = 0
                unmark(twin, digit)
                digit += 1
            free(<Slot>twin + 1)
            return 0
        digit = next_occupied(wheel, digit + 1)
    return <Slot>twin + 1


cdef size_t memory(Slot root) noexcept nogil:
    cdef Chunk *chunk
    cdef Wheel *wheel
    cdef size_t total = 0
    cdef int digit
    if not root:
        return 0
    if is_crowd(root):
        return crowd_memory(as_crowd(root))
    if is_wheel(root):
        wheel = as_wheel(root)
        total = wheel_size(wheel.size)
        digit = first_occupied(wheel)
        while digit >= 0:
            total += memory(wheel.slots[digit])
            digit = next_occupied(wheel, digit + 1)
        return total
    chunk = as_bucket(root)
    while chunk is not NULL:
        total += chunk_size(chunk.capacity)
        if is_forwarded(chunk):
            return total + memory(successor(chunk))
        chunk = chunk.older
    return total
