"""Searching a crowd: see index.pxd."""

from cpython.datetime cimport date, datetime, datetime_tzinfo, get_utc, import_datetime, time, time_tzinfo, timedelta
from cpython.object cimport PyObject_Hash, PyObject_RichCompareBool, Py_EQ, Py_TYPE
from libc.stdint cimport uint32_t

from timers.bits cimport PyMem_Calloc, PyMem_Malloc, high_bit
from timers.boxes cimport item_of
from timers.crowd cimport Index, Ring, Table, compact, free_index, word_at
from timers.tokens cimport NOBODY, box_of, is_boxed

import_datetime()

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        void *tp_richcompare
        void *tp_hash
    PyTypeObject PyBaseObject_Type

cdef enum:
    # How deep, and through how many parts, a tuple is looked.
    DEPTH = 8
    PARTS = 100
    # What a ring says in place of its youngest position, plus one: never used, or used no more.
    FRESH = 0
    SPENT = 0xffffffff

cdef enum Nature:
    # How a token is told from others: by identity alone; by a built-in type's hash and equality; by code of its own.
    IDENTITY
    VALUE
    OWN


# ---- what a token is told by

cdef bint is_value(PyObject *token, int depth, int *parts) noexcept:
    """Whether its type, and that of all its parts, is a built-in one whose hash and equality run no foreign code."""
    cdef PyObject *kind = <PyObject *>Py_TYPE(<object>token)
    cdef object thing = <object>token
    parts[0] -= 1
    if parts[0] < 0 or not depth:
        return False
    if (kind is <PyObject *>str or kind is <PyObject *>int or kind is <PyObject *>bytes or thing is None
            or kind is <PyObject *>float or kind is <PyObject *>bool or kind is <PyObject *>complex
            or kind is <PyObject *>date or kind is <PyObject *>timedelta):
        return True
    if kind is <PyObject *>tuple:
        for part in <tuple>thing:
            if not is_value(<PyObject *>part, depth - 1, parts) and not is_identity(<PyObject *>part):
                return False
        return True
    if kind is <PyObject *>frozenset:
        for part in <frozenset>thing:
            if not is_value(<PyObject *>part, depth - 1, parts) and not is_identity(<PyObject *>part):
                return False
        return True
    if kind is <PyObject *>datetime:
        zone = datetime_tzinfo(thing)
        return zone is None or zone is get_utc()
    if kind is <PyObject *>time:
        return time_tzinfo(thing) is None
    return False


cdef inline bint is_identity(PyObject *token) noexcept:
    """Whether it has the equality and the hash that `object` gives."""
    cdef PyTypeObject *kind = <PyTypeObject *>Py_TYPE(<object>token)
    return (kind.tp_richcompare is PyBaseObject_Type.tp_richcompare and kind.tp_hash is PyBaseObject_Type.tp_hash)


cdef Nature nature_of(PyObject *token) noexcept:
    cdef int parts = PARTS
    if is_value(token, DEPTH, &parts):
        return VALUE
    return IDENTITY if is_identity(token) else OWN


# ---- the tables

cdef int make_table(Index *index, Table *table) noexcept nogil:
    """Unless it is there."""
    if table.next is NULL:
        table.next = <uint32_t *>PyMem_Malloc(index.room * sizeof(uint32_t))
    if table.rings is NULL:
        table.rings = <Ring *>PyMem_Calloc(<size_t>1 << index.bits, sizeof(Ring))
    return -1 if table.next is NULL or table.rings is NULL else 0


cdef inline PyObject *token_of(size_t word, PyObject **boxes) noexcept nogil:
    return item_of(boxes, box_of(word)) if is_boxed(word) else <PyObject *>word


cdef inline uint32_t identity_hash(PyObject *token) noexcept nogil:
    # Fibonacci hashing; objects lie at multiples of 16.
    return <uint32_t>((<uint64_t><size_t>token >> 4) * <uint64_t>0x9E3779B97F4A7C15 >> 32)


cdef inline uint32_t value_hash(Py_hash_t hash) noexcept nogil:
    return <uint32_t>(<uint64_t>hash * <uint64_t>0x9E3779B97F4A7C15 >> 32)


cdef inline bint is_gone(Crowd *crowd, size_t position) noexcept nogil:
    return position < crowd.start or word_at(crowd, position) == NOBODY


cdef int64_t oldest(Crowd *crowd, Table *table, Ring *ring) noexcept nogil:
    """The oldest position of a ring that is still there; NOWHERE, and the ring is spent, if none is."""
    cdef uint32_t youngest = ring.youngest - 1
    cdef uint32_t position = table.next[youngest]
    while is_gone(crowd, position):
        if position == youngest:
            ring.youngest = SPENT
            return NOWHERE
        position = table.next[position]
        table.next[youngest] = position
    return position


cdef int64_t look_up(
    Crowd *crowd, Table *table, int bits, uint32_t hash, PyObject *token, bint by_value, PyObject **boxes, Ring **ring
) except STARVED:
    """The oldest position of a key, or NOWHERE; `ring`: of the key, or where it would belong."""
    cdef size_t mask = (<size_t>1 << bits) - 1
    cdef size_t place = hash >> (32 - bits) if bits < 32 else hash
    cdef Ring *free_ring = NULL
    cdef int64_t position
    cdef PyObject *candidate
    while table.rings[place].youngest != FRESH:
        ring[0] = &table.rings[place]
        if ring[0].youngest == SPENT:
            if free_ring is NULL:
                free_ring = ring[0]
        elif ring[0].hash == hash:
            position = oldest(crowd, table, ring[0])
            if position >= 0:
                candidate = token_of(word_at(crowd, position), boxes)
                if candidate is token:
                    return position
                # Text and bytes may hash alike; to compare them may be a warning, and so foreign code.
                if by_value and (type(<object>candidate) is bytes) == (type(<object>token) is bytes):
                    if PyObject_RichCompareBool(<object>candidate, <object>token, Py_EQ):
                        return position
            elif free_ring is NULL:
                free_ring = ring[0]
        place = (place + 1) & mask
    ring[0] = free_ring if free_ring is not NULL else &table.rings[place]
    return NOWHERE


cdef inline void enlist(Table *table, Ring *ring, uint32_t hash, bint is_new, uint32_t position) noexcept nogil:
    """Make `position` the youngest of its ring."""
    if is_new:
        ring.hash = hash
        table.next[position] = position
    else:
        table.next[position] = table.next[ring.youngest - 1]
        table.next[ring.youngest - 1] = position
    ring.youngest = position + 1


cdef int make_index(Crowd *crowd, uint64_t serial) except -1:
    """Unless there is one for these boxes, with room for all positions."""
    if crowd.index is not NULL and (crowd.end > crowd.index.room or crowd.index.serial != serial):
        free_index(crowd.index)
        crowd.index = NULL
    if crowd.index is NULL:
        if crowd.end > 2 * crowd.live and compact(crowd) < 0:
            raise MemoryError
        crowd.index = <Index *>PyMem_Calloc(1, sizeof(Index))
        if crowd.index is NULL:
            raise MemoryError
        crowd.index.serial = serial
        crowd.index.room = crowd.end + crowd.end // 2
        crowd.index.bits = high_bit(crowd.index.room) + 2
    return 0


cdef int64_t find_same(Crowd *crowd, PyObject *token, PyObject **boxes) except STARVED:
    """The oldest position of a very token, or NOWHERE."""
    cdef Index *index = crowd.index
    cdef Table *table = &index.same
    cdef Ring *ring
    cdef int64_t found
    cdef uint32_t hash
    cdef PyObject *other
    if make_table(index, table) < 0:
        raise MemoryError
    table.done = max(table.done, crowd.start)
    while table.done < crowd.end:
        if word_at(crowd, table.done) != NOBODY:
            other = token_of(word_at(crowd, table.done), boxes)
            hash = identity_hash(other)
            found = look_up(crowd, table, index.bits, hash, other, False, boxes, &ring)
            enlist(table, ring, hash, found < 0, <uint32_t>table.done)
        table.done += 1
    return look_up(crowd, table, index.bits, identity_hash(token), token, False, boxes, &ring)


cdef int64_t find_equal(Crowd *crowd, PyObject *token, PyObject **boxes) except STARVED:
    """The oldest position of an equal token, NOWHERE, or ASK."""
    cdef Index *index = crowd.index
    cdef Table *table = &index.equal
    cdef Ring *ring
    cdef int64_t found
    cdef uint32_t hash
    cdef PyObject *other
    cdef Nature nature
    if nature_of(token) == OWN:
        return ASK
    if make_table(index, table) < 0:
        raise MemoryError
    table.done = max(table.done, crowd.start)
    while table.done < crowd.end:
        if word_at(crowd, table.done) != NOBODY:
            other = token_of(word_at(crowd, table.done), boxes)
            nature = nature_of(other)
            if nature == VALUE:
                hash = value_hash(PyObject_Hash(<object>other))
                found = look_up(crowd, table, index.bits, hash, other, True, boxes, &ring)
                enlist(table, ring, hash, found < 0, <uint32_t>table.done)
            elif nature == OWN:
                index.asked += 1
        table.done += 1
    if index.asked:
        return ASK
    if nature_of(token) == IDENTITY:
        return NOWHERE
    return look_up(crowd, table, index.bits, value_hash(PyObject_Hash(<object>token)), token, True, boxes, &ring)


cdef int64_t crowd_find(Crowd *crowd, PyObject *token, PyObject **boxes, uint64_t serial) except STARVED:
    cdef int64_t found
    if crowd.end >= SPENT - 1:
        return ASK
    make_index(crowd, serial)
    found = find_same(crowd, token, boxes)
    if found == NOWHERE:
        found = find_equal(crowd, token, boxes)
    return found
