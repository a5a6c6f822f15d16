# cython: language_level=3
"""The class that users see, for other Cython code.

`put_at`, `soonest_at` and `due_by` are `notify_at`, `next_at` and `due` on deadlines, which `times.pxd` makes of times
and back:

    from timers cimport notifier
    notifier.put_at(queue, fold_float(1.5), FLOAT, "token")
"""

from libc.stdint cimport uint8_t, uint64_t

from timers.face cimport Face

cdef class MultiNotifier(Face):
    pass

cdef int put_at(MultiNotifier self, uint64_t deadline, uint8_t kind, object token) except -1
# The deadline of what is next; of no meaning where there are no timers.
cdef uint64_t soonest_at(MultiNotifier self) noexcept
cdef list due_by(MultiNotifier self, uint64_t deadline, uint8_t kind, size_t most)
