"""Exporters of Arrow made by hand, of structs as the specification lays them out: good ones and broken ones.

What the callbacks do is in Python, and counted: every struct has to be released exactly once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, pointer
from typing import Any, Callable, Optional


class Schema(Structure):
    pass


class Array(Structure):
    pass


class Stream(Structure):
    pass


Schema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_char_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(POINTER(Schema))),
    ("dictionary", POINTER(Schema)),
    ("release", c_void_p),
    ("private_data", c_void_p),
]
Array._fields_ = [
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(Array))),
    ("dictionary", POINTER(Array)),
    ("release", c_void_p),
    ("private_data", c_void_p),
]
Stream._fields_ = [
    ("get_schema", c_void_p),
    ("get_next", c_void_p),
    ("get_last_error", c_void_p),
    ("release", c_void_p),
    ("private_data", c_void_p),
]

RELEASE = CFUNCTYPE(None, c_void_p)
GET = CFUNCTYPE(c_int, c_void_p, c_void_p)
LAST_ERROR = CFUNCTYPE(c_void_p, c_void_p)
new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [c_void_p, c_char_p, c_void_p]


def address(function: Any) -> Optional[int]:
    return ctypes.cast(function, c_void_p).value


class Exporter:
    """Structs, kept alive, and how often each was released. `releases` of a good reader are all 1."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.releases: dict[str, int] = {}

    def keep(self, thing: Any) -> Any:
        self.kept.append(thing)
        if isinstance(thing, Structure):
            # Whoever has one of the structs has all that it needs.
            thing.exporter = self
        return thing

    def _release(self, kind: type[Structure], name: str) -> Optional[int]:
        name = f"{name} {len(self.releases)}"
        self.releases[name] = 0

        def release(struct: int) -> None:
            self.releases[name] += 1
            kind.from_address(struct).release = None

        return address(self.keep(RELEASE(release)))

    def schema(self, format: Optional[str], children: Sequence[Any] = (), **fields: Any) -> Any:
        schema = self.keep(Schema())
        schema.format = None if format is None else format.encode()
        schema.n_children = len(children)
        schema.children = self.keep((POINTER(Schema) * len(children))(*map(pointer, children)))
        schema.release = self._release(Schema, "schema")
        for name, value in fields.items():
            setattr(schema, name, value)
        return schema

    def array(
        self,
        length: int,
        buffers: Sequence[Optional[bytes]] = (),
        children: Sequence[Any] = (),
        null_count: int = 0,
        offset: int = 0,
        **fields: Any,
    ) -> Any:
        array = self.keep(Array())
        array.length, array.null_count, array.offset = length, null_count, offset
        array.n_buffers, array.n_children = len(buffers), len(children)
        # No byte more than there is: a sanitizer sees what is read beyond.
        places = [
            None if data is None else address(self.keep((ctypes.c_char * len(data)).from_buffer_copy(data)))
            for data in buffers
        ]
        array.buffers = self.keep((c_void_p * len(buffers))(*places))
        array.children = self.keep((POINTER(Array) * len(children))(*map(pointer, children)))
        array.release = self._release(Array, "array")
        for name, value in fields.items():
            setattr(array, name, value)
        return array

    def stream(
        self, schema: Any, arrays: Iterable[Any], error: Optional[bytes] = b"the disk is gone", schema_code: int = 0
    ) -> Any:
        """A stream of arrays; a number among them is what `get_next` answers."""
        stream = self.keep(Stream())
        coming = iter(arrays)

        def get_schema(_: int, out: int) -> int:
            if schema is not None:
                ctypes.memmove(out, byref(schema), ctypes.sizeof(Schema))
            return schema_code

        def get_next(_: int, out: int) -> int:
            array = next(coming, None)
            if isinstance(array, int):
                return array
            if array is None:
                Array.from_address(out).release = None
            else:
                ctypes.memmove(out, byref(array), ctypes.sizeof(Array))
            return 0

        words = self.keep(ctypes.create_string_buffer(error)) if error is not None else None
        stream.get_schema = address(self.keep(GET(get_schema)))
        stream.get_next = address(self.keep(GET(get_next)))
        stream.get_last_error = address(self.keep(LAST_ERROR(lambda _: words and ctypes.addressof(words))))
        stream.release = self._release(Stream, "stream")
        return stream


class OfArray:
    def __init__(self, schema: Any, array: Any, names: tuple[bytes, bytes] = (b"arrow_schema", b"arrow_array")) -> None:
        self.structs, self.names = (schema, array), names

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[Any, ...]:
        return tuple(new_capsule(ctypes.addressof(at), name, None) for at, name in zip(self.structs, self.names))


class OfStream:
    def __init__(self, stream: Any, name: bytes = b"arrow_array_stream") -> None:
        self.struct, self.name = stream, name

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        return new_capsule(ctypes.addressof(self.struct), self.name, None)


class Answering:
    """Its export answers anything, or raises it."""

    def __init__(self, method: str, answer: Any) -> None:
        def export() -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.__dict__[method] = export


Make = Callable[[Exporter], Any]
