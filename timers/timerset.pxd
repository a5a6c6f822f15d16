# cython: language_level=3
"""Timers whose tokens are Python objects: a queue, and boxes for the tokens that it does not hold itself.

What every face is made of, and what other Cython code may use, on deadlines instead of times (times.pxd has both ways).
Here: what may go wrong, adding, and the whole. What is due is taken by due.pxd, one of many found by search.pxd.

Foreign code (finalisers, `__eq__`, the collector, ...) may call the same timers from within any call. Hence:
  - arguments are converted before the state is read;
  - timers are detached, and the invariants restored, before a token is released;
  - whatever may run foreign code (a comparison, an allocation that starts the collector) is followed by a look at
    `version` and at the `moves` of the queue, and where one has changed, by another attempt. Foreign code also runs
    where the last reference to a token, or to what holds tokens, is let go: so what an attempt has held, a function
    of its own holds, which has returned before that look;
  - what is half done is undone before an exception is raised, as to make one is an allocation;
  - no container is tracked by the collector before it is filled.

Invariants (`check_timers` verifies each by name, with those of the rooms below):
  boxes       as many boxes are in use as there are timers whose word is the number of a box
  keys        of `Deadlines`: the keys of the table are those of the timers, and the numbers of equal times are in the
              order in which they were set
  soonest     the time that is kept is that of `queue.next`
"""

from cpython.object cimport PyObject, PyObject_Hash, PyObject_RichCompareBool, Py_EQ
from cpython.ref cimport Py_DECREF
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from timers.boxes cimport BLOCK, Boxes, peek_in_box, take_from_box
from timers.keeping cimport FIXED, IN_TREE, Keeping, keeping_of
from timers.keys cimport Keys
from timers.timerqueue cimport Queue, put
from timers.tokens cimport box_of, is_boxed, timers_drop, timers_keep

cdef extern from "Python.h":
    void PyObject_GC_Track(PyObject *container) noexcept
    void PyObject_GC_UnTrack(PyObject *container) noexcept

cdef class TimerSet:
    cdef object __weakref__
    # The boxes, where a token needs one; then they have what else lies here, the time of `queue.next`, once it was
    # asked for. (Two attributes would make every notifier larger by 16 bytes.)
    cdef object beside
    cdef Queue queue


# ---- What may go wrong

cdef enum:
    # How often foreign code may change timers in the middle of a call.
    ATTEMPTS = 100

cdef object restless_error()
# RuntimeError, unless a copy in the making is as it was made: what is set in it would be lost.
cdef int must_be_unchanged(TimerSet twin, uint32_t version) except -1
# TypeError, unless a time of `kind` goes with the pending ones; an int that is a float too becomes one among floats.
# Where nothing is pending, that is the kind from now on.
cdef int check_kind(TimerSet self, uint64_t *deadline, uint8_t kind, str name) except -1

# ---- In and out

# Boxes for so many more tokens. May let in foreign code.
cdef int make_boxes(TimerSet self, size_t wanted) except -1
cdef size_t put_boxed(TimerSet self, uint64_t deadline, object token, bint loose, uint64_t hash) noexcept
# The TypeError for an argument, `what`, whose time does not go with the kind that is held.
cdef object mix_error(str what, uint8_t kind, uint8_t held)
# All of an array of deadlines, or none. `own`: nobody else knows the list of the tokens.
cdef int add_many(TimerSet self, const uint64_t *deadlines, list tokens, uint8_t kind, bint own) except -1
# After a token was let go: boxes that are not needed any more. What they still held may let in foreign code.
cdef void give_back_boxes(TimerSet self) noexcept

# ---- The whole

# The time of what is next, which is kept until that is another.
cdef object write_soonest(TimerSet self)
cdef void set_soonest(TimerSet self, object at) noexcept
# All timers in order, as they are at one moment: the deadlines, in the memory of a bytes object, the tokens, the kind.
cdef tuple survey(TimerSet self)
# The first `most` timers: all, or ripened ones.
cdef tuple survey_some(TimerSet self, size_t most)
# Give the empty `twin` the same timers.
cdef int copy_into(TimerSet self, TimerSet twin) except -1
# An empty one, whose tokens are keys or not as those of `self`; to be exchanged with it.
cdef TimerSet fresh_for(TimerSet self)
cdef int make_keyed(TimerSet self) except -1
# Exchange the timers of two.
cdef void exchange(TimerSet self, TimerSet fresh) noexcept
cdef int check_timers(TimerSet self) except -1


cdef inline uint64_t among_pending(TimerSet self, uint64_t deadline, uint8_t kind, str name) except? 0:
    """The deadline as that of a pending timer, if there are some; TypeError where its kind does not go with them."""
    if kind != self.queue.kind and self.queue.count:
        check_kind(self, &deadline, kind, name)
    return deadline


cdef inline bint has_boxes(TimerSet self) noexcept:
    return type(self.beside) is Boxes


cdef inline Boxes boxes_of(TimerSet self):
    """Or None."""
    if has_boxes(self):
        return <Boxes>self.beside
    return None


cdef inline Keys *keys_of(TimerSet self) noexcept:
    """Of one that is keyed."""
    return &(<Boxes>self.beside).keys


cdef inline bint is_keyed(TimerSet self) noexcept:
    return has_boxes(self) and (<Boxes>self.beside).keyed


cdef inline bint has_loose(TimerSet self) noexcept:
    """Whether a deep copy must copy tokens."""
    return has_boxes(self) and (<Boxes>self.beside).loose


cdef inline object soonest_of(TimerSet self):
    """The time of what is next, if it is known."""
    return (<Boxes>self.beside).soonest if has_boxes(self) else self.beside


cdef inline object next_time(TimerSet self):
    """The time of what is next, where there is something."""
    soonest = soonest_of(self)
    return write_soonest(self) if soonest is None else soonest


cdef inline void forget_soonest(TimerSet self) noexcept:
    if self.beside is not None:
        set_soonest(self, None)


cdef inline PyObject *peek_at(TimerSet self, size_t word) noexcept:
    """The token of a word, a borrowed reference."""
    return peek_in_box(<Boxes>self.beside, box_of(word)) if is_boxed(word) else <PyObject *>word


cdef inline object token_of(TimerSet self, size_t word):
    return <object>peek_at(self, word)


cdef inline bint is_equal(TimerSet self, size_t word, object token) except -1:
    """Whether the token of a word equals the given one. Foreign code, to the end, where the first is let go."""
    held = token_of(self, word)
    return held is token or PyObject_RichCompareBool(held, token, Py_EQ)


cdef inline PyObject *taken_token(TimerSet self, size_t word) noexcept:
    """The token of a word that was taken, with the reference."""
    return take_from_box(<Boxes>self.beside, box_of(word)) if is_boxed(word) else <PyObject *>word


cdef inline void release(TimerSet self, size_t word) noexcept:
    """Let go of the token of a word that was taken."""
    Py_DECREF(<object>taken_token(self, word))


cdef inline void note_removal(TimerSet self, uint64_t next) noexcept:
    """After a removal; `next`: the soonest deadline before it."""
    self.queue.version += 1
    if self.queue.next != next:
        forget_soonest(self)


cdef inline uint64_t hash_of(TimerSet self, size_t word) noexcept:
    """The hash of a key, without foreign code: it was asked before, and that of a plain key is of a built-in type."""
    if is_boxed(word):
        return (<Boxes>self.beside).hashes[box_of(word) - BLOCK]
    return <uint64_t>PyObject_Hash(<object><PyObject *>word)


cdef inline size_t put_plain(TimerSet self, uint64_t deadline, size_t word) noexcept:
    timers_keep(word)
    if put(&self.queue, deadline, word) < 0:
        timers_drop(word)
        return 0
    return word


cdef inline size_t put_token(
    TimerSet self, uint64_t deadline, object token, Keeping keeping, uint64_t hash
) noexcept:
    """Add a timer, for whose token there is a box, if it needs one; `hash`: of a key. Its word, or 0 without memory."""
    if keeping == IN_TREE:
        return put_plain(self, deadline, <size_t><PyObject *>token)
    return put_boxed(self, deadline, token, keeping != FIXED, hash)


cdef inline int add(TimerSet self, uint64_t deadline, uint8_t kind, object token, str name) except -1:
    """Add a timer."""
    cdef Keeping keeping = IN_TREE if type(token) is str else keeping_of(token)
    if keeping != IN_TREE:
        make_boxes(self, 1)
    # From here on no foreign code runs.
    return add_as(self, deadline, kind, token, name, keeping)


cdef inline int add_as(
    TimerSet self, uint64_t deadline, uint8_t kind, object token, str name, Keeping keeping
) except -1:
    """Add a timer whose token is kept that way; there must be a box, if it needs one."""
    if kind != self.queue.kind:
        check_kind(self, &deadline, kind, name)
    if deadline < self.queue.next:
        forget_soonest(self)
    if not put_token(self, deadline, token, keeping, 0):
        raise MemoryError
    self.queue.version += 1
    return 0
