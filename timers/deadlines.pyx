"""`Deadlines`: one timer a key. The tree holds the keys as tokens; a table (keys.pxd) tells which deadline each has."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.datetime cimport import_datetime
from cpython.object cimport PyObject_Hash
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from timers.copies cimport take_state
from timers.due cimport ANY_KIND, take_items
from timers.entries cimport remove_at, set_key, time_at
from timers.face cimport Face, each_of, pair_of, publish, raise_within
from timers.keys cimport Entry, entry_at, fold, prefetch_entry
from timers.lookup cimport find_key, must_be_made
from timers.notifier cimport MultiNotifier
from timers.pending cimport ITEMS, TOKENS, iterate, list_all
from timers.state cimport thaw
from timers.spots cimport peek
from timers.timerset cimport (
    ATTEMPTS, TimerSet, check_kind, copy_into, exchange, fresh_for, hash_of, keys_of, make_keyed, next_time,
    restless_error, token_of,
)
from timers.times cimport FLOAT, INT, read_time, turn_to_float, write_time
from timers.tokens cimport is_boxed, timers_drop

from collections.abc import Mapping, MutableMapping

from timers.views import Items, Keys, Times

import_datetime()

cdef extern from *:
    """
    #ifdef Py_TPFLAGS_MAPPING
      #define timers_mapping Py_TPFLAGS_MAPPING
    #else
      #define timers_mapping 0
    #endif
    """
    const unsigned long MAPPING "timers_mapping"

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        unsigned long tp_flags

# What stands for an argument that is not given.
cdef object NOTHING = object()

cdef struct Setting:
    uint64_t hash
    uint64_t deadline
    uint8_t kind


@cython.auto_pickle(False)
cdef class Deadlines(Face):
    """Deadlines(deadlines=())
--

A mapping of keys to times, built from a mapping or an iterable of `(key, at)` pairs: one timer for each key.

For idle timeouts, leases, retries and caches: setting the time of a key that has one moves it. Keys are hashable, times
are as those of `MultiNotifier`, one kind at once. Iteration is in the order of falling due, of equal times in the order
in which they were set. Setting, moving, deleting and asking cost O(1), falling due amortised O(1) a key: a timing wheel
(Varghese & Lauck, SOSP 1987) beside a hash table of 32 to 43 bytes a key. An error leaves everything as it was.

KeyError for a key that is not there, TypeError for one that cannot be hashed; for a time TypeError, ValueError and
OverflowError as from `MultiNotifier.notify_at`. From several pairs the error tells which it is.

For subclasses, as with dict: no method calls what another is overridden by. `__missing__` is not asked.

>>> from datetime import datetime, timedelta
>>> noon = datetime(2024, 1, 1, 12)
>>> idle = Deadlines({"ann": noon, "bob": noon + timedelta(minutes=1)})
>>> idle["ann"] = noon + timedelta(minutes=9)
>>> idle.next_at(), idle.due(noon + timedelta(minutes=5)), list(idle)
(datetime.datetime(2024, 1, 1, 12, 1), ['bob'], ['ann'])
"""

    # As of any mapping without an order from behind.
    __reversed__ = None

    def __cinit__(self):
        if isinstance(self, MultiNotifier):
            raise TypeError(f"{type(self).__name__} must not be both a MultiNotifier and a Deadlines")
        make_keyed(self)

    def __init__(self, deadlines=()):
        if type(deadlines) is tuple and not deadlines and not self.queue.count:
            return
        cdef TimerSet fresh
        if is_plain(deadlines):
            fresh = twin_of(deadlines)
        else:
            fresh = fresh_for(self)
            pairs = pairs_of(deadlines)
            set_all(fresh, pairs, settings_of(pairs), None)
        with cython.critical_section(self):
            exchange(self, fresh)

    # ---- one key

    @cython.critical_section
    def __setitem__(self, key, at):
        cdef uint8_t kind = 0
        cdef uint64_t hash = <uint64_t>PyObject_Hash(key)
        must_be_made(self)
        # While the time is read, the entry may come from memory.
        prefetch_entry(keys_of(self), fold(hash))
        cdef uint64_t deadline = read_time(at, "at", True, &kind)
        set_key(self, key, hash, &deadline, kind, "at", False, None)

    @cython.critical_section
    def __getitem__(self, key):
        cdef size_t place
        if not find_key(self, key, <uint64_t>PyObject_Hash(key), &place, None):
            raise KeyError(key)
        return time_at(self, place)

    @cython.critical_section
    def __delitem__(self, key):
        cdef size_t place
        if not find_key(self, key, <uint64_t>PyObject_Hash(key), &place, None):
            raise KeyError(key)
        remove_at(self, place)

    @cython.critical_section
    def __contains__(self, key):
        cdef size_t place
        return find_key(self, key, <uint64_t>PyObject_Hash(key), &place, None)

    @cython.critical_section
    def get(self, key, default=None):
        """The time of a key, or the default. O(1).

        >>> Deadlines({"a": 1.5}).get("b", 0.0)
        0.0
        """
        cdef size_t place
        if not find_key(self, key, <uint64_t>PyObject_Hash(key), &place, None):
            return default
        return time_at(self, place)

    @cython.critical_section
    def setdefault(self, key, default):
        """The time of a key, which is set to the default if it has none. O(1).

        >>> Deadlines({"a": 1.5}).setdefault("a", 3.0)
        1.5
        """
        cdef uint64_t hash = <uint64_t>PyObject_Hash(key)
        cdef size_t place
        if find_key(self, key, hash, &place, None):
            return time_at(self, place)
        cdef uint8_t kind = 0
        cdef uint64_t deadline = read_time(default, "default", True, &kind)
        cdef uint64_t made = deadline
        cdef uint8_t made_kind = kind
        if kind == INT and self.queue.kind == FLOAT and self.queue.count and turn_to_float(&made):
            made_kind = FLOAT
        # Before it is set: for what comes after there may be no memory.
        answer = write_time(made, made_kind)
        set_key(self, key, hash, &deadline, kind, "default", True, None)
        return answer if deadline == made and self.queue.kind == made_kind else write_time(deadline, self.queue.kind)

    @cython.critical_section
    @cython.embedsignature(False)
    def pop(self, key, default=NOTHING):
        """pop($self, key, default=...)\n--\n\nRemove a key and return its time. O(1).

        Of no such key the default, or KeyError where there is none.

        >>> Deadlines({"a": 1.5}).pop("a")
        1.5
        """
        cdef uint64_t hash = <uint64_t>PyObject_Hash(key)
        cdef uint32_t version
        cdef size_t place
        for _ in range(ATTEMPTS):
            if not find_key(self, key, hash, &place, None):
                if default is NOTHING:
                    raise KeyError(key)
                return default
            version = self.queue.version
            at = time_at(self, place)
            # Making the time may have let in foreign code.
            if self.queue.version == version:
                remove_at(self, place)
                return at
        raise restless_error()

    # ---- the soonest

    @cython.critical_section
    def peekitem(self):
        """The soonest `(key, at)`; KeyError if there is none. Amortised O(1).

        >>> Deadlines({"a": 1.5, "b": 0.5}).peekitem()
        ('b', 0.5)
        """
        cdef uint32_t version
        cdef size_t word
        cdef uint64_t deadline
        for _ in range(ATTEMPTS):
            must_be_made(self)
            if not self.queue.count:
                raise KeyError("peekitem(): there are no keys")
            if peek(&self.queue, 1, &word, &deadline):
                key = token_of(self, word)
                timers_drop(word)
                return key, next_time(self)
            # It lies behind very many gaps.
            version = self.queue.version
            try:
                return next(iterate(self, ITEMS))
            except (RuntimeError, StopIteration):
                # To iterate may have let in foreign code.
                if self.queue.version == version:
                    raise
        raise restless_error()

    @cython.critical_section
    def popitem(self):
        """Remove and return the soonest `(key, at)`; KeyError if there is none. Amortised O(1).

        >>> Deadlines({"a": 1.5, "b": 0.5}).popitem()
        ('b', 0.5)
        """
        items = take_items(self, <uint64_t>-1, ANY_KIND, 1)
        if not items:
            raise KeyError("popitem(): there are no keys")
        return items[0]

    # ---- all of them

    @cython.critical_section
    def __iter__(self):
        """The keys in the order of falling due, of equal times in the order in which they were set.

        The first k of n cost O(k) amortised, and no memory for the rest. RuntimeError at the next step after a change.
        """
        return iterate(self, TOKENS)

    def keys(self):
        """A view of the keys in the order of falling due. O(1); each key is found when it is asked for.

        >>> list(Deadlines({"a": 1.5, "b": 0.5}).keys())
        ['b', 'a']
        """
        return Keys(self)

    def values(self):
        """A view of the times in their order. O(1), as `keys`.

        >>> list(Deadlines({"a": 1.5, "b": 0.5}).values())
        [0.5, 1.5]
        """
        return Times(self)

    def items(self):
        """A view of the `(key, at)` pairs in the order of falling due. O(1), as `keys`.

        >>> list(Deadlines({"a": 1.5, "b": 0.5}).items())
        [('b', 0.5), ('a', 1.5)]
        """
        return Items(self)

    @cython.critical_section
    def update(self, deadlines=(), /, **named):
        """Set the times of all keys of a mapping, or of `(key, at)` pairs, and of named ones; all of them or none.

        O(1) each. Of several also what the first changes beside a copy cost, so that a few among very many are set
        faster one by one; a pass over the keys that are there, if any is not of an immutable built-in type; and a look
        at each few hundred of those that share a time. TypeError, ValueError and OverflowError as of the constructor.

        >>> d = Deadlines()
        >>> d.update([("a", 1.5)], b=0.5)
        >>> list(d.items())
        [('b', 0.5), ('a', 1.5)]
        """
        cdef TimerSet fresh
        cdef uint32_t version
        cdef list pairs
        cdef list asked = None
        if not named and not self.queue.count and is_plain(deadlines):
            fresh = twin_of(deadlines)
            if not self.queue.count:
                if fresh.queue.count:
                    exchange(self, fresh)
                return
        # As a dict's: what it has already is not set again.
        pairs = [] if deadlines is self and is_plain(self) else pairs_of(deadlines)
        pairs += named.items()
        settings = settings_of(pairs)
        if len(pairs) < 2:
            set_all(self, pairs, settings, None)
            return
        for _ in range(ATTEMPTS):
            version = self.queue.version
            # A copy shares what it does not change.
            fresh = TimerSet.__new__(TimerSet)
            copy_into(self, fresh)
            set_all(fresh, pairs, settings, asked)
            if self.queue.version == version:
                exchange(self, fresh)
                return
            # Other threads went on while keys were compared: from now on each answer is kept.
            if asked is None:
                asked = [None] * len(pairs)
        raise restless_error()

    def copy(self):
        """An independent one with the same keys. What the two have in common they share: next to O(1), and a pass over
        the keys that are mutable, as those of most classes may be.

        >>> d = Deadlines({"a": 1.5})
        >>> twin = d.copy()
        >>> twin["b"] = 0.5
        >>> len(d), len(twin)
        (1, 2)
        """
        # Not an override of `__copy__`, which may well call this.
        return Face.__copy__(self)

    def __eq__(self, other):
        if not isinstance(other, Mapping):
            return NotImplemented
        if self is other:
            return True
        if Face.__len__(self) != len(other):
            return False
        twin = twin_of(self)
        return have_same(twin, twin_of(other)) if is_plain(other) else have_items(twin, other.items())

    def __or__(self, other):
        if not isinstance(other, Mapping):
            return NotImplemented
        merged = Deadlines.copy(self)
        Deadlines.update(merged, other)
        return merged

    def __ror__(self, other):
        if not isinstance(other, Mapping):
            return NotImplemented
        merged = Deadlines.copy(self)
        Deadlines.__init__(merged, pairs_of(other) + items_of(merged))
        return merged

    def __ior__(self, other):
        Deadlines.update(self, other)
        return self

    @cython.critical_section
    def __setstate__(self, state):
        """Replace everything by an unpickled state. ValueError or TypeError for one that is damaged."""
        cdef TimerSet fresh = fresh_for(self)
        cdef uint32_t version = self.queue.version
        cdef Py_ssize_t index
        cdef uint64_t deadline
        deadlines, keys, kind = thaw(state)
        for index in range(len(<list>keys)):
            deadline = (<const uint64_t *>PyBytes_AS_STRING(<bytes>deadlines))[index]
            key = (<list>keys)[index]
            set_key(fresh, key, <uint64_t>PyObject_Hash(key), &deadline, kind, "at", False, None)
        if fresh.queue.count != <size_t>len(<list>keys):
            raise ValueError("the state has a key twice")
        if self.queue.version != version:
            raise RuntimeError("the keys are changed while a state is restored")
        take_state(self, fresh, state)


# ---- many

cdef bint is_plain(deadlines) except -1:
    """Whether it is a Deadlines, and no subclass that has its own way to tell its keys and times."""
    if not isinstance(deadlines, Deadlines):
        return False
    kind = type(deadlines)
    return kind is Deadlines or (
        kind.__getitem__ is Deadlines.__getitem__ and kind.__iter__ is Deadlines.__iter__
        and kind.keys is Deadlines.keys
    )


cdef list items_of(TimerSet self):
    """The `(key, at)` pairs of one moment."""
    with cython.critical_section(self):
        return list_all(self, ITEMS)


cdef TimerSet twin_of(TimerSet self):
    """The keys of one moment, which nobody else can change."""
    cdef TimerSet twin = TimerSet.__new__(TimerSet)
    with cython.critical_section(self):
        must_be_made(self)
        copy_into(self, twin)
    return twin


cdef bint have_same(TimerSet self, TimerSet other) except -1:
    """Whether two that nobody else can change have the same keys at equal times."""
    cdef Entry *entry
    cdef size_t place, found
    cdef size_t size = keys_of(other).size
    if self.queue.count != other.queue.count:
        return False
    for place in range(keys_of(self).size):
        entry = entry_at(keys_of(self), place)
        if not entry.word:
            continue
        # A copy has most keys at the same place; the number of a box may mean another key there.
        if not is_boxed(entry.word) and place < size and entry_at(keys_of(other), place).word == entry.word:
            found = place
        elif not find_key(other, token_of(self, entry.word), hash_of(self, entry.word), &found, None):
            return False
        if self.queue.kind == other.queue.kind:
            if entry.deadline != entry_at(keys_of(other), found).deadline:
                return False
        elif time_at(self, place) != time_at(other, found):
            return False
    return True


cdef bint have_items(TimerSet self, items) except -1:
    """Whether these are the items of one that nobody else can change."""
    cdef size_t count = 0
    cdef size_t place
    for key, at in items:
        if not find_key(self, key, <uint64_t>PyObject_Hash(key), &place, None):
            return False
        if not (time_at(self, place) == at):
            return False
        count += 1
    return count == self.queue.count


cdef list pairs_of(deadlines):
    """The `(key, at)` pairs of a mapping, or of an iterable of such."""
    cdef list pairs = []
    if is_plain(deadlines):
        return items_of(deadlines)
    if hasattr(deadlines, "keys"):
        for key in deadlines.keys():
            pairs.append((key, deadlines[key]))
        return pairs
    for pair in each_of(deadlines, "deadlines"):
        pairs.append(pair_of(pair, "deadlines", "(key, at)", len(pairs)))
    return pairs


cdef bytes settings_of(list pairs):
    """What can be read before a key is looked for: once, as where it takes long, other threads change the timers."""
    cdef bytes block = PyBytes_FromStringAndSize(NULL, len(pairs) * sizeof(Setting))
    cdef Setting *settings = <Setting *>PyBytes_AS_STRING(block)
    cdef Py_ssize_t index = 0
    try:
        for index in range(len(pairs)):
            key, at = <tuple>pairs[index]
            settings[index].hash = <uint64_t>PyObject_Hash(key)
            settings[index].deadline = read_time(at, "at", True, &settings[index].kind)
    except (TypeError, ValueError, OverflowError) as error:
        raise_within(error, "deadlines", index)
        raise
    return block


cdef int set_all(TimerSet self, list pairs, bytes settings, list asked) except -1:
    """`asked`: for each pair those that were asked before, if any."""
    cdef Setting setting
    cdef Py_ssize_t index
    cdef list known = None
    for index in range(len(pairs)):
        setting = (<Setting *>PyBytes_AS_STRING(settings))[index]
        if setting.kind != self.queue.kind:
            # Before a key is asked: what that raises is its own.
            check_kind_of(self, setting, index)
        if asked is not None:
            if asked[index] is None:
                asked[index] = []
            known = asked[index]
        key = (<tuple>pairs[index])[0]
        set_key(self, key, setting.hash, &setting.deadline, setting.kind, "at", False, known)
    return 0


cdef int check_kind_of(TimerSet self, Setting setting, size_t index) except -1:
    try:
        check_kind(self, &setting.deadline, setting.kind, "at")
    except TypeError as error:
        raise_within(error, "deadlines", index)
        raise
    return 0


MutableMapping.register(Deadlines)
# What a pattern looks at; `register` leaves it alone in an extension type.
(<PyTypeObject *>Deadlines).tp_flags |= MAPPING
publish(Deadlines, "timers.Deadlines")
