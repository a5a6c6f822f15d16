"""Crowds: see crowd.pxd."""

from libc.string cimport memcpy, memmove, memset

from timers.bits cimport (
    FREE_THREADED, PyMem_Free, PyMem_Malloc, PyMem_Realloc, join_owners, leave_owner, owners_of,
)
from timers.bucket cimport bucket_count, is_own, leave_bucket, prefetch_older
from timers.tokens cimport NOBODY, timers_drop, timers_keep

cdef enum:
    # Gaps and what was before the start are closed up where they are more than the timers, and so many besides.
    SPARSE = 32


# ---- segments

cdef inline size_t segment_size(size_t capacity) noexcept nogil:
    return sizeof(Segment) + (capacity - 1) * sizeof(size_t)


cdef void leave_segment(Segment *segment) noexcept nogil:
    cdef uint32_t index
    if leave_owner(&segment.owners) == 0:
        for index in range(segment.used):
            timers_drop(segment.words[index])
        PyMem_Free(segment)


cdef Segment *copy_segment(Segment *segment) noexcept nogil:
    """NULL without memory."""
    cdef Segment *twin = <Segment *>PyMem_Malloc(segment_size(segment.capacity))
    cdef uint32_t index
    if twin is not NULL:
        memcpy(twin, segment, segment_size(segment.used))
        twin.owners = 1
        for index in range(twin.used):
            timers_keep(twin.words[index])
    return twin


cdef Segment *own_segment(Crowd *crowd, size_t number) noexcept nogil:
    """The segment, which may then be written to; NULL without memory."""
    cdef Segment *segment = crowd.segments[number]
    cdef Segment *twin
    if owners_of(&segment.owners) == 1:
        return segment
    twin = copy_segment(segment)
    if twin is not NULL:
        leave_segment(segment)
        crowd.segments[number] = twin
    return twin


# ---- the whole

cdef Crowd *bare_crowd(uint64_t deadline) noexcept nogil:
    cdef Crowd *crowd = <Crowd *>PyMem_Malloc(sizeof(Crowd))
    if crowd is not NULL:
        memset(crowd, 0, sizeof(Crowd))
        crowd.deadline = deadline
        crowd.owners = 1
    return crowd


cdef int make_room(Crowd *crowd, size_t segments) noexcept nogil:
    cdef Segment **wider
    if segments > crowd.room:
        segments = max(segments, 2 * crowd.room)
        wider = <Segment **>PyMem_Realloc(crowd.segments, segments * sizeof(Segment *))
        if wider is NULL:
            return -1
        crowd.segments = wider
        crowd.room = segments
    return 0


cdef inline size_t segments_of(Crowd *crowd) noexcept nogil:
    return (crowd.end + SEGMENT - 1) // SEGMENT


cdef int allot(Crowd *crowd, size_t count) noexcept nogil:
    """Give a bare crowd room for so many words, which the caller then puts there."""
    cdef size_t needed = (count + SEGMENT - 1) // SEGMENT
    cdef size_t number, capacity
    cdef Segment *segment
    if make_room(crowd, needed) < 0:
        return -1
    for number in range(needed):
        capacity = min(<size_t>SEGMENT, count - number * SEGMENT)
        segment = <Segment *>PyMem_Malloc(segment_size(capacity))
        if segment is NULL:
            return -1
        segment.owners = 1
        # Until all have been found.
        segment.used = segment.live = 0
        segment.capacity = <uint16_t>capacity
        crowd.segments[number] = segment
        crowd.end += capacity
    for number in range(needed):
        crowd.segments[number].used = crowd.segments[number].live = crowd.segments[number].capacity
    crowd.live = count
    return 0


cdef inline void put_at(Crowd *crowd, size_t position, size_t word) noexcept nogil:
    crowd.segments[position // SEGMENT].words[position % SEGMENT] = word


cdef Crowd *new_crowd(Chunk *newest) noexcept nogil:
    cdef Crowd *crowd = bare_crowd(newest.timers[0].deadline)
    cdef Chunk *chunk = newest
    cdef Chunk *older
    cdef uint32_t index
    cdef bint own = True
    if crowd is NULL or allot(crowd, bucket_count(newest)) < 0:
        leave_crowd(crowd)
        return NULL
    while chunk is not NULL:
        own = own and is_own(chunk)
        older = chunk.older
        prefetch_older(chunk)
        for index in range(chunk.count):
            put_at(crowd, chunk.before + index, chunk.timers[index].word)
            if not own:
                timers_keep(chunk.timers[index].word)
        if own:
            PyMem_Free(chunk)
            newest = older
        chunk = older
    leave_bucket(newest)
    return crowd


cdef Crowd *copy_crowd(Crowd *crowd) noexcept nogil:
    cdef Crowd *twin = bare_crowd(crowd.deadline)
    cdef Segment *segment
    cdef size_t first, number
    if twin is NULL:
        return NULL
    # Segments of which all is gone have no place in the copy, unless an index counts them.
    cdef size_t gone = crowd.start // SEGMENT if crowd.index is NULL else 0
    if make_room(twin, segments_of(crowd) - gone) < 0:
        PyMem_Free(twin)
        return NULL
    first = crowd.start // SEGMENT - gone
    for number in range(first, segments_of(crowd) - gone):
        segment = crowd.segments[gone + number]
        if not join_owners(&segment.owners):
            segment = copy_segment(segment)
            if segment is NULL:
                twin.start = first * SEGMENT
                twin.end = number * SEGMENT
                leave_crowd(twin)
                return NULL
        twin.segments[number] = segment
    twin.live = crowd.live
    twin.start = crowd.start - gone * SEGMENT
    twin.end = crowd.end - gone * SEGMENT
    return twin


cdef void pass_index(Crowd *crowd, Crowd *twin, const void *owner) noexcept nogil:
    cdef Index *index = crowd.index
    if not FREE_THREADED and index is not NULL and not index.busy and index.searcher is owner:
        twin.index, crowd.index = index, NULL
        crowd.robbed = True


cdef void leave_crowd(Crowd *crowd) noexcept nogil:
    cdef size_t number
    if crowd is not NULL and leave_owner(&crowd.owners) == 0:
        for number in range(crowd.start // SEGMENT, segments_of(crowd)):
            leave_segment(crowd.segments[number])
        PyMem_Free(crowd.segments)
        free_index(crowd.index)
        PyMem_Free(crowd)


cdef void free_index(Index *index) noexcept nogil:
    if index is not NULL:
        PyMem_Free(index.same.rings)
        PyMem_Free(index.same.next)
        PyMem_Free(index.equal.rings)
        PyMem_Free(index.equal.next)
        PyMem_Free(index.numbers)
        PyMem_Free(index)


cdef size_t index_memory(Index *index) noexcept nogil:
    cdef size_t total = sizeof(Index)
    if index is NULL:
        return 0
    if index.numbers is not NULL:
        total += (index.room // SEGMENT + 1) * sizeof(uint32_t)
    return total + table_memory(index, &index.same) + table_memory(index, &index.equal)


cdef inline size_t table_memory(Index *index, Table *table) noexcept nogil:
    cdef size_t rings = <size_t>1 << index.bits if table.rings is not NULL else 0
    cdef size_t links = index.room if table.next is not NULL else 0
    return rings * sizeof(Ring) + links * sizeof(uint32_t)


cdef size_t crowd_memory(Crowd *crowd) noexcept nogil:
    cdef size_t total = sizeof(Crowd) + crowd.room * sizeof(Segment *) + index_memory(crowd.index)
    cdef size_t number
    for number in range(crowd.start // SEGMENT, segments_of(crowd)):
        total += segment_size(crowd.segments[number].capacity)
    return total


cdef const char *check_crowd(Crowd *crowd) noexcept nogil:
    cdef size_t position
    cdef size_t live = 0
    cdef uint32_t index, words
    for position in range(crowd.start // SEGMENT, segments_of(crowd)):
        words = 0
        for index in range(crowd.segments[position].used):
            words += crowd.segments[position].words[index] != NOBODY
        if words != crowd.segments[position].live:
            return "populated: a segment has more or fewer timers than it says"
        if crowd.segments[position].used != min(<size_t>SEGMENT, crowd.end - position * SEGMENT):
            return "unbroken: a segment of a crowd is not used to its end"
    for position in range(crowd.start, crowd.end):
        live += word_at(crowd, position) != NOBODY
    if not live or live != crowd.live:
        return "populated: a crowd has more or fewer timers than it says"
    if crowd.index is not NULL and crowd.index.room > <size_t>3 << crowd.index.bits >> 2:
        return "airy: an index has room for more positions than three quarters of its rings"
    return NULL


# ---- first in, first out

cdef int crowd_append(Crowd *crowd, size_t word) noexcept nogil:
    cdef size_t number = crowd.end // SEGMENT
    cdef Segment *segment
    cdef size_t capacity = SEGMENT
    if crowd.end % SEGMENT == 0:
        if make_room(crowd, number + 1) < 0:
            return -1
        segment = <Segment *>PyMem_Malloc(segment_size(SEGMENT))
        if segment is NULL:
            return -1
        segment.owners = 1
        segment.used = segment.live = 0
        segment.capacity = SEGMENT
        crowd.segments[number] = segment
    else:
        segment = own_segment(crowd, number)
        if segment is NULL:
            return -1
        if segment.used == segment.capacity:
            capacity = min(<size_t>SEGMENT, 2 * <size_t>segment.capacity)
            segment = <Segment *>PyMem_Realloc(segment, segment_size(capacity))
            if segment is NULL:
                return -1
            segment.capacity = <uint16_t>capacity
            crowd.segments[number] = segment
    segment.words[segment.used] = word
    segment.used += 1
    segment.live += 1
    crowd.end += 1
    crowd.live += 1
    return 0


cdef size_t crowd_withdraw(Crowd *crowd) noexcept nogil:
    cdef size_t position = crowd.end - 1
    cdef Segment *segment
    cdef size_t word
    while word_at(crowd, position) == NOBODY:
        position -= 1
    segment = crowd.segments[position // SEGMENT]
    word = segment.words[position % SEGMENT]
    segment.words[position % SEGMENT] = NOBODY
    segment.live -= 1
    crowd.live -= 1
    return word


cdef void crowd_take(Crowd *crowd, size_t count, size_t *words) noexcept nogil:
    cdef Segment *segment
    cdef size_t place, last, position
    cdef bint own
    crowd.live -= count
    while count:
        segment = crowd.segments[crowd.start // SEGMENT]
        own = owners_of(&segment.owners) == 1
        place = crowd.start % SEGMENT
        last = min(<size_t>SEGMENT, crowd.end - crowd.start + place)
        while place < last and count:
            if segment.words[place] != NOBODY:
                words[0] = segment.words[place]
                if own:
                    segment.words[place] = NOBODY
                    segment.live -= 1
                else:
                    timers_keep(words[0])
                words += 1
                count -= 1
            place += 1
            crowd.start += 1
        if place == SEGMENT:
            leave_segment(segment)
    if crowd.live:
        # What the next one meets is a timer.
        position = next_live(crowd, crowd.start, crowd.end)
        for place in range(crowd.start // SEGMENT, position // SEGMENT):
            leave_segment(crowd.segments[place])
        crowd.start = position
    if crowd.start >= SEGMENT and crowd.start // SEGMENT > segments_of(crowd) // 2:
        trim(crowd)


cdef void trim(Crowd *crowd) noexcept nogil:
    """Give up the places of segments that are gone."""
    cdef size_t gone = crowd.start // SEGMENT
    memmove(crowd.segments, crowd.segments + gone, (segments_of(crowd) - gone) * sizeof(Segment *))
    crowd.start -= gone * SEGMENT
    crowd.end -= gone * SEGMENT
    # The positions are others now.
    free_index(crowd.index)
    crowd.index = NULL


cdef size_t crowd_read(Crowd *crowd, size_t count, size_t end, size_t *words, size_t stride) noexcept nogil:
    cdef size_t position = crowd.start
    cdef size_t done = 0
    end = min(end, crowd.end)
    while done < count:
        position = next_live(crowd, position, end)
        if position >= end:
            break
        words[done * stride] = word_at(crowd, position)
        done += 1
        position += 1
    return done


cdef int crowd_remove(Crowd *crowd, size_t position, size_t *word) noexcept nogil:
    cdef Segment *segment = own_segment(crowd, position // SEGMENT)
    if segment is NULL:
        return -1
    word[0] = segment.words[position % SEGMENT]
    segment.words[position % SEGMENT] = NOBODY
    segment.live -= 1
    crowd.live -= 1
    if position == crowd.start:
        crowd_take(crowd, 0, NULL)
    if crowd.live and crowd.end > 2 * crowd.live + SPARSE:
        compact(crowd)
    return 0


cdef void compact(Crowd *crowd) noexcept nogil:
    """Close the gaps that removals have left, if memory allows."""
    cdef Crowd *dense = bare_crowd(crowd.deadline)
    cdef Segment *segment
    cdef size_t position
    cdef size_t done = 0
    cdef size_t *word
    if dense is NULL or allot(dense, crowd.live) < 0:
        leave_crowd(dense)
        return
    for position in range(crowd.start, crowd.end):
        segment = crowd.segments[position // SEGMENT]
        word = &segment.words[position % SEGMENT]
        if word[0] != NOBODY:
            put_at(dense, done, word[0])
            done += 1
            if owners_of(&segment.owners) == 1:
                word[0] = NOBODY
            else:
                timers_keep(word[0])
    dense.segments, crowd.segments = crowd.segments, dense.segments
    dense.room, crowd.room = crowd.room, dense.room
    dense.start, crowd.start = crowd.start, dense.start
    dense.end, crowd.end = crowd.end, dense.end
    dense.index, crowd.index = crowd.index, NULL
    leave_crowd(dense)
