"""What a column means: the times and tokens of NumPy, pandas, and all that exports Arrow.

It knows nothing of notifiers: times become deadlines (see times.pxd), tokens a list. No library is imported: a column
can only come from someone who has it. How Arrow lies in memory is for arrow.pyx to know.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.datetime cimport import_datetime
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t
from libc.string cimport strcmp, strncmp

from timers.arrow cimport (
    Column, Export, Schema, describe, export, first_null, float_at, integer_at, is_extension, read_words,
)
from timers.times cimport AWARE, DAY, EPOCH, FIRST, FLOAT, INT, LAST, NAIVE, Kind, fold_float, fold_int, pack

import sys
from math import gcd

import_datetime()

cdef struct Meaning:
    # What the numbers of a column are.
    Kind kind
    char form               # the letter of a primitive type of Arrow; 'n' for nothing but nulls
    bint nat                # the least number is NaT
    int64_t low, high       # between these lies the calendar
    int64_t up, down        # microseconds a number as a fraction, of which one part is 1


# ---- numbers become deadlines

cdef object refusal(int64_t index, str what):
    return ValueError(f"ats[{index}] {what}")


cdef void set_unit(Meaning *meaning, int64_t up, int64_t down) noexcept:
    """The microseconds of a number of 64 bits as a fraction, of which one part is 1."""
    meaning.up = up
    meaning.down = down
    # The fractions that are rounded up to the first microsecond count; fine ones do not reach beyond the calendar.
    meaning.low = INT64_MIN + meaning.nat
    if EPOCH - FIRST < INT64_MAX // down:
        meaning.low = 1 - down - (EPOCH - FIRST) * down // up
    meaning.high = (LAST - EPOCH) * down // up if LAST - EPOCH <= INT64_MAX // down else INT64_MAX


cdef bytes to_deadlines(const char *data, int64_t start, int64_t count, int64_t before, Meaning *meaning):
    """The deadlines of `count` numbers; `before` them in the column there are some more."""
    cdef char form = meaning.form
    cdef int64_t low = meaning.low
    cdef int64_t high = meaning.high
    cdef int64_t up = meaning.up
    cdef int64_t down = meaning.down
    cdef int64_t index, number, instant
    cdef double real
    if count > <int64_t>(<size_t>-1 >> 4) - before:
        raise MemoryError
    block = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>count * 8)
    cdef uint64_t *deadlines = <uint64_t *>PyBytes_AS_STRING(block)
    if meaning.kind == FLOAT:
        for index in range(count):
            real = float_at(form, data, start + index)
            if real != real:
                raise refusal(before + index, "is NaN")
            deadlines[index] = fold_float(real)
    elif meaning.kind == INT:
        for index in range(count):
            number = integer_at(form, data, start + index)
            if form == b"L" and number < 0:
                raise OverflowError(f"ats[{before + index}] must fit into 64 bits with sign: {<uint64_t>number}")
            deadlines[index] = fold_int(number)
    else:
        for index in range(count):
            number = integer_at(form, data, start + index)
            if not low <= number <= high:
                raise refusal(before + index, "is NaT" if meaning.nat and number == INT64_MIN
                              else "lies outside the years 1 to 9999")
            if down == 1:
                instant = number * up
            else:
                # A fraction of a microsecond is rounded up; C rounds towards zero. By a constant it need not divide.
                instant = number // 1000 if down == 1000 else number // down
                instant += number > instant * down
            deadlines[index] = pack(EPOCH + instant)
    return block


# ---- NumPy and pandas

# Microseconds a unit: numerator and denominator.
cdef dict UNITS = {
    "W": (7 * DAY, 1),
    "D": (DAY, 1),
    "h": (3_600_000_000, 1),
    "m": (60_000_000, 1),
    "s": (10**6, 1),
    "ms": (10**3, 1),
    "us": (1, 1),
    "ns": (1, 10**3),
    "ps": (1, 10**6),
    "fs": (1, 10**9),
    "as": (1, 10**12),
}


cdef bint is_a(object thing, str library, str name) except -1:
    """Whether it is of that class, and the library is there."""
    return isinstance(thing, getattr(sys.modules.get(library), name, ()))


cdef bytes read_numpy(object ats, Kind *kind):
    cdef Meaning meaning = Meaning(AWARE, b"l", False, 0, 0, 1, 1)
    numpy = sys.modules["numpy"]
    if not ats.ndim:
        raise ValueError("ats must have one dimension, not 0")
    dtype = ats.dtype
    letter = dtype.kind
    mask = None if type(ats) is numpy.ndarray else getattr(ats, "mask", None)
    if isinstance(mask, numpy.ndarray) and mask.dtype.kind == "b" and mask.ndim == 1 and mask.any():
        raise refusal(mask.argmax(), "is masked")
    if letter == "M":
        wanted = "i8"
        meaning.nat = True
    elif letter == "f" and dtype.itemsize <= 8:
        wanted = "f8"
        meaning.kind = FLOAT
        meaning.form = b"g"
    elif letter == "i" or letter == "u":
        wanted = "i8" if letter == "i" else "u8"
        meaning.kind = INT
        meaning.form = b"l" if letter == "i" else b"L"
    else:
        return None
    if ats.ndim != 1:
        raise ValueError(f"ats must have one dimension, not {ats.ndim}")
    if letter == "M":
        numbers = numpy.ascontiguousarray(to_unit(numpy, ats, &meaning)).view(wanted)
    else:
        numbers = numpy.ascontiguousarray(ats, wanted)
    kind[0] = meaning.kind
    cdef Py_buffer view
    PyObject_GetBuffer(numbers, &view, PyBUF_SIMPLE)
    try:
        deadlines = to_deadlines(<const char *>view.buf, 0, view.len // 8, 0, &meaning)
    finally:
        PyBuffer_Release(&view)
    return deadlines


cdef object to_unit(object numpy, object ats, Meaning *meaning):
    """A datetime64 array in native order, and in a unit that the meaning then has."""
    ats = numpy.asarray(ats, ats.dtype.newbyteorder("="))
    unit, many = numpy.datetime_data(ats.dtype)
    if unit == "Y" or unit == "M":
        # Days of what is not far outside the calendar, and else of what is outside, cannot wrap around.
        most = (20_000 if unit == "Y" else 240_000) // many + 1
        numbers = ats.view("i8").clip(-most, most) * many
        ats = numpy.where(numpy.isnat(ats), ats.view("i8"), numbers).view(f"M8[{unit}]").astype("M8[D]")
        unit, many = "D", 1
    if unit not in UNITS:
        raise ValueError(f"ats must have a unit of time, not {ats.dtype}")
    up, down = UNITS[unit]
    up, down = up * many // gcd(many, down), down // gcd(many, down)
    if (up > 1 and down > 1) or up > LAST:
        # Nobody has such arrays: Python's integers, which cannot wrap around, are fast enough.
        bounded = []
        for number in ats.view("i8").tolist():
            bounded.append(max(-LAST, min(-(-number * up // down), LAST)))
        ats = numpy.where(numpy.isnat(ats), ats.view("i8"), numpy.array(bounded, "i8")).view("M8[us]")
        up = down = 1
    set_unit(meaning, up, down)
    return ats


cdef bytes read_pandas(object ats, Kind *kind):
    """A Series or an Index: its numbers as they lie in NumPy or Arrow. Without a zone its elements are naive."""
    dtype = ats.dtype
    aware = is_a(dtype, "pandas", "DatetimeTZDtype")
    if aware or is_a(dtype, "numpy", "dtype"):
        # In UTC without a zone they are as they lie there.
        deadlines = read_numpy(ats.array.tz_convert(None).to_numpy() if aware else ats.to_numpy(), kind)
        if kind[0] == AWARE and not aware:
            kind[0] = NAIVE
        return deadlines
    if is_a(dtype, "pandas", "ArrowDtype"):
        return read_arrow(export(ats.array.__arrow_array__(), "ats"), kind)
    # Int64, Float32 and the like: numbers beside a mask.
    numbers = getattr(dtype, "numpy_dtype", None)
    if numbers is None:
        return None
    missing = ats.array.isna()
    if missing.any():
        raise refusal(missing.argmax(), "is null")
    return read_numpy(ats.to_numpy(numbers), kind)


# ---- Arrow

cdef bytes read_arrow(Export exported, Kind *kind):
    if exported is None:
        return None
    cdef Schema *schema = exported.column_schema()
    cdef Meaning meaning = meaning_of(schema)
    cdef Column column
    cdef int64_t before = 0
    cdef int64_t first
    cdef list parts = []
    cdef bint more = exported.begin()
    while more:
        column = exported.column()
        first = 0 if meaning.form == b"n" else first_null(&column)
        if first < column.length:
            raise refusal(before + first, "is null")
        if column.length:
            exported.need(column.array, 2)
            parts.append(to_deadlines(column.array.buffers[1], column.start, column.length, before, &meaning))
        before += column.length
        more = exported.advance()
    kind[0] = meaning.kind
    return parts[0] if len(parts) == 1 else b"".join(parts)


cdef Meaning meaning_of(Schema *schema) except *:
    """What an Arrow format says of the numbers. A date is midnight, naive."""
    cdef const char *format = schema.format
    cdef Meaning meaning = Meaning(NAIVE, b"l", False, 0, 0, 1, 1)
    cdef int64_t unit = -1
    if schema.dictionary is not NULL or is_extension(schema.metadata):
        pass
    elif strncmp(format, b"ts", 2) == 0 and format[2] and format[3] == b":":
        unit = b"smun".find(<unsigned char>format[2])
        if format[4]:
            meaning.kind = AWARE
    elif strcmp(format, b"tdD") == 0:
        meaning.form = b"i"
        set_unit(&meaning, DAY, 1)
        return meaning
    elif strcmp(format, b"tdm") == 0:
        unit = 1
    elif format[0] and not format[1] and format[0] in b"cCsSiIlLefgn":
        meaning.form = format[0]
        meaning.kind = FLOAT if format[0] in b"efg" else INT
        return meaning
    if unit < 0:
        raise TypeError(f"ats must hold times, not {describe(schema)}")
    set_unit(&meaning, (1_000_000, 1000, 1, 1)[unit], 1000 if unit == 3 else 1)
    return meaning


# ---- what the notifier calls

cdef bytes read_times(object ats, Kind *kind):
    if type(ats) is list or type(ats) is tuple:
        return None
    if is_a(ats, "numpy", "ndarray"):
        return read_numpy(ats, kind)
    if is_a(ats, "pandas", "Series") or is_a(ats, "pandas", "Index"):
        return read_pandas(ats, kind)
    return read_arrow(export(without_index(ats), "ats"), kind)


cdef list read_tokens(object tokens):
    cdef Export exported
    cdef list words = None
    if type(tokens) is list or type(tokens) is tuple:
        return None
    if is_a(tokens, "numpy", "ndarray"):
        return numpy_tokens(tokens)
    if is_a(tokens, "pandas", "Series") or is_a(tokens, "pandas", "Index"):
        dtype = tokens.dtype
        if not (is_a(dtype, "pandas", "StringDtype") or is_a(dtype, "pandas", "ArrowDtype")):
            return pandas_tokens(tokens)
        # Strings may also lie in NumPy's memory, and PyArrow not be there.
        to_arrow = getattr(tokens.array, "__arrow_array__", None) if "pyarrow" in sys.modules else None
        if to_arrow is None:
            return pandas_tokens(tokens)
        tokens = to_arrow()
    exported = export(without_index(tokens), "tokens")
    if exported is None:
        return None
    is_one = is_column(tokens)
    # A table of one column is that; the elements of a column of records are dicts.
    if not (exported.is_struct() and is_one):
        words = read_words(exported)
    if words is not None:
        return words
    to_list = getattr(tokens, "to_pylist", None)
    if not is_one and (exported.is_struct() or (exported.chunked and to_list is None)):
        # What these give for themselves are columns or chunks.
        raise TypeError("tokens must be a list or an array of them, not a table or a stream of "
                        + describe(exported.column_schema()))
    return None if to_list is None else own_list(to_list())


cdef list numpy_tokens(object tokens):
    """None: as its iterator gives them. Times and records keep their types: as plain objects some would be numbers."""
    if not tokens.ndim:
        raise ValueError("tokens must have one dimension, not 0")
    if tokens.ndim != 1:
        return None
    if tokens.dtype.kind in "OSTUbiufc":
        return own_list(tokens.tolist())
    if not is_a(tokens, "numpy.ma", "MaskedArray"):
        return None
    masked = sys.modules["numpy.ma"].masked
    cdef list held = list(tokens)
    cdef Py_ssize_t index
    for index in range(len(held)):
        if held[index] is masked:
            held[index] = None
    return held


cdef list pandas_tokens(object tokens):
    """What is missing is None where the type knows such: NumPy's own know none, and NaN is a number there."""
    dtype = tokens.dtype
    if (is_a(dtype, "pandas", "StringDtype") or is_a(dtype, "pandas", "CategoricalDtype")
            or getattr(dtype, "na_value", None) is getattr(sys.modules["pandas"], "NA", 0)):
        return own_list(tokens.to_numpy(object, na_value=None).tolist())
    return own_list(tokens.tolist())


cdef object without_index(object source):
    """pandas exports the index of a DataFrame as a column more, but for one that only counts."""
    return source.reset_index(drop=True) if is_a(source, "pandas", "DataFrame") else source


cdef bint is_column(object source) except -1:
    """Of what exports Arrow, whether it is an array and no table."""
    return (hasattr(source, "dtype") or hasattr(source, "type")) and not hasattr(source, "columns")


cdef list own_list(object held):
    """A list that nobody can change meanwhile, be it somebody else's now."""
    return list(held)
