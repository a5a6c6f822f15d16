"""Columns of times and tokens: of the libraries that have them, and of exporters made by hand."""

from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any, Callable

import pytest

from tests.exporter import Answering, Array, Exporter, Make, OfArray, OfStream
from timers import MultiNotifier

UTC = timezone.utc
START = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = [START + timedelta(hours=number, microseconds=number * 7) for number in range(20)]
CLOCKS = [at.replace(tzinfo=None) for at in INSTANTS]
WORDS = ["", "a", "é", "twelve chars", "more than twelve", "\N{GRINNING FACE}", "\0", *(f"t{n}" for n in range(13))]


def answers(ats: Any, tokens: Any = WORDS) -> list[tuple[datetime, Any]]:
    n: MultiNotifier[Any] = MultiNotifier()
    n.notify_many(ats, tokens)
    n._check()
    return list(n)


def refused(ats: Any, error: type[Exception], match: str, tokens: Any = ("a", "b", "c")) -> None:
    n: MultiNotifier[Any] = MultiNotifier([(START, "before")])
    with pytest.raises(error, match=match or None):
        n.notify_many(ats, tokens)
    n._check()
    assert list(n) == [(START, "before")]


# ---- the libraries


def pandas_columns(ats: list[datetime]) -> Iterator[tuple[str, Any]]:
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(ats)
    yield "Series", series
    yield "reversed twice", series[::-1][::-1]
    yield "DatetimeIndex", pandas.DatetimeIndex(ats)
    yield "of objects", series.astype(object)
    yield "of categories", series.astype("category")
    for unit in ("ms", "us", "ns"):
        if unit != "ms":
            yield unit, series.dt.as_unit(unit)
    if ats[0].tzinfo:
        yield "Berlin", series.dt.tz_convert("Europe/Berlin")
        yield "fixed", series.dt.tz_convert("+02:00")
        pytest.importorskip("pyarrow")
        arrow = series.astype("timestamp[us, tz=Asia/Tokyo][pyarrow]")
        yield "ArrowDtype", arrow
        yield "Index of ArrowDtype", pandas.Index(arrow)
        yield "DataFrame of one column", series.to_frame("at")


def pyarrow_columns(ats: list[datetime]) -> Iterator[tuple[str, Any]]:
    pyarrow = pytest.importorskip("pyarrow")
    array = pyarrow.array(ats)
    zone = "UTC" if ats[0].tzinfo else None
    yield "array", array
    yield "ns", array.cast(pyarrow.timestamp("ns", zone))
    yield "slice", pyarrow.array([ats[3], *ats, ats[2]])[1:-1]
    yield "chunks", pyarrow.chunked_array([array[:0], array[:1], array[1:9], array[9:9], array[9:]])
    yield "table", pyarrow.table({"at": array})
    yield "batch", pyarrow.record_batch({"at": array})
    yield "struct", pyarrow.StructArray.from_arrays([pyarrow.array([ats[5], *ats])], ["at"])[1:]
    yield "reader", pyarrow.table({"at": array}).to_reader()


def polars_columns(ats: list[datetime]) -> Iterator[tuple[str, Any]]:
    polars = pytest.importorskip("polars")
    series = polars.Series("at", ats)
    yield "Series", series
    yield "ns", series.dt.cast_time_unit("ns")
    yield "slice", series.head(7).append(series.tail(13))
    yield "DataFrame", series.to_frame()
    if ats[0].tzinfo:
        yield "Tokyo", series.dt.convert_time_zone("Asia/Tokyo")


def duckdb_columns(ats: list[datetime]) -> Iterator[tuple[str, Any]]:
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    kind = "TIMESTAMPTZ" if ats[0].tzinfo else "TIMESTAMP"
    values = ", ".join(f"({number}, {kind} '{at}')" for number, at in enumerate(ats))
    yield "relation", duckdb.sql(f"SELECT moment FROM (VALUES {values}) t(number, moment) ORDER BY number")


@pytest.mark.parametrize("ats", [INSTANTS, CLOCKS], ids=["aware", "naive"])
@pytest.mark.parametrize("columns", [pandas_columns, pyarrow_columns, polars_columns, duckdb_columns])
def test_a_column_is_its_elements(columns: Callable[[list[datetime]], Iterator[tuple[str, Any]]], ats: Any) -> None:
    for form, column in columns(ats):
        assert answers(column) == list(zip(ats, WORDS)), form


def test_numpy_layouts() -> None:
    numpy = pytest.importorskip("numpy")
    plain = numpy.array(CLOCKS, "M8[us]")
    bytes_before = numpy.zeros(plain.nbytes + 1, "u1")
    unaligned = bytes_before[1:].view("M8[us]")
    unaligned[:] = plain
    assert unaligned.flags.c_contiguous and not unaligned.flags.aligned
    record = numpy.zeros(len(plain), [("one", "u1"), ("at", "M8[us]")])
    record["at"] = plain
    for ats in (plain, unaligned, record["at"], plain.astype(">M8[us]"), numpy.ma.array(plain), plain.astype("M8[ns]")):
        assert answers(ats) == list(zip(INSTANTS, WORDS))
    assert answers(numpy.array(INSTANTS, object)) == list(zip(INSTANTS, WORDS))


@pytest.mark.parametrize("unit", ["Y", "3M", "W", "2D", "25s", "7ms", "7ns", "25us", "us", "ps", "as"])
def test_numpy_units_round_up(unit: str) -> None:
    numpy = pytest.importorskip("numpy")
    counts = [-3, -1, 0, 1, 2]
    ats = numpy.array(counts, "i8").view(f"M8[{unit}]")
    floors = ats.astype("M8[us]")
    # Going back tells whether something was cut off.
    fine = ats.astype("M8[as]") if unit in ("7ns", "ps", "as") else floors
    expected = [
        at.replace(tzinfo=UTC) + timedelta(microseconds=bool(cut)) for at, cut in zip(floors.tolist(), floors != fine)
    ]
    assert [at for at, _ in answers(ats, counts)] == expected
    bad = ats.copy()
    bad[1] = "NaT"
    refused(bad, ValueError, re.escape("ats[1] is NaT"), counts)
    for extreme in (2**63 - 1, 1 - 2**63):
        bad = numpy.array([0, 0, extreme], "i8").view(f"M8[{unit}]")
        if unit not in ("7ns", "ps", "as"):
            refused(bad, ValueError, re.escape("ats[2] lies outside the years 1 to 9999"))


def test_what_numpy_hides_is_refused() -> None:
    numpy = pytest.importorskip("numpy")
    masked = numpy.ma.array(CLOCKS[:3], mask=[False, False, True], dtype="M8[us]")
    for ats in (masked, masked.astype("M8[s]"), masked.astype(object), masked[::-1][::-1]):
        refused(ats, ValueError, re.escape("ats[2] is masked"))
    refused(masked[::-1], ValueError, re.escape("ats[0] is masked"))
    refused(numpy.zeros((3, 1), "M8[s]"), ValueError, "one dimension")
    refused(numpy.array([0, 1, 2], "i8").view("M8"), ValueError, "unit")
    refused(numpy.zeros(3, "m8[s]"), TypeError, "ats")
    refused(numpy.zeros(3, "bool"), TypeError, "ats")


def test_what_pandas_hides_is_refused() -> None:
    pandas = pytest.importorskip("pandas")
    holes = [INSTANTS[0], None, INSTANTS[2]]
    refused(pandas.Series(holes), ValueError, re.escape("ats[1] is NaT"))
    refused(pandas.DatetimeIndex(holes), ValueError, re.escape("ats[1] is NaT"))
    refused(pandas.Series(CLOCKS[:3]).dt.to_period("D"), TypeError, "ats")
    refused(pandas.Series(["a", "b", "c"]), TypeError, "ats")
    refused(pandas.Series(INSTANTS[:3]).astype("M8[s, UTC]").dt.tz_localize(None), TypeError, "naive")


def test_duckdb_null_and_infinity() -> None:
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("numpy")
    for first, match in (("NULL", "is masked"), ("'infinity'", "lies outside"), ("'-infinity'", "lies outside")):
        for kind in ("TIMESTAMP", "TIMESTAMPTZ"):
            query = f"SELECT unnest([{first}::{kind}, '2026-01-01'::{kind}, '2026-01-01'::{kind}]) AS moment"
            fetched = duckdb.sql(query).fetchnumpy()["moment"]
            refused(fetched, ValueError, re.escape("ats[0] ") + match)
    pytest.importorskip("pyarrow")
    for first, match in (("NULL", "is null"), ("'infinity'", "lies outside")):
        refused(duckdb.sql(query.replace("'-infinity'", first)), ValueError, re.escape("ats[0] ") + match)
    refused(duckdb.sql("SELECT 1 AS a, 2 AS b"), ValueError, "one column, not 2")


def test_polars_and_pyarrow_nulls_and_no_times() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    holes = [INSTANTS[0], None, INSTANTS[2]]
    for column in (pyarrow.array(holes), pyarrow.chunked_array([holes[:1], holes[1:]]), pyarrow.table({"at": holes})):
        refused(column, ValueError, re.escape("ats[1] is null"))
    whole = pyarrow.StructArray.from_arrays(
        [pyarrow.array(INSTANTS[:3])], ["at"], mask=pyarrow.array([False, True, False])
    )
    refused(whole, ValueError, re.escape("ats[1] is null"))
    refused(pyarrow.nulls(3), ValueError, re.escape("ats[0] is null"))
    refused(pyarrow.array(INSTANTS[:3]).dictionary_encode(), TypeError, "dictionary")
    refused(pyarrow.RunEndEncodedArray.from_arrays([1, 3], INSTANTS[:2]), TypeError, "run-end")
    for kind in (pyarrow.duration("s"), pyarrow.time64("us"), pyarrow.decimal128(20)):
        refused(pyarrow.array([1, 2, 3]).cast(kind), TypeError, "times")
    refused(pyarrow.array(["a", "b", "c"]), TypeError, "'u'")
    extension = pyarrow.ExtensionArray.from_storage(pyarrow.bool8(), pyarrow.array([1, 0, 1], pyarrow.int8()))
    refused(extension, TypeError, "extension")
    polars = pytest.importorskip("polars")
    refused(polars.Series(holes), ValueError, re.escape("ats[1] is null"))
    refused(polars.Series(["a", "b", "c"]), TypeError, "times")


def test_dates_are_midnights() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    dates = [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)]
    midnights = [datetime(day.year, day.month, day.day) for day in dates]
    for kind in (pyarrow.date32(), pyarrow.date64()):
        assert answers(pyarrow.array(dates, kind), "abc") == list(zip(midnights, "abc"))


def test_arrow_units_and_the_ends_of_the_calendar() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    second, micro = timedelta(seconds=1), timedelta(microseconds=1)
    for unit, one in (("s", second), ("ms", second / 1000), ("us", micro)):
        ends = [(first - epoch) // one, 0, (last - epoch) // one]
        expected = [epoch + count * one for count in ends]
        column = pyarrow.array(ends, pyarrow.int64()).cast(pyarrow.timestamp(unit, "Asia/Tokyo"))
        assert [at for at, _ in answers(column, "abc")] == expected
        for beyond in (ends[0] - 1, ends[2] + 1, 2**63 - 1, -(2**63)):
            column = pyarrow.array([0, beyond, 1], pyarrow.int64()).cast(pyarrow.timestamp(unit))
            refused(column, ValueError, re.escape("ats[1] lies outside the years 1 to 9999"))
    counts = [-(2**63), -1001, -1000, -1, 1, 1000, 1001, 2**63 - 1]
    column = pyarrow.array(counts, pyarrow.int64()).cast(pyarrow.timestamp("ns", "UTC"))
    expected = [epoch + -(-count // 1000) * micro for count in counts]
    assert [at for at, _ in answers(column, range(len(counts)))] == expected


# ---- tokens


def test_tokens_are_plain_strings() -> None:
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    words = [word.strip("\0") for word in WORDS]
    columns = [numpy.array(words), numpy.array(words, object), numpy.array([0, *words, 0], object)[1:-1]]
    if hasattr(numpy.dtypes, "StringDType"):
        columns.append(numpy.array(words, numpy.dtypes.StringDType()))
    columns += [pandas.Series(words), pandas.Index(words), pandas.Series(words, dtype=object)]
    columns += [pandas.Series(words, dtype="string"), pandas.Series(words, dtype="category")]
    for column in columns:
        found = answers(INSTANTS, column)
        assert found == list(zip(INSTANTS, words)) and {type(token) for _, token in found} == {str}
    assert [token for _, token in answers(INSTANTS[:3], pandas.Series(["a", None, "b"], dtype="string"))] == [
        "a",
        None,
        "b",
    ]


def test_tokens_of_arrow() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    kinds = [pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()]
    words: list[Any] = [*WORDS[:10], None, *WORDS[11:]]
    columns = [
        column
        for kind in kinds
        for column in (pyarrow.array(words, kind), pyarrow.array(["x", *words, "y"], kind)[1:-1])
    ]
    columns += [pyarrow.chunked_array([words[:3], words[3:3], words[3:]], kinds[0]), pyarrow.table({"token": words})]
    repeated = pyarrow.array(["x", *words]).dictionary_encode()[1:]
    columns += [repeated, pyarrow.chunked_array([repeated[:4], repeated[4:]])]
    for column in columns:
        assert [token for _, token in answers(INSTANTS, column)] == words
    for numbers, kind in (
        ([-(2**63), None, 2**63 - 1], "int64"),
        ([0, 2**64 - 1, None], "uint64"),
        ([-128, 127, 0], "int8"),
    ):
        assert [token for _, token in answers(INSTANTS[:3], pyarrow.array(numbers, kind))] == numbers
    # What is not read as a column is what Python makes of it.
    floats = pyarrow.array([0.5, None, 1.5])
    assert [token for _, token in answers(INSTANTS[:3], floats)] == [0.5, None, 1.5]
    refused(INSTANTS[:2], ValueError, "length", pyarrow.array(["a"]))


def test_tokens_of_polars() -> None:
    polars = pytest.importorskip("polars")
    words: list[Any] = [*WORDS[:10], None, *WORDS[11:]]
    for column in (polars.Series(words), polars.Series(words, dtype=polars.Categorical)):
        assert [token for _, token in answers(INSTANTS, column)] == words
    objects = polars.Series([START, UTC, None], dtype=polars.Object)
    assert [token for _, token in answers(INSTANTS[:3], objects)] == [START, UTC, None]


# ---- exporters made by hand


def numbers(*values: int, kind: str = "q") -> bytes:
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
        for text in ("t", "ts", "tsu", "tsx:UTC", "tdx", "tiM", "tDu", "ttu", "u", "b", "e", "w:8", "+l", "ll", "\x80")
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


def extended(exporter: Exporter) -> Any:
    pairs = ((b"k", b""), (b"ARROW:extension:name", b"pandas.period"))
    data = numbers(2, kind="i") + b"".join(numbers(len(part), kind="i") + part for pair in pairs for part in pair)
    schema = exporter.schema("l")
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
        (array_of(3, format="n"), [None, None, None]),
    ]
    for make, expected in cases:
        exporter = Exporter()
        assert [token for _, token in answers(INSTANTS[:3], make(exporter))] == expected
