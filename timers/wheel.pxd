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

A slot is empty, or holds a bucket (bucket.pxd), a finer wheel, or a crowd (crowd.pxd). A wheel has 8 to 256 slots of a
power of two of steps each, and its range is a multiple of itself: the digit of a deadline that names the slot is cut
out by a shift. A bucket cascades into a finer wheel the first time something needs its inside: a part of it is due,
or is searched. How fine follows from the bits in which its timers differ, and how many slots from their number: some
sixteen timers a slot. A bucket that fits one chunk is sorted where it lies instead. One that is due as a whole is
taken as a whole, and sorted on its way out. One of FLOOD timers does not wait: it cascades while a pass over it is
cheap, and what comes later goes straight to the finer slots.

The root reaches as far as the timers that it was made for. What lies beyond is not its affair: `insert_slowly` says so,
and timerqueue.pxd keeps it in the overflow heap, until it puts a coarser wheel on top, a `crown`. Within the tree a
wheel too fine for a deadline gets a coarser one on top.

Nodes may be shared with other trees, each node counting its owners. Whoever writes makes its own first what lies on the
way from the root: path copying, after Driscoll et al., "Making Data Structures Persistent", STOC 1986.

Taking timers is in two steps, so that it is done wholly or not at all: `ripen` cascades, but gives nothing out; `take`
needs no memory that it has not got before it begins.

Invariants (`check` verifies each by name, with those of bucket.pxd and crowd.pxd):
  occupied    a bit of `occupied` is set exactly where the slot is not empty
  aligned     the base of a wheel is a multiple of its range
  nested      a finer wheel lies within the slot that holds it
  no-husk     no wheel is empty
  in-slot     every timer lies within the range of its slot
  single      a crowd lies in a slot of one deadline
Within a bucket equal deadlines stand in the order of their insertion.

After Varghese & Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from timers.bits cimport owners_of
from timers.bucket cimport Chunk, Timer
from timers.crowd cimport Crowd

cdef enum:
    # A bucket of up to so many timers (a megabyte) is sorted as a whole, if it is due as a whole.
    BATCH = 65536
    # One of so many (two megabytes) cascades when it would grow: a pass over it will not be cheaper again.
    FLOOD = 131072
    # The digits of a wheel: so many bits at least and at most.
    NARROW = 3
    WIDE = 8
    # The binary logarithm of the timers that a slot shall have.
    ROOMY = 4
    # Removals that leave a wheel so few timers fold it into a bucket again.
    CALM = 12
    LEVELS = 64

cdef struct Wheel:
    uint64_t base       # the first deadline of slot 0
    uint16_t owners
    uint16_t shift      # of the digit that names the slot
    uint32_t size
    uint64_t occupied[4]
    size_t slots[1]     # `size` of them

# 0, or the newest Chunk of a bucket, or a Wheel with the lowest bit set, or a Crowd with the second.
ctypedef size_t Slot

cdef enum:
    # What the functions that answer int answer: done; beyond the root; no memory, and nothing observable has changed.
    DONE = 0
    BEYOND = 1
    STARVED = -1


# ---- Inserting

# `insert_quickly`, below, does most. Should the chunk `*ready` move, that becomes NULL, or where it then lies.
cdef int insert_slowly(Slot *root, uint64_t deadline, size_t word, Chunk **ready) noexcept nogil
# A bucket that counts `count` timers already, which the caller fills. Without memory the slot stays as it was.
cdef int allot(Slot *slot, size_t count) noexcept nogil
# Put a wheel on top of the root that reaches `deadline` too; and take it off again, while nothing else is in it.
cdef int crown(Slot *root, uint64_t deadline) noexcept nogil
cdef void uncrown(Slot *root) noexcept nogil
# Take back the timer of a deadline that was inserted last, of a tree that was not shared since. Needs no memory.
cdef size_t withdraw(Slot *root, uint64_t deadline) noexcept nogil

# Cascade the bucket that is the root. The timers that lie far from most others, `*outliers` at most, are not
# inserted but answered in `far`, in their order.
cdef int split_root(Slot *root, Timer *far, size_t *outliers) noexcept nogil


# ---- Falling due

# The latest deadline of a root that is a bucket; of a wheel, the last that it reaches.
cdef uint64_t highest(Slot root) noexcept nogil

cdef struct Ripe:
    size_t most         # there may be more; those are left for later
    size_t count
    size_t largest      # of the buckets that are still to be sorted

# Count the timers due by `now`, at most `ripe.most`, and cascade and sort so far that they can be taken.
cdef int ripen(Slot *root, uint64_t now, Ripe *ripe) noexcept nogil
# Remove the ripe timers, in order; `deadlines` may be NULL.
cdef int take(Slot *root, Ripe *ripe, size_t *words, uint64_t *deadlines) noexcept nogil
# The soonest deadline of a tree that is not empty. Cascades; and `ready` becomes the chunk that it is first in, if that
# is ordered and may be written to, or else NULL.
cdef uint64_t earliest(Slot *root, Chunk **ready) noexcept nogil


# ---- One of many

cdef struct Place:
    Slot *path[LEVELS + 2]      # from the root down to the bucket or crowd
    int depth
    bint own                    # may be written to
    size_t position             # in the order of the bucket or crowd

# Go to the bucket or crowd of a deadline; False if there is none. `to_write`: the way becomes the tree's own, a bucket
# too large for a chunk cascades or becomes a crowd, a smaller one becomes one chunk, in the same order.
cdef int seek(Slot *root, uint64_t deadline, bint to_write, Place *place) noexcept nogil
# Remove one timer from an own bucket of a chunk, or from a crowd.
cdef int remove(Place *place, size_t *word) noexcept nogil


# ---- The whole

# Copy the first `count` timers in the order of falling due.
cdef int read(Slot root, size_t *count, Timer **timers) noexcept nogil
# One more owner of a tree; 0 for want of memory.
cdef Slot share(Slot root) noexcept nogil
# One owner less. Runs no foreign code.
cdef void free(Slot root) noexcept nogil
cdef size_t memory(Slot root) noexcept nogil
# The name of the first invariant that does not hold, or NULL; `count` rises by the timers seen.
cdef const char *check(Slot root, size_t *count) noexcept nogil


# ---- The way of an insert, short enough to stand in its callers.

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
    # As wide as a deadline: cut to the width of a pointer, a far one would seem near.
    return (wheel.base ^ deadline) >> wheel.shift


cdef inline uint64_t end_of(Wheel *wheel) noexcept nogil:
    """The last deadline that a wheel reaches."""
    return wheel.base + ((<uint64_t>wheel.size << wheel.shift) - 1)


cdef inline bint insert_quickly(Slot *root, uint64_t deadline, size_t word) noexcept nogil:
    """Append to a bucket that has room, if that is all there is to do."""
    cdef Slot slot = root[0]
    cdef uint64_t digit
    cdef Chunk *newest
    while is_wheel(slot):
        digit = digit_for(as_wheel(slot), deadline)
        if digit >= as_wheel(slot).size or owners_of(&as_wheel(slot).owners) != 1:
            return False
        slot = as_wheel(slot).slots[<size_t>digit]
    if not is_bucket(slot):
        return False
    newest = as_bucket(slot)
    if newest.count == newest.capacity or newest.ordered or owners_of(&newest.owners) != 1:
        return False
    newest.timers[newest.count].deadline = deadline
    newest.timers[newest.count].word = word
    newest.count += 1
    return True
