# cython: language_level=3
"""A timer comes: down from the root by a digit at each level, and appended to the bucket that it finds.

`insert_quickly` is all of that where the way is the tree's own and the bucket has room, and does most. What is more is
for `insert_slowly`: nodes that are shared, buckets that grow, wheels too fine for a deadline, which get a coarser one
on top.

What lies beyond the reach of the root (reach.pxd) is not its affair: `insert_slowly` says so, and timerqueue.pxd keeps
it in the overflow heap.

A bucket of FLOOD timers does not wait until something needs its inside: it cascades while a pass over it is cheap, and
what comes later goes straight to the finer slots.
"""

from libc.stdint cimport uint32_t, uint64_t

from timers.bits cimport owners_of
from timers.bucket cimport Chunk
from timers.wheel cimport Slot, as_bucket, as_wheel, digit_for, is_bucket, is_wheel

cdef enum:
    # A bucket of so many (two megabytes) cascades when it would grow: a pass over it will not be cheaper again.
    FLOOD = 131072

# Append to a crowd, if that is all there is to do.
cdef bint insert_in_crowd(Slot *root, uint64_t deadline, size_t word) noexcept nogil
# `limit`: how many low bits may differ in the slot; with 64, that of a whole tree, what it does not reach is refused.
# Should the chunk `*ready` move, that becomes 0, or where it then lies.
cdef int insert_slowly(Slot *root, uint32_t limit, uint64_t deadline, size_t word, Slot *ready) noexcept nogil


cdef inline Slot own_slot(Slot slot, uint64_t deadline) noexcept nogil:
    """The slot of a deadline, down from the root; 0 where a wheel on the way is too fine for it, or shared."""
    cdef uint64_t digit
    while is_wheel(slot):
        digit = digit_for(as_wheel(slot), deadline)
        if digit >= as_wheel(slot).size or owners_of(&as_wheel(slot).owners) != 1:
            return 0
        slot = as_wheel(slot).slots[<size_t>digit]
    return slot


cdef inline bint insert_quickly(Slot *root, uint64_t deadline, size_t word) noexcept nogil:
    """Append to a bucket that has room, if that is all there is to do."""
    cdef Slot slot = own_slot(root[0], deadline)
    cdef Chunk *newest
    if not is_bucket(slot):
        return False
    newest = as_bucket(slot)
    if newest.count == newest.capacity or newest.ordered or owners_of(&newest.owners) != 1:
        return False
    newest.timers[newest.count].deadline = deadline
    newest.timers[newest.count].word = word
    newest.count += 1
    return True
