# cython: language_level=3
"""What C has no common name for: the lowest and highest bit of a word, prefetching, counts of owners.

A node of the tree (a chunk, a wheel, a crowd) is shared by its owners: slots, other nodes, notifiers. Who is the only
owner, all the way down from the root, may write to it. Counts are atomic on free-threaded interpreters, where copies
that share are written to by different threads.
"""

from libc.stdint cimport uint16_t, uint64_t

cdef extern from *:
    r"""
    #include <stdint.h>
    #if defined(__GNUC__) || defined(__clang__)
      #define timers_low_bit(word) __builtin_ctzll(word)
      #define timers_high_bit(word) (63 - __builtin_clzll(word))
      /* Compilers drop calls of a function that only prefetches: the empty instruction keeps it. */
      #define timers_prefetch(address) do { __builtin_prefetch(address); __asm__ volatile (""); } while (0)
    #elif defined(_MSC_VER) && (defined(_M_X64) || defined(_M_ARM64))
      #include <intrin.h>
      static __inline int timers_low_bit(unsigned long long word) {
          unsigned long bit; _BitScanForward64(&bit, word); return (int)bit;
      }
      static __inline int timers_high_bit(unsigned long long word) {
          unsigned long bit; _BitScanReverse64(&bit, word); return (int)bit;
      }
      #define timers_prefetch(address) ((void)0)
    #else
      static int timers_low_bit(unsigned long long word) {
          int bit = 0; while (!(word >> bit & 1)) bit++; return bit;
      }
      static int timers_high_bit(unsigned long long word) {
          int bit = 63; while (!(word >> bit & 1)) bit--; return bit;
      }
      #define timers_prefetch(address) ((void)0)
    #endif
    /* And the head of the pool in which Python's allocator (since 3.10) has it, which freeing writes to. */
    #define timers_prefetch_chunk(chunk) do { \
        for (int line = 0; line < 480; line += 64) timers_prefetch((void *)((size_t)(chunk) + line)); \
        timers_prefetch((void *)((size_t)(chunk) + 479)); \
        timers_prefetch((void *)((size_t)(chunk) & ~(size_t)0x3fff)); \
    } while (0)

    #if !defined(Py_GIL_DISABLED)
      #define timers_free_threaded 0
    #else
      #define timers_free_threaded 1
    #endif
    #if !defined(Py_GIL_DISABLED)
      #define timers_owners(owners) (*(owners))
      #define timers_add_owner(owners) (++*(owners))
      #define timers_leave_owner(owners) (--*(owners))
    #elif defined(_MSC_VER)
      #define timers_owners(owners) (*(volatile uint16_t *)(owners))
      #define timers_add_owner(owners) ((uint16_t)_InterlockedIncrement16((short *)(owners)))
      #define timers_leave_owner(owners) ((uint16_t)_InterlockedDecrement16((short *)(owners)))
    #else
      #define timers_owners(owners) __atomic_load_n(owners, __ATOMIC_ACQUIRE)
      #define timers_add_owner(owners) __atomic_add_fetch(owners, 1, __ATOMIC_ACQ_REL)
      #define timers_leave_owner(owners) __atomic_sub_fetch(owners, 1, __ATOMIC_ACQ_REL)
    #endif
    """
    const bint FREE_THREADED "timers_free_threaded"
    int low_bit "timers_low_bit"(uint64_t word) noexcept nogil
    int high_bit "timers_high_bit"(uint64_t word) noexcept nogil
    void prefetch "timers_prefetch"(void *address) noexcept nogil
    # Chunks lie anywhere: a walk over them waits for memory, unless it asks early.
    void prefetch_chunk "timers_prefetch_chunk"(void *chunk) noexcept nogil
    uint16_t owners_of "timers_owners"(uint16_t *owners) noexcept nogil
    uint16_t add_owner "timers_add_owner"(uint16_t *owners) noexcept nogil
    # Answers how many are left.
    uint16_t leave_owner "timers_leave_owner"(uint16_t *owners) noexcept nogil

cdef extern from "Python.h" nogil:
    # Callers hold the GIL, as these allocators demand.
    void *PyMem_Malloc(size_t size)
    void *PyMem_Calloc(size_t count, size_t size)
    void *PyMem_Realloc(void *block, size_t size)
    void PyMem_Free(void *block)

cdef enum:
    # Of one node. Beyond, it is copied: well below what fits, for threads that come at the same moment.
    MOST_OWNERS = 60000


cdef inline bint join_owners(uint16_t *owners) noexcept nogil:
    """Become one more owner, if there are not too many."""
    if add_owner(owners) > MOST_OWNERS:
        leave_owner(owners)
        return False
    return True
