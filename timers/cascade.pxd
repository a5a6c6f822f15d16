# cython: language_level=3
"""What becomes of a bucket when something needs its inside: a part of it is due, or is searched, or it grows too large.

  - A finer wheel, mostly: it *cascades*. How fine follows from the bits in which its timers differ, and how many slots
    from their number: some sixteen timers a slot.
  - One that fits one chunk is sorted where it lies.
  - One of a single deadline becomes a crowd.

One that is due as a whole needs none of this: it is taken as a whole, and sorted on its way out (expiry.pxd).

Cascading allots all buckets, counted before, and only then moves the timers: without memory all is as it was.
"""

from libc.stdint cimport uint32_t

from timers.bits cimport high_bit
from timers.bucket cimport Timer
from timers.wheel cimport NARROW, WIDE, Slot

cdef enum:
    # The binary logarithm of the timers that a slot shall have.
    ROOMY = 4

# Each answers -1 for want of memory, and then has changed nothing. The slot may be written to.

# A bucket that counts `count` timers already, which the caller fills.
cdef int allot(Slot *slot, size_t count) noexcept nogil
# Cascade. `limit`: how many low bits may differ in the slot, at least one.
cdef int split(Slot *slot, uint32_t limit) noexcept nogil
# Of the bucket that is the root. The timers that lie far from most others, `*outliers` at most, are not inserted but
# answered in `far`, in their order.
cdef int split_root(Slot *root, Timer *far, size_t *outliers) noexcept nogil
# Make a bucket of at most CHUNK timers one chunk, its own, and sorted.
cdef int put_in_order(Slot *slot, uint32_t limit) noexcept nogil
# Make a crowd of a bucket of one deadline.
cdef int make_crowd(Slot *slot) noexcept nogil


cdef inline uint32_t needed_bits(size_t count) noexcept nogil:
    """The binary logarithm of how many slots so many timers need."""
    # Half as much again: a slot of more than a chunk would have to cascade once more.
    return max(<uint32_t>high_bit(count + count // 2), <uint32_t>(NARROW + ROOMY)) - ROOMY


cdef inline uint32_t bits_for(size_t count) noexcept nogil:
    """The binary logarithm of how many slots a root shall have for so many timers, and more to come."""
    return min(needed_bits(count), <uint32_t>WIDE)


cdef inline uint32_t even_bits(size_t count) noexcept nogil:
    """The same of a finer wheel: where one is not enough, so many levels have an even share."""
    cdef uint32_t bits = needed_bits(count)
    cdef uint32_t levels = (bits + WIDE - 1) // WIDE
    return (bits + levels - 1) // levels
