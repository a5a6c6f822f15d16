"""Finding one of many: see search.pxd."""

from cpython.object cimport PyObject, PyObject_RichCompareBool, Py_EQ
from libc.stdint cimport int64_t, uint32_t

from timers.bits cimport FREE_THREADED, prefetch
from timers.boxes cimport PyListObject, must_be_whole, peek_in_box
from timers.crowd cimport Crowd
from timers.index cimport ASK, crowd_find
from timers.timerqueue cimport (
    crowd_at, find_spot, is_crowded, next_at_spot, put, remove_at_spot, take_back,
)
from timers.timerset cimport ATTEMPTS, among_pending, give_back_boxes, note_removal, release, restless_error, token_of
from timers.tokens cimport box_of, is_boxed, timers_drop, timers_keep


cdef bint locate(TimerSet self, uint64_t at, uint8_t kind, object token, Spot *spot) except -1:
    cdef uint64_t deadline
    cdef int found
    cdef int64_t position
    for _ in range(ATTEMPTS):
        if self.boxes is not None:
            must_be_whole(self.boxes)
        deadline = among_pending(self, at, kind, "at")
        if not self.queue.count or deadline < self.queue.next:
            return False
        if not go_to(self, deadline, spot):
            return False
        if is_crowded(spot):
            position = crowd_find(
                crowd_at(spot), <PyObject *>token,
                (<PyListObject *>self.boxes.blocks).ob_item if self.boxes is not None else NULL,
                self.boxes.serial if self.boxes is not None else 0,
            )
            if position != ASK:
                spot.place.position = <size_t>position
                return position >= 0
        elif is_there(self, spot, token):
            return True
        found = ask(self, spot, token)
        if found >= 0:
            return found
    raise restless_error()


cdef bint go_to(TimerSet self, uint64_t deadline, Spot *spot) except -1:
    """Find the spot of a deadline, in a form that is quickly searched; False if there is none."""
    cdef int found = find_spot(&self.queue, deadline, False, spot)
    # An index is made in a crowd of several owners too, whose threads the GIL keeps apart.
    if found and is_crowded(spot) and (crowd_at(spot) is NULL or (FREE_THREADED and not spot.place.own)):
        found = find_spot(&self.queue, deadline, True, spot)
    if found < 0:
        raise MemoryError
    return found


cdef bint is_there(TimerSet self, Spot *spot, object token) noexcept:
    """Find the oldest timer with this very token, which takes no question."""
    cdef PyObject *candidate
    cdef size_t position = 0
    cdef size_t word
    while next_at_spot(&self.queue, spot, &position, &word):
        candidate = peek_in_box(self.boxes, box_of(word)) if is_boxed(word) else <PyObject *>word
        if candidate is <PyObject *>token:
            spot.place.position = position
            return True
        # If none is, all are asked.
        prefetch(candidate)
        position += 1
    return False


cdef size_t nth_at_spot(TimerSet self, Spot *spot, size_t number) noexcept:
    """The position of one of a spot's timers, which are more than `number`."""
    cdef size_t position = 0
    cdef size_t word
    while next_at_spot(&self.queue, spot, &position, &word) and number:
        position += 1
        number -= 1
    return position


cdef int ask(TimerSet self, Spot *spot, object token) except -2:
    """Find the oldest timer with an equal token; -1 where the timers changed meanwhile."""
    cdef uint64_t version = self.version
    cdef uint32_t moves = self.queue.moves
    cdef size_t position = 0
    cdef size_t asked = 0
    cdef size_t word
    cdef bint same
    while next_at_spot(&self.queue, spot, &position, &word):
        candidate = token_of(self, word)
        same = PyObject_RichCompareBool(candidate, token, Py_EQ)
        if self.version != version:
            return -1
        if self.queue.moves != moves:
            # The same timers in the same order, but elsewhere, or shared.
            go_to(self, spot.deadline, spot)
            moves = self.queue.moves
            position = nth_at_spot(self, spot, asked)
        asked += 1
        if same:
            spot.place.position = position
            return True
        position += 1
    return False


cdef int discard(TimerSet self, Spot *spot) except -1:
    cdef uint64_t next = self.queue.next
    cdef size_t word
    if remove_at_spot(&self.queue, spot, &word) < 0:
        raise MemoryError
    note_removal(self, next)
    release(self, word)
    give_back_boxes(self)
    return 0


cdef bint move(TimerSet self, uint64_t at, uint8_t kind, object token, uint64_t new_at, uint8_t new_kind) except -1:
    cdef Spot spot
    cdef size_t word
    # Refused also where there is no such timer.
    among_pending(self, new_at, new_kind, "new_at")
    if not locate(self, at, kind, token, &spot):
        return False
    next_at_spot(&self.queue, &spot, &spot.place.position, &word)
    shift(self, &spot, token_of(self, word), among_pending(self, new_at, new_kind, "new_at"))
    return True


cdef int shift(TimerSet self, Spot *spot, object token, uint64_t new_at) except -1:
    cdef uint64_t next = self.queue.next
    cdef uint32_t moves = self.queue.moves
    cdef Crowd *crowd = crowd_at(spot)
    cdef size_t word
    next_at_spot(&self.queue, spot, &spot.place.position, &word)
    # A word in two places, each with a reference, until the old one is gone.
    timers_keep(word)
    if put(&self.queue, new_at, word) < 0:
        timers_drop(word)
        raise MemoryError
    try:
        # Where the insertion may have moved it: of the timers with this very token it is still the oldest.
        if self.queue.moves != moves:
            find_again(self, crowd, token, spot)
        if remove_at_spot(&self.queue, spot, &word) < 0:
            raise MemoryError
    except BaseException:
        word = take_back(&self.queue, new_at)
        timers_drop(word)
        self.soonest = None
        raise
    timers_drop(word)
    note_removal(self, next)
    return 0


cdef int find_again(TimerSet self, Crowd *crowd, object token, Spot *spot) except -1:
    cdef size_t position = spot.place.position
    if crowd is not NULL and find_spot(&self.queue, spot.deadline, False, spot) and crowd_at(spot) is crowd:
        # What is added to a crowd moves nothing in it.
        spot.place.position = position
        return 0
    return locate(self, spot.deadline, self.queue.kind, token, spot)
