# cython: language_level=3
"""An exporter of Arrow whose callbacks need no memory of Python's, so that they work while its allocations fail.

Every struct that it hands over holds a reference to `watched`, which its release callback gives back: who counts them
sees whether each was released, and once. Compiled by `tests/window.py`.
"""

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EIO
from libc.stdlib cimport calloc, free

from timers.arrow cimport Array, Schema, Stream


cdef class Column:
    """Exports a stream as often as it is asked for. A chunk is (length, nulls, buffers), these bytes or None.

    `words`, a chunk of strings, is the dictionary of each. In place of a chunk an error may stand: None.
    """

    cdef object watched
    cdef bytes format
    cdef list chunks
    cdef tuple words
    cdef Py_ssize_t turn

    def __init__(self, watched, format, chunks, words=None):
        self.watched, self.format, self.chunks, self.words = watched, format.encode(), chunks, words

    def __arrow_c_stream__(self, requested_schema=None):
        cdef Stream *stream = <Stream *>calloc(1, sizeof(Stream))
        try:
            capsule = PyCapsule_New(stream, b"arrow_array_stream", drop_capsule)
        except MemoryError:
            free(stream)
            raise
        self.turn = 0
        stream.private_data = <void *>self
        Py_INCREF(self)
        Py_INCREF(self.watched)
        stream.get_schema, stream.get_next, stream.get_last_error = get_schema, get_next, get_last_error
        stream.release = release_stream
        return capsule


cdef void drop_capsule(object capsule) noexcept:
    cdef Stream *stream = <Stream *>PyCapsule_GetPointer(capsule, b"arrow_array_stream")
    if stream.release is not NULL:
        stream.release(stream)
    free(stream)


cdef void release_stream(Stream *stream) noexcept with gil:
    column = <Column>stream.private_data
    stream.release = NULL
    Py_DECREF(column.watched)
    Py_DECREF(column)


cdef const char *get_last_error(Stream *stream) noexcept nogil:
    return b"the disk is gone"


cdef void fill_schema(Column column, Schema *schema, const char *format) noexcept:
    schema.format = format
    schema.private_data = <void *>column.watched
    Py_INCREF(column.watched)
    schema.release = release_schema


cdef int get_schema(Stream *stream, Schema *schema) noexcept with gil:
    column = <Column>stream.private_data
    fill_schema(column, schema, PyBytes_AS_STRING(column.format))
    if column.words is not None:
        schema.dictionary = <Schema *>calloc(1, sizeof(Schema))
        fill_schema(column, schema.dictionary, b"u")
    return 0


cdef void release_schema(Schema *schema) noexcept with gil:
    if schema.dictionary is not NULL:
        schema.dictionary.release(schema.dictionary)
        free(schema.dictionary)
    schema.release = NULL
    Py_DECREF(<object>schema.private_data)


cdef void fill_array(Column column, Array *array, tuple chunk) noexcept:
    cdef tuple buffers = <tuple>chunk[2]
    cdef Py_ssize_t index
    array.length, array.null_count, array.n_buffers = chunk[0], chunk[1], len(buffers)
    array.buffers = <const char **>calloc(len(buffers), sizeof(char *))
    for index in range(len(buffers)):
        if buffers[index] is not None:
            array.buffers[index] = PyBytes_AS_STRING(<bytes>buffers[index])
    array.private_data = <void *>column.watched
    Py_INCREF(column.watched)
    array.release = release_array


cdef int get_next(Stream *stream, Array *array) noexcept with gil:
    column = <Column>stream.private_data
    if column.turn == len(column.chunks):
        array.release = NULL
        return 0
    chunk = column.chunks[column.turn]
    column.turn += 1
    if chunk is None:
        return EIO
    fill_array(column, array, <tuple>chunk)
    if column.words is not None:
        array.dictionary = <Array *>calloc(1, sizeof(Array))
        fill_array(column, array.dictionary, column.words)
    return 0


cdef void release_array(Array *array) noexcept with gil:
    if array.dictionary is not NULL:
        array.dictionary.release(array.dictionary)
        free(array.dictionary)
    free(array.buffers)
    array.release = NULL
    Py_DECREF(<object>array.private_data)
