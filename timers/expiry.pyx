"""Ripening and taking: see expiry.pxd."""

from libc.stdint cimport int16_t, uint32_t
from libc.string cimport memcpy

from timers.bits cimport PyMem_Free, PyMem_Malloc
from timers.bucket cimport (
    CHUNK, Chunk, bucket_count, cut, gather, is_forwarded, is_own, leave_bucket, move, prefetch_older,
    prefetch_tokens, successor,
)
from timers.cascade cimport put_in_order
from timers.crowd cimport ALL, Crowd, crowd_read, crowd_take, leave_crowd
from timers.forwarding cimport follow, is_in_common, open_bucket
from timers.order cimport LANES, are_few, difference_of, rank, sort
from timers.sharing cimport is_large, is_lone, own_crowd, own_wheel
from timers.slots cimport first_occupied, first_of, last_of, next_occupied, unmark
from timers.tokens cimport timers_keep
from timers.wheel cimport Wheel, as_bucket, as_crowd, as_wheel, end_of, is_bucket, is_crowd, is_wheel, prune


cdef inline uint32_t count_due(Chunk *chunk, uint64_t now) noexcept nogil:
    """Of an ordered chunk, how many of the first."""
    cdef uint32_t count = 0
    cdef uint32_t index
    # Without a branch: where the last of them stands in its order cannot be foretold.
    for index in range(chunk.count):
        count += chunk.timers[index].deadline <= now
    return count


cdef int ripen_slot(Slot *slot, uint64_t now, uint64_t end, uint32_t limit, bint mixed, Ripe *ripe) noexcept nogil:
    """`end`: the last deadline of the slot. `limit`: how many low bits may differ in it; 0: it has one, and is due.

    `mixed`: it is in a wheel that was copied.
    """
    cdef Wheel *wheel
    cdef int digit
    cdef size_t left = ripe.most - ripe.count
    cdef size_t count
    if is_bucket(slot[0]):
        count = bucket_count(as_bucket(slot[0]))
        if (end <= now and count <= left and (not limit or count <= BATCH)
                and not (mixed and count > CHUNK and is_in_common(as_bucket(slot[0])))):
            ripe.count += count
            if limit:
                ripe.largest = max(ripe.largest, count)
            if not is_own(as_bucket(slot[0])):
                # Who takes it keeps its tokens: many are asked for before the first is waited for.
                prefetch_tokens(as_bucket(slot[0]).timers, as_bucket(slot[0]).count)
            return 0
        if count <= CHUNK:
            if put_in_order(slot, limit) < 0:
                return -1
            ripe.count += min(left, <size_t>count_due(as_bucket(slot[0]), now))
            return 0
        if open_bucket(slot, limit, mixed) < 0:
            return -1
    if is_crowd(slot[0]):
        ripe.count += min(left, as_crowd(slot[0]).live)
        return own_crowd(slot, ripe.root)
    if own_wheel(slot) < 0:
        return -1
    wheel = as_wheel(slot[0])
    digit = first_occupied(wheel)
    while digit >= 0 and ripe.count < ripe.most and first_of(wheel, digit) <= now:
        if ripen_slot(&wheel.slots[digit], now, last_of(wheel, digit), wheel.shift, wheel.mixed, ripe) < 0:
            return -1
        digit = next_occupied(wheel, digit + 1)
    return 0


cdef int ripen(Slot *root, uint64_t now, Ripe *ripe) noexcept nogil:
    ripe.count = ripe.largest = 0
    ripe.root = root
    if not root[0] or not ripe.most:
        return 0
    return ripen_slot(root, now, highest(root[0]), 64, False, ripe)


cdef struct Taking:
    size_t left
    size_t *words
    uint64_t *deadlines     # may be NULL
    Timer *room             # for twice the timers of the largest bucket


cdef inline void give(Taking *taking, Timer *timers, size_t count) noexcept nogil:
    """Give out timers that are in order."""
    cdef size_t index
    for index in range(count):
        taking.words[index] = timers[index].word
    if taking.deadlines is not NULL:
        for index in range(count):
            taking.deadlines[index] = timers[index].deadline
        taking.deadlines += count
    taking.words += count
    taking.left -= count


cdef void take_bucket(Chunk *newest, Taking *taking) noexcept nogil:
    """Take a whole bucket."""
    cdef Timer *timers = taking.room
    cdef size_t count = bucket_count(newest)
    cdef int16_t places[LANES]
    cdef size_t index
    cdef uint64_t difference
    cdef bint lone = newest.older is NULL and is_own(newest)
    if lone:
        timers = newest.timers
    else:
        move(newest, timers)
    difference = 0 if lone and newest.ordered else difference_of(timers, count)
    if difference and taking.deadlines is NULL and are_few(count, difference):
        rank(timers, count, difference, places)
        for index in range(count):
            taking.words[places[index]] = timers[index].word
        taking.words += count
        taking.left -= count
    else:
        give(taking, sort(timers, count, difference, taking.room + count), count)
    if lone:
        PyMem_Free(newest)


cdef void take_alike(Chunk *newest, uint64_t deadline, Taking *taking) noexcept nogil:
    """Take a whole bucket of one deadline, which may be too large for the room."""
    cdef size_t count = bucket_count(newest)
    cdef Chunk *chunk = newest
    cdef Chunk *older
    cdef size_t index
    cdef bint own = True
    while chunk is not NULL:
        own = own and is_own(chunk)
        older = chunk.older
        prefetch_older(chunk)
        for index in range(chunk.count):
            taking.words[chunk.before + index] = chunk.timers[index].word
            if not own:
                timers_keep(chunk.timers[index].word)
        if own:
            PyMem_Free(chunk)
            newest = older
        chunk = older
    leave_bucket(newest)
    finish_alike(count, deadline, taking)


cdef void finish_alike(size_t count, uint64_t deadline, Taking *taking) noexcept nogil:
    cdef size_t index
    if taking.deadlines is not NULL:
        for index in range(count):
            taking.deadlines[index] = deadline
        taking.deadlines += count
    taking.words += count
    taking.left -= count


cdef void take_slot(Slot *slot, bint single, Taking *taking) noexcept nogil:
    cdef Wheel *wheel
    cdef Crowd *crowd
    cdef Chunk *chunk
    cdef int digit
    cdef size_t count
    cdef bint emptied = False
    if is_wheel(slot[0]):
        wheel = as_wheel(slot[0])
        digit = first_occupied(wheel)
        while digit >= 0 and taking.left:
            take_slot(&wheel.slots[digit], wheel.shift == 0, taking)
            if not wheel.slots[digit]:
                unmark(wheel, digit)
                emptied = True
            digit = next_occupied(wheel, digit)
        if emptied:
            prune(slot)
    elif is_crowd(slot[0]):
        crowd = as_crowd(slot[0])
        count = min(crowd.live, taking.left)
        crowd_take(crowd, count, taking.words)
        finish_alike(count, crowd.deadline, taking)
        if not crowd.live:
            leave_crowd(crowd)
            slot[0] = 0
    else:
        chunk = as_bucket(slot[0])
        if bucket_count(chunk) <= taking.left:
            slot[0] = 0
            if single:
                take_alike(chunk, chunk.timers[0].deadline, taking)
            else:
                take_bucket(chunk, taking)
        else:
            # It was put in order.
            count = taking.left
            give(taking, chunk.timers, count)
            cut(chunk, 0, <uint32_t>count)


cdef int take(Slot *root, Ripe *ripe, size_t *words, uint64_t *deadlines) noexcept nogil:
    cdef Timer few[2 * CHUNK]
    cdef Taking taking
    taking.left = ripe.count
    taking.words = words
    taking.deadlines = deadlines
    taking.room = few
    if ripe.largest > CHUNK:
        taking.room = <Timer *>PyMem_Malloc(2 * ripe.largest * sizeof(Timer))
        if taking.room is NULL:
            return -1
    if ripe.count:
        take_slot(root, False, &taking)
    if taking.room is not few:
        PyMem_Free(taking.room)
    return 0


cdef uint64_t highest(Slot root) noexcept nogil:
    cdef Chunk *chunk = as_bucket(root)
    cdef uint64_t last = 0
    cdef uint32_t index
    if is_wheel(root):
        return end_of(as_wheel(root))
    while chunk is not NULL:
        for index in range(chunk.count):
            last = max(last, chunk.timers[index].deadline)
        chunk = chunk.older
    return last


cdef uint64_t lowest(Slot slot) noexcept nogil:
    """The soonest deadline of a slot that is not empty, found by looking at more than must be."""
    cdef uint64_t first = <uint64_t>-1
    cdef Chunk *chunk
    cdef uint32_t index
    if is_crowd(slot):
        return as_crowd(slot).deadline
    if is_wheel(slot):
        return lowest(as_wheel(slot).slots[first_occupied(as_wheel(slot))])
    chunk = as_bucket(slot)
    while chunk is not NULL:
        if is_forwarded(chunk):
            return min(first, lowest(successor(chunk)))
        for index in range(chunk.count):
            first = min(first, chunk.timers[index].deadline)
        chunk = chunk.older
    return first


cdef uint64_t earliest(Slot *root, Slot *ready) noexcept nogil:
    cdef Slot *slot = root
    cdef Wheel *wheel
    cdef bint own = True
    cdef bint mixed = False
    cdef uint32_t limit = 64
    cdef int digit
    ready[0] = 0
    # Without memory it is found by looking at more, or what is ready not told.
    while True:
        if own and is_large(slot[0]) and open_bucket(slot, limit, mixed) < 0:
            own = False
        if is_crowd(slot[0]):
            if own and is_lone(slot[0]):
                ready[0] = slot[0]
            return as_crowd(slot[0]).deadline
        if not is_wheel(slot[0]):
            if not own or is_large(slot[0]) or put_in_order(slot, limit) < 0:
                return lowest(slot[0])
            ready[0] = slot[0]
            return as_bucket(slot[0]).timers[0].deadline
        own = own and own_wheel(slot) == 0
        wheel = as_wheel(slot[0])
        digit = first_occupied(wheel)
        slot = &wheel.slots[digit]
        if not wheel.shift and not is_crowd(slot[0]):
            return first_of(wheel, digit)
        limit = wheel.shift
        mixed = wheel.mixed


cdef int read(Slot *root, size_t *count, Timer **timers) noexcept nogil:
    return read_slot(root, 64, False, count, timers) if root[0] and count[0] else 0


cdef int read_slot(Slot *slot, uint32_t limit, bint mixed, size_t *count, Timer **timers) noexcept nogil:
    cdef Wheel *wheel
    cdef int digit
    cdef size_t all, index
    if mixed and is_large(slot[0]) and follow(slot, limit) < 0:
        return -1
    if is_wheel(slot[0]):
        wheel = as_wheel(slot[0])
        digit = first_occupied(wheel)
        while digit >= 0 and count[0]:
            if read_slot(&wheel.slots[digit], wheel.shift, wheel.mixed, count, timers) < 0:
                return -1
            digit = next_occupied(wheel, digit + 1)
        return 0
    if is_crowd(slot[0]):
        all = crowd_read(as_crowd(slot[0]), count[0], ALL, &timers[0].word, sizeof(Timer) // sizeof(size_t))
        for index in range(all):
            timers[0][index].deadline = as_crowd(slot[0]).deadline
        timers[0] += all
        count[0] -= all
        return 0
    return read_bucket(as_bucket(slot[0]), count, timers)


cdef int read_bucket(Chunk *bucket, size_t *count, Timer **timers) noexcept nogil:
    # Apart from the walk, in which wheels lie in wheels: a sort needs much of the stack.
    cdef size_t all
    cdef Timer few[2 * CHUNK]
    cdef Timer *room = few
    cdef Timer *sorted
    all = bucket_count(bucket)
    if all > CHUNK:
        room = <Timer *>PyMem_Malloc(2 * all * sizeof(Timer))
        if room is NULL:
            return -1
    gather(bucket, room)
    sorted = sort(room, all, difference_of(room, all), room + all)
    all = min(all, count[0])
    memcpy(timers[0], sorted, all * sizeof(Timer))
    if room is not few:
        PyMem_Free(room)
    timers[0] += all
    count[0] -= all
    return 0
