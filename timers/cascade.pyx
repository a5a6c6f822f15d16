"""Cascading: see cascade.pxd."""

from libc.stdint cimport int16_t, uint64_t
from libc.string cimport memcpy, memset

from timers.bits cimport PyMem_Free, prefetch
from timers.bucket cimport (
    CHUNK, Chunk, bucket_count, is_own, leave_bucket, new_chunk, prefetch_older, prefetch_tokens,
)
from timers.crowd cimport Crowd, new_crowd
from timers.order cimport LANES, NEAR, difference_of, insert_each, key_closely, rank_keys, sort
from timers.reach cimport root_for
from timers.sharing cimport one_chunk
from timers.slots cimport base_for, mark, width_of
from timers.tokens cimport timers_keep
from timers.wheel cimport NARROW, WIDE, Wheel, as_bucket, digit_for, new_wheel


cdef enum:
    WIDEST = 1 << WIDE
    COARSE = 1


cdef void put_far_in_order(Chunk *chunk, uint32_t limit) noexcept nogil:
    """By the highest of the bits that may differ, which tell most apart where they lie evenly; then by all."""
    cdef Timer few[CHUNK]
    cdef int16_t keys[LANES]
    cdef int16_t places[LANES]
    cdef uint32_t shift = limit - NEAR
    cdef uint32_t index
    for index in range(chunk.count):
        few[index] = chunk.timers[index]
        few[index].deadline >>= shift
    key_closely(few, chunk.count, keys)
    prefetch_tokens(chunk.timers, chunk.count)
    rank_keys(keys, chunk.count, places)
    memcpy(few, chunk.timers, chunk.count * sizeof(Timer))
    for index in range(chunk.count):
        chunk.timers[places[index]] = few[index]
    if not insert_each(chunk.timers, chunk.count):
        if sort(chunk.timers, chunk.count, difference_of(chunk.timers, chunk.count), few) is few:
            memcpy(chunk.timers, few, chunk.count * sizeof(Timer))


cdef int put_in_order(Slot *slot, uint32_t limit) noexcept nogil:
    cdef Timer few[CHUNK]
    cdef int16_t keys[LANES]
    cdef int16_t places[LANES]
    cdef Chunk *chunk
    cdef uint32_t index
    if one_chunk(slot) < 0:
        return -1
    chunk = as_bucket(slot[0])
    if chunk.ordered:
        return 0
    if limit > NEAR:
        put_far_in_order(chunk, limit)
    elif key_closely(chunk.timers, chunk.count, keys):
        prefetch_tokens(chunk.timers, chunk.count)
    else:
        rank_keys(keys, chunk.count, places)
        memcpy(few, chunk.timers, chunk.count * sizeof(Timer))
        for index in range(chunk.count):
            prefetch(<void *>few[index].word)
            chunk.timers[places[index]] = few[index]
    chunk.ordered = True
    return 0


cdef int make_crowd(Slot *slot) noexcept nogil:
    cdef Crowd *crowd = new_crowd(as_bucket(slot[0]))
    if crowd is NULL:
        return -1
    slot[0] = <Slot>crowd + 2
    return 0


cdef void free_bare(Chunk *chunk) noexcept nogil:
    """Free a bucket that has no timers yet."""
    cdef Chunk *older
    while chunk is not NULL:
        older = chunk.older
        PyMem_Free(chunk)
        chunk = older


cdef int allot(Slot *slot, size_t count) noexcept nogil:
    cdef Chunk *chunk = NULL
    cdef Chunk *newer
    cdef uint32_t part
    while count:
        part = <uint32_t>min(<size_t>CHUNK, count)
        newer = new_chunk(chunk, part)
        if newer is NULL:
            free_bare(chunk)
            return -1
        chunk = newer
        chunk.count = <unsigned char>part
        count -= part
    slot[0] = <Slot>chunk
    return 0


cdef void give_up(Wheel *wheel) noexcept nogil:
    """Free a wheel of buckets that have no timers yet."""
    cdef uint32_t digit
    for digit in range(wheel.size):
        free_bare(as_bucket(wheel.slots[digit]))
    PyMem_Free(wheel)


cdef uint32_t width_of_all(Chunk *newest) noexcept nogil:
    """In how many low bits the timers of a bucket differ."""
    cdef uint64_t some = newest.timers[0].deadline
    cdef uint64_t difference = 0
    cdef uint32_t index
    while newest is not NULL:
        prefetch_older(newest)
        for index in range(newest.count):
            difference |= newest.timers[index].deadline ^ some
        newest = newest.older
    return width_of(difference)


cdef bint is_wholly_own(Chunk *newest) noexcept nogil:
    while newest is not NULL and is_own(newest):
        newest = newest.older
    return newest is NULL


cdef Wheel *finer(uint64_t deadline, uint32_t width, uint32_t bits, uint32_t limit) noexcept nogil:
    """An empty wheel of 2 ** `bits` slots that reaches what differs from `deadline` in `width` low bits, or few more.

    `limit`: how many low bits may differ in the slot that it is for.
    """
    cdef uint32_t shift = width - min(width, bits)
    bits = min(min(bits, max(width, <uint32_t>NARROW)), limit)
    return new_wheel(base_for(deadline, shift, bits), shift, bits)


cdef int wrap(Slot *slot, uint32_t limit) noexcept nogil:
    """Put a bucket of one deadline, whose chunks are own, as it is into a wheel that takes its place."""
    cdef uint64_t deadline = as_bucket(slot[0]).timers[0].deadline
    cdef Wheel *wheel = finer(deadline, 0, NARROW, limit)
    cdef int digit
    if wheel is NULL:
        return -1
    digit = <int>digit_for(wheel, deadline)
    wheel.slots[digit] = slot[0]
    mark(wheel, digit)
    slot[0] = <Slot>wheel + 1
    return 0


cdef int cascade(Slot *slot, Wheel *wheel, uint32_t width, Timer *far, size_t *outliers) noexcept nogil:
    """Move the timers of a bucket into an empty wheel that takes its place, and what it does not reach to an array.

    `*outliers` becomes how many are in the array. Answers COARSE, and has changed nothing, where the timers differ in
    fewer than `width` low bits, so that a finer wheel would do; NULL is the want of memory. A wheel that does not take
    the place is freed.
    """
    cdef Chunk *newest = as_bucket(slot[0])
    cdef Chunk *chunk
    cdef Chunk *older
    cdef uint64_t digit
    cdef uint64_t spread = 0
    cdef size_t needs[WIDEST]
    cdef Chunk *cursors[WIDEST]
    cdef size_t beyond = 0
    cdef int index
    cdef bint own = True
    if wheel is NULL:
        return -1
    memset(needs, 0, wheel.size * sizeof(size_t))
    chunk = newest
    while chunk is not NULL:
        prefetch_older(chunk)
        for index in range(chunk.count):
            digit = digit_for(wheel, chunk.timers[index].deadline)
            if digit < wheel.size:
                needs[<size_t>digit] += 1
            else:
                beyond += 1
        chunk = chunk.older
    if width:
        digit = digit_for(wheel, newest.timers[0].deadline)
        for index in range(<int>wheel.size):
            if needs[index]:
                spread |= digit ^ <uint64_t>index
        if wheel.shift + width_of(spread) < width:
            PyMem_Free(wheel)
            return COARSE
    for index in range(<int>wheel.size):
        if needs[index]:
            if allot(&wheel.slots[index], needs[index]) < 0:
                give_up(wheel)
                return -1
            mark(wheel, index)
            cursors[index] = as_bucket(wheel.slots[index])
            # From here on, how many timers of the chunk at the cursor are still to come, from its end.
            needs[index] = cursors[index].count
    outliers[0] = beyond
    chunk = newest
    while chunk is not NULL:
        own = own and is_own(chunk)
        older = chunk.older
        prefetch_older(chunk)
        if not own:
            prefetch_tokens(chunk.timers, chunk.count)
        for index in range(chunk.count - 1, -1, -1):
            digit = digit_for(wheel, chunk.timers[index].deadline)
            if not own:
                timers_keep(chunk.timers[index].word)
            if digit >= wheel.size:
                beyond -= 1
                far[beyond] = chunk.timers[index]
                continue
            if not needs[<size_t>digit]:
                cursors[<size_t>digit] = cursors[<size_t>digit].older
                needs[<size_t>digit] = cursors[<size_t>digit].count
            needs[<size_t>digit] -= 1
            cursors[<size_t>digit].timers[needs[<size_t>digit]] = chunk.timers[index]
        if own:
            PyMem_Free(chunk)
            newest = older
        chunk = older
    # The rest belongs to others too.
    leave_bucket(newest)
    slot[0] = <Slot>wheel + 1
    return 0


cdef int split(Slot *slot, uint32_t limit) noexcept nogil:
    cdef Chunk *newest = as_bucket(slot[0])
    cdef uint64_t deadline = newest.timers[0].deadline
    cdef uint32_t bits = even_bits(bucket_count(newest))
    cdef uint32_t width
    cdef size_t none = 0
    # In all of these bits they differ, dense as most are.
    cdef int answer = cascade(slot, finer(deadline, limit, bits, limit), limit, NULL, &none)
    if answer != COARSE:
        return answer
    width = width_of_all(newest)
    if not width and is_wholly_own(newest):
        return wrap(slot, limit)
    return cascade(slot, finer(deadline, width, bits, limit), 0, NULL, &none)


cdef int split_root(Slot *root, Timer *far, size_t *outliers) noexcept nogil:
    cdef Chunk *newest = as_bucket(root[0])
    cdef size_t count = bucket_count(newest)
    outliers[0] = min(outliers[0], count // 8)
    return cascade(root, root_for(newest, min(bits_for(count) + 1, <uint32_t>WIDE), outliers[0]), 0, far, outliers)
