# cython: language_level=3
"""The wheel alone, with integers for tokens, and its shape; and a hand that breaks it.

Compiled by `tests/window.py` against the installed `timers/wheel.pxd`, as any other Cython code would.
"""

from libc.stdint cimport uint32_t, uint64_t

from timers cimport wheel
from timers.wheel cimport FEWEST, Chunk, Place, Ripe, Slot, Timer, Wheel, as_bucket, as_wheel, is_wheel

from cpython.mem cimport PyMem_Free, PyMem_Malloc

try:
    from _testcapi import remove_mem_hooks, set_nomemory
except ImportError:
    remove_mem_hooks = set_nomemory = None


cdef object shape_of(Slot slot):
    cdef Wheel *here
    cdef Chunk *chunk
    cdef size_t digit
    if is_wheel(slot):
        here = as_wheel(slot)
        slots = {digit: shape_of(here.slots[digit]) for digit in range(here.size) if here.slots[digit]}
        return here.shift, here.base, here.size, slots
    chunks = []
    chunk = as_bucket(slot)
    while slot:
        chunk = chunk.next
        chunks.append((chunk.capacity, chunk.before, [chunk.timers[digit].deadline for digit in range(chunk.count)]))
        if chunk is as_bucket(slot):
            break
    return chunks


cdef class Tree:
    """Timers whose tokens are the numbers of their insertion."""

    cdef Slot root
    cdef Ripe ripe
    cdef readonly size_t number

    def __init__(self, deadlines=()):
        for deadline in deadlines:
            self.insert(deadline)

    def __dealloc__(self):
        wheel.free(self.root)

    cdef insert_into(self, Slot *slot, uint64_t deadline, int failures=0):
        if failures:
            set_nomemory(0, failures)
        cdef int answer = wheel.insert(slot, deadline, <void *>self.number, FEWEST)
        if failures:
            remove_mem_hooks()
        if answer < 0:
            raise MemoryError
        self.number += 1

    def insert(self, deadline, failures=0):
        """`failures`: so many allocations fail, the first ones."""
        self.insert_into(&self.root, deadline, failures)

    def insert_bucket(self, deadlines):
        cdef Slot batch = 0
        for deadline in deadlines:
            self.insert_into(&batch, deadline)
        if wheel.insert_bucket(&self.root, &batch) < 0:
            wheel.free(batch)
            raise MemoryError

    def earliest(self):
        return wheel.earliest(&self.root)

    def ripen(self, uint64_t now, size_t most=1 << 40, bint starve=False):
        """What the core answered, and how many timers are ripe."""
        self.ripe.most = most
        if starve:
            set_nomemory(0, 0)
        cdef int answer = wheel.ripen(&self.root, now, &self.ripe)
        if starve:
            remove_mem_hooks()
        return answer, self.ripe.count

    def take(self, bint starve=False):
        """The tokens of the ripe timers, and the soonest deadline that stays, or 0 if that is not known."""
        cdef void **tokens = <void **>PyMem_Malloc((self.ripe.count + 1) * sizeof(void *))
        if starve:
            set_nomemory(0, 0)
        cdef int answer = wheel.take(&self.root, &self.ripe, tokens)
        if starve:
            remove_mem_hooks()
        taken = [<size_t>tokens[index] for index in range(self.ripe.count)] if answer == 0 else None
        PyMem_Free(tokens)
        if taken is None:
            raise MemoryError
        return taken, self.ripe.next

    def read(self, size_t count, bint starve=False):
        """What the core answered, and the timers."""
        cdef Timer *timers = <Timer *>PyMem_Malloc((count + 1) * sizeof(Timer))
        if starve:
            set_nomemory(0, 0)
        cdef int answer = wheel.read(self.root, count, timers)
        if starve:
            remove_mem_hooks()
        pairs = [(timers[index].deadline, <size_t>timers[index].token) for index in range(count)]
        PyMem_Free(timers)
        return answer, pairs

    def calm(self, size_t count):
        wheel.calm(&self.root, count)

    def find(self, uint64_t deadline):
        """All tokens of a deadline."""
        cdef Place place
        found = []
        wheel.find(&self.root, deadline, True, &place)
        while place.chunk is not NULL:
            found.append(<size_t>place.chunk.timers[place.index].token)
            wheel.find_next(deadline, &place)
        return found

    def remove(self, uint64_t deadline, size_t token, bint starve=False):
        cdef Place place
        wheel.find(&self.root, deadline, True, &place)
        while <size_t>place.chunk.timers[place.index].token != token:
            wheel.find_next(deadline, &place)
        if starve:
            set_nomemory(0, 0)
        wheel.remove(&place)
        if starve:
            remove_mem_hooks()

    def copy(self):
        cdef Tree twin = Tree()
        if wheel.clone(self.root, &twin.root) < 0:
            raise MemoryError
        twin.number = self.number
        return twin

    def memory(self):
        return wheel.memory(self.root)

    def shape(self):
        """A bucket: a list of chunks (capacity, before, deadlines). A wheel: shift, base, size, slots by digit."""
        return shape_of(self.root)

    def check(self):
        """The first word of what is broken, or the number of timers."""
        cdef size_t count = 0
        cdef const char *broken = wheel.check(self.root, &count)
        return count if broken is NULL else (<bytes>broken).decode().split(":")[0]

    def poke(self, path, what, uint64_t value, size_t index=0):
        """Set a field of the slot at the end of the path; answers what it was."""
        cdef Slot slot = self.root
        for digit in path:
            slot = as_wheel(slot).slots[<size_t>digit]
        if what == "base":
            old, as_wheel(slot).base = as_wheel(slot).base, value
        elif what == "shift":
            old, as_wheel(slot).shift = as_wheel(slot).shift, <uint32_t>value
        elif what == "occupied":
            old, as_wheel(slot).occupied[index] = as_wheel(slot).occupied[index], value
        elif what == "slot":
            old, as_wheel(slot).slots[index] = as_wheel(slot).slots[index], <Slot>value
        elif what == "count":
            old, as_bucket(slot).count = as_bucket(slot).count, <uint32_t>value
        elif what == "before":
            old, as_bucket(slot).before = as_bucket(slot).before, value
        elif what == "deadline":
            old, as_bucket(slot).timers[index].deadline = as_bucket(slot).timers[index].deadline, value
        else:
            raise ValueError(what)
        return old
