# cython: language_level=3
"""One of many timers: found by its deadline and its token, and then discarded, or moved to another deadline.

The very token goes before one that is equal. Where many are at one deadline, an index (index.pxd) finds it; tokens with
an `==` of their own are asked one by one, from the oldest, which is foreign code, and may change the timers or move
them within the tree: a search goes on where it was, or begins again.
"""

from libc.stdint cimport uint8_t, uint64_t

from timers.spots cimport Spot
from timers.timerset cimport TimerSet

# Find the oldest timer at `at` with this very token, or else the oldest with an equal one.
cdef bint locate(TimerSet self, uint64_t at, uint8_t kind, object token, Spot *spot) except -1
# Find the spot of a deadline, in a form that is quickly searched; False if there is none.
cdef bint go_to(TimerSet self, uint64_t deadline, Spot *spot) except -1
# From `spot.place.position` on, find the oldest timer of this very word.
cdef bint go_to_word(TimerSet self, Spot *spot, size_t word) noexcept
cdef uint64_t serial_of(TimerSet self) noexcept
cdef int discard(TimerSet self, Spot *spot) except -1
cdef bint move(TimerSet self, uint64_t at, uint8_t kind, object token, uint64_t new_at, uint8_t new_kind) except -1
# Move the timer at `spot.place.position` to a deadline of the pending kind. The caller keeps its token alive.
cdef int shift(TimerSet self, Spot *spot, object token, uint64_t new_at) except -1
