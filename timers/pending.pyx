"""Iteration: see pending.pxd."""

cimport cython
from cpython.datetime cimport import_datetime
from libc.stdint cimport uint32_t, uint64_t

from timers.timerqueue cimport Due, copy_queue, peek, ripen_queue, take_due
from timers.timerset cimport TimerSet, token_of
from timers.times cimport write_time
from timers.tokens cimport timers_drop

import_datetime()

cdef enum:
    # Timers taken from the copy at once.
    SLICE = 32


@cython.final
@cython.auto_pickle(False)
cdef class Pending:
    """The pending timers in the order of falling due; iterates as long as they do not change."""

    cdef TimerSet owner         # None at the end
    cdef TimerSet rest          # a copy of what is not yet taken; None as long as what is ready is enough
    cdef uint64_t version
    cdef Shape shape
    cdef uint32_t count         # how many are taken,
    cdef uint32_t done          # and how many of these were shown
    cdef size_t words[SLICE]    # boxed tokens stay in the boxes of the owner
    cdef uint64_t deadlines[SLICE]

    def __dealloc__(self):
        let_go(self)

    def __iter__(self):
        return self

    @cython.critical_section
    def __next__(self):
        cdef TimerSet owner = self.owner
        if owner is None:
            raise StopIteration
        with cython.critical_section(owner):
            return step(self, owner)

    @cython.critical_section
    def __length_hint__(self):
        cdef TimerSet owner = self.owner
        if owner is None:
            return 0
        if self.rest is not None:
            return self.rest.queue.count + self.count - self.done
        with cython.critical_section(owner):
            return owner.queue.count - self.done


cdef object step(Pending self, TimerSet owner):
    cdef uint32_t place
    if self.version != owner.version:
        raise RuntimeError("timers changed during iteration")
    if self.done == self.count and not take_slice(self, owner):
        self.owner = None
        raise StopIteration
    # Making the time may let in foreign code, which asks for the next.
    place = self.done
    self.done += 1
    token = token_of(owner, self.words[place])
    if self.shape == TOKENS:
        return token
    at = write_time(self.deadlines[place], owner.queue.kind)
    if self.shape == TIMES:
        return at
    return (at, token) if self.shape == PAIRS else (token, at)


cdef bint take_slice(Pending self, TimerSet owner) except -1:
    """The next timers; False if there are none. The boxes are only looked into while the owner has not changed."""
    cdef uint32_t shown = self.count
    if self.rest is None and not shown:
        self.count = peek(&owner.queue, SLICE, self.words, self.deadlines)
        if self.count:
            return True
    if self.rest is None:
        rest = TimerSet.__new__(TimerSet)
        if self.version != owner.version or self.count != shown:
            raise RuntimeError("timers changed during iteration")
        if copy_queue(&owner.queue, &(<TimerSet>rest).queue) < 0:
            raise MemoryError
        self.rest = rest
        # These were shown already.
        take_from_rest(self, shown)
        self.done = self.count
    return take_from_rest(self, SLICE)


cdef bint take_from_rest(Pending self, uint32_t most) except -1:
    cdef Due due
    if most and self.rest.queue.count:
        if ripen_queue(&self.rest.queue, <uint64_t>-1, most, &due) < 0:
            raise MemoryError
        let_go(self)
        if take_due(&self.rest.queue, &due, self.words, self.deadlines) < 0:
            raise MemoryError
        self.count = <uint32_t>due.count
        return True
    return False


cdef void let_go(Pending self) noexcept:
    """Give back the references of what was shown."""
    cdef uint32_t place
    for place in range(self.count):
        timers_drop(self.words[place])
    self.count = self.done = 0


cdef object iterate(TimerSet owner, Shape shape):
    cdef Pending pending = Pending.__new__(Pending)
    # Making it may have let foreign code in.
    pending.version = owner.version
    pending.owner = owner
    pending.shape = shape
    return pending
