"""The room of Arrow. See arrow.pxd for what it promises."""

cimport cython
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset, strcmp, strncmp

ctypedef fused Released:
    Schema
    Array
    Stream


cdef void let_go(Released *struct) noexcept:
    """Call the release callback of a struct, once."""
    if struct.release is not NULL:
        with nogil:
            struct.release(struct)
        struct.release = NULL


@cython.final
cdef class Export:
    """What an exporter handed over, until it is released. The structs are moved out of their capsules."""

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

    cdef bint begin(self) except -1:
        return not self.chunked or self.advance()

    cdef bint advance(self) except -1:
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

    cdef bint is_struct(self) noexcept:
        return self.schema.format is not NULL and strcmp(self.schema.format, b"+s") == 0

    cdef Schema *column_schema(self) except NULL:
        cdef Schema *schema = &self.schema
        if schema.release is NULL or schema.format is NULL:
            raise self.broken("has no schema")
        if self.is_struct() and schema.dictionary is NULL:
            if schema.n_children != 1:
                raise ValueError(f"{self.name} must be one column, not {schema.n_children}")
            if schema.children is NULL or schema.children[0] is NULL or schema.children[0].format is NULL:
                raise self.broken("has no schema")
            schema = schema.children[0]
        return schema

    cdef Column column(self) except *:
        cdef Column column = Column(&self.array, self.array.length, self.array.offset, 0, NULL, NULL)
        self.check(&self.array)
        if self.is_struct():
            if self.array.n_children != 1 or self.array.children is NULL or self.array.children[0] is NULL:
                raise self.broken("has an array without the child of its schema")
            column.array = self.array.children[0]
            self.check(column.array)
            if column.array.length < self.array.offset + self.array.length:
                raise self.broken("has a child that is shorter than its parent")
            column.outer = self.bitmap(&self.array)
            column.outer_start = self.array.offset
            column.start += column.array.offset
        # Nothing but nulls need not say so; some exporters have a buffer there all the same.
        if column.length and strcmp(self.column_schema().format, b"n"):
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
        if array.n_buffers < buffers or array.buffers is NULL or array.buffers[1] is NULL:
            raise self.broken("lacks a buffer")
        return 0


cdef Export export(object source, str name):
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


# ---- nulls

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


cdef int64_t first_null(Column *column) noexcept nogil:
    return min(first_clear(column.outer, column.outer_start, column.length),
               first_clear(column.inner, column.start, column.length))


# ---- formats

cdef str describe(Schema *schema):
    name = (<bytes>schema.format).decode("utf-8", "replace")
    if schema.dictionary is not NULL:
        return f"a dictionary-encoded Arrow column (of indices {name!r})"
    if name == "+r":
        return "a run-end-encoded Arrow column"
    return f"an Arrow column of {'an extension of ' * is_extension(schema.metadata)}the format {name!r}"


cdef bint is_extension(const char *metadata) noexcept:
    """Whether there is a key that says so: pairs of strings, each with its length before."""
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


# ---- strings and numbers

cdef list read_words(Export export):
    cdef Schema *schema = export.column_schema()
    cdef char form = word_form(schema if schema.dictionary is NULL else schema.dictionary)
    cdef Column column, words, word
    cdef int64_t index, place
    cdef list tokens = []
    cdef list known
    cdef dict found
    cdef bint whole
    if not form or (
        schema.dictionary is not NULL
        and (word_form(schema) not in b"cCsSiIlL" or schema.dictionary.dictionary is not NULL)
    ):
        return None
    cdef bint more = export.begin()
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
            # A slice has the dictionary of the whole: where that is longer, only what is asked for becomes strings.
            known = []
            found = {}
            whole = words.length <= column.length
            if whole:
                add_words(export, form, &words, known)
            for index in range(column.length):
                if is_null(&column, index):
                    tokens.append(None)
                    continue
                place = integer_at(schema.format[0], column.array.buffers[1], column.start + index)
                if not 0 <= place < words.length:
                    raise export.broken(f"has an index beyond its dictionary at {len(tokens)}")
                if not whole and place not in found:
                    word = words
                    word.start += place
                    word.length = 1
                    found[place] = len(known)
                    add_words(export, form, &word, known)
                tokens.append(known[place if whole else found[place]])
        more = export.advance()
    return tokens


cdef char word_form(Schema *schema) noexcept:
    """The letter of a format that tokens can have, or 0; 'v' is a view of UTF-8."""
    cdef const char *format = schema.format
    if is_extension(schema.metadata) or format is NULL or not format[0]:
        return 0
    if strcmp(format, b"vu") == 0:
        return b"v"
    return format[0] if not format[1] and format[0] in b"cCsSiIlLefgbuUn" else 0


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
        elif form == b"b":
            tokens.append(first_clear(<const uint8_t *>column.array.buffers[1], column.start + index, 1) != 0)
        elif form in b"efg":
            tokens.append(float_at(form, column.array.buffers[1], column.start + index))
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
