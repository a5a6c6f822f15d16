"""Iteration: see pending.pxd."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.datetime cimport import_datetime
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from timers.spots cimport peek
from timers.timerqueue cimport Due, copy_queue, ripen_queue, take_due
from timers.timerset cimport TimerSet, survey, token_of
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
    cdef uint32_t version
    cdef Shape shape
    cdef uint32_t count         # how many are taken,
    cdef uint32_t done          # and how many of these were shown
    cdef size_t shown           # of all
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
        with cython.critical_section(owner):
            # As a dict's: the next step says what is wrong.
            return owner.queue.count - self.shown if self.version == owner.queue.version else 0


cdef object step(Pending self, TimerSet owner):
    cdef uint64_t deadline
    cdef size_t shown
    while True:
        # Foreign code may have come to the end.
        if self.owner is None:
            raise StopIteration
        if self.version != owner.queue.version:
            give_up(self)
            raise RuntimeError("timers changed during iteration")
        if self.done < self.count:
            break
        if not take_slice(self, owner):
            self.owner = None
            give_up(self)
            raise StopIteration
    token = token_of(owner, self.words[self.done])
    deadline = self.deadlines[self.done]
    # Making the answer may let in foreign code, which asks for the next.
    self.done += 1
    self.shown = shown = self.shown + 1
    if self.shape == TOKENS:
        return token
    try:
        at = write_time(deadline, owner.queue.kind)
        if self.shape == TIMES:
            return at
        return (at, token) if self.shape == PAIRS else (token, at)
    except MemoryError:
        # To be asked for again.
        if self.shown == shown:
            self.done -= 1
            self.shown -= 1
        raise


cdef bint take_slice(Pending self, TimerSet owner) except -1:
    """The next timers; False if there are none. May let in foreign code, which asks for the next."""
    cdef Due due
    if self.rest is None and not self.count:
        self.count = peek(&owner.queue, SLICE, self.words, self.deadlines)
        if self.count:
            return True
    if self.rest is None:
        begin_rest(self, owner)
        return True
    if not self.rest.queue.count:
        return False
    if ripen_queue(&self.rest.queue, <uint64_t>-1, SLICE, &due) < 0:
        raise MemoryError
    let_go(self)
    if take_due(&self.rest.queue, &due, self.words, self.deadlines) < 0:
        raise MemoryError
    self.count = <uint32_t>due.count
    return True


cdef int begin_rest(Pending self, TimerSet owner) except -1:
    """Make the copy, without what was shown already."""
    cdef size_t words[SLICE]
    cdef Due due
    cdef uint32_t place
    rest = TimerSet.__new__(TimerSet)
    # Making it may have let in foreign code, which changed the timers, or asked for the next, or for all.
    if self.version != owner.queue.version or self.rest is not None or self.owner is None:
        return 0
    if copy_queue(&owner.queue, &(<TimerSet>rest).queue) < 0:
        raise MemoryError
    if self.count:
        if (ripen_queue(&(<TimerSet>rest).queue, <uint64_t>-1, self.count, &due) < 0
                or take_due(&(<TimerSet>rest).queue, &due, words, NULL) < 0):
            raise MemoryError
        # The owner has them too.
        for place in range(due.count):
            timers_drop(words[place])
    self.rest = rest
    return 0


cdef void give_up(Pending self) noexcept:
    """Nothing is shown any more."""
    let_go(self)
    self.rest = None


cdef void let_go(Pending self) noexcept:
    """Give back the references of what was shown."""
    cdef uint32_t place
    for place in range(self.count):
        timers_drop(self.words[place])
    self.count = self.done = 0


cdef object iterate(TimerSet owner, Shape shape):
    cdef Pending pending = Pending.__new__(Pending)
    # Making it may have let foreign code in.
    pending.version = owner.queue.version
    pending.owner = owner
    pending.shape = shape
    return pending


cdef list list_all(TimerSet owner, Shape shape):
    cdef tuple tokens
    cdef list shown = []
    cdef size_t index
    cdef uint8_t kind
    deadlines, tokens, kind = survey(owner)
    if shape == TOKENS:
        return list(tokens)
    for index in range(<size_t>len(tokens)):
        at = write_time((<const uint64_t *>PyBytes_AS_STRING(<bytes>deadlines))[index], kind)
        if shape == TIMES:
            shown.append(at)
        else:
            shown.append((at, tokens[index]) if shape == PAIRS else (tokens[index], at))
    return shown
