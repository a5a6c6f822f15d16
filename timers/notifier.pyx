"""The Python face: `MultiNotifier`, which owns the tokens and knows what users may see.

Who owns the tokens: the wheel, as raw references, 16 bytes a timer. So that the garbage collector sees them,
the type's own `tp_traverse`, `tp_clear` and `tp_dealloc` are wrapped at import (end of this file).

Foreign code (finalisers, `__eq__`, `utcoffset`, ...) may call the notifier from within any call. Hence:
  - arguments are converted before the state is read;
  - timers are detached, and the invariants restored, before a token is released;
  - whatever may run foreign code (a comparison, an allocation that starts the collector) is followed
    by a look at `version` and at the root or bucket in hand, and where they changed, by another attempt.

Copies share a tree as long as nobody writes. A shared tree is never changed, and holds only plain tokens
(strings, numbers ...), which cannot be part of a cycle: no owner shows them to the collector.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.datetime cimport datetime, datetime_tzinfo, get_utc, import_datetime
from cpython.list cimport PyList_New
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject, PyObject_RichCompareBool, Py_EQ, Py_TYPE
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from timers cimport wheel
from timers.columns cimport read_times, read_tokens
from timers.times cimport AWARE, DAY, FIRST, LAST, NAIVE, Kind, from_deadline, pack, to_deadline, unpack
from timers.wheel cimport FEWEST, Place, Ripe, Slot, Timer

import copy
import copyreg
import operator
import sys
from copyreg import _slotnames as slot_names
from pickle import PickleBuffer
from types import GenericAlias

import_datetime()

cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject **ob_item
    ctypedef int (*visitproc)(PyObject *, void *) noexcept
    ctypedef int (*traverseproc)(PyObject *, visitproc, void *) noexcept
    ctypedef int (*inquiry)(PyObject *) noexcept
    ctypedef void (*destructor)(PyObject *) noexcept
    ctypedef struct PyTypeObject:
        const char *tp_name
        traverseproc tp_traverse
        inquiry tp_clear
        destructor tp_dealloc

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
      #define timers_add_owners(shared, by) (_Py_atomic_add_ssize(&(shared)->owners, by) + (by))
    #else
      #define timers_add_owners(shared, by) ((shared)->owners += (by))
    #endif

    static destructor timers_inner_dealloc;
    static size_t (*timers_detach)(PyObject *);
    static void (*timers_release)(size_t);

    /* Tokens are released only after the notifier is gone: no finaliser can revive it. */
    static void timers_dealloc(PyObject *notifier) {
        PyObject_GC_UnTrack(notifier);
        Py_TRASHCAN_BEGIN(notifier, timers_dealloc)
        size_t root = timers_detach(notifier);
        timers_inner_dealloc(notifier);
        timers_release(root);
        Py_TRASHCAN_END
    }
    """
    Py_ssize_t timers_add_owners(Shared *shared, int by) noexcept
    destructor timers_inner_dealloc
    destructor timers_dealloc
    Slot (*timers_detach)(PyObject *) noexcept
    void (*timers_release)(Slot) noexcept

cdef enum:
    STATE_VERSION = 2
    # From this size on, pickle protocol 5 may take the times out of band.
    BAND = 4096
    # From this number on, strings are pickled as one.
    MANY = 64
    # How often foreign code may change a notifier in the middle of a call.
    ATTEMPTS = 100
    # How much of a tuple is looked through for something that copies may not share.
    PARTS = 100

cdef size_t ALL = <size_t>-1

# As C variables they are found at once.
cdef object to_index = operator.index
cdef object new_object = copyreg.__newobj__
cdef object deepcopy = copy.deepcopy

cdef struct Shared:
    Py_ssize_t owners
    Slot root


cdef inline bint is_plain(object token) noexcept:
    """Whether copies may share `token`: it is immutable and refers to nothing that is not."""
    cdef int parts = PARTS
    return is_plain_part(token, 8, &parts)


cdef bint is_plain_part(object token, int depth, int *parts) noexcept:
    cdef PyObject *kind = <PyObject *>Py_TYPE(token)
    parts[0] -= 1
    if parts[0] < 0:
        return False
    if (kind is <PyObject *>str or kind is <PyObject *>int or kind is <PyObject *>bytes or token is None
            or kind is <PyObject *>float or kind is <PyObject *>bool or kind is <PyObject *>complex):
        return True
    if kind is <PyObject *>tuple and depth:
        for part in <tuple>token:
            if not is_plain_part(part, depth - 1, parts):
                return False
        return True
    if kind is <PyObject *>datetime:
        zone = datetime_tzinfo(token)
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


cdef class MultiNotifier:
    """MultiNotifier(timers=())
--

A queue of timers, built from an iterable of `(at, token)` pairs.

Aware times are instants in UTC; naive ones are taken as they are; the two do not mix. The resolution is
one microsecond over the years 1 to 9999. Inserting costs O(1), taking a due timer amortised O(1): a hierarchical
timing wheel (Varghese & Lauck, SOSP 1987). An error leaves everything as it was.

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
    cdef uint64_t version       # changes with every change that can be observed
    cdef uint8_t naive
    cdef uint8_t mixed          # some token may be other than plain

    def __init__(self, timers=()):
        if type(timers) is tuple and not timers and not self.count:
            return
        cdef MultiNotifier fresh = MultiNotifier.__new__(MultiNotifier)
        for pair in timers:
            if type(pair) is not tuple:
                pair = tuple(pair)
            if len(<tuple>pair) != 2:
                raise ValueError(f"timers must hold (at, token) pairs, not {len(<tuple>pair)} things: {pair!r}")
            add(fresh, (<tuple>pair)[0], (<tuple>pair)[1], "at")
        exchange(self, fresh)

    @classmethod
    def __class_getitem__(cls, item):
        """The class itself for type checkers; `MultiNotifier[str]()` makes a notifier."""
        return GenericAlias(cls, item)

    @cython.critical_section
    def notify_at(self, at, token):
        """Remember that `token` is wanted at `at`. O(1).

        `at` is a datetime, past or future; `token` anything at all. TypeError if `at` is not a datetime or
        mixes naive with aware times, ValueError for NaT.

        >>> from datetime import datetime
        >>> n = MultiNotifier()
        >>> n.notify_at(datetime(2024, 1, 1), token="new year")
        >>> len(n)
        1
        """
        add(self, at, token, "at")

    @cython.critical_section
    def next_at(self):
        """The soonest pending time, exact to the microsecond, or None. O(1).

        Aware times are answered in `timezone.utc`.

        >>> from datetime import datetime
        >>> MultiNotifier([(datetime(2024, 1, 1, microsecond=1), "x")]).next_at()
        datetime.datetime(2024, 1, 1, 0, 0, 0, 1)
        """
        if not self.count:
            return None
        if self.soonest is None:
            self.soonest = from_deadline(self.next, self.naive)
        return self.soonest

    @cython.critical_section
    def due(self, now, limit=None):
        """Remove and return, in a new list, the tokens of all timers with `at <= now`, or the earliest `limit` of them.

        In the order of `at`, equal ones in that of their insertion. Amortised O(1) a token, whatever time has passed.
        TypeError if `now` is not a datetime or mixes with the pending ones, ValueError for a negative `limit`.

        >>> from datetime import datetime
        >>> n = MultiNotifier([(datetime(2024, 1, 2), "b"), (datetime(2024, 1, 1), "a")])
        >>> n.due(datetime(2024, 1, 2), limit=1)
        ['a']
        """
        return take(self, now, limit, False)

    @cython.critical_section
    def due_items(self, now, limit=None):
        """As `due`, but `(at, token)` pairs.

        >>> from datetime import datetime
        >>> MultiNotifier([(datetime(2024, 1, 1), "a")]).due_items(datetime(2024, 1, 1))
        [(datetime.datetime(2024, 1, 1, 0, 0), 'a')]
        """
        return take(self, now, limit, True)

    @cython.critical_section
    def cancel(self, at, token):
        """Remove the earliest-inserted timer with this time and a token that is or equals `token`.

        False where there is none. Amortised O(log n), plus O(k) for the k timers of the same microsecond
        that were inserted earlier. TypeError and ValueError as for `notify_at`.

        >>> from datetime import datetime
        >>> n = MultiNotifier([(datetime(2024, 1, 1), "a")])
        >>> n.cancel(datetime(2024, 1, 1), "a"), n.cancel(datetime(2024, 1, 1), "a")
        (True, False)
        """
        cdef Place place
        cdef bint naive
        cdef uint64_t deadline = to_deadline(at, "at", True, &naive)
        if not locate(self, deadline, naive, token, &place):
            return False
        if self.shared is not NULL:
            locate_again(self, deadline, token_at(&place), &place)
        discard(self, &place)
        return True

    @cython.critical_section
    def reschedule(self, at, token, new_at):
        """`cancel(at, token)` and `notify_at(new_at, token)` as one step; False where there is no such timer.

        The cost is that of the two; a timer that is moved often leaves nothing behind.

        >>> from datetime import datetime
        >>> n = MultiNotifier([(datetime(2024, 1, 1), "a")])
        >>> n.reschedule(datetime(2024, 1, 1), "a", new_at=datetime(2024, 1, 2)), n.next_at()
        (True, datetime.datetime(2024, 1, 2, 0, 0))
        """
        cdef Place place
        cdef bint naive, new_naive
        cdef uint64_t deadline = to_deadline(at, "at", True, &naive)
        cdef uint64_t new_deadline = to_deadline(new_at, "new_at", True, &new_naive)
        if self.count and new_naive != self.naive:
            raise mix_error()
        if not locate(self, deadline, naive, token, &place):
            return False
        held = <object>token_at(&place)
        put(self, new_deadline, held)
        # The insertion may have put a wheel on top; of the timers with this very token the old one stands first.
        locate_again(self, deadline, <void *>held, &place)
        discard(self, &place)
        return True

    @cython.critical_section
    def __contains__(self, pair):
        cdef Place place
        cdef bint naive
        if not isinstance(pair, tuple) or len(<tuple>pair) != 2:
            return False
        cdef uint64_t deadline = to_deadline((<tuple>pair)[0], "at", True, &naive)
        return locate(self, deadline, naive, (<tuple>pair)[1], &place)

    @cython.critical_section
    def notify_many(self, ats, tokens):
        """`notify_at` for each of two equal-length iterables; all of them or none. O(1) a timer.

        `ats` may be a NumPy `datetime64` array of any unit, taken as UTC. ValueError for different
        lengths, NaT, or an instant outside the years 1 to 9999; TypeError as for `notify_at`.

        >>> from datetime import datetime
        >>> n = MultiNotifier()
        >>> n.notify_many([datetime(2024, 1, 2), datetime(2024, 1, 1)], ["b", "a"])
        >>> n.due(datetime.max)
        ['a', 'b']
        """
        cdef MultiNotifier fresh = MultiNotifier.__new__(MultiNotifier)
        cdef bint naive = False
        cdef Kind kind = AWARE
        cdef bytes deadlines = read_times(ats, &kind)
        cdef list held = read_tokens(tokens)
        if deadlines is None:
            deadlines = read_datetimes(ats if type(ats) is list else list(ats), &naive)
        elif kind > NAIVE:
            raise TypeError("ats must hold datetimes, not numbers")
        else:
            naive = kind == NAIVE
        if held is None:
            held = tokens if type(tokens) is list else list(tokens)
        put_all(fresh, deadlines, held)
        fresh.naive = naive
        absorb(self, fresh)

    @cython.critical_section
    def __len__(self):
        return self.count

    @cython.critical_section
    def __bool__(self):
        return self.count != 0

    @cython.critical_section
    def __iter__(self):
        """The pending `(at, token)` pairs in the order of falling due. O(n)."""
        return survey(self, ALL)

    @cython.critical_section
    def clear(self):
        """Forget all timers. O(n)."""
        exchange(self, MultiNotifier.__new__(MultiNotifier))

    @cython.critical_section
    def __repr__(self):
        name = type(self).__name__
        if not self.count:
            return f"<{name}: no timers>"
        return f"<{name}: {self.count} timers, next at {from_deadline(self.next, self.naive)}>"

    @cython.critical_section
    def __sizeof__(self):
        size = object.__sizeof__(self) + wheel.memory(root_of(self)[0])
        if self.shared is not NULL:
            size += sizeof(Shared)
        if self.soonest is not None:
            size += sys.getsizeof(self.soonest)
        return size

    @cython.critical_section
    def __copy__(self):
        cdef MultiNotifier twin = blank(self)
        duplicate(self, twin)
        if type(self) is not MultiNotifier:
            set_attributes(twin, attributes_of(self))
        return twin

    @cython.critical_section
    def __deepcopy__(self, memo):
        cdef MultiNotifier twin = blank(self)
        cdef Pending pending
        cdef size_t index
        cdef object token
        if not self.mixed:
            duplicate(self, twin)
            if type(self) is MultiNotifier:
                return twin
        memo[id(self)] = twin
        if self.mixed:
            pending = survey(self, ALL)
            for index in range(pending.count):
                token = pending.tokens[index]
                if not is_plain(token):
                    token = deepcopy(token, memo)
                add_deadline(twin, pending.timers[index].deadline, pending.naive, token)
        if type(self) is not MultiNotifier:
            set_attributes(twin, deepcopy(attributes_of(self), memo))
        return twin

    @cython.critical_section
    def __getstate__(self):
        state = freeze(self)
        attributes = attributes_of(self) if type(self) is not MultiNotifier else None
        return state + (attributes,) if attributes else state

    @cython.critical_section
    def __reduce_ex__(self, protocol):
        cdef tuple state
        if type(self) is not MultiNotifier:
            # A subclass may have its own __reduce__ or __getstate__.
            return self.__reduce__()
        state = freeze(self)
        if protocol >= 5 and len(<bytes>state[1]) >= BAND:
            state = (state[0], PickleBuffer(state[1]), state[2], state[3])
        return new_object, (MultiNotifier,), state

    def __reduce__(self):
        return new_object, (type(self),), self.__getstate__()

    @cython.critical_section
    def __setstate__(self, state):
        """Replace everything by an unpickled state. ValueError or TypeError for one that is damaged."""
        cdef MultiNotifier fresh = thaw(state)
        if len(<tuple>state) == 5:
            set_attributes(self, (<tuple>state)[4])
        exchange(self, fresh)

    @cython.critical_section
    def _check(self):
        """AssertionError naming the first invariant that does not hold."""
        cdef size_t count = 0
        cdef Slot *root = root_of(self)
        cdef const char *broken = wheel.check(root[0], &count)
        cdef Pending pending
        assert broken is NULL, (<bytes>broken).decode()
        assert count == self.count, f"count: {self.count} noted, {count} there"
        assert (root[0] != 0) == (self.count != 0), "empty: a root without timers"
        assert self.shared is NULL or not self.mixed, "shared-plain: a shared tree may hold foreign tokens"
        if self.count:
            pending = survey(self, ALL)
            assert self.next == pending.timers[0].deadline, "next: not the earliest deadline"


# ---- reading and writing the tree

cdef inline Slot *root_of(MultiNotifier self) noexcept:
    return &self.shared.root if self.shared is not NULL else &self.root


cdef Slot disown(Shared *shared) noexcept:
    """Leave a shared tree; answers the tree if nobody else is left, to be released."""
    cdef Slot root = 0
    if timers_add_owners(shared, -1) == 0:
        root = shared.root
        PyMem_Free(shared)
    return root


cdef int own_slowly(MultiNotifier self) except -1:
    cdef Shared *shared = self.shared
    cdef Slot root
    # Even if the change fails in the end, what a search found before is no longer there.
    self.version += 1
    if timers_add_owners(shared, 0) > 1:
        if wheel.clone(shared.root, &root) < 0:
            raise MemoryError
        wheel.walk(root, incref_all, NULL)
        self.root = root
        self.shared = NULL
        release(disown(shared))
    else:
        self.shared = NULL
        self.root = disown(shared)
    return 0


cdef inline int own(MultiNotifier self) except -1:
    """Before any change: nobody else reads this tree."""
    if self.shared is not NULL:
        own_slowly(self)
    return 0


cdef object mix_error():
    return TypeError("can't compare offset-naive and offset-aware datetimes")


cdef object restless_error():
    return RuntimeError("the notifier is changed again and again from inside this call")


cdef inline int put(MultiNotifier self, uint64_t deadline, object token) except -1:
    own(self)
    if wheel.insert(&self.root, deadline, <void *>token, FEWEST) < 0:
        raise MemoryError
    Py_INCREF(token)
    if not self.count or deadline < self.next:
        self.next = deadline
        self.soonest = None
    self.count += 1
    self.version += 1
    if type(token) is not str and not self.mixed and not is_plain(token):
        self.mixed = True
    return 0


cdef inline int add_deadline(MultiNotifier self, uint64_t deadline, bint naive, object token) except -1:
    if naive != self.naive and self.count:
        raise mix_error()
    put(self, deadline, token)
    self.naive = naive
    return 0


cdef inline int add(MultiNotifier self, object at, object token, str name) except -1:
    cdef bint naive
    cdef uint64_t deadline = to_deadline(at, name, True, &naive)
    return add_deadline(self, deadline, naive, token)


cdef void settle(MultiNotifier self, uint64_t first) noexcept:
    """After a removal: the tree may be too large, and the earliest deadline another: `first`, if that is not 0."""
    self.version += 1
    if not self.count:
        self.mixed = False
        self.soonest = None
        return
    if self.count <= wheel.CALM:
        wheel.calm(&self.root, self.count)
    if not first:
        first = wheel.earliest(&self.root)
    if first != self.next:
        self.next = first
        self.soonest = None


cdef void exchange(MultiNotifier self, MultiNotifier fresh) noexcept:
    """Exchange the timers of the two; `fresh` takes the old ones to their end."""
    self.root, fresh.root = fresh.root, self.root
    self.shared, fresh.shared = fresh.shared, self.shared
    self.count, fresh.count = fresh.count, self.count
    self.next, fresh.next = fresh.next, self.next
    self.naive, fresh.naive = fresh.naive, self.naive
    self.mixed, fresh.mixed = fresh.mixed, self.mixed
    self.soonest = None
    self.version += 1


cdef int absorb(MultiNotifier self, MultiNotifier fresh) except -1:
    """Move all timers of `fresh` to `self`, or none."""
    if not self.count or not fresh.count:
        if fresh.count:
            exchange(self, fresh)
        return 0
    if self.naive != fresh.naive:
        raise mix_error()
    own(self)
    if wheel.insert_bucket(&self.root, &fresh.root) < 0:
        raise MemoryError
    if fresh.next < self.next:
        self.next = fresh.next
        self.soonest = None
    self.count += fresh.count
    self.mixed |= fresh.mixed
    self.version += 1
    fresh.count = 0
    return 0


# ---- bulk: deadlines first, where foreign code may run; then the timers

cdef bytes read_datetimes(list ats, bint *naive):
    """The deadlines, as an array in the memory of a bytes object."""
    cdef Py_ssize_t count = len(ats)
    cdef Py_ssize_t index
    cdef bint other
    block = PyBytes_FromStringAndSize(NULL, count * sizeof(uint64_t))
    for index in range(count):
        if len(ats) != count:
            raise RuntimeError("ats changed while it was read")
        (<uint64_t *>PyBytes_AS_STRING(block))[index] = to_deadline(ats[index], "ats", True, &other)
        if index and other != naive[0]:
            raise mix_error()
        naive[0] = other
    return block


cdef int put_all(MultiNotifier fresh, bytes deadlines, list tokens) except -1:
    cdef Py_ssize_t count = len(deadlines) // <Py_ssize_t>sizeof(uint64_t)
    cdef Py_ssize_t index
    with cython.critical_section(tokens):
        if len(tokens) != count:
            raise ValueError(f"ats and tokens must have the same length, not {count} and {len(tokens)}")
        for index in range(count):
            put(fresh, (<uint64_t *>PyBytes_AS_STRING(deadlines))[index], tokens[index])
    return 0


# ---- the pending timers

cdef class Pending:
    """The pending timers in the order of falling due, as they once were; iterates as long as they still are."""

    cdef MultiNotifier owner
    cdef uint64_t version
    cdef bint naive
    cdef size_t count
    cdef size_t done
    cdef Timer *timers      # their tokens are kept by `tokens`
    cdef tuple tokens

    def __dealloc__(self):
        PyMem_Free(self.timers)

    def __iter__(self):
        return self

    @cython.critical_section
    def __next__(self):
        cdef MultiNotifier owner = self.owner
        cdef uint64_t version
        if owner is None:
            raise StopIteration
        with cython.critical_section(owner):
            version = owner.version
        if self.version != version:
            raise RuntimeError("the notifier changed during iteration")
        if self.done == self.count:
            self.owner = None
            raise StopIteration
        self.done += 1
        return pair_of(self, self.done - 1)

    @cython.critical_section
    def __length_hint__(self):
        return self.count - self.done


cdef tuple pair_of(Pending pending, size_t index):
    return from_deadline(pending.timers[index].deadline, pending.naive), pending.tokens[index]


cdef Pending survey(MultiNotifier self, size_t most):
    """The first `most` timers: ripened ones, or all there are."""
    cdef Pending pending = Pending.__new__(Pending)
    cdef size_t count, index
    cdef uint64_t version
    cdef tuple tokens
    for _ in range(ATTEMPTS):
        version = self.version
        count = min(self.count, most)
        tokens = PyTuple_New(count)
        if self.version == version:
            break
    else:
        raise restless_error()
    pending.timers = <Timer *>PyMem_Malloc(max(count, 1) * sizeof(Timer))
    if pending.timers is NULL or wheel.read(root_of(self)[0], count, pending.timers) < 0:
        raise MemoryError
    for index in range(count):
        Py_INCREF(<object>pending.timers[index].token)
        PyTuple_SET_ITEM(tokens, index, <object>pending.timers[index].token)
    pending.tokens = tokens
    pending.count = count
    pending.owner = self
    pending.version = version
    pending.naive = self.naive
    return pending


# ---- due

cdef size_t to_limit(object limit) except? 0:
    if limit is None:
        return ALL
    try:
        count = to_index(limit)
    except TypeError:
        raise TypeError(f"limit must be an integer or None, not {type(limit).__name__}") from None
    if count < 0:
        raise ValueError(f"limit must not be negative: {count}")
    return min(count, sys.maxsize)


cdef bint ripen(MultiNotifier self, uint64_t deadline, bint naive, Ripe *ripe) except -1:
    """Prepare what is due to be taken; False if nothing is."""
    if self.count and naive != self.naive:
        raise mix_error()
    if not self.count or deadline < self.next or not ripe.most:
        return False
    own(self)
    self.version += 1
    if wheel.ripen(&self.root, deadline, ripe) < 0:
        raise MemoryError
    return True


cdef list take(MultiNotifier self, object now, object limit, bint pairs):
    cdef bint naive
    cdef uint64_t deadline = to_deadline(now, "now", False, &naive)
    cdef Ripe ripe
    cdef size_t index
    cdef uint64_t version
    cdef Slot root
    cdef Pending pending
    cdef list taken
    cdef void **tokens
    ripe.most = to_limit(limit)
    for _ in range(ATTEMPTS):
        if not ripen(self, deadline, naive, &ripe):
            return []
        version = self.version
        root = self.root
        if pairs:
            pending = survey(self, ripe.count)
            taken = [pair_of(pending, index) for index in range(pending.count)]
        else:
            taken = PyList_New(ripe.count)
        if self.version != version or self.root != root:
            continue
        # The memory of the survey, which is used up, takes the tokens that the pairs keep alive.
        tokens = <void **>pending.timers if pairs else <void **>(<PyListObject *>taken).ob_item
        if wheel.take(&self.root, &ripe, tokens) < 0:
            raise MemoryError
        self.count -= ripe.count
        settle(self, ripe.next)
        if pairs:
            for index in range(ripe.count):
                Py_DECREF(<object>tokens[index])
        return taken
    raise restless_error()


# ---- cancel

cdef bint locate(MultiNotifier self, uint64_t deadline, bint naive, object token, Place *place) except -1:
    """Find the first timer of `deadline` whose token is or equals `token`; only to be read where the tree is shared."""
    cdef uint64_t version
    cdef Slot bucket
    cdef bint same
    for _ in range(ATTEMPTS):
        if not self.count:
            return False
        if naive != self.naive:
            raise mix_error()
        if deadline < self.next:
            return False
        wheel.find(root_of(self), deadline, self.shared is NULL, place)
        version = self.version
        bucket = place.path[place.depth - 1][0]
        while place.chunk is not NULL:
            candidate = <object>token_at(place)
            same = PyObject_RichCompareBool(candidate, token, Py_EQ)
            # What changes no version may yet have moved this bucket: a copy from inside, or a search that cascaded it.
            if self.version != version or place.path[place.depth - 1][0] != bucket:
                break
            if same:
                return True
            wheel.find_next(deadline, place)
        else:
            return False
    raise restless_error()


cdef inline void *token_at(Place *place) noexcept:
    return place.chunk.timers[place.index].token


cdef int locate_again(MultiNotifier self, uint64_t deadline, void *token, Place *place) except -1:
    """Find the first timer of `deadline` with this very token, which there is, in a tree that may be changed."""
    own(self)
    wheel.find(&self.root, deadline, True, place)
    while token_at(place) is not token:
        wheel.find_next(deadline, place)
    return 0


cdef void discard(MultiNotifier self, Place *place) noexcept:
    token = <object>token_at(place)
    wheel.remove(place)
    self.count -= 1
    settle(self, 0)
    Py_DECREF(token)


# ---- copies

cdef MultiNotifier blank(MultiNotifier self):
    if type(self) is MultiNotifier:
        return MultiNotifier.__new__(MultiNotifier)
    return MultiNotifier.__new__(type(self))


cdef int duplicate(MultiNotifier self, MultiNotifier twin) except -1:
    """Give the empty `twin` the timers of `self`: shared if plain, and many."""
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
        timers_add_owners(self.shared, 1)
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
    for name in slot_names(type(self)):
        if hasattr(self, name):
            attributes[name] = getattr(self, name)
    return attributes


cdef int set_attributes(self, attributes) except -1:
    if type(attributes) is not dict:
        raise TypeError("the attributes of a state must be a dict")
    slots = slot_names(type(self))
    for name in <dict>attributes:
        if type(name) is not str:
            raise TypeError("the names of attributes must be strings")
        if name not in slots and not hasattr(self, "__dict__"):
            raise ValueError(f"the state has an attribute {name!r} that the class has not")
    for name, value in (<dict>attributes).items():
        if name in slots:
            object.__setattr__(self, name, value)
        else:
            self.__dict__[name] = value
    return 0


# ---- pickle: (version, times, tokens, naive[, attributes]), in due order. `times` are numbers of seven bits a byte,
# the lowest first, the highest bit set where another byte follows: the difference to the instant before.
# Many strings are pickled as one, where nothing is shared; then each time is followed by the length of its token.
# Version 1 had no such strings.

cdef inline Py_ssize_t width(uint64_t number) noexcept:
    cdef Py_ssize_t size = 1
    while number > 127:
        size += 1
        number >>= 7
    return size


cdef inline unsigned char *write_number(unsigned char *out, uint64_t number) noexcept:
    while number > 127:
        out[0] = <unsigned char>(number & 127 | 128)
        out += 1
        number >>= 7
    out[0] = <unsigned char>number
    return out + 1


cdef inline int64_t read_number(const unsigned char *times, Py_ssize_t size, Py_ssize_t *place) except -1:
    cdef uint64_t number = 0
    cdef uint32_t shift = 0
    while True:
        if place[0] == size or shift > 56:
            raise ValueError("the times of the state are damaged")
        number |= <uint64_t>(times[place[0]] & 127) << shift
        shift += 7
        place[0] += 1
        if times[place[0] - 1] < 128:
            return number


cdef bint are_distinct_strings(tuple tokens) except -1:
    """Whether there are many, all are strings, and no object is there twice."""
    cdef size_t count = len(tokens)
    cdef int bits = 1
    cdef size_t place
    cdef void **seen
    cdef bint distinct = True
    if count < MANY or type(tokens[0]) is not str:
        return False
    while count >> (bits - 1):
        bits += 1
    seen = <void **>PyMem_Calloc(<size_t>1 << bits, sizeof(void *))
    if seen is NULL:
        raise MemoryError
    for token in tokens:
        # Fibonacci hashing, into a table at most half full.
        place = (<uint64_t><size_t><void *>token >> 4) * <uint64_t>0x9E3779B97F4A7C15 >> (64 - bits)
        while seen[place] is not NULL and seen[place] is not <void *>token:
            place = (place + 1) & ((<size_t>1 << bits) - 1)
        if seen[place] is not NULL or type(token) is not str:
            distinct = False
            break
        seen[place] = <void *>token
    PyMem_Free(seen)
    return distinct


cdef tuple freeze(MultiNotifier self):
    cdef Pending pending = survey(self, ALL)
    cdef bint joined = are_distinct_strings(pending.tokens)
    cdef Py_ssize_t size = 0
    cdef int64_t last = 0
    cdef int64_t instant
    cdef unsigned char *out
    cdef size_t index
    for index in range(pending.count):
        instant = unpack(pending.timers[index].deadline)
        # From here on the survey holds the differences.
        pending.timers[index].deadline = instant - last
        last = instant
        size += width(pending.timers[index].deadline)
        if joined:
            size += width(len(<str>pending.tokens[index]))
    times = PyBytes_FromStringAndSize(NULL, size)
    out = <unsigned char *>PyBytes_AS_STRING(times)
    for index in range(pending.count):
        out = write_number(out, pending.timers[index].deadline)
        if joined:
            out = write_number(out, len(<str>pending.tokens[index]))
    return STATE_VERSION, times, "".join(pending.tokens) if joined else pending.tokens, pending.naive


cdef MultiNotifier thaw(state):
    cdef MultiNotifier fresh = MultiNotifier.__new__(MultiNotifier)
    cdef Py_buffer view
    if type(state) is not tuple or not 4 <= len(<tuple>state) <= 5:
        raise TypeError("the state must be a tuple (version, times, tokens, naive)")
    version, times, tokens, naive = (<tuple>state)[:4]
    if type(version) is not int or type(tokens) not in (tuple, str) or type(naive) is not bool:
        raise TypeError("the state must hold an int, bytes, a tuple or a str, and a bool")
    if not 1 <= version <= STATE_VERSION:
        raise ValueError(f"the state has version {version}; this release reads 1 to {STATE_VERSION}")
    fresh.naive = naive
    try:
        PyObject_GetBuffer(times, &view, PyBUF_SIMPLE)
    except (TypeError, BufferError):
        raise TypeError("the times of a state must be bytes") from None
    try:
        put_times(fresh, <const unsigned char *>view.buf, view.len, tokens)
    finally:
        PyBuffer_Release(&view)
    return fresh


cdef int put_times(MultiNotifier fresh, const unsigned char *times, Py_ssize_t size, tokens) except -1:
    cdef int64_t low = FIRST if fresh.naive else 1
    cdef int64_t high = LAST if fresh.naive else LAST + DAY
    cdef bint joined = type(tokens) is str
    # How much of `tokens` there is, and how much is used.
    cdef Py_ssize_t count = len(tokens)
    cdef Py_ssize_t used = 0
    cdef Py_ssize_t place = 0
    cdef int64_t instant = 0
    cdef int64_t step, length
    while place < size if joined else used < count:
        step = read_number(times, size, &place)
        if step > high - instant or instant + step < low:
            raise ValueError("the state has a time outside the calendar")
        instant += step
        if joined:
            length = read_number(times, size, &place)
            if length > count - used:
                raise ValueError("the state has a token that is longer than what there is of them")
            token = (<str>tokens)[used:used + length]
            used += length
        else:
            token = (<tuple>tokens)[used]
            used += 1
        put(fresh, pack(instant), token)
    if place != size or used != count:
        raise ValueError("the state has more times than tokens, or more tokens than times")
    return 0


# ---- the garbage collector

cdef traverseproc inner_traverse = NULL
cdef inquiry inner_clear = NULL

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
    return inner_traverse(notifier, visit, context)


cdef int clear(PyObject *notifier) noexcept:
    if (<MultiNotifier>notifier).mixed:
        (<MultiNotifier>notifier).version += 1
        release(detach(notifier))
    return inner_clear(notifier)


cdef Slot detach(PyObject *notifier) noexcept:
    """Empty the notifier; answers the tree to be released, if there is one."""
    # Nothing here may hold, and let go of, a notifier that is being deallocated: no variable, no `+=`.
    cdef Slot root = (<MultiNotifier>notifier).root
    if (<MultiNotifier>notifier).shared is not NULL:
        root = disown((<MultiNotifier>notifier).shared)
    (<MultiNotifier>notifier).root = 0
    (<MultiNotifier>notifier).shared = NULL
    (<MultiNotifier>notifier).count = 0
    (<MultiNotifier>notifier).mixed = False
    return root


cdef PyTypeObject *kind = <PyTypeObject *>MultiNotifier
inner_traverse = kind.tp_traverse
inner_clear = kind.tp_clear
timers_inner_dealloc = kind.tp_dealloc
timers_detach = detach
timers_release = release
kind.tp_traverse = traverse
kind.tp_clear = clear
kind.tp_dealloc = timers_dealloc
# Pickles name the public place.
kind.tp_name = "timers.MultiNotifier"
