# cython: language_level=3
"""One of many timers is found by its deadline, in the wheel or in the heap; and those that stand first are looked at.

To tell tokens apart is the affair of the caller, who goes from position to position.
"""

from libc.stdint cimport uint32_t, uint64_t

from timers.crowd cimport Crowd
from timers.removal cimport Place
from timers.timerqueue cimport Queue

# The spot of a deadline: in the heap, or the wheel.
cdef struct Spot:
    bint in_heap
    Place place
    uint64_t deadline

# False if there is none. `to_write`: whatever its size, bring it into a form that is quickly searched, and from which
# can be removed.
cdef int find_spot(Queue *queue, uint64_t deadline, bint to_write, Spot *spot) noexcept nogil
# Whether a spot has more than are looked through one by one; and its crowd, if it is one.
cdef bint is_crowded(Spot *spot) noexcept nogil
cdef Crowd *crowd_at(Spot *spot) noexcept nogil
# Position and word of the first timer from `position` on; False if there is no further one.
cdef bint next_at_spot(Queue *queue, Spot *spot, size_t *position, size_t *word) noexcept nogil
# Remove the one at `spot.place.position`.
cdef int remove_at_spot(Queue *queue, Spot *spot, size_t *word) noexcept nogil
# Copy the first timers in order, at most `most`, and take references to their words; 0 if that would not be quick.
cdef uint32_t peek(Queue *queue, uint32_t most, size_t *words, uint64_t *deadlines) noexcept nogil
