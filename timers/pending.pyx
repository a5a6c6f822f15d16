"""Iteration: see pending.pxd."""

cimport cython
from cpython.datetime cimport import_datetime
from libc.stdint cimport uint32_t, uint64_t

from timers.timerqueue cimport Due, copy_queue, ripen_queue, take_due
from timers.timerset cimport TimerSet, token_of
from timers.times cimport write_time
from timers.tokens cimport timers_drop

import_datetime()

cdef enum:
    # Timers taken from the copy at once.
    SLICE = 32


@cython.final
cdef class Pending:
    """The pending timers in the order of falling due; iterates as long as they do not change."""

    cdef TimerSet owner         # None at the end
    cdef TimerSet rest          # what is not yet taken from the copy
    cdef uint64_t version
    cdef uint32_t count         # how many are taken,
    cdef uint32_t done          # and how many of these were shown
    cdef size_t words[SLICE]    # boxed tokens stay in the boxes of `rest`
    cdef uint64_t deadlines[SLICE]

    def __dealloc__(self):
        let_go(self)

    def __iter__(self):
        return self

    @cython.critical_section
    def __next__(self):
        cdef TimerSet owner = self.owner
        cdef uint64_t version
        cdef Due due
        if owner is None:
            raise StopIteration
        with cython.critical_section(owner):
            version = owner.version
        if self.version != version:
            raise RuntimeError("the notifier changed during iteration")
        if self.done == self.count:
            let_go(self)
            if not self.rest.queue.count:
                self.owner = None
                raise StopIteration
            if ripen_queue(&self.rest.queue, <uint64_t>-1, SLICE, &due) < 0:
                raise MemoryError
            if take_due(&self.rest.queue, &due, self.words, self.deadlines) < 0:
                raise MemoryError
            self.count = <uint32_t>due.count
        # Making the time may let in foreign code, which asks for the next.
        self.done += 1
        return pair_of(self, self.done - 1)

    @cython.critical_section
    def __length_hint__(self):
        if self.owner is None:
            return 0
        return self.rest.queue.count + self.count - self.done


cdef tuple pair_of(Pending self, uint32_t place):
    token = token_of(self.rest, self.words[place])
    return write_time(self.deadlines[place], self.rest.queue.kind), token


cdef void let_go(Pending self) noexcept:
    """Give back the references of what was shown."""
    cdef uint32_t place
    for place in range(self.count):
        timers_drop(self.words[place])
    self.count = self.done = 0


cdef object iterate(TimerSet owner):
    cdef Pending pending = Pending.__new__(Pending)
    cdef TimerSet rest = TimerSet.__new__(TimerSet)
    cdef Due due
    # What comes first is found in the owner, once for all iterators.
    if owner.queue.count and ripen_queue(&owner.queue, <uint64_t>-1, SLICE, &due) < 0:
        raise MemoryError
    # No foreign code runs from here on. The boxes are only looked into, and only as long as the owner has not changed.
    if copy_queue(&owner.queue, &rest.queue) < 0:
        raise MemoryError
    rest.queue.kind = owner.queue.kind
    rest.boxes = owner.boxes
    pending.rest = rest
    pending.version = owner.version
    pending.owner = owner
    return pending
