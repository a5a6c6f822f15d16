# cython: language_level=3
"""Timers fall due. Taking them is in two steps, so that it is done wholly or not at all.

`ripen` cascades and sorts as far as it must, and may want memory for it, but gives nothing out. `take` then gives out
what is ripe, and needs no memory that it has not got before it begins.

A bucket that is due as a whole is taken as a whole and sorted on its way out; what of the tree is due only in part is
cascaded down to the slot that time stands in. `read` is the same order without the taking.
"""

from libc.stdint cimport uint64_t

from timers.bucket cimport Timer
from timers.wheel cimport Slot

cdef enum:
    # A bucket of up to so many timers (two megabytes) is sorted as a whole, if it is due as a whole.
    BATCH = 131072

cdef struct Ripe:
    size_t most         # there may be more; those are left for later
    size_t count
    size_t largest      # of the buckets that are still to be sorted
    const void *root    # of the tree

# Count the timers due by `now`, at most `ripe.most`, and cascade and sort so far that they can be taken.
cdef int ripen(Slot *root, uint64_t now, Ripe *ripe) noexcept nogil
# Remove the ripe timers, in order; `deadlines` may be NULL.
cdef int take(Slot *root, Ripe *ripe, size_t *words, uint64_t *deadlines) noexcept nogil
# The latest deadline of a root that is a bucket; of a wheel, the last that it reaches.
cdef uint64_t highest(Slot root) noexcept nogil
# The soonest deadline of a tree that is not empty. Cascades; and `ready` becomes the ordered chunk, or the crowd, that
# it is first in, if that may be written to, or else 0.
cdef uint64_t earliest(Slot *root, Slot *ready) noexcept nogil
# Copy the first timers in the order of falling due; advances `timers` by what it has read, and lowers `count`.
cdef int read(Slot *root, size_t *count, Timer **timers) noexcept nogil
