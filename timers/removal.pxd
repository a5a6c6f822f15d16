# cython: language_level=3
"""One of many is found, and goes; and what it leaves shrinks with it.

`seek` goes down to the bucket or crowd of a deadline and notes its way. To search there is the caller's affair, who
knows what a word means; `remove` then takes the timer at a position out, and goes back up the way: an empty wheel goes,
one around a single finer wheel too, and one of few timers is folded into a bucket again.
"""

from libc.stdint cimport uint64_t

from timers.wheel cimport WIDE, Slot, as_wheel, is_wheel

cdef enum:
    # Removals that leave a wheel so few timers fold it into a bucket again.
    CALM = 12
    # The binary logarithm of how many slots a timer make a root too large.
    SPACIOUS = 3
    MOST_FEW = CALM + (1 << (WIDE - SPACIOUS))
    LEVELS = 64

cdef struct Place:
    Slot *path[LEVELS + 2]      # from the root down to the bucket or crowd
    int depth
    bint own                    # may be written to
    size_t position             # in the order of the bucket or crowd

# Go to the bucket or crowd of a deadline; False if there is none. `to_write`: the way becomes the tree's own, a bucket
# too large for a chunk cascades or becomes a crowd, a smaller one becomes one chunk, in the same order.
cdef int seek(Slot *root, uint64_t deadline, bint to_write, Place *place) noexcept nogil
# Remove one timer from an own bucket of a chunk, or from a crowd.
cdef int remove(Place *place, size_t *word) noexcept nogil
# Take back the timer of a deadline that was inserted last, of a tree that was not shared since. Needs no memory.
cdef size_t withdraw(Slot *root, uint64_t deadline) noexcept nogil


cdef inline size_t too_few(Slot root) noexcept nogil:
    """For how many timers a root is too large."""
    return max(<size_t>CALM, <size_t>as_wheel(root).size >> SPACIOUS) if is_wheel(root) else <size_t>CALM
