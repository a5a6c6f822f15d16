"""The hierarchical timing wheel: see wheel.pxd for the picture, the levels and the invariants."""

from libc.string cimport memcpy, memmove, memset

cdef extern from "Python.h" nogil:
    # Callers hold the GIL, as these allocators demand.
    void *PyMem_Malloc(size_t size)
    void PyMem_Free(void *block)

cdef extern from *:
    """
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
    """
    int timers_low_bit(uint64_t word) noexcept nogil
    int timers_high_bit(uint64_t word) noexcept nogil
    void timers_prefetch(void *address) noexcept nogil


# ---- arithmetic

cdef inline uint32_t shift_for(uint64_t difference) noexcept nogil:
    """The shift of the level whose digit holds the highest set bit of `difference`."""
    cdef int bit = timers_high_bit(difference | 1)
    if bit < 10:
        return 0 if bit < 5 else 5
    return 10 + ((bit - 10) >> 3 << 3)


cdef inline uint32_t size_for(uint32_t shift) noexcept nogil:
    if shift < 10:
        return 32
    return 256 if shift < 58 else 64


cdef inline uint64_t base_for(uint64_t deadline, uint32_t shift) noexcept nogil:
    """`deadline` with the digit at `shift` and all below it cleared."""
    cdef uint64_t slots = deadline >> shift
    return (slots - (slots & (size_for(shift) - 1))) << shift


cdef inline size_t digit_for(Wheel *wheel, uint64_t deadline) noexcept nogil:
    """The slot of `deadline`; `size` or more where the wheel does not reach it."""
    return (wheel.base ^ deadline) >> wheel.shift


# ---- slots, buckets, wheels

cdef inline bint is_wheel(Slot slot) noexcept nogil:
    return slot & 1


cdef inline Wheel *as_wheel(Slot slot) noexcept nogil:
    return <Wheel *>(slot - 1)


cdef inline Chunk *as_bucket(Slot slot) noexcept nogil:
    return <Chunk *>slot


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


cdef Chunk *new_chunk(uint32_t capacity) noexcept nogil:
    cdef Chunk *chunk = <Chunk *>PyMem_Malloc(sizeof(Chunk) + (capacity - 1) * sizeof(Timer))
    if chunk is not NULL:
        chunk.count = 0
        chunk.capacity = capacity
    return chunk


cdef int grow(Slot *slot, uint32_t capacity) noexcept nogil:
    """Append an empty chunk; it must be filled before anybody looks."""
    cdef Chunk *last = as_bucket(slot[0])
    cdef Chunk *chunk = new_chunk(capacity)
    if chunk is NULL:
        return -1
    if last is NULL:
        chunk.next = chunk
    else:
        chunk.next = last.next
        last.next = chunk
    slot[0] = <Slot>chunk
    return 0


cdef inline int append(Slot *slot, uint64_t deadline, void *token, uint32_t first) noexcept nogil:
    """Append to a bucket; `first` is the capacity of its first chunk."""
    cdef Chunk *last = as_bucket(slot[0])
    cdef uint32_t capacity
    if last is NULL or last.count == last.capacity:
        capacity = first
        if last is not NULL:
            capacity = min(CHUNK, 2 * last.capacity + 2)
        if grow(slot, capacity) < 0:
            return -1
        last = as_bucket(slot[0])
    last.timers[last.count].deadline = deadline
    last.timers[last.count].token = token
    last.count += 1
    return 0


cdef inline size_t bucket_count(Chunk *last, size_t enough) noexcept nogil:
    """The number of timers, counted only until there are `enough`."""
    cdef size_t count = last.count
    cdef Chunk *chunk = last.next
    while chunk is not last and count < enough:
        count += chunk.count
        chunk = chunk.next
    return count


cdef inline void join(Slot *bucket, Slot tail) noexcept nogil:
    """Append the bucket `tail`, which may be empty, to another."""
    cdef Chunk *first
    if not tail:
        return
    if bucket[0]:
        first = as_bucket(bucket[0]).next
        as_bucket(bucket[0]).next = as_bucket(tail).next
        as_bucket(tail).next = first
    bucket[0] = tail


# ---- insert

cdef int widen(Slot *slot, uint64_t deadline) noexcept nogil:
    """Put a coarser wheel on top of the one in `slot`, so that `deadline` is reached too."""
    cdef Wheel *finer = as_wheel(slot[0])
    cdef Wheel *wheel = new_wheel(deadline, shift_for(finer.base ^ deadline))
    if wheel is NULL:
        return -1
    cdef size_t digit = digit_for(wheel, finer.base)
    wheel.slots[digit] = slot[0]
    mark(wheel, digit)
    slot[0] = <Slot>wheel + 1
    return 0


cdef int insert(Slot *root, uint64_t deadline, void *token) noexcept nogil:
    cdef Slot *slot = root
    cdef Wheel *wheel = NULL
    cdef size_t digit = 0
    while is_wheel(slot[0]):
        wheel = as_wheel(slot[0])
        digit = digit_for(wheel, deadline)
        if digit >= wheel.size:
            # A coarser wheel is full of empty slots: should the append below fail, it goes again.
            if widen(slot, deadline) < 0:
                return -1
            wheel = as_wheel(slot[0])
            digit = digit_for(wheel, deadline)
            if append(&wheel.slots[digit], deadline, token, 2) < 0:
                slot[0] = wheel.slots[next_occupied(wheel, 0)]
                PyMem_Free(wheel)
                return -1
            mark(wheel, digit)
            return 0
        slot = &wheel.slots[digit]
    if append(slot, deadline, token, 2) < 0:
        return -1
    if wheel is not NULL:
        mark(wheel, digit)
    return 0


cdef void undo_insert(Slot *root, uint64_t deadline) noexcept nogil:
    """Remove the timer of `deadline` that was inserted last."""
    cdef Place place
    cdef Place last
    descend(root, deadline, &place)
    place.previous = as_bucket(place.path[place.depth - 1][0])
    place.chunk = place.previous.next
    place.index = 0
    seek(deadline, &place)
    last = place
    while place.chunk is not NULL:
        last = place
        find_next(deadline, &place)
    remove(&last)


# ---- cascade

cdef int cascade(Slot *slot) noexcept nogil:
    """Turn the bucket in `slot` into a finer wheel of buckets, in one pass.

    On failure the parts are chained up again: the timers of one deadline are together in
    one part, so their order survives.
    """
    cdef Chunk *last = as_bucket(slot[0])
    cdef Chunk *chunk = last.next
    cdef uint64_t low = chunk.timers[0].deadline
    cdef uint64_t difference = 0
    cdef size_t total = 0
    cdef uint32_t index
    cdef size_t digit
    while True:
        timers_prefetch(chunk.next)
        for index in range(chunk.count):
            difference |= chunk.timers[index].deadline ^ low
        total += chunk.count
        if chunk is last:
            break
        chunk = chunk.next
    cdef Wheel *wheel = new_wheel(low, shift_for(difference))
    if wheel is NULL:
        return -1
    if not difference:
        digit = digit_for(wheel, low)
        wheel.slots[digit] = slot[0]
        mark(wheel, digit)
        slot[0] = <Slot>wheel + 1
        return 0

    cdef uint32_t first = <uint32_t>min(CHUNK, 2 + total / wheel.size * 5 / 4)
    cdef Slot rest = 0
    chunk = last.next
    last.next = NULL
    while chunk is not NULL:
        timers_prefetch(chunk.next)
        for index in range(chunk.count):
            digit = digit_for(wheel, chunk.timers[index].deadline)
            if append(&wheel.slots[digit], chunk.timers[index].deadline, chunk.timers[index].token, first) < 0:
                undo_cascade(slot, wheel, chunk, last, index)
                return -1
            mark(wheel, digit)
        rest = <Slot>chunk
        chunk = chunk.next
        PyMem_Free(<void *>rest)
    slot[0] = <Slot>wheel + 1
    return 0


cdef void undo_cascade(Slot *slot, Wheel *wheel, Chunk *chunk, Chunk *last, uint32_t moved) noexcept nogil:
    cdef Slot bucket = 0
    cdef int digit = next_occupied(wheel, 0)
    while digit >= 0:
        join(&bucket, wheel.slots[digit])
        digit = next_occupied(wheel, digit + 1)
    chunk.count -= moved
    memmove(chunk.timers, chunk.timers + moved, chunk.count * sizeof(Timer))
    last.next = chunk
    join(&bucket, <Slot>last)
    slot[0] = bucket
    PyMem_Free(wheel)


# ---- due

cdef inline uint64_t last_of(Wheel *wheel, int digit) noexcept nogil:
    """The last deadline of a slot."""
    return wheel.base + ((<uint64_t>digit + 1) << wheel.shift) - 1


cdef int ripen_slot(Slot *slot, uint64_t now, size_t *room, bint single) noexcept nogil:
    """`single`: all timers of the slot share one deadline, and it is due."""
    cdef Wheel *wheel
    cdef Chunk *chunk
    cdef Chunk *last
    cdef int digit
    cdef size_t count
    cdef uint32_t index
    if not is_wheel(slot[0]):
        last = as_bucket(slot[0])
        if single:
            count = bucket_count(last, room[0])
        else:
            if bucket_count(last, CROWD + 1) > CROWD:
                if cascade(slot) < 0:
                    return -1
                return ripen_slot(slot, now, room, False)
            count = 0
            chunk = last
            while True:
                chunk = chunk.next
                for index in range(chunk.count):
                    count += chunk.timers[index].deadline <= now
                if chunk is last:
                    break
        room[0] -= min(room[0], count)
        return 0
    wheel = as_wheel(slot[0])
    digit = next_occupied(wheel, 0)
    while digit >= 0 and room[0] and wheel.base + (<uint64_t>digit << wheel.shift) <= now:
        if ripen_slot(&wheel.slots[digit], now, room, wheel.shift == 0) < 0:
            return -1
        digit = next_occupied(wheel, digit + 1)
    return 0


cdef int ripen(Slot *root, uint64_t now, size_t *room) noexcept nogil:
    return ripen_slot(root, now, room, False) if root[0] else 0


cdef inline size_t gather(Chunk *last, Timer *timers) noexcept nogil:
    cdef Chunk *chunk = last
    cdef size_t count = 0
    while True:
        chunk = chunk.next
        memcpy(timers + count, chunk.timers, chunk.count * sizeof(Timer))
        count += chunk.count
        if chunk is last:
            return count


cdef inline void sort(Timer *timers, size_t count) noexcept nogil:
    """Insertion sort: stable, and fastest for the few timers of one bucket."""
    cdef size_t done, place
    cdef Timer timer
    for done in range(1, count):
        timer = timers[done]
        place = done
        while place and timers[place - 1].deadline > timer.deadline:
            timers[place] = timers[place - 1]
            place -= 1
        timers[place] = timer


cdef struct Sink:
    void **tokens
    uint64_t *deadlines     # or NULL
    size_t room
    bint keep


cdef inline void pour(Sink *sink, Timer *timers, size_t count) noexcept nogil:
    cdef size_t index
    for index in range(count):
        sink.tokens[index] = timers[index].token
    sink.tokens += count
    if sink.deadlines is not NULL:
        for index in range(count):
            sink.deadlines[index] = timers[index].deadline
        sink.deadlines += count
    sink.room -= count


cdef inline void drop_first(Slot *slot) noexcept nogil:
    """Free the first chunk of a bucket."""
    cdef Chunk *last = as_bucket(slot[0])
    cdef Chunk *first = last.next
    if first is last:
        slot[0] = 0
    else:
        last.next = first.next
    PyMem_Free(first)


cdef void take_single(Slot *slot, Sink *sink) noexcept nogil:
    cdef Chunk *chunk = as_bucket(slot[0])
    cdef uint32_t count
    if sink.keep:
        while sink.room:
            chunk = chunk.next
            pour(sink, chunk.timers, min(chunk.count, sink.room))
            if chunk is as_bucket(slot[0]):
                return
        return
    while slot[0] and sink.room:
        chunk = as_bucket(slot[0]).next
        count = <uint32_t>min(chunk.count, sink.room)
        pour(sink, chunk.timers, count)
        if count == chunk.count:
            drop_first(slot)
        else:
            chunk.count -= count
            memmove(chunk.timers, chunk.timers + count, chunk.count * sizeof(Timer))


cdef void take_sorted(Slot *slot, uint64_t now, Sink *sink) noexcept nogil:
    cdef Timer timers[CROWD]
    cdef Chunk *chunk
    cdef size_t count = gather(as_bucket(slot[0]), timers)
    cdef size_t taken = 0
    sort(timers, count)
    while taken < count and taken < sink.room and timers[taken].deadline <= now:
        taken += 1
    if not taken:
        return
    pour(sink, timers, taken)
    if sink.keep:
        return
    # The rest goes back, sorted, into as many of the chunks as it fills.
    cdef Chunk *first = as_bucket(slot[0]).next
    cdef Slot rest = 0
    while taken < count:
        chunk = first if not rest else as_bucket(rest).next
        chunk.count = <uint32_t>min(chunk.capacity, count - taken)
        memcpy(chunk.timers, timers + taken, chunk.count * sizeof(Timer))
        taken += chunk.count
        rest = <Slot>chunk
    if not rest:
        free(slot[0])
    else:
        while as_bucket(rest).next is not first:
            drop_first(&rest)
    slot[0] = rest


cdef void take_slot(Slot *slot, uint64_t now, Sink *sink, bint single) noexcept nogil:
    cdef Wheel *wheel
    cdef int digit
    if not is_wheel(slot[0]):
        if single:
            take_single(slot, sink)
        else:
            take_sorted(slot, now, sink)
        return
    wheel = as_wheel(slot[0])
    digit = next_occupied(wheel, 0)
    while digit >= 0 and sink.room and wheel.base + (<uint64_t>digit << wheel.shift) <= now:
        take_slot(&wheel.slots[digit], now, sink, wheel.shift == 0)
        if not wheel.slots[digit]:
            unmark(wheel, digit)
        digit = next_occupied(wheel, digit + 1)
    if not sink.keep:
        prune(slot)


cdef void take(Slot *root, uint64_t now, size_t count, void **tokens, uint64_t *deadlines, bint keep) noexcept nogil:
    cdef Sink sink = Sink(tokens, deadlines, count, keep)
    if root[0]:
        take_slot(root, now, &sink, False)


cdef inline void prune(Slot *slot) noexcept nogil:
    """Free a wheel that holds nothing, or nothing but one finer wheel."""
    cdef Wheel *wheel = as_wheel(slot[0])
    cdef int digit = next_occupied(wheel, 0)
    if digit < 0:
        slot[0] = 0
    elif is_wheel(wheel.slots[digit]) and next_occupied(wheel, digit + 1) < 0:
        slot[0] = wheel.slots[digit]
    else:
        return
    PyMem_Free(wheel)


cdef void read(Slot root, Timer *timers) noexcept nogil:
    read_slot(root, &timers, False)


cdef void read_slot(Slot slot, Timer **timers, bint single) noexcept nogil:
    cdef Wheel *wheel
    cdef int digit
    cdef size_t count
    if not slot:
        return
    if not is_wheel(slot):
        count = gather(as_bucket(slot), timers[0])
        if not single:
            sort(timers[0], count)
        timers[0] += count
        return
    wheel = as_wheel(slot)
    digit = next_occupied(wheel, 0)
    while digit >= 0:
        read_slot(wheel.slots[digit], timers, wheel.shift == 0)
        digit = next_occupied(wheel, digit + 1)


cdef uint64_t earliest(Slot *root) noexcept nogil:
    """The first deadline; the root must not be empty."""
    cdef Slot *slot = root
    cdef Wheel *wheel
    cdef Chunk *chunk
    cdef Chunk *last
    cdef uint64_t first = <uint64_t>-1
    cdef uint32_t index
    cdef int digit
    while True:
        while is_wheel(slot[0]):
            wheel = as_wheel(slot[0])
            digit = next_occupied(wheel, 0)
            if not wheel.shift:
                return wheel.base + digit
            slot = &wheel.slots[digit]
        # Without memory for the cascade the whole bucket is searched: slow, but as exact.
        if bucket_count(as_bucket(slot[0]), CROWD + 1) <= CROWD or cascade(slot) < 0:
            break
    last = as_bucket(slot[0])
    chunk = last
    while True:
        chunk = chunk.next
        for index in range(chunk.count):
            first = min(first, chunk.timers[index].deadline)
        if chunk is last:
            return first


# ---- find and remove

cdef bint descend(Slot *root, uint64_t deadline, Place *place) noexcept nogil:
    """The path to the bucket of `deadline`; False where there is none."""
    cdef Slot *slot = root
    cdef Wheel *wheel
    cdef size_t digit
    place.depth = 0
    while slot[0]:
        place.path[place.depth] = slot
        place.depth += 1
        if not is_wheel(slot[0]):
            return True
        wheel = as_wheel(slot[0])
        digit = digit_for(wheel, deadline)
        if digit >= wheel.size:
            return False
        slot = &wheel.slots[digit]
    return False


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


cdef int find(Slot *root, uint64_t deadline, Place *place) noexcept nogil:
    cdef Slot *slot
    cdef bint single
    place.chunk = NULL
    while descend(root, deadline, place):
        slot = place.path[place.depth - 1]
        single = place.depth > 1 and not as_wheel(place.path[place.depth - 2][0]).shift
        if single or bucket_count(as_bucket(slot[0]), CROWD + 1) <= CROWD:
            place.previous = as_bucket(slot[0])
            place.chunk = place.previous.next
            place.index = 0
            seek(deadline, place)
            return 0
        if cascade(slot) < 0:
            return -1
    return 0


cdef void find_next(uint64_t deadline, Place *place) noexcept nogil:
    place.index += 1
    seek(deadline, place)


cdef void remove(Place *place) noexcept nogil:
    cdef Slot *slot = place.path[place.depth - 1]
    cdef Chunk *chunk = place.chunk
    cdef Wheel *wheel
    cdef size_t digit
    chunk.count -= 1
    memmove(chunk.timers + place.index, chunk.timers + place.index + 1,
            (chunk.count - place.index) * sizeof(Timer))
    if chunk.count:
        return
    if chunk.next is chunk:
        slot[0] = 0
    else:
        place.previous.next = chunk.next
        if chunk is as_bucket(slot[0]):
            slot[0] = <Slot>place.previous
    PyMem_Free(chunk)
    while not slot[0] and place.depth > 1:
        place.depth -= 1
        wheel = as_wheel(place.path[place.depth - 1][0])
        digit = slot - <Slot *>wheel.slots
        unmark(wheel, digit)
        slot = place.path[place.depth - 1]
        prune(slot)


# ---- the whole

cdef int clone(Slot source, Slot *target) noexcept nogil:
    cdef Chunk *last
    cdef Chunk *chunk
    cdef Chunk *copy
    cdef Wheel *wheel
    cdef Wheel *twin
    cdef int digit
    target[0] = 0
    if not source:
        return 0
    if not is_wheel(source):
        last = as_bucket(source)
        chunk = last
        while True:
            chunk = chunk.next
            if grow(target, chunk.count) < 0:
                free(target[0])
                target[0] = 0
                return -1
            copy = as_bucket(target[0])
            copy.count = chunk.count
            memcpy(copy.timers, chunk.timers, chunk.count * sizeof(Timer))
            if chunk is last:
                return 0
    wheel = as_wheel(source)
    twin = new_wheel(wheel.base, wheel.shift)
    if twin is NULL:
        return -1
    target[0] = <Slot>twin + 1
    digit = next_occupied(wheel, 0)
    while digit >= 0:
        if clone(wheel.slots[digit], &twin.slots[digit]) < 0:
            free(target[0])
            target[0] = 0
            return -1
        mark(twin, digit)
        digit = next_occupied(wheel, digit + 1)
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
            drop_first(&root)


cdef int walk(Slot root, Visit visit, void *context) noexcept:
    """Show every chunk to `visit`, until it answers other than 0."""
    cdef Chunk *chunk
    cdef Wheel *wheel
    cdef int digit
    cdef int answer
    if not root:
        return 0
    if not is_wheel(root):
        chunk = as_bucket(root)
        while True:
            chunk = chunk.next
            timers_prefetch(chunk.next)
            answer = visit(chunk.timers, chunk.count, context)
            if answer or chunk is as_bucket(root):
                return answer
    wheel = as_wheel(root)
    digit = next_occupied(wheel, 0)
    while digit >= 0:
        answer = walk(wheel.slots[digit], visit, context)
        if answer:
            return answer
        digit = next_occupied(wheel, digit + 1)
    return 0


cdef size_t memory(Slot root) noexcept nogil:
    """Bytes of all chunks and wheels."""
    cdef Chunk *chunk
    cdef Wheel *wheel
    cdef size_t total = 0
    cdef int digit
    if not root:
        return 0
    if not is_wheel(root):
        chunk = as_bucket(root)
        while True:
            chunk = chunk.next
            total += sizeof(Chunk) + (chunk.capacity - 1) * sizeof(Timer)
            if chunk is as_bucket(root):
                return total
    wheel = as_wheel(root)
    total = sizeof(Wheel) + (wheel.size - 1) * sizeof(Slot)
    digit = next_occupied(wheel, 0)
    while digit >= 0:
        total += memory(wheel.slots[digit])
        digit = next_occupied(wheel, digit + 1)
    return total


cdef const char *check(Slot root, size_t *count) noexcept nogil:
    """The name of the first invariant that does not hold, or NULL; `count` rises by the timers seen."""
    return check_slot(root, 0, <uint64_t>-1, 64, count) if root else NULL


cdef const char *check_slot(Slot slot, uint64_t low, uint64_t high, uint32_t above, size_t *count) noexcept nogil:
    cdef Chunk *chunk
    cdef Wheel *wheel
    cdef uint32_t index
    cdef uint32_t used = 0
    cdef const char *broken
    if not is_wheel(slot):
        chunk = as_bucket(slot)
        while True:
            chunk = chunk.next
            if not 0 < chunk.count <= chunk.capacity:
                return "no-hole: a chunk is empty or over-full"
            for index in range(chunk.count):
                if not low <= chunk.timers[index].deadline <= high:
                    return "in-slot: a timer lies outside the range of its slot"
            count[0] += chunk.count
            if chunk is as_bucket(slot):
                return NULL
    wheel = as_wheel(slot)
    if wheel.base != base_for(wheel.base, wheel.shift):
        return "aligned: the base of a wheel is no multiple of its range"
    if wheel.shift >= above or wheel.base < low or last_of(wheel, wheel.size - 1) > high:
        return "nested: a finer wheel reaches beyond the slot that holds it"
    for index in range(wheel.size):
        if (wheel.slots[index] != 0) != (wheel.occupied[index >> 6] >> (index & 63) & 1):
            return "occupied: a bit disagrees with its slot"
        if wheel.slots[index]:
            used += 1
            broken = check_slot(wheel.slots[index], wheel.base + (<uint64_t>index << wheel.shift),
                                last_of(wheel, index), wheel.shift, count)
            if broken is not NULL:
                return broken
    if not used:
        return "no-husk: a wheel is empty"
    return NULL
