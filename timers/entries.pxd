# cython: language_level=3
"""One key of a `Deadlines`, whose entry was found (lookup.pxd): its time is told or moved, it is added or removed.

The table and the tree change in one step, without foreign code between, and both or neither.
"""

from libc.stdint cimport uint8_t, uint64_t

from timers.keys cimport entry_at
from timers.timerset cimport TimerSet, keys_of
from timers.times cimport write_time

# `keep`: one that is there stays as it is. `at` becomes the deadline that the key has; `asked`: see lookup.pxd.
cdef int set_key(
    TimerSet self, object key, uint64_t hash, uint64_t *at, uint8_t kind, str name, bint keep, list asked
) except -1
# What an entry holds must not be looked at afterwards: to let go of the key may run foreign code.
cdef int remove_at(TimerSet self, size_t place) except -1


cdef inline object time_at(TimerSet self, size_t place):
    return write_time(entry_at(keys_of(self), place).deadline, self.queue.kind)
