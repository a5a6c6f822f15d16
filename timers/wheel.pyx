"""The hierarchical timing wheel: see wheel.pxd for the picture, the levels and the invariants."""

from libc.stdint cimport int16_t, int32_t
from libc.string cimport memcpy, memmove, memset

cdef extern from "Python.h" nogil:
    # Callers hold the GIL, as these allocators demand.
    void *PyMem_Malloc(size_t size)
    void PyMem_Free(void *block)

cdef extern from *:
    r"""
    #if defined(__GNUC__) || defined(__clang__)
      #define timers_low_bit(word) __builtin_ctzll(word)
      #define timers_high_bit(word) (63 - __builtin_clzll(word))
      #define timers_prefetch(address) __builtin_prefetch(address)
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
    /* A macro: compilers drop calls of a function that only prefetches. */
    #define timers_prefetch_chunk(chunk) do { \
        for (int line = 0; line < 512; line += 64) timers_prefetch((void *)((size_t)(chunk) + line)); \
    } while (0)
    """
    int timers_low_bit(uint64_t word) noexcept nogil
    int timers_high_bit(uint64_t word) noexcept nogil
    void timers_prefetch(void *address) noexcept nogil
    # Chunks lie anywhere: a walk over them waits for memory, unless it asks early.
    void timers_prefetch_chunk(void *chunk) noexcept nogil


# ---- arithmetic

cdef inline uint32_t shift_for(uint64_t difference) noexcept nogil:
    """The shift of the level whose digit holds the highest set bit of `difference`."""
    if difference < 1024:
        return 0 if difference < 32 else 5
    return 10 + ((timers_high_bit(difference) - 10) >> 3 << 3)


cdef inline uint32_t size_for(uint32_t shift) noexcept nogil:
    if shift < 10:
        return 32
    return 256 if shift < TOP else 64


cdef inline uint64_t base_for(uint64_t deadline, uint32_t shift) noexcept nogil:
    """`deadline` with the digit at `shift` and all below it cleared."""
    return (deadline >> shift & ~<uint64_t>(size_for(shift) - 1)) << shift


cdef inline uint64_t first_of(Wheel *wheel, int digit) noexcept nogil:
    """The first deadline of a slot."""
    return wheel.base + (<uint64_t>digit << wheel.shift)


cdef inline uint64_t last_of(Wheel *wheel, int digit) noexcept nogil:
    """The last deadline of a slot."""
    return wheel.base + ((<uint64_t>digit + 1) << wheel.shift) - 1


# ---- wheels

cdef inline bint spans(Wheel *wheel, Wheel *other) noexcept nogil:
    """Whether the other wheel is the same one, or lies within a slot of this one."""
    return wheel.shift >= other.shift and digit_for(wheel, other.base) < wheel.size


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
    return (word << 6) + timers_low_bit(bits)


cdef Wheel *new_wheel(uint64_t deadline, uint32_t shift) noexcept nogil:
    """An empty wheel at the level of `shift` that reaches `deadline`."""
    cdef uint32_t size = size_for(shift)
    cdef size_t room = sizeof(Wheel) + (size - 1) * sizeof(Slot)
    cdef Wheel *wheel = <Wheel *>PyMem_Malloc(room)
    if wheel is not NULL:
        memset(wheel, 0, room)
        wheel.base = base_for(deadline, shift)
        wheel.shift = shift
        wheel.size = size
    return wheel


cdef void prune(Slot *slot) noexcept nogil:
    """Free the wheel in `slot` if it holds nothing, or nothing but one finer wheel."""
    cdef Wheel *wheel = as_wheel(slot[0])
    cdef int digit = next_occupied(wheel, 0)
    if digit < 0:
        slot[0] = 0
    elif is_wheel(wheel.slots[digit]) and next_occupied(wheel, digit + 1) == -1:
        slot[0] = wheel.slots[digit]
    else:
        return
    PyMem_Free(wheel)


# ---- buckets: a ring of chunks

cdef int grow(Slot *bucket, uint32_t capacity) noexcept nogil:
    """Append an empty chunk; it must be filled before anybody looks."""
    cdef Chunk *last = as_bucket(bucket[0])
    cdef Chunk *chunk = <Chunk *>PyMem_Malloc(sizeof(Chunk) + (capacity - 1) * sizeof(Timer))
    if chunk is NULL:
        return -1
    chunk.count = 0
    chunk.capacity = capacity
    chunk.before = 0
    if last is NULL:
        chunk.next = chunk
    else:
        chunk.before = last.before + last.count
        chunk.next = last.next
        last.next = chunk
    bucket[0] = <Slot>chunk
    return 0


cdef inline int append(Slot *bucket, uint64_t deadline, void *token, uint32_t first) noexcept nogil:
    """Append a timer; `first` is the capacity of the first chunk."""
    cdef Chunk *last = as_bucket(bucket[0])
    cdef uint32_t capacity = first
    if last is NULL or last.count == last.capacity:
        if last is not NULL:
            # The first chunk should have been enough; from the second on, each is twice as large.
            capacity = max(6, first // 3) if last.next is last else 2 * last.capacity + 2
        if grow(bucket, min(CHUNK, capacity)) < 0:
            return -1
        last = as_bucket(bucket[0])
    last.timers[last.count].deadline = deadline
    last.timers[last.count].token = token
    last.count += 1
    return 0


cdef inline size_t bucket_count(Chunk *last) noexcept nogil:
    return last.before + last.count


cdef inline void drop(Slot *bucket, uint32_t count) noexcept nogil:
    """Forget the first `count` timers of the first chunk."""
    cdef Chunk *last = as_bucket(bucket[0])
    cdef Chunk *first = last.next
    if first is not last:
        last.before -= count
    if count < first.count:
        first.count -= count
        memmove(first.timers, first.timers + count, first.count * sizeof(Timer))
        return
    if first is last:
        bucket[0] = 0
    else:
        last.next = first.next
    PyMem_Free(first)


cdef inline void empty(Slot *bucket, Timer *timers) noexcept nogil:
    """Move all timers of a bucket to an array."""
    cdef Chunk *first
    while bucket[0]:
        first = as_bucket(bucket[0]).next
        timers_prefetch_chunk(first.next)
        memcpy(timers, first.timers, first.count * sizeof(Timer))
        timers += first.count
        drop(bucket, first.count)


cdef inline void join(Slot *bucket, Slot tail) noexcept nogil:
    """Append all chunks of another bucket."""
    cdef Chunk *last = as_bucket(bucket[0])
    cdef Chunk *first
    if bucket[0] and tail:
        as_bucket(tail).before += bucket_count(last)
        first = last.next
        last.next = as_bucket(tail).next
        as_bucket(tail).next = first
    if tail:
        bucket[0] = tail


cdef inline size_t gather(Chunk *last, size_t most, Timer *timers) noexcept nogil:
    """Copy the first `most` timers; answers how many there were."""
    cdef Chunk *chunk = last
    cdef size_t count = 0
    cdef size_t part
    while True:
        chunk = chunk.next
        part = min(<size_t>chunk.count, most - count)
        memcpy(timers + count, chunk.timers, part * sizeof(Timer))
        count += part
        if chunk is last or count == most:
            return count


# ---- order

cdef inline uint64_t difference_of(Timer *timers, size_t count) noexcept nogil:
    """The bits in which the deadlines differ, or 0 if they stand in order."""
    cdef uint64_t difference = 0
    cdef bint ordered = True
    cdef size_t index
    for index in range(1, count):
        difference |= timers[index].deadline ^ timers[index - 1].deadline
        ordered &= timers[index].deadline >= timers[index - 1].deadline
    return 0 if ordered else difference


cdef inline bint are_few(size_t count, uint64_t difference) noexcept nogil:
    """Whether to compare all timers with all."""
    return count <= FEW or (count <= CROWD and difference < CLOSE)


cdef inline void rank(Timer *timers, size_t count, uint64_t difference, int16_t *places) noexcept nogil:
    """The place of each of a few timers in the order, without a branch."""
    cdef int16_t keys[LANES]
    cdef int16_t key
    cdef size_t index, other, place
    cdef size_t lanes = (count + 15) // 16 * 16
    cdef uint64_t deadline
    if difference < CLOSE:
        # Keys of 16 bits, no two of them equal: compilers make eight comparisons at a time. What lies beyond `count`
        # is compared too, and means nothing.
        for index in range(count):
            keys[index] = <int16_t>(<int32_t>((timers[index].deadline & (CLOSE - 1)) << 6 | index) - 32768)
        for index in range(lanes):
            places[index] = 0
        for index in range(count):
            key = keys[index]
            for other in range(lanes):
                places[other] += key < keys[other]
        return
    for index in range(count):
        deadline = timers[index].deadline
        place = 0
        for other in range(index):
            place += timers[other].deadline <= deadline
        for other in range(index + 1, count):
            place += timers[other].deadline < deadline
        places[index] = <int16_t>place


cdef void distribute(Timer *timers, size_t count, uint32_t shift, uint32_t bits, Timer *target) noexcept nogil:
    """Copy the timers to `target` in the order of one digit, those of equal digits in the order in which they stand."""
    cdef uint32_t places[FAN]
    cdef size_t fan = <size_t>1 << bits
    cdef uint32_t start = 0
    cdef uint32_t next_start
    cdef size_t index, digit
    memset(places, 0, fan * sizeof(uint32_t))
    for index in range(count):
        places[timers[index].deadline >> shift & (fan - 1)] += 1
    for digit in range(fan):
        next_start = start + places[digit]
        places[digit] = start
        start = next_start
    for index in range(count):
        digit = timers[index].deadline >> shift & (fan - 1)
        target[places[digit]] = timers[index]
        places[digit] += 1


cdef Timer *sort(Timer *timers, size_t count, uint64_t difference, Timer *spare) noexcept nogil:
    """A stable sort; answers which of the two arrays has the result.

    `difference`: of the deadlines, all their differing bits. `spare`: room for as many timers.
    """
    cdef uint32_t shift, bits, width, passes
    cdef int16_t places[LANES]
    cdef size_t index
    if are_few(count, difference):
        rank(timers, count, difference, places)
        for index in range(count):
            spare[places[index]] = timers[index]
        return spare
    # One digit after the other, the lowest first: of about as many values as there are timers, and all of one width.
    shift = timers_low_bit(difference)
    bits = timers_high_bit(difference) + 1 - shift
    width = <uint32_t>min(timers_high_bit(FAN), timers_high_bit(count) + 1)
    passes = (bits + width - 1) // width
    width = (bits + passes - 1) // passes
    while passes:
        distribute(timers, count, shift, width, spare)
        timers, spare = spare, timers
        shift += width
        passes -= 1
    return timers


cdef bint are_ordered(Chunk *last) noexcept nogil:
    """Whether a bucket is sorted."""
    cdef Chunk *chunk = last
    cdef uint64_t deadline = 0
    cdef uint32_t index
    while True:
        chunk = chunk.next
        for index in range(chunk.count):
            if chunk.timers[index].deadline < deadline:
                return False
            deadline = chunk.timers[index].deadline
        if chunk is last:
            return True


cdef int bring_forward(Chunk *last, uint64_t now) noexcept nogil:
    """Move the timers due by `now` to the front of their bucket, in order; in one that is no crowd without memory."""
    cdef Timer few[2 * CROWD]
    cdef Timer *room = few
    cdef Timer *timers
    cdef Timer *moved
    cdef Chunk *chunk = last
    cdef size_t count = bucket_count(last)
    cdef size_t due = 0
    cdef size_t others = 0
    cdef size_t index
    cdef uint64_t difference
    cdef bint is_due
    if count > CROWD:
        if are_ordered(last):
            return 0
        room = <Timer *>PyMem_Malloc(2 * count * sizeof(Timer))
        if room is NULL:
            return -1
    timers = room
    moved = room + count
    gather(last, count, timers)
    for index in range(count):
        is_due = timers[index].deadline <= now
        moved[due] = timers[index]
        timers[others] = timers[index]
        due += is_due
        others += not is_due
    memcpy(moved + due, timers, others * sizeof(Timer))
    difference = difference_of(moved, due)
    if difference and sort(moved, due, difference, timers) is timers:
        memcpy(moved, timers, due * sizeof(Timer))
    index = 0
    while index < count:
        chunk = chunk.next
        memcpy(chunk.timers, moved + index, chunk.count * sizeof(Timer))
        index += chunk.count
    if room is not few:
        PyMem_Free(room)
    return 0


# ---- cascade

cdef int cascade(Slot *slot, uint64_t low, uint32_t shift) noexcept nogil:
    """Insert the timers of a bucket into a wheel that takes its place: at the level of `shift`, where it reaches `low`.

    What that does not reach puts coarser wheels on top, as any insert does.
    """
    cdef Slot rest = slot[0]
    cdef Chunk *chunk
    cdef Wheel *wheel = new_wheel(low, shift)
    cdef Slot tree = <Slot>wheel + 1
    cdef Slot bucket = 0
    cdef uint32_t index, first
    if wheel is NULL:
        return -1
    first = <uint32_t>min(CHUNK, 2 + as_bucket(rest).before // wheel.size * 5 // 4)
    while rest:
        chunk = as_bucket(rest).next
        timers_prefetch_chunk(chunk.next.next)
        for index in range(chunk.count):
            if insert(&tree, chunk.timers[index].deadline, chunk.timers[index].token, first) < 0:
                drop(&rest, index)
                flatten(tree, &bucket)
                join(&bucket, rest)
                slot[0] = bucket
                return -1
        drop(&rest, chunk.count)
    slot[0] = tree
    return 0


cdef void flatten(Slot tree, Slot *bucket) noexcept nogil:
    """Append all timers of a tree to a bucket.

    The timers of one deadline are together in one bucket of the tree, so their order survives.
    """
    cdef Wheel *wheel
    cdef int digit
    if not is_wheel(tree):
        join(bucket, tree)
        return
    wheel = as_wheel(tree)
    digit = next_occupied(wheel, 0)
    while digit >= 0:
        flatten(wheel.slots[digit], bucket)
        digit = next_occupied(wheel, digit + 1)
    PyMem_Free(wheel)


cdef int split(Slot *bucket) noexcept nogil:
    """Cascade a bucket, at the level at which most of its timers lie apart."""
    cdef Chunk *last = as_bucket(bucket[0])
    cdef Chunk *first = last.next
    cdef uint64_t low = last.timers[0].deadline
    cdef uint64_t difference = 0
    cdef uint64_t near_difference = 0
    cdef uint64_t apart
    cdef uint64_t near = 0
    cdef uint32_t index, shift
    # The first and the last timers tell: where they came in order of time, those are farthest apart.
    for index in range(last.count):
        difference |= last.timers[index].deadline ^ first.timers[index % first.count].deadline
    shift = shift_for(difference)
    for index in range(last.count):
        apart = last.timers[index].deadline ^ first.timers[index % first.count].deadline
        if not apart >> shift:
            low = last.timers[index].deadline
            near_difference |= apart
            near += 1
    # If those of one slot are likely a crowd by themselves, a few outliers should not have them cascade twice.
    if near * bucket_count(last) > CROWD * last.count:
        shift = shift_for(near_difference)
    return cascade(bucket, low, shift)


cdef inline bint is_crowded(Slot bucket) noexcept nogil:
    return bucket_count(as_bucket(bucket)) > CROWD


# ---- insert

cdef int widen(Slot *slot, uint64_t deadline) noexcept nogil:
    """Put a coarser wheel on top of the one in `slot`, so that `deadline` is reached too."""
    cdef uint64_t base = as_wheel(slot[0]).base
    cdef Wheel *wheel = new_wheel(deadline, shift_for(base ^ deadline))
    if wheel is NULL:
        return -1
    cdef size_t digit = digit_for(wheel, base)
    wheel.slots[digit] = slot[0]
    mark(wheel, digit)
    slot[0] = <Slot>wheel + 1
    return 0


cdef int insert_slowly(Slot *root, uint64_t deadline, void *token, uint32_t first) noexcept nogil:
    cdef Slot *slot = root
    cdef Slot *top = root
    cdef Wheel *wheel = NULL
    cdef size_t digit
    while is_wheel(slot[0]):
        wheel = as_wheel(slot[0])
        digit = digit_for(wheel, deadline)
        if digit >= wheel.size:
            if widen(slot, deadline) < 0:
                return -1
        else:
            top = slot
            slot = &wheel.slots[digit]
    # A slot of one deadline cannot cascade. Nor can any without memory, and then goes on growing.
    if (slot[0] and bucket_count(as_bucket(slot[0])) >= FLOOD and (wheel is NULL or wheel.shift)
            and split(slot) == 0):
        return insert_slowly(root, deadline, token, first)
    if append(slot, deadline, token, first) < 0:
        # Should the wheel be a new one, with nothing but the former one in it, it goes again.
        if wheel is not NULL:
            prune(top)
        return -1
    if wheel is not NULL:
        mark(wheel, digit_for(wheel, deadline))
    return 0


cdef int fit(Slot *batch, Slot tree) noexcept nogil:
    """Give `batch` the shape of `tree`, where that has timers."""
    cdef Wheel *wheel
    cdef Wheel *twin
    cdef Slot bucket = 0
    cdef int digit
    if not batch[0] or not tree:
        return 0
    if is_wheel(batch[0]) and not (is_wheel(tree) and spans(as_wheel(batch[0]), as_wheel(tree))):
        flatten(batch[0], &bucket)
        batch[0] = bucket
    if not is_wheel(tree):
        return 0
    wheel = as_wheel(tree)
    if not is_wheel(batch[0]) and cascade(batch, wheel.base, wheel.shift) < 0:
        return -1
    twin = as_wheel(batch[0])
    if twin.shift > wheel.shift:
        return fit(&twin.slots[digit_for(twin, wheel.base)], tree)
    digit = next_occupied(twin, 0)
    while digit >= 0:
        if fit(&twin.slots[digit], wheel.slots[digit]) < 0:
            return -1
        digit = next_occupied(twin, digit + 1)
    return 0


cdef void graft(Slot *tree, Slot batch) noexcept nogil:
    """Move the timers of `batch`, which fits, into the tree."""
    cdef Wheel *wheel
    cdef Wheel *twin
    cdef int digit
    if not tree[0]:
        tree[0] = batch
    elif batch and not is_wheel(batch):
        fill(as_bucket(tree[0]), &batch)
        join(tree, batch)
    elif batch:
        wheel = as_wheel(tree[0])
        twin = as_wheel(batch)
        if twin.shift > wheel.shift:
            digit = <int>digit_for(twin, wheel.base)
            graft(tree, twin.slots[digit])
            twin.slots[digit] = tree[0]
            mark(twin, digit)
            tree[0] = batch
            return
        digit = next_occupied(twin, 0)
        while digit >= 0:
            graft(&wheel.slots[digit], twin.slots[digit])
            mark(wheel, digit)
            digit = next_occupied(twin, digit + 1)
        PyMem_Free(twin)


cdef void fill(Chunk *last, Slot *tail) noexcept nogil:
    """Move the first timers of the bucket `tail` into the free room of a chunk."""
    cdef Chunk *first
    cdef uint32_t count
    while tail[0] and last.count < last.capacity:
        first = as_bucket(tail[0]).next
        count = min(first.count, last.capacity - last.count)
        memcpy(last.timers + last.count, first.timers, count * sizeof(Timer))
        last.count += count
        drop(tail, count)


cdef int insert_bucket(Slot *root, Slot *batch) noexcept nogil:
    if fit(batch, root[0]) < 0:
        return -1
    graft(root, batch[0])
    batch[0] = 0
    return 0


# ---- due

cdef size_t count_due(Chunk *last, uint64_t now) noexcept nogil:
    cdef Chunk *chunk = last
    cdef size_t count = 0
    cdef uint32_t index
    while True:
        chunk = chunk.next
        for index in range(chunk.count):
            count += chunk.timers[index].deadline <= now
        if chunk is last:
            return count


cdef uint64_t soonest(Chunk *last) noexcept nogil:
    """The soonest deadline of a bucket."""
    cdef Chunk *chunk = last
    cdef uint64_t first = last.timers[0].deadline
    cdef uint32_t index
    while True:
        chunk = chunk.next
        for index in range(chunk.count):
            first = min(first, chunk.timers[index].deadline)
            # Likely the next to be taken; what tokens point to may lie anywhere.
            timers_prefetch(chunk.timers[index].token)
        if chunk is last:
            return first


cdef int ripen_slot(Slot *slot, uint64_t now, uint64_t end, bint single, Ripe *ripe) noexcept nogil:
    """`end`: the last deadline of the slot. `single`: it is the only one, and due."""
    cdef Wheel *wheel
    cdef int digit
    cdef size_t left = ripe.most - ripe.count
    cdef size_t count, due
    if not is_wheel(slot[0]):
        count = bucket_count(as_bucket(slot[0]))
        if single or count <= CROWD or (count <= BATCH and count // WORTH <= ripe.most):
            due = count if end <= now else count_due(as_bucket(slot[0]), now)
            if due == count or count <= CROWD:
                if not due:
                    ripe.next = soonest(as_bucket(slot[0]))
                    return 0
                ripe.count += min(due, left)
                if single:
                    return 0
                if due < count or left < count:
                    return bring_forward(as_bucket(slot[0]), now)
                ripe.largest = max(ripe.largest, count)
                return 0
        if split(slot) < 0:
            return -1
    wheel = as_wheel(slot[0])
    digit = next_occupied(wheel, 0)
    while digit >= 0 and ripe.count < ripe.most and first_of(wheel, digit) <= now:
        if ripen_slot(&wheel.slots[digit], now, last_of(wheel, digit), wheel.shift == 0, ripe) < 0:
            return -1
        digit = next_occupied(wheel, digit + 1)
    return 0


cdef int ripen(Slot *root, uint64_t now, Ripe *ripe) noexcept nogil:
    ripe.count = ripe.largest = ripe.next = 0
    return ripen_slot(root, now, <uint64_t>-1, False, ripe) if root[0] else 0


cdef struct Taking:
    size_t left
    void **tokens
    Timer *room         # for twice the timers of the largest bucket
    uint64_t next       # the soonest deadline that stays, if not 0


cdef void take_bucket(Slot *bucket, Taking *taking) noexcept nogil:
    """Take a whole bucket."""
    cdef Chunk *last = as_bucket(bucket[0])
    cdef Timer *timers = last.timers
    cdef size_t count = bucket_count(last)
    cdef int16_t places[LANES]
    cdef size_t index
    cdef uint64_t difference
    if last.next is not last:
        timers = taking.room
        empty(bucket, timers)
    difference = difference_of(timers, count)
    if difference and are_few(count, difference):
        rank(timers, count, difference, places)
        for index in range(count):
            taking.tokens[places[index]] = timers[index].token
    else:
        if difference:
            timers = sort(timers, count, difference, taking.room + count)
        for index in range(count):
            taking.tokens[index] = timers[index].token
    taking.tokens += count
    taking.left -= count
    if bucket[0]:
        drop(bucket, last.count)


cdef void take_slot(Slot *slot, bint single, Taking *taking) noexcept nogil:
    cdef Wheel *wheel
    cdef Chunk *chunk
    cdef int digit
    cdef uint32_t count, index
    if is_wheel(slot[0]):
        wheel = as_wheel(slot[0])
        digit = next_occupied(wheel, 0)
        while digit >= 0 and taking.left:
            take_slot(&wheel.slots[digit], wheel.shift == 0, taking)
            if not wheel.slots[digit]:
                unmark(wheel, digit)
            digit = next_occupied(wheel, digit)
        prune(slot)
        return
    if bucket_count(as_bucket(slot[0])) <= taking.left and not single:
        take_bucket(slot, taking)
        return
    while slot[0] and taking.left:
        chunk = as_bucket(slot[0]).next
        count = <uint32_t>min(<size_t>chunk.count, taking.left)
        for index in range(count):
            taking.tokens[index] = chunk.timers[index].token
        taking.tokens += count
        taking.left -= count
        drop(slot, count)
    if slot[0]:
        # A crowd of which a part is taken was due, and sorted, as a whole.
        chunk = as_bucket(slot[0])
        taking.next = chunk.next.timers[0].deadline if single or is_crowded(slot[0]) else soonest(chunk)


cdef int take(Slot *root, Ripe *ripe, void **tokens) noexcept nogil:
    cdef Timer few[2 * CROWD]
    cdef Taking taking
    taking.left = ripe.count
    taking.tokens = tokens
    taking.room = few
    taking.next = ripe.next
    if ripe.largest > CROWD:
        taking.room = <Timer *>PyMem_Malloc(2 * ripe.largest * sizeof(Timer))
        if taking.room is NULL:
            return -1
    if ripe.count:
        take_slot(root, False, &taking)
    if taking.room is not few:
        PyMem_Free(taking.room)
    ripe.next = taking.next
    return 0


cdef int read_slot(Slot slot, size_t *room, Timer **timers) noexcept nogil:
    cdef Wheel *wheel
    cdef int digit
    cdef size_t count
    cdef uint64_t difference
    cdef Timer few[CROWD]
    cdef Timer *spare = few
    if is_wheel(slot):
        wheel = as_wheel(slot)
        digit = next_occupied(wheel, 0)
        while digit >= 0 and room[0]:
            if read_slot(wheel.slots[digit], room, timers) < 0:
                return -1
            digit = next_occupied(wheel, digit + 1)
        return 0
    count = gather(as_bucket(slot), room[0], timers[0])
    difference = difference_of(timers[0], count)
    if difference:
        if count > CROWD:
            spare = <Timer *>PyMem_Malloc(count * sizeof(Timer))
            if spare is NULL:
                return -1
        if sort(timers[0], count, difference, spare) is spare:
            memcpy(timers[0], spare, count * sizeof(Timer))
        if spare is not few:
            PyMem_Free(spare)
    timers[0] += count
    room[0] -= count
    return 0


cdef int read(Slot root, size_t count, Timer *timers) noexcept nogil:
    return read_slot(root, &count, &timers) if root else 0


cdef uint64_t earliest(Slot *root) noexcept nogil:
    cdef Slot *slot = root
    cdef Wheel *wheel
    cdef int digit
    while True:
        while is_wheel(slot[0]):
            wheel = as_wheel(slot[0])
            digit = next_occupied(wheel, 0)
            if not wheel.shift:
                return first_of(wheel, digit)
            slot = &wheel.slots[digit]
        # As in `find`.
        if not is_crowded(slot[0]) or split(slot) < 0:
            break
    return soonest(as_bucket(slot[0]))


# ---- find and remove

cdef void seek(uint64_t deadline, Place *place) noexcept nogil:
    """Move on to the first timer of `deadline` from the given place."""
    cdef Chunk *last = as_bucket(place.path[place.depth - 1][0])
    while True:
        while place.index < place.chunk.count:
            if place.chunk.timers[place.index].deadline == deadline:
                return
            place.index += 1
        if place.chunk is last:
            place.chunk = NULL
            return
        place.previous = place.chunk
        place.chunk = place.chunk.next
        place.index = 0


cdef void find(Slot *root, uint64_t deadline, bint may_cascade, Place *place) noexcept nogil:
    cdef Slot *slot = root
    cdef Wheel *wheel
    cdef size_t digit
    cdef bint single = False
    place.depth = 0
    place.chunk = NULL
    while slot[0]:
        # Without memory for the cascade the whole bucket is searched: slow, but as exact.
        if may_cascade and not is_wheel(slot[0]) and not single and is_crowded(slot[0]):
            split(slot)
        place.path[place.depth] = slot
        place.depth += 1
        if not is_wheel(slot[0]):
            place.previous = as_bucket(slot[0])
            place.chunk = place.previous.next
            place.index = 0
            seek(deadline, place)
            return
        wheel = as_wheel(slot[0])
        digit = digit_for(wheel, deadline)
        if digit >= wheel.size:
            return
        single = wheel.shift == 0
        slot = &wheel.slots[digit]


cdef void find_next(uint64_t deadline, Place *place) noexcept nogil:
    place.index += 1
    seek(deadline, place)


cdef void remove(Place *place) noexcept nogil:
    cdef Slot *slot = place.path[place.depth - 1]
    cdef Chunk *chunk = place.chunk
    cdef Chunk *last = as_bucket(slot[0])
    cdef Wheel *wheel
    chunk.count -= 1
    if chunk is not last:
        last.before -= 1
    memmove(chunk.timers + place.index, chunk.timers + place.index + 1,
            (chunk.count - place.index) * sizeof(Timer))
    if place.previous is not last and place.previous.count + chunk.count <= place.previous.capacity:
        # Half-empty neighbours are one.
        memcpy(place.previous.timers + place.previous.count, chunk.timers, chunk.count * sizeof(Timer))
        place.previous.count += chunk.count
    elif chunk.count:
        fold(slot)
        return
    if chunk.next is chunk:
        slot[0] = 0
    else:
        place.previous.next = chunk.next
        if chunk is last:
            place.previous.before = bucket_count(last) - place.previous.count
            slot[0] = <Slot>place.previous
    PyMem_Free(chunk)
    while not is_wheel(slot[0]) and place.depth > 1:
        place.depth -= 1
        wheel = as_wheel(place.path[place.depth - 1][0])
        if not slot[0]:
            unmark(wheel, slot - <Slot *>wheel.slots)
        slot = place.path[place.depth - 1]
        prune(slot)
        fold(slot)


cdef void fold(Slot *slot) noexcept nogil:
    """Make a small bucket of what is too large for its few timers, if memory allows."""
    cdef Wheel *wheel
    cdef size_t count = 0
    cdef int digit
    if is_wheel(slot[0]):
        wheel = as_wheel(slot[0])
        digit = next_occupied(wheel, 0)
        # Finer wheels have more than few, or would have folded themselves.
        while digit >= 0 and count <= CALM and not is_wheel(wheel.slots[digit]):
            count += bucket_count(as_bucket(wheel.slots[digit]))
            digit = next_occupied(wheel, digit + 1)
        if digit < 0 and count <= CALM:
            calm(slot, count)
    elif slot[0]:
        calm(slot, bucket_count(as_bucket(slot[0])))


# ---- the whole

cdef void calm(Slot *slot, size_t count) noexcept nogil:
    cdef Slot bucket = 0
    # Eight times too large: so that growing and shrinking in turns costs little.
    if not is_wheel(slot[0]) and as_bucket(slot[0]).capacity <= 8 * count:
        return
    if grow(&bucket, <uint32_t>max(count, FEWEST)) < 0:
        return
    # So few are read without further memory.
    read(slot[0], count, as_bucket(bucket).timers)
    as_bucket(bucket).count = <uint32_t>count
    free(slot[0])
    slot[0] = bucket


cdef int clone_into(Slot source, Slot *target) noexcept nogil:
    """What of the clone exists on failure is a tree, and the caller's to free."""
    cdef Chunk *chunk
    cdef Chunk *copy
    cdef Wheel *wheel
    cdef Wheel *twin
    cdef size_t left
    cdef int digit
    if not is_wheel(source):
        chunk = as_bucket(source)
        left = bucket_count(chunk)
        while left:
            chunk = chunk.next
            timers_prefetch_chunk(chunk.next)
            copy = as_bucket(target[0])
            # Of chunks that are nearly empty several go into one.
            if copy is NULL or chunk.count > copy.capacity - copy.count:
                if grow(target, <uint32_t>min(<size_t>CHUNK, left)) < 0:
                    return -1
                copy = as_bucket(target[0])
            memcpy(copy.timers + copy.count, chunk.timers, chunk.count * sizeof(Timer))
            copy.count += chunk.count
            left -= chunk.count
        return 0
    wheel = as_wheel(source)
    twin = new_wheel(wheel.base, wheel.shift)
    if twin is NULL:
        return -1
    target[0] = <Slot>twin + 1
    digit = next_occupied(wheel, 0)
    while digit >= 0:
        mark(twin, digit)
        if clone_into(wheel.slots[digit], &twin.slots[digit]) < 0:
            return -1
        digit = next_occupied(wheel, digit + 1)
    return 0


cdef int clone(Slot source, Slot *target) noexcept nogil:
    target[0] = 0
    if source and clone_into(source, target) < 0:
        free(target[0])
        target[0] = 0
        return -1
    return 0


cdef void free(Slot root) noexcept nogil:
    """Free the memory; the tokens are the caller's concern."""
    cdef Wheel *wheel
    cdef int digit
    if is_wheel(root):
        wheel = as_wheel(root)
        digit = next_occupied(wheel, 0)
        while digit >= 0:
            free(wheel.slots[digit])
            digit = next_occupied(wheel, digit + 1)
        PyMem_Free(wheel)
    else:
        while root:
            drop(&root, as_bucket(root).next.count)


cdef int walk(Slot root, Visit visit, void *context) noexcept:
    cdef Chunk *chunk
    cdef Wheel *wheel
    cdef int digit
    cdef int answer = 0
    if is_wheel(root):
        wheel = as_wheel(root)
        digit = next_occupied(wheel, 0)
        while digit >= 0 and not answer:
            answer = walk(wheel.slots[digit], visit, context)
            digit = next_occupied(wheel, digit + 1)
    elif root:
        chunk = as_bucket(root)
        while not answer:
            chunk = chunk.next
            timers_prefetch(chunk.next)
            answer = visit(chunk.timers, chunk.count, context)
            if chunk is as_bucket(root):
                break
    return answer


cdef size_t memory(Slot root) noexcept nogil:
    """Bytes of all chunks and wheels."""
    cdef Chunk *chunk
    cdef Wheel *wheel
    cdef size_t total = 0
    cdef int digit
    if is_wheel(root):
        wheel = as_wheel(root)
        total = sizeof(Wheel) + (wheel.size - 1) * sizeof(Slot)
        digit = next_occupied(wheel, 0)
        while digit >= 0:
            total += memory(wheel.slots[digit])
            digit = next_occupied(wheel, digit + 1)
    elif root:
        chunk = as_bucket(root)
        while True:
            chunk = chunk.next
            total += sizeof(Chunk) + (chunk.capacity - 1) * sizeof(Timer)
            if chunk is as_bucket(root):
                break
    return total


cdef const char *check(Slot root, size_t *count) noexcept nogil:
    return check_slot(root, 0, <uint64_t>-1, TOP + 1, count) if root else NULL


cdef const char *check_slot(Slot slot, uint64_t low, uint64_t high, uint32_t above, size_t *count) noexcept nogil:
    cdef Chunk *chunk
    cdef Wheel *wheel
    cdef uint32_t index
    cdef bint empty = True
    cdef const char *broken
    cdef size_t total
    if not is_wheel(slot):
        chunk = as_bucket(slot)
        total = count[0] + bucket_count(chunk)
        while True:
            chunk = chunk.next
            if not 0 < chunk.count <= chunk.capacity:
                return "no-hole: a chunk is empty or over-full"
            for index in range(chunk.count):
                if not low <= chunk.timers[index].deadline <= high:
                    return "in-slot: a timer lies outside the range of its slot"
            count[0] += chunk.count
            if chunk is as_bucket(slot):
                if count[0] != total:
                    return "counted: a bucket has more or fewer timers than it says"
                return NULL
    wheel = as_wheel(slot)
    if wheel.base != base_for(wheel.base, wheel.shift):
        return "aligned: the base of a wheel is no multiple of its range"
    # Aligned and finer, so all of it lies where its base does.
    if wheel.shift >= above or not low <= wheel.base <= high:
        return "nested: a finer wheel reaches beyond the slot that holds it"
    for index in range(wheel.size):
        if (wheel.slots[index] != 0) != (wheel.occupied[index >> 6] >> (index & 63) & 1):
            return "occupied: a bit disagrees with its slot"
        if wheel.slots[index]:
            empty = False
            broken = check_slot(wheel.slots[index], first_of(wheel, index), last_of(wheel, index), wheel.shift, count)
            if broken is not NULL:
                return broken
    if empty:
        return "no-husk: a wheel is empty"
    return NULL
