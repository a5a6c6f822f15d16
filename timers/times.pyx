"""Times of the rarer kinds, and zones: see times.pxd."""

from cpython.datetime cimport (
    PyDateTime_DELTA_GET_DAYS, PyDateTime_DELTA_GET_MICROSECONDS, PyDateTime_DELTA_GET_SECONDS, datetime,
    datetime_tzinfo, datetime_year, get_utc, import_datetime, timedelta, timedelta_new, timezone_new,
)
from cpython.object cimport PyObject, Py_TYPE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport strcmp

import_datetime()

cdef enum:
    # `Py_TPFLAGS_IMMUTABLETYPE`, which 3.9 has not: there such a class is no heap type.
    IMMUTABLE = 1 << 8

cdef extern from *:
    """
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
    const int64_t RULES, UNSEEN
    int64_t timers_recall(PyObject *zone) noexcept
    void timers_remember(PyObject *zone, int64_t shift) noexcept

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        const char *tp_name
        unsigned long tp_flags
    const unsigned long Py_TPFLAGS_HEAPTYPE
    bint PyFloat_Check(object number) noexcept
    bint PyLong_Check(object number) noexcept
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow) except? -1


cdef uint64_t read_other_time(object at, str name, bint up, uint8_t *kind) except? 0:
    cdef bint naive = False
    cdef uint64_t deadline
    if type(at) is not datetime and not isinstance(at, datetime):
        return read_number(at, name, kind)
    deadline = to_deadline(at, name, up, &naive)
    kind[0] = NAIVE if naive else AWARE
    return deadline


cdef uint64_t read_number(object at, str name, uint8_t *kind) except? 0:
    cdef int overflow = 0
    cdef double real
    cdef int64_t number
    if PyFloat_Check(at):
        kind[0] = FLOAT
        real = PyFloat_AS_DOUBLE(at)
        if real != real:
            raise ValueError(f"{name} must be a time, not NaN")
        return fold_float(real)
    if not PyLong_Check(at) or type(at) is bool:
        raise TypeError(f"{name} must be a datetime, a float or an int, not {type(at).__name__}")
    kind[0] = INT
    number = PyLong_AsLongLongAndOverflow(at, &overflow)
    if overflow:
        raise OverflowError(f"{name} must be an int of at most 64 bits, sign included")
    return fold_int(number)


# ---- datetimes

cdef uint64_t to_deadline(object at, str name, bint up, bint *naive) except? 0:
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


cdef uint64_t convert(object at, str name, bint up, bint *naive) except? 0:
    """The deadline of a datetime of any class, with any zone."""
    if not isinstance(at, datetime):
        raise TypeError(f"{name} must be a datetime, not {type(at).__name__}")
    cdef bint later = False
    if type(at) is not datetime:
        if at.year != datetime_year(at):
            raise ValueError(f"{name} must lie within the years 1 to 9999, not {at!r}")
        nanosecond = getattr(at, "nanosecond", 0)
        later = up and isinstance(nanosecond, int) and nanosecond > 0
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


cdef int64_t zone_shift(object at, str name, bint *naive) except? -1:
    """The UTC offset of a datetime that has a tzinfo, in microseconds."""
    cdef object offset = at.utcoffset()
    naive[0] = offset is None
    return 0 if offset is None else shift_of(offset, name)


cdef int64_t fixed_shift(object zone) except? -1:
    """The UTC offset of a fixed zone of CPython's own classes, or RULES for any other."""
    cdef object offset
    cdef int64_t shift = RULES
    if not is_cpython_zone(zone):
        return RULES
    offset = zone.utcoffset(None)
    if offset is not None:
        shift = shift_of(offset, "zone")
    timers_remember(<PyObject *>zone, shift)
    return shift


cdef bint is_cpython_zone(object zone) noexcept:
    return type(zone) is type(get_utc()) or is_zoneinfo(zone)


cdef bint is_zoneinfo(object zone) noexcept:
    cdef PyTypeObject *kind = <PyTypeObject *>Py_TYPE(zone)
    # No class of such a name that is written in Python is immutable.
    return (strcmp(kind.tp_name, "zoneinfo.ZoneInfo") == 0
            and (kind.tp_flags & IMMUTABLE or not kind.tp_flags & Py_TPFLAGS_HEAPTYPE))


cdef int64_t shift_of(object offset, str name) except? -1:
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


cdef object from_beyond(uint64_t deadline):
    cdef int64_t instant = unpack(deadline)
    cdef int64_t offset = max(0, FIRST - instant) + min(0, LAST - instant)
    # By parts: a call by names makes a dict, and so lets in the collector.
    zone = timezone_new(timedelta_new(0, <int>(offset // 1_000_000), <int>(offset % 1_000_000)), None)
    deadline = pack(instant + offset)
    return from_day(<uint32_t>((deadline >> 10) // 86_400_000), <uint32_t>((deadline >> 10) % 86_400_000),
                    deadline & 1023, zone)
