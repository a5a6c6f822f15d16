"""Boxes for tokens: see boxes.pxd."""

cimport cython
from cpython.datetime cimport date, datetime, datetime_tzinfo, get_utc, import_datetime, timedelta
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport Py_TYPE
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.string cimport memcpy

from timers.keys cimport copy_keys, free_keys, keys_memory

import sys

cdef extern from "Python.h":
    int PyList_SetSlice(object list, Py_ssize_t low, Py_ssize_t high, void *items)
    void PyErr_Clear() noexcept

cdef extern from *:
    """
    #include <stdint.h>
    static uint64_t timers_serials;
    #if !defined(Py_GIL_DISABLED)
      #define timers_next_serial() (++timers_serials)
    #elif defined(_MSC_VER)
      #define timers_next_serial() ((uint64_t)_InterlockedIncrement64((long long *)&timers_serials))
    #else
      #define timers_next_serial() __atomic_add_fetch(&timers_serials, 1, __ATOMIC_RELAXED)
    #endif
    """
    uint64_t timers_next_serial() noexcept

import_datetime()

cdef enum:
    # How deep, and through how many parts, a tuple is looked.
    DEPTH = 8
    PARTS = 100
    # Boxes that are all free are given back, if they are more.
    MANY = 64


cdef bint is_plain(object token) noexcept:
    cdef int parts = PARTS
    return is_plain_part(token, DEPTH, &parts)


cdef bint is_plain_part(object token, int depth, int *parts) noexcept:
    cdef PyObject *kind = <PyObject *>Py_TYPE(token)
    parts[0] -= 1
    if parts[0] < 0:
        return False
    if (kind is <PyObject *>str or kind is <PyObject *>int or kind is <PyObject *>bytes or token is None
            or kind is <PyObject *>float or kind is <PyObject *>bool or kind is <PyObject *>complex
            or kind is <PyObject *>date or kind is <PyObject *>timedelta):
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


# Clearing the list breaks every cycle.
@cython.no_gc_clear
@cython.auto_pickle(False)
cdef class Boxes:
    def __cinit__(self):
        self.items = [None]
        self.serial = timers_next_serial()

    def __dealloc__(self):
        PyMem_Free(self.free)
        PyMem_Free(self.hashes)
        free_keys(&self.keys)


cdef size_t put_in_box(Boxes boxes, object token, uint64_t hash) except 0:
    cdef size_t box = PyList_GET_SIZE(boxes.items)
    if boxes.waiting:
        boxes.waiting -= 1
        box = boxes.free[boxes.waiting]
        if boxes.keyed:
            boxes.hashes[box] = hash
        # What was there is None.
        Py_INCREF(token)
        (<PyListObject *>boxes.items).ob_item[box] = <PyObject *>token
        Py_DECREF(None)
        return box
    if box >= <uint32_t>-1:
        raise MemoryError
    if box >= boxes.room:
        widen(boxes, <uint32_t>(2 * box + 2))
    items = boxes.items
    items.append(token)
    if boxes.keyed:
        boxes.hashes[box] = hash
    return box


cdef int widen(Boxes boxes, uint32_t room) except -1:
    """Make room to give back all of so many boxes."""
    cdef uint32_t *free = <uint32_t *>PyMem_Realloc(boxes.free, room * sizeof(uint32_t))
    cdef uint64_t *hashes
    if free is NULL:
        raise MemoryError
    boxes.free = free
    if boxes.keyed:
        hashes = <uint64_t *>PyMem_Realloc(boxes.hashes, room * sizeof(uint64_t))
        if hashes is NULL:
            raise MemoryError
        boxes.hashes = hashes
    boxes.room = room
    return 0


cdef PyObject *take_from_box(Boxes boxes, size_t box) noexcept:
    cdef PyObject *token = peek_in_box(boxes, box)
    Py_INCREF(None)
    if <Py_ssize_t>box >= PyList_GET_SIZE(boxes.items):
        return token
    (<PyListObject *>boxes.items).ob_item[box] = <PyObject *>None
    boxes.free[boxes.waiting] = <uint32_t>box
    boxes.waiting += 1
    if not in_use(boxes) and boxes.waiting > MANY:
        # Give back the memory, if there is memory to do so.
        if PyList_SetSlice(boxes.items, 1, PyList_GET_SIZE(boxes.items), NULL) < 0:
            PyErr_Clear()
        else:
            PyMem_Free(boxes.free)
            PyMem_Free(boxes.hashes)
            boxes.free = NULL
            boxes.hashes = NULL
            boxes.waiting = boxes.room = 0
    return token


cdef Boxes copy_boxes(Boxes boxes):
    cdef Boxes twin = Boxes.__new__(Boxes)
    # The last that may let foreign code in, before it copies.
    items = boxes.items
    twin.items = items[:]
    twin.keyed = boxes.keyed
    if boxes.room:
        widen(twin, boxes.room)
        memcpy(twin.free, boxes.free, boxes.waiting * sizeof(uint32_t))
        if boxes.keyed:
            memcpy(twin.hashes, boxes.hashes, boxes.room * sizeof(uint64_t))
    twin.waiting = boxes.waiting
    if copy_keys(&boxes.keys, &twin.keys) < 0:
        raise MemoryError
    return twin


cdef size_t boxes_memory(Boxes boxes) except 0:
    items = boxes.items
    cdef size_t of_one = sizeof(uint32_t) + (sizeof(uint64_t) if boxes.keyed else 0)
    return sys.getsizeof(boxes) + sys.getsizeof(items) + boxes.room * of_one + keys_memory(&boxes.keys)
