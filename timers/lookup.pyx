"""The entry of a key: see lookup.pxd."""

from cpython.object cimport PyObject_RichCompareBool, Py_EQ
from libc.stdint cimport uint32_t

from timers.boxes cimport Boxes, must_be_whole
from timers.keys cimport Entry, Keys, after, entry_at, fold, home_of
from timers.timerset cimport ATTEMPTS, is_equal, keys_of, restless_error, token_of

cdef enum:
    # The keys changed while one was asked.
    CHANGED = -1


cdef bint find_key(TimerSet self, object key, uint64_t hash, size_t *place, list asked) except -1:
    must_be_made(self)
    cdef int found
    if asked is None:
        # By itself: inlined, it has no list to look into.
        found = look_for(self, key, fold(hash), place, None)
    else:
        found = look_for(self, key, fold(hash), place, asked)
    return found if found >= 0 else find_key_again(self, key, fold(hash), place)


cdef bint find_key_again(TimerSet self, object key, uint32_t folded, size_t *place) except -1:
    """After an interruption. No key is asked twice: or one whose `==` lets other threads go on would never be found."""
    cdef list asked = []
    cdef Py_ssize_t known = 0
    cdef Py_ssize_t most = 2 * (ATTEMPTS + <Py_ssize_t>self.queue.count)
    cdef int attempts = 0
    cdef int found
    cdef uint32_t version
    while attempts < ATTEMPTS and len(asked) < most:
        attempts += 1
        must_be_whole(<Boxes>self.beside)
        found = look_for(self, key, folded, place, asked)
        if found < 0:
            if len(asked) > known:
                known, attempts = len(asked), 0
            continue
        version = self.queue.version
        # To let go of those that were asked may run foreign code.
        asked = []
        known = 0
        if self.queue.version == version:
            return found
    raise restless_error()


cdef inline int look_for(TimerSet self, object key, uint32_t folded, size_t *place, list asked) except -2:
    """1 and the entry of a key, 0 and a free place, or CHANGED."""
    cdef Keys *keys = keys_of(self)
    cdef uint32_t version = self.queue.version
    cdef Entry *entry
    cdef int same
    if keys.shelves is NULL:
        place[0] = 0
        return 0
    place[0] = home_of(keys, folded)
    while True:
        entry = entry_at(keys, place[0])
        if not entry.word:
            return 0
        if entry.hash == folded:
            same = is_equal(self, entry.word, key) if asked is None else ask(self, entry.word, key, asked)
            if self.queue.version != version:
                return CHANGED
            if same:
                return 1
        place[0] = after(keys, place[0])


cdef bint ask(TimerSet self, size_t word, object key, list asked) except -1:
    cdef Py_ssize_t index
    cdef bint same
    held = token_of(self, word)
    for index in range(0, len(asked), 2):
        if asked[index] is held:
            return asked[index + 1]
    same = PyObject_RichCompareBool(held, key, Py_EQ)
    asked.append(held)
    asked.append(same)
    return same
