"""The reader of Arrow, with exporters made by hand: good ones, broken ones, hostile ones. No library is needed."""

from __future__ import annotations

import ctypes
import math
import re
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Callable, cast

import pytest

from tests.columns import CLOCKS, INSTANTS, START, UTC, answers, refused
from tests.exporter import Answering, Array, Exporter, Make, OfArray, OfStream
from timers import MultiNotifier


def numbers(*values: float, kind: str = "q") -> bytes:
    return struct.pack(f"={len(values)}{kind}", *values)


MICROS = [(at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for at in INSTANTS[:3]]
GOOD = numbers(*MICROS)


def array_of(*arguments: Any, format: str = "tsu:UTC", **fields: Any) -> Make:
    return lambda e: OfArray(e.schema(format), e.array(*arguments, **fields))


def stream_of(arrays: Callable[[Exporter], list[Any]], format: str = "tsu:UTC", **fields: Any) -> Make:
    return lambda e: OfStream(e.stream(e.schema(format), arrays(e), **fields))


def in_struct(length: int, child: Make, **fields: Any) -> Make:
    return lambda e: OfArray(e.schema("+s", [e.schema("tsu:UTC")]), e.array(length, [None], [child(e)], **fields))


def without_children(exporter: Exporter, of_schema: bool) -> Any:
    schema = exporter.schema("+s", [exporter.schema("tsu:UTC")])
    array = exporter.array(3, [None], [exporter.array(3, [None, GOOD])])
    (schema if of_schema else array).children = None
    return OfArray(schema, array)


ACCEPTED: dict[str, Make] = {
    "array": array_of(3, [None, GOOD]),
    "offset": array_of(3, [None, numbers(9) + GOOD], offset=1),
    "unaligned": lambda e: OfArray(e.schema("tsu:UTC"), shifted(e)),
    "null count unknown": array_of(3, [b"\xff", GOOD], null_count=-1),
    "bits beyond": array_of(3, [b"\x0e", numbers(9) + GOOD], offset=1, null_count=0),
    "stream": stream_of(
        lambda e: [e.array(2, [None, GOOD[:16]]), e.array(0, [None, None]), e.array(1, [None, GOOD[16:]])]
    ),
    "no buffers of an empty one": stream_of(lambda e: [e.array(0, buffers=[], n_buffers=2), e.array(3, [None, GOOD])]),
    "struct": in_struct(3, child=lambda e: e.array(6, [None, numbers(1, 2) + GOOD + numbers(3)]), offset=2),
    "both offset": in_struct(3, child=lambda e: e.array(4, [None, numbers(1, 2) + GOOD], offset=1), offset=1),
}


def shifted(exporter: Exporter) -> Any:
    array = exporter.array(3, [None, b"\0" + GOOD])
    array.buffers[1] += 1
    return array


@pytest.mark.parametrize("form", ACCEPTED)
def test_a_good_exporter_is_read_and_released(form: str) -> None:
    exporter = Exporter()
    column = ACCEPTED[form](exporter)
    assert answers(column, "abc") == list(zip(INSTANTS, "abc"))
    counts = {name: count for name, count in exporter.releases.items() if count != 1}
    # A parent releases its children: no reader may.
    assert all(count == 0 for count in counts.values()) and len(counts) == (
        2 if "struct" in form or "both" in form else 0
    )


BROKEN: dict[str, tuple[Make, type[Exception], str]] = {
    "null": (array_of(3, [b"\x05", GOOD], null_count=1), ValueError, r"ats\[1\] is null"),
    "null, uncounted": (
        array_of(3, [b"\x0a", numbers(0) + GOOD], offset=1, null_count=-1),
        ValueError,
        r"ats\[1\] is null",
    ),
    "null in a later chunk": (
        stream_of(lambda e: [e.array(2, [None, GOOD]), e.array(1, [b"\x00", GOOD], null_count=1)]),
        ValueError,
        r"ats\[2\] is null",
    ),
    "null struct": (
        lambda e: OfArray(e.schema("+s", [e.schema("tsu:UTC")]), e.array(3, [b"\x03"], [e.array(3, [None, GOOD])], 1)),
        ValueError,
        r"ats\[2\] is null",
    ),
    "the first of eight and more": (
        array_of(20, [b"\xff\xff\x07", numbers(*MICROS[:1] * 20)], null_count=1),
        ValueError,
        r"ats\[19\] is null",
    ),
    "outside": (array_of(3, [None, numbers(0, 1, 2**60)]), ValueError, r"ats\[2\] lies outside"),
    "outside in a later chunk": (
        stream_of(lambda e: [e.array(1, [None, GOOD]), e.array(2, [None, numbers(0, 2**60)])]),
        ValueError,
        r"ats\[2\] lies",
    ),
    "an error at once": (stream_of(lambda e: [5]), RuntimeError, "the disk is gone"),
    "an error in the middle": (stream_of(lambda e: [e.array(3, [None, GOOD]), 5]), RuntimeError, "the disk is gone"),
    "an error without words": (stream_of(lambda e: [5], error=None), RuntimeError, "error 5"),
    "words that are no UTF-8": (stream_of(lambda e: [5], error=b"\xff!"), RuntimeError, "!"),
    "no schema": (lambda e: OfStream(e.stream(None, [])), ValueError, "schema"),
    "an error instead of a schema": (
        lambda e: OfStream(e.stream(None, [], schema_code=12)),
        RuntimeError,
        "the disk is gone",
    ),
    "no format": (lambda e: OfArray(e.schema(None), e.array(3, [None, GOOD])), ValueError, "schema"),
    "an empty format": (array_of(3, [None, GOOD], format=""), TypeError, "times"),
    **{
        f"format {text}": (array_of(3, [None, GOOD], format=text), TypeError, re.escape(repr(text)))
        for text in ("t", "ts", "tsu", "tsx:UTC", "tdx", "tiM", "tDu", "ttu", "u", "b", "w:8", "+l", "ll", "\x80")
    },
    "negative length": (array_of(-1, [None, GOOD]), ValueError, "length"),
    "negative offset": (array_of(3, [None, GOOD], offset=-1), ValueError, "offset"),
    "a length that wraps around": (array_of(2**63 - 1, [None, GOOD], offset=2), ValueError, "length"),
    "a length beyond memory": (array_of(2**57, [None, GOOD]), MemoryError, ""),
    "more nulls than elements": (array_of(3, [b"\xff", GOOD], null_count=4), ValueError, "nulls"),
    "nulls without a bitmap": (array_of(3, [None, GOOD], null_count=1), ValueError, "bitmap"),
    "no data": (array_of(3, [None, None]), ValueError, "buffer"),
    "one buffer": (array_of(3, [None]), ValueError, "buffer"),
    "no buffers": (array_of(3, [None, GOOD], n_buffers=0), ValueError, "buffer"),
    "no list of buffers": (
        lambda e: OfArray(e.schema("tsu:UTC"), gone(e)),
        ValueError,
        "buffer",
    ),
    "a child too short": (in_struct(3, child=lambda e: e.array(3, [None, GOOD]), offset=1), ValueError, "shorter"),
    "two children": (
        lambda e: OfArray(e.schema("+s", [e.schema("l"), e.schema("l")]), e.array(0, [None])),
        ValueError,
        "not 2",
    ),
    "no child": (lambda e: OfArray(e.schema("+s"), e.array(0, [None])), ValueError, "not 0"),
    "an array without child": (
        lambda e: OfArray(e.schema("+s", [e.schema("tsu:")]), e.array(3, [None])),
        ValueError,
        "child",
    ),
    "no list of children": (lambda e: without_children(e, False), ValueError, "child"),
    "no list of schemas": (lambda e: without_children(e, True), ValueError, "schema"),
    "a released array": (array_of(3, [None, GOOD], release=None), ValueError, "released"),
    "a released schema": (
        lambda e: OfArray(e.schema("tsu:UTC", release=None), e.array(3, [None, GOOD])),
        ValueError,
        "schema",
    ),
    "a released child": (in_struct(3, child=lambda e: e.array(3, [None, GOOD], release=None)), ValueError, "released"),
    "a struct within": (
        lambda e: OfArray(e.schema("+s", [e.schema("+s", [e.schema("l")])]), e.array(0, [None])),
        TypeError,
        "times",
    ),
    "an extension": (lambda e: OfArray(extended(e), e.array(3, [None, GOOD])), TypeError, "extension"),
    "a dictionary": (
        lambda e: OfArray(e.schema("i", dictionary=ctypes.pointer(e.schema("tsu:UTC"))), e.array(0, [None, None])),
        TypeError,
        "dictionary",
    ),
    "another capsule": (
        lambda e: OfStream(e.stream(e.schema("tsu:UTC"), []), b"arrow_array"),
        TypeError,
        "arrow_array_stream",
    ),
    "another schema": (
        lambda e: OfArray(e.schema("tsu:UTC"), e.array(0), (b"schema", b"arrow_array")),
        TypeError,
        "arrow_schema",
    ),
    "another array": (
        lambda e: OfArray(e.schema("tsu:UTC"), e.array(0), (b"arrow_schema", b"array")),
        TypeError,
        "named arrow_array,",
    ),
    "no capsule": (lambda e: Answering("__arrow_c_stream__", 1), TypeError, "capsule"),
    "no capsules": (lambda e: Answering("__arrow_c_array__", None), TypeError, "capsules"),
    "three capsules": (lambda e: Answering("__arrow_c_array__", (1, 2, 3)), TypeError, "capsules"),
    "an export that raises": (lambda e: Answering("__arrow_c_array__", KeyError("none")), KeyError, "none"),
}


def gone(exporter: Exporter) -> Any:
    array = exporter.array(3, [None, GOOD])
    array.buffers = None
    return array


METADATA = (b"k", b"", b"ARROW:extension:name", b"pandas.period")


def extended(exporter: Exporter, sizes: Sequence[int] = (1, 0, 20, 13), format: str = "l") -> Any:
    data = numbers(2, kind="i") + b"".join(numbers(size, kind="i") + part for size, part in zip(sizes, METADATA))
    schema = exporter.schema(format)
    place = exporter.keep((ctypes.c_char * len(data)).from_buffer_copy(data))
    schema.metadata = ctypes.cast(place, ctypes.c_char_p)
    return schema


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_exporter_is_refused_and_released(fault: str) -> None:
    make, error, match = BROKEN[fault]
    exporter = Exporter()
    column = make(exporter)
    refused(column, error, match)
    assert all(count <= 1 for count in exporter.releases.values())
    if isinstance(column, OfStream) and column.name == b"arrow_array_stream":
        (stream,) = (count for name, count in exporter.releases.items() if name.startswith("stream"))
        assert stream == 1
    if isinstance(column, OfArray) and column.names == (b"arrow_schema", b"arrow_array"):
        # Moved out of their capsules.
        assert not any(struct.release for struct in column.structs)
    # And the same thing once more has nothing to give.
    if isinstance(column, (OfStream, OfArray)):
        refused(column, (ValueError, TypeError), ".")  # type: ignore[arg-type]


HALVES = numbers(*range(2**16), kind="H")
NUMBERS: dict[str, tuple[str, list[float]]] = {
    "g": ("d", [-math.inf, -1e308, -1.5, -math.ulp(0.0), 0.0, 0.1, 1e308, math.inf]),
    "f": ("f", [-math.inf, -(2.0**127), -1.5, -(2.0**-149), 0.0, 0.5, 2.0**127, math.inf]),
    "e": ("e", [-math.inf, -65504.0, -1.5, -(2.0**-24), 0.0, 2.0**-14, 65504.0, math.inf]),
    "l": ("q", [-(2**63), -1, 0, 1, 2**63 - 1]),
    "L": ("Q", [0, 1, 2**53 + 1, 2**63 - 1]),
    "i": ("i", [-(2**31), -1, 0, 2**31 - 1]),
    "I": ("I", [0, 1, 2**31, 2**32 - 1]),
    "s": ("h", [-(2**15), -1, 0, 2**15 - 1]),
    "S": ("H", [0, 1, 2**15, 2**16 - 1]),
    "c": ("b", [-128, -1, 0, 127]),
    "C": ("B", [0, 1, 128, 255]),
}


@pytest.mark.parametrize("form", NUMBERS)
def test_numbers_are_kept_to_the_last_bit(form: str) -> None:
    kind, values = NUMBERS[form]
    width = struct.calcsize("=" + kind)
    data = numbers(*values, kind=kind)
    first, rest = data[:width], data[width:]
    tokens = range(len(values))
    columns: list[Make] = [
        array_of(len(values), [None, data], format=form),
        array_of(len(values), [None, first * 3 + data], format=form, offset=3),
        # The bits of what is not in the slice say nothing.
        array_of(
            len(values), [numbers(0b11111111000, kind="H"), first * 3 + data], format=form, offset=3, null_count=-1
        ),
        stream_of(
            lambda e: [e.array(1, [None, first]), e.array(0, []), e.array(len(values) - 1, [None, rest])], format=form
        ),
        lambda e: OfArray(
            e.schema("+s", [e.schema(form)]),
            e.array(len(values), [None], [e.array(len(values) + 1, [None, first + data])], offset=1),
        ),
    ]
    for make in columns:
        found = answers(make(Exporter()), tokens)
        assert found == list(zip(values, tokens))
        assert {type(at) for at, _ in found} == {type(values[0])}
    for bits, number in ((b"\x06", 0), (b"\x01", 1)):
        column = array_of(3, [bits, data], format=form, null_count=1)(Exporter())
        refused(column, ValueError, rf"ats\[{number}\] is null", held=[(values[0], "before")])
    broken: list[tuple[Make, str]] = [
        (array_of(3, [None, None], format=form), "buffer"),
        (array_of(3, [None], format=form), "buffer"),
        (stream_of(lambda e: [e.array(3, [None, data]), 5], format=form), "the disk is gone"),
    ]
    for make, match in broken:
        refused(make(Exporter()), (ValueError, RuntimeError), match, held=[(values[0], "before")])  # type: ignore[arg-type]


@pytest.mark.parametrize(("form", "kind"), [("g", "d"), ("f", "f"), ("e", "e")])
def test_nan_is_refused_and_zero_has_no_sign(form: str, kind: str) -> None:
    for values, number in (([math.nan, 1, 2], 0), ([0, 1, -math.nan], 2)):
        match = rf"ats\[{number}\] is NaN"
        refused(
            array_of(3, [None, numbers(*values, kind=kind)], format=form)(Exporter()),
            ValueError,
            match,
            held=[(9.0, "before")],
        )
        parts = [numbers(value, kind=kind) for value in values]
        column = stream_of(lambda e, parts=parts: [e.array(1, [None, part]) for part in parts], format=form)  # type: ignore[misc]
        refused(column(Exporter()), ValueError, match, held=())
    zeros = answers(array_of(2, [None, numbers(0.0, -0.0, kind=kind)], format=form)(Exporter()), "ab")
    assert [(math.copysign(1, at), token) for at, token in zeros] == [(1, "a"), (1, "b")]


def test_every_float_of_16_bits() -> None:
    halves = [half for half in struct.unpack("=65536e", HALVES) if half == half]
    data = numbers(*halves, kind="e")
    n: MultiNotifier[int, float] = MultiNotifier()
    n.notify_many(array_of(len(halves), [None, data], format="e")(Exporter()), range(len(halves)))
    assert [(at, halves[number]) for at, number in n] == [(half, half) for half in sorted(halves)]


@pytest.mark.parametrize("sizes", [(-1, 0), (1, -1)])
def test_damaged_metadata_say_nothing(sizes: Sequence[int]) -> None:
    exporter = Exporter()
    column = OfArray(extended(exporter, sizes), exporter.array(3, [None, numbers(3, 1, 2)]))
    assert answers(column, "abc") == [(1, "b"), (2, "c"), (3, "a")]


def test_integers_beyond_64_bits_with_sign_are_refused() -> None:
    column = array_of(3, [None, numbers(0, 1, 2**63, kind="Q")], format="L")
    refused(column(Exporter()), OverflowError, rf"ats\[2\] .*: {2**63}$", held=[(5, "before")])
    column = stream_of(lambda e: [e.array(1, [None, numbers(0)]), e.array(2, [None, b"\xff" * 16])], format="L")
    refused(column(Exporter()), OverflowError, rf"ats\[1\] .*: {2**64 - 1}$", held=())


def test_integers_among_floats() -> None:
    n: MultiNotifier[str, Any] = MultiNotifier([(0.5, "half")])
    n.notify_many(array_of(3, [None, numbers(2**53, 0, -(2**63))], format="l")(Exporter()), "abc")
    n._check()
    assert [(at, type(at), token) for at, token in n] == [
        (-(2.0**63), float, "c"),
        (0.0, float, "b"),
        (0.5, float, "half"),
        (2.0**53, float, "a"),
    ]
    for odd in (2**53 + 1, -(2**53) - 1, 2**63 - 1):
        column = array_of(3, [None, numbers(1, odd, 2)], format="l")(Exporter())
        match = r"ats\[1\] is an int, and the other timers are at floats"
        refused(column, TypeError, match, held=[(0.5, "half")])
    # The other way round, nothing is turned.
    column = array_of(1, [None, numbers(1.0, kind="d")], format="g")
    refused(
        column(Exporter()), TypeError, "ats is a float, and the other timers are at ints", "a", held=[(1, "before")]
    )


@pytest.mark.parametrize(
    ("format", "kind", "given"),
    [
        ("tsu:UTC", "q", "an aware datetime"),
        ("tsu:", "q", "a naive datetime"),
        ("g", "d", "a float"),
        ("c", "b", "an int"),
    ],
)
def test_kinds_never_mix(format: str, kind: str, given: str) -> None:
    for before, held in ((START, "aware datetimes"), (CLOCKS[0], "naive datetimes"), (0.5, "floats"), (1, "ints")):
        column = array_of(3, [None, numbers(0, 1, 2, kind=kind)], format=format)(Exporter())
        if given.split()[1] == held.split()[0].rstrip("s") or (given, held) == ("an int", "floats"):
            continue
        refused(column, TypeError, f"ats is {given}, and the other timers are at {held}", held=[(before, "before")])


LATER: dict[str, tuple[Callable[[Exporter], Any], str]] = {
    "negative length": (lambda e: e.array(-1, [None, GOOD]), "length"),
    "negative offset": (lambda e: e.array(1, [None, GOOD], offset=-1), "offset"),
    "more nulls than elements": (lambda e: e.array(1, [None, GOOD], null_count=2), "nulls"),
    "nulls without a bitmap": (lambda e: e.array(1, [None, GOOD], null_count=1), "bitmap"),
    "a null": (lambda e: e.array(1, [b"\0", GOOD], null_count=1), r"ats\[2\] is null"),
    "no data": (lambda e: e.array(1, [None, None]), "buffer"),
    "one buffer": (lambda e: e.array(1, [None]), "buffer"),
    "no list of buffers": (gone, "buffer"),
    "outside the calendar": (lambda e: e.array(1, [None, numbers(2**62)]), r"ats\[2\] lies outside"),
    "one too few": (lambda e: e.array(0, [None, GOOD]), "not 2 and 3"),
    "one too many": (lambda e: e.array(2, [None, GOOD]), "not 4 and 3"),
}


@pytest.mark.parametrize("fault", LATER)
def test_chunks_may_not_change_for_the_worse(fault: str) -> None:
    later, match = LATER[fault]
    exporter = Exporter()
    column = stream_of(lambda e: [e.array(2, [None, GOOD]), later(e)])(exporter)
    refused(column, ValueError, match)
    assert set(exporter.releases.values()) == {1}


def test_a_chunk_may_lose_its_child() -> None:
    exporter = Exporter()
    schema = exporter.schema("+s", [exporter.schema("tsu:UTC")])
    chunks = [exporter.array(2, [None], [exporter.array(2, [None, GOOD])]), exporter.array(1, [None])]
    refused(OfStream(exporter.stream(schema, chunks)), ValueError, "child")
    assert [count for count in exporter.releases.values()] == [0, 1, 0, 1, 1, 1]


def test_an_exporter_may_come_back_to_the_notifier() -> None:
    exporter = Exporter()
    n: MultiNotifier[str] = MultiNotifier([(INSTANTS[0], "first")])

    def coming(come_back: Callable[[], object]) -> Iterator[Array]:
        yield exporter.array(1, [None, GOOD[8:]])
        come_back()
        yield exporter.array(1, [None, GOOD])

    def column(come_back: Callable[[], object]) -> OfStream:
        return OfStream(exporter.stream(exporter.schema("tsu:UTC"), coming(come_back)))

    n.notify_many(column(lambda: n.notify_at(INSTANTS[0], "meanwhile")), ["later", "last"])
    n.notify_many(column(lambda: n.due(INSTANTS[0])), ["c", "b"])
    n._check()
    assert list(n) == [(INSTANTS[0], "b"), (INSTANTS[1], "later"), (INSTANTS[1], "c")]

    def become_floats() -> None:
        n.clear()
        cast(Any, n).notify_at(0.5, "half")

    with pytest.raises(TypeError, match="aware datetime, and the other timers are at floats"):
        n.notify_many(column(become_floats), ["e", "f"])
    assert [token for _, token in n] == ["half"]


def test_chunks_of_a_stream_are_released_before_the_next() -> None:
    exporter = Exporter()
    chunks = [exporter.array(1, [None, GOOD]) for _ in range(4)]

    def coming() -> Iterator[Array]:
        for number, chunk in enumerate(chunks):
            released = [count for name, count in exporter.releases.items() if name.startswith("array")]
            assert released == [1] * number + [0] * (4 - number)
            yield chunk

    stream = exporter.stream(exporter.schema("tsu:UTC"), coming())
    assert len(answers(OfStream(stream), range(4))) == 4
    assert set(exporter.releases.values()) == {1}


def text(*words: str, kind: str = "i") -> list[Any]:
    ends = [sum(len(word.encode()) for word in words[:count]) for count in range(len(words) + 1)]
    return [None, numbers(*ends, kind=kind), "".join(words).encode()]


def view(size: int, which: int, start: int) -> bytes:
    return numbers(size, 0, which, start, kind="i")


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (array_of(3, [None, numbers(0, 1, 0, 1, kind="i"), b"a"], format="u"), "size"),
        (array_of(3, [None, numbers(-1, 1, 2, 3, kind="i"), b"abc"], format="u"), "size"),
        (array_of(3, [None, numbers(0, 1, 2, 2**62), None], format="U"), "buffer"),
        (array_of(3, [None, numbers(0, 1, 2, 3, kind="i"), b"a\xffc"], format="u"), "UTF-8"),
        (array_of(3, [None, numbers(0, 1, 2, 3, kind="i")], format="u"), "buffer"),
        (array_of(3, [None, view(20, 1, 0) * 3, b"x" * 20, numbers(20)], format="vu"), "not there"),
        (array_of(3, [None, view(20, -1, 0) * 3, b"x" * 20, numbers(20)], format="vu"), "not there"),
        (array_of(3, [None, view(20, 0, 1) * 3, b"x" * 20, numbers(20)], format="vu"), "beyond"),
        (array_of(3, [None, view(20, 0, -1) * 3, b"x" * 20, numbers(20)], format="vu"), "size"),
        (array_of(3, [None, view(-1, 0, 0) * 3, b"x" * 20, numbers(20)], format="vu"), "size"),
        (array_of(3, [None, view(20, 0, 0) * 3, None, numbers(20)], format="vu"), "buffer"),
        (array_of(3, [None, view(20, 0, 0) * 3, b"x" * 20, None], format="vu"), "not there"),
        (lambda e: encoded(e, [0, 1, 2]), "beyond"),
        (lambda e: encoded(e, [0, 1, -1]), "beyond"),
        (lambda e: encoded(e, [0, 1, 1], words=False), "dictionary"),
        (stream_of(lambda e: [e.array(3, text("a", "b", "c")), 5], format="u"), "disk"),
    ],
)
def test_broken_columns_of_tokens(make: Make, match: str) -> None:
    exporter = Exporter()
    refused(INSTANTS[:3], (ValueError, RuntimeError), match, make(exporter))  # type: ignore[arg-type]
    assert all(count <= 1 for count in exporter.releases.values())


def encoded(exporter: Exporter, indices: list[int], words: bool = True) -> OfArray:
    schema, array = exporter.schema("i"), exporter.array(3, [None, numbers(*indices, kind="i")])
    schema.dictionary = ctypes.pointer(exporter.schema("u"))
    if words:
        array.dictionary = ctypes.pointer(exporter.array(2, text("one", "two")))
    return OfArray(schema, array)


def test_a_dictionary_of_a_dictionary_is_no_token() -> None:
    exporter = Exporter()
    schemas = [exporter.schema(format) for format in "iiu"]
    arrays = [exporter.array(2, [None, numbers(0, 1, kind="i")]) for _ in range(2)] + [
        exporter.array(2, text("a", "b"))
    ]
    for things in (schemas, arrays):
        for outer, inner in zip(things, things[1:]):
            outer.dictionary = ctypes.pointer(inner)
    refused(INSTANTS[:2], TypeError, "iterable", OfArray(schemas[0], arrays[0]))


@pytest.mark.parametrize("format", ["", "z", "tDu", "tsu:UTC", "tdD", "+l"])
def test_what_no_token_is_made_of(format: str) -> None:
    # It is taken as any other iterable, and is none.
    refused(INSTANTS[:3], TypeError, "iterable", array_of(3, [None, GOOD], format=format)(Exporter()))


def test_an_extension_is_no_token() -> None:
    exporter = Exporter()
    column = OfArray(extended(exporter, format="u"), exporter.array(3, text("a", "b", "c")))
    refused(INSTANTS[:3], TypeError, "iterable", column)
    assert set(exporter.releases.values()) == {1}


def test_good_columns_of_tokens_made_by_hand() -> None:
    views = numbers(3, kind="i") + b"one" + b"\0" * 9 + view(14, 1, 1) + view(13, 0, 0)
    cases: list[tuple[Make, list[Any]]] = [
        (array_of(3, text("", "two", "é", kind="q"), format="U"), ["", "two", "é"]),
        (array_of(3, [None, numbers(0, 0, 0, 0, kind="i"), None], format="u"), ["", "", ""]),
        (
            array_of(3, [None, views, b"thirteen char", b"xfourteen chars", numbers(13, 15)], format="vu"),
            ["one", "fourteen chars", "thirteen char"],
        ),
        (lambda e: encoded(e, [1, 0, 1]), ["two", "one", "two"]),
        (array_of(3, [None, numbers(0.5, 1, math.inf, kind="e")], format="e"), [0.5, 1.0, math.inf]),
        (array_of(3, [b"\5", numbers(0.1, 1, -0.0, kind="d")], format="g"), [0.1, None, -0.0]),
        (array_of(3, [None, b"\5"], format="b"), [True, False, True]),
        (array_of(3, [None, b"\12"], format="b", offset=1), [True, False, True]),
        (array_of(3, format="n"), [None, None, None]),
        (array_of(3, [None], format="n", null_count=3), [None, None, None]),
    ]
    for make, expected in cases:
        exporter = Exporter()
        assert [token for _, token in answers(INSTANTS[:3], make(exporter))] == expected


def test_no_library_is_imported() -> None:
    code = """
import sys
from tests.test_arrow import GOOD, array_of, text
from tests.exporter import Exporter
from timers import MultiNotifier
column, words = array_of(3, [None, GOOD]), array_of(3, text("a", "b", "c"), format="u")
MultiNotifier().notify_many(column(Exporter()), words(Exporter()))
print(*{"numpy", "pandas", "polars", "pyarrow", "duckdb"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
