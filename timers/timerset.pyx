"""Timers whose tokens are Python objects: see timerset.pxd."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.datetime cimport import_datetime
from cpython.list cimport PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_New
from libc.stdint cimport int32_t, uint32_t

from timers.bits cimport prefetch
from timers.boxes cimport (
    PyListObject, PyTupleObject, are_spent, check_boxes, copy_boxes, empty_boxes, make_room, must_be_whole, put_in_box,
    trim_boxes,
)
from timers.bucket cimport Timer
from timers.keeping cimport lies_in_tree_surely
from timers.keys cimport Entry, check_keys, entry_of, fold
from timers.timerqueue cimport check_queue, clear_queue, copy_queue, init_queue, put, read_queue, take_back
from timers.times cimport FLOAT, INT, NAIVE, turn_to_float, write_time
from timers.tokens cimport boxed, is_boxed, timers_drop, timers_keep

import_datetime()

cdef enum:
    # Tokens lie anywhere in memory: so far ahead they are asked for.
    AHEAD = 8
    # Among more timers may be a crowd with an index (index.pxd), which holds for these boxes.
    FEW = 128


# What a finaliser sees of a cycle that goes is whole: the list of the boxes is all that must be cleared.
@cython.no_gc_clear
@cython.auto_pickle(False)
cdef class TimerSet:
    # Without parameters it takes any arguments, and costs nothing for them.
    def __cinit__(self):
        init_queue(&self.queue)

    def __dealloc__(self):
        clear_queue(&self.queue)


# ---- what may go wrong

cdef object restless_error():
    return RuntimeError("the timers are changed again and again while this call looks at them")


cdef object half_made_error():
    return RuntimeError("a copy is changed while it is made")


cdef int must_be_unchanged(TimerSet twin, uint32_t version) except -1:
    if twin.queue.version != version:
        raise half_made_error()
    return 0


cdef str name_of(uint8_t kind):
    return ("an aware datetime", "a naive datetime", "a float", "an int")[kind]


cdef object mix_error(str what, uint8_t kind, uint8_t held):
    message = f"{what} is {name_of(kind)}, and the other timers are at {name_of(held).partition(' ')[2]}s"
    if max(kind, held) <= NAIVE:
        message += ": can't compare offset-naive and offset-aware datetimes"
    elif kind == INT and held == FLOAT:
        message += ": no float equals it"
    return TypeError(message)


cdef int check_kind(TimerSet self, uint64_t *deadline, uint8_t kind, str name) except -1:
    cdef uint8_t held = self.queue.kind
    if not self.queue.count:
        self.queue.kind = kind
    elif kind != held and not (held == FLOAT and kind == INT and turn_to_float(deadline)):
        raise mix_error(name, kind, held)
    return 0


# ---- in

cdef int make_boxes(TimerSet self, size_t wanted) except -1:
    for _ in range(ATTEMPTS):
        if has_boxes(self):
            must_be_whole(<Boxes>self.beside)
            if (<Boxes>self.beside).ready >= wanted:
                return 0
        make_some(self, wanted)
    raise restless_error()


cdef int make_some(TimerSet self, size_t wanted) except -1:
    if has_boxes(self):
        make_room(<Boxes>self.beside, wanted)
        return 0
    boxes = Boxes.__new__(Boxes)
    # Making them may have let foreign code in, with a token of its own.
    if not has_boxes(self):
        take_boxes(self, boxes)
    return 0


cdef void take_boxes(TimerSet self, Boxes boxes) noexcept:
    """Of one that has none yet."""
    boxes.soonest = self.beside
    self.beside = boxes


cdef size_t put_boxed(TimerSet self, uint64_t deadline, object token, bint loose, uint64_t hash) noexcept:
    cdef size_t box = put_in_box(<Boxes>self.beside, token, loose, hash)
    if put(&self.queue, deadline, boxed(box)) < 0:
        # The caller has another reference.
        Py_DECREF(<object>take_from_box(<Boxes>self.beside, box))
        return 0
    return boxed(box)


cdef int add_many(TimerSet self, const uint64_t *deadlines, list tokens, uint8_t kind, bint own) except -1:
    cdef Py_ssize_t count = len(tokens)
    # How each is kept; NULL: all in the tree.
    cdef uint8_t *keepings = NULL
    check_kinds(self, deadlines, count, kind)
    if keep_plain(tokens):
        if put_all(self, deadlines, tokens, kind, NULL) < 0:
            raise MemoryError
        return 0
    if not own:
        # Foreign code may come in below, and change the list.
        tokens = list(tokens)
        if len(tokens) != count:
            raise RuntimeError("tokens must keep its length while it is read")
    keepings = <uint8_t *>PyMem_Malloc(count)
    if keepings is NULL:
        raise MemoryError
    try:
        make_boxes(self, count_boxed(tokens, keepings))
        # From here on no foreign code runs.
        check_kinds(self, deadlines, count, kind)
        if put_all(self, deadlines, tokens, kind, keepings) < 0:
            raise MemoryError
    finally:
        PyMem_Free(keepings)
    return 0


cdef int check_kinds(TimerSet self, const uint64_t *deadlines, Py_ssize_t count, uint8_t kind) except -1:
    cdef Py_ssize_t index = 0
    cdef uint64_t deadline
    while index < count and kind != self.queue.kind:
        deadline = deadlines[index]
        check_kind(self, &deadline, kind, "ats")
        index += 1
    return 0


cdef int put_all(
    TimerSet self, const uint64_t *deadlines, list tokens, uint8_t kind, const uint8_t *keepings
) noexcept:
    """Add timers whose kind goes with the pending ones, all or none; -1 without memory.

    Without `keepings`, the references are those that `keep_plain` took.
    """
    cdef PyObject **items = (<PyListObject *>tokens).ob_item
    cdef uint64_t next = self.queue.next
    cdef Py_ssize_t count = PyList_GET_SIZE(tokens)
    cdef Py_ssize_t done = 0
    cdef uint64_t deadline
    while done < count:
        deadline = held_deadline(self, deadlines[done], kind)
        if keepings is NULL:
            if put(&self.queue, deadline, <size_t>items[done]) < 0:
                break
        else:
            if done + AHEAD < count:
                prefetch(items[done + AHEAD])
            if not put_token(self, deadline, <object>items[done], <Keeping>keepings[done], 0):
                break
        done += 1
    if self.queue.next != next:
        forget_soonest(self)
    if done == count:
        self.queue.version += count
        return 0
    # The list keeps the tokens alive: no finaliser runs.
    if keepings is NULL:
        drop_plain(tokens, done, count)
    while done:
        done -= 1
        release(self, take_back(&self.queue, held_deadline(self, deadlines[done], kind)))
    return -1


cdef inline uint64_t held_deadline(TimerSet self, uint64_t deadline, uint8_t kind) noexcept:
    """As that of a pending timer, where it is known to be one."""
    if kind != self.queue.kind:
        turn_to_float(&deadline)
    return deadline


cdef bint keep_plain(list tokens) noexcept:
    """Whether all tokens lie in the tree itself; then with a reference of each."""
    cdef PyObject **items = (<PyListObject *>tokens).ob_item
    cdef Py_ssize_t count = PyList_GET_SIZE(tokens)
    cdef Py_ssize_t index
    for index in range(count):
        if index + AHEAD < count:
            prefetch(items[index + AHEAD])
        if type(<object>items[index]) is not str and not lies_in_tree_surely(<object>items[index]):
            drop_plain(tokens, 0, index)
            return False
        timers_keep(<size_t>items[index])
    return True


cdef void drop_plain(list tokens, Py_ssize_t begin, Py_ssize_t end) noexcept:
    """Let go of such references."""
    cdef Py_ssize_t index
    for index in range(begin, end):
        timers_drop(<size_t>(<PyListObject *>tokens).ob_item[index])


cdef size_t count_boxed(list tokens, uint8_t *keepings) noexcept:
    cdef size_t count = 0
    cdef Py_ssize_t index
    for index in range(PyList_GET_SIZE(tokens)):
        token = tokens[index]
        keepings[index] = IN_TREE if type(token) is str else keeping_of(token)
        count += keepings[index] != IN_TREE
    return count


# ---- out

cdef void give_back_boxes(TimerSet self) noexcept:
    cdef Boxes boxes = boxes_of(self)
    if boxes is None:
        return
    if not are_spent(boxes):
        trim_boxes(boxes)
    elif not boxes.keyed and self.queue.count <= FEW:
        self.beside = boxes.soonest
    elif boxes.count > 1:
        empty_boxes(boxes)


# ---- the whole

cdef object write_soonest(TimerSet self):
    cdef uint32_t version = self.queue.version
    at = write_time(self.queue.next, self.queue.kind)
    # Making it may have let in foreign code.
    if self.queue.version == version:
        set_soonest(self, at)
    return at


cdef void set_soonest(TimerSet self, object at) noexcept:
    if has_boxes(self):
        (<Boxes>self.beside).soonest = at
    else:
        self.beside = at


cdef tuple survey(TimerSet self):
    return survey_some(self, <size_t>-1)


cdef tuple survey_some(TimerSet self, size_t most):
    cdef size_t count, index
    cdef uint32_t version
    cdef uint8_t kind
    cdef bytes deadlines
    cdef tuple tokens
    cdef Timer *timers
    cdef PyObject *token
    for _ in range(ATTEMPTS):
        version = self.queue.version
        count = min(self.queue.count, most)
        # A tuple that is not yet filled is nobody's business.
        tokens = PyTuple_New(count)
        PyObject_GC_UnTrack(<PyObject *>tokens)
        deadlines = PyBytes_FromStringAndSize(NULL, count * sizeof(uint64_t))
        if self.queue.version == version:
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
        token = peek_at(self, timers[index].word)
        Py_INCREF(<object>token)
        (<PyTupleObject *>tokens).ob_item[index] = token
    PyMem_Free(timers)
    if count:
        PyObject_GC_Track(<PyObject *>tokens)
    return deadlines, tokens, kind


cdef int copy_into(TimerSet self, TimerSet twin) except -1:
    for _ in range(ATTEMPTS):
        if try_to_copy(self, twin):
            return 0
    raise restless_error()


cdef bint try_to_copy(TimerSet self, TimerSet twin) except -1:
    cdef Boxes held = boxes_of(self)
    cdef Boxes boxes = None if held is None else copy_boxes(held)
    if boxes_of(self) is not held:
        # Foreign code has exchanged all timers, boxes and all.
        return False
    # Since the boxes were copied, no foreign code has run. A collection may have shown the twin around.
    if twin.queue.count:
        raise half_made_error()
    if copy_queue(&self.queue, &twin.queue) < 0:
        raise MemoryError
    twin.queue.kind = self.queue.kind
    if held is None:
        forget_soonest(twin)
    else:
        twin.beside = boxes
    twin.queue.version += 1
    return True


cdef TimerSet fresh_for(TimerSet self):
    fresh = TimerSet.__new__(TimerSet)
    if is_keyed(self):
        make_keyed(fresh)
    return fresh


cdef int make_keyed(TimerSet self) except -1:
    cdef Boxes boxes = Boxes.__new__(Boxes)
    boxes.keyed = True
    # Making them may have let foreign code in, which has handed over others.
    if not has_boxes(self):
        take_boxes(self, boxes)
    return 0


cdef void exchange(TimerSet self, TimerSet fresh) noexcept:
    cdef uint32_t version = self.queue.version + 1
    cdef uint32_t moves = self.queue.moves + 1
    self.queue, fresh.queue = fresh.queue, self.queue
    self.queue.version = version
    self.queue.moves = moves
    beside = self.beside
    self.beside = fresh.beside
    fresh.beside = beside


cdef int check_timers(TimerSet self) except -1:
    cdef const char *broken = check_queue(&self.queue)
    cdef Boxes boxes = boxes_of(self)
    cdef size_t held = boxes.used if boxes is not None else 0
    cdef size_t boxed_words = 0
    cdef size_t unknown = 0
    cdef size_t disordered = 0
    cdef size_t index
    cdef Timer *timers
    cdef Entry *entry
    cdef Entry *older = NULL
    assert broken is NULL, (<bytes>broken).decode()
    timers = <Timer *>PyMem_Malloc(max(self.queue.count, <size_t>1) * sizeof(Timer))
    if timers is NULL or read_queue(&self.queue, self.queue.count, timers) < 0:
        PyMem_Free(timers)
        raise MemoryError
    for index in range(self.queue.count):
        boxed_words += is_boxed(timers[index].word)
        if is_keyed(self):
            entry = entry_of(keys_of(self), fold(hash_of(self, timers[index].word)), &timers[index])
            unknown += entry is NULL
            if entry is not NULL and older is not NULL and entry.deadline == older.deadline:
                disordered += <int32_t>(entry.number - older.number) <= 0
            older = entry
    PyMem_Free(timers)
    if is_keyed(self):
        broken = check_keys(keys_of(self))
        assert broken is NULL, (<bytes>broken).decode()
        assert not unknown and boxes.keys.count == self.queue.count, "keys: they are not those of the timers"
        assert not disordered, "keys: the numbers of equal times are not in the order in which they were set"
    if boxes is not None:
        check_boxes(boxes)
    assert held == boxed_words, "boxes: more or fewer are in use than timers need"
    soonest = soonest_of(self)
    if soonest is not None:
        assert soonest == write_time(self.queue.next, self.queue.kind), "soonest: not the time of what is next"
    return 0
