# cython: language_level=3
"""The room of times: `datetime`, `float` and `int` to deadline and back, exact.

An *instant* is the number of microseconds since the day before 0001-01-01: the day to spare keeps aware
times whose instant lies before year 1 in UTC from going below zero. A *deadline* (see wheel.pxd) is the
same number with the millisecond tick in its upper bits and the microsecond within the tick in
its lowest ten. Fields are read through the C macros: subclasses override attributes and operators.

The deadline of a float or an int is its 64 bits, turned so that they are in order as an unsigned integer.

A zone is asked for its offset as often as correctness needs: one of CPython's own that is fixed only once, any other
for every datetime.
"""

from cpython.datetime cimport (
    PyDateTime_DATE_GET_TZINFO, PyDateTime_DELTA_GET_DAYS, PyDateTime_DELTA_GET_MICROSECONDS,
    PyDateTime_DELTA_GET_SECONDS, PyDateTime_TimeZone_UTC, datetime, datetime_day, datetime_hour,
    datetime_microsecond, datetime_minute, datetime_month, datetime_new, datetime_second, datetime_tzinfo,
    datetime_year, get_utc, timedelta, timezone_new,
)
from cpython.object cimport PyObject, Py_TYPE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, strcmp

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

    /* The zones last seen of those that know whether they are fixed, each at a place that follows from its address.
       A strong reference keeps the address from meaning another zone. */
    typedef struct { int turn; PyObject *zone; int64_t shift; } timers_Zone;
    static timers_Zone timers_zones[64];
    #define timers_place_of(zone) (&timers_zones[(uint64_t)(uintptr_t)(zone) * 0x9E3779B97F4A7C15u >> 58])
    /* What stands in place of an offset: the zone has rules; it is not among those last seen. */
    #define RULES INT64_MAX
    #define UNSEEN INT64_MIN

    #ifdef Py_GIL_DISABLED
    /* `turn` is odd while a zone is written: a reader that saw it so, or changed, has read nothing. */
    static inline int64_t timers_recall(PyObject *zone) {
        timers_Zone *place = timers_place_of(zone);
        int turn = _Py_atomic_load_int(&place->turn);
        PyObject *seen = (PyObject *)_Py_atomic_load_ptr(&place->zone);
        int64_t shift = _Py_atomic_load_int64(&place->shift);
        return seen == zone && !(turn & 1) && _Py_atomic_load_int(&place->turn) == turn ? shift : UNSEEN;
    }
    static void timers_remember(PyObject *zone, int64_t shift) {
        timers_Zone *place = timers_place_of(zone);
        PyObject *seen;
        int turn = _Py_atomic_load_int(&place->turn);
        if (turn & 1 || !_Py_atomic_compare_exchange_int(&place->turn, &turn, turn + 1)) return;
        seen = (PyObject *)_Py_atomic_load_ptr(&place->zone);
        Py_INCREF(zone);
        _Py_atomic_store_ptr(&place->zone, zone);
        _Py_atomic_store_int64(&place->shift, shift);
        _Py_atomic_store_int(&place->turn, (int)((unsigned)turn + 2));
        Py_XDECREF(seen);
    }
    #else
    static inline int64_t timers_recall(PyObject *zone) {
        timers_Zone *place = timers_place_of(zone);
        return place->zone == zone ? place->shift : UNSEEN;
    }
    static void timers_remember(PyObject *zone, int64_t shift) {
        timers_Zone *place = timers_place_of(zone);
        PyObject *seen = place->zone;
        Py_INCREF(zone);
        place->zone = zone;
        place->shift = shift;
        Py_XDECREF(seen);
    }
    #endif
    """
    const int64_t DAY, FIRST, LAST, EPOCH, RULES, UNSEEN
    const short *DAYS_BEFORE
    int64_t timers_recall(PyObject *zone) noexcept
    void timers_remember(PyObject *zone, int64_t shift) noexcept

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        const char *tp_name
    PyObject *PyImport_GetModuleDict()  # borrowed


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


cdef inline int64_t zone_shift(object at, str name, bint *naive) except? -1:
    """The UTC offset of a datetime that has a tzinfo, in microseconds."""
    cdef object offset = at.utcoffset()
    naive[0] = offset is None
    return 0 if offset is None else shift_of(offset, name)


cdef inline int64_t fixed_shift(object zone) except? -1:
    """The UTC offset of a fixed zone of CPython's own classes, or RULES for any other."""
    cdef object offset
    cdef int64_t shift = RULES
    if not (type(zone) is type(get_utc()) or is_zoneinfo(zone)):
        return RULES
    offset = zone.utcoffset(None)
    if offset is not None:
        shift = shift_of(offset, "zone")
    timers_remember(<PyObject *>zone, shift)
    return shift


cdef inline bint is_zoneinfo(object zone) except -1:
    """Whether it is a ZoneInfo, of no subclass. Only who has imported `zoneinfo` can have one."""
    if strcmp((<PyTypeObject *>Py_TYPE(zone)).tp_name, "zoneinfo.ZoneInfo"):
        return False
    return type(zone) is getattr((<object>PyImport_GetModuleDict()).get("zoneinfo"), "ZoneInfo", None)


cdef inline int64_t shift_of(object offset, str name) except? -1:
    """The microseconds of what `utcoffset` answered."""
    if not isinstance(offset, timedelta):
        raise TypeError(f"{name}.utcoffset() must answer a timedelta, not {type(offset).__name__}")
    cdef int64_t days = PyDateTime_DELTA_GET_DAYS(offset)
    cdef int64_t shift = (PyDateTime_DELTA_GET_SECONDS(offset) * <int64_t>1_000_000
                          + PyDateTime_DELTA_GET_MICROSECONDS(offset))
    # A timedelta that is negative is some days less, and seconds more.
    if days and (days != -1 or not shift):
        raise ValueError(f"{name}.utcoffset() must be less than a day, not {offset!r}")
    return shift + days * DAY


cdef inline uint64_t convert(object at, str name, bint up, bint *naive) except? 0:
    """The deadline of a datetime of any class, with any zone."""
    if not isinstance(at, datetime):
        raise TypeError(f"{name} must be a datetime, not {type(at).__name__}")
    cdef bint later = False
    if type(at) is not datetime:
        if at.year != datetime_year(at):
            raise ValueError(f"{name} must lie within the years 1 to 9999, not {at!r}")
        later = up and getattr(at, "nanosecond", 0) > 0
    cdef uint64_t deadline = read_clock(at)
    cdef object zone = datetime_tzinfo(at)
    naive[0] = zone is None
    if not (zone is None or zone is get_utc()):
        deadline = pack(unpack(deadline) - zone_shift(at, name, naive))
    if not later:
        return deadline
    # The latest instant there is has the most negative offset, a microsecond less than a day.
    if unpack(deadline) == (LAST if naive[0] else LAST + DAY - 1):
        raise ValueError(f"{name} must lie within the years 1 to 9999, not {at!r}")
    return pack(unpack(deadline) + 1)


cdef inline uint64_t to_deadline(object at, str name, bint up, bint *naive) except? 0:
    """The deadline of `at`; nanoseconds of a subclass are rounded `up` or down."""
    cdef object zone
    cdef int64_t shift
    if type(at) is datetime:
        zone = datetime_tzinfo(at)
        naive[0] = zone is None
        if naive[0] or zone is get_utc():
            return read_clock(at)
        shift = timers_recall(<PyObject *>zone)
        if shift == UNSEEN:
            shift = fixed_shift(zone)
        if shift != RULES:
            return pack(unpack(read_clock(at)) - shift)
    return convert(at, name, up, naive)


cdef inline object from_deadline(uint64_t deadline, bint naive):
    """The datetime of a deadline; beyond the calendar with an offset that can hold it."""
    cdef uint64_t tick = deadline >> 10
    cdef uint32_t day = <uint32_t>(tick // 86_400_000)
    if not 1 <= day <= 3_652_059:
        return from_beyond(deadline)
    return from_day(day, <uint32_t>(tick - day * <uint64_t>86_400_000), deadline & 1023, None if naive else get_utc())


cdef inline object from_beyond(uint64_t deadline):
    cdef int64_t instant = unpack(deadline)
    cdef int64_t offset = max(0, FIRST - instant) + min(0, LAST - instant)
    zone = timezone_new(timedelta(microseconds=offset), None)
    deadline = pack(instant + offset)
    return from_day(<uint32_t>((deadline >> 10) // 86_400_000), <uint32_t>((deadline >> 10) % 86_400_000),
                    deadline & 1023, zone)


cdef inline object from_day(uint32_t day, uint32_t milli, uint32_t micro, object zone):
    """The datetime so long after the begin of a day; 1 is 0001-01-01.

    Days to dates by multiplications: Neri & Schneider, Euclidean Affine Functions and their Application to Calendar
    Algorithms (Software: Practice and Experience 53, 2023).
    """
    cdef uint32_t second = milli // 1000
    # From 0000-03-01 on, so that the leap day is the last of its year.
    cdef uint32_t quarters = 4 * (day + 305) + 3
    cdef uint32_t century = quarters // 146_097
    cdef uint64_t scaled = <uint64_t>2_939_745 * (quarters % 146_097 | 3)
    cdef uint32_t day_of_year = <uint32_t>scaled // 2_939_745 // 4
    cdef uint32_t split = 2141 * day_of_year + 197_913
    cdef bint next_year = day_of_year >= 306
    return datetime_new(
        100 * century + <uint32_t>(scaled >> 32) + next_year, (split >> 16) - 12 * next_year,
        (split & 0xffff) // 2141 + 1, second // 3600, second // 60 % 60, second % 60,
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
    int PyFloat_Check(object number) noexcept
    int PyLong_Check(object number) noexcept
    double PyFloat_AS_DOUBLE(object number) noexcept
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow) except? -1


cdef inline uint64_t read_time(object at, str name, bint up, uint8_t *kind) except? 0:
    """The deadline of a time of any kind; nanoseconds of a datetime's subclass are rounded `up` or down."""
    # By the pointers alone: no reference is taken.
    if type(at) is datetime and PyDateTime_DATE_GET_TZINFO(at) is PyDateTime_TimeZone_UTC:
        kind[0] = AWARE
        return read_clock(at)
    if type(at) is float:
        kind[0] = FLOAT
        return read_float(PyFloat_AS_DOUBLE(at), name)
    return read_other_time(at, name, up, kind)


cdef inline uint64_t read_other_time(object at, str name, bint up, uint8_t *kind) except? 0:
    cdef bint naive = False
    cdef uint64_t deadline
    cdef int64_t number
    if type(at) is int and short_int(at, &number):
        kind[0] = INT
        return fold_int(number)
    if type(at) is not datetime and not isinstance(at, datetime):
        return read_number(at, name, kind)
    deadline = to_deadline(at, name, up, &naive)
    kind[0] = NAIVE if naive else AWARE
    return deadline


cdef inline uint64_t read_float(double number, str name) except? 0:
    if number != number:
        raise ValueError(f"{name} must be a time, not NaN")
    return fold_float(number)


cdef inline uint64_t read_number(object at, str name, uint8_t *kind) except? 0:
    cdef int overflow = 0
    cdef int64_t number
    if PyFloat_Check(at):
        kind[0] = FLOAT
        return read_float(PyFloat_AS_DOUBLE(at), name)
    if not PyLong_Check(at) or type(at) is bool:
        raise TypeError(f"{name} must be a datetime, a float or an int, not {type(at).__name__}")
    kind[0] = INT
    number = PyLong_AsLongLongAndOverflow(at, &overflow)
    if overflow:
        raise OverflowError(f"{name} must be an int of at most 64 bits, sign included")
    return fold_int(number)


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
