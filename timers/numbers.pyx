"""Finding a key by its number: see numbers.pxd."""

from libc.stdint cimport int32_t, int64_t, uint32_t

from timers.bits cimport PyMem_Malloc
from timers.boxes cimport Boxes, must_be_whole
from timers.crowd cimport SEGMENT, Crowd, Index, Segment, word_at
from timers.index cimport NOWHERE, renew_index
from timers.keys cimport Keys, entry_at, fold, place_of
from timers.search cimport go_to, go_to_word, serial_of
from timers.spots cimport crowd_at
from timers.timerset cimport hash_of, keys_of
from timers.tokens cimport NOBODY


cdef bint locate_entry(TimerSet self, Entry *entry, Spot *spot) except -1:
    cdef Crowd *crowd
    cdef int64_t position
    must_be_whole(<Boxes>self.beside)
    if not go_to(self, entry.deadline, spot):
        return False
    crowd = crowd_at(spot)
    if crowd is not NULL:
        position = find_numbered(self, crowd, entry)
        if position != NOWHERE:
            spot.place.position = <size_t>position
            return True
    spot.place.position = 0
    return go_to_word(self, spot, entry.word)


cdef int64_t find_numbered(TimerSet self, Crowd *crowd, Entry *entry) except -2:
    """The position of a key, or NOWHERE."""
    cdef uint32_t *numbers
    cdef size_t low = crowd.start // SEGMENT
    cdef size_t high = (crowd.end - 1) // SEGMENT + 1
    cdef size_t middle
    if high - low == 1:
        return find_around(crowd, low, crowd.start % SEGMENT, entry.word)
    number_segments(self, crowd)
    numbers = crowd.index.numbers
    # From `high` on, the first timers are younger.
    while high - low > 1:
        middle = (low + high) // 2
        if is_younger(numbers[middle], entry.number):
            high = middle
        else:
            low = middle
    low = first_alike(numbers, crowd.start // SEGMENT, low)
    return find_around(crowd, low, guess(keys_of(self), crowd, low, entry.number), entry.word)


cdef inline bint is_younger(uint32_t number, uint32_t other) noexcept nogil:
    return <int32_t>(number - other) > 0


cdef inline size_t first_alike(uint32_t *numbers, size_t low, size_t high) noexcept nogil:
    """The first from `low` on with the number of `high`: the segments after it were empty."""
    cdef uint32_t number = numbers[high]
    cdef size_t middle
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] == number:
            high = middle
        else:
            low = middle + 1
    return low


cdef inline size_t guess(Keys *keys, Crowd *crowd, size_t segment, uint32_t number) noexcept nogil:
    """About where in a segment a number is."""
    cdef Index *index = crowd.index
    cdef uint32_t first = index.numbers[segment]
    cdef uint32_t last = index.numbers[segment + 1] if segment + 1 < index.numbered else keys.next
    cdef size_t used = crowd.segments[segment].used
    # A number that has gone round may be anything.
    return <size_t>min(<double>(used - 1), <double>(number - first) * used / max(<uint32_t>1, last - first))


cdef int64_t find_around(Crowd *crowd, size_t number, size_t place, size_t word) noexcept nogil:
    """The position of a word in a segment, from a place on to both sides; or NOWHERE."""
    cdef Segment *segment = crowd.segments[number]
    # What was taken may still be there, if others own the segment, too.
    cdef size_t first = crowd.start % SEGMENT if number == crowd.start // SEGMENT else 0
    cdef size_t below = max(place, first)
    cdef size_t above = below
    while below > first or above < segment.used:
        if above < segment.used:
            if segment.words[above] == word:
                return number * SEGMENT + above
            above += 1
        if below > first:
            below -= 1
            if segment.words[below] == word:
                return number * SEGMENT + below
    return NOWHERE


cdef int number_segments(TimerSet self, Crowd *crowd) except -1:
    """Look up what is not known yet of the first numbers."""
    cdef Index *index
    cdef size_t wanted = (crowd.end - 1) // SEGMENT + 1
    renew_index(crowd, serial_of(self), &self.queue.root)
    index = crowd.index
    if index.numbers is NULL:
        index.numbers = <uint32_t *>PyMem_Malloc((index.room // SEGMENT + 1) * sizeof(uint32_t))
        if index.numbers is NULL:
            raise MemoryError
        index.numbered = crowd.start // SEGMENT
    while index.numbered < wanted:
        index.numbers[index.numbered] = first_number(self, crowd, index.numbered)
        index.numbered += 1
    return 0


cdef uint32_t first_number(TimerSet self, Crowd *crowd, size_t number) noexcept:
    """The number of a segment's first timer, or that of the segment before where none is left."""
    cdef Keys *keys = keys_of(self)
    cdef size_t position
    cdef size_t word
    for position in range(max(crowd.start, number * SEGMENT), min(crowd.end, (number + 1) * SEGMENT)):
        word = word_at(crowd, position)
        if word != NOBODY:
            return entry_at(keys, place_of(keys, fold(hash_of(self, word)), word)).number
    return crowd.index.numbers[number - 1]
