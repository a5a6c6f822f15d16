# cython: language_level=3
"""Arrow's columns in memory, read from the C structs of its data and stream interfaces; no library is imported.

What times mean is for who reads them (see columns.pyx); strings and numbers are read here as Python objects.

- An `Export` owns what was handed over, moved out of its capsules, and releases each struct once, whatever happens.
- A chunk is released before the next one is asked for.
- What an exporter says is not believed where it can be checked, but the structs tell no size of a buffer: that one
  holds what its array claims has to be taken on trust.
- The callbacks run without the GIL, since threads of the exporter may wait for it.
"""

from libc.math cimport INFINITY, NAN, ldexp
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

cdef extern from *:
    """
    typedef struct timers_Schema {
        const char *format, *name, *metadata;
        int64_t flags, n_children;
        struct timers_Schema **children, *dictionary;
        void (*release)(struct timers_Schema *);
        void *private_data;
    } timers_Schema;
    typedef struct timers_Array {
        int64_t length, null_count, offset, n_buffers, n_children;
        const char **buffers;
        struct timers_Array **children, *dictionary;
        void (*release)(struct timers_Array *);
        void *private_data;
    } timers_Array;
    typedef struct timers_Stream {
        int (*get_schema)(struct timers_Stream *, timers_Schema *);
        int (*get_next)(struct timers_Stream *, timers_Array *);
        const char *(*get_last_error)(struct timers_Stream *);
        void (*release)(struct timers_Stream *);
        void *private_data;
    } timers_Stream;
    """
    ctypedef struct Schema "timers_Schema":
        const char *format
        const char *name
        const char *metadata
        int64_t flags
        int64_t n_children
        Schema **children
        Schema *dictionary
        void (*release)(Schema *) noexcept nogil
        void *private_data
    ctypedef struct Array "timers_Array":
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_buffers
        int64_t n_children
        const char **buffers
        Array **children
        Array *dictionary
        void (*release)(Array *) noexcept nogil
        void *private_data
    ctypedef struct Stream "timers_Stream":
        int (*get_schema)(Stream *, Schema *) noexcept nogil
        int (*get_next)(Stream *, Array *) noexcept nogil
        const char *(*get_last_error)(Stream *) noexcept nogil
        void (*release)(Stream *) noexcept nogil
        void *private_data

cdef struct Column:
    # One chunk. Its element i is the number `start + i` of the array, and is there if the bit is set in both bitmaps.
    Array *array
    int64_t length, start, outer_start
    const uint8_t *outer
    const uint8_t *inner


cdef class Export:
    cdef str name           # of the parameter that it is the argument of
    cdef Stream stream
    cdef Schema schema
    cdef Array array
    cdef bint chunked       # more arrays come from the stream

    cdef int open_stream(self, object capsule) except -1
    cdef int open_array(self, object pair) except -1
    # Get the first chunk, or the next one, if there is one.
    cdef bint begin(self) except -1
    cdef bint advance(self) except -1
    cdef bint is_struct(self) noexcept
    # The schema of the one column, be it within a struct, and the chunk at hand.
    cdef Schema *column_schema(self) except NULL
    cdef Column column(self) except *
    # There are as many buffers as the format has, and the second one, which holds the elements, is there.
    cdef int need(self, Array *array, int64_t buffers) except -1
    cdef const uint8_t *bitmap(self, Array *array) except? NULL
    cdef int check(self, Array *array) except -1
    cdef object broken(self, str how)
    cdef object failed(self, int code)
    cdef int move(self, object capsule, const char *label, void *into, size_t size) except -1


# The Arrow column of an object, or None if it exports none.
cdef Export export(object source, str name)
# How many elements come before the first null; the length if there is none.
cdef int64_t first_null(Column *column) noexcept nogil
# What a format is called in a message.
cdef str describe(Schema *schema)
# Whether the numbers have a meaning of another's.
cdef bint is_extension(const char *metadata) noexcept
# The strings, numbers or bools of a column, plain or encoded by a dictionary; None if it holds other things.
cdef list read_words(Export export)


# ---- numbers, aligned or not; `form` is the letter of a format

cdef inline int64_t integer_at(char form, const char *data, int64_t index) noexcept nogil:
    """An integer of any width. One beyond 64 bits with sign is negative."""
    cdef int64_t number = 0
    cdef int32_t word = 0
    cdef int16_t half = 0
    if form == b"l" or form == b"L":
        memcpy(&number, data + index * 8, 8)
        return number
    if form == b"i" or form == b"I":
        memcpy(&word, data + index * 4, 4)
        return word if form == b"i" else <int64_t><uint32_t>word
    if form == b"s" or form == b"S":
        memcpy(&half, data + index * 2, 2)
        return half if form == b"s" else <int64_t><uint16_t>half
    return (<const int8_t *>data)[index] if form == b"c" else <int64_t>(<const uint8_t *>data)[index]


cdef inline double half_of(uint16_t bits) noexcept nogil:
    """A float of 16 bits: the sign, five bits of the exponent, ten of the fraction."""
    cdef int exponent = bits >> 10 & 31
    cdef double number = bits & 1023
    if exponent == 31:
        number = NAN if number else INFINITY
    else:
        number = ldexp(number + 1024, exponent - 25) if exponent else ldexp(number, -24)
    return -number if bits >> 15 else number


cdef inline double float_at(char form, const char *data, int64_t index) noexcept nogil:
    cdef double number = 0
    cdef float single = 0
    cdef uint16_t half = 0
    if form == b"g":
        memcpy(&number, data + index * 8, 8)
        return number
    if form == b"f":
        memcpy(&single, data + index * 4, 4)
        return single
    memcpy(&half, data + index * 2, 2)
    return half_of(half)
