# cython: language_level=3
"""Which slot of a wheel a deadline is in, and which slots are in use: arithmetic of digits, and of bits.

A deadline is read like a number: a finer wheel takes the digit at `shift`, and reaches every deadline that has the
digits of its base above that. (The root begins anywhere: see reach.pxd.) Which slots are in use stands in bits, and
which words of these are not 0 in bits again, so that empty time costs nothing to pass.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from timers.bits cimport high_bit, low_bit
from timers.wheel cimport Slot, Wheel


cdef inline uint32_t bits_of(Wheel *wheel) noexcept nogil:
    return low_bit(wheel.size)


cdef inline uint32_t reach_of(Wheel *wheel) noexcept nogil:
    """The range of a wheel, as a power of two."""
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


cdef inline int words_of(uint32_t size) noexcept nogil:
    """How many words the bits of the slots take."""
    return <int>((size + 63) >> 6)


cdef inline size_t wheel_size(uint32_t size) noexcept nogil:
    return sizeof(Wheel) + (size - 1) * sizeof(Slot) + words_of(size) * sizeof(uint64_t)


cdef inline uint64_t *occupied(Wheel *wheel) noexcept nogil:
    return <uint64_t *>(wheel.slots + wheel.size)


cdef inline void mark(Wheel *wheel, size_t digit) noexcept nogil:
    occupied(wheel)[digit >> 6] |= <uint64_t>1 << (digit & 63)
    wheel.words |= <uint16_t>(1 << (digit >> 6))


cdef inline void unmark(Wheel *wheel, size_t digit) noexcept nogil:
    occupied(wheel)[digit >> 6] &= ~(<uint64_t>1 << (digit & 63))
    if not occupied(wheel)[digit >> 6]:
        wheel.words &= <uint16_t>~(1 << (digit >> 6))


cdef inline int first_occupied(Wheel *wheel) noexcept nogil:
    """The first slot in use, or -1."""
    cdef int word
    if not wheel.words:
        return -1
    word = low_bit(wheel.words)
    return (word << 6) + low_bit(occupied(wheel)[word])


cdef inline int next_occupied(Wheel *wheel, int digit) noexcept nogil:
    """The first slot in use from `digit` on, or -1."""
    cdef int word = digit >> 6
    cdef uint64_t bits
    cdef uint32_t words
    if digit >= <int>wheel.size:
        return -1
    bits = occupied(wheel)[word] >> (digit & 63)
    if bits:
        return digit + low_bit(bits)
    words = <uint32_t>wheel.words >> word >> 1
    if not words:
        return -1
    word += 1 + low_bit(words)
    return (word << 6) + low_bit(occupied(wheel)[word])
