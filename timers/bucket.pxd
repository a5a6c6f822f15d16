# cython: language_level=3
"""A bucket: timers in the order of their insertion, in chunks, an append each.

    slot ──> newest chunk ──> older chunk ──> oldest chunk
             [t t t . . .]    [t t t t t t]   [t t t t t t]

A chunk knows the one before it, never the one after: a copy shares what there is, and puts chunks of its own in front.
Only the newest is ever written to, and copied first if it is shared. `before` tells how many timers are older than a
chunk's, and so where each belongs in an array of all: whoever reads a bucket meets the newest first, and writes each
chunk to its place.

A walk through a long bucket would wait for memory at each chunk. So a full-grown one has a *trail* behind its timers:
where the four chunks lie that are older than its older one, of each address the 32 bits that tell it from its own. It
is only ever asked of the memory what lies there: nobody follows it, and it may be wrong.

A chunk without timers is *forwarded*: what it held, and the older ones with it, is now in a wheel or a crowd, of which
it says where it is (forwarding.pxd).

Invariants (invariants.pyx verifies each by name):
  no-hole     no other chunk is empty or over-full
  counted     `before` is the number of timers in the older chunks
  ordered     a chunk that says so is the oldest of its bucket, and sorted by deadline, equal ones as inserted
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove, memset

from timers.bits cimport (
    PyMem_Free, PyMem_Malloc, leave_owner, owners_of, prefetch, prefetch_chunk,
)
from timers.tokens cimport timers_drop, timers_keep

cdef enum:
    # Timers of the first chunk of a bucket, and of the largest: with its trail 480 bytes, which fill the pools of
    # Python's own allocator better than any other size.
    FEWEST = 2
    CHUNK = 28
    # Chunks in a trail.
    TRAIL = 4

cdef extern from *:
    """
    #include <stdint.h>
    typedef struct { uint64_t deadline; size_t word; } timers_Timer;
    typedef struct timers_Chunk {
        struct timers_Chunk *older;
        uint32_t before;
        uint16_t owners;
        uint8_t count;
        uint8_t capacity : 7;
        uint8_t ordered : 1;
        timers_Timer timers[1];     /* `capacity` of them; then, of CHUNK, the trail */
    } timers_Chunk;
    """
    ctypedef struct Timer "timers_Timer":
        uint64_t deadline
        size_t word
    ctypedef struct Chunk "timers_Chunk":
        Chunk *older
        uint32_t before
        uint16_t owners
        uint8_t count
        uint8_t capacity
        uint8_t ordered
        Timer *timers


cdef inline size_t chunk_size(uint32_t capacity) noexcept nogil:
    return sizeof(Chunk) + (capacity - 1) * sizeof(Timer) + (TRAIL * sizeof(uint32_t) if capacity == CHUNK else 0)


cdef inline uint32_t *trail_of(Chunk *chunk) noexcept nogil:
    return <uint32_t *>(chunk.timers + CHUNK)


cdef inline void lay_trail(Chunk *chunk) noexcept nogil:
    """Of a chunk that is full-grown now."""
    cdef uint32_t *trail = trail_of(chunk)
    cdef Chunk *older = chunk.older
    if older is NULL or older.capacity < CHUNK:
        memset(trail, 0, TRAIL * sizeof(uint32_t))
    else:
        trail[0] = <uint32_t>(<size_t>older.older >> 4)
        memcpy(trail + 1, trail_of(older), (TRAIL - 1) * sizeof(uint32_t))


cdef inline void prefetch_older(Chunk *chunk) noexcept nogil:
    """On a walk, ask for the next chunk, and for the one at the end of the trail."""
    cdef uint64_t near = <size_t>chunk
    cdef uint64_t last
    prefetch_chunk(chunk.older)
    if chunk.capacity == CHUNK:
        last = trail_of(chunk)[TRAIL - 1]
        if last:
            prefetch_chunk(<void *><size_t>(near >> 36 << 36 | last << 4))


cdef inline size_t bucket_count(Chunk *newest) noexcept nogil:
    return <size_t>newest.before + newest.count


cdef inline bint is_own(Chunk *newest) noexcept nogil:
    """Whether nobody else owns the newest chunk; the older ones may be shared."""
    return owners_of(&newest.owners) == 1


cdef inline bint is_forwarded(Chunk *chunk) noexcept nogil:
    return chunk.count == 0


cdef inline size_t successor(Chunk *forwarded) noexcept nogil:
    """The slot of what became of it, and of the older ones."""
    return <size_t>forwarded.older


cdef inline Chunk *new_chunk(Chunk *older, uint32_t capacity) noexcept nogil:
    """An empty chunk before `older`, whose owner it becomes; to be filled before anybody looks."""
    cdef Chunk *chunk = <Chunk *>PyMem_Malloc(chunk_size(capacity))
    if chunk is not NULL:
        chunk.older = older
        chunk.before = 0 if older is NULL else <uint32_t>bucket_count(older)
        chunk.owners = 1
        chunk.count = 0
        chunk.capacity = <uint8_t>capacity
        chunk.ordered = False
        if capacity == CHUNK:
            lay_trail(chunk)
    return chunk


cdef inline void prefetch_tokens(const Timer *timers, size_t count) noexcept nogil:
    """Tokens lie anywhere: their counts of references are asked for before the first is raised."""
    cdef const Timer *end = timers + count
    while timers < end:
        prefetch(<void *>timers.word)
        timers += 1


cdef inline void keep_all(Timer *timers, size_t count) noexcept nogil:
    cdef size_t index
    prefetch_tokens(timers, count)
    for index in range(count):
        timers_keep(timers[index].word)


cdef inline size_t leave_bucket(Chunk *newest) noexcept nogil:
    """One owner less; whoever is the last lets go of the tokens, which runs no foreign code.

    Answers the successor of a forwarded chunk that is gone, which the caller leaves; 0, mostly: there is none.
    """
    cdef Chunk *older
    cdef uint32_t index
    cdef bint forwarded
    while newest is not NULL and leave_owner(&newest.owners) == 0:
        older = newest.older
        forwarded = is_forwarded(newest)
        for index in range(newest.count):
            timers_drop(newest.timers[index].word)
        PyMem_Free(newest)
        if forwarded:
            return <size_t>older
        newest = older
    return 0


cdef inline void append(Chunk *newest, uint64_t deadline, size_t word) noexcept nogil:
    """Append to an own chunk that has room."""
    newest.timers[newest.count].deadline = deadline
    newest.timers[newest.count].word = word
    newest.count += 1


cdef inline void insert_ordered(Chunk *chunk, uint64_t deadline, size_t word) noexcept nogil:
    """Insert into an own chunk that is ordered and has room, behind its equals."""
    cdef uint32_t place = chunk.count
    while place and chunk.timers[place - 1].deadline > deadline:
        chunk.timers[place] = chunk.timers[place - 1]
        place -= 1
    chunk.timers[place].deadline = deadline
    chunk.timers[place].word = word
    chunk.count += 1


cdef inline void cut(Chunk *chunk, uint32_t place, uint32_t count) noexcept nogil:
    """Forget `count` timers of an own chunk."""
    chunk.count -= <uint8_t>count
    memmove(chunk.timers + place, chunk.timers + place + count, (chunk.count - place) * sizeof(Timer))


cdef inline void gather(Chunk *newest, Timer *timers) noexcept nogil:
    """Copy all timers to an array, in the order of insertion."""
    cdef Chunk *chunk = newest
    while chunk is not NULL:
        prefetch_older(chunk)
        memcpy(timers + chunk.before, chunk.timers, chunk.count * sizeof(Timer))
        chunk = chunk.older


cdef inline void move(Chunk *newest, Timer *timers) noexcept nogil:
    """`gather`, and leave the bucket: the references come along."""
    cdef Chunk *older
    while newest is not NULL and is_own(newest):
        older = newest.older
        prefetch_older(newest)
        memcpy(timers + newest.before, newest.timers, newest.count * sizeof(Timer))
        PyMem_Free(newest)
        newest = older
    if newest is not NULL:
        gather(newest, timers)
        keep_all(timers, bucket_count(newest))
        leave_bucket(newest)
