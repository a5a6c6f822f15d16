"""Finding one of many: see search.pxd."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t

from timers.bits cimport FREE_THREADED, prefetch
from timers.boxes cimport Boxes, PyListObject, must_be_whole
from timers.crowd cimport Crowd, is_index_of
from timers.index cimport ASK, Searcher, crowd_find
from timers.spots cimport crowd_at, find_spot, is_crowded, next_at_spot, remove_at_spot
from timers.timerqueue cimport put, take_back
from timers.timerset cimport (
    ATTEMPTS, among_pending, forget_soonest, give_back_boxes, has_boxes, is_equal, note_removal, peek_at, release,
    restless_error, token_of,
)
from timers.tokens cimport timers_drop, timers_keep


cdef enum:
    # How many timers may be passed over by a search that foreign code interrupts, though it gets on.
    STEPS = 1_000_000
    # What a search answers that was interrupted: nothing yet, or that the last token that it asked is equal.
    CHANGED = -1
    FOUND_AND_CHANGED = -2


cdef bint locate(TimerSet self, uint64_t at, uint8_t kind, object token, Spot *spot) except -1:
    cdef size_t steps = 0
    cdef int found
    if not go_to_time(self, at, kind, spot):
        return False
    found = look_for(self, spot, token, None, &steps)
    return found if found >= 0 else locate_again(self, at, kind, token, spot)


cdef bint locate_again(TimerSet self, uint64_t at, uint8_t kind, object token, Spot *spot) except -1:
    """After an interruption. What is asked from here on is noted, in order, and no token asked twice: or who has much
    to ask would never come to an end beside a thread that sets timers."""
    cdef list asked = []
    cdef Py_ssize_t known = 0
    cdef size_t steps = 0
    cdef int attempts = 0
    cdef int found
    while attempts < ATTEMPTS and steps < STEPS + ATTEMPTS * self.queue.count:
        attempts += 1
        if not go_to_time(self, at, kind, spot):
            return False
        found = look_for(self, spot, token, asked, &steps)
        if found == 0:
            return False
        if found == CHANGED:
            if len(asked) > known:
                known, attempts = len(asked), 0
            continue
        if found == FOUND_AND_CHANGED and not (go_to_time(self, at, kind, spot) and is_next(self, spot, asked)):
            # It is gone, or others are before it, and may be equal too.
            asked.pop()
            continue
        match = at_spot(self, spot) if found > 0 else asked[len(asked) - 1]
        # To let go may run foreign code. What follows does not, as the tree has the match, too.
        asked = None
        if go_to_time(self, at, kind, spot) and is_there(self, spot, match):
            return True
        match = None
        asked = []
        known = 0
    raise restless_error()


cdef inline bint go_to_time(TimerSet self, uint64_t at, uint8_t kind, Spot *spot) except -1:
    cdef uint64_t deadline
    if has_boxes(self):
        must_be_whole(<Boxes>self.beside)
    deadline = among_pending(self, at, kind, "at")
    return self.queue.count and deadline >= self.queue.next and go_to(self, deadline, spot)


cdef inline int look_for(TimerSet self, Spot *spot, object token, list asked, size_t *steps) except -3:
    """Find the oldest timer with this very token, or else with an equal one, of which answers `ask`."""
    cdef uint32_t moves
    cdef int64_t position
    cdef Searcher by
    if is_crowded(spot):
        by.root = &self.queue.root
        by.items = NULL
        if has_boxes(self):
            by.items = &(<PyListObject *>(<Boxes>self.beside).blocks).ob_item
        by.serial = serial_of(self)
        by.version, by.begun = &self.queue.version, self.queue.version
        # The crowd has one owner more for a while.
        self.queue.moves += 1
        moves = self.queue.moves
        position = crowd_find(crowd_at(spot), <PyObject *>token, &by)
        if self.queue.version != by.begun or self.queue.moves != moves:
            return CHANGED
        if position != ASK:
            spot.place.position = <size_t>position
            return position >= 0
    elif is_there(self, spot, token):
        return True
    return ask(self, spot, token, asked, steps)


cdef object at_spot(TimerSet self, Spot *spot):
    cdef size_t word
    next_at_spot(&self.queue, spot, &spot.place.position, &word)
    return token_of(self, word)


cdef bint go_to(TimerSet self, uint64_t deadline, Spot *spot) except -1:
    cdef int found = find_spot(&self.queue, deadline, False, spot)
    if found and is_crowded(spot) and not is_ours(self, crowd_at(spot), spot.place.own):
        found = find_spot(&self.queue, deadline, True, spot)
    if found < 0:
        raise MemoryError
    return found


cdef bint is_ours(TimerSet self, Crowd *crowd, bint own) noexcept:
    """Whether this one may make and use the index of a crowd."""
    if crowd is NULL:
        return False
    # Several owners may have it together, whose threads the GIL keeps apart, as long as they have the same boxes.
    return own or not FREE_THREADED and is_index_of(crowd, serial_of(self))


cdef uint64_t serial_of(TimerSet self) noexcept:
    return (<Boxes>self.beside).serial if has_boxes(self) else 0


cdef bint is_there(TimerSet self, Spot *spot, object token) noexcept:
    """Find the oldest timer with this very token, which takes no question."""
    cdef PyObject *candidate
    cdef size_t position = 0
    cdef size_t word
    while next_at_spot(&self.queue, spot, &position, &word):
        candidate = peek_at(self, word)
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


cdef int ask(TimerSet self, Spot *spot, object token, list asked, size_t *steps) except -3:
    """Find the oldest timer with an equal token; CHANGED where the timers changed meanwhile, or FOUND_AND_CHANGED."""
    cdef uint32_t version = self.queue.version
    cdef uint32_t moves = self.queue.moves
    cdef size_t position = 0
    cdef size_t passed = 0
    cdef Py_ssize_t known = 0
    cdef size_t word
    cdef bint same
    while next_at_spot(&self.queue, spot, &position, &word):
        steps[0] += 1
        if asked is None:
            same = is_equal(self, word, token)
        elif was_asked(self, word, asked, &known):
            same = False
        else:
            same = ask_once(self, word, token, asked)
            known = len(asked)
        if self.queue.version != version:
            return FOUND_AND_CHANGED if same and asked is not None else CHANGED
        if self.queue.moves != moves:
            # The same timers in the same order, but elsewhere, or shared.
            go_to(self, spot.deadline, spot)
            moves = self.queue.moves
            position = nth_at_spot(self, spot, passed)
        passed += 1
        if same:
            spot.place.position = position
            return True
        position += 1
    return False


cdef bint was_asked(TimerSet self, size_t word, list asked, Py_ssize_t *known) noexcept:
    """Whether a token is among those that were asked, which are in order: `known` of them are passed by."""
    cdef PyObject *candidate = peek_at(self, word)
    cdef Py_ssize_t place = known[0]
    cdef Py_ssize_t count = len(asked)
    while place < count and (<PyListObject *>asked).ob_item[place] is not candidate:
        place += 1
    known[0] = min(place + 1, count)
    return place < count


cdef bint is_next(TimerSet self, Spot *spot, list asked) noexcept:
    """Whether the last that was asked is there, and all before it were asked."""
    cdef PyObject *last = (<PyListObject *>asked).ob_item[len(asked) - 1]
    cdef size_t position = 0
    cdef Py_ssize_t known = 0
    cdef size_t word
    while next_at_spot(&self.queue, spot, &position, &word):
        if peek_at(self, word) is last:
            return True
        if not was_asked(self, word, asked, &known):
            return False
        position += 1
    return False


cdef bint ask_once(TimerSet self, size_t word, object token, list asked) except -1:
    """As `is_equal`, and note that it was asked. What is noted stays alive."""
    held = token_of(self, word)
    same = is_equal(self, word, token)
    asked.append(held)
    return same


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
    # In every copy of a crowd a timer is as far from the start.
    cdef size_t offset = spot.place.position - crowd.start if crowd is not NULL else 0
    cdef size_t word
    next_at_spot(&self.queue, spot, &spot.place.position, &word)
    # A word in two places, each with a reference, until the old one is gone: no foreign code runs before that.
    timers_keep(word)
    if put(&self.queue, new_at, word) < 0:
        timers_drop(word)
        raise MemoryError
    if (
        (self.queue.moves != moves and find_anew(self, spot, word, crowd is not NULL, offset) < 0)
        or remove_at_spot(&self.queue, spot, &word) < 0
    ):
        word = take_back(&self.queue, new_at)
        forget_soonest(self)
        timers_drop(word)
        raise MemoryError
    timers_drop(word)
    note_removal(self, next)
    return 0


cdef int find_anew(TimerSet self, Spot *spot, size_t word, bint in_crowd, size_t offset) noexcept:
    """Where an insertion may have moved the timers of a spot; -1 without memory."""
    # A bucket may have grown beyond what one timer can be removed from.
    if find_spot(&self.queue, spot.deadline, not in_crowd, spot) < 0:
        return -1
    if in_crowd:
        spot.place.position = crowd_at(spot).start + offset
    else:
        spot.place.position = 0
        go_to_word(self, spot, word)
    return 0


cdef bint go_to_word(TimerSet self, Spot *spot, size_t word) noexcept:
    cdef size_t other
    while next_at_spot(&self.queue, spot, &spot.place.position, &other):
        if other == word:
            return True
        spot.place.position += 1
    return False
