"""Making wheels: see wheel.pxd for the picture and the invariants."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from timers.bits cimport PyMem_Free, PyMem_Malloc
from timers.slots cimport base_for, first_occupied, mark, next_occupied, reach_of, wheel_size, width_of


cdef Wheel *new_wheel(uint64_t base, uint32_t shift, uint32_t bits) noexcept nogil:
    cdef uint32_t size = <uint32_t>1 << bits
    cdef Wheel *wheel = <Wheel *>PyMem_Malloc(wheel_size(size))
    if wheel is not NULL:
        memset(wheel, 0, wheel_size(size))
        wheel.base = base
        wheel.owners = 1
        wheel.shift = <uint8_t>shift
        wheel.size = <uint16_t>size
    return wheel


cdef Wheel *coarser(Wheel *wheel, uint64_t deadline, uint32_t limit, uint32_t bits) noexcept nogil:
    cdef uint32_t width = width_of(wheel.base ^ deadline)
    cdef uint32_t shift = max(reach_of(wheel), width - min(width, bits))
    bits = min(bits, limit - shift)
    return new_wheel(base_for(deadline, shift, bits), shift, bits)


cdef void hang(Wheel *wheel, Slot finer) noexcept nogil:
    cdef size_t digit = <size_t>digit_for(wheel, as_wheel(finer).base)
    wheel.slots[digit] = finer
    mark(wheel, digit)


cdef void prune(Slot *slot) noexcept nogil:
    cdef Wheel *wheel = as_wheel(slot[0])
    cdef int digit = first_occupied(wheel)
    if digit < 0:
        slot[0] = 0
    elif is_wheel(wheel.slots[digit]) and next_occupied(wheel, digit + 1) == -1:
        slot[0] = wheel.slots[digit]
    else:
        return
    PyMem_Free(wheel)
