"""Crowds: see crowd.pxd."""

from cpython.datetime cimport date, datetime, datetime_tzinfo, get_utc, import_datetime, time, time_tzinfo, timedelta
from cpython.object cimport PyObject_Hash, PyObject_RichCompareBool, Py_EQ, Py_TYPE
from libc.string cimport memcpy, memmove, memset

from timers.bits cimport (
    PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc, high_bit, join_owners, leave_owner, owners_of,
)
from timers.boxes cimport item_of
from timers.bucket cimport bucket_count, leave_bucket
from timers.tokens cimport NOBODY, box_of, is_boxed, timers_drop, timers_keep

import_datetime()

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        void *tp_richcompare
        void *tp_hash
    PyTypeObject PyBaseObject_Type

cdef enum:
    # Gaps and what was before the start are closed up where they are more than the timers, and so many besides.
    SPARSE = 32
    # How deep, and through how many parts, a tuple is looked.
    DEPTH = 8
    PARTS = 100


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


cdef inline size_t word_at(Crowd *crowd, size_t position) noexcept nogil:
    return crowd.segments[position // SEGMENT].words[position % SEGMENT]


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


cdef Crowd *new_crowd(Chunk *newest) noexcept nogil:
    cdef size_t count = bucket_count(newest)
    cdef size_t number, index, capacity
    cdef size_t needed = (count + SEGMENT - 1) // SEGMENT
    cdef Crowd *crowd = bare_crowd(newest.timers[0].deadline)
    cdef Chunk *chunk
    cdef Segment *segment
    if crowd is NULL:
        return NULL
    if make_room(crowd, needed) == 0:
        for number in range(needed):
            capacity = min(<size_t>SEGMENT, count - number * SEGMENT)
            segment = <Segment *>PyMem_Malloc(segment_size(capacity))
            if segment is NULL:
                break
            segment.owners = 1
            segment.used = 0
            segment.capacity = <uint16_t>capacity
            crowd.segments[number] = segment
            crowd.end += capacity
    if crowd.end < count:
        leave_crowd(crowd)
        return NULL
    chunk = newest
    while chunk is not NULL:
        for index in range(chunk.count):
            number = chunk.before + index
            crowd.segments[number // SEGMENT].words[number % SEGMENT] = chunk.timers[index].word
            timers_keep(chunk.timers[index].word)
        chunk = chunk.older
    for number in range(needed):
        crowd.segments[number].used = crowd.segments[number].capacity
    crowd.live = count
    leave_bucket(newest)
    return crowd


cdef Crowd *copy_crowd(Crowd *crowd) noexcept nogil:
    cdef Crowd *twin = bare_crowd(crowd.deadline)
    cdef Segment *segment
    cdef size_t number
    if twin is NULL:
        return NULL
    # Segments of which all is gone have no place in the copy.
    cdef size_t gone = crowd.start // SEGMENT
    if make_room(twin, segments_of(crowd) - gone) < 0:
        PyMem_Free(twin)
        return NULL
    for number in range(segments_of(crowd) - gone):
        segment = crowd.segments[gone + number]
        if not join_owners(&segment.owners):
            segment = copy_segment(segment)
            if segment is NULL:
                twin.end = number * SEGMENT
                leave_crowd(twin)
                return NULL
        twin.segments[number] = segment
    twin.live = crowd.live
    twin.start = crowd.start - gone * SEGMENT
    twin.end = crowd.end - gone * SEGMENT
    return twin


cdef void leave_crowd(Crowd *crowd) noexcept nogil:
    cdef size_t number
    if leave_owner(&crowd.owners) == 0:
        for number in range(crowd.start // SEGMENT, segments_of(crowd)):
            leave_segment(crowd.segments[number])
        PyMem_Free(crowd.segments)
        free_index(crowd.index)
        PyMem_Free(crowd)


cdef size_t crowd_memory(Crowd *crowd) noexcept nogil:
    cdef size_t total = sizeof(Crowd) + crowd.room * sizeof(Segment *) + index_memory(crowd.index)
    cdef size_t number
    for number in range(crowd.start // SEGMENT, segments_of(crowd)):
        total += segment_size(crowd.segments[number].capacity)
    return total


cdef const char *check_crowd(Crowd *crowd) noexcept nogil:
    cdef size_t position
    cdef size_t live = 0
    for position in range(crowd.start // SEGMENT, segments_of(crowd)):
        if crowd.segments[position].used != min(<size_t>SEGMENT, crowd.end - position * SEGMENT):
            return "unbroken: a segment of a crowd is not used to its end"
    for position in range(crowd.start, crowd.end):
        live += word_at(crowd, position) != NOBODY
    if not live or live != crowd.live:
        return "populated: a crowd has more or fewer timers than it says"
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
        segment.used = 0
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
    crowd.end += 1
    crowd.live += 1
    return 0


cdef size_t crowd_withdraw(Crowd *crowd) noexcept nogil:
    cdef size_t position = crowd.end - 1
    cdef size_t word
    while word_at(crowd, position) == NOBODY:
        position -= 1
    word = word_at(crowd, position)
    crowd.segments[position // SEGMENT].words[position % SEGMENT] = NOBODY
    crowd.live -= 1
    return word


cdef void crowd_take(Crowd *crowd, size_t count, size_t *words) noexcept nogil:
    cdef Segment *segment
    cdef size_t place, last
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
                else:
                    timers_keep(words[0])
                words += 1
                count -= 1
            place += 1
            crowd.start += 1
        if place == SEGMENT:
            leave_segment(segment)
    # What the next one meets is a timer.
    while crowd.live and word_at(crowd, crowd.start) == NOBODY:
        crowd.start += 1
        if crowd.start % SEGMENT == 0:
            leave_segment(crowd.segments[crowd.start // SEGMENT - 1])
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


cdef size_t crowd_read(Crowd *crowd, size_t count, size_t *words, size_t stride) noexcept nogil:
    cdef size_t position = crowd.start
    cdef size_t done = 0
    while position < crowd.end and done < count:
        if word_at(crowd, position) != NOBODY:
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
    crowd.live -= 1
    if position == crowd.start:
        crowd_take(crowd, 0, NULL)
    if crowd.live and crowd.end > 2 * crowd.live + SPARSE:
        # If memory allows.
        compact(crowd)
    return 0


# ---- what a token is told by

cdef bint is_value(PyObject *token, int depth, int *parts) noexcept:
    """Whether its type, and that of all its parts, is a built-in one whose hash and equality run no foreign code."""
    cdef PyObject *kind = <PyObject *>Py_TYPE(<object>token)
    cdef object thing = <object>token
    parts[0] -= 1
    if parts[0] < 0 or not depth:
        return False
    if (kind is <PyObject *>str or kind is <PyObject *>int or kind is <PyObject *>bytes or thing is None
            or kind is <PyObject *>float or kind is <PyObject *>bool or kind is <PyObject *>complex
            or kind is <PyObject *>date or kind is <PyObject *>timedelta):
        return True
    if kind is <PyObject *>tuple:
        for part in <tuple>thing:
            if not is_value(<PyObject *>part, depth - 1, parts) and not is_identity(<PyObject *>part):
                return False
        return True
    if kind is <PyObject *>frozenset:
        for part in <frozenset>thing:
            if not is_value(<PyObject *>part, depth - 1, parts) and not is_identity(<PyObject *>part):
                return False
        return True
    if kind is <PyObject *>datetime:
        zone = datetime_tzinfo(thing)
        return zone is None or zone is get_utc()
    if kind is <PyObject *>time:
        return time_tzinfo(thing) is None
    return False


cdef inline bint is_identity(PyObject *token) noexcept:
    """Whether it has the equality and the hash that `object` gives."""
    cdef PyTypeObject *kind = <PyTypeObject *>Py_TYPE(<object>token)
    return (kind.tp_richcompare is PyBaseObject_Type.tp_richcompare and kind.tp_hash is PyBaseObject_Type.tp_hash)


cdef Nature nature_of(PyObject *token) noexcept:
    cdef int parts = PARTS
    if is_value(token, DEPTH, &parts):
        return VALUE
    return IDENTITY if is_identity(token) else OWN


# ---- the index

cdef enum:
    # What a ring says in place of its youngest position, plus one: never used, or used no more.
    FRESH = 0
    SPENT = 0xffffffff

cdef struct Ring:
    uint32_t hash
    uint32_t youngest

cdef struct Table:
    Ring *rings         # 2 ** bits of them, open addressing
    uint32_t *next      # of each position: the next younger; of the youngest: the oldest
    size_t done         # positions from here on are not in it yet

cdef struct Index:
    size_t room         # for so many positions
    size_t asked        # tokens that must be asked, of those in `equal`
    uint64_t serial     # of the boxes that the tokens lie in
    int bits
    Table same          # by identity
    Table equal         # by value: made when a token is not found by identity


cdef void free_index(Index *index) noexcept nogil:
    if index is not NULL:
        PyMem_Free(index.same.rings)
        PyMem_Free(index.same.next)
        PyMem_Free(index.equal.rings)
        PyMem_Free(index.equal.next)
        PyMem_Free(index)


cdef size_t index_memory(Index *index) noexcept nogil:
    cdef size_t table
    if index is NULL:
        return 0
    table = index.room * sizeof(uint32_t) + (<size_t>1 << index.bits) * sizeof(Ring)
    return sizeof(Index) + table * ((index.same.rings is not NULL) + (index.equal.rings is not NULL))


cdef int make_table(Index *index, Table *table) noexcept nogil:
    """Unless it is there."""
    if table.next is NULL:
        table.next = <uint32_t *>PyMem_Malloc(index.room * sizeof(uint32_t))
    if table.rings is NULL:
        table.rings = <Ring *>PyMem_Calloc(<size_t>1 << index.bits, sizeof(Ring))
    return -1 if table.next is NULL or table.rings is NULL else 0


cdef inline PyObject *token_of(size_t word, PyObject **boxes) noexcept nogil:
    return item_of(boxes, box_of(word)) if is_boxed(word) else <PyObject *>word


cdef inline uint32_t identity_hash(PyObject *token) noexcept nogil:
    # Fibonacci hashing; objects lie at multiples of 16.
    return <uint32_t>((<uint64_t><size_t>token >> 4) * <uint64_t>0x9E3779B97F4A7C15 >> 32)


cdef inline uint32_t value_hash(Py_hash_t hash) noexcept nogil:
    return <uint32_t>(<uint64_t>hash * <uint64_t>0x9E3779B97F4A7C15 >> 32)


cdef inline bint is_gone(Crowd *crowd, size_t position) noexcept nogil:
    return position < crowd.start or word_at(crowd, position) == NOBODY


cdef int64_t oldest(Crowd *crowd, Table *table, Ring *ring) noexcept nogil:
    """The oldest position of a ring that is still there; NOWHERE, and the ring is spent, if none is."""
    cdef uint32_t youngest = ring.youngest - 1
    cdef uint32_t position = table.next[youngest]
    while is_gone(crowd, position):
        if position == youngest:
            ring.youngest = SPENT
            return NOWHERE
        position = table.next[position]
        table.next[youngest] = position
    return position


cdef int64_t look_up(
    Crowd *crowd, Table *table, int bits, uint32_t hash, PyObject *token, bint by_value, PyObject **boxes, Ring **ring
) except STARVED:
    """The oldest position of a key, or NOWHERE; `ring`: of the key, or where it would belong."""
    cdef size_t mask = (<size_t>1 << bits) - 1
    cdef size_t place = hash >> (32 - bits) if bits < 32 else hash
    cdef Ring *free_ring = NULL
    cdef int64_t position
    cdef PyObject *candidate
    while table.rings[place].youngest != FRESH:
        ring[0] = &table.rings[place]
        if ring[0].youngest == SPENT:
            if free_ring is NULL:
                free_ring = ring[0]
        elif ring[0].hash == hash:
            position = oldest(crowd, table, ring[0])
            if position >= 0:
                candidate = token_of(word_at(crowd, position), boxes)
                if candidate is token:
                    return position
                # Text and bytes may hash alike; to compare them may be a warning, and so foreign code.
                if by_value and (type(<object>candidate) is bytes) == (type(<object>token) is bytes):
                    if PyObject_RichCompareBool(<object>candidate, <object>token, Py_EQ):
                        return position
            elif free_ring is NULL:
                free_ring = ring[0]
        place = (place + 1) & mask
    ring[0] = free_ring if free_ring is not NULL else &table.rings[place]
    return NOWHERE


cdef inline void enlist(Table *table, Ring *ring, uint32_t hash, bint is_new, uint32_t position) noexcept nogil:
    """Make `position` the youngest of its ring."""
    if is_new:
        ring.hash = hash
        table.next[position] = position
    else:
        table.next[position] = table.next[ring.youngest - 1]
        table.next[ring.youngest - 1] = position
    ring.youngest = position + 1


cdef int compact(Crowd *crowd) noexcept nogil:
    """Close all gaps."""
    cdef size_t word
    cdef size_t position
    cdef Crowd *dense = bare_crowd(crowd.deadline)
    if dense is NULL:
        return -1
    for position in range(crowd.start, crowd.end):
        word = word_at(crowd, position)
        if word != NOBODY:
            if crowd_append(dense, word) < 0:
                leave_crowd(dense)
                return -1
            timers_keep(word)
    dense.segments, crowd.segments = crowd.segments, dense.segments
    dense.room, crowd.room = crowd.room, dense.room
    dense.start, crowd.start = crowd.start, dense.start
    dense.end, crowd.end = crowd.end, dense.end
    dense.index, crowd.index = crowd.index, NULL
    leave_crowd(dense)
    return 0


cdef int make_index(Crowd *crowd, uint64_t serial) except -1:
    """Unless there is one for these boxes, with room for all positions."""
    if crowd.index is not NULL and (crowd.end > crowd.index.room or crowd.index.serial != serial):
        free_index(crowd.index)
        crowd.index = NULL
    if crowd.index is NULL:
        if crowd.end > 2 * crowd.live and compact(crowd) < 0:
            raise MemoryError
        crowd.index = <Index *>PyMem_Calloc(1, sizeof(Index))
        if crowd.index is NULL:
            raise MemoryError
        crowd.index.serial = serial
        crowd.index.room = crowd.end + crowd.end // 2
        crowd.index.bits = high_bit(crowd.index.room) + 2
    return 0


cdef int64_t find_same(Crowd *crowd, PyObject *token, PyObject **boxes) except STARVED:
    """The oldest position of a very token, or NOWHERE."""
    cdef Index *index = crowd.index
    cdef Table *table = &index.same
    cdef Ring *ring
    cdef int64_t found
    cdef uint32_t hash
    cdef PyObject *other
    if make_table(index, table) < 0:
        raise MemoryError
    table.done = max(table.done, crowd.start)
    while table.done < crowd.end:
        if word_at(crowd, table.done) != NOBODY:
            other = token_of(word_at(crowd, table.done), boxes)
            hash = identity_hash(other)
            found = look_up(crowd, table, index.bits, hash, other, False, boxes, &ring)
            enlist(table, ring, hash, found < 0, <uint32_t>table.done)
        table.done += 1
    return look_up(crowd, table, index.bits, identity_hash(token), token, False, boxes, &ring)


cdef int64_t find_equal(Crowd *crowd, PyObject *token, PyObject **boxes) except STARVED:
    """The oldest position of an equal token, NOWHERE, or ASK."""
    cdef Index *index = crowd.index
    cdef Table *table = &index.equal
    cdef Ring *ring
    cdef int64_t found
    cdef uint32_t hash
    cdef PyObject *other
    cdef Nature nature
    if nature_of(token) == OWN:
        return ASK
    if make_table(index, table) < 0:
        raise MemoryError
    table.done = max(table.done, crowd.start)
    while table.done < crowd.end:
        if word_at(crowd, table.done) != NOBODY:
            other = token_of(word_at(crowd, table.done), boxes)
            nature = nature_of(other)
            if nature == VALUE:
                hash = value_hash(PyObject_Hash(<object>other))
                found = look_up(crowd, table, index.bits, hash, other, True, boxes, &ring)
                enlist(table, ring, hash, found < 0, <uint32_t>table.done)
            elif nature == OWN:
                index.asked += 1
        table.done += 1
    if index.asked:
        return ASK
    if nature_of(token) == IDENTITY:
        return NOWHERE
    return look_up(crowd, table, index.bits, value_hash(PyObject_Hash(<object>token)), token, True, boxes, &ring)


cdef int64_t crowd_find(Crowd *crowd, PyObject *token, PyObject **boxes, uint64_t serial) except STARVED:
    cdef int64_t found
    if crowd.end >= SPENT - 1:
        return ASK
    make_index(crowd, serial)
    found = find_same(crowd, token, boxes)
    if found == NOWHERE:
        found = find_equal(crowd, token, boxes)
    return found
