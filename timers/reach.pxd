# cython: language_level=3
"""The reach of the root: where it begins, and how it comes to reach more.

A finer wheel is aligned to its range, so that it lies in one slot of any coarser one. The root begins where its timers
do, at a multiple of its slots: else how coarse it is would depend on what the clock shows, and timers of a minute, on
both sides of a turn of high bits, would be in two slots, each of a year.

It reaches about twice as far as the timers that it was made for, and slides as these fall due. What comes to lie far
beyond puts a coarser wheel on top, a *crown*, and this is the root from then on. The former root is one of its finer
wheels, or two, which are aligned.
"""

from libc.stdint cimport uint32_t, uint64_t

from timers.bucket cimport Chunk
from timers.wheel cimport Slot, Wheel

# An empty root for the timers of a bucket, of 2 ** `bits` slots, or fewer if these are not needed; it reaches all but
# `outliers` of them at most. NULL without memory.
cdef Wheel *root_for(Chunk *newest, uint32_t bits, size_t outliers) noexcept nogil
# How many slots the root may slide by, those in front that are empty, but for some; 0 where these are few.
cdef int free_slots(Wheel *root) noexcept nogil
# Move the base of an own root by so many slots, back if less than 0; those that it gives up are empty.
cdef void slide(Wheel *root, int by) noexcept nogil
# Put two aligned wheels in the place of a root that is not aligned, under one that reaches both. Answers the former
# root, to be freed, or to be put back while nothing is in them that it does not reach; NULL for want of memory.
cdef Wheel *divide(Slot *root) noexcept nogil
cdef void reunite(Slot *root, Wheel *former) noexcept nogil
cdef bint is_aligned(Wheel *root) noexcept nogil
# Put a wheel of so many bits on top of an aligned root that reaches `deadline` too; -1 for want of memory.
cdef int crown(Slot *root, uint64_t deadline, uint32_t bits) noexcept nogil
# Take it off again, while nothing else is in it.
cdef void uncrown(Slot *root) noexcept nogil
