#!/usr/bin/env bash
# Polars 2.1.0 (PyPI), CPython 3.11; the layouts are https://arrow.apache.org/docs/format/Columnar.html (table "Buffer
# Listing for Each Layout") and https://arrow.apache.org/docs/format/CDataInterface.html (`n_buffers`).
#
# A column of nothing but nulls has Arrow's null layout (format "n"), which has no buffers at all: a reader of the C
# data interface expects n_buffers == 0, as PyArrow exports it. Polars exports one buffer, whose address is NULL, and
# counts the nulls. Read like that of any other layout, its first buffer is the validity bitmap, and a missing one says
# that nothing is null. Seen: "polars: format n, 3 of 3 null, 1 buffer, NULL" beside "pyarrow: format n, 3 of 3 null, 0
# buffers".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet polars==2.1.0 pyarrow==25.0.1
cat > "$folder/buffers.py" <<'PY'
import ctypes

import polars
import pyarrow

POINTER = ctypes.c_void_p


class Schema(ctypes.Structure):
    _fields_ = [("format", ctypes.c_char_p)]


class Array(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("length", "null_count", "offset", "n_buffers", "n_children")]
    _fields_ += [("buffers", ctypes.POINTER(POINTER))]


class Stream(ctypes.Structure):
    _fields_ = [
        ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, POINTER, POINTER)),
        ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, POINTER, POINTER)),
    ]


pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
pointer_of.restype, pointer_of.argtypes = POINTER, [ctypes.py_object, ctypes.c_char_p]

for name, column in (("polars", polars.Series([None] * 3)), ("pyarrow", pyarrow.chunked_array([[None] * 3]))):
    capsule = column.__arrow_c_stream__()
    address = pointer_of(capsule, b"arrow_array_stream")
    stream = Stream.from_address(address)
    # Room for the whole structs, of which only the beginnings are read.
    schema, array = ctypes.create_string_buffer(256), ctypes.create_string_buffer(256)
    assert not stream.get_schema(address, ctypes.addressof(schema))
    assert not stream.get_next(address, ctypes.addressof(array))
    said, held = Schema.from_buffer(schema), Array.from_buffer(array)
    nulls = f", {held.null_count} of {held.length} null"
    first = ", NULL" if held.n_buffers and not held.buffers[0] else ""
    plural = "" if held.n_buffers == 1 else "s"
    print(f"{name}: format {said.format.decode()}{nulls}, {held.n_buffers} buffer{plural}{first}")
PY
seen=$("$folder/venv/bin/python" "$folder/buffers.py")
echo "$seen"
grep -qx "polars: format n, 3 of 3 null, 1 buffer, NULL" <<< "$seen"
grep -qx "pyarrow: format n, 3 of 3 null, 0 buffers" <<< "$seen"
