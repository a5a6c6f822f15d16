# cython: language_level=3
"""The entry of a key in the table (keys.pxd), found as a dict finds it: by identity, or else by equality.

An `==` is foreign code: it may change the table, and let other threads do so. Then the search begins again, and from
there on notes whom it has asked, so that no key is asked twice: or one whose `==` takes its time would never be found
beside a thread that sets others.
"""

from libc.stdint cimport uint64_t

from timers.timerset cimport TimerSet, is_keyed

# Find the entry of a key, or a free place for it. In `asked`, unless that is None, stand the keys that were asked, each
# before its answer, and are put those that are.
cdef bint find_key(TimerSet self, object key, uint64_t hash, size_t *place, list asked) except -1


cdef inline int must_be_made(TimerSet self) except -1:
    """The collector shows a new object around before it has its table."""
    if not is_keyed(self):
        raise RuntimeError("this Deadlines is only being made")
    return 0
