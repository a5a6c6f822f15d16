"""The views: see views.pxd."""

cimport cython
from cpython.datetime cimport import_datetime
from cpython.object cimport PyObject_Hash, PyObject_RichCompareBool, Py_EQ
from libc.stdint cimport uint64_t

from timers.entries cimport time_at
from timers.lookup cimport find_key
from timers.pending cimport ITEMS, TIMES, TOKENS, Shape, iterate, list_all
from timers.timerset cimport TimerSet, copy_into

from collections.abc import ItemsView, Iterable, KeysView, Set, ValuesView

# For `time_at`, which is compiled in here.
import_datetime()


# What the collector has cleared of a cycle may still be called; without the owner it would crash.
@cython.no_gc_clear
@cython.auto_pickle(False)
cdef class View:
    cdef TimerSet owner
    cdef Shape shape

    def __cinit__(self, TimerSet owner not None):
        self.owner = owner

    def __len__(self):
        owner = self.owner
        with cython.critical_section(owner):
            return owner.queue.count

    def __iter__(self):
        owner = self.owner
        with cython.critical_section(owner):
            return iterate(owner, self.shape)

    def __repr__(self):
        owner = self.owner
        return f"{type(self).__name__}({owner!r})"

    def __reduce__(self):
        owner = self.owner
        return type(self), (owner,)


@cython.no_gc_clear
@cython.auto_pickle(False)
cdef class SetView(View):
    """What is common to `keys()` and `items()`: they are sets."""

    def __and__(self, other):
        return pick(self, other, True) if isinstance(other, Iterable) else NotImplemented

    def __rand__(self, other):
        return pick(self, other, True) if isinstance(other, Iterable) else NotImplemented

    def __or__(self, other):
        return set(everything(self)).union(other) if isinstance(other, Iterable) else NotImplemented

    def __ror__(self, other):
        return set(other).union(everything(self)) if isinstance(other, Iterable) else NotImplemented

    def __sub__(self, other):
        return set(everything(self)).difference(other) if isinstance(other, Iterable) else NotImplemented

    def __rsub__(self, other):
        return pick(self, other, False) if isinstance(other, Iterable) else NotImplemented

    def __xor__(self, other):
        return set(everything(self)).symmetric_difference(other) if isinstance(other, Iterable) else NotImplemented

    def __rxor__(self, other):
        return set(other).symmetric_difference(everything(self)) if isinstance(other, Iterable) else NotImplemented

    def __eq__(self, other):
        if not isinstance(other, Set):
            return NotImplemented
        size = len(other)
        return len(self) == size and is_part(self, other, size, size)

    def __le__(self, other):
        if not isinstance(other, Set):
            return NotImplemented
        return len(self) <= len(other) and are_all_in(everything(self), other)

    def __lt__(self, other):
        if not isinstance(other, Set):
            return NotImplemented
        size = len(other)
        return len(self) < size and is_part(self, other, 0, size - 1)

    def __ge__(self, other):
        if not isinstance(other, Set):
            return NotImplemented
        return len(self) >= len(other) and are_all_in(other, self)

    def __gt__(self, other):
        if not isinstance(other, Set):
            return NotImplemented
        # To begin may have let foreign code in: the answer is that of the moment after it.
        return len(self) > len(other) and are_all_in(other, self) and len(self) > len(other)

    def isdisjoint(self, other):
        """Whether nothing of an iterable is in the view. O(k) for the k that it has."""
        for thing in other:
            if thing in self:
                return False
        return True


@cython.final
@cython.no_gc_clear
@cython.auto_pickle(False)
cdef class Keys(SetView):
    """The keys of a `Deadlines` in the order of falling due; what is asked is answered as it is at that time.

    A set, with its operators. `in` O(1), iteration amortised O(1) a key, operators a pass over both.

    >>> from timers import Deadlines
    >>> Deadlines({"a": 1.5, "b": 0.5}).keys() & {"a", "c"}
    {'a'}
    """

    def __cinit__(self):
        self.shape = TOKENS

    def __contains__(self, key):
        cdef size_t place
        owner = self.owner
        with cython.critical_section(owner):
            return find_key(owner, key, <uint64_t>PyObject_Hash(key), &place, None)


@cython.final
@cython.no_gc_clear
@cython.auto_pickle(False)
cdef class Items(SetView):
    """The `(key, at)` pairs of a `Deadlines` in the order of falling due: a set, as its `keys()`.

    >>> from timers import Deadlines
    >>> ("a", 1.5) in Deadlines({"a": 1.5}).items()
    True
    """

    def __cinit__(self):
        self.shape = ITEMS

    def __contains__(self, item):
        cdef size_t place
        # As a dict's: what is no pair is none of these.
        if not isinstance(item, tuple) or len(<tuple>item) != 2:
            return False
        key, at = (<tuple>item)[0], (<tuple>item)[1]
        owner = self.owner
        with cython.critical_section(owner):
            if not find_key(owner, key, <uint64_t>PyObject_Hash(key), &place, None):
                return False
            held = time_at(owner, place)
        return PyObject_RichCompareBool(held, at, Py_EQ)


@cython.final
@cython.no_gc_clear
@cython.auto_pickle(False)
cdef class Times(View):
    """The times of a `Deadlines` in their order, one for each key. `in` is a pass over them.

    >>> from timers import Deadlines
    >>> list(Deadlines({"a": 1.5, "b": 0.5}).values())
    [0.5, 1.5]
    """

    def __cinit__(self):
        self.shape = TIMES

    def __contains__(self, at):
        twin = TimerSet.__new__(TimerSet)
        owner = self.owner
        with cython.critical_section(owner):
            copy_into(owner, twin)
        return at in iterate(twin, TIMES)


cdef list everything(SetView self):
    """All of one moment: what foreign code and other threads do while they are hashed is another."""
    owner = self.owner
    with cython.critical_section(owner):
        return list_all(owner, self.shape)


cdef set pick(SetView self, others, bint held):
    """Those of others that are in the view, or are not."""
    cdef set picked = set()
    for thing in others:
        if (thing in self) == held:
            picked.add(thing)
    return picked


cdef bint is_part(SetView self, other, Py_ssize_t fewest, Py_ssize_t most) except -1:
    """Whether those of one moment are so many, and all in another."""
    held = everything(self)
    return fewest <= len(held) <= most and are_all_in(held, other)


cdef bint are_all_in(things, container) except -1:
    for thing in things:
        if thing not in container:
            return False
    return True


KeysView.register(Keys)
ItemsView.register(Items)
ValuesView.register(Times)
