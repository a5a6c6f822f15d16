# cython: language_level=3
"""A queue with integers for tokens, seen from inside: the shape that it takes, and a hand that breaks it.

Compiled by `tests/window.py` against the installed .pxd files, as any other Cython code would.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from timers.boxes cimport BLOCK, PyListObject
from timers.bucket cimport Chunk, Timer, is_forwarded, successor
from timers.crowd cimport SEGMENT, Crowd
from timers.deadlines cimport Deadlines
from timers.index cimport Searcher, crowd_find
from timers.slots cimport occupied
from timers.spots cimport Spot, find_spot, is_crowded, next_at_spot, remove_at_spot
from timers.timerset cimport keys_of
from timers.timerqueue cimport (
    NEVER, Due, Queue, check_queue, clear_queue, copy_queue, count_ready, init_queue, put, queue_memory, read_queue,
    ripen_queue, take_back, take_due, take_ready,
)
from timers.tokens cimport box_of, boxed
from timers.wheel cimport Slot, Wheel, as_bucket, as_crowd, as_wheel, is_crowd, is_wheel

from collections import namedtuple

# A bucket is a list of chunks, the newest first; an empty slot is None. What became of a forwarded chunk, and how many
# owners that has, is the last of its list.
WheelShape = namedtuple("WheelShape", "shift base size owners slots")
ChunkShape = namedtuple("ChunkShape", "capacity owners ordered deadlines")
CrowdShape = namedtuple("CrowdShape", "deadline live start end owners segments")
Forwarded = namedtuple("Forwarded", "owners successor")
SegmentShape = namedtuple("SegmentShape", "capacity used owners")

# fail(start, stop) makes allocations fail from a number on to another, and restore() no more.
fail = restore = None


cdef object shape_of(Slot slot):
    cdef Wheel *wheel
    cdef Crowd *crowd
    cdef Chunk *chunk
    cdef size_t index
    if not slot:
        return None
    if is_wheel(slot):
        wheel = as_wheel(slot)
        slots = {index: shape_of(wheel.slots[index]) for index in range(wheel.size) if wheel.slots[index]}
        return WheelShape(wheel.shift, wheel.base, wheel.size, wheel.owners, slots)
    if is_crowd(slot):
        crowd = as_crowd(slot)
        segments = [
            SegmentShape(crowd.segments[index].capacity, crowd.segments[index].used, crowd.segments[index].owners)
            for index in range(crowd.start // SEGMENT, (crowd.end + SEGMENT - 1) // SEGMENT)
        ]
        return CrowdShape(crowd.deadline, crowd.live, crowd.start, crowd.end, crowd.owners, segments)
    chunks = []
    chunk = as_bucket(slot)
    while chunk is not NULL:
        if is_forwarded(chunk):
            chunks.append(Forwarded(chunk.owners, shape_of(successor(chunk))))
            break
        deadlines = [chunk.timers[index].deadline for index in range(chunk.count)]
        chunks.append(ChunkShape(chunk.capacity, chunk.owners, bool(chunk.ordered), deadlines))
        chunk = chunk.older
    return chunks


cdef class Numbers:
    """Timers whose tokens are the numbers of their insertion."""

    cdef Queue queue
    cdef Due ripe
    cdef readonly size_t number
    # The next call with `self.failing` set runs while those allocations fail.
    cdef public object failing

    def __cinit__(self):
        init_queue(&self.queue)

    def __init__(self, deadlines=()):
        for deadline in deadlines:
            self.put(deadline)

    def __dealloc__(self):
        clear_queue(&self.queue)

    def starve(self, start=0, stop=0):
        """In the next call, allocations fail: all, or those from a number on to another."""
        self.failing = start, stop
        return self

    cdef begin(self):
        if self.failing is not None:
            fail(*self.failing)

    cdef end(self):
        if self.failing is not None:
            restore()
            self.failing = None

    def put(self, uint64_t deadline):
        self.begin()
        cdef int answer = put(&self.queue, deadline, boxed(self.number + 1))
        self.end()
        if answer < 0:
            raise MemoryError
        self.number += 1

    def take_back(self, uint64_t deadline):
        self.begin()
        cdef size_t word = take_back(&self.queue, deadline)
        self.end()
        return box_of(word) - 1

    def ripen(self, uint64_t now, size_t most=1 << 30):
        """How many timers are ripe."""
        self.begin()
        cdef int answer = ripen_queue(&self.queue, now, most, &self.ripe)
        self.end()
        if answer < 0:
            raise MemoryError
        return self.ripe.count

    def take(self, bint times=False):
        """The tokens of the ripe timers; or (deadline, token) pairs."""
        cdef size_t count = self.ripe.count
        cdef size_t *words = <size_t *>PyMem_Malloc((count + 1) * sizeof(size_t))
        cdef uint64_t *deadlines = <uint64_t *>PyMem_Malloc((count + 1) * sizeof(uint64_t))
        self.begin()
        cdef int answer = take_due(&self.queue, &self.ripe, words, deadlines if times else NULL)
        self.end()
        taken = None
        if answer == 0:
            taken = [box_of(words[index]) - 1 for index in range(count)]
            if times:
                taken = [(deadlines[index], taken[index]) for index in range(count)]
        PyMem_Free(words)
        PyMem_Free(deadlines)
        if taken is None:
            raise MemoryError
        return taken

    def due(self, uint64_t now, size_t most=1 << 30, bint times=False):
        self.ripen(now, most)
        return self.take(times)

    def take_ready(self, uint64_t now, size_t most=1 << 30):
        cdef size_t words[64]
        cdef uint32_t count = count_ready(&self.queue, now, most)
        if count:
            take_ready(&self.queue, count, words)
        return [box_of(words[index]) - 1 for index in range(count)]

    def read(self, count=None):
        """The first timers, (deadline, token) pairs."""
        cdef size_t all = self.queue.count if count is None else count
        cdef Timer *timers = <Timer *>PyMem_Malloc((all + 1) * sizeof(Timer))
        self.begin()
        cdef int answer = read_queue(&self.queue, all, timers)
        self.end()
        pairs = [(timers[index].deadline, box_of(timers[index].word) - 1) for index in range(all)]
        PyMem_Free(timers)
        if answer < 0:
            raise MemoryError
        return pairs

    def find(self, uint64_t deadline, bint to_write=False):
        """All tokens of a deadline, as they are found one by one."""
        cdef Spot spot
        cdef size_t position = 0
        cdef size_t word
        self.begin()
        cdef int answer = find_spot(&self.queue, deadline, to_write, &spot)
        if answer > 0 and is_crowded(&spot) and not spot.place.own:
            # Some of it may be forwarded.
            answer = find_spot(&self.queue, deadline, True, &spot)
        self.end()
        if answer < 0:
            raise MemoryError
        found = []
        while answer and next_at_spot(&self.queue, &spot, &position, &word):
            found.append(box_of(word) - 1)
            position += 1
        return found

    def is_crowded(self, uint64_t deadline):
        cdef Spot spot
        return bool(find_spot(&self.queue, deadline, False, &spot) and is_crowded(&spot))

    def remove(self, uint64_t deadline, size_t number, bint to_write=False):
        cdef Spot spot
        cdef size_t word = 0
        if find_spot(&self.queue, deadline, False, &spot) and (to_write or is_crowded(&spot)):
            find_spot(&self.queue, deadline, True, &spot)
        spot.place.position = 0
        while box_of(word) - 1 != number:
            if not next_at_spot(&self.queue, &spot, &spot.place.position, &word):
                raise KeyError(number)
            spot.place.position += 1
        spot.place.position -= 1
        self.begin()
        cdef int answer = remove_at_spot(&self.queue, &spot, &word)
        self.end()
        if answer < 0:
            raise MemoryError
        return box_of(word) - 1

    def search(self, uint64_t deadline, token, list objects, uint64_t serial=1):
        """Of a crowd: the number of the timer whose token is `token`, where timer k has `objects[k + 1]`."""
        cdef Spot spot
        if find_spot(&self.queue, deadline, True, &spot) < 0 or not is_crowd(spot.place.path[spot.place.depth - 1][0]):
            raise MemoryError
        cdef Crowd *crowd = as_crowd(spot.place.path[spot.place.depth - 1][0])
        cdef list blocks = [tuple(objects[first:first + BLOCK]) for first in range(0, len(objects), BLOCK)]
        cdef uint32_t version = 0
        cdef Searcher by = Searcher(&self.queue.root, &(<PyListObject *>blocks).ob_item, serial, &version, version)
        self.begin()
        try:
            position = crowd_find(crowd, <PyObject *>token, &by)
        finally:
            self.end()
        if position < 0:
            return position
        return box_of(crowd.segments[<size_t>position // SEGMENT].words[<size_t>position % SEGMENT]) - 1

    def copy(self):
        cdef Numbers twin = Numbers()
        self.begin()
        cdef int answer = copy_queue(&self.queue, &twin.queue)
        self.end()
        if answer < 0:
            raise MemoryError
        twin.number = self.number
        return twin

    def clear(self):
        clear_queue(&self.queue)

    def memory(self):
        return queue_memory(&self.queue)

    def __len__(self):
        return self.queue.count

    @property
    def next(self):
        return None if self.queue.next == NEVER else self.queue.next

    @property
    def moves(self):
        return self.queue.moves

    @property
    def ready(self):
        """The deadlines in the chunk or the crowd that is ready, if there is one."""
        cdef Slot slot = self.queue.ready
        if is_crowd(slot):
            return [as_crowd(slot).deadline] * as_crowd(slot).live
        return [as_bucket(slot).timers[index].deadline for index in range(as_bucket(slot).count)] if slot else None

    def shape(self):
        return shape_of(self.queue.root)

    def heap(self):
        """The (deadline, token) pairs of the overflow heap, as they stand."""
        if self.queue.heap is NULL:
            return None
        return [
            (self.queue.heap.entries[index].timer.deadline, box_of(self.queue.heap.entries[index].timer.word) - 1)
            for index in range(self.queue.heap.count)
        ]

    def check(self):
        """The first word of what is broken, or the number of timers."""
        cdef const char *broken = check_queue(&self.queue)
        return self.queue.count if broken is NULL else (<bytes>broken).decode().split(":")[0]

    def poke(self, path, str what, uint64_t value, size_t index=0):
        """Set a field; answers what it was.

        `path`: from the root a digit for each wheel, and one step more for each older chunk; "heap", "queue".
        """
        if path == "queue":
            return self.poke_queue(what, value)
        if path == "heap":
            return self.poke_heap(what, value, index)
        cdef Slot slot = self.queue.root
        for digit in path:
            slot = as_wheel(slot).slots[<size_t>digit] if is_wheel(slot) else <Slot>as_bucket(slot).older
        if is_wheel(slot):
            return poke_wheel(as_wheel(slot), what, value, index)
        if is_crowd(slot):
            return poke_crowd(as_crowd(slot), what, value, index)
        return poke_chunk(as_bucket(slot), what, value, index)

    cdef poke_queue(self, what, uint64_t value):
        if what == "count":
            old, self.queue.count = self.queue.count, <size_t>value
        elif what == "next":
            old, self.queue.next = self.queue.next, value
        elif what == "ready":
            old, self.queue.ready = self.queue.ready, <Slot>value
        elif what == "root":
            old, self.queue.root = self.queue.root, <Slot>value
        else:
            raise ValueError(what)
        return old

    cdef poke_heap(self, what, uint64_t value, size_t index):
        if what == "deadline":
            old, self.queue.heap.entries[index].timer.deadline = self.queue.heap.entries[index].timer.deadline, value
        elif what == "number":
            old, self.queue.heap.entries[index].number = self.queue.heap.entries[index].number, value
        else:
            raise ValueError(what)
        return old


cdef poke_wheel(Wheel *wheel, what, uint64_t value, size_t index):
    if what == "base":
        old, wheel.base = wheel.base, value
    elif what == "shift":
        old, wheel.shift = wheel.shift, <uint8_t>value
    elif what == "occupied":
        old, occupied(wheel)[index] = occupied(wheel)[index], value
    elif what == "words":
        old, wheel.words = wheel.words, <uint16_t>value
    elif what == "slot":
        old, wheel.slots[index] = wheel.slots[index], <Slot>value
    elif what == "owners":
        old, wheel.owners = wheel.owners, <uint16_t>value
    elif what == "mixed":
        old, wheel.mixed = wheel.mixed, <uint8_t>value
    else:
        raise ValueError(what)
    return old


cdef poke_chunk(Chunk *chunk, what, uint64_t value, size_t index):
    if what == "count":
        old, chunk.count = chunk.count, <uint8_t>value
    elif what == "before":
        old, chunk.before = chunk.before, <uint32_t>value
    elif what == "ordered":
        old, chunk.ordered = chunk.ordered, <uint8_t>value
    elif what == "owners":
        old, chunk.owners = chunk.owners, <uint16_t>value
    elif what == "deadline":
        old, chunk.timers[index].deadline = chunk.timers[index].deadline, value
    elif what == "address":
        old = <size_t>chunk
    else:
        raise ValueError(what)
    return old


cdef poke_crowd(Crowd *crowd, what, uint64_t value, size_t index):
    if what == "live":
        old, crowd.live = crowd.live, <size_t>value
    elif what == "deadline":
        old, crowd.deadline = crowd.deadline, value
    elif what == "owners":
        old, crowd.owners = crowd.owners, <uint16_t>value
    elif what == "end":
        old, crowd.end = crowd.end, <size_t>value
    elif what == "used":
        old, crowd.segments[index].used = crowd.segments[index].used, <uint16_t>value
    elif what == "words":
        old, crowd.segments[index].live = crowd.segments[index].live, <uint16_t>value
    elif what == "segment owners":
        old, crowd.segments[index].owners = crowd.segments[index].owners, <uint16_t>value
    else:
        raise ValueError(what)
    return old


def number_keys(Deadlines deadlines, next):
    """Which number the next key that is set gets."""
    keys_of(deadlines).next = next


def numbered_segments(Deadlines deadlines):
    """Of how many segments of the only crowd the first numbers are known; None without an index."""
    cdef Slot slot = deadlines.queue.root
    cdef size_t index
    while is_wheel(slot):
        index = 0
        while not as_wheel(slot).slots[index]:
            index += 1
        slot = as_wheel(slot).slots[index]
    if not is_crowd(slot) or as_crowd(slot).index is NULL:
        return None
    return as_crowd(slot).index.numbered
