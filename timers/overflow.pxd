# cython: language_level=3
"""The overflow heap: the few timers that lie too far from most others for the wheel to reach, before or after it.

A binary heap, ordered by deadline and then by insertion, which a number tells. Its head comes before the wheel or
after it, never within: so the queue gives out the heap's early part, the wheel, the heap's late part. It stays small:
at LIMIT timers the queue lets the root reach more of them (reach.pxd).

Invariants (`check_heap` and `check_queue` verify each by name):
  heap-order      no timer of the heap comes before its parent
  heap-outside    no timer of the heap lies within the reach of the wheel
  heap-needed     there is a heap only where there is a wheel
  heap-numbered   no two timers of the heap have one number
"""

from libc.stdint cimport uint32_t, uint64_t

from timers.bits cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from timers.bucket cimport Timer
from timers.tokens cimport timers_drop, timers_keep

cdef enum:
    LIMIT = 64

cdef struct Entry:
    Timer timer
    uint64_t number     # of its insertion

cdef struct Heap "timers_Heap":
    uint32_t count
    uint32_t room
    uint64_t numbers    # given so far
    Entry entries[1]    # `room` of them


cdef inline size_t heap_size(uint32_t room) noexcept nogil:
    return sizeof(Heap) + (room - 1) * sizeof(Entry)


cdef inline bint comes_before(Entry *entry, Entry *other) noexcept nogil:
    if entry.timer.deadline != other.timer.deadline:
        return entry.timer.deadline < other.timer.deadline
    return entry.number < other.number


cdef inline Heap *reserve(Heap *heap, uint32_t more) noexcept nogil:
    """The heap with room for `more` timers; NULL, and the heap is as it was, without memory."""
    cdef uint32_t needed = more + (heap.count if heap is not NULL else 0)
    cdef Heap *wider
    if heap is not NULL and needed <= heap.room:
        return heap
    if heap is not NULL:
        needed = max(needed, 2 * heap.room)
    wider = <Heap *>PyMem_Realloc(heap, heap_size(needed))
    if wider is not NULL:
        if heap is NULL:
            wider.count = 0
            wider.numbers = 0
        wider.room = needed
    return wider


cdef inline void sift_up(Heap *heap, uint32_t place) noexcept nogil:
    cdef Entry entry = heap.entries[place]
    while place and comes_before(&entry, &heap.entries[(place - 1) // 2]):
        heap.entries[place] = heap.entries[(place - 1) // 2]
        place = (place - 1) // 2
    heap.entries[place] = entry


cdef inline void sift_down(Heap *heap, uint32_t place) noexcept nogil:
    cdef Entry entry = heap.entries[place]
    cdef uint32_t child = 2 * place + 1
    while child < heap.count:
        if child + 1 < heap.count and comes_before(&heap.entries[child + 1], &heap.entries[child]):
            child += 1
        if not comes_before(&heap.entries[child], &entry):
            break
        heap.entries[place] = heap.entries[child]
        place = child
        child = 2 * place + 1
    heap.entries[place] = entry


cdef inline void push(Heap *heap, uint64_t deadline, size_t word) noexcept nogil:
    """Into a heap that has room."""
    cdef Entry *entry = &heap.entries[heap.count]
    entry.timer.deadline = deadline
    entry.timer.word = word
    entry.number = heap.numbers
    heap.numbers += 1
    heap.count += 1
    sift_up(heap, heap.count - 1)


cdef inline Timer pop(Heap *heap, uint32_t place) noexcept nogil:
    """Remove a timer, of place 0 the first."""
    cdef Timer timer = heap.entries[place].timer
    heap.count -= 1
    if place < heap.count:
        heap.entries[place] = heap.entries[heap.count]
        sift_down(heap, place)
        sift_up(heap, place)
    return timer


cdef inline void sort_heap(Heap *heap) noexcept nogil:
    """Put all in order: still a heap, and an array to be read."""
    cdef Entry entry
    cdef uint32_t index, place
    # A heap is nearly in order, and small.
    for index in range(1, heap.count):
        entry = heap.entries[index]
        place = index
        while place and comes_before(&entry, &heap.entries[place - 1]):
            heap.entries[place] = heap.entries[place - 1]
            place -= 1
        heap.entries[place] = entry


cdef inline Heap *copy_heap(Heap *heap) noexcept nogil:
    """NULL without memory."""
    cdef uint32_t room = max(heap.count, <uint32_t>1)
    cdef Heap *twin = <Heap *>PyMem_Malloc(heap_size(room))
    cdef uint32_t index
    if twin is not NULL:
        twin.count = heap.count
        twin.room = room
        twin.numbers = heap.numbers
        for index in range(heap.count):
            twin.entries[index] = heap.entries[index]
            timers_keep(twin.entries[index].timer.word)
    return twin


cdef inline void free_heap(Heap *heap) noexcept nogil:
    cdef uint32_t index
    if heap is not NULL:
        for index in range(heap.count):
            timers_drop(heap.entries[index].timer.word)
        PyMem_Free(heap)


cdef inline const char *check_heap(Heap *heap) noexcept nogil:
    """What is broken, or NULL."""
    cdef uint32_t index, other
    for index in range(heap.count):
        if index and comes_before(&heap.entries[index], &heap.entries[(index - 1) // 2]):
            return "heap-order: a timer of the heap comes before its parent"
        if heap.entries[index].number >= heap.numbers:
            return "heap-numbered: a timer of the heap has a number that was not given"
        for other in range(index):
            if heap.entries[other].number == heap.entries[index].number:
                return "heap-numbered: two timers of the heap have one number"
    return NULL
