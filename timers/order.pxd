# cython: language_level=3
"""Stable sorts of timers by deadline: few are ranked, many distributed by digits (by the highest, and then inserted,
where these tell most of them apart; where some are far from others, those that lie together by themselves).

Nothing here compares tokens, allocates memory or knows of chunks.
"""

from libc.stdint cimport int16_t, int32_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from timers.bits cimport high_bit, low_bit
from timers.bucket cimport Timer

cdef enum:
    # Sorting is by digits of at most so many values; a few timers are compared instead.
    FAN = 1024
    FEW = 24
    # Those that differ only in the bits below are compared in 16 bits: NEAR, and six that count up to LANES, a
    # multiple of 8.
    NEAR = 10
    CLOSE = 1 << NEAR
    LANES = 48
    # What nearly stands in order needs no more than so many moves a timer.
    MOVES = 4
    # So many are looked at to see whether some lie together, and so often they are then sorted apart.
    SAMPLES = 6
    ROUNDS = 4
    # By fewer bits than these, what lies evenly would often seem to lie together.
    SURE = 11


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


cdef inline void distribute(Timer *timers, size_t count, uint32_t shift, uint32_t bits, Timer *target) noexcept nogil:
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


cdef inline uint32_t digit_width(size_t count) noexcept nogil:
    """Bits of a digit that has about as many values as there are timers."""
    return <uint32_t>min(high_bit(FAN), high_bit(count) + 1)


cdef inline Timer *by_digits(
    Timer *timers, size_t count, uint32_t shift, uint32_t bits, Timer *spare
) noexcept nogil:
    """A stable sort by some of the bits, the lowest digit first; answers which of the two arrays has the result."""
    cdef uint32_t width = digit_width(count)
    cdef uint32_t passes = (bits + width - 1) // width
    # All of one width.
    width = (bits + passes - 1) // passes
    while passes:
        distribute(timers, count, shift, width, spare)
        timers, spare = spare, timers
        shift += width
        passes -= 1
    return timers


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


cdef inline size_t common_of(Timer *timers, size_t count, uint32_t shift) noexcept nogil:
    """One of a few timers, here and there, of which another has the same bits above; or `count` if none has."""
    cdef size_t step = count // SAMPLES
    cdef size_t one, other
    for one in range(1, <size_t>SAMPLES):
        for other in range(one):
            if not (timers[one * step].deadline ^ timers[other * step].deadline) >> shift:
                return one * step
    return count


cdef inline Timer *sort_apart(
    Timer *timers, size_t count, uint64_t most, uint32_t shift, Timer *spare, int rounds
) noexcept nogil:
    """Sort those with certain bits above, those before and those after, each by what differs among them."""
    cdef size_t sizes[3]
    cdef size_t places[3]
    cdef size_t index, part
    cdef size_t begin = 0
    cdef uint64_t bits
    cdef Timer *result
    memset(sizes, 0, sizeof(sizes))
    for index in range(count):
        bits = timers[index].deadline >> shift
        sizes[1 + (bits > most) - (bits < most)] += 1
    places[0], places[1], places[2] = 0, sizes[0], sizes[0] + sizes[1]
    for index in range(count):
        bits = timers[index].deadline >> shift
        part = 1 + (bits > most) - (bits < most)
        spare[places[part]] = timers[index]
        places[part] += 1
    for part in range(3):
        result = sort_some(
            spare + begin, sizes[part], difference_of(spare + begin, sizes[part]), timers + begin, rounds
        )
        if result is not spare + begin:
            memcpy(spare + begin, result, sizes[part] * sizeof(Timer))
        begin += sizes[part]
    return spare


cdef inline Timer *sort_some(
    Timer *timers, size_t count, uint64_t difference, Timer *spare, int rounds
) noexcept nogil:
    """As `sort`; so many times those that lie together may be sorted apart from others."""
    cdef uint32_t shift, bits, enough, width
    cdef int16_t places[LANES]
    cdef size_t index
    cdef Timer *result
    if not difference:
        return timers
    if are_few(count, difference):
        rank(timers, count, difference, places)
        for index in range(count):
            spare[places[index]] = timers[index]
        return spare
    shift = low_bit(difference)
    bits = high_bit(difference) + 1 - shift
    # So many bits tell most timers apart, where they lie evenly: those of floats differ in forty.
    enough = high_bit(count) + 1
    if bits > 2 * enough:
        width = min(max(enough, <uint32_t>SURE), bits - 1)
        index = common_of(timers, count, shift + bits - width) if rounds else count
        if index < count:
            # They do not: a few are far from the others, or there are several crowds.
            shift += bits - width
            return sort_apart(timers, count, timers[index].deadline >> shift, shift, spare, rounds - 1)
        # And a few more nearly all, where they cost no further digit.
        width = digit_width(count)
        enough = min(enough + 4, (enough + width - 1) // width * width)
        result = by_digits(timers, count, shift + bits - enough, enough, spare)
        if insert_each(result, count):
            return result
        if result is spare:
            spare = timers
        timers = result
    return by_digits(timers, count, shift, bits, spare)


cdef inline Timer *sort(Timer *timers, size_t count, uint64_t difference, Timer *spare) noexcept nogil:
    """A stable sort; answers which of the two arrays has the result.

    `difference`: of the deadlines, all their differing bits, or 0 if they stand in order. `spare`: room for as many.
    """
    return sort_some(timers, count, difference, spare, ROUNDS)
