"""The wheel and the overflow heap as one queue: see timerqueue.pxd."""

from libc.string cimport memcpy, memset

from timers.bits cimport high_bit
from timers.bucket cimport CHUNK, FEWEST, append, bucket_count, is_own, new_chunk
from timers.cascade cimport allot, bits_for, split_root
from timers.expiry cimport BATCH, earliest, highest, read, ripen, take
from timers.insertion cimport FLOOD, insert_in_crowd, insert_slowly
from timers.invariants cimport check, soonest_of
from timers.overflow cimport LIMIT, check_heap, copy_heap, free_heap, heap_size, pop, push, reserve, sort_heap
from timers.reach cimport crown, divide, free_slots, is_aligned, reunite, slide, uncrown
from timers.removal cimport MOST_FEW, Place, seek, too_few, withdraw
from timers.sharing cimport free, is_lone, memory, own_wheel, share
from timers.tokens cimport timers_keep
from timers.wheel cimport (
    BEYOND, DONE, STARVED, Wheel, as_bucket, as_crowd, as_wheel, digit_for, end_of, is_bucket, is_crowd, is_wheel,
)

cdef enum:
    # Timers that a cascade of the root leaves to the heap.
    OUTLIERS = LIMIT // 2


# ---- the wheel and the heap

cdef int cascade_root(Queue *queue) noexcept nogil:
    """Make a wheel of a bucket that is the root; its outliers go to the heap."""
    cdef Timer far[OUTLIERS]
    cdef size_t count = OUTLIERS
    cdef size_t index
    cdef Heap *heap = reserve(queue.heap, OUTLIERS)
    if heap is NULL:
        return -1
    queue.heap = heap
    if split_root(&queue.root, far, &count) < 0:
        count = 0
    for index in range(count):
        push(heap, far[index].deadline, far[index].word)
    if not heap.count:
        free_heap(heap)
        queue.heap = NULL
    queue.ready = 0
    queue.moves += 1
    return 0 if is_wheel(queue.root) else -1


cdef bint reaches(Slot root, uint64_t deadline) noexcept nogil:
    return is_wheel(root) and digit_for(as_wheel(root), deadline) < as_wheel(root).size


cdef bint take_over(Queue *queue) noexcept nogil:
    """Move what the wheel has come to reach of the heap; False, and all is where it was, without memory."""
    cdef Heap *heap = queue.heap
    cdef uint32_t index
    cdef uint32_t left = 0
    cdef Timer *timer
    sort_heap(heap)
    for index in range(heap.count):
        timer = &heap.entries[index].timer
        if (reaches(queue.root, timer.deadline)
                and insert_slowly(&queue.root, 64, timer.deadline, timer.word, &queue.ready) < 0):
            # What was taken over stands first again, in the order of the heap.
            while index:
                index -= 1
                if reaches(queue.root, heap.entries[index].timer.deadline):
                    withdraw(&queue.root, heap.entries[index].timer.deadline)
            return False
    for index in range(heap.count):
        if not reaches(queue.root, heap.entries[index].timer.deadline):
            heap.entries[left] = heap.entries[index]
            left += 1
    heap.count = left
    return True


cdef bint slide_on(Queue *queue) noexcept nogil:
    """Slide the root, if it then takes at least half of the heap."""
    cdef Wheel *root = as_wheel(queue.root)
    cdef int by = free_slots(root)
    cdef uint32_t index
    cdef uint32_t reached = 0
    for index in range(queue.heap.count):
        reached += digit_for(root, queue.heap.entries[index].timer.deadline) - by < root.size
    if not by or 2 * reached < queue.heap.count or own_wheel(&queue.root) < 0:
        return False
    root = as_wheel(queue.root)
    slide(root, by)
    if take_over(queue):
        return True
    # It has gone with the last timer that was taken back, if it held nothing else but a finer wheel.
    if as_wheel(queue.root) == root:
        slide(root, -by)
    return False


cdef int align(Queue *queue) noexcept nogil:
    """Align the root; -1 for want of memory."""
    cdef Wheel *former
    if is_aligned(as_wheel(queue.root)):
        return 0
    former = divide(&queue.root)
    if former is NULL:
        return -1
    if not take_over(queue):
        reunite(&queue.root, former)
        return -1
    PyMem_Free(former)
    return 0


cdef void relieve(Queue *queue) noexcept nogil:
    """Let the root reach more of the heap, until that is small again, if memory allows.

    It slides, or gets a coarser wheel on top, which takes at least half of the heap.
    """
    cdef Heap *heap = queue.heap
    cdef uint64_t base
    cdef uint32_t widths[65]
    cdef uint32_t width = 0
    cdef uint32_t nearer = 0
    cdef uint32_t index
    cdef Slot top
    if slide_on(queue) or align(queue) < 0 or heap.count < LIMIT:
        return
    base = as_wheel(queue.root).base
    memset(widths, 0, sizeof(widths))
    for index in range(heap.count):
        widths[high_bit(heap.entries[index].timer.deadline ^ base) + 1] += 1
    while nearer < (heap.count + 1) // 2:
        width += 1
        nearer += widths[width]
    if crown(&queue.root, base ^ <uint64_t>1 << (width - 1), bits_for(queue.count)) < 0:
        return
    top = queue.root
    # It has gone with the last timer that was taken back, if there were some.
    if not take_over(queue) and queue.root == top:
        uncrown(&queue.root)


cdef int unheap(Queue *queue) noexcept nogil:
    """Make a bucket, the root, of a heap that is alone."""
    cdef Heap *heap = queue.heap
    cdef Chunk *chunk
    cdef uint32_t index
    sort_heap(heap)
    if heap.count and allot(&queue.root, heap.count) < 0:
        return -1
    chunk = as_bucket(queue.root)
    if chunk is not NULL:
        chunk.ordered = chunk.older is NULL
    while chunk is not NULL:
        for index in range(chunk.count):
            chunk.timers[index] = heap.entries[chunk.before + index].timer
        chunk = chunk.older
    heap.count = 0
    free_heap(heap)
    queue.heap = NULL
    return 0


cdef uint64_t begin_of(Slot ready) noexcept nogil:
    return as_crowd(ready).deadline if is_crowd(ready) else as_bucket(ready).timers[0].deadline


cdef void note_ready(Queue *queue) noexcept nogil:
    """A root that is one ordered chunk is ready."""
    cdef Chunk *chunk = as_bucket(queue.root)
    if is_bucket(queue.root) and chunk.ordered and chunk.older is NULL and is_own(chunk):
        queue.ready = queue.root


cdef void calm(Queue *queue) noexcept nogil:
    """Make a bucket of a few timers, if memory allows."""
    cdef Timer few[MOST_FEW]
    cdef Slot slot
    cdef Chunk *chunk
    cdef uint32_t index
    if read_queue(queue, queue.count, few) < 0 or allot(&slot, queue.count) < 0:
        return
    chunk = as_bucket(slot)
    chunk.ordered = chunk.older is NULL
    while chunk is not NULL:
        memcpy(chunk.timers, few + chunk.before, chunk.count * sizeof(Timer))
        chunk = chunk.older
    for index in range(queue.count):
        timers_keep(few[index].word)
    free(queue.root)
    free_heap(queue.heap)
    queue.heap = NULL
    queue.root = slot


cdef void settle(Queue *queue) noexcept nogil:
    """After a removal: find what comes next, and give back what is too large."""
    queue.moves += 1
    queue.ready = 0
    queue.next = NEVER
    if queue.heap is not NULL:
        if not queue.heap.count:
            free_heap(queue.heap)
            queue.heap = NULL
        elif not queue.root:
            unheap(queue)
    if is_wheel(queue.root) and queue.count <= too_few(queue.root):
        calm(queue)
    if is_bucket(queue.root) and bucket_count(as_bucket(queue.root)) > CHUNK:
        cascade_root(queue)
    if queue.root:
        queue.next = earliest(&queue.root, &queue.ready)
    if queue.heap is not NULL and queue.heap.entries[0].timer.deadline < queue.next:
        queue.next = queue.heap.entries[0].timer.deadline
        queue.ready = 0


# ---- inserting

cdef int begin(Queue *queue, uint64_t deadline, size_t word) noexcept nogil:
    """Make a bucket of the only timer."""
    cdef Chunk *chunk = new_chunk(NULL, FEWEST)
    if chunk is NULL:
        return -1
    append(chunk, deadline, word)
    chunk.ordered = True
    queue.root = <Slot>chunk
    queue.ready = queue.root
    queue.count = 1
    queue.next = deadline
    return 0


cdef int put_slowly(Queue *queue, uint64_t deadline, size_t word) noexcept nogil:
    cdef Heap *heap
    cdef int answer
    if insert_in_crowd(&queue.root, deadline, word):
        queue.count += 1
        return 0
    queue.moves += 1
    if not queue.count:
        return begin(queue, deadline, word)
    if not queue.root and unheap(queue) < 0:
        return -1
    if is_bucket(queue.root) and bucket_count(as_bucket(queue.root)) >= FLOOD:
        # Without memory it goes on growing.
        cascade_root(queue)
    answer = insert_slowly(&queue.root, 64, deadline, word, &queue.ready)
    if answer == BEYOND:
        heap = reserve(queue.heap, 1 if queue.heap is not NULL else 4)
        if heap is not NULL:
            queue.heap = heap
            push(heap, deadline, word)
            if heap.count >= LIMIT:
                relieve(queue)
            answer = DONE
        else:
            answer = STARVED
    if answer == DONE:
        queue.count += 1
        queue.next = min(queue.next, deadline)
        if queue.ready and begin_of(queue.ready) != queue.next:
            queue.ready = 0
        note_ready(queue)
        open_flood(queue, deadline)
    return answer


cdef void open_flood(Queue *queue, uint64_t deadline) noexcept nogil:
    """A bucket that was left to grow, as a part of it may be forwarded, is looked through each time that it has
    doubled, and cascades, if memory allows."""
    cdef Place place
    cdef Slot slot = queue.root if reaches(queue.root, deadline) else 0
    cdef size_t count = 0
    cdef bint mixed = False
    while is_wheel(slot):
        mixed = as_wheel(slot).mixed
        slot = as_wheel(slot).slots[<size_t>digit_for(as_wheel(slot), deadline)]
    if mixed and is_bucket(slot):
        count = bucket_count(as_bucket(slot))
    if count >= FLOOD and high_bit(count) != high_bit(count - CHUNK):
        seek(&queue.root, deadline, True, &place)


cdef size_t take_back(Queue *queue, uint64_t deadline) noexcept nogil:
    cdef uint32_t index, last = 0
    cdef size_t word
    cdef Heap *heap = queue.heap
    if heap is not NULL and not reaches(queue.root, deadline):
        # Of equals the last has the highest number.
        sort_heap(heap)
        for index in range(heap.count):
            if heap.entries[index].timer.deadline == deadline:
                last = index
        word = pop(heap, last).word
    else:
        word = withdraw(&queue.root, deadline)
    queue.count -= 1
    settle(queue)
    return word


# ---- falling due

cdef int ripen_queue(Queue *queue, uint64_t now, size_t most, Due *due) noexcept nogil:
    cdef size_t count
    cdef uint32_t index
    cdef uint32_t early = 0, late = 0
    cdef uint64_t deadline
    queue.moves += 1
    # What is cascaded and sorted now may be elsewhere.
    queue.ready = 0
    if is_bucket(queue.root):
        count = bucket_count(as_bucket(queue.root))
        if (count > CHUNK and (count > BATCH or count > most or highest(queue.root) > now)
                and cascade_root(queue) < 0):
            return -1
    if queue.heap is not NULL:
        for index in range(queue.heap.count):
            deadline = queue.heap.entries[index].timer.deadline
            if deadline <= now:
                if queue.root and deadline > end_of(as_wheel(queue.root)):
                    late += 1
                else:
                    early += 1
    due.early = <uint32_t>min(most, <size_t>early)
    due.ripe.most = most - due.early
    if ripen(&queue.root, now, &due.ripe) < 0:
        return -1
    due.count = due.early + due.ripe.count
    due.count += min(<size_t>late, most - due.count)
    return 0


cdef void take_from_heap(Queue *queue, size_t count, size_t *words, uint64_t *deadlines) noexcept nogil:
    cdef Timer timer
    cdef size_t index
    for index in range(count):
        timer = pop(queue.heap, 0)
        words[index] = timer.word
        if deadlines is not NULL:
            deadlines[index] = timer.deadline


cdef int take_due(Queue *queue, Due *due, size_t *words, uint64_t *deadlines) noexcept nogil:
    cdef size_t early = due.early
    cdef size_t before = early + due.ripe.count
    if take(&queue.root, &due.ripe, words + early, deadlines + early if deadlines is not NULL else NULL) < 0:
        return -1
    take_from_heap(queue, early, words, deadlines)
    take_from_heap(queue, due.count - before, words + before, deadlines + before if deadlines is not NULL else NULL)
    queue.count -= due.count
    settle(queue)
    return 0


cdef int read_queue(Queue *queue, size_t count, Timer *timers) noexcept nogil:
    cdef Heap *heap = queue.heap
    cdef uint32_t index = 0
    cdef Timer *end = timers + count
    if heap is not NULL:
        sort_heap(heap)
        while (index < heap.count and timers < end
               and not (queue.root and heap.entries[index].timer.deadline > end_of(as_wheel(queue.root)))):
            timers[0] = heap.entries[index].timer
            timers += 1
            index += 1
    count = end - timers
    if read(&queue.root, &count, &timers) < 0:
        return -1
    while timers < end:
        timers[0] = heap.entries[index].timer
        timers += 1
        index += 1
    return 0


# ---- the whole

cdef void clear_queue(Queue *queue) noexcept nogil:
    cdef uint32_t moves = queue.moves + 1
    free(queue.root)
    free_heap(queue.heap)
    init_queue(queue)
    queue.moves = moves


cdef int copy_queue(Queue *queue, Queue *twin) noexcept nogil:
    cdef Heap *heap = NULL
    if is_bucket(queue.root) and bucket_count(as_bucket(queue.root)) > CHUNK:
        # Each copy would have to cascade for itself, and so may the first; before the second, it is done for all.
        if queue.was_copied:
            cascade_root(queue)
        queue.was_copied = twin.was_copied = True
    if queue.heap is not NULL:
        heap = copy_heap(queue.heap)
        if heap is NULL:
            return -1
    twin.root = share(queue.root)
    if queue.root and not twin.root:
        free_heap(heap)
        return -1
    twin.heap = heap
    twin.count = queue.count
    twin.next = queue.next
    twin.ready = queue.ready = 0
    twin.moves += 1
    queue.moves += 1
    return 0


cdef size_t queue_memory(Queue *queue) noexcept nogil:
    return memory(queue.root) + (heap_size(queue.heap.room) if queue.heap is not NULL else 0)


cdef bint is_in_place(Slot slot, Slot ready, uint64_t deadline) noexcept nogil:
    while is_wheel(slot) and is_lone(slot) and digit_for(as_wheel(slot), deadline) < as_wheel(slot).size:
        slot = as_wheel(slot).slots[<size_t>digit_for(as_wheel(slot), deadline)]
    return slot == ready and is_lone(slot)


cdef const char *check_queue(Queue *queue) noexcept nogil:
    cdef size_t count = 0
    cdef Heap *heap = queue.heap
    cdef uint32_t index
    cdef const char *broken = check(queue.root, &count)
    cdef uint64_t first = NEVER
    if broken is NULL and heap is not NULL:
        broken = check_heap(heap)
    if broken is not NULL:
        return broken
    if heap is not NULL:
        if is_bucket(queue.root):
            return "heap-needed: a heap beside a bucket"
        count += heap.count
        for index in range(heap.count):
            if reaches(queue.root, heap.entries[index].timer.deadline):
                return "heap-outside: a timer of the heap lies within the reach of the wheel"
        if heap.count:
            first = heap.entries[0].timer.deadline
    if count != queue.count:
        return "counted: there are more or fewer timers than the queue says"
    if queue.ready and (begin_of(queue.ready) != queue.next
                        or not (is_crowd(queue.ready) or as_bucket(queue.ready).ordered)):
        return "ready: what is ready does not begin with the soonest timer"
    if queue.ready and not is_in_place(queue.root, queue.ready, queue.next):
        return "ready: what is ready is not in its place, or not its own"
    if queue.root:
        first = min(first, soonest_of(queue.root))
    if first != queue.next:
        return "next: not the soonest deadline"
    return NULL
