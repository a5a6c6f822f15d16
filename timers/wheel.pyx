"""The hierarchical timing wheel: see wheel.pxd for the picture and the invariants."""

from libc.stdint cimport int16_t
from libc.string cimport memcpy, memset

from timers.bits cimport (
    PyMem_Free, PyMem_Malloc, PyMem_Realloc, high_bit, join_owners, leave_owner, low_bit, prefetch, prefetch_chunk,
)
from timers.bucket cimport (
    CHUNK, append, bucket_count, chunk_size, copy_chunk, cut, gather, insert_ordered, is_own, leave_bucket, move,
    new_chunk, with_room,
)
from timers.crowd cimport (
    check_crowd, copy_crowd, crowd_append, crowd_memory, crowd_read, crowd_remove, crowd_take,
    crowd_withdraw, leave_crowd, new_crowd,
)
from timers.order cimport LANES, are_few, difference_of, rank, sort
from timers.tokens cimport timers_keep


# ---- arithmetic

cdef inline uint32_t bits_of(Wheel *wheel) noexcept nogil:
    return low_bit(wheel.size)


cdef inline uint32_t reach_of(Wheel *wheel) noexcept nogil:
    """A wheel reaches every deadline that differs from its base in so many low bits."""
    return wheel.shift + bits_of(wheel)


cdef inline uint32_t width_of(uint64_t difference) noexcept nogil:
    return high_bit(difference) + 1 if difference else 0


cdef inline uint64_t base_for(uint64_t deadline, uint32_t shift, uint32_t bits) noexcept nogil:
    """`deadline` with the digit at `shift` and all below it cleared."""
    return deadline >> shift >> bits << bits << shift


cdef inline uint64_t first_of(Wheel *wheel, int digit) noexcept nogil:
    """The first deadline of a slot."""
    return wheel.base + (<uint64_t>digit << wheel.shift)


cdef inline uint64_t last_of(Wheel *wheel, int digit) noexcept nogil:
    """The last deadline of a slot."""
    return first_of(wheel, digit) + ((<uint64_t>1 << wheel.shift) - 1)


# ---- wheels

cdef inline size_t wheel_size(uint32_t size) noexcept nogil:
    return sizeof(Wheel) + (size - 1) * sizeof(Slot)


cdef inline void mark(Wheel *wheel, size_t digit) noexcept nogil:
    wheel.occupied[digit >> 6] |= <uint64_t>1 << (digit & 63)


cdef inline void unmark(Wheel *wheel, size_t digit) noexcept nogil:
    wheel.occupied[digit >> 6] &= ~(<uint64_t>1 << (digit & 63))


cdef inline int next_occupied(Wheel *wheel, int digit) noexcept nogil:
    """The first slot in use from `digit` on, or -1."""
    cdef int word = digit >> 6
    if word > 3:
        return -1
    cdef uint64_t bits = wheel.occupied[word] >> (digit & 63) << (digit & 63)
    while not bits:
        word += 1
        if word > 3:
            return -1
        bits = wheel.occupied[word]
    return (word << 6) + low_bit(bits)


cdef Wheel *new_wheel(uint64_t deadline, uint32_t shift, uint32_t bits) noexcept nogil:
    """An empty wheel that reaches `deadline`."""
    cdef uint32_t size = <uint32_t>1 << bits
    cdef Wheel *wheel = <Wheel *>PyMem_Malloc(wheel_size(size))
    if wheel is not NULL:
        memset(wheel, 0, wheel_size(size))
        wheel.base = base_for(deadline, shift, bits)
        wheel.owners = 1
        wheel.shift = <uint16_t>shift
        wheel.size = size
    return wheel


cdef Wheel *coarser(Wheel *wheel, uint64_t deadline, uint32_t limit) noexcept nogil:
    """An empty wheel that reaches `deadline` and, within one of its slots, the given wheel; `limit` bits at most."""
    cdef uint32_t width = width_of(wheel.base ^ deadline)
    cdef uint32_t shift = max(reach_of(wheel), width - min(width, <uint32_t>WIDE))
    return new_wheel(deadline, shift, min(<uint32_t>WIDE, limit - shift))


cdef void hang(Wheel *wheel, Slot finer) noexcept nogil:
    """Put a finer wheel into its slot."""
    cdef size_t digit = <size_t>digit_for(wheel, as_wheel(finer).base)
    wheel.slots[digit] = finer
    mark(wheel, digit)


cdef void prune(Slot *slot) noexcept nogil:
    """Free the wheel in `slot`, its own, if it holds nothing, or nothing but one finer wheel."""
    cdef Wheel *wheel = as_wheel(slot[0])
    cdef int digit = next_occupied(wheel, 0)
    if digit < 0:
        slot[0] = 0
    elif is_wheel(wheel.slots[digit]) and next_occupied(wheel, digit + 1) == -1:
        slot[0] = wheel.slots[digit]
    else:
        return
    PyMem_Free(wheel)


# ---- sharing

cdef Slot share(Slot root) noexcept nogil:
    if not root:
        return 0
    if is_wheel(root):
        return root if join_owners(&as_wheel(root).owners) else copy_wheel(as_wheel(root))
    if is_crowd(root):
        if join_owners(&as_crowd(root).owners):
            return root
        root = <Slot>copy_crowd(as_crowd(root))
        return root + 2 if root else 0
    if join_owners(&as_bucket(root).owners):
        return root
    return <Slot>copy_chunk(as_bucket(root), as_bucket(root).capacity)


cdef void free(Slot root) noexcept nogil:
    cdef Wheel *wheel
    cdef int digit
    if not root:
        return
    if is_crowd(root):
        leave_crowd(as_crowd(root))
    elif not is_wheel(root):
        leave_bucket(as_bucket(root))
    elif leave_owner(&as_wheel(root).owners) == 0:
        wheel = as_wheel(root)
        digit = next_occupied(wheel, 0)
        while digit >= 0:
            free(wheel.slots[digit])
            digit = next_occupied(wheel, digit + 1)
        PyMem_Free(wheel)


cdef Slot copy_wheel(Wheel *wheel) noexcept nogil:
    """A wheel that shares all slots with another; 0 without memory."""
    cdef Wheel *twin = <Wheel *>PyMem_Malloc(wheel_size(wheel.size))
    cdef int digit
    if twin is NULL:
        return 0
    memcpy(twin, wheel, wheel_size(wheel.size))
    twin.owners = 1
    digit = next_occupied(wheel, 0)
    while digit >= 0:
        # The counts of owners lie anywhere.
        prefetch(<void *>(wheel.slots[digit] & ~<Slot>3))
        digit = next_occupied(wheel, digit + 1)
    digit = next_occupied(wheel, 0)
    while digit >= 0:
        twin.slots[digit] = share(wheel.slots[digit])
        if not twin.slots[digit]:
            while digit < <int>twin.size:
                twin.slots[digit] = 0
                unmark(twin, digit)
                digit += 1
            free(<Slot>twin + 1)
            return 0
        digit = next_occupied(wheel, digit + 1)
    return <Slot>twin + 1


cdef inline int own_wheel(Slot *slot) noexcept nogil:
    """Make the wheel in a slot, that is itself in an own wheel, one's own."""
    cdef Slot twin
    if owners_of(&as_wheel(slot[0]).owners) == 1:
        return 0
    twin = copy_wheel(as_wheel(slot[0]))
    if not twin:
        return -1
    free(slot[0])
    slot[0] = twin
    return 0


cdef int own_crowd(Slot *slot) noexcept nogil:
    cdef Crowd *twin
    if owners_of(&as_crowd(slot[0]).owners) == 1:
        return 0
    twin = copy_crowd(as_crowd(slot[0]))
    if twin is NULL:
        return -1
    leave_crowd(as_crowd(slot[0]))
    slot[0] = <Slot>twin + 2
    return 0


cdef int one_chunk(Slot *slot) noexcept nogil:
    """Make a bucket of at most CHUNK timers one chunk, its own."""
    cdef Chunk *newest = as_bucket(slot[0])
    cdef Chunk *chunk
    cdef uint32_t count = <uint32_t>bucket_count(newest)
    if newest.older is NULL and is_own(newest):
        return 0
    chunk = new_chunk(NULL, count)
    if chunk is NULL:
        return -1
    move(newest, chunk.timers)
    chunk.count = <unsigned char>count
    slot[0] = <Slot>chunk
    return 0


cdef int put_in_order(Slot *slot) noexcept nogil:
    """Make a bucket of at most CHUNK timers one chunk, its own, and sorted."""
    cdef Timer few[CHUNK]
    cdef Chunk *chunk
    cdef uint64_t difference
    if one_chunk(slot) < 0:
        return -1
    chunk = as_bucket(slot[0])
    if not chunk.ordered:
        difference = difference_of(chunk.timers, chunk.count)
        if difference and sort(chunk.timers, chunk.count, difference, few) is few:
            memcpy(chunk.timers, few, chunk.count * sizeof(Timer))
        chunk.ordered = True
    return 0


cdef int make_crowd(Slot *slot) noexcept nogil:
    cdef Crowd *crowd = new_crowd(as_bucket(slot[0]))
    if crowd is NULL:
        return -1
    slot[0] = <Slot>crowd + 2
    return 0


# ---- cascade

cdef uint64_t typical(Chunk *chunk) noexcept nogil:
    """A deadline in the midst of those of a chunk."""
    cdef Timer few[CHUNK]
    cdef Timer sorted[CHUNK]
    cdef uint64_t difference = difference_of(chunk.timers, chunk.count)
    if not difference:
        return chunk.timers[chunk.count // 2].deadline
    memcpy(few, chunk.timers, chunk.count * sizeof(Timer))
    return sort(few, chunk.count, difference, sorted)[chunk.count // 2].deadline


cdef void free_bare(Chunk *chunk) noexcept nogil:
    """Free a bucket that has no timers yet."""
    cdef Chunk *older
    while chunk is not NULL:
        older = chunk.older
        PyMem_Free(chunk)
        chunk = older


cdef int allot(Slot *slot, size_t count) noexcept nogil:
    """A bucket with room for `count` timers, which counts them already; nothing without memory."""
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


cdef int cascade(Slot *slot, uint32_t limit, Timer *far, size_t *outliers) noexcept nogil:
    """Move the timers of a bucket into a wheel that takes its place; up to `*outliers` far ones to an array.

    `limit`: how many low bits may differ in the slot, at least one.
    """
    cdef Chunk *newest = as_bucket(slot[0])
    cdef Chunk *chunk
    cdef Chunk *older
    cdef Wheel *wheel
    cdef uint64_t middle = typical(newest)
    cdef uint64_t digit
    cdef size_t widths[65]
    cdef size_t needs[256]
    cdef Chunk *cursors[256]
    cdef size_t count = bucket_count(newest)
    cdef size_t beyond = 0
    cdef size_t allowed = min(outliers[0], count // 8)
    cdef uint32_t width = 64
    cdef uint32_t bits, shift
    cdef int index
    cdef bint own = True
    memset(widths, 0, sizeof(widths))
    chunk = newest
    while chunk is not NULL:
        prefetch_chunk(chunk.older)
        for index in range(chunk.count):
            widths[width_of(chunk.timers[index].deadline ^ middle)] += 1
        chunk = chunk.older
    while width and beyond + widths[width] <= allowed:
        beyond += widths[width]
        width -= 1
    bits = high_bit(count - beyond)
    bits = min(max(bits, <uint32_t>(NARROW + ROOMY)) - ROOMY, <uint32_t>WIDE)
    shift = width - bits if width > bits else 0
    bits = min(min(bits, max(width, <uint32_t>NARROW)), limit)
    # Few slots may reach farther than they need to.
    while width < shift + bits:
        width += 1
        beyond -= widths[width]
    wheel = new_wheel(middle, shift, bits)
    if wheel is NULL:
        return -1
    memset(needs, 0, sizeof(needs))
    chunk = newest
    while chunk is not NULL:
        prefetch_chunk(chunk.older)
        for index in range(chunk.count):
            digit = digit_for(wheel, chunk.timers[index].deadline)
            if digit < wheel.size:
                needs[<size_t>digit] += 1
        chunk = chunk.older
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
        prefetch_chunk(older)
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
    cdef size_t outliers = 0
    return cascade(slot, limit, NULL, &outliers)


cdef int split_root(Slot *root, Timer *far, size_t *outliers) noexcept nogil:
    return cascade(root, 64, far, outliers)


# ---- insert

cdef int crown(Slot *root, uint64_t deadline) noexcept nogil:
    cdef Wheel *wheel = coarser(as_wheel(root[0]), deadline, 64)
    if wheel is NULL:
        return -1
    hang(wheel, root[0])
    root[0] = <Slot>wheel + 1
    return 0


cdef void uncrown(Slot *root) noexcept nogil:
    prune(root)


cdef int insert_slowly(Slot *root, uint64_t deadline, size_t word, Chunk **ready) noexcept nogil:
    cdef Slot *slot = root
    cdef Slot *top = NULL
    cdef Wheel *wheel = NULL
    cdef Wheel *coarse
    cdef Chunk *newest
    cdef uint64_t digit = 0
    cdef uint32_t limit = 64
    cdef bint was_ready
    while is_wheel(slot[0]):
        wheel = as_wheel(slot[0])
        digit = digit_for(wheel, deadline)
        if digit < wheel.size:
            if own_wheel(slot) < 0:
                return STARVED
            wheel = as_wheel(slot[0])
            limit = wheel.shift
            slot = &wheel.slots[<size_t>digit]
        elif slot is root:
            return BEYOND
        else:
            # The finer wheel may be shared: it is not changed, only put elsewhere.
            coarse = coarser(wheel, deadline, limit)
            if coarse is NULL:
                return STARVED
            hang(coarse, slot[0])
            slot[0] = <Slot>coarse + 1
            top = slot
    if is_crowd(slot[0]):
        return STARVED if own_crowd(slot) < 0 or crowd_append(as_crowd(slot[0]), word) < 0 else DONE
    newest = as_bucket(slot[0])
    if newest is not NULL and bucket_count(newest) >= FLOOD:
        # Without memory it goes on growing.
        if not limit:
            if make_crowd(slot) == 0:
                return insert_slowly(root, deadline, word, ready)
        elif split(slot, limit) == 0:
            return insert_slowly(root, deadline, word, ready)
    was_ready = newest is ready[0] and newest is not NULL
    if was_ready:
        ready[0] = NULL
    newest = with_room(newest)
    if newest is NULL:
        # A wheel that is new, with nothing but the former one in it, goes again.
        if top is not NULL:
            prune(top)
        return STARVED
    if slot[0] and newest.ordered:
        insert_ordered(newest, deadline, word)
    else:
        # The root begins ordered: a few timers are kept so.
        newest.ordered = not slot[0] and wheel is NULL
        append(newest, deadline, word)
    if not slot[0] and wheel is not NULL:
        mark(wheel, <size_t>digit)
    slot[0] = <Slot>newest
    if was_ready and newest.ordered:
        ready[0] = newest
    return DONE


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


# ---- due

cdef inline uint32_t count_due(Chunk *chunk, uint64_t now) noexcept nogil:
    """Of an ordered chunk."""
    cdef uint32_t count = 0
    while count < chunk.count and chunk.timers[count].deadline <= now:
        count += 1
    return count


cdef int ripen_slot(Slot *slot, uint64_t now, uint64_t end, uint32_t limit, Ripe *ripe) noexcept nogil:
    """`end`: the last deadline of the slot. `limit`: how many low bits may differ in it; 0: it has one, and is due."""
    cdef Wheel *wheel
    cdef int digit
    cdef size_t left = ripe.most - ripe.count
    cdef size_t count
    if is_crowd(slot[0]):
        ripe.count += min(left, as_crowd(slot[0]).live)
        return own_crowd(slot)
    if not is_wheel(slot[0]):
        count = bucket_count(as_bucket(slot[0]))
        if end <= now and count <= left and (not limit or count <= BATCH):
            ripe.count += count
            if limit:
                ripe.largest = max(ripe.largest, count)
            return 0
        if count <= CHUNK:
            if put_in_order(slot) < 0:
                return -1
            ripe.count += min(left, <size_t>count_due(as_bucket(slot[0]), now))
            return 0
        if not limit:
            ripe.count += left
            return make_crowd(slot)
        if split(slot, limit) < 0:
            return -1
    if own_wheel(slot) < 0:
        return -1
    wheel = as_wheel(slot[0])
    digit = next_occupied(wheel, 0)
    while digit >= 0 and ripe.count < ripe.most and first_of(wheel, digit) <= now:
        if ripen_slot(&wheel.slots[digit], now, last_of(wheel, digit), wheel.shift, ripe) < 0:
            return -1
        digit = next_occupied(wheel, digit + 1)
    return 0


cdef int ripen(Slot *root, uint64_t now, Ripe *ripe) noexcept nogil:
    ripe.count = ripe.largest = 0
    if not root[0] or not ripe.most:
        return 0
    return ripen_slot(root, now, highest(root[0]), 64, ripe)


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
        if difference:
            timers = sort(timers, count, difference, taking.room + count)
        give(taking, timers, count)
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
        prefetch_chunk(older)
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
    if is_wheel(slot[0]):
        wheel = as_wheel(slot[0])
        digit = next_occupied(wheel, 0)
        while digit >= 0 and taking.left:
            take_slot(&wheel.slots[digit], wheel.shift == 0, taking)
            if not wheel.slots[digit]:
                unmark(wheel, digit)
            digit = next_occupied(wheel, digit)
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


cdef uint64_t lowest(Chunk *newest) noexcept nogil:
    """The soonest deadline of a bucket."""
    cdef uint64_t first = newest.timers[0].deadline
    cdef uint32_t index
    while newest is not NULL:
        for index in range(newest.count):
            first = min(first, newest.timers[index].deadline)
        newest = newest.older
    return first


cdef uint64_t earliest(Slot *root, Chunk **ready) noexcept nogil:
    cdef Slot *slot = root
    cdef Wheel *wheel
    cdef bint own = True
    cdef uint32_t limit = 64
    ready[0] = NULL
    # Without memory it is found by looking at more, or what is ready not told.
    while True:
        if is_crowd(slot[0]):
            return as_crowd(slot[0]).deadline
        if not is_wheel(slot[0]):
            if not limit:
                return as_bucket(slot[0]).timers[0].deadline
            if bucket_count(as_bucket(slot[0])) <= CHUNK:
                if not own or put_in_order(slot) < 0:
                    return lowest(as_bucket(slot[0]))
                ready[0] = as_bucket(slot[0])
                return ready[0].timers[0].deadline
            if not own or split(slot, limit) < 0:
                return lowest(as_bucket(slot[0]))
        own = own and own_wheel(slot) == 0
        wheel = as_wheel(slot[0])
        limit = wheel.shift
        slot = &wheel.slots[next_occupied(wheel, 0)]


cdef int read(Slot root, size_t *count, Timer **timers) noexcept nogil:
    """Advances `timers` by what it has read, and lowers `count`."""
    cdef Wheel *wheel
    cdef int digit
    cdef size_t all, index
    cdef uint64_t difference
    cdef Timer few[2 * CHUNK]
    cdef Timer *room = few
    cdef Timer *sorted
    if not root or not count[0]:
        return 0
    if is_wheel(root):
        wheel = as_wheel(root)
        digit = next_occupied(wheel, 0)
        while digit >= 0 and count[0]:
            if read(wheel.slots[digit], count, timers) < 0:
                return -1
            digit = next_occupied(wheel, digit + 1)
        return 0
    if is_crowd(root):
        all = crowd_read(as_crowd(root), count[0], &timers[0].word, sizeof(Timer) // sizeof(size_t))
        for index in range(all):
            timers[0][index].deadline = as_crowd(root).deadline
        timers[0] += all
        count[0] -= all
        return 0
    all = bucket_count(as_bucket(root))
    if all > CHUNK:
        room = <Timer *>PyMem_Malloc(2 * all * sizeof(Timer))
        if room is NULL:
            return -1
    gather(as_bucket(root), room)
    difference = difference_of(room, all)
    sorted = sort(room, all, difference, room + all) if difference else room
    all = min(all, count[0])
    memcpy(timers[0], sorted, all * sizeof(Timer))
    if room is not few:
        PyMem_Free(room)
    timers[0] += all
    count[0] -= all
    return 0


# ---- find and remove

cdef inline bint is_lone(Slot slot) noexcept nogil:
    """Whether a node, itself in an own wheel, may be written to as it is."""
    if is_wheel(slot):
        return owners_of(&as_wheel(slot).owners) == 1
    if is_crowd(slot):
        return owners_of(&as_crowd(slot).owners) == 1
    return as_bucket(slot).older is NULL and is_own(as_bucket(slot))


cdef int prepare(Slot *slot, uint32_t limit) noexcept nogil:
    """Bring a slot into a form in which one timer can be removed."""
    if is_crowd(slot[0]):
        return own_crowd(slot)
    if is_wheel(slot[0]):
        return own_wheel(slot)
    if bucket_count(as_bucket(slot[0])) <= CHUNK:
        return one_chunk(slot)
    return split(slot, limit) if limit else make_crowd(slot)


cdef int seek(Slot *root, uint64_t deadline, bint to_write, Place *place) noexcept nogil:
    cdef Slot *slot = root
    cdef Wheel *wheel
    cdef uint64_t digit
    cdef uint32_t limit = 64
    place.depth = 0
    place.own = True
    while slot[0]:
        if not to_write:
            place.own = place.own and is_lone(slot[0])
        elif prepare(slot, limit) < 0:
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
    crowd_read(crowd, crowd.live, &chunk.timers[0].word, sizeof(Timer) // sizeof(size_t))
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
    digit = next_occupied(wheel, 0)
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
    read(slot[0], &left, &end)
    chunk.count = <unsigned char>count
    chunk.ordered = True
    for digit in range(<int>count):
        timers_keep(chunk.timers[digit].word)
    free(slot[0])
    slot[0] = <Slot>chunk


# ---- the whole

cdef size_t memory(Slot root) noexcept nogil:
    cdef Chunk *chunk
    cdef Wheel *wheel
    cdef size_t total = 0
    cdef int digit
    if not root:
        return 0
    if is_crowd(root):
        return crowd_memory(as_crowd(root))
    if is_wheel(root):
        wheel = as_wheel(root)
        total = wheel_size(wheel.size)
        digit = next_occupied(wheel, 0)
        while digit >= 0:
            total += memory(wheel.slots[digit])
            digit = next_occupied(wheel, digit + 1)
        return total
    chunk = as_bucket(root)
    while chunk is not NULL:
        total += chunk_size(chunk.capacity)
        chunk = chunk.older
    return total


cdef const char *check(Slot root, size_t *count) noexcept nogil:
    return check_slot(root, 0, <uint64_t>-1, count) if root else NULL


cdef const char *check_slot(Slot slot, uint64_t low, uint64_t high, size_t *count) noexcept nogil:
    cdef Chunk *chunk
    cdef Wheel *wheel
    cdef uint32_t index
    cdef bint empty = True
    cdef const char *broken
    if is_crowd(slot):
        count[0] += as_crowd(slot).live
        if low != high or as_crowd(slot).deadline != low:
            return "single: a crowd lies in a slot of more deadlines than one"
        return check_crowd(as_crowd(slot))
    if not is_wheel(slot):
        chunk = as_bucket(slot)
        if chunk.ordered and chunk.older is NULL:
            for index in range(1, chunk.count):
                if chunk.timers[index - 1].deadline > chunk.timers[index].deadline:
                    return "ordered: a chunk says so, and is not"
        while chunk is not NULL:
            if not 0 < chunk.count <= chunk.capacity:
                return "no-hole: a chunk is empty or over-full"
            if chunk.before != (bucket_count(chunk.older) if chunk.older is not NULL else 0):
                return "counted: the older chunks have more or fewer timers than one says"
            for index in range(chunk.count):
                if not low <= chunk.timers[index].deadline <= high:
                    return "in-slot: a timer lies outside the range of its slot"
            count[0] += chunk.count
            chunk = chunk.older
        return NULL
    wheel = as_wheel(slot)
    if wheel.base != base_for(wheel.base, wheel.shift, bits_of(wheel)):
        return "aligned: the base of a wheel is no multiple of its range"
    if not low <= wheel.base <= end_of(wheel) <= high:
        return "nested: a finer wheel reaches beyond the slot that holds it"
    for index in range(wheel.size):
        if (wheel.slots[index] != 0) != (wheel.occupied[index >> 6] >> (index & 63) & 1):
            return "occupied: a bit disagrees with its slot"
        if wheel.slots[index]:
            empty = False
            broken = check_slot(wheel.slots[index], first_of(wheel, index), last_of(wheel, index), count)
            if broken is not NULL:
                return broken
    if empty:
        return "no-husk: a wheel is empty"
    return NULL
