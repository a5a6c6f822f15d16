"""Timers whose tokens are Python objects: see timerset.pxd."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.datetime cimport import_datetime
from cpython.list cimport PyList_GET_SIZE, PyList_New
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject_Hash, PyObject_RichCompareBool, Py_EQ
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_New
from libc.stdint cimport int64_t, uint32_t

from timers.bits cimport FREE_THREADED, prefetch
from timers.boxes cimport (
    BLOCK, PyListObject, PyTupleObject, are_spent, check_boxes, copy_boxes, empty_boxes, make_room, put_in_box,
    take_from_box,
)
from timers.crowd cimport ASK, Crowd, crowd_find
from timers.keys cimport Keys, check_keys, entry_at, has_key, home_of, own_run, place_of, remove_key, shrink
from timers.timerqueue cimport (
    Due, Spot, check_queue, clear_queue, copy_queue, count_ready, crowd_at, find_spot, init_queue, is_crowded,
    next_at_spot, read_queue, remove_at_spot, ripen_queue, take_back, take_due, take_ready,
)
from timers.times cimport FLOAT, INT, NAIVE, turn_to_float, write_time

cdef extern from "Python.h":
    void PyObject_GC_Track(PyObject *container) noexcept
    void PyObject_GC_UnTrack(PyObject *container) noexcept

import_datetime()


# What a finaliser sees of a cycle that goes is whole: the list of the boxes is all that must be cleared.
@cython.no_gc_clear
@cython.auto_pickle(False)
cdef class TimerSet:
    def __cinit__(self, *arguments, **named):
        init_queue(&self.queue)

    def __dealloc__(self):
        clear_queue(&self.queue)


cdef enum:
    # How far ahead the entries of keys are asked for.
    AHEAD = 8


# ---- what may go wrong

cdef object restless_error():
    return RuntimeError("the timers are changed again and again from inside this call")


cdef str name_of(uint8_t kind):
    return ("an aware datetime", "a naive datetime", "a float", "an int")[kind]


cdef object mix_error(str what, uint8_t kind, str others, uint8_t held):
    message = f"{what} is {name_of(kind)}, and {others} {name_of(held).partition(' ')[2]}s"
    if max(kind, held) <= NAIVE:
        message += ": can't compare offset-naive and offset-aware datetimes"
    return TypeError(message)


cdef int check_kind(TimerSet self, uint64_t *deadline, uint8_t kind, str name) except -1:
    cdef uint8_t held = self.queue.kind
    if not self.queue.count:
        self.queue.kind = kind
    elif kind != held and not (held == FLOAT and kind == INT and turn_to_float(deadline)):
        raise mix_error(name, kind, "the pending timers are at", held)
    return 0


# ---- in

cdef int make_boxes(TimerSet self, size_t wanted) except -1:
    cdef Boxes boxes
    for _ in range(ATTEMPTS):
        if self.boxes is None:
            boxes = Boxes.__new__(Boxes)
            # Making them may have let foreign code in, with a token of its own.
            if self.boxes is None:
                self.boxes = boxes
        boxes = self.boxes
        if boxes.ready >= wanted:
            return 0
        # This too: once more, to see whether it is still so.
        make_room(boxes, wanted)
    raise restless_error()


cdef size_t add_boxed(TimerSet self, uint64_t deadline, object token, bint loose, uint64_t hash) except 0:
    cdef size_t box = put_in_box(self.boxes, token, loose, hash)
    if put(&self.queue, deadline, boxed(box)) < 0:
        # The caller has another reference.
        Py_DECREF(<object>take_from_box(self.boxes, box))
        raise MemoryError
    return boxed(box)


cdef int add_many(TimerSet self, const uint64_t *deadlines, list tokens, uint8_t kind) except -1:
    cdef Py_ssize_t count = len(tokens)
    cdef Py_ssize_t done = 0
    cdef uint64_t deadline
    # How each is kept; NULL: all in the tree.
    cdef uint8_t *keepings = NULL
    if not are_plain(tokens):
        keepings = <uint8_t *>PyMem_Malloc(count)
        if keepings is NULL:
            raise MemoryError
    try:
        if keepings is not NULL:
            make_boxes(self, count_boxed(tokens, keepings))
        # From here on no foreign code runs.
        while done < count:
            add_as(
                self, deadlines[done], kind, tokens[done], "ats",
                IN_TREE if keepings is NULL else <Keeping>keepings[done],
            )
            done += 1
    except BaseException:
        self.soonest = None
        while done:
            done -= 1
            deadline = deadlines[done]
            check_kind(self, &deadline, kind, "ats")
            # The list keeps the tokens alive: no finaliser runs.
            release(self, take_back(&self.queue, deadline))
        raise
    finally:
        PyMem_Free(keepings)
    return 0


cdef bint are_plain(list tokens) noexcept:
    for token in tokens:
        if type(token) is not str and keeping_of(token) != IN_TREE:
            return False
    return True


cdef size_t count_boxed(list tokens, uint8_t *keepings) noexcept:
    cdef size_t count = 0
    cdef Py_ssize_t index
    for index in range(PyList_GET_SIZE(tokens)):
        token = tokens[index]
        keepings[index] = IN_TREE if type(token) is str else keeping_of(token)
        count += keepings[index] != IN_TREE
    return count


# ---- out

cdef inline PyObject *taken_token(TimerSet self, size_t word) noexcept:
    """The token of a word that was taken, with the reference."""
    return take_from_box(self.boxes, box_of(word)) if is_boxed(word) else <PyObject *>word


cdef void release(TimerSet self, size_t word) noexcept:
    Py_DECREF(<object>taken_token(self, word))


cdef void give_back_boxes(TimerSet self) noexcept:
    cdef Boxes boxes = self.boxes
    if boxes is not None and are_spent(boxes):
        if boxes.keyed:
            empty_boxes(boxes)
        else:
            self.boxes = None


cdef inline bint is_due(TimerSet self, uint64_t deadline, size_t most) noexcept:
    return self.queue.count and deadline >= self.queue.next and most


cdef void note_removal(TimerSet self, uint64_t next) noexcept:
    self.version += 1
    if self.queue.next != next:
        self.soonest = None


cdef list take(TimerSet self, uint64_t now, uint8_t kind, size_t most):
    cdef uint64_t deadline = now
    cdef Due due
    cdef uint32_t ready
    cdef uint64_t version, next
    cdef uint32_t moves
    cdef size_t count, index
    cdef list taken
    cdef size_t *words
    cdef bint keyed
    for _ in range(ATTEMPTS):
        if kind != self.queue.kind and self.queue.count:
            deadline = now
            check_kind(self, &deadline, kind, "now")
        if not is_due(self, deadline, most):
            return []
        keyed = is_keyed(self)
        ready = 0 if keyed and self.boxes.keys.shared else count_ready(&self.queue, deadline, most)
        count = ready
        if not ready:
            if ripen_queue(&self.queue, deadline, most, &due) < 0:
                raise MemoryError
            count = due.count
        version = self.version
        moves = self.queue.moves
        next = self.queue.next
        taken = PyList_New(count)
        PyObject_GC_UnTrack(<PyObject *>taken)
        if self.version != version or self.queue.moves != moves:
            continue
        words = <size_t *>(<PyListObject *>taken).ob_item
        if keyed:
            own_keys(self, count)
        if ready:
            take_ready(&self.queue, ready, words)
        elif take_due(&self.queue, &due, words, NULL) < 0:
            raise MemoryError
        if keyed:
            forget_keys(self, count, words)
        if self.boxes is not None:
            for index in range(count):
                words[index] = <size_t>taken_token(self, words[index])
        note_removal(self, next)
        PyObject_GC_Track(<PyObject *>taken)
        give_back_boxes(self)
        return taken
    raise restless_error()


cdef list take_items(TimerSet self, uint64_t now, uint8_t kind, size_t most):
    cdef uint64_t deadline = now
    cdef Due due
    cdef uint64_t version, next
    cdef uint32_t moves
    cdef size_t index
    cdef tuple tokens
    cdef bytes deadlines
    cdef list taken
    cdef size_t *words
    cdef uint8_t held
    cdef bint keyed
    for _ in range(ATTEMPTS):
        if kind != self.queue.kind and self.queue.count:
            deadline = now
            check_kind(self, &deadline, kind, "now")
        if not is_due(self, deadline, most):
            return []
        if ripen_queue(&self.queue, deadline, most, &due) < 0:
            raise MemoryError
        version = self.version
        moves = self.queue.moves
        next = self.queue.next
        deadlines, tokens, held = survey_some(self, due.count)
        if self.version != version or self.queue.moves != moves:
            continue
        keyed = is_keyed(self)
        taken = pairs_of(deadlines, tokens, held, keyed)
        words = <size_t *>PyMem_Malloc(due.count * sizeof(size_t))
        if words is NULL:
            raise MemoryError
        if self.version != version or self.queue.moves != moves:
            PyMem_Free(words)
            continue
        if keyed:
            try:
                own_keys(self, due.count)
            except MemoryError:
                PyMem_Free(words)
                raise
        if take_due(&self.queue, &due, words, NULL) < 0:
            PyMem_Free(words)
            raise MemoryError
        if keyed:
            forget_keys(self, due.count, words)
        note_removal(self, next)
        # The pairs keep them alive: no finaliser runs.
        for index in range(due.count):
            release(self, words[index])
        PyMem_Free(words)
        give_back_boxes(self)
        return taken
    raise restless_error()


cdef list pairs_of(bytes deadlines, tuple tokens, uint8_t kind, bint keyed):
    cdef list pairs = []
    cdef Py_ssize_t index
    for index in range(len(tokens)):
        at = write_time((<const uint64_t *>PyBytes_AS_STRING(deadlines))[index], kind)
        pairs.append((tokens[index], at) if keyed else (at, tokens[index]))
    return pairs


# ---- keys

cdef inline uint64_t hash_of(TimerSet self, size_t word) noexcept:
    """The hash of a key, without foreign code: it was asked before, and that of a plain key is of a built-in type."""
    return self.boxes.hashes[box_of(word) - BLOCK] if is_boxed(word) else <uint64_t>PyObject_Hash(<object><PyObject *>word)


cdef int own_keys(TimerSet self, size_t count) except -1:
    """Before the first `count` timers, which are ripe, are taken: what of the table they change becomes its own."""
    cdef Keys *keys = &self.boxes.keys
    cdef Timer *timers
    cdef size_t index
    cdef int failed
    if not keys.shared:
        return 0
    timers = <Timer *>PyMem_Malloc(count * sizeof(Timer))
    failed = -1 if timers is NULL else read_queue(&self.queue, count, timers)
    for index in range(count):
        if failed < 0:
            break
        failed = own_run(keys, place_of(keys, hash_of(self, timers[index].word), timers[index].word))
    PyMem_Free(timers)
    if failed < 0:
        raise MemoryError
    return 0


cdef void forget_keys(TimerSet self, size_t count, const size_t *words) noexcept:
    """Remove the keys of words that were taken, which lie anywhere: their memory is asked for ahead."""
    cdef Keys *keys = &self.boxes.keys
    cdef uint64_t hashes[AHEAD]
    cdef uint64_t *hash
    cdef size_t index
    for index in range(count + AHEAD):
        hash = &hashes[index % AHEAD]
        if index >= AHEAD:
            remove_key(keys, place_of(keys, hash[0], words[index - AHEAD]))
        if index < count:
            if index + AHEAD < count and not is_boxed(words[index + AHEAD]):
                prefetch(<void *>words[index + AHEAD])
            hash[0] = hash_of(self, words[index])
            prefetch(entry_at(keys, home_of(keys, hash[0])))
    shrink(keys)


# ---- one of many

cdef bint locate(TimerSet self, uint64_t at, uint8_t kind, object token, Spot *spot) except -1:
    cdef uint64_t deadline = at
    cdef int found
    cdef int64_t position
    for _ in range(ATTEMPTS):
        if kind != self.queue.kind and self.queue.count:
            deadline = at
            check_kind(self, &deadline, kind, "at")
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
    cdef size_t position = 0
    cdef size_t word
    while next_at_spot(&self.queue, spot, &position, &word):
        if (peek_in_box(self.boxes, box_of(word)) if is_boxed(word) else <PyObject *>word) is <PyObject *>token:
            spot.place.position = position
            return True
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
    cdef uint64_t deadline
    # Refused also where there is no such timer.
    if self.queue.count:
        deadline = new_at
        check_kind(self, &deadline, new_kind, "new_at")
    if not locate(self, at, kind, token, &spot):
        return False
    next_at_spot(&self.queue, &spot, &spot.place.position, &word)
    deadline = new_at
    check_kind(self, &deadline, new_kind, "new_at")
    shift(self, &spot, token_of(self, word), deadline)
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


# ---- the whole

cdef tuple survey(TimerSet self):
    return survey_some(self, <size_t>-1)


cdef tuple survey_some(TimerSet self, size_t most):
    """The first `most` timers: all, or ripened ones."""
    cdef size_t count, index
    cdef uint64_t version
    cdef uint8_t kind
    cdef bytes deadlines
    cdef tuple tokens
    cdef Timer *timers
    cdef PyObject *token
    for _ in range(ATTEMPTS):
        version = self.version
        count = min(self.queue.count, most)
        # A tuple that is not yet filled is nobody's business.
        tokens = PyTuple_New(count)
        PyObject_GC_UnTrack(<PyObject *>tokens)
        deadlines = PyBytes_FromStringAndSize(NULL, count * sizeof(uint64_t))
        if self.version == version:
            break
    else:
        raise restless_error()
    timers = <Timer *>PyMem_Malloc(max(count, <size_t>1) * sizeof(Timer))
    if timers is NULL:
        raise MemoryError
    if read_queue(&self.queue, count, timers) < 0:
        PyMem_Free(timers)
        raise MemoryError
    kind = self.queue.kind
    for index in range(count):
        (<uint64_t *>PyBytes_AS_STRING(deadlines))[index] = timers[index].deadline
        token = (peek_in_box(self.boxes, box_of(timers[index].word)) if is_boxed(timers[index].word)
                 else <PyObject *>timers[index].word)
        Py_INCREF(<object>token)
        (<PyTupleObject *>tokens).ob_item[index] = token
    PyMem_Free(timers)
    if count:
        PyObject_GC_Track(<PyObject *>tokens)
    return deadlines, tokens, kind


cdef int copy_into(TimerSet self, TimerSet twin) except -1:
    cdef Boxes boxes = None
    if self.boxes is not None:
        boxes = copy_boxes(self.boxes)
    # Since the boxes were copied, no foreign code has run.
    if copy_queue(&self.queue, &twin.queue) < 0:
        raise MemoryError
    twin.queue.kind = self.queue.kind
    twin.boxes = boxes
    twin.version += 1
    return 0


cdef TimerSet fresh_for(TimerSet self):
    fresh = TimerSet.__new__(TimerSet)
    if is_keyed(self):
        make_keyed(fresh)
    return fresh


cdef int make_keyed(TimerSet self) except -1:
    self.boxes = Boxes.__new__(Boxes)
    self.boxes.keyed = True
    return 0


cdef void exchange(TimerSet self, TimerSet fresh) noexcept:
    cdef uint32_t moves = self.queue.moves + 1
    self.queue, fresh.queue = fresh.queue, self.queue
    self.queue.moves = moves
    boxes = self.boxes
    self.boxes = fresh.boxes
    fresh.boxes = boxes
    self.soonest = None
    self.version += 1


cdef int check_timers(TimerSet self) except -1:
    cdef const char *broken = check_queue(&self.queue)
    cdef Boxes boxes = self.boxes
    cdef size_t held = boxes.used if boxes is not None else 0
    cdef size_t boxed_words = 0
    cdef size_t unknown = 0
    cdef size_t index
    cdef Timer *timers
    assert broken is NULL, (<bytes>broken).decode()
    timers = <Timer *>PyMem_Malloc(max(self.queue.count, <size_t>1) * sizeof(Timer))
    if timers is NULL or read_queue(&self.queue, self.queue.count, timers) < 0:
        PyMem_Free(timers)
        raise MemoryError
    for index in range(self.queue.count):
        boxed_words += is_boxed(timers[index].word)
        if is_keyed(self) and not has_key(&self.boxes.keys, hash_of(self, timers[index].word), &timers[index]):
            unknown += 1
    PyMem_Free(timers)
    if is_keyed(self):
        broken = check_keys(&self.boxes.keys)
        assert broken is NULL, (<bytes>broken).decode()
        assert not unknown and self.boxes.keys.count == self.queue.count, "keys: they are not those of the timers"
    if boxes is not None:
        check_boxes(boxes)
    assert held == boxed_words, "boxes: more or fewer are in use than timers need"
    soonest = self.soonest
    if soonest is not None:
        assert soonest == write_time(self.queue.next, self.queue.kind), "soonest: not the time of what is next"
    return 0
