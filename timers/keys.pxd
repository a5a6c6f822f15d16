# cython: language_level=3
"""The keys of `Deadlines`: a hash table that tells which deadline a key has. Copies share it in part, like the tree.

Open addressing with linear probing (Knuth, The Art of Computer Programming 3, section 6.4, algorithms L and R): an
entry lies where its hash points, its *home*, or after it without a gap. What is removed leaves none: the entries behind
it move up. At most three quarters are in use; growing by a third keeps that above one half.

Entries lie in pages, and pages on shelves. Both count their owners (bits.pxd) and are copied before they are written
to as long as there are several: a copy of the table costs a count for each shelf, a write beside it a shelf and a page.

The word of an entry is that of its timer in the tree, to which the reference belongs: a key that leaves the tree leaves
the table before anybody lets go of it. Its number tells when it was set: of keys at one deadline, the older one has the
lower number, until 32 bits have gone round.

Invariants (`check_keys` verifies each by name):
  keys-counted    there are as many entries as `count` says, in at most three quarters of the places
  keys-near       no gap lies between the home of an entry and itself
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from timers.bits cimport prefetch
from timers.bucket cimport Timer

cdef enum:
    # Entries of a page, and pages of a shelf, where there are as many; as powers of two.
    PAGE_BITS = 8
    SHELF_BITS = 6

cdef struct Entry:
    size_t word         # 0: there is none
    uint32_t hash
    uint32_t number
    uint64_t deadline

cdef struct Page:
    uint16_t owners
    Entry entries[1]

cdef struct Shelf:
    uint16_t owners
    Page *pages[1]

cdef struct Keys:
    Shelf **shelves     # NULL: no keys yet
    size_t count
    uint32_t size       # places: 0, fewer than a page has, or so many pages
    uint32_t next       # number
    bint shared         # there were copies, which may still own some of this


cdef void free_keys(Keys *keys) noexcept nogil

# ---- Functions that answer int answer -1 for want of memory, and then have changed nothing that can be observed.

# Give the empty `twin` what `keys` has; both share it.
cdef int copy_keys(Keys *keys, Keys *twin) noexcept nogil
# Before a change: make what it writes to the table's own. Of an insertion at a free place, which may lie elsewhere
# afterwards, whatever room it takes; of a removal, all entries that may move up.
cdef int own_entry(Keys *keys, size_t place) noexcept nogil
cdef int make_room(Keys *keys, uint32_t hash, size_t *place) noexcept nogil
cdef int own_run(Keys *keys, size_t place) noexcept nogil
cdef void insert_key(Keys *keys, size_t place, uint32_t hash, size_t word, uint64_t deadline) noexcept nogil
# A key that is there gets another deadline, of a page that is the table's own.
cdef void renew_key(Keys *keys, size_t place, uint64_t deadline) noexcept nogil
cdef void remove_key(Keys *keys, size_t place) noexcept nogil
# After removals: give back what is too large, if memory allows.
cdef void shrink(Keys *keys) noexcept nogil
# Where a word lies that is there.
cdef size_t place_of(Keys *keys, uint32_t hash, size_t word) noexcept nogil
# The entry of a timer's word, with its deadline; NULL if there is none.
cdef Entry *entry_of(Keys *keys, uint32_t hash, Timer *timer) noexcept nogil
cdef size_t keys_memory(Keys *keys) noexcept nogil
cdef const char *check_keys(Keys *keys) noexcept nogil


# Of this process: or who chooses the keys could foresee which of them meet.
cdef uint64_t SEED


cdef inline uint32_t fold(uint64_t hash) noexcept nogil:
    """What a table knows of a hash. Mixed twice, as with one multiplication alone there are seeds with which evenly
    spaced ints meet."""
    hash ^= SEED
    hash ^= hash >> 32
    hash *= <uint64_t>0x9E3779B97F4A7C15
    hash ^= hash >> 29
    return <uint32_t>(hash * <uint64_t>0xD6E8FEB86659FD93 >> 32)


cdef inline size_t home_of(Keys *keys, uint32_t hash) noexcept nogil:
    # Scaled to the size (Lemire 2016).
    return <size_t>(<uint64_t>hash * keys.size >> 32)


cdef inline size_t after(Keys *keys, size_t place) noexcept nogil:
    place += 1
    return place if place < keys.size else 0


cdef inline Entry *entry_at(Keys *keys, size_t place) noexcept nogil:
    cdef Shelf *shelf = keys.shelves[place >> (PAGE_BITS + SHELF_BITS)]
    return &shelf.pages[place >> PAGE_BITS & (1 << SHELF_BITS) - 1].entries[place & (1 << PAGE_BITS) - 1]


cdef inline void prefetch_entry(Keys *keys, uint32_t hash) noexcept nogil:
    """Ask early for the memory where an entry belongs."""
    if keys.shelves is not NULL:
        prefetch(entry_at(keys, home_of(keys, hash)))
