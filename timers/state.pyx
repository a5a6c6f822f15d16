"""Pickles: the state of timers as what every release can read.

A state is (version, times, tokens, kind[, attributes]), in due order. `times` are numbers of seven bits a byte, the
lowest first, the highest bit set where another byte follows: the difference to the time before. Many strings are
pickled as one; then each time is followed by the length of its token. That is smaller and faster for strings that are
the notifier's alone, and larger where others in the same pickle hold them too, as the pickler writes an object once.
Who they are cannot be known, but whether there are others: by the count of references.

Version 1 had no such strings; version 2 no numbers: its kind is whether the datetimes are naive. Version 3 is written
for numbers only; its kind is "float" or "int", and its times are deadlines (times.pxd).
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from timers.timerset cimport TimerSet, add_many, put_plain
from timers.times cimport AWARE, DAY, FIRST, FLOAT, INT, LAST, NAIVE, fold_float, pack, unpack

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *thing) noexcept

cdef uint64_t NEGATIVE_ZERO = ~(<uint64_t>1 << 63)

cdef enum:
    STATE_VERSION = 3
    # From this number on, strings are pickled as one.
    MANY = 64
    # What the pickler writes for a string besides its bytes, and for one that it has written before, at most.
    APART = 3
    AGAIN = 5
    # Joined they may be so many times larger, if all that others hold were written by them.
    WORSE = 2


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


cdef inline uint64_t read_number(const unsigned char *times, Py_ssize_t size, Py_ssize_t *place) except? 0:
    cdef uint64_t number = 0
    cdef uint32_t shift = 0
    if place[0] < size and times[place[0]] < 128:
        # Most lengths, and times that lie close.
        place[0] += 1
        return times[place[0] - 1]
    while True:
        # Of the tenth byte one bit is left.
        if place[0] == size or shift > 63 or (shift == 63 and times[place[0]] > 1):
            raise ValueError("the times of the state are damaged")
        number |= <uint64_t>(times[place[0]] & 127) << shift
        shift += 7
        place[0] += 1
        if times[place[0] - 1] < 128:
            return number


cdef bint are_joined(tuple tokens) except -1:
    """Whether there are many, all are strings, no object is there twice, and few long ones are held by others."""
    cdef size_t count = len(tokens)
    cdef int bits = 1
    cdef size_t place
    cdef void **seen
    cdef bint distinct = True
    # Bytes, with one for the length of most.
    cdef size_t joined = 0
    cdef size_t apart = 0
    if count < MANY or type(tokens[0]) is not str:
        return False
    while count >> (bits - 1):
        bits += 1
    seen = <void **>PyMem_Calloc(<size_t>1 << bits, sizeof(void *))
    if seen is NULL:
        raise MemoryError
    for token in tokens:
        # Fibonacci hashing, into a table at most half full.
        place = <size_t>((<uint64_t><size_t><void *>token >> 4) * <uint64_t>0x9E3779B97F4A7C15 >> (64 - bits))
        while seen[place] is not NULL and seen[place] is not <void *>token:
            place = (place + 1) & ((<size_t>1 << bits) - 1)
        if seen[place] is not NULL or type(token) is not str:
            distinct = False
            break
        seen[place] = <void *>token
        joined += len(<str>token) + 1
        # One reference is the tuple's, one the tree's, and one of this loop.
        apart += AGAIN if Py_REFCNT(<PyObject *>token) > 3 else len(<str>token) + APART
    PyMem_Free(seen)
    return distinct and joined <= WORSE * apart


cdef tuple freeze(bytes deadlines, tuple tokens, uint8_t kind):
    cdef const uint64_t *numbers = <const uint64_t *>PyBytes_AS_STRING(deadlines)
    cdef bint joined = are_joined(tokens)
    cdef bint counted = kind == FLOAT or kind == INT
    cdef Py_ssize_t size = 0
    cdef uint64_t last = 0
    cdef uint64_t number
    cdef unsigned char *out
    cdef Py_ssize_t index
    for index in range(len(tokens)):
        number = numbers[index] if counted else <uint64_t>unpack(numbers[index])
        size += width(number - last)
        last = number
        if joined:
            size += width(len(<str>tokens[index]))
    times = PyBytes_FromStringAndSize(NULL, size)
    out = <unsigned char *>PyBytes_AS_STRING(times)
    last = 0
    for index in range(len(tokens)):
        number = numbers[index] if counted else <uint64_t>unpack(numbers[index])
        out = write_number(out, number - last)
        last = number
        if joined:
            out = write_number(out, len(<str>tokens[index]))
    words = "".join(tokens) if joined else tokens
    if counted:
        return STATE_VERSION, times, words, "float" if kind == FLOAT else "int"
    return STATE_VERSION - 1, times, words, kind == NAIVE


cdef uint8_t kind_of(version, kind) except 255:
    if version == STATE_VERSION and type(kind) is str:
        if kind == "float":
            return FLOAT
        if kind == "int":
            return INT
        raise ValueError(f"the state has a kind of times that is unknown: {kind!r}")
    if version == STATE_VERSION or type(kind) is not bool:
        raise TypeError("the kind of times of a state must be a bool, from version 3 on a str")
    return NAIVE if kind else AWARE


cdef tuple thaw(state):
    return read_state(state, None)


cdef int thaw_into(TimerSet fresh, state) except -1:
    deadlines, tokens, kind = read_state(state, fresh)
    if tokens is not None:
        add_many(fresh, <const uint64_t *>PyBytes_AS_STRING(<bytes>deadlines), tokens, kind, True)
    return 0


cdef tuple read_state(state, TimerSet fresh):
    """What `thaw` answers; but strings that were joined go straight into `fresh`, and then there is no list."""
    if type(state) is not tuple or not 4 <= len(<tuple>state) <= 5:
        raise TypeError("the state must be a tuple (version, times, tokens, kind)")
    version, times, tokens, kind = (<tuple>state)[:4]
    if type(version) is not int or type(tokens) is not tuple and type(tokens) is not str:
        raise TypeError("the state must hold an int, bytes, a tuple or a str, and the kind of times")
    if not 1 <= version <= STATE_VERSION:
        raise ValueError(f"the state has version {version}; this release reads 1 to {STATE_VERSION}")
    cdef uint8_t number = kind_of(version, kind)
    cdef Py_buffer view
    try:
        PyObject_GetBuffer(times, &view, PyBUF_SIMPLE)
    except (TypeError, BufferError):
        raise TypeError("the times of a state must be bytes") from None
    try:
        deadlines, parts = read_times(<const unsigned char *>view.buf, view.len, tokens, number, fresh)
    finally:
        PyBuffer_Release(&view)
    return deadlines, parts, number


cdef tuple read_times(const unsigned char *times, Py_ssize_t size, tokens, uint8_t kind, TimerSet fresh):
    """The deadlines, in the memory of a bytes object, and the list of tokens; see `read_state`."""
    cdef uint64_t low = <uint64_t>FIRST if kind == NAIVE else 1
    cdef uint64_t high = <uint64_t>LAST if kind == NAIVE else <uint64_t>(LAST + DAY - 1)
    cdef bint joined = type(tokens) is str
    # How much of `tokens` there is, and how much is used.
    cdef Py_ssize_t count = len(tokens)
    cdef Py_ssize_t used = 0
    cdef Py_ssize_t place = 0
    cdef uint64_t number = 0
    cdef uint64_t step
    cdef uint64_t length
    cdef bint straight = joined and fresh is not None
    cdef list parts = None
    cdef bytes deadlines = None
    cdef uint64_t *next = NULL
    cdef uint64_t deadline
    if straight:
        fresh.queue.kind = kind
    else:
        parts = []
        # As many as there can be: a time takes a byte or more, and so does the length of a string.
        deadlines = PyBytes_FromStringAndSize(NULL, (size // 2 if joined else count) * sizeof(uint64_t))
        next = <uint64_t *>PyBytes_AS_STRING(deadlines)
    if kind == FLOAT:
        low, high = fold_float(-<double>1e999), fold_float(<double>1e999)
    elif kind == INT:
        low, high = 0, <uint64_t>-1
    while place < size if joined else used < count:
        step = read_number(times, size, &place)
        if step > high - number or number + step < low:
            raise ValueError("the state has a time outside the calendar")
        number += step
        if kind == AWARE or kind == NAIVE:
            deadline = pack(<int64_t>number)
        elif kind == FLOAT and number == NEGATIVE_ZERO:
            raise ValueError("the state has a time of -0.0")
        else:
            deadline = number
        if joined:
            length = read_number(times, size, &place)
            if length > <uint64_t>(count - used):
                raise ValueError("the state has a token that is longer than what there is of them")
            token = (<str>tokens)[used:used + <Py_ssize_t>length]
            used += <Py_ssize_t>length
        else:
            token = (<tuple>tokens)[used]
            used += 1
        if straight:
            if not put_plain(fresh, deadline, <size_t><PyObject *>token):
                raise MemoryError
        else:
            parts.append(token)
            next[0] = deadline
            next += 1
    if place != size or used != count:
        raise ValueError("the state has more times than tokens, or more tokens than times")
    return deadlines, parts
