"""Boxes for tokens: see boxes.pxd."""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.string cimport memcpy, memset

from timers.bits cimport FREE_THREADED, low_bit, prefetch
from timers.keys cimport copy_keys, free_keys, keys_memory

import sys

cdef extern from "Python.h":
    int PyList_SetSlice(object list, Py_ssize_t low, Py_ssize_t high, void *items)
    void PyErr_Clear() noexcept
    Py_ssize_t Py_REFCNT(PyObject *thing) noexcept
    bint PyObject_GC_IsTracked(PyObject *thing) noexcept
    void PyObject_GC_Track(PyObject *thing) noexcept

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

cdef enum:
    # How often foreign code may change boxes while they are copied.
    ATTEMPTS = 100

cdef uint64_t FULL = <uint64_t>-1


# Clearing the list breaks every cycle.
@cython.no_gc_clear
@cython.auto_pickle(False)
cdef class Boxes:
    def __cinit__(self):
        self.blocks = [None]
        self.serial = timers_next_serial()
        self.rows = <Row *>PyMem_Malloc(sizeof(Row))
        if self.rows is NULL:
            raise MemoryError
        memset(self.rows, 0, sizeof(Row))
        self.rows[0].used = FULL
        self.count = self.room = 1

    def __dealloc__(self):
        PyMem_Free(self.rows)
        PyMem_Free(self.hashes)
        free_keys(&self.keys)


cdef inline PyTupleObject *block_at(Boxes boxes, uint32_t number) noexcept:
    return <PyTupleObject *>(<PyListObject *>boxes.blocks).ob_item[number]


cdef inline int free_boxes(uint64_t used) noexcept:
    cdef int count = 0
    used = ~used
    while used:
        used &= used - 1
        count += 1
    return count


cdef tuple new_block():
    cdef tuple block = new_tuple(BLOCK)
    cdef int place
    for place in range(BLOCK):
        Py_INCREF(None)
        (<PyTupleObject *>block).ob_item[place] = <PyObject *>None
    return block


cdef inline void see(PyTupleObject *block) noexcept:
    """The collector turns from tuples in which it finds nothing."""
    if not PyObject_GC_IsTracked(<PyObject *>block):
        PyObject_GC_Track(<PyObject *>block)


cdef inline bint is_alone(PyTupleObject *block) noexcept:
    """Whether those are gone with whom the block was shared, so that nobody else needs what is in it."""
    return not FREE_THREADED and Py_REFCNT(<PyObject *>block) == 1


cdef void fill_block(PyTupleObject *block, PyTupleObject *old, uint64_t used) noexcept:
    """Put what is used of the old block into an empty one."""
    cdef int place
    while used:
        place = low_bit(used)
        used &= used - 1
        Py_INCREF(<object>old.ob_item[place])
        block.ob_item[place] = old.ob_item[place]
        Py_DECREF(None)
    # It has turned from the block if it ran since that was made.
    see(block)


cdef inline void push_row(Boxes boxes, uint32_t number) noexcept:
    """Of a row with a free box."""
    if boxes.rows[number].own:
        boxes.rows[number].next = boxes.open
        boxes.open = number
    else:
        boxes.rows[number].next = boxes.shared
        boxes.shared = number


cdef void sort_rows(Boxes boxes) noexcept:
    """Make the stacks anew."""
    cdef uint32_t number
    boxes.open = boxes.shared = 0
    boxes.ready = 0
    for number in range(boxes.count - 1, 0, -1):
        if boxes.rows[number].used != FULL:
            push_row(boxes, number)
            if boxes.rows[number].own:
                boxes.ready += free_boxes(boxes.rows[number].used)


cdef int make_room(Boxes boxes, size_t wanted) except -1:
    cdef tuple block
    while boxes.ready < wanted:
        block = new_block()
        # Making it may have let in foreign code.
        if boxes.ready < wanted:
            must_be_whole(boxes)
            if boxes.shared:
                own_block(boxes, block)
            else:
                append_block(boxes, block)
    return 0


cdef int own_block(Boxes boxes, tuple block) except -1:
    """Put an own block in the place of a shared one with a free box. What the old one alone held goes last."""
    cdef uint32_t number = boxes.shared
    cdef Row *row = &boxes.rows[number]
    cdef list blocks = boxes.blocks
    old = blocks[number]
    if row.used:
        fill_block(<PyTupleObject *>block, <PyTupleObject *>old, row.used)
    blocks[number] = block
    boxes.shared = row.next
    row.own = True
    push_row(boxes, number)
    boxes.ready += free_boxes(row.used)
    return 0


cdef int widen(Boxes boxes, uint32_t room) except -1:
    """Make room for so many rows."""
    cdef Row *rows = <Row *>PyMem_Realloc(boxes.rows, room * sizeof(Row))
    cdef uint64_t *hashes
    if rows is NULL:
        raise MemoryError
    boxes.rows = rows
    if boxes.keyed and room > 1:
        hashes = <uint64_t *>PyMem_Realloc(boxes.hashes, (room - 1) * BLOCK * sizeof(uint64_t))
        if hashes is NULL:
            raise MemoryError
        boxes.hashes = hashes
    boxes.room = room
    return 0


cdef int append_block(Boxes boxes, tuple block) except -1:
    cdef list blocks = boxes.blocks
    if boxes.count == boxes.room:
        # The number of a box is one bit shorter than a word, and that of a row fits its type.
        if boxes.count >= <uint32_t>1 << 30:
            raise MemoryError
        widen(boxes, boxes.room + (boxes.room >> 1) + 1)
    blocks.append(block)
    boxes.rows[boxes.count].used = boxes.rows[boxes.count].loose = 0
    boxes.rows[boxes.count].own = True
    push_row(boxes, boxes.count)
    boxes.count += 1
    boxes.ready += BLOCK
    return 0


cdef size_t put_in_box(Boxes boxes, object token, bint loose, uint64_t hash) noexcept:
    cdef uint32_t number = boxes.open
    cdef Row *row = &boxes.rows[number]
    cdef PyTupleObject *block = block_at(boxes, number)
    cdef int place = low_bit(~row.used)
    Py_INCREF(token)
    block.ob_item[place] = <PyObject *>token
    Py_DECREF(None)
    see(block)
    row.used |= <uint64_t>1 << place
    row.loose |= <uint64_t>loose << place
    boxes.loose += loose
    boxes.used += 1
    boxes.ready -= 1
    if row.used == FULL:
        boxes.open = row.next
    if boxes.keyed:
        boxes.hashes[(<size_t>number - 1 << BLOCK_BITS) + place] = hash
    return (<size_t>number << BLOCK_BITS) + place


cdef PyObject *take_from_box(Boxes boxes, size_t box) noexcept:
    cdef uint32_t number = <uint32_t>(box >> BLOCK_BITS)
    cdef int place = box & (BLOCK - 1)
    cdef Row *row = &boxes.rows[number]
    cdef PyObject *token = peek_in_box(boxes, box)
    if row.used == FULL:
        push_row(boxes, number)
    boxes.loose -= row.loose >> place & 1
    row.used &= ~(<uint64_t>1 << place)
    row.loose &= ~(<uint64_t>1 << place)
    boxes.used -= 1
    boxes.budget += 1
    boxes.ready += row.own
    if <Py_ssize_t>number < PyList_GET_SIZE(boxes.blocks) and (row.own or is_alone(block_at(boxes, number))):
        # Moved, and not looked at: it may be far away.
        block_at(boxes, number).ob_item[place] = <PyObject *>None
        Py_INCREF(None)
        if not row.own:
            # A copy is gone, and what was given out beside it may still lie here, and in many more.
            boxes.budget += BLOCK
    else:
        Py_INCREF(<object>token)
    return token


cdef int replace_in_box(Boxes boxes, size_t box, object token) except -1:
    cdef uint32_t number = <uint32_t>(box >> BLOCK_BITS)
    cdef PyTupleObject *block
    cdef PyObject *old
    if <Py_ssize_t>number < PyList_GET_SIZE(boxes.blocks):
        block = block_at(boxes, number)
        old = block.ob_item[box & (BLOCK - 1)]
        Py_INCREF(token)
        block.ob_item[box & (BLOCK - 1)] = <PyObject *>token
        see(block)
        Py_DECREF(<object>old)
    return 0


cdef uint32_t loose_rows(Boxes boxes) noexcept:
    cdef uint32_t count = 0
    cdef uint32_t number
    if boxes.loose:
        for number in range(boxes.count):
            count += boxes.rows[number].loose != 0
    return count


cdef Boxes copy_boxes(Boxes boxes):
    cdef Boxes twin
    cdef list blocks
    cdef list fresh = []
    cdef uint32_t number, loose, count
    cdef size_t place
    must_be_whole(boxes)
    for number in range(boxes.count):
        prefetch(block_at(boxes, number))
    for _ in range(ATTEMPTS):
        twin = Boxes.__new__(Boxes)
        twin.keyed = boxes.keyed
        # A variable: Cython reads the number again once it has the list, which may have let in foreign code.
        count = boxes.count
        blocks = [None] * count
        # No function of CPython's: a slice may read what making its list has moved, and `extend`, where memory fails,
        # keeps what it was given for ever.
        if PyList_GET_SIZE(boxes.blocks) == count:
            for number in range(count):
                blocks[number] = (<list>boxes.blocks)[number]
        loose = loose_rows(boxes)
        while len(fresh) < <Py_ssize_t>loose:
            fresh.append(new_block())
        widen(twin, boxes.count)
        # All this may have let in foreign code; what follows does not, and changes nothing until it has its memory.
        loose = loose_rows(boxes)
        if <Py_ssize_t>loose <= PyList_GET_SIZE(fresh) and same_blocks(boxes, blocks):
            break
    else:
        raise RuntimeError("the notifier is changed again and again from inside this call")
    if copy_keys(&boxes.keys, &twin.keys) < 0:
        raise MemoryError
    memcpy(twin.rows, boxes.rows, boxes.count * sizeof(Row))
    for number in range(1, boxes.count):
        if boxes.keyed and boxes.rows[number].used:
            place = (<size_t>number - 1) * BLOCK
            memcpy(twin.hashes + place, boxes.hashes + place, BLOCK * sizeof(uint64_t))
        if boxes.rows[number].loose:
            loose -= 1
            block = fresh[loose]
            fill_block(<PyTupleObject *>block, block_at(boxes, number), twin.rows[number].used)
            blocks[number] = block
            twin.rows[number].own = True
        else:
            boxes.rows[number].own = twin.rows[number].own = False
            if not twin.rows[number].used:
                blocks[number] = None
    twin.blocks = blocks
    twin.count = boxes.count
    twin.used = boxes.used
    twin.loose = boxes.loose
    sort_rows(boxes)
    sort_rows(twin)
    return twin


cdef bint same_blocks(Boxes boxes, list blocks) noexcept:
    cdef Py_ssize_t number
    if PyList_GET_SIZE(boxes.blocks) != PyList_GET_SIZE(blocks) or PyList_GET_SIZE(blocks) != boxes.count:
        return False
    for number in range(boxes.count):
        if (<PyListObject *>boxes.blocks).ob_item[number] is not (<PyListObject *>blocks).ob_item[number]:
            return False
    return True


cdef bint are_spent(Boxes boxes) noexcept:
    return not boxes.used and (boxes.count != 2 or not boxes.rows[1].own)


cdef void empty_boxes(Boxes boxes) noexcept:
    cut_boxes(boxes, 1)
    narrow(boxes)


cdef void trim_boxes(Boxes boxes) noexcept:
    cdef uint32_t count = boxes.count
    # As many tokens were taken as there are rows.
    if boxes.budget < count:
        return
    boxes.budget = 0
    # One block is likely to be needed soon.
    while count > 2 and not boxes.rows[count - 1].used:
        count -= 1
    if count <= boxes.count // 2 and PyList_GET_SIZE(boxes.blocks) == boxes.count:
        cut_boxes(boxes, count)
        narrow(boxes)
    clear_blocks(boxes)
    take_over(boxes)


cdef void take_over(Boxes boxes) noexcept:
    """Make own the blocks of copies that are gone. What was given out of them goes last, if there is memory to keep it
    so long, and may let in foreign code."""
    cdef uint32_t number
    cdef int place
    cdef uint64_t free
    cdef PyTupleObject *block
    cdef list stale
    if boxes.shared == 0:
        return
    try:
        stale = []
        if PyList_GET_SIZE(boxes.blocks) != boxes.count:
            return
        for number in range(1, boxes.count):
            block = block_at(boxes, number)
            if boxes.rows[number].own or not boxes.rows[number].used or not is_alone(block):
                continue
            free = ~boxes.rows[number].used
            while free:
                place = low_bit(free)
                free &= free - 1
                if block.ob_item[place] is not <PyObject *>None:
                    stale.append(<object>block.ob_item[place])
                    Py_DECREF(<object>block.ob_item[place])
                    Py_INCREF(None)
                    block.ob_item[place] = <PyObject *>None
            boxes.rows[number].own = True
    except MemoryError:
        pass
    sort_rows(boxes)


cdef void clear_blocks(Boxes boxes) noexcept:
    """Let go of the blocks of which nothing is in use, wherever they stand: of own ones if these are most."""
    cdef uint32_t held = 0
    cdef uint32_t empty = 0
    cdef uint32_t shared = 0
    cdef uint32_t number
    cdef PyObject *block
    if PyList_GET_SIZE(boxes.blocks) != boxes.count:
        return
    for number in range(1, boxes.count):
        if <PyObject *>block_at(boxes, number) is not <PyObject *>None:
            held += 1
            empty += not boxes.rows[number].used
            shared += not boxes.rows[number].used and not boxes.rows[number].own
    if empty >= 2 and empty > held // 2:
        for number in range(1, boxes.count):
            boxes.rows[number].own = boxes.rows[number].own and boxes.rows[number].used
        sort_rows(boxes)
    elif not shared:
        return
    number = 1
    # What a shared one still held may let in foreign code, which changes anything.
    while number < boxes.count and PyList_GET_SIZE(boxes.blocks) == boxes.count:
        block = <PyObject *>block_at(boxes, number)
        if not boxes.rows[number].used and not boxes.rows[number].own and block is not <PyObject *>None:
            Py_INCREF(None)
            (<PyListObject *>boxes.blocks).ob_item[number] = <PyObject *>None
            Py_DECREF(<object>block)
        number += 1


cdef void cut_boxes(Boxes boxes, uint32_t count) noexcept:
    """Let go of the blocks from a number on, of which nothing is in use, if memory allows."""
    cdef uint32_t before = boxes.count
    boxes.count = count
    sort_rows(boxes)
    # What the blocks still held may let in foreign code, which finds no box of theirs.
    if PyList_SetSlice(boxes.blocks, count, PyList_GET_SIZE(boxes.blocks), NULL) < 0:
        PyErr_Clear()
        boxes.count = before
        sort_rows(boxes)


cdef void narrow(Boxes boxes) noexcept:
    """Give back the room for rows that are no more, if memory allows."""
    cdef Row *rows = <Row *>PyMem_Realloc(boxes.rows, boxes.count * sizeof(Row))
    cdef uint64_t *hashes
    if rows is NULL:
        return
    boxes.rows = rows
    boxes.room = boxes.count
    if boxes.keyed and boxes.count > 1:
        hashes = <uint64_t *>PyMem_Realloc(boxes.hashes, (boxes.count - 1) * BLOCK * sizeof(uint64_t))
        if hashes is not NULL:
            boxes.hashes = hashes
    else:
        PyMem_Free(boxes.hashes)
        boxes.hashes = NULL


cdef size_t boxes_memory(Boxes boxes) except 0:
    cdef list blocks = boxes.blocks
    cdef size_t size = sys.getsizeof(boxes) + sys.getsizeof(blocks) + boxes.room * sizeof(Row)
    if boxes.keyed:
        size += (boxes.room - 1) * BLOCK * sizeof(uint64_t) + keys_memory(&boxes.keys)
    for block in blocks:
        if block is not None:
            size += sys.getsizeof(block)
    return size


cdef size_t ready_blocks(Boxes boxes, uint32_t number, size_t most) except? 0:
    """How many blocks a stack has, or more than `most`."""
    cdef size_t stacked = 0
    while number and stacked <= most:
        assert boxes.rows[number].used != FULL, "ready: a stack has a block without a free box"
        stacked += 1
        number = boxes.rows[number].next
    return stacked


cdef int check_boxes(Boxes boxes) except -1:
    """No object is made in there: foreign code could come in, and change what was half compared."""
    cdef list blocks = boxes.blocks
    cdef size_t used = 0
    cdef size_t loose = 0
    cdef size_t ready = 0
    cdef size_t stacked
    cdef size_t spare = 0
    cdef uint32_t number
    cdef int place
    cdef Row *row
    must_be_whole(boxes)
    for number in range(1, boxes.count):
        row = &boxes.rows[number]
        used += BLOCK - free_boxes(row.used)
        loose += BLOCK - free_boxes(row.loose)
        spare += row.used != FULL
        assert not row.loose or row.own, "private: a block that is shared holds a loose token"
        assert row.loose & ~row.used == 0, "private: a free box is loose"
        if row.own:
            ready += free_boxes(row.used)
            for place in range(BLOCK):
                assert row.used >> place & 1 or (<tuple>blocks[number])[place] is None, "bare: a free box holds a token"
    stacked = ready_blocks(boxes, boxes.open, spare) + ready_blocks(boxes, boxes.shared, spare)
    assert used == boxes.used and loose == boxes.loose, "boxes: more or fewer are in use than they say"
    assert ready == boxes.ready and stacked == spare, "ready: more or fewer boxes are free than they say"
    return 0
