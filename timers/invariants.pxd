# cython: language_level=3
"""Whether a tree is as it must be: the invariants of wheel.pxd, bucket.pxd and crowd.pxd, each verified by its name."""

from libc.stdint cimport uint64_t

from timers.wheel cimport Slot

# The name of the first invariant that does not hold, or NULL; `count` rises by the timers seen.
cdef const char *check(Slot root, size_t *count) noexcept nogil
# The soonest deadline of a tree, which is not changed.
cdef uint64_t soonest_of(Slot slot) noexcept nogil
