"""One key: see entries.pxd."""

from timers.boxes cimport Boxes, must_be_whole
from timers.keeping cimport IN_TREE, Keeping, keeping_of
from timers.keys cimport Entry, fold, insert_key, make_room, own_entry, own_run, remove_key, renew_key, shrink
from timers.lookup cimport find_key
from timers.numbers cimport locate_entry
from timers.search cimport shift
from timers.spots cimport Spot, remove_at_spot
from timers.timerqueue cimport take_back
from timers.timerset cimport (
    ATTEMPTS, check_kind, forget_soonest, give_back_boxes, make_boxes, note_removal, put_token, release,
    restless_error, token_of,
)


cdef int set_key(
    TimerSet self, object key, uint64_t hash, uint64_t *at, uint8_t kind, str name, bint keep, list asked
) except -1:
    cdef Keeping keeping = IN_TREE if type(key) is str else keeping_of(key)
    cdef size_t place
    cdef bint found
    for _ in range(ATTEMPTS):
        found = find_key(self, key, hash, &place, asked)
        if found or keeping == IN_TREE:
            break
        must_be_whole(<Boxes>self.beside)
        if (<Boxes>self.beside).ready:
            break
        make_boxes(self, 1)
    else:
        raise restless_error()
    # From here on no foreign code runs.
    if found and keep:
        at[0] = entry_at(keys_of(self), place).deadline
        return 0
    if kind != self.queue.kind:
        check_kind(self, at, kind, name)
    if found:
        move_at(self, place, at[0])
    else:
        add_key(self, key, hash, place, at[0], keeping)
    return 0


cdef int add_key(
    TimerSet self, object key, uint64_t hash, size_t place, uint64_t deadline, Keeping keeping
) except -1:
    cdef size_t word
    if deadline < self.queue.next:
        forget_soonest(self)
    word = put_token(self, deadline, key, keeping, hash)
    if not word:
        raise MemoryError
    # Last, so that where memory is wanting the table stays as it is: a search that was interrupted relies on that.
    if make_room(keys_of(self), fold(hash), &place) < 0:
        release(self, take_back(&self.queue, deadline))
        forget_soonest(self)
        raise MemoryError
    insert_key(keys_of(self), place, fold(hash), word, deadline)
    self.queue.version += 1
    return 0


cdef object go_to(TimerSet self, size_t place, Spot *spot):
    """Find the timer of an entry; answers its key, which whoever removes it keeps alive."""
    cdef Entry *entry = entry_at(keys_of(self), place)
    key = token_of(self, entry.word)
    if not locate_entry(self, entry, spot):
        raise SystemError("a key has no timer")
    return key


cdef int move_at(TimerSet self, size_t place, uint64_t deadline) except -1:
    cdef Spot spot
    if own_entry(keys_of(self), place) < 0:
        raise MemoryError
    key = go_to(self, place, &spot)
    shift(self, &spot, key, deadline)
    renew_key(keys_of(self), place, deadline)
    return 0


cdef int remove_at(TimerSet self, size_t place) except -1:
    cdef uint64_t next = self.queue.next
    cdef Spot spot
    cdef size_t word
    if own_run(keys_of(self), place) < 0:
        raise MemoryError
    _key = go_to(self, place, &spot)
    if remove_at_spot(&self.queue, &spot, &word) < 0:
        raise MemoryError
    remove_key(keys_of(self), place)
    shrink(keys_of(self))
    note_removal(self, next)
    release(self, word)
    give_back_boxes(self)
    return 0
