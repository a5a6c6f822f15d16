"""The Python face: `MultiNotifier`, whose methods turn times into deadlines and leave the rest to the rooms below."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.datetime cimport import_datetime
from libc.stdint cimport uint8_t, uint64_t

from timers.bits cimport FREE_THREADED
from timers.columns cimport read_times as read_column, read_tokens
from timers.copies cimport take_state
from timers.due cimport take
from timers.face cimport Face, each_of, pair_of, publish, raise_at, raise_within
from timers.pending cimport PAIRS, iterate
from timers.search cimport discard, locate, move
from timers.state cimport thaw_into
from timers.spots cimport Spot
from timers.timerset cimport TimerSet, add, add_many, exchange, is_keyed, mix_error
from timers.times cimport AWARE, FLOAT, INT, Kind, is_plain_time, read_time, turn_to_float

import_datetime()


@cython.auto_pickle(False)
cdef class MultiNotifier(Face):
    """MultiNotifier(timers=())
--

A queue of timers, built from an iterable of `(at, token)` pairs.

Times are datetimes, or `float` or `int` of a clock that counts; one notifier holds one kind at a time. Aware datetimes
are instants in UTC; naive ones are taken as they are; the resolution is one microsecond over the years 1 to 9999.
Numbers are kept to the last bit. Inserting costs O(1), taking a due timer amortised O(1): a hierarchical timing wheel
(Varghese & Lauck, SOSP 1987) with an overflow heap. An error leaves everything as it was.

TypeError where `timers` is no iterable of pairs, ValueError where one of them has not two parts; TypeError, ValueError
and OverflowError for its time as from `notify_at`, with the index of the pair. O(n).

>>> from datetime import datetime, timezone
>>> n = MultiNotifier()
>>> n.notify_at(datetime(2024, 1, 1, tzinfo=timezone.utc), "new year")
>>> n.next_at()
datetime.datetime(2024, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
>>> n.due(datetime(2024, 1, 2, tzinfo=timezone.utc))
['new year']
"""

    def __init__(self, timers=()):
        if type(timers) is tuple and not timers and not self.queue.count:
            return
        cdef TimerSet fresh = TimerSet.__new__(TimerSet)
        cdef uint8_t kind = 0
        cdef uint64_t deadline
        for pair in each_of(timers, "timers"):
            pair = pair_of(pair, "timers", "(at, token)", fresh.queue.count)
            try:
                deadline = read_time((<tuple>pair)[0], "at", True, &kind)
                add(fresh, deadline, kind, (<tuple>pair)[1], "at")
            except (TypeError, ValueError, OverflowError) as error:
                raise_within(error, "timers", fresh.queue.count)
                raise
        must_be_bare(self)
        with cython.critical_section(self):
            exchange(self, fresh)

    @cython.critical_section
    def notify_at(self, at, token):
        """Remember that `token` is wanted at `at`. O(1).

        `at` is a time, past or future, and of the kind of those that are pending: a datetime (nanoseconds of a
        `pandas.Timestamp` are rounded up), a float, or an int of 64 bits. `token` is anything at all. TypeError if
        `at` is no time (a `bool` is none) or of another kind, ValueError for NaT and NaN, OverflowError for an int too
        large.

        >>> from datetime import datetime
        >>> n = MultiNotifier()
        >>> n.notify_at(datetime(2024, 1, 1), token="new year")
        >>> len(n)
        1
        """
        cdef uint8_t kind = 0
        cdef uint64_t deadline = read_time(at, "at", True, &kind)
        must_be_bare(self)
        add(self, deadline, kind, token, "at")

    @cython.critical_section
    def cancel(self, at, token):
        """Remove the earliest-inserted timer of this time whose token is the given one, or else the earliest equal one.

        False where there is none: a token that `due` has given out is no longer there. Amortised O(log n), however many
        share the time, for tokens with a built-in type's hash and equality (str, bytes, int, float, Decimal, dates,
        bound methods, tuples and frozensets of up to 99 of these, and subclasses that inherit both) or that of
        `object`; plus O(k) for k of the same time where a token has its own, and once for each of several copies that
        are searched. A class must keep its hash and equality while tokens of it are pending. It may put in order what
        it looks through, as `in` may: no answer changes, but more or less memory is held. TypeError, ValueError and
        OverflowError as for `notify_at`.

        >>> from datetime import datetime
        >>> n = MultiNotifier([(datetime(2024, 1, 1), "a")])
        >>> n.cancel(datetime(2024, 1, 1), "a"), n.cancel(datetime(2024, 1, 1), "a")
        (True, False)
        """
        cdef Spot spot
        cdef uint8_t kind = 0
        cdef uint64_t deadline = read_time(at, "at", True, &kind)
        must_be_bare(self)
        if not locate(self, deadline, kind, token, &spot):
            return False
        discard(self, &spot)
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
        cdef uint8_t kind = 0
        cdef uint8_t new_kind = 0
        cdef uint64_t deadline = read_time(at, "at", True, &kind)
        cdef uint64_t new_deadline = read_time(new_at, "new_at", True, &new_kind)
        must_be_bare(self)
        return move(self, deadline, kind, token, new_deadline, new_kind)

    @cython.critical_section
    def __contains__(self, pair):
        cdef Spot spot
        cdef uint8_t kind = 0
        cdef uint64_t deadline
        if not isinstance(pair, tuple) or len(<tuple>pair) != 2:
            return False
        deadline = read_time((<tuple>pair)[0], "at", True, &kind)
        return locate(self, deadline, kind, (<tuple>pair)[1], &spot)

    @cython.critical_section
    def notify_many(self, ats, tokens):
        """`notify_at` for each of two equal-length iterables; all of them or none. O(1) a timer.

        Both are read to their ends first. Either may be a column of one dimension, without a Python object a timer.
        `ats`: a NumPy array of `datetime64` (any unit; UTC), floats or integers; a pandas `Series` or index; or what
        exports Arrow's timestamps, dates or numbers by `__arrow_c_stream__` or `__arrow_c_array__`, be it in chunks.
        A column with a zone holds instants, one without naive times. Fractions of a microsecond are rounded up.
        `tokens`: strings of any of these are plain `str`, and a null is None.

        ValueError for different lengths, and, with its index in a column, for a null, a masked element, NaT, NaN or an
        instant outside the years 1 to 9999; OverflowError and TypeError as for `notify_at`; RuntimeError for a stream
        that breaks off.

        >>> from datetime import datetime
        >>> n = MultiNotifier()
        >>> n.notify_many([datetime(2024, 1, 2), datetime(2024, 1, 1)], ["b", "a"])
        >>> n.due(datetime.max)
        ['a', 'b']
        """
        cdef Kind kind = AWARE
        cdef bytes deadlines = read_column(ats, &kind)
        cdef list times = None
        if deadlines is None:
            # Tokens that are made while they are read may change the list.
            times = ats if is_quiet(ats) and is_quiet(tokens) else list(each_of(ats, "ats"))
        cdef list held = tokens if is_quiet(tokens) else all_of(tokens)
        # An int among floats may be meant as one.
        cdef bint floats = self.queue.kind == FLOAT and self.queue.count > 0
        if deadlines is None:
            kind = FLOAT if floats else AWARE
            deadlines = read_times(times, times is not ats, &kind)
            times = None
        elif floats and kind == INT:
            turn_to_floats(deadlines)
            kind = FLOAT
        cdef Py_ssize_t count = len(deadlines) // <Py_ssize_t>sizeof(uint64_t)
        if count != len(held):
            raise ValueError(f"ats and tokens must have the same length, not {count} and {len(held)}")
        must_be_bare(self)
        add_many(self, <const uint64_t *>PyBytes_AS_STRING(deadlines), held, kind, held is not tokens)

    @cython.critical_section
    def __iter__(self):
        """The pending `(at, token)` pairs in the order of falling due, each found when it is asked for.

        The first k of n cost O(k) amortised, and no memory for the rest. RuntimeError at the next step after a change.
        """
        return iterate(self, PAIRS)

    @cython.critical_section
    def __setstate__(self, state):
        """Replace everything by an unpickled state. ValueError or TypeError for one that is damaged."""
        cdef TimerSet fresh = TimerSet.__new__(TimerSet)
        thaw_into(fresh, state)
        must_be_bare(self)
        take_state(self, fresh, state)


cdef inline int must_be_bare(TimerSet self) except -1:
    """By its `__bases__`, the class of a `Deadlines` can be made one of ours."""
    if is_keyed(self):
        raise TypeError("a Deadlines must not be used as a MultiNotifier")
    return 0


# ---- for other Cython code

cdef int put_at(MultiNotifier self, uint64_t deadline, uint8_t kind, object token) except -1:
    with cython.critical_section(self):
        must_be_bare(self)
        return add(self, deadline, kind, token, "at")


cdef uint64_t soonest_at(MultiNotifier self) noexcept:
    return self.queue.next


cdef list due_by(MultiNotifier self, uint64_t deadline, uint8_t kind, size_t most):
    with cython.critical_section(self):
        return take(self, deadline, kind, most)


cdef inline bint is_quiet(things):
    """Whether it is a list that stays as it is while no foreign code runs."""
    return type(things) is list and not FREE_THREADED


cdef list all_of(tokens):
    held = read_tokens(tokens)
    return list(each_of(tokens, "tokens")) if held is None else held


cdef bytes read_times(list ats, bint own, Kind *kind):
    """The deadlines, as an array in the memory of a bytes object; `kind`: what is pending, or else of the first.

    A list that is not `own` is copied before foreign code may come in, and change it.
    """
    cdef Py_ssize_t index
    cdef uint8_t other = 0
    cdef uint64_t deadline
    cdef Py_ssize_t count = len(ats)
    block = PyBytes_FromStringAndSize(NULL, count * sizeof(uint64_t))
    try:
        for index in range(count):
            if not own and not is_plain_time(ats[index]):
                ats = list(ats)
                own = True
            if len(ats) != count:
                raise RuntimeError("ats must keep its length while it is read")
            deadline = read_time(ats[index], "ats", True, &other)
            if other != kind[0]:
                if not index and not (kind[0] == FLOAT and other == INT):
                    kind[0] = <Kind>other
                elif not (kind[0] == FLOAT and other == INT and turn_to_float(&deadline)):
                    raise mix_error("ats", other, kind[0])
            (<uint64_t *>PyBytes_AS_STRING(block))[index] = deadline
    except (TypeError, ValueError, OverflowError) as error:
        raise_at(error, "ats", index)
        raise
    return block


cdef int turn_to_floats(bytes deadlines) except -1:
    """Make the deadlines of ints, which nobody else has, those of the equal floats."""
    cdef Py_ssize_t index
    for index in range(len(deadlines) // <Py_ssize_t>sizeof(uint64_t)):
        if not turn_to_float(&(<uint64_t *>PyBytes_AS_STRING(deadlines))[index]):
            raise mix_error(f"ats[{index}]", INT, FLOAT)
    return 0


publish(MultiNotifier, "timers.MultiNotifier")
