"""One of many timers, and those that stand first: see spots.pxd."""

from timers.bucket cimport CHUNK, Chunk, bucket_count
from timers.crowd cimport SEGMENT, crowd_read, next_live, word_at
from timers.overflow cimport pop, sort_heap
from timers.removal cimport remove, seek, too_few
from timers.timerqueue cimport cascade_root, reaches, settle
from timers.tokens cimport timers_keep
from timers.wheel cimport Slot, as_bucket, as_crowd, is_bucket, is_crowd


cdef int find_spot(Queue *queue, uint64_t deadline, bint to_write, Spot *spot) noexcept nogil:
    cdef uint32_t index
    spot.deadline = deadline
    spot.in_heap = False
    if queue.heap is not NULL and not reaches(queue.root, deadline):
        # Equals then stand together, in order.
        sort_heap(queue.heap)
        for index in range(queue.heap.count):
            if queue.heap.entries[index].timer.deadline == deadline:
                spot.in_heap = True
        return spot.in_heap
    if to_write:
        queue.moves += 1
        queue.ready = 0
        if (is_bucket(queue.root) and bucket_count(as_bucket(queue.root)) > CHUNK
                and cascade_root(queue) < 0):
            return -1
        if queue.heap is not NULL and not reaches(queue.root, deadline):
            return find_spot(queue, deadline, to_write, spot)
    return seek(&queue.root, deadline, to_write, &spot.place)


cdef Slot slot_of(Spot *spot) noexcept nogil:
    return spot.place.path[spot.place.depth - 1][0]


cdef bint is_crowded(Spot *spot) noexcept nogil:
    return not spot.in_heap and (is_crowd(slot_of(spot)) or bucket_count(as_bucket(slot_of(spot))) > CHUNK)


cdef Crowd *crowd_at(Spot *spot) noexcept nogil:
    if spot.in_heap or not is_crowd(slot_of(spot)):
        return NULL
    return as_crowd(slot_of(spot))


cdef bint next_at_spot(Queue *queue, Spot *spot, size_t *position, size_t *word) noexcept nogil:
    cdef Slot slot
    cdef Chunk *chunk
    cdef Crowd *crowd
    cdef size_t place = position[0]
    if spot.in_heap:
        while place < queue.heap.count:
            if queue.heap.entries[place].timer.deadline == spot.deadline:
                position[0] = place
                word[0] = queue.heap.entries[place].timer.word
                return True
            place += 1
        return False
    slot = slot_of(spot)
    if is_crowd(slot):
        crowd = as_crowd(slot)
        position[0] = next_live(crowd, max(place, crowd.start), crowd.end)
        if position[0] >= crowd.end:
            return False
        word[0] = word_at(crowd, position[0])
        return True
    chunk = as_bucket(slot)
    # As most are: one chunk.
    while chunk.older is NULL and place < chunk.count:
        if chunk.timers[place].deadline == spot.deadline:
            position[0] = place
            word[0] = chunk.timers[place].word
            return True
        place += 1
    while place < bucket_count(as_bucket(slot)):
        chunk = as_bucket(slot)
        while chunk.before > place:
            chunk = chunk.older
        if chunk.timers[place - chunk.before].deadline == spot.deadline:
            position[0] = place
            word[0] = chunk.timers[place - chunk.before].word
            return True
        place += 1
    return False


cdef int remove_at_spot(Queue *queue, Spot *spot, size_t *word) noexcept nogil:
    cdef size_t position = spot.place.position
    cdef Crowd *crowd
    if spot.in_heap:
        word[0] = pop(queue.heap, <uint32_t>position).word
    else:
        if not spot.place.own:
            crowd = crowd_at(spot)
            if crowd is not NULL:
                position -= crowd.start
            if find_spot(queue, spot.deadline, True, spot) < 0:
                return -1
            # A copy of a crowd begins with what is left.
            if crowd is not NULL:
                position += crowd_at(spot).start
            spot.place.position = position
        if remove(&spot.place, word) < 0:
            return -1
    queue.count -= 1
    if (queue.count > too_few(queue.root) and spot.deadline > queue.next and queue.root
            and (queue.heap is NULL or queue.heap.count)):
        # What comes next is still the same.
        queue.moves += 1
        queue.ready = 0
    else:
        settle(queue)
    return 0


cdef uint32_t peek(Queue *queue, uint32_t most, size_t *words, uint64_t *deadlines) noexcept nogil:
    cdef uint32_t index
    cdef Chunk *chunk
    if queue.count and not queue.ready:
        settle(queue)
    if queue.ready and not is_crowd(queue.ready):
        chunk = as_bucket(queue.ready)
        most = min(most, <uint32_t>chunk.count)
        for index in range(most):
            words[index] = chunk.timers[index].word
            deadlines[index] = chunk.timers[index].deadline
    else:
        most = peek_at_one_deadline(queue, most, words) if queue.count else 0
        for index in range(most):
            deadlines[index] = queue.next
    for index in range(most):
        timers_keep(words[index])
    return most


cdef uint32_t peek_at_one_deadline(Queue *queue, uint32_t most, size_t *words) noexcept nogil:
    cdef Spot spot
    cdef Crowd *crowd
    cdef size_t position = 0
    cdef uint32_t count = 0
    if find_spot(queue, queue.next, False, &spot) <= 0:
        return 0
    if is_crowded(&spot):
        if crowd_at(&spot) is NULL and find_spot(queue, queue.next, True, &spot) <= 0:
            return 0
        crowd = crowd_at(&spot)
        # No further than a segment: what was removed may be very much.
        return 0 if crowd is NULL else <uint32_t>crowd_read(crowd, most, crowd.start + SEGMENT, words, 1)
    while count < most and next_at_spot(queue, &spot, &position, &words[count]):
        position += 1
        count += 1
    return count
