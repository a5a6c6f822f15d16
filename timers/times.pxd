# cython: language_level=3
"""The room of times: `datetime`, `float` and `int` to deadline and back, exact.

An *instant* is the number of microseconds since the day before 0001-01-01: the day to spare keeps aware
times whose instant lies before year 1 in UTC from going below zero. A *deadline* (see wheel.pxd) is the
same number with the millisecond tick in its upper bits and the microsecond within the tick in
its lowest ten. Fields are read through the C macros: subclasses override attributes and operators.

The deadline of a float or an int is its 64 bits, turned so that they are in order as an unsigned integer.

Who compiles these functions in has to call `import_datetime()`, or it crashes.

A zone is asked for its offset as often as correctness needs: one of CPython's own that is fixed only once, any other
for every datetime.
"""

from cpython.datetime cimport (
    PyDateTime_DATE_GET_TZINFO, PyDateTime_TimeZone_UTC, datetime, datetime_day, datetime_hour,
    datetime_microsecond, datetime_minute, datetime_month, datetime_new, datetime_second, datetime_year, get_utc,
)
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from timers.bits cimport low_bit

cdef enum Kind:
    """What a time is; two kinds have no order between them."""
    AWARE = 0
    NAIVE = 1
    FLOAT = 2
    INT = 3


cdef extern from *:
    """
    #define DAY 86400000000LL
    /* The instants of 0001-01-01 and of the end of 9999-12-31. */
    #define FIRST DAY
    #define LAST (3652060 * DAY - 1)
    /* 1970-01-01 */
    #define EPOCH (719163 * DAY)
    /* Days before each month of a year that begins in March, and a term that makes 0001-01-01 the day 1. */
    static const short DAYS_BEFORE[] = {0, 0, 31, -306, -275, -245, -214, -184, -153, -122, -92, -61, -31};
    /* The last day that became a date: its number in the upper half, year, month and day in the lower. One word: no
       thread reads half of another's. */
    static uint64_t timers_last_date;
    #if defined(Py_GIL_DISABLED) && (defined(__GNUC__) || defined(__clang__))
      #define timers_recall_date() __atomic_load_n(&timers_last_date, __ATOMIC_RELAXED)
      #define timers_remember_date(date) __atomic_store_n(&timers_last_date, date, __ATOMIC_RELAXED)
    #else
      #define timers_recall_date() timers_last_date
      #define timers_remember_date(date) (timers_last_date = (date))
    #endif
    """
    const int64_t DAY, FIRST, LAST, EPOCH
    const short *DAYS_BEFORE
    uint64_t recall_date "timers_recall_date"() noexcept nogil
    void remember_date "timers_remember_date"(uint64_t date) noexcept nogil


# ---- numbers

cdef inline uint64_t fold_float(double number) noexcept nogil:
    """The deadline of a float, which is not NaN."""
    cdef uint64_t bits
    # -0.0 becomes 0.0.
    number += 0.0
    memcpy(&bits, &number, sizeof(bits))
    return ~bits if bits >> 63 else bits ^ <uint64_t>1 << 63


cdef inline double unfold_float(uint64_t deadline) noexcept nogil:
    cdef double number
    deadline = deadline ^ <uint64_t>1 << 63 if deadline >> 63 else ~deadline
    memcpy(&number, &deadline, sizeof(number))
    return number


cdef inline uint64_t fold_int(int64_t number) noexcept nogil:
    """The deadline of an int."""
    return <uint64_t>number ^ <uint64_t>1 << 63


cdef inline int64_t unfold_int(uint64_t deadline) noexcept nogil:
    return <int64_t>(deadline ^ <uint64_t>1 << 63)


# ---- datetimes


cdef inline uint64_t pack(int64_t instant) noexcept:
    """The deadline of an instant."""
    return <uint64_t>(instant + instant // 1000 * 24)


cdef inline int64_t unpack(uint64_t deadline) noexcept:
    return <int64_t>((deadline >> 10) * 1000 + (deadline & 1023))


cdef inline uint64_t read_clock(object at) noexcept:
    """The deadline of the wall clock of a datetime."""
    cdef uint32_t month = datetime_month(at)
    # Years begin in March, so that the leap day is the last.
    cdef uint32_t year = datetime_year(at) - (month < 3)
    cdef uint32_t century = year // 100
    cdef uint32_t day = year * 365 + (year >> 2) - century + (century >> 2) + DAYS_BEFORE[month] + datetime_day(at)
    cdef uint32_t second = (datetime_hour(at) * 60 + datetime_minute(at)) * 60 + datetime_second(at)
    cdef uint32_t micro = datetime_microsecond(at)
    cdef uint32_t milli = micro // 1000
    cdef uint64_t tick = (day * <uint64_t>86_400 + second) * 1000 + milli
    return (tick << 10) + (micro - milli * 1000)


cdef inline object from_deadline(uint64_t deadline, bint naive):
    """The datetime of a deadline; beyond the calendar with an offset that can hold it."""
    cdef uint64_t tick = deadline >> 10
    cdef uint32_t day = <uint32_t>(tick // 86_400_000)
    if not 1 <= day <= 3_652_059:
        return from_beyond(deadline)
    return from_day(day, <uint32_t>(tick - day * <uint64_t>86_400_000), deadline & 1023, None if naive else get_utc())


cdef inline uint64_t date_of(uint32_t day) noexcept nogil:
    """The date of a day, as it is remembered; 1 is 0001-01-01.

    By multiplications: Neri & Schneider, Euclidean Affine Functions and their Application to Calendar Algorithms
    (Software: Practice and Experience 53, 2023).
    """
    # From 0000-03-01 on, so that the leap day is the last of its year.
    cdef uint32_t quarters = 4 * (day + 305) + 3
    cdef uint32_t century = quarters // 146_097
    cdef uint64_t scaled = <uint64_t>2_939_745 * (quarters % 146_097 | 3)
    cdef uint32_t day_of_year = <uint32_t>scaled // 2_939_745 // 4
    cdef uint32_t split = 2141 * day_of_year + 197_913
    cdef bint next_year = day_of_year >= 306
    cdef uint32_t year = 100 * century + <uint32_t>(scaled >> 32) + next_year
    cdef uint32_t month = (split >> 16) - 12 * next_year
    return <uint64_t>day << 32 | year << 16 | month << 8 | (split & 0xffff) // 2141 + 1


cdef inline object from_day(uint32_t day, uint32_t milli, uint32_t micro, object zone):
    """The datetime so long after the begin of a day."""
    cdef uint32_t second = milli // 1000
    cdef uint64_t date = recall_date()
    if date >> 32 != day:
        date = date_of(day)
        remember_date(date)
    return datetime_new(
        date >> 16 & 0xffff, date >> 8 & 0xff, date & 0xff, second // 3600, second // 60 % 60, second % 60,
        (milli - second * 1000) * 1000 + micro, zone, 0,
    )


# ---- any kind

cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030B0000
      #include <longintrepr.h>
    #endif
    /* An int of at most two digits, as most times are, without a call. */
    static inline int timers_short_int(PyObject *at, int64_t *number) {
    #if PY_VERSION_HEX >= 0x03100000
        /* Nobody knows yet what an int looks like there. */
        return 0;
    #else
        const PyLongObject *self = (const PyLongObject *)at;
    #if PY_VERSION_HEX < 0x030C0000
        Py_ssize_t size = Py_SIZE(self);
        const digit *digits = self->ob_digit;
        int negative = size < 0;
        if (negative) size = -size;
    #else
        uintptr_t size = self->long_value.lv_tag >> 3;
        const digit *digits = self->long_value.ob_digit;
        int negative = (self->long_value.lv_tag & 3) == 2;
    #endif
        if (size > 2) return 0;
        *number = size == 0 ? 0 : size == 1 ? (int64_t)digits[0] : (int64_t)digits[1] << PyLong_SHIFT | digits[0];
        if (negative) *number = -*number;
        return 1;
    #endif
    }
    """
    bint short_int "timers_short_int"(object at, int64_t *number) noexcept

cdef extern from "Python.h":
    double PyFloat_AS_DOUBLE(object number) noexcept

# What `read_time` leaves: subclasses, zones, large ints, and what is no time.
cdef uint64_t read_other_time(object at, str name, bint up, uint8_t *kind) except? 0
# Whether a zone is of a class of CPython's own, and no subclass: then its offsets run no foreign code.
cdef bint is_cpython_zone(object zone) noexcept
# The datetime of an instant beyond the calendar, with an offset that can hold it.
cdef object from_beyond(uint64_t deadline)


cdef inline bint is_plain_time(object at) noexcept:
    """Whether to read it runs no foreign code. Of others it is not known."""
    cdef PyObject *zone
    if type(at) is datetime:
        zone = PyDateTime_DATE_GET_TZINFO(at)
        return zone is PyDateTime_TimeZone_UTC or zone is <PyObject *>None
    return type(at) is float or type(at) is int


cdef inline uint64_t read_time(object at, str name, bint up, uint8_t *kind) except? 0:
    """The deadline of a time of any kind; nanoseconds of a datetime's subclass are rounded `up` or down."""
    cdef PyObject *zone
    cdef double real
    cdef int64_t number
    if type(at) is datetime:
        # By the pointers alone: no reference is taken.
        zone = PyDateTime_DATE_GET_TZINFO(at)
        if zone is PyDateTime_TimeZone_UTC or zone is <PyObject *>None:
            kind[0] = NAIVE if zone is <PyObject *>None else AWARE
            return read_clock(at)
    elif type(at) is float:
        real = PyFloat_AS_DOUBLE(at)
        if real == real:
            kind[0] = FLOAT
            return fold_float(real)
    elif type(at) is int and short_int(at, &number):
        kind[0] = INT
        return fold_int(number)
    return read_other_time(at, name, up, kind)


cdef inline object write_time(uint64_t deadline, uint8_t kind):
    """The time of a deadline."""
    if kind == FLOAT:
        return unfold_float(deadline)
    if kind == INT:
        return unfold_int(deadline)
    return from_deadline(deadline, kind == NAIVE)


cdef inline bint turn_to_float(uint64_t *deadline) noexcept nogil:
    """Make the deadline of an int that of the equal float, if there is one."""
    cdef int64_t number = unfold_int(deadline[0])
    cdef uint64_t size = -<uint64_t>number if number < 0 else <uint64_t>number
    # Asked of the bits: where a processor calculates with more than a double has, each int seems to be one.
    if size and size >> low_bit(size) >= <uint64_t>1 << 53:
        return False
    deadline[0] = fold_float(<double>number)
    return True
