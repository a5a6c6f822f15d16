"""Seeking and removing: see removal.pxd."""

from libc.stdint cimport uint32_t

from timers.bits cimport PyMem_Free, PyMem_Realloc
from timers.bucket cimport Chunk, Timer, bucket_count, chunk_size, cut, new_chunk
from timers.crowd cimport ALL, Crowd, crowd_read, crowd_remove, crowd_withdraw, leave_crowd
from timers.expiry cimport read
from timers.forwarding cimport open_bucket
from timers.sharing cimport free, is_large, is_lone, one_chunk, own_crowd, own_wheel
from timers.slots cimport first_occupied, next_occupied, unmark
from timers.tokens cimport timers_keep
from timers.wheel cimport (
    DONE, STARVED, Wheel, as_bucket, as_crowd, as_wheel, digit_for, is_bucket, is_crowd, is_wheel, prune,
)


cdef int prepare(Slot *slot, uint32_t limit, bint mixed, const void *root) noexcept nogil:
    """Bring a slot into a form in which one timer can be removed."""
    if is_bucket(slot[0]):
        if not is_large(slot[0]):
            return one_chunk(slot)
        if open_bucket(slot, limit, mixed) < 0:
            return -1
    return own_wheel(slot) if is_wheel(slot[0]) else own_crowd(slot, root)


cdef int seek(Slot *root, uint64_t deadline, bint to_write, Place *place) noexcept nogil:
    cdef Slot *slot = root
    cdef Wheel *wheel
    cdef uint64_t digit
    cdef uint32_t limit = 64
    cdef bint mixed = False
    place.depth = 0
    place.own = True
    while slot[0]:
        if not to_write:
            place.own = place.own and is_lone(slot[0])
        elif prepare(slot, limit, mixed, root) < 0:
            return STARVED
        place.path[place.depth] = slot
        place.depth += 1
        if not is_wheel(slot[0]):
            return True
        wheel = as_wheel(slot[0])
        digit = digit_for(wheel, deadline)
        if digit >= wheel.size:
            return False
        limit = wheel.shift
        mixed = wheel.mixed
        slot = &wheel.slots[<size_t>digit]
    return False


cdef int remove(Place *place, size_t *word) noexcept nogil:
    cdef Slot *slot = place.path[place.depth - 1]
    cdef Chunk *chunk
    if is_crowd(slot[0]):
        if crowd_remove(as_crowd(slot[0]), place.position, word) < 0:
            return STARVED
        if as_crowd(slot[0]).live:
            thin_out(slot)
            return DONE
        leave_crowd(as_crowd(slot[0]))
    else:
        chunk = as_bucket(slot[0])
        word[0] = chunk.timers[place.position].word
        cut(chunk, <uint32_t>place.position, 1)
        if chunk.count:
            shrink(slot)
            return DONE
        PyMem_Free(chunk)
    slot[0] = 0
    clear_away(place, True)
    return DONE


cdef void clear_away(Place *place, bint may_fold) noexcept nogil:
    """A slot has become empty: so may wheels above it, or too large for what they hold."""
    cdef Slot *slot = place.path[place.depth - 1]
    cdef Wheel *wheel
    while not is_wheel(slot[0]) and place.depth > 1:
        place.depth -= 1
        wheel = as_wheel(place.path[place.depth - 1][0])
        if not slot[0]:
            unmark(wheel, slot - <Slot *>wheel.slots)
        slot = place.path[place.depth - 1]
        prune(slot)
        # Of the root the queue takes care.
        if may_fold and place.depth > 1:
            fold(slot)


cdef void shrink(Slot *slot) noexcept nogil:
    """Give back what a chunk has too much. Four times: so that growing and shrinking in turns costs little."""
    cdef Chunk *chunk = as_bucket(slot[0])
    cdef uint32_t capacity = chunk.count + 1
    if chunk.capacity >= 4 * capacity:
        chunk = <Chunk *>PyMem_Realloc(chunk, chunk_size(capacity))
        if chunk is not NULL:
            chunk.capacity = <unsigned char>capacity
            slot[0] = <Slot>chunk


cdef void thin_out(Slot *slot) noexcept nogil:
    """Make a bucket again of a crowd that is none any more, if memory allows."""
    cdef Crowd *crowd = as_crowd(slot[0])
    cdef Chunk *chunk
    cdef uint32_t index
    if crowd.live > CALM:
        return
    chunk = new_chunk(NULL, <uint32_t>crowd.live)
    if chunk is NULL:
        return
    chunk.count = <unsigned char>crowd.live
    chunk.ordered = True
    crowd_read(crowd, crowd.live, ALL, &chunk.timers[0].word, sizeof(Timer) // sizeof(size_t))
    for index in range(chunk.count):
        chunk.timers[index].deadline = crowd.deadline
        timers_keep(chunk.timers[index].word)
    leave_crowd(crowd)
    slot[0] = <Slot>chunk


cdef void fold(Slot *slot) noexcept nogil:
    """Make a bucket of a wheel, one's own, that is too large for its few timers, if memory allows."""
    cdef Wheel *wheel
    cdef Chunk *chunk
    cdef Timer *end
    cdef size_t count = 0
    cdef size_t left
    cdef int digit
    if not is_wheel(slot[0]):
        return
    wheel = as_wheel(slot[0])
    digit = first_occupied(wheel)
    # Finer wheels and crowds have more than few, or would have been folded themselves.
    while digit >= 0 and count <= CALM:
        if not is_bucket(wheel.slots[digit]):
            return
        count += bucket_count(as_bucket(wheel.slots[digit]))
        digit = next_occupied(wheel, digit + 1)
    if digit >= 0 or count > CALM:
        return
    chunk = new_chunk(NULL, <uint32_t>count + 1)
    if chunk is NULL:
        return
    end = chunk.timers
    left = count
    # So few are read without further memory.
    read(slot, &left, &end)
    chunk.count = <unsigned char>count
    chunk.ordered = True
    for digit in range(<int>count):
        timers_keep(chunk.timers[digit].word)
    free(slot[0])
    slot[0] = <Slot>chunk


cdef size_t withdraw(Slot *root, uint64_t deadline) noexcept nogil:
    cdef Place place
    cdef Slot *slot
    cdef size_t word
    seek(root, deadline, False, &place)
    slot = place.path[place.depth - 1]
    if is_crowd(slot[0]):
        word = crowd_withdraw(as_crowd(slot[0]))
        if as_crowd(slot[0]).live:
            return word
        leave_crowd(as_crowd(slot[0]))
        slot[0] = 0
    else:
        word = withdraw_from(slot, deadline)
    if not slot[0]:
        clear_away(&place, False)
    return word


cdef size_t withdraw_from(Slot *bucket, uint64_t deadline) noexcept nogil:
    cdef Chunk **link = <Chunk **>bucket
    cdef Chunk *chunk = link[0]
    cdef Chunk *newer = chunk
    cdef uint32_t place = chunk.count
    cdef size_t word
    while chunk.timers[place - 1].deadline != deadline:
        place -= 1
        if not place:
            link = &chunk.older
            chunk = link[0]
            place = chunk.count
    word = chunk.timers[place - 1].word
    while newer is not chunk:
        newer.before -= 1
        newer = newer.older
    cut(chunk, place - 1, 1)
    if not chunk.count:
        link[0] = chunk.older
        PyMem_Free(chunk)
    return word
