"""The Python face: `MultiNotifier`, which owns the tokens and knows what users may see.

Tokens are raw references in the memory of the wheel. So that the garbage collector sees them, the
type's own `tp_traverse` and `tp_clear` are wrapped at import (end of this file).

Rules that keep foreign code (finalisers, `__eq__`, `utcoffset` ...) from meeting a half-changed notifier:
  - arguments are converted before the state is read;
  - timers are detached, and the invariants restored, before a token is released;
  - every allocation that may start the collector is followed by a look at `version`.

Copies share a tree while nobody writes. A shared tree holds only plain tokens (strings, numbers ...),
which cannot be part of a cycle: no owner shows them to the collector.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.datetime cimport datetime, get_utc, import_datetime
from cpython.list cimport PyList_New
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject, PyObject_RichCompareBool, Py_EQ, Py_TYPE
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from timers cimport wheel
from timers.instant cimport DAY, FIRST, LAST, from_micros, pack, to_micros, unpack
from timers.wheel cimport Place, Slot, Timer

import copyreg
import sys
from copy import deepcopy
from operator import index as to_index
from types import GenericAlias

import_datetime()

cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject **ob_item
    ctypedef int (*visitproc)(PyObject *, void *) noexcept
    ctypedef int (*traverseproc)(PyObject *, visitproc, void *) noexcept
    ctypedef int (*inquiry)(PyObject *) noexcept
    ctypedef struct PyTypeObject:
        traverseproc tp_traverse
        inquiry tp_clear

cdef uint64_t FOREVER = <uint64_t>-1
cdef size_t ALL = <size_t>-1
cdef int STATE_VERSION = 1

cdef struct Shared:
    size_t owners
    Slot root


cdef inline bint is_plain(object token, int depth) noexcept:
    """Whether copies may share `token`: it is immutable and refers to nothing that is not."""
    cdef PyObject *kind = <PyObject *>Py_TYPE(token)
    if (kind is <PyObject *>str or kind is <PyObject *>int or kind is <PyObject *>bytes or token is None
            or kind is <PyObject *>float or kind is <PyObject *>bool or kind is <PyObject *>complex):
        return True
    if kind is <PyObject *>tuple and depth:
        for part in <tuple>token:
            if not is_plain(part, depth - 1):
                return False
        return True
    if kind is <PyObject *>datetime:
        zone = (<datetime>token).tzinfo
        return zone is None or zone is get_utc()
    return False


cdef int incref_all(Timer *timers, size_t count, void *context) noexcept:
    for index in range(count):
        Py_INCREF(<object>timers[index].token)
    return 0


cdef int decref_all(Timer *timers, size_t count, void *context) noexcept:
    for index in range(count):
        Py_DECREF(<object>timers[index].token)
    return 0


cdef void release(Slot root) noexcept:
    """Let go of a detached tree."""
    wheel.walk(root, decref_all, NULL)
    wheel.free(root)


@cython.trashcan(True)
cdef class MultiNotifier:
    """MultiNotifier(timers=())

    A queue of timers, built from an iterable of `(at, token)` pairs.

    Aware times are instants in UTC; naive ones are taken as they are; the two do not mix. The resolution is
    one microsecond over the years 1 to 9999. Inserting costs O(1), taking a due timer amortised O(1): a hierarchical
    timing wheel (Varghese & Lauck 1987). Errors leave everything as it was.

    >>> from datetime import datetime, timezone
    >>> n = MultiNotifier()
    >>> n.notify_at(datetime(2024, 1, 1, tzinfo=timezone.utc), "new year")
    >>> n.next_at()
    datetime.datetime(2024, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
    >>> n.due(datetime(2024, 1, 2, tzinfo=timezone.utc))
    ['new year']
    """

    cdef object __weakref__
    cdef object soonest         # what next_at() last answered, while it holds
    cdef Slot root
    cdef Shared *shared         # if not NULL, the tree is there and not in `root`
    cdef size_t count
    cdef uint64_t next          # the earliest deadline, where count is not 0
    cdef uint32_t version       # changes with every change that can be observed
    cdef uint8_t naive
    cdef uint8_t mixed          # some token may be other than plain
    cdef uint8_t busy           # foreign code compares tokens just now

    def __init__(self, timers=()):
        cdef MultiNotifier fresh
        if type(timers) is tuple and not timers and not self.count:
            return
        fresh = MultiNotifier.__new__(MultiNotifier)
        for pair in timers:
            at, token = pair
            add(fresh, at, token, "at")
        replace(self, fresh)

    def __dealloc__(self):
        cdef Slot root = self.root
        self.root = 0
        self.count = 0
        if self.shared is not NULL:
            disown(self)
        else:
            release(root)

    def __class_getitem__(cls, item):
        """The class itself for type checkers; `MultiNotifier[str]()` makes a notifier."""
        return GenericAlias(cls, item)

    def notify_at(self, at, token):
        """Remember that `token` is wanted at `at`. O(1).

        `at` is a datetime, past or future; `token` anything at all. TypeError if `at` is not a datetime or
        mixes naive with aware times, ValueError for NaT.
        """
        add(self, at, token, "at")

    def next_at(self):
        """The soonest pending time, exact to the microsecond, or None. O(1)."""
        if not self.count:
            return None
        if self.soonest is None:
            self.soonest = from_micros(unpack(self.next), self.naive)
        return self.soonest

    def due(self, now, limit=None):
        """Remove and return the tokens of all timers with `at <= now`, or the earliest `limit` of them.

        In the order of `at`, equal ones in that of their insertion. Amortised O(1) a token.
        TypeError if `now` is not a datetime or mixes with the pending ones, ValueError for a negative `limit`.
        """
        return take_tokens(self, now, limit)

    def due_items(self, now, limit=None):
        """As `due`, but `(at, token)` pairs."""
        return take_pairs(self, now, limit)

    def cancel(self, at, token):
        """Remove the earliest-inserted timer with this time and a token that is or equals `token`.

        False where there is none. Amortised O(log n), plus linear in the timers of the same microsecond.
        """
        cdef Place place
        if not locate(self, at, token, &place):
            return False
        discard(self, &place)
        return True

    def reschedule(self, at, token, new_at):
        """`cancel(at, token)` and `notify_at(new_at, token)` as one step; False where there is no such timer."""
        cdef Place place
        cdef bint naive = False
        cdef uint64_t deadline = pack(to_micros(new_at, "new_at", True, &naive))
        if not locate(self, at, token, &place):
            return False
        if naive != self.naive:
            raise mix_error()
        cdef object held = <object>place.chunk.timers[place.index].token
        cdef uint64_t old = place.chunk.timers[place.index].deadline
        put(self, deadline, held)
        # The insertion moved nothing that can fail: the first of the same identity is the one found.
        wheel.find(&self.root, old, &place)
        while place.chunk.timers[place.index].token is not <void *>held:
            wheel.find_next(old, &place)
        discard(self, &place)
        return True

    def __contains__(self, pair):
        cdef Place place
        try:
            at, token = pair
        except (TypeError, ValueError):
            return False
        return locate(self, at, token, &place)

    def notify_many(self, ats, tokens):
        """`notify_at` for each of two equal-length iterables; all of them or none.

        `ats` may be a NumPy `datetime64` array of any unit, taken as UTC. ValueError for different
        lengths, NaT, or an instant outside the years 1 to 9999.
        """
        cdef MultiNotifier fresh = MultiNotifier.__new__(MultiNotifier)
        cdef list many = list(tokens)
        cdef size_t index
        cdef bint numbers = is_datetime64(ats)
        cdef list times = None if numbers else list(ats)
        cdef const int64_t[::1] micros
        if numbers:
            micros = to_micros_array(ats)
        if (micros.shape[0] if numbers else len(times)) != len(many):
            raise ValueError("ats and tokens must have the same length")
        for index in range(len(many)):
            if numbers:
                put(fresh, pack(micros[index]), many[index])
            else:
                add(fresh, times[index], many[index], "ats")
        if not self.count and not self.busy:
            if fresh.count:
                replace(self, fresh)
        else:
            merge(self, fresh)

    def __len__(self):
        return self.count

    def __bool__(self):
        return self.count != 0

    def __iter__(self):
        """The pending `(at, token)` pairs in the order of falling due. O(n)."""
        cdef Pending pending = Pending.__new__(Pending)
        pending.timers = ordered(self, &pending.count)
        pending.owner = self
        pending.version = self.version
        return pending

    def clear(self):
        """Forget all timers."""
        replace(self, MultiNotifier.__new__(MultiNotifier))

    def __repr__(self):
        name = type(self).__name__
        if not self.count:
            return f"<{name}: no timers>"
        return f"<{name}: {self.count} timers, next at {self.next_at().isoformat()}>"

    def __sizeof__(self):
        return object.__sizeof__(self) + wheel.memory(root_of(self)[0]) + (sizeof(Shared) if self.shared else 0)

    def __copy__(self):
        cdef MultiNotifier twin = blank(self)
        duplicate(self, twin)
        copy_attributes(self, twin, None)
        return twin

    def __deepcopy__(self, memo):
        cdef MultiNotifier twin = blank(self)
        cdef size_t count, index
        cdef Timer *timers
        cdef list tokens
        if type(self) is MultiNotifier and not self.mixed:
            duplicate(self, twin)
            return twin
        memo[id(self)] = twin
        cdef MultiNotifier fresh = MultiNotifier.__new__(MultiNotifier)
        duplicate(self, fresh)
        if fresh.mixed:
            timers = ordered(fresh, &count)
            try:
                tokens = [None] * count
                for index in range(count):
                    tokens[index] = <object>timers[index].token
                rebuilt = MultiNotifier.__new__(MultiNotifier)
                for index in range(count):
                    token = tokens[index]
                    put(rebuilt, timers[index].deadline, token if is_plain(token, 8) else deepcopy(token, memo))
                (<MultiNotifier>rebuilt).naive = fresh.naive
                fresh = rebuilt
            finally:
                PyMem_Free(timers)
        copy_attributes(self, twin, memo)
        replace(twin, fresh)
        return twin

    def __reduce_ex__(self, protocol):
        state = freeze(self)
        attributes = attributes_of(self) if type(self) is not MultiNotifier else None
        if attributes:
            state += (attributes,)
        return copyreg.__newobj__, (type(self),), state

    def __reduce__(self):
        return self.__reduce_ex__(2)

    def __setstate__(self, state):
        """Replace everything by an unpickled state. ValueError or TypeError for one that is damaged."""
        cdef MultiNotifier fresh = thaw(state)
        if len(state) == 5:
            set_attributes(self, state[4])
        replace(self, fresh)

    def _check(self):
        """AssertionError naming the first invariant that does not hold."""
        cdef size_t count = 0
        cdef const char *broken = wheel.check(root_of(self)[0], &count)
        cdef Slot twin = 0
        assert broken is NULL, (<bytes>broken).decode()
        assert count == self.count, f"count: {self.count} noted, {count} there"
        assert self.shared is NULL or not self.mixed, "shared-plain: a shared tree may hold foreign tokens"
        assert (root_of(self)[0] != 0) == (self.count != 0), "empty: a root without timers"
        if self.count:
            assert self.next == wheel.earliest(root_of(self)), "next: not the earliest deadline"


# ---- reading and writing the tree

cdef inline Slot *root_of(MultiNotifier self) noexcept:
    return &self.shared.root if self.shared is not NULL else &self.root


cdef void disown(MultiNotifier self) noexcept:
    cdef Shared *shared = self.shared
    self.shared = NULL
    shared.owners -= 1
    if not shared.owners:
        release(shared.root)
        PyMem_Free(shared)


cdef int own_slowly(MultiNotifier self) except -1:
    cdef Slot root = 0
    if self.busy:
        raise RuntimeError("the notifier is searching for a token and cannot be used by its comparison")
    if self.shared.owners == 1:
        root = self.shared.root
        PyMem_Free(self.shared)
        self.shared = NULL
    else:
        if wheel.clone(self.shared.root, &root) < 0:
            raise MemoryError
        wheel.walk(root, incref_all, NULL)
        disown(self)
    self.root = root
    return 0


cdef inline int own(MultiNotifier self) except -1:
    """Before any change: nobody else reads this tree, and nobody is in the middle of it."""
    if self.busy or self.shared is not NULL:
        own_slowly(self)
    return 0


cdef object mix_error():
    return TypeError("can't compare offset-naive and offset-aware datetimes")


cdef inline int put(MultiNotifier self, uint64_t deadline, object token) except -1:
    own(self)
    if wheel.insert(&self.root, deadline, <void *>token) < 0:
        raise MemoryError
    Py_INCREF(token)
    if not self.count or deadline < self.next:
        self.next = deadline
        self.soonest = None
    self.count += 1
    self.version += 1
    if not self.mixed and not is_plain(token, 8):
        self.mixed = True
    return 0


cdef inline int add(MultiNotifier self, object at, object token, str name) except -1:
    cdef bint naive = False
    cdef uint64_t deadline = pack(to_micros(at, name, True, &naive))
    if naive != self.naive:
        if self.count:
            raise mix_error()
        own(self)
        put(self, deadline, token)
        self.naive = naive
        return 0
    return put(self, deadline, token)


cdef void settle(MultiNotifier self) noexcept:
    """After a removal: the earliest deadline may be another."""
    cdef uint64_t first
    self.version += 1
    if not self.count:
        self.mixed = False
        self.soonest = None
        return
    first = wheel.earliest(&self.root)
    if first != self.next:
        self.next = first
        self.soonest = None


cdef int replace(MultiNotifier self, MultiNotifier fresh) except -1:
    """Exchange the timers of the two; `fresh` takes the old ones to their end."""
    if self.busy:
        own(self)
    self.root, fresh.root = fresh.root, self.root
    cdef Shared *shared = self.shared
    self.shared = fresh.shared
    fresh.shared = shared
    self.count, fresh.count = fresh.count, self.count
    self.next, fresh.next = fresh.next, self.next
    self.naive, fresh.naive = fresh.naive, self.naive
    self.mixed, fresh.mixed = fresh.mixed, self.mixed
    self.soonest = None
    fresh.soonest = None
    self.version += 1
    return 0


cdef int merge(MultiNotifier self, MultiNotifier fresh) except -1:
    """Insert all timers of `fresh`, or none."""
    cdef size_t count, index
    cdef Timer *timers
    if self.count and fresh.count and self.naive != fresh.naive:
        raise mix_error()
    timers = ordered(fresh, &count)
    try:
        own(self)
        for index in range(count):
            if wheel.insert(&self.root, timers[index].deadline, timers[index].token) < 0:
                while index:
                    index -= 1
                    wheel.undo_insert(&self.root, timers[index].deadline)
                raise MemoryError
        if not count:
            return 0
        wheel.walk(fresh.root, incref_all, NULL)
        if timers[0].deadline < self.next:
            self.next = timers[0].deadline
            self.soonest = None
        self.count += count
        self.mixed |= fresh.mixed
        self.version += 1
    finally:
        PyMem_Free(timers)
    return 0


cdef Timer *ordered(MultiNotifier self, size_t *count) except NULL:
    """All timers in the order of falling due; the caller frees the array."""
    cdef size_t room = ALL
    if self.busy:
        own(self)
    cdef Timer *timers = <Timer *>PyMem_Malloc(max(self.count, 1) * sizeof(Timer))
    if timers is NULL or wheel.ripen(root_of(self), FOREVER, &room) < 0:
        PyMem_Free(timers)
        raise MemoryError
    wheel.read(root_of(self)[0], timers)
    count[0] = self.count
    return timers


cdef class Pending:
    """Iterates over the pending timers of an unchanged notifier."""

    cdef MultiNotifier owner
    cdef Timer *timers
    cdef size_t count
    cdef size_t done
    cdef uint32_t version

    def __dealloc__(self):
        PyMem_Free(self.timers)

    def __iter__(self):
        return self

    def __next__(self):
        cdef Timer *timer = &self.timers[self.done]
        if self.owner is None or self.done == self.count:
            self.owner = None
            raise StopIteration
        if self.version != self.owner.version:
            raise RuntimeError("the notifier changed during iteration")
        self.done += 1
        token = <object>timer.token
        return from_micros(unpack(timer.deadline), self.owner.naive), token


# ---- due

cdef size_t to_limit(object limit) except? 0:
    if limit is None:
        return ALL
    count = to_index(limit)
    if count < 0:
        raise ValueError(f"limit must not be negative: {count}")
    return min(count, sys.maxsize)


cdef bint nothing_due(MultiNotifier self, object now, object limit, uint64_t *deadline, size_t *room) except -1:
    cdef bint naive = False
    deadline[0] = pack(to_micros(now, "now", False, &naive))
    room[0] = to_limit(limit)
    if self.count and naive != self.naive:
        raise mix_error()
    return not self.count or deadline[0] < self.next or not room[0]


cdef size_t ready(MultiNotifier self, uint64_t deadline, size_t room) except? 0:
    """Ripen what is due, and count it."""
    cdef size_t left = room
    own(self)
    if wheel.ripen(&self.root, deadline, &left) < 0:
        raise MemoryError
    return room - left


cdef list take_tokens(MultiNotifier self, object now, object limit):
    cdef uint64_t deadline
    cdef size_t room, count
    cdef list tokens
    cdef uint32_t version
    if nothing_due(self, now, limit, &deadline, &room):
        return []
    while True:
        count = ready(self, deadline, room)
        version = self.version
        tokens = PyList_New(count)
        # The new list may have started the collector, and that a finaliser.
        if self.version == version and self.shared is NULL and not self.busy:
            break
        tokens = [None] * 0
    if count:
        wheel.take(&self.root, deadline, count, <void **>(<PyListObject *>tokens).ob_item, NULL, False)
        self.count -= count
        settle(self)
    return tokens


cdef list take_pairs(MultiNotifier self, object now, object limit):
    cdef uint64_t deadline
    cdef size_t room, count, index
    cdef list pairs = []
    cdef void **tokens = NULL
    cdef uint64_t *deadlines = NULL
    cdef uint32_t version
    if nothing_due(self, now, limit, &deadline, &room):
        return pairs
    count = ready(self, deadline, room)
    tokens = <void **>PyMem_Malloc(count * sizeof(void *))
    deadlines = <uint64_t *>PyMem_Malloc(count * sizeof(uint64_t))
    try:
        if tokens is NULL or deadlines is NULL:
            raise MemoryError
        wheel.take(&self.root, deadline, count, tokens, deadlines, True)
        version = self.version
        for index in range(count):
            token = <object>tokens[index]
            pairs.append((from_micros(unpack(deadlines[index]), self.naive), token))
            if self.version != version:
                raise RuntimeError("the notifier changed during due_items")
        if self.shared is not NULL or self.busy:
            ready(self, deadline, room)
        wheel.take(&self.root, deadline, count, tokens, NULL, False)
        self.count -= count
        settle(self)
        for index in range(count):
            Py_DECREF(<object>tokens[index])
    finally:
        PyMem_Free(tokens)
        PyMem_Free(deadlines)
    return pairs


# ---- cancel

cdef bint locate(MultiNotifier self, object at, object token, Place *place) except -1:
    """Find the first timer of `at` whose token is or equals `token`."""
    cdef bint naive = False
    cdef uint64_t deadline = pack(to_micros(at, "at", True, &naive))
    cdef bint same
    if not self.count:
        return False
    if naive != self.naive:
        raise mix_error()
    own(self)
    if wheel.find(&self.root, deadline, place) < 0:
        raise MemoryError
    while place.chunk is not NULL:
        if place.chunk.timers[place.index].token is <void *>token:
            return True
        candidate = <object>place.chunk.timers[place.index].token
        self.busy = True
        try:
            same = PyObject_RichCompareBool(candidate, token, Py_EQ)
        finally:
            self.busy = False
        if same:
            if self.shared is NULL:
                return True
        wheel.find_next(deadline, place)
    return False


cdef int discard(MultiNotifier self, Place *place) except -1:
    token = <object>place.chunk.timers[place.index].token
    wheel.remove(place)
    self.count -= 1
    settle(self)
    Py_DECREF(token)
    return 0


# ---- copies

cdef MultiNotifier blank(MultiNotifier self):
    kind = type(self)
    return kind.__new__(kind)


cdef int duplicate(MultiNotifier self, MultiNotifier twin) except -1:
    """Give the empty `twin` the timers of `self`: shared if plain, and many."""
    if self.busy:
        own(self)
    if not self.count:
        return 0
    if self.shared is NULL and (self.mixed or self.count <= wheel.CHUNK):
        if wheel.clone(self.root, &twin.root) < 0:
            raise MemoryError
        wheel.walk(twin.root, incref_all, NULL)
    else:
        if self.shared is NULL:
            self.shared = <Shared *>PyMem_Malloc(sizeof(Shared))
            if self.shared is NULL:
                raise MemoryError
            self.shared.owners = 1
            self.shared.root = self.root
            self.root = 0
        self.shared.owners += 1
        twin.shared = self.shared
    twin.count = self.count
    twin.next = self.next
    twin.naive = self.naive
    twin.mixed = self.mixed
    return 0


cdef dict attributes_of(self):
    """What a subclass added: its `__dict__` and `__slots__`."""
    attributes = dict(getattr(self, "__dict__", ()))
    attributes.pop("__orig_class__", None)
    for name in copyreg._slotnames(type(self)):
        if hasattr(self, name):
            attributes[name] = getattr(self, name)
    return attributes


cdef int set_attributes(self, attributes) except -1:
    if type(attributes) is not dict:
        raise TypeError("the attributes of a state must be a dict")
    for name in attributes:
        if type(name) is not str:
            raise TypeError("the names of attributes must be strings")
    for name, value in attributes.items():
        try:
            object.__setattr__(self, name, value)
        except AttributeError:
            raise ValueError(f"the state has an attribute {name!r} that the class has not") from None
    return 0


cdef int copy_attributes(MultiNotifier self, twin, memo) except -1:
    if type(self) is MultiNotifier:
        return 0
    attributes = attributes_of(self)
    return set_attributes(twin, attributes if memo is None else deepcopy(attributes, memo))


# ---- pickle: (version, times, tokens, naive), in due order; times are differences of microseconds,
# seven bits a byte, the lowest first, the highest bit set where another byte follows.

cdef tuple freeze(MultiNotifier self):
    cdef size_t count, index
    cdef size_t size = 0
    cdef uint64_t last = 0
    cdef uint64_t step, micros
    cdef unsigned char *out
    cdef Timer *timers = ordered(self, &count)
    cdef uint32_t version = self.version
    try:
        for index in range(count):
            micros = unpack(timers[index].deadline)
            step = micros - last
            last = micros
            size += 1
            while step > 127:
                size += 1
                step >>= 7
        times = PyBytes_FromStringAndSize(NULL, size)
        out = <unsigned char *>PyBytes_AS_STRING(times)
        last = 0
        for index in range(count):
            micros = unpack(timers[index].deadline)
            step = micros - last
            last = micros
            while step > 127:
                out[0] = <unsigned char>(step & 127 | 128)
                out += 1
                step >>= 7
            out[0] = <unsigned char>step
            out += 1
        tokens = [None] * count
        if self.version != version:
            raise RuntimeError("the notifier changed while it was pickled")
        for index in range(count):
            tokens[index] = <object>timers[index].token
        return STATE_VERSION, times, tuple(tokens), bool(self.naive)
    finally:
        PyMem_Free(timers)


cdef MultiNotifier thaw(state):
    cdef MultiNotifier fresh = MultiNotifier.__new__(MultiNotifier)
    cdef const unsigned char[::1] view
    cdef uint64_t micros = 0
    cdef uint64_t step
    cdef Py_ssize_t place = 0
    cdef int shift
    if type(state) is not tuple or not 4 <= len(state) <= 5:
        raise TypeError("the state must be a tuple (version, times, tokens, naive)")
    version, times, tokens, naive = state[:4]
    if type(version) is not int or type(tokens) is not tuple or type(naive) is not bool:
        raise TypeError("the state must hold an int, bytes, a tuple and a bool")
    if version != STATE_VERSION:
        raise ValueError(f"the state has version {version}; this release reads {STATE_VERSION}")
    if not isinstance(times, (bytes, bytearray)):
        raise TypeError("the times of a state must be bytes")
    view = times
    for token in <tuple>tokens:
        step = 0
        shift = 0
        while True:
            if place == view.shape[0] or shift > 56:
                raise ValueError("the times of the state are damaged")
            step |= <uint64_t>(view[place] & 127) << shift
            shift += 7
            place += 1
            if view[place - 1] < 128:
                break
        micros += step
        if not (FIRST if naive else 1) <= <int64_t>micros <= (LAST if naive else LAST + DAY):
            raise ValueError("the state has a time outside the calendar")
        put(fresh, pack(<int64_t>micros), token)
    if place != view.shape[0]:
        raise ValueError("the state has more times than tokens")
    fresh.naive = naive
    return fresh


# ---- NumPy

cdef bint is_datetime64(ats) except -1:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(ats, numpy.ndarray) and ats.dtype.kind == "M"


cdef object to_micros_array(ats):
    """The instants of a `datetime64` array, rounded up to microseconds."""
    numpy = sys.modules["numpy"]
    if ats.ndim != 1:
        raise ValueError("ats must have one dimension")
    if numpy.isnat(ats).any():
        raise ValueError("ats holds NaT")
    unit = numpy.datetime_data(ats.dtype)[0]
    # Years wrap silently when cast to microseconds: compare in the coarsest terms first.
    years = ats.astype("M8[Y]").astype("i8") + 1970
    if len(ats) and not 1 <= years.min() <= years.max() <= 9999:
        raise ValueError("ats holds an instant outside the years 1 to 9999")
    micros = ats.astype("M8[us]")
    if unit in ("ns", "ps", "fs", "as"):
        micros = micros + (micros.astype(ats.dtype) < ats)
    micros = micros.astype("i8") + (719_163 * 86_400_000_000)
    if len(ats) and micros.max() > LAST:
        raise ValueError("ats holds an instant outside the years 1 to 9999")
    return numpy.ascontiguousarray(micros)


# ---- the garbage collector

cdef traverseproc cython_traverse = NULL
cdef inquiry cython_clear = NULL

cdef struct Visitor:
    visitproc visit
    void *context


cdef int visit_all(Timer *timers, size_t count, void *context) noexcept:
    cdef Visitor *visitor = <Visitor *>context
    cdef int answer
    for index in range(count):
        answer = visitor.visit(<PyObject *>timers[index].token, visitor.context)
        if answer:
            return answer
    return 0


cdef int traverse(PyObject *notifier, visitproc visit, void *context) noexcept:
    cdef Visitor visitor = Visitor(visit, context)
    cdef int answer
    if (<MultiNotifier>notifier).mixed:
        answer = wheel.walk((<MultiNotifier>notifier).root, visit_all, &visitor)
        if answer:
            return answer
    return cython_traverse(notifier, visit, context)


cdef int clear(PyObject *notifier) noexcept:
    cdef MultiNotifier self = <MultiNotifier>notifier
    cdef Slot root = 0
    if self.mixed:
        root = self.root
        self.root = 0
        self.count = 0
        self.mixed = False
        self.version += 1
    release(root)
    return cython_clear(notifier)


cython_traverse = (<PyTypeObject *>MultiNotifier).tp_traverse
cython_clear = (<PyTypeObject *>MultiNotifier).tp_clear
(<PyTypeObject *>MultiNotifier).tp_traverse = traverse
(<PyTypeObject *>MultiNotifier).tp_clear = clear
