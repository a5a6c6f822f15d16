# cython: language_level=3
"""The hierarchical timing wheel: deadlines are unsigned integers, and what they count is not its business.

    root ──> wheel of 65 s slots
             ├─ slot  9 ──> wheel of 256 ms slots        reached: cascaded
             │              ├─ slot 17 ──> wheel of 1 ms slots
             │              │              ├─ slot 3: bucket [t t t]
             │              │              └─ slot 4: bucket [t t]
             │              └─ slot 18: bucket [t t t t t ...]   not yet reached
             └─ slot 10: bucket [t t t t ...]

    (A datetime is counted in milliseconds of 1024 steps; here are a million of them over some minutes.)

A slot is empty, or holds a bucket (bucket.pxd), a finer wheel, or a crowd (crowd.pxd). A wheel has 8 to 1024 slots of a
power of two of steps each: the digit of a deadline that names the slot is its distance from the base, cut by a shift. A
bucket cascades into a finer wheel the first time something needs its inside.

Here is what a node of the tree is, and how a wheel is made. What is done with the tree has rooms of its own:

    slots.pxd         which slot a deadline is in, and which are in use
    sharing.pxd       who owns a node: copies that share, and path copying
    reach.pxd         where the root begins, and what it reaches
    cascade.pxd       what becomes of a bucket that something needs the inside of
    insertion.pxd     a timer comes
    forwarding.pxd    a bucket that is shared cascades once, for all who share it
    expiry.pxd        timers fall due
    removal.pxd       one of many is found, and goes
    invariants.pxd    whether all is as it must be

Invariants (invariants.pyx verifies each by name, with those of bucket.pxd and crowd.pxd):
  occupied    a slot's bit is set exactly where the slot is not empty, and a word's where one of its bits is
  aligned     the base of the root is a multiple of its slots, that of a finer wheel of its range
  nested      a finer wheel lies within the slot that holds it
  no-husk     no wheel is empty
  in-slot     every timer lies within the range of its slot
  single      a crowd lies in a slot of one deadline
  mixed       in a wheel that does not say that it was copied no bucket is shared
  forwarded   what was forwarded is a wheel or a crowd, and holds as many timers as it did
Within a bucket equal deadlines stand in the order of their insertion.

After Varghese & Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from timers.bucket cimport Chunk
from timers.crowd cimport Crowd

cdef enum:
    # The digits of a wheel: so many bits at least and at most; and of one that is put between two, mostly empty.
    NARROW = 3
    WIDE = 10
    SPARSE = 8

cdef struct Wheel:
    uint64_t base       # the first deadline of slot 0
    uint16_t owners
    uint8_t shift       # of the digit that names the slot
    uint8_t mixed       # it was copied: buckets in its slots may be shared, and forwarded (never so, free-threaded)
    uint16_t size
    uint16_t words      # a bit for each word of the bits below: whether any is set
    size_t slots[1]     # `size` of them, and behind them a bit for each: whether it is in use

# 0, or the newest Chunk of a bucket, or a Wheel with the lowest bit set, or a Crowd with the second.
ctypedef size_t Slot

cdef enum:
    # What the functions that answer int answer: done; beyond the root; no memory, and nothing observable has changed.
    DONE = 0
    BEYOND = 1
    STARVED = -1

# An empty wheel of 2 ** `bits` slots; NULL without memory.
cdef Wheel *new_wheel(uint64_t base, uint32_t shift, uint32_t bits) noexcept nogil
# One that reaches `deadline` and, within one of its slots, the given wheel, which is aligned to its range; `limit` bits
# at most, and `bits` of slots.
cdef Wheel *coarser(Wheel *wheel, uint64_t deadline, uint32_t limit, uint32_t bits) noexcept nogil
# Put a finer wheel into its slot.
cdef void hang(Wheel *wheel, Slot finer) noexcept nogil
# Free the wheel in `slot`, its own, if it holds nothing, or nothing but one finer wheel.
cdef void prune(Slot *slot) noexcept nogil


cdef inline bint is_wheel(Slot slot) noexcept nogil:
    return slot & 1


cdef inline bint is_crowd(Slot slot) noexcept nogil:
    return (slot >> 1) & 1


cdef inline bint is_bucket(Slot slot) noexcept nogil:
    return slot != 0 and not slot & 3


cdef inline Wheel *as_wheel(Slot slot) noexcept nogil:
    return <Wheel *>(slot - 1)


cdef inline Crowd *as_crowd(Slot slot) noexcept nogil:
    return <Crowd *>(slot - 2)


cdef inline Chunk *as_bucket(Slot slot) noexcept nogil:
    return <Chunk *>slot


cdef inline uint64_t digit_for(Wheel *wheel, uint64_t deadline) noexcept nogil:
    """The slot of `deadline`; `size` or more where the wheel does not reach it."""
    # What lies before the base is far beyond. As wide as a deadline: cut to the width of a pointer, it would seem near.
    return (deadline - wheel.base) >> wheel.shift


cdef inline uint64_t end_of(Wheel *wheel) noexcept nogil:
    """The last deadline that a wheel reaches."""
    return wheel.base + ((<uint64_t>wheel.size << wheel.shift) - 1)
