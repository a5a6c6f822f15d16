# cython: language_level=3
"""Stable sorts of timers by deadline. A few are ranked. More are distributed by the highest digit in which they differ:
where they lie evenly, and by a second one if they are many, what is left to do is to insert each a little further in
front; else those of each value are sorted by themselves, as those that a cascade puts into a slot would be.

Nothing here compares tokens, allocates memory or knows of chunks.
"""

from libc.stdint cimport int16_t, int32_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from timers.bits cimport high_bit, low_bit
from timers.bucket cimport Timer

cdef enum:
    # Digits have at most so many values; a few timers are compared instead.
    FAN = 1024
    FEW = 24
    # Those that differ only in the bits below are compared in 16 bits: NEAR, and six that count up to LANES, a
    # multiple of 8.
    NEAR = 10
    CLOSE = 1 << NEAR
    LANES = 48
    # What nearly stands in order needs no more than so many moves a timer.
    MOVES = 4
    # Timers lie evenly where no value of a digit has more than so many times the mean, as a power of two, and a few.
    EVEN = 4
    SLACK = 16


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
    return count <= FEW or (count <= LANES and difference < CLOSE)


cdef inline bint key_closely(Timer *timers, size_t count, int16_t *keys) noexcept nogil:
    """Give a few timers that differ only in the bits below CLOSE keys of 16 bits, no two of them equal.

    Answers whether they stand in order.
    """
    cdef int16_t falls = 0
    cdef size_t index
    memset(keys, 0, LANES * sizeof(int16_t))
    for index in range(count):
        keys[index] = <int16_t>(<int32_t>((timers[index].deadline & (CLOSE - 1)) << 6 | index) - 32768)
    for index in range(1, count):
        falls |= keys[index] < keys[index - 1]
    return not falls


cdef inline void rank_keys(int16_t *keys, size_t count, int16_t *places) noexcept nogil:
    # Compilers make eight comparisons at a time. What lies beyond `count` is compared too, and means nothing.
    cdef size_t index, other
    cdef size_t lanes = (count + 7) // 8 * 8
    cdef int16_t key
    memset(places, 0, LANES * sizeof(int16_t))
    for index in range(count):
        key = keys[index]
        for other in range(lanes):
            places[other] += key < keys[other]


cdef inline void rank(Timer *timers, size_t count, uint64_t difference, int16_t *places) noexcept nogil:
    """The place of each of a few timers in the order, without a branch."""
    cdef int16_t keys[LANES]
    cdef size_t index, other, place
    cdef uint64_t deadline
    if difference < CLOSE:
        key_closely(timers, count, keys)
        rank_keys(keys, count, places)
        return
    for index in range(count):
        deadline = timers[index].deadline
        place = 0
        for other in range(index):
            place += timers[other].deadline <= deadline
        for other in range(index + 1, count):
            place += timers[other].deadline < deadline
        places[index] = <int16_t>place


cdef inline uint32_t count_digits(
    Timer *timers, size_t count, uint32_t shift, uint32_t bits, uint32_t *places
) noexcept nogil:
    """How many timers have the value of a digit that most have; `places` becomes where those of each value begin."""
    cdef size_t fan = <size_t>1 << bits
    cdef uint32_t begin = 0
    cdef uint32_t most = 0
    cdef uint32_t size
    cdef size_t index
    memset(places, 0, fan * sizeof(uint32_t))
    for index in range(count):
        places[timers[index].deadline >> shift & (fan - 1)] += 1
    for index in range(fan):
        size = places[index]
        places[index] = begin
        begin += size
        most = max(most, size)
    return most


cdef inline void distribute(
    Timer *timers, size_t count, uint32_t shift, uint32_t bits, uint32_t *places, Timer *target
) noexcept nogil:
    """Copy the timers to `target` in the order of one digit, those of equal digits in the order in which they stand.

    `places`: where those of each value begin; it becomes where they end.
    """
    cdef size_t fan = <size_t>1 << bits
    cdef size_t index, digit
    for index in range(count):
        digit = timers[index].deadline >> shift & (fan - 1)
        target[places[digit]] = timers[index]
        places[digit] += 1


cdef inline bint insert_each(Timer *timers, size_t count) noexcept nogil:
    """A stable sort of what nearly stands in order; False, with the work half done, where it does not."""
    cdef Timer timer
    cdef size_t index, place
    cdef size_t left = MOVES * count
    for index in range(1, count):
        if timers[index - 1].deadline <= timers[index].deadline:
            continue
        timer = timers[index]
        place = index
        while place and timers[place - 1].deadline > timer.deadline:
            timers[place] = timers[place - 1]
            place -= 1
        timers[place] = timer
        if index - place > left:
            return False
        left -= index - place
    return True


cdef inline Timer *sort(Timer *timers, size_t count, uint64_t difference, Timer *spare) noexcept nogil:
    """A stable sort; answers which of the two arrays has the result.

    `difference`: of the deadlines, all their differing bits, or 0 if they stand in order. `spare`: room for as many.
    """
    cdef uint32_t places[FAN]
    cdef uint32_t lower[FAN]
    return sort_some(timers, count, difference, spare, places, lower)


cdef inline Timer *sort_some(
    Timer *timers, size_t count, uint64_t difference, Timer *spare, uint32_t *places, uint32_t *lower
) noexcept nogil:
    """As `sort`. `places`, `lower`: for those of a digit and of a lower one, the same at all depths: threads may have
    small stacks."""
    cdef int16_t ranks[LANES]
    cdef uint32_t shift, bits, width, more
    cdef uint32_t enough = high_bit(count)
    cdef size_t index, size
    cdef size_t begin = 0
    cdef uint64_t other
    cdef bint even, ordered
    cdef Timer *part
    cdef Timer *result
    if not difference:
        return timers
    if are_few(count, difference):
        rank(timers, count, difference, ranks)
        for index in range(count):
            spare[ranks[index]] = timers[index]
        return spare
    shift = low_bit(difference)
    bits = high_bit(difference) + 1 - shift
    width = min(bits, min(enough, <uint32_t>high_bit(FAN)))
    bits -= width
    shift += bits
    even = count_digits(timers, count, shift, width, places) <= (count >> width << EVEN) + SLACK
    if even and bits and enough > width:
        # A few bits more than tell most of them apart tell nearly all.
        more = min(min(bits, width), enough + 5 - width)
        bits -= more
        count_digits(timers, count, shift - more, more, lower)
        distribute(timers, count, shift - more, more, lower, spare)
        timers, spare = spare, timers
    distribute(timers, count, shift, width, places, spare)
    if not bits or (even and insert_each(spare, count)):
        return spare
    while begin < count:
        part = spare + begin
        size = 1
        difference = 0
        ordered = True
        while begin + size < count:
            other = part[size].deadline ^ part[0].deadline
            if other >> shift:
                break
            difference |= other
            ordered &= part[size].deadline >= part[size - 1].deadline
            size += 1
        if not ordered:
            result = sort_some(part, size, difference, timers + begin, places, lower)
            if result is not part:
                memcpy(part, result, size * sizeof(Timer))
        begin += size
    return spare
