"""Taking what is due: see due.pxd."""

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.datetime cimport import_datetime
from cpython.list cimport PyList_New
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint32_t

from timers.bits cimport FREE_THREADED, prefetch
from timers.boxes cimport PyListObject, PyTupleObject, new_tuple
from timers.bucket cimport Chunk, Timer
from timers.keys cimport Keys, fold, own_run, place_of, prefetch_entry, remove_key, shrink
from timers.timerqueue cimport Due, count_ready, read_queue, ripen_queue, take_due, take_ready
from timers.times cimport write_time
from timers.timerset cimport (
    ATTEMPTS, PyObject_GC_Track, PyObject_GC_UnTrack, among_pending, give_back_boxes, has_boxes, hash_of, is_keyed,
    keys_of, note_removal, release, restless_error, survey_some, taken_token,
)
from timers.tokens cimport is_boxed
from timers.wheel cimport as_bucket, is_crowd

import_datetime()

cdef enum:
    # How far ahead the entries of keys are asked for.
    AHEAD = 8


cdef inline bint is_due(TimerSet self, uint64_t deadline, size_t most) noexcept:
    return self.queue.count and deadline >= self.queue.next and most


cdef list take(TimerSet self, uint64_t now, uint8_t kind, size_t most):
    cdef uint64_t deadline
    cdef Due due
    cdef size_t ready
    cdef uint32_t version
    cdef uint64_t next
    cdef uint32_t moves
    cdef size_t count, index
    cdef list taken
    cdef size_t *words
    cdef bint keyed, hidden
    for _ in range(ATTEMPTS):
        deadline = among_pending(self, now, kind, "now")
        if not is_due(self, deadline, most):
            return []
        keyed = is_keyed(self)
        ready = count_ready(&self.queue, deadline, most)
        count = ready
        if not ready:
            if ripen_queue(&self.queue, deadline, most, &due) < 0:
                raise MemoryError
            count = due.count
        version = self.queue.version
        moves = self.queue.moves
        next = self.queue.next
        taken = PyList_New(count)
        # Where neither memory nor another thread comes in between, it is filled before anybody looks.
        hidden = FREE_THREADED or not ready or (keyed and keys_of(self).shared)
        if hidden:
            PyObject_GC_UnTrack(<PyObject *>taken)
        if self.queue.version != version or self.queue.moves != moves:
            taken = None
            continue
        words = <size_t *>(<PyListObject *>taken).ob_item
        if keyed:
            own_keys(self, count, as_bucket(self.queue.ready) if ready and not is_crowd(self.queue.ready) else NULL)
        if ready:
            take_ready(&self.queue, ready, words)
        elif take_due(&self.queue, &due, words, NULL) < 0:
            raise MemoryError
        if keyed:
            forget_keys(self, count, words)
        if has_boxes(self):
            for index in range(count):
                words[index] = <size_t>taken_token(self, words[index])
        note_removal(self, next)
        if hidden:
            PyObject_GC_Track(<PyObject *>taken)
        give_back_boxes(self)
        return taken
    raise restless_error()


cdef list take_items(TimerSet self, uint64_t now, uint8_t kind, size_t most):
    cdef uint64_t deadline
    cdef Due due
    cdef uint32_t version
    cdef uint64_t next
    cdef uint32_t moves
    cdef size_t index
    cdef tuple tokens
    cdef bytes deadlines
    cdef list taken
    cdef size_t *words
    cdef uint8_t held
    cdef bint keyed
    for _ in range(ATTEMPTS):
        deadline = now if kind == ANY_KIND else among_pending(self, now, kind, "now")
        if not is_due(self, deadline, most):
            return []
        if ripen_queue(&self.queue, deadline, most, &due) < 0:
            raise MemoryError
        version = self.queue.version
        moves = self.queue.moves
        next = self.queue.next
        deadlines, tokens, held = survey_some(self, due.count)
        if self.queue.version != version or self.queue.moves != moves:
            continue
        keyed = is_keyed(self)
        taken = pairs_of(deadlines, tokens, held, keyed)
        words = <size_t *>PyMem_Malloc(due.count * sizeof(size_t))
        if words is NULL:
            raise MemoryError
        if self.queue.version != version or self.queue.moves != moves:
            PyMem_Free(words)
            continue
        if keyed:
            try:
                own_keys(self, due.count, NULL)
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
    cdef tuple pair
    cdef Py_ssize_t index
    for index in range(len(tokens)):
        at = write_time((<const uint64_t *>PyBytes_AS_STRING(deadlines))[index], kind)
        pair = new_tuple(2)
        set_in(pair, keyed, at)
        set_in(pair, not keyed, tokens[index])
        pairs.append(pair)
    return pairs


cdef inline void set_in(tuple pair, bint place, object thing) noexcept:
    Py_INCREF(thing)
    (<PyTupleObject *>pair).ob_item[place] = <PyObject *>thing


# ---- keys

cdef int own_keys(TimerSet self, size_t count, Chunk *ready) except -1:
    """Before the first `count` timers, which are ripe, are taken: what of the table they change becomes its own.

    `ready`: the chunk that they are the first of, or NULL.
    """
    cdef Keys *keys = keys_of(self)
    cdef Timer *timers = ready.timers if ready is not NULL else NULL
    cdef size_t index
    cdef int failed = 0
    if not keys.shared:
        return 0
    if ready is NULL:
        timers = <Timer *>PyMem_Malloc(count * sizeof(Timer))
        failed = -1 if timers is NULL else read_queue(&self.queue, count, timers)
    for index in range(count):
        if failed < 0:
            break
        failed = own_run(keys, place_of(keys, fold(hash_of(self, timers[index].word)), timers[index].word))
    if ready is NULL:
        PyMem_Free(timers)
    if failed < 0:
        raise MemoryError
    return 0


cdef void forget_keys(TimerSet self, size_t count, const size_t *words) noexcept:
    """Remove the keys of words that were taken, which lie anywhere: their memory is asked for ahead."""
    cdef Keys *keys = keys_of(self)
    cdef uint32_t hashes[AHEAD]
    cdef uint32_t *hash
    cdef size_t index
    for index in range(count + AHEAD):
        hash = &hashes[index % AHEAD]
        if index >= AHEAD:
            remove_key(keys, place_of(keys, hash[0], words[index - AHEAD]))
        if index < count:
            if index + AHEAD < count and not is_boxed(words[index + AHEAD]):
                prefetch(<void *>words[index + AHEAD])
            hash[0] = fold(hash_of(self, words[index]))
            prefetch_entry(keys, hash[0])
    shrink(keys)
