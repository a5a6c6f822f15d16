"""The reach of the root: see reach.pxd."""

from libc.string cimport memcpy, memmove, memset

from timers.bits cimport PyMem_Free
from timers.bucket cimport CHUNK, Timer, prefetch_older
from timers.order cimport difference_of, sort
from timers.sharing cimport own_wheel
from timers.slots cimport base_for, bits_of, first_occupied, first_of, mark, next_occupied, occupied, width_of, words_of
from timers.wheel cimport NARROW, SPARSE, as_wheel, coarser, digit_for, end_of, hang, new_wheel, prune

cdef enum:
    # The binary logarithms of the shares of its slots that a root has for what is sooner than its timers, and that it
    # slides by at least.
    SOONER = 3
    PASSED = 2


cdef uint64_t typical(Chunk *chunk) noexcept nogil:
    """A deadline in the midst of those of a chunk."""
    cdef Timer few[CHUNK]
    cdef Timer sorted[CHUNK]
    memcpy(few, chunk.timers, chunk.count * sizeof(Timer))
    return sort(few, chunk.count, difference_of(few, chunk.count), sorted)[chunk.count // 2].deadline


cdef void span_of_most(Chunk *newest, size_t outliers, uint64_t *low, uint64_t *high) noexcept nogil:
    """The least and the greatest deadline, but for `outliers` at most that are far from most."""
    cdef uint64_t middle = typical(newest)
    cdef uint64_t deadline
    # By the width of their distance from the middle.
    cdef size_t counts[65]
    cdef uint64_t lows[65]
    cdef uint64_t highs[65]
    cdef Chunk *chunk = newest
    cdef uint32_t width, index
    memset(counts, 0, sizeof(counts))
    while chunk is not NULL:
        prefetch_older(chunk)
        for index in range(chunk.count):
            deadline = chunk.timers[index].deadline
            width = width_of(deadline - middle if deadline > middle else middle - deadline)
            if not counts[width]:
                lows[width] = highs[width] = deadline
            counts[width] += 1
            lows[width] = min(lows[width], deadline)
            highs[width] = max(highs[width], deadline)
        chunk = chunk.older
    low[0] = high[0] = middle
    width = 64
    while width and counts[width] <= outliers:
        outliers -= counts[width]
        width -= 1
    for index in range(width + 1):
        if counts[index]:
            low[0] = min(low[0], lows[index])
            high[0] = max(high[0], highs[index])


cdef Wheel *root_for(Chunk *newest, uint32_t bits, size_t outliers) noexcept nogil:
    cdef uint64_t low, high, base, sooner
    cdef uint32_t width, shift
    span_of_most(newest, outliers, &low, &high)
    # Half of the slots are for what is to come.
    width = width_of(high - low)
    bits = min(bits, max(width + 1, <uint32_t>NARROW))
    shift = min(width - min(width, bits - 1), 64 - bits)
    sooner = <uint64_t>1 << bits >> SOONER << shift
    base = base_for(low - min(low, sooner), shift, 0)
    if shift + bits == 64:
        base = 0
    elif base > 0 - (<uint64_t>1 << (shift + bits)):
        base = 0 - (<uint64_t>1 << (shift + bits))
    return new_wheel(base, shift, bits)


cdef int free_slots(Wheel *root) noexcept nogil:
    cdef int free = first_occupied(root) - (root.size >> SOONER)
    cdef uint64_t left = (<uint64_t>-1 - end_of(root)) >> root.shift
    return free if free >= root.size >> PASSED and <uint64_t>free <= left else 0


cdef inline void unmark_all(Wheel *wheel) noexcept nogil:
    memset(occupied(wheel), 0, words_of(wheel.size) * sizeof(uint64_t))
    wheel.words = 0


cdef void slide(Wheel *root, int by) noexcept nogil:
    cdef int digit
    cdef size_t kept = root.size - abs(by)
    root.base += <uint64_t>by << root.shift
    if by > 0:
        memmove(root.slots, root.slots + by, kept * sizeof(Slot))
        memset(root.slots + kept, 0, by * sizeof(Slot))
    else:
        memmove(root.slots - by, root.slots, kept * sizeof(Slot))
        memset(root.slots, 0, -by * sizeof(Slot))
    unmark_all(root)
    for digit in range(<int>root.size):
        if root.slots[digit]:
            mark(root, digit)


cdef bint is_aligned(Wheel *root) noexcept nogil:
    return root.base == base_for(root.base, root.shift, bits_of(root))


cdef Wheel *divide(Slot *root) noexcept nogil:
    cdef Wheel *wheel
    cdef Wheel *parts[2]
    cdef Wheel *top = NULL
    cdef Wheel *part
    cdef uint64_t turn, first
    cdef int digit
    if own_wheel(root) < 0:
        return NULL
    wheel = as_wheel(root[0])
    # A multiple of the range, within it.
    turn = base_for(end_of(wheel), wheel.shift, bits_of(wheel))
    parts[0] = new_wheel(turn - (<uint64_t>wheel.size << wheel.shift), wheel.shift, bits_of(wheel))
    parts[1] = new_wheel(turn, wheel.shift, bits_of(wheel))
    if parts[0] is not NULL and parts[1] is not NULL:
        top = coarser(parts[1], parts[0].base, 64, SPARSE)
    if top is NULL:
        PyMem_Free(parts[0])
        PyMem_Free(parts[1])
        return NULL
    parts[0].mixed = parts[1].mixed = wheel.mixed
    digit = first_occupied(wheel)
    while digit >= 0:
        first = first_of(wheel, digit)
        part = parts[first >= turn]
        fill(part, first, wheel.slots[digit])
        digit = next_occupied(wheel, digit + 1)
    root[0] = <Slot>top + 1
    for digit in range(2):
        if first_occupied(parts[digit]) >= 0:
            hang(top, <Slot>parts[digit] + 1)
        else:
            PyMem_Free(parts[digit])
    prune(root)
    return wheel


cdef inline void fill(Wheel *wheel, uint64_t deadline, Slot slot) noexcept nogil:
    """Put into its slot what was in another of the same range."""
    cdef size_t digit = <size_t>digit_for(wheel, deadline)
    wheel.slots[digit] = slot
    mark(wheel, digit)


cdef void reunite(Slot *root, Wheel *former) noexcept nogil:
    memset(former.slots, 0, former.size * sizeof(Slot))
    unmark_all(former)
    gather_slots(root[0], former)
    root[0] = <Slot>former + 1


cdef void gather_slots(Slot slot, Wheel *former) noexcept nogil:
    """Move what is in the slots of a wheel, or of those in them that are no finer than a former one, to that."""
    cdef Wheel *wheel = as_wheel(slot)
    cdef int digit
    if wheel.shift < former.shift:
        hang(former, slot)
        return
    digit = first_occupied(wheel)
    while digit >= 0:
        if wheel.shift > former.shift:
            gather_slots(wheel.slots[digit], former)
        else:
            fill(former, first_of(wheel, digit), wheel.slots[digit])
        digit = next_occupied(wheel, digit + 1)
    PyMem_Free(wheel)


cdef int crown(Slot *root, uint64_t deadline, uint32_t bits) noexcept nogil:
    cdef Wheel *wheel = coarser(as_wheel(root[0]), deadline, 64, bits)
    if wheel is NULL:
        return -1
    hang(wheel, root[0])
    root[0] = <Slot>wheel + 1
    return 0


cdef void uncrown(Slot *root) noexcept nogil:
    prune(root)
