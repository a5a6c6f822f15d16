# cython: language_level=3
"""The datetime room: `datetime` to deadline and back, exact to the microsecond.

A deadline (see wheel.pxd) holds the millisecond tick since the day before 0001-01-01 and, in its
lowest ten bits, the microsecond within that tick. The day to spare keeps
aware times whose instant lies before year 1 in UTC from going below zero.
"""

from cpython.datetime cimport (
    PyDateTime_DELTA_GET_DAYS, PyDateTime_DELTA_GET_MICROSECONDS, PyDateTime_DELTA_GET_SECONDS,
    datetime, datetime_day, datetime_hour, datetime_microsecond, datetime_minute, datetime_month,
    datetime_new, datetime_second, datetime_tzinfo, datetime_year, get_utc, timedelta, timezone_new,
)
from libc.stdint cimport int64_t, uint64_t


cdef extern from *:
    """
    #define DAY 86400000000LL
    /* Microseconds of 0001-01-01 and of the end of 9999-12-31. */
    #define FIRST DAY
    #define LAST (3652060 * DAY - 1)
    static const short DAYS_BEFORE[] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    """
    const int64_t DAY, FIRST, LAST
    const short *DAYS_BEFORE


cdef inline bint is_leap(int64_t year) noexcept:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


cdef inline uint64_t pack(int64_t micros) noexcept:
    """Microseconds to a deadline."""
    return <uint64_t>(micros + micros // 1000 * 24)


cdef inline int64_t unpack(uint64_t deadline) noexcept:
    return <int64_t>((deadline >> 10) * 1000 + (deadline & 1023))


cdef inline int64_t micros_of(object at) noexcept:
    """The wall clock of a datetime, in microseconds."""
    cdef int64_t year = datetime_year(at)
    cdef int64_t month = datetime_month(at)
    cdef int64_t before = year - 1
    cdef int64_t days = (before * 365 + before // 4 - before // 100 + before // 400
                         + DAYS_BEFORE[month] + (month > 2 and is_leap(year)) + datetime_day(at))
    return ((((days * 24 + datetime_hour(at)) * 60 + datetime_minute(at)) * 60
             + datetime_second(at)) * 1_000_000 + datetime_microsecond(at))


cdef inline int64_t to_micros(object at, str name, bint up, bint *naive) except -1:
    """The instant of `at`; nanoseconds of a subclass are rounded `up` or down."""
    cdef int64_t micros
    if not isinstance(at, datetime):
        raise TypeError(f"{name} must be a datetime, not {type(at).__name__}")
    cdef object zone = datetime_tzinfo(at)
    if type(at) is not datetime:
        if at.year != datetime_year(at):
            raise ValueError(f"{name} must lie within the years 1 to 9999, not {at!r}")
        micros = micros_of(at)
        if up and getattr(at, "nanosecond", 0):
            micros += 1
    else:
        micros = micros_of(at)
    naive[0] = zone is None
    if zone is None or zone is get_utc():
        return micros
    cdef object offset = at.utcoffset()
    if offset is None:
        naive[0] = True
        return micros
    if not isinstance(offset, timedelta):
        raise TypeError(f"{name}.utcoffset() must answer a timedelta, not {type(offset).__name__}")
    cdef int64_t shift = (PyDateTime_DELTA_GET_DAYS(offset) * DAY
                          + PyDateTime_DELTA_GET_SECONDS(offset) * <int64_t>1_000_000
                          + PyDateTime_DELTA_GET_MICROSECONDS(offset))
    if not -DAY < shift < DAY:
        raise ValueError(f"{name}.utcoffset() must be less than a day, not {offset!r}")
    return micros - shift


cdef inline object from_micros(int64_t micros, bint naive):
    """The datetime of an instant; beyond the calendar with an offset that can hold it."""
    cdef object zone = None if naive else get_utc()
    cdef int64_t offset = 0
    if micros < FIRST:
        offset = FIRST - micros
    elif micros > LAST:
        offset = LAST - micros
    if offset:
        zone = timezone_new(timedelta(microseconds=offset), None)
        micros += offset
    # Howard Hinnant's civil_from_days, with years that begin in March.
    cdef int64_t days = micros // DAY + 305
    cdef int64_t era = days // 146_097
    cdef int64_t day = days - era * 146_097
    cdef int64_t year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    cdef int64_t month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    month = month + 3 if month < 10 else month - 9
    year += era * 400 + (month <= 2)
    cdef int64_t second = micros % DAY // 1_000_000
    return datetime_new(<int>year, <int>month, <int>day + 1, <int>(second // 3600), <int>(second // 60 % 60),
                        <int>(second % 60), <int>(micros % 1_000_000), zone, 0)
