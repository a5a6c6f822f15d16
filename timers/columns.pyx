"""The room of columns: times and tokens as they lie in the memory of NumPy, pandas, and all that exports Arrow.

It knows nothing of notifiers: times become deadlines (see times.pxd), tokens a list. No library is imported: a column
can only come from someone who has it.

Arrow is read from the C structs of its data and stream interfaces, chunk by chunk. What an exporter says is not
believed where it can be checked, but the structs tell no size of a buffer: that one holds what its array claims has to
be taken on trust. The callbacks run without the GIL, since threads of the exporter may wait for it.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.datetime cimport import_datetime
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport INT64_MAX, INT64_MIN, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset, strcmp, strncmp

from timers.times cimport AWARE, DAY, EPOCH, FIRST, FLOAT, INT, LAST, NAIVE, Kind, fold_float, fold_int, pack

import sys
from math import gcd

import_datetime()

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
        const void **buffers;
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
        const char *metadata
        int64_t n_children
        Schema **children
        Schema *dictionary
        void (*release)(Schema *) noexcept nogil
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
    ctypedef struct Stream "timers_Stream":
        int (*get_schema)(Stream *, Schema *) noexcept nogil
        int (*get_next)(Stream *, Array *) noexcept nogil
        const char *(*get_last_error)(Stream *) noexcept nogil
        void (*release)(Stream *) noexcept nogil

ctypedef fused Released:
    Schema
    Array
    Stream

cdef struct Meaning:
    # What the numbers of a column are.
    Kind kind
    char form               # the letter of a primitive type of Arrow; 'n' for nothing but nulls
    bint nat                # the least number is NaT
    int64_t low, high       # between these lies the calendar
    int64_t up, down        # microseconds a number as a fraction, of which one part is 1

cdef struct Column:
    # One chunk. Its element i is the number `start + i` of the array, and is there if the bit is set in both bitmaps.
    Array *array
    int64_t length, start, outer_start
    const uint8_t *outer
    const uint8_t *inner


# ---- numbers become deadlines

cdef object refusal(int64_t index, str what):
    return ValueError(f"ats[{index}] {what}")


cdef inline int64_t integer_at(char form, const char *data, int64_t index) noexcept nogil:
    """An integer of any width, aligned or not."""
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


cdef inline double float_at(char form, const char *data, int64_t index) noexcept nogil:
    cdef double number = 0
    cdef float single = 0
    if form == b"g":
        memcpy(&number, data + index * 8, 8)
        return number
    memcpy(&single, data + index * 4, 4)
    return single


cdef void set_unit(Meaning *meaning, int64_t up, int64_t down) noexcept:
    """The microseconds of a number of 64 bits as a fraction, of which one part is 1."""
    meaning.up = up
    meaning.down = down
    # Fractions of a microsecond do not reach beyond the calendar.
    meaning.low = -((EPOCH - FIRST) // up) if down == 1 else INT64_MIN + meaning.nat
    meaning.high = (LAST - EPOCH) // up if down == 1 else INT64_MAX


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
    dtype = ats.dtype
    letter = dtype.kind
    if type(ats) is not numpy.ndarray and ats.ndim == 1:
        mask = getattr(ats, "mask", False)
        if numpy.any(mask):
            raise refusal(numpy.argmax(mask), "is masked")
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
        return to_deadlines(<const char *>view.buf, 0, view.len // 8, 0, &meaning)
    finally:
        PyBuffer_Release(&view)


cdef object to_unit(object numpy, object ats, Meaning *meaning):
    """A datetime64 array in native order, and in a unit that the meaning then has."""
    ats = numpy.asarray(ats, ats.dtype.newbyteorder("="))
    unit, many = numpy.datetime_data(ats.dtype)
    if unit == "Y" or unit == "M":
        # Days of what is not far outside the calendar, and else of what is just outside, cannot wrap around.
        ats = ats.clip(*numpy.array(["-0400", "10400"], "M8[Y]").astype(ats.dtype)).astype("M8[D]")
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
    for name in ("ArrowDtype", "Int64Dtype", "Float64Dtype"):
        if is_a(dtype, "pandas", name):
            return read_arrow(export(ats.array.__arrow_array__(), "ats"), kind)
    return None


# ---- Arrow

cdef void let_go(Released *struct) noexcept:
    """Call the release callback of a struct, once."""
    if struct.release is not NULL:
        with nogil:
            struct.release(struct)
        struct.release = NULL


@cython.final
cdef class Export:
    """What an exporter handed over, until it is released. The structs are moved out of their capsules."""

    cdef str name
    cdef Stream stream
    cdef Schema schema
    cdef Array array
    cdef bint chunked       # more arrays come from the stream

    def __dealloc__(self):
        let_go(&self.array)
        let_go(&self.schema)
        let_go(&self.stream)

    cdef object broken(self, str how):
        return ValueError(f"the Arrow column {self.name} {how}")

    cdef object failed(self, int code):
        """The error of a stream, in its own words."""
        cdef const char *words = NULL
        if self.stream.get_last_error is not NULL:
            with nogil:
                words = self.stream.get_last_error(&self.stream)
        said = f"error {code}" if words is NULL else (<bytes>words).decode("utf-8", "replace")
        return RuntimeError(f"the Arrow stream of {self.name} failed: {said}")

    cdef int move(self, object capsule, const char *label, void *into, size_t size) except -1:
        if not PyCapsule_IsValid(capsule, label):
            raise TypeError(f"{self.name} must export an Arrow capsule named {label.decode()}, not {capsule!r}")
        memcpy(into, PyCapsule_GetPointer(capsule, label), size)
        return 0

    cdef int open_stream(self, object capsule) except -1:
        cdef int code
        self.move(capsule, b"arrow_array_stream", &self.stream, sizeof(Stream))
        (<Stream *>PyCapsule_GetPointer(capsule, b"arrow_array_stream")).release = NULL
        if self.stream.release is NULL or self.stream.get_schema is NULL or self.stream.get_next is NULL:
            raise self.broken("has been released already")
        with nogil:
            code = self.stream.get_schema(&self.stream, &self.schema)
        if code:
            self.schema.release = NULL
            raise self.failed(code)
        self.chunked = True
        return 0

    cdef int open_array(self, object pair) except -1:
        if type(pair) is not tuple or len(<tuple>pair) != 2:
            raise TypeError(f"{self.name}.__arrow_c_array__() must answer two capsules, not {pair!r}")
        schema, array = <tuple>pair
        self.move(schema, b"arrow_schema", &self.schema, sizeof(Schema))
        (<Schema *>PyCapsule_GetPointer(schema, b"arrow_schema")).release = NULL
        self.move(array, b"arrow_array", &self.array, sizeof(Array))
        (<Array *>PyCapsule_GetPointer(array, b"arrow_array")).release = NULL
        if self.array.release is NULL:
            raise self.broken("has been released already")
        return 0

    cdef bint advance(self) except -1:
        """Get the next chunk, if there is one."""
        cdef int code
        let_go(&self.array)
        if not self.chunked:
            return False
        memset(&self.array, 0, sizeof(Array))
        with nogil:
            code = self.stream.get_next(&self.stream, &self.array)
        if code:
            self.array.release = NULL
            raise self.failed(code)
        return self.array.release is not NULL

    cdef Schema *column_schema(self) except NULL:
        """The schema of the one column, be it within a struct."""
        cdef Schema *schema = &self.schema
        if schema.release is NULL or schema.format is NULL:
            raise self.broken("has no schema")
        if strcmp(schema.format, b"+s") == 0 and schema.dictionary is NULL:
            if schema.n_children != 1:
                raise ValueError(f"{self.name} must be one column, not {schema.n_children}")
            if schema.children is NULL or schema.children[0] is NULL or schema.children[0].format is NULL:
                raise self.broken("has no schema")
            schema = schema.children[0]
        return schema

    cdef Column column(self) except *:
        """The chunk at hand."""
        cdef Column column = Column(&self.array, self.array.length, self.array.offset, 0, NULL, NULL)
        self.check(&self.array)
        if strcmp(self.schema.format, b"+s") == 0:
            if self.array.n_children != 1 or self.array.children is NULL or self.array.children[0] is NULL:
                raise self.broken("has an array without the child of its schema")
            column.array = self.array.children[0]
            self.check(column.array)
            if column.array.length < self.array.offset + self.array.length:
                raise self.broken("has a child that is shorter than its parent")
            column.outer = self.bitmap(&self.array)
            column.outer_start = self.array.offset
            column.start += column.array.offset
        if column.length:
            column.inner = self.bitmap(column.array)
        return column

    cdef int check(self, Array *array) except -1:
        if array.release is NULL:
            raise self.broken("has an array that has been released")
        if not (0 <= array.offset <= INT64_MAX // 32 and 0 <= array.length <= INT64_MAX // 32):
            raise self.broken(f"has an impossible length or offset: {array.length}, {array.offset}")
        if not -1 <= array.null_count <= array.length:
            raise self.broken(f"counts {array.null_count} nulls in {array.length}")
        return 0

    cdef const uint8_t *bitmap(self, Array *array) except? NULL:
        """Which elements are there; NULL if all are."""
        cdef const uint8_t *bits = NULL
        if array.n_buffers > 0 and array.buffers is not NULL:
            bits = <const uint8_t *>array.buffers[0]
        if bits is NULL and array.null_count > 0 and array.n_buffers:
            raise self.broken("has nulls and no validity bitmap")
        return bits

    cdef int need(self, Array *array, int64_t buffers) except -1:
        """There are as many buffers as the format has, and the second one, which holds the elements, is there."""
        if array.n_buffers < buffers or array.buffers is NULL or array.buffers[1] is NULL:
            raise self.broken("lacks a buffer")
        return 0


cdef Export export(object source, str name):
    """The Arrow column of an object, or None if it exports none."""
    stream = getattr(source, "__arrow_c_stream__", None)
    array = getattr(source, "__arrow_c_array__", None) if stream is None else None
    if stream is None and array is None or isinstance(source, type):
        return None
    cdef Export export = Export.__new__(Export)
    export.name = name
    if stream is not None:
        export.open_stream(stream())
    else:
        export.open_array(array())
    return export


cdef inline int64_t first_clear(const uint8_t *bits, int64_t start, int64_t count) noexcept nogil:
    """How many bits are set before the first one that is not."""
    cdef int64_t index = 0
    cdef int64_t place
    if bits is NULL:
        return count
    while index < count:
        place = start + index
        if not place & 7 and count - index >= 8 and bits[place >> 3] == 255:
            index += 8
        elif bits[place >> 3] >> (place & 7) & 1:
            index += 1
        else:
            return index
    return count


cdef inline bint is_null(Column *column, int64_t index) noexcept nogil:
    return (first_clear(column.outer, column.outer_start + index, 1) == 0
            or first_clear(column.inner, column.start + index, 1) == 0)


cdef bytes read_arrow(Export export, Kind *kind):
    cdef Schema *schema = export.column_schema()
    cdef Meaning meaning = meaning_of(schema)
    cdef Column column
    cdef int64_t before = 0
    cdef int64_t first
    cdef list parts = []
    cdef bint more = not export.chunked or export.advance()
    while more:
        column = export.column()
        first = min(first_clear(column.outer, column.outer_start, column.length),
                    first_clear(column.inner, column.start, column.length))
        if meaning.form == b"n":
            first = 0
        if first < column.length:
            raise refusal(before + first, "is null")
        if column.length:
            export.need(column.array, 2)
            parts.append(to_deadlines(column.array.buffers[1], column.start, column.length, before, &meaning))
        before += column.length
        more = export.advance()
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
    elif format[0] and not format[1] and format[0] in b"cCsSiIlLfgn":
        meaning.form = format[0]
        meaning.kind = FLOAT if format[0] in b"fg" else INT
        return meaning
    if unit < 0:
        raise TypeError(f"ats must hold times, not {describe(schema)}")
    set_unit(&meaning, (1_000_000, 1000, 1, 1)[unit], 1000 if unit == 3 else 1)
    return meaning


cdef str describe(Schema *schema):
    name = (<bytes>schema.format).decode("utf-8", "replace")
    if schema.dictionary is not NULL:
        return f"a dictionary-encoded Arrow column (of indices {name!r})"
    if name == "+r":
        return "a run-end-encoded Arrow column"
    return f"an Arrow column of {'an extension of ' * is_extension(schema.metadata)}the format {name!r}"


cdef bint is_extension(const char *metadata) noexcept:
    """Whether there is a key that gives the numbers another meaning: pairs of strings, each with its length before."""
    cdef const char *key = b"ARROW:extension:name"
    cdef int32_t pairs = 0
    cdef int32_t size
    if metadata is not NULL:
        memcpy(&pairs, metadata, 4)
        metadata += 4
    while pairs > 0:
        memcpy(&size, metadata, 4)
        if size < 0:
            return False
        if size == 20 and strncmp(metadata + 4, key, 20) == 0:
            return True
        metadata += 4 + size
        memcpy(&size, metadata, 4)
        if size < 0:
            return False
        metadata += 4 + size
        pairs -= 1
    return False


# ---- tokens

cdef list read_words(Export export):
    """The strings or integers of an Arrow column, plain or encoded by a dictionary; None if it holds other things."""
    cdef Schema *schema = export.column_schema()
    cdef char form = word_form(schema if schema.dictionary is NULL else schema.dictionary)
    cdef Column column, words
    cdef int64_t index, place
    cdef list tokens = []
    cdef list known
    if not form or (schema.dictionary is not NULL and word_form(schema) not in b"cCsSiIlL"):
        return None
    cdef bint more = not export.chunked or export.advance()
    while more:
        column = export.column()
        if schema.dictionary is NULL:
            add_words(export, form, &column, tokens)
        elif column.length:
            export.need(column.array, 2)
            if column.array.dictionary is NULL:
                raise export.broken("has no dictionary")
            export.check(column.array.dictionary)
            words = Column(column.array.dictionary, column.array.dictionary.length, column.array.dictionary.offset,
                           0, NULL, export.bitmap(column.array.dictionary))
            known = []
            add_words(export, form, &words, known)
            for index in range(column.length):
                if is_null(&column, index):
                    tokens.append(None)
                    continue
                place = integer_at(schema.format[0], column.array.buffers[1], column.start + index)
                if not 0 <= place < words.length:
                    raise export.broken(f"has an index beyond its dictionary at {len(tokens)}")
                tokens.append(known[place])
        more = export.advance()
    return tokens


cdef char word_form(Schema *schema) noexcept:
    """The letter of a format that tokens can have, or 0; 'v' is a view of UTF-8."""
    cdef const char *format = schema.format
    if is_extension(schema.metadata) or format is NULL or not format[0]:
        return 0
    if strcmp(format, b"vu") == 0:
        return b"v"
    return format[0] if not format[1] and format[0] in b"cCsSiIlLuUn" else 0


cdef int add_words(Export export, char form, Column *column, list tokens) except -1:
    cdef int64_t index, number
    cdef bint text = form == b"u" or form == b"U" or form == b"v"
    if column.length and form != b"n":
        # The third buffer of strings, with their characters, may be missing if they have none.
        export.need(column.array, 3 if text else 2)
    for index in range(column.length):
        if form == b"n" or is_null(column, index):
            tokens.append(None)
        elif text:
            tokens.append(word_at(export, form, column.array, column.start + index))
        else:
            number = integer_at(form, column.array.buffers[1], column.start + index)
            tokens.append(<uint64_t>number if form == b"L" else number)
    return 0


cdef str word_at(Export export, char form, Array *array, int64_t index):
    cdef const char *data = array.buffers[1]
    cdef int64_t begin, end, which, size
    if form == b"v":
        # A view: its size, and then either all of the string, or four bytes of it, a buffer's number, and where it is.
        data += 16 * index
        begin = 0
        end = integer_at(b"i", data, 0)
        if end <= 12:
            data += 4
        else:
            which = integer_at(b"i", data, 2)
            begin = integer_at(b"i", data, 3)
            end += begin
            if not 0 <= which < array.n_buffers - 3 or array.buffers[array.n_buffers - 1] is NULL:
                raise export.broken(f"has a string in a buffer that is not there, at {index}")
            size = integer_at(b"l", array.buffers[array.n_buffers - 1], which)
            if end > size:
                raise export.broken(f"has a string beyond its buffer, at {index}")
            data = array.buffers[2 + which]
    else:
        begin = integer_at(b"i" if form == b"u" else b"l", data, index)
        end = integer_at(b"i" if form == b"u" else b"l", data, index + 1)
        data = array.buffers[2]
    if begin < 0 or end < begin:
        raise export.broken(f"has a string of an impossible size, at {index}")
    if begin == end:
        return ""
    if data is NULL:
        raise export.broken("lacks a buffer")
    try:
        return PyUnicode_DecodeUTF8(data + begin, <Py_ssize_t>(end - begin), NULL)
    except UnicodeDecodeError as error:
        raise export.broken(f"has a string that is not UTF-8, at {index}") from error


# ---- what the notifier calls

cdef bytes read_times(object ats, Kind *kind):
    cdef Export exported
    if type(ats) is list or type(ats) is tuple:
        return None
    if is_a(ats, "numpy", "ndarray"):
        return read_numpy(ats, kind)
    if is_a(ats, "pandas", "Series") or is_a(ats, "pandas", "Index"):
        return read_pandas(ats, kind)
    exported = export(ats, "ats")
    return None if exported is None else read_arrow(exported, kind)


cdef list read_tokens(object tokens):
    cdef Export exported = None
    cdef list words = None
    if type(tokens) is list or type(tokens) is tuple:
        return None
    if is_a(tokens, "numpy", "ndarray"):
        # Times and records keep their types: as plain objects some would be mere numbers.
        return tokens.tolist() if tokens.ndim == 1 and tokens.dtype.kind in "OSTUbiufc" else None
    if is_a(tokens, "pandas", "Series") or is_a(tokens, "pandas", "Index"):
        dtype = tokens.dtype
        if is_a(dtype, "pandas", "StringDtype") or is_a(dtype, "pandas", "ArrowDtype"):
            # Strings may also lie in NumPy's memory, and PyArrow not be there.
            to_arrow = getattr(tokens.array, "__arrow_array__", None)
            if to_arrow is None or "pyarrow" not in sys.modules:
                return tokens.to_numpy(object, na_value=None).tolist()
            exported = export(to_arrow(), "tokens")
        else:
            return tokens.tolist()
    else:
        exported = export(tokens, "tokens")
    if exported is None:
        return None
    words = read_words(exported)
    to_list = getattr(tokens, "to_pylist", None) if words is None else None
    return words if to_list is None else to_list()
