# cython: language_level=3
"""The integer room: a hierarchical timing wheel that never heard of datetimes.

A *deadline* is an unsigned integer: the millisecond tick in the upper bits, the microsecond
within that tick (0-999) in the lowest ten. A *timer* is a deadline and a token, an opaque
pointer that is moved about and never looked at.

    root ──> wheel of 65 s slots
             ├─ slot  9 ──> wheel of 256 ms slots        reached: cascaded
             │              ├─ slot 17 ──> wheel of 1 ms slots
             │              │              ├─ slot 3: bucket [t t t]
             │              │              └─ slot 4: bucket [t t]
             │              └─ slot 18: bucket [t t t t t ...]   not yet reached
             └─ slot 10: bucket [t t t t ...]

A slot is empty, or holds a bucket (timers in the order of their insertion, an append each), or
a finer wheel. A bucket of more than CROWD timers cascades into a finer wheel the first time
something needs its inside: `due`, a removal, or the search for the next deadline. A smaller
one is looked through, and what is due of it comes to its front. One of up to BATCH timers that
are all due is sorted while they are taken: they leave together, and a finer wheel would be gone
again in a moment. One of FLOOD timers does not wait: it cascades while it still lies in a cache,
and what comes later goes straight to the finer slots. Where removals leave but a few, a wheel is
folded into one bucket again. A small notifier is the same thing with no wheel in it: its root is
one bucket.

    level   slots   granularity   range of one wheel
      0       32       1 us           32 us     only where a millisecond is crowded
      1       32      32 us            1 ms     only where a millisecond is crowded
      2      256       1 ms          256 ms
      3      256     256 ms         65.5 s
      4      256      65.5 s         4.66 h
      5      256       4.66 h        49.7 d
      6      256      49.7 d         34.8 years
      7      256      34.8 years     8 919 years
      8       64     8 919 years     beyond the calendar

There is no cursor and nothing overflows. A bucket becomes a wheel at the level of the highest
digit in which most of its timers differ, and an outlier puts a coarser wheel on top; the coarsest
level reaches beyond the calendar. So a timer may lie anywhere, before or after all others, and
costs one append. A cursor could be wrong, wrap, or have to be re-anchored when the clock jumps; an
overflow heap would cost a logarithm where a coarse slot costs an append.

A timer moves down at most once a level, from bucket to bucket, in passes over whole chunks:
that, and the sorting of buckets, is all that draining costs. Taking timers is in two steps, so
that it is done wholly or not at all: `ripen` cascades, but gives nothing out; `take` sorts each
bucket on its way out, in memory that it has before it begins.

Invariants (`check` verifies each by name):
  occupied    a bit of `occupied` is set exactly where the slot is not empty
  aligned     the base of a wheel is a multiple of its range
  nested      a finer wheel lies within the slot that holds it, at a lower level
  no-husk     no wheel is empty
  in-slot     every timer lies within the range of its slot
  no-hole     no chunk of a bucket is empty or over-full
  counted     the last chunk of a bucket knows how many timers the others hold
Within a bucket equal deadlines stand in the order of their insertion.

After Varghese & Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7.
"""

from libc.stdint cimport uint32_t, uint64_t


cdef enum:
    # A bucket up to this size is looked through instead of cascading.
    CROWD = 48
    # And one up to this size (a megabyte), if all of its timers are due ...
    BATCH = 65536
    # ... and at most so many for each that may be taken.
    WORTH = 8
    # One of this size (two megabytes) cascades when it would grow: a pass over it will not be cheaper again.
    FLOOD = 131072
    # A wheel with no more timers than this after a removal is folded into one bucket again.
    CALM = 24
    # Timers of the largest chunk: 512 bytes, the largest block of Python's own allocator.
    CHUNK = 31
    # And of the first chunk of a bucket, where nothing tells of more.
    FEWEST = 2
    # Sorting is by digits of at most so many values; a few timers are compared instead.
    FAN = 1024
    FEW = 24
    # Those of one millisecond, which differ only in the bits below, are compared in 16 bits: ten, and six that
    # count up to LANES, no less than CROWD and a multiple of 16.
    CLOSE = 1024
    LANES = 48
    # The shift of the coarsest level, and the number of levels.
    TOP = 58
    LEVELS = 9


cdef extern from *:
    """
    #include <stdint.h>
    typedef struct { uint64_t deadline; void *token; } timers_Timer;
    typedef struct timers_Chunk {
        struct timers_Chunk *next;  /* of the last chunk: the first */
        uint64_t before : 48;       /* of the last chunk: how many timers the others hold */
        uint64_t count : 8;
        uint64_t capacity : 8;
        timers_Timer timers[1];     /* `capacity` of them */
    } timers_Chunk;
    """
    ctypedef struct Timer "timers_Timer":
        uint64_t deadline
        void *token
    ctypedef struct Chunk "timers_Chunk":
        Chunk *next
        uint64_t before
        uint32_t count
        uint32_t capacity
        Timer *timers


cdef struct Wheel:
    uint64_t base       # the first deadline of slot 0
    uint32_t shift      # of the digit that names the slot
    uint32_t size
    uint64_t occupied[4]
    size_t slots[1]     # `size` of them


# 0, or the last Chunk of a bucket, or a Wheel with the lowest bit set.
ctypedef size_t Slot

ctypedef int (*Visit)(Timer *timers, size_t count, void *context) noexcept


# ---- All timers. The functions that answer int answer -1 for want of memory, and then have
# changed nothing that can be observed.

cdef int insert_slowly(Slot *root, uint64_t deadline, void *token, uint32_t first) noexcept nogil
# Move the timers of another tree, `batch`, into the tree, behind those of the same deadlines.
# On failure `batch` is some tree.
cdef int insert_bucket(Slot *root, Slot *batch) noexcept nogil

# The soonest deadline; the root must not be empty.
cdef uint64_t earliest(Slot *root) noexcept nogil

cdef struct Ripe:
    size_t most         # there may be more; those are left for later
    size_t count
    size_t largest      # of the buckets that are still to be sorted
    uint64_t next       # once they are taken: the soonest deadline of the others, or 0 where `earliest` must find it

# Count the timers due by `now`, at most `ripe.most`, and bring those to the front of their bucket that do not leave it
# empty.
cdef int ripen(Slot *root, uint64_t now, Ripe *ripe) noexcept nogil
# Remove the ripe timers, in order; `tokens` has room for `ripe.count`.
cdef int take(Slot *root, Ripe *ripe, void **tokens) noexcept nogil
# Copy the first `count` timers in the order of falling due: ripened ones, or else all there are.
cdef int read(Slot root, size_t count, Timer *timers) noexcept nogil
# Make a tree of `count` timers, at most CALM, small again if it is too large for them and memory allows.
cdef void calm(Slot *slot, size_t count) noexcept nogil

cdef int clone(Slot source, Slot *target) noexcept nogil
cdef void free(Slot root) noexcept nogil
# Show every chunk to `visit`, until it answers other than 0.
cdef int walk(Slot root, Visit visit, void *context) noexcept
cdef size_t memory(Slot root) noexcept nogil
# The name of the first invariant that does not hold, or NULL; `count` rises by the timers seen.
cdef const char *check(Slot root, size_t *count) noexcept nogil


# ---- The timers of one deadline, in the order of insertion.

cdef struct Place:
    Slot *path[LEVELS + 1]      # from the root down to the bucket
    int depth
    Chunk *previous
    Chunk *chunk                # NULL: there is none (any more)
    uint32_t index

# `may_cascade`: what is searched may also be changed; else a crowd is looked through.
cdef void find(Slot *root, uint64_t deadline, bint may_cascade, Place *place) noexcept nogil
cdef void find_next(uint64_t deadline, Place *place) noexcept nogil
cdef void remove(Place *place) noexcept nogil


# ---- The way of an insert, short enough to stand in its callers.

cdef inline bint is_wheel(Slot slot) noexcept nogil:
    return slot & 1


cdef inline Wheel *as_wheel(Slot slot) noexcept nogil:
    return <Wheel *>(slot - 1)


cdef inline Chunk *as_bucket(Slot slot) noexcept nogil:
    return <Chunk *>slot


cdef inline size_t digit_for(Wheel *wheel, uint64_t deadline) noexcept nogil:
    """The slot of `deadline`; `size` or more where the wheel does not reach it."""
    return (wheel.base ^ deadline) >> wheel.shift


cdef inline int insert(Slot *root, uint64_t deadline, void *token, uint32_t first) noexcept nogil:
    """`first`: the capacity of the first chunk of an empty slot."""
    cdef Slot slot = root[0]
    cdef size_t digit
    cdef Chunk *last
    while is_wheel(slot):
        digit = digit_for(as_wheel(slot), deadline)
        if digit >= as_wheel(slot).size:
            return insert_slowly(root, deadline, token, first)
        slot = as_wheel(slot).slots[digit]
    last = as_bucket(slot)
    if last is NULL or last.count == last.capacity:
        return insert_slowly(root, deadline, token, first)
    last.timers[last.count].deadline = deadline
    last.timers[last.count].token = token
    last.count += 1
    return 0
