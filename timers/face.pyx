"""The common face: see face.pxd."""

cimport cython
from cpython.datetime cimport import_datetime
from cpython.object cimport PyObject, Py_TYPE
from libc.stdint cimport uint8_t, uint64_t

from timers.boxes cimport boxes_memory
from timers.copies cimport attributes_of, copy_by, copy_of, deepcopy_of, must_have_timers, own_recipe, recipe
from timers.due cimport take, take_items
from timers.state cimport freeze
from timers.timerqueue cimport queue_memory
from timers.timerset cimport (
    TimerSet, boxes_of, check_timers, copy_into, exchange, fresh_for, has_loose, is_keyed, next_time, soonest_of,
    survey,
)
from timers.times cimport read_time, write_time

import copyreg
import operator
import sys
from pickle import PickleBuffer
from types import GenericAlias

import_datetime()

ctypedef object (*Maker)(object kind, PyObject *const *arguments, size_t flags, PyObject *names)

cdef extern from "Python.h":
    ctypedef struct PySequenceMethods:
        void *sq_item
    ctypedef struct PyTypeObject:
        const char *tp_name
        PySequenceMethods *tp_as_sequence
        unsigned long tp_flags
        PyObject *tp_dict
        void (*tp_dealloc)(PyObject *timers)
        object (*tp_new)(PyTypeObject *kind, object arguments, void *named)
        object (*tp_call)(object kind, object arguments, object named)
        Maker tp_vectorcall
    ctypedef struct PyMethodDef:
        pass
    ctypedef struct PyMethodDescrObject:
        PyMethodDef *d_method
    PyTypeObject PyType_Type
    unsigned long Py_TPFLAGS_HEAPTYPE
    Py_ssize_t PyVectorcall_NARGS(size_t flags)
    object PyDescr_NewMethod(PyTypeObject *kind, PyMethodDef *method)
    void PyType_Modified(PyTypeObject *kind)

cdef enum:
    # From this size on, pickle protocol 5 may take the times out of band.
    BAND = 4096

cdef size_t ALL = <size_t>-1

# As C variables they are found at once.
cdef object to_index = operator.index
cdef object new_object = copyreg.__newobj__


@cython.auto_pickle(False)
cdef class Face(TimerSet):
    @classmethod
    def __class_getitem__(cls, item):
        """The class itself for type checkers: `MultiNotifier[str]()` makes a notifier."""
        return GenericAlias(cls, item)

    @cython.critical_section
    def next_at(self):
        """The soonest pending time, exact to the microsecond or the last bit, or None. O(1).

        Aware times are answered in `timezone.utc` (beyond the calendar with a fixed offset that can hold them), numbers
        as they were given.

        >>> from datetime import datetime
        >>> from timers import MultiNotifier
        >>> MultiNotifier([(datetime(2024, 1, 1, microsecond=1), "x")]).next_at()
        datetime.datetime(2024, 1, 1, 0, 0, 0, 1)
        """
        if not self.queue.count:
            return None
        return next_time(self)

    @cython.critical_section
    def due(self, now, limit=None):
        """Remove and return, in a new list, the tokens of all timers with `at <= now`, or the earliest `limit` of them.

        Of `Deadlines`, the keys. In the order of `at`, equal ones in that of their insertion. Amortised O(1) for each,
        whatever time has passed. Nanoseconds of `now` beyond whole microseconds are dropped, so that none is early.
        A timer set while the list is being handled comes with a later call; where a handler may raise, `limit=1` takes
        no timer that is not handled. TypeError if `now` is no time or of another kind than the pending ones, or `limit`
        no integer; ValueError for a negative `limit`; for `now` ValueError and OverflowError as for `notify_at`.

        >>> from datetime import datetime
        >>> from timers import MultiNotifier
        >>> n = MultiNotifier([(datetime(2024, 1, 2), "b"), (datetime(2024, 1, 1), "a")])
        >>> n.due(datetime(2024, 1, 2), limit=1)
        ['a']
        """
        cdef uint8_t kind = self.queue.kind
        cdef uint64_t deadline = self.queue.next
        # What `next_at` has answered needs no reading.
        if now is not soonest_of(self) or now is None:
            deadline = read_time(now, "now", False, &kind)
        cdef size_t most = ALL if limit is None else to_limit(limit)
        return take(self, deadline, kind, most)

    @cython.critical_section
    def due_items(self, now, limit=None):
        """As `due`, but `(at, token)` pairs; of `Deadlines`, `(key, at)` pairs.

        >>> from datetime import datetime
        >>> from timers import MultiNotifier
        >>> MultiNotifier([(datetime(2024, 1, 1), "a")]).due_items(datetime(2024, 1, 1))
        [(datetime.datetime(2024, 1, 1, 0, 0), 'a')]
        """
        cdef uint8_t kind = 0
        cdef uint64_t deadline = read_time(now, "now", False, &kind)
        cdef size_t most = ALL if limit is None else to_limit(limit)
        return take_items(self, deadline, kind, most)

    @cython.critical_section
    def __len__(self):
        return self.queue.count

    @cython.critical_section
    def __bool__(self):
        return self.queue.count != 0

    @cython.critical_section
    def clear(self):
        """Forget all timers. O(n).

        >>> from timers import MultiNotifier
        >>> n = MultiNotifier([(1.5, "token")])
        >>> n.clear()
        >>> len(n)
        0
        """
        if self.queue.count:
            exchange(self, fresh_for(self))

    @cython.critical_section
    def __repr__(self):
        # A name may have code of its own.
        head = f"<{type(self).__name__}: "
        things = "keys" if is_keyed(self) else "timers"
        count = self.queue.count
        if not count:
            return f"{head}no {things}>"
        at = write_time(self.queue.next, self.queue.kind)
        return f"{head}{count} {things}, next at {at}>"

    @cython.critical_section
    def __sizeof__(self):
        boxes, soonest = boxes_of(self), soonest_of(self)
        size = object.__sizeof__(self) + queue_memory(&self.queue)
        if boxes is not None:
            size += boxes_memory(boxes)
        if soonest is not None:
            size += sys.getsizeof(soonest)
        return size

    @cython.critical_section
    def __copy__(self):
        reduced = own_recipe(self)
        if reduced is not None:
            return copy_by(self, reduced, None)
        return copy_of(self, empty_like(self))

    @cython.critical_section
    def __deepcopy__(self, memo):
        """An independent one. O(k) for k tokens that are not immutable; a later change costs what it touches.

        Immutable are, by exact type, numbers, strings, bytes, None, dates, times, timezones, UUIDs, functions, types,
        members of an Enum, and tuples, named tuples and frozensets of these, unless their class says how to copy it.
        A subclass that says how it is pickled (`__getstate__`, `__reduce__` ...) is copied so, in O(n).
        """
        reduced = own_recipe(self)
        if reduced is not None:
            return copy_by(self, reduced, memo)
        cdef TimerSet twin = empty_like(self)
        if twin is not None and not has_loose(self):
            copy_into(self, twin)
            # Before it was copied, foreign code may have come in, with a loose token.
            if not has_loose(twin):
                return twin
            twin = empty_like(self)
        return deepcopy_of(self, twin, memo)

    @cython.critical_section
    def __getstate__(self):
        state = state_of(self)
        attributes = attributes_of(self) if is_subclass(self) else None
        return state + (attributes,) if attributes else state

    @cython.critical_section
    def __reduce_ex__(self, protocol):
        cdef tuple state
        if is_subclass(self):
            # A subclass may have its own __reduce__ or __getstate__.
            return self.__reduce__()
        state = state_of(self)
        if protocol >= 5 and len(<bytes>state[1]) >= BAND:
            state = (state[0], PickleBuffer(state[1]), state[2], state[3])
        return new_object, (type(self),), state

    def __reduce__(self):
        state = self.__getstate__()
        must_have_timers(self, state)
        return recipe(self) + (state,)

    @cython.critical_section
    def _check(self):
        """AssertionError naming the first invariant that does not hold."""
        check_timers(self)


cdef inline bint is_iterable(object things) except -1:
    # None stands for no such method.
    return getattr(type(things), "__iter__", getattr(type(things), "__getitem__", None)) is not None


cdef object each_of(object things, str name):
    if not is_iterable(things):
        raise TypeError(f"{name} must be an iterable, not {type(things).__name__}")
    return iter(things)


cdef tuple make_pair(object pair, str name, str what, size_t index):
    # What it is, and not its repr, which may be long, or fail.
    kind = type(pair).__name__
    if type(pair) is not tuple:
        if not is_iterable(pair):
            raise TypeError(f"{name} must hold {what} pairs, not {kind} (index {index})")
        pair = tuple(pair)
    if len(<tuple>pair) != 2:
        raise ValueError(f"{name} must hold {what} pairs, not {kind} of length {len(<tuple>pair)} (index {index})")
    return pair


cdef str message_of(object error, str name):
    """What an error of ours says of an argument; None of what others raise."""
    message = error.args[0] if type(error) in (TypeError, ValueError, OverflowError) and error.args else None
    return message if type(message) is str and (<str>message).startswith((f"{name} must ", f"{name} is ")) else None


cdef int raise_at(object error, str name, size_t index) except -1:
    message = message_of(error, name)
    if message is not None:
        raise type(error)(message.replace(name, f"{name}[{index}]", 1)) from None
    return 0


cdef int raise_within(object error, str things, size_t index) except -1:
    message = message_of(error, "at")
    if message is not None:
        raise type(error)(f"{things}, index {index}: {message}") from None
    return 0


cdef size_t to_limit(object limit) except? 0:
    try:
        count = to_index(limit)
    except TypeError:
        raise TypeError(f"limit must be an integer or None, not {type(limit).__name__}") from None
    if count < 0:
        raise ValueError(f"limit must not be negative: {count}")
    return min(count, sys.maxsize)


cdef inline bint is_subclass(TimerSet self) noexcept:
    """Whether the class is not one of ours, which stand in C."""
    return (<PyTypeObject *>Py_TYPE(self)).tp_flags & Py_TPFLAGS_HEAPTYPE


cdef TimerSet empty_like(TimerSet self):
    """An empty one of the same class; None for a subclass, which may want more."""
    cdef PyTypeObject *kind = <PyTypeObject *>Py_TYPE(self)
    return None if is_subclass(self) else kind.tp_new(kind, (), NULL)


cdef tuple state_of(TimerSet self):
    deadlines, tokens, kind = survey(self)
    return freeze(deadlines, tokens, kind)


# ---- classes

cdef object make(object kind, PyObject *const *arguments, size_t flags, PyObject *names):
    """Call a class: without arguments all is done when there is one."""
    if not PyVectorcall_NARGS(flags) and names is NULL:
        return (<PyTypeObject *>kind).tp_new(<PyTypeObject *>kind, (), NULL)
    return make_from(kind, arguments, PyVectorcall_NARGS(flags), names)


cdef object make_from(object kind, PyObject *const *arguments, Py_ssize_t given, PyObject *names):
    cdef list positional = []
    cdef dict named = {}
    for index in range(given):
        positional.append(<object>arguments[index])
    if names is not NULL:
        for index in range(len(<tuple>names)):
            named[(<tuple>names)[index]] = <object>arguments[given + index]
    return PyType_Type.tp_call(kind, tuple(positional), named)


cdef int publish(kind, const char *name) except -1:
    cdef PyTypeObject *made = <PyTypeObject *>kind
    # Pickles name the public place.
    made.tp_name = name
    made.tp_vectorcall = make
    # It adds nothing to be let go. (Three destructors, each for what one class adds, take longer than all the rest.)
    made.tp_dealloc = (<PyTypeObject *>TimerSet).tp_dealloc
    # Cython makes whatever has `__getitem__` a sequence, too: NumPy would ask a mapping for its item 0.
    made.tp_as_sequence.sq_item = NULL
    # CPython calls a method of the very class by a shorter way than an inherited one.
    for method_name in ("next_at", "due", "due_items", "clear"):
        method = vars(Face)[method_name]
        (<dict>made.tp_dict)[method_name] = PyDescr_NewMethod(made, (<PyMethodDescrObject *>method).d_method)
    PyType_Modified(made)
    return 0
