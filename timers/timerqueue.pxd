# cython: language_level=3
"""The queue: a wheel, and the overflow heap beside it, as one queue of integers. What every face calls.

`ready` is the short way of who takes one timer at a time: what the slot reads that has the soonest timer, if that is an
ordered chunk or a crowd, and its own from the root down. Whatever may move it, or put another timer before it, lets go
of it.

`moves` tells who was interrupted by foreign code whether anything may lie elsewhere than before, even if nothing that
can be observed has changed: each cascade, copy and write raises it. (Not an insertion that is a mere append: its
caller counts those.)

Invariants (`check_queue` verifies each by name, with those of the wheel and the heap):
  counted     the timers of wheel and heap are as many as `count`
  next        is the soonest deadline, and the greatest there is where there are no timers
  ready       is 0, or an ordered chunk or a crowd that begins with the soonest timer, in its place, its own
  heap-outside, heap-needed: see overflow.pxd
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from timers.bits cimport PyMem_Free
from timers.bucket cimport Chunk, Timer, cut, insert_ordered
from timers.crowd cimport crowd_take
from timers.expiry cimport Ripe
from timers.insertion cimport insert_quickly
from timers.overflow cimport Heap
from timers.wheel cimport Slot, as_bucket, as_crowd, is_crowd

cdef extern from *:
    """
    #include <stdint.h>
    #define timers_NEVER UINT64_MAX
    typedef struct {
        size_t root;
        struct timers_Heap *heap;
        size_t ready;
        size_t count;
        uint64_t next;
        uint32_t version;
        uint32_t moves : 28;
        uint32_t kind : 3;
        uint32_t was_copied : 1;
    } timers_Queue;
    """
    # Declared in C for its fields of single bits: a word less in every notifier.
    ctypedef struct Queue "timers_Queue":
        Slot root
        Heap *heap          # NULL: nothing overflows
        Slot ready
        size_t count
        uint64_t next
        uint32_t version    # changes with every change that can be observed; the caller's affair, as is
        uint32_t moves
        uint8_t kind        # of time
        bint was_copied     # while the root was a large bucket
    const uint64_t NEVER "timers_NEVER"


# ---- Functions that answer int answer -1 for want of memory, and then have changed nothing that can be observed.

cdef int put_slowly(Queue *queue, uint64_t deadline, size_t word) noexcept nogil
# Remove the timer of a deadline that was put last.
cdef size_t take_back(Queue *queue, uint64_t deadline) noexcept nogil

cdef struct Due:
    size_t count
    Ripe ripe           # of the wheel
    uint32_t early      # of the heap, before and after the wheel

# Prepare at most `most` timers due by `now` to be taken.
cdef int ripen_queue(Queue *queue, uint64_t now, size_t most, Due *due) noexcept nogil
# Take them, in order: their words, and their deadlines unless that is NULL.
cdef int take_due(Queue *queue, Due *due, size_t *words, uint64_t *deadlines) noexcept nogil
# Copy the first `count` timers in order: all, or ripened ones. The references stay where they are.
cdef int read_queue(Queue *queue, size_t count, Timer *timers) noexcept nogil

# For spots.pxd: make a wheel of a bucket that is the root; whether the wheel reaches a deadline; after a removal, find
# what comes next, and give back what is too large.
cdef int cascade_root(Queue *queue) noexcept nogil
cdef bint reaches(Slot root, uint64_t deadline) noexcept nogil
cdef void settle(Queue *queue) noexcept nogil

cdef void clear_queue(Queue *queue) noexcept nogil
# Give the empty `twin` what `queue` has; both share it.
cdef int copy_queue(Queue *queue, Queue *twin) noexcept nogil
cdef size_t queue_memory(Queue *queue) noexcept nogil
cdef const char *check_queue(Queue *queue) noexcept nogil


# ---- Short enough to stand in their callers.

cdef inline void init_queue(Queue *queue) noexcept nogil:
    queue.root = 0
    queue.heap = NULL
    queue.ready = 0
    queue.count = 0
    queue.next = NEVER
    queue.version = 0
    queue.moves = 0
    queue.kind = 0
    queue.was_copied = False


cdef inline int put(Queue *queue, uint64_t deadline, size_t word) noexcept nogil:
    """Add a timer; the reference that its word may be comes along."""
    cdef Chunk *ready = as_bucket(queue.ready)
    if not insert_quickly(&queue.root, deadline, word):
        if not queue.ready or queue.root != queue.ready or ready.count == ready.capacity:
            return put_slowly(queue, deadline, word)
        # A few timers are kept in order.
        insert_ordered(ready, deadline, word)
        queue.moves += 1
        queue.count += 1
        queue.next = ready.timers[0].deadline
        return 0
    queue.count += 1
    if deadline < queue.next:
        queue.next = deadline
        queue.ready = 0
    return 0


cdef inline size_t count_ready(Queue *queue, uint64_t now, size_t most) noexcept nogil:
    """How many timers `take_ready` can take; 0: none, or that would not be all there is to do."""
    cdef Chunk *chunk = as_bucket(queue.ready)
    cdef uint32_t count = 0
    cdef bint lone = queue.root == queue.ready and queue.heap is NULL
    if is_crowd(queue.ready):
        return most if most < as_crowd(queue.ready).live else 0
    if not queue.ready or (not lone and most >= chunk.count and chunk.timers[chunk.count - 1].deadline <= now):
        return 0
    while count < chunk.count and chunk.timers[count].deadline <= now:
        count += 1
    if count >= most:
        count = <uint32_t>most
    return count if count < chunk.count or lone else 0


cdef inline void take_ready(Queue *queue, size_t count, size_t *words) noexcept nogil:
    cdef Chunk *chunk = as_bucket(queue.ready)
    cdef size_t index
    if is_crowd(queue.ready):
        crowd_take(as_crowd(queue.ready), count, words)
        queue.count -= count
        queue.moves += 1
        return
    for index in range(count):
        words[index] = chunk.timers[index].word
    if count == chunk.count:
        # All there were.
        PyMem_Free(chunk)
        queue.root = 0
        queue.ready = 0
        queue.count = 0
        queue.next = NEVER
        queue.moves += 1
        return
    cut(chunk, 0, <uint32_t>count)
    queue.count -= count
    queue.next = chunk.timers[0].deadline
