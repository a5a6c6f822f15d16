"""Columns of times, of the libraries that have them. Those of exporters made by hand: test_arrow.py."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, Callable

import pytest

from tests.columns import CLOCKS, INSTANTS, UTC, WORDS, answers, refused
from timers import MultiNotifier

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


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


def test_numpy_units_at_the_ends_of_the_calendar() -> None:
    numpy = pytest.importorskip("numpy")
    units: dict[str, Any] = {
        "h": 3600 * 10**6,
        "s": 10**6,
        "ms": 1000,
        "us": 1,
        "ns": Fraction(1, 1000),
        "ps": Fraction(1, 10**6),
    }
    first, last = ((end.replace(tzinfo=UTC) - EPOCH) // MICROSECOND for end in (datetime.min, datetime.max))
    for unit, micros in units.items():
        for many in (1, 3, 10, 25, 100, 500, 1000, 1500, 2**31 - 1):
            for end in (first, last):
                near = math.ceil(end / (many * micros))
                for number in (near - 1, near, near + 1, near * 2, -(2**62), 2**62):
                    if abs(number) >= 2**63:
                        continue
                    ats = numpy.array([number], "i8").view(f"M8[{many}{unit}]")
                    wanted = math.ceil(number * many * micros)
                    if first <= wanted <= last:
                        assert answers(ats, ["x"]) == [(EPOCH + wanted * MICROSECOND, "x")]
                    else:
                        refused(ats, ValueError, re.escape("ats[0] lies outside the years 1 to 9999"), ["x"])


@pytest.mark.parametrize("unit", ["Y", "3Y", "5000Y", "9000Y", "50000Y", "7M", "60000M", "120000M", "2147483647M"])
def test_years_of_numpy(unit: str) -> None:
    numpy = pytest.importorskip("numpy")
    many = int(unit[:-1] or 1)
    for number in (-(2**62), -700, -2, -1, 0, 1, 2, 100, 2800, 2**62):
        months = number * many * (12 if unit[-1] == "Y" else 1)
        ats = numpy.array([number], "i8").view(f"M8[{unit}]")
        if 1 <= 1970 + months // 12 <= 9999:
            wanted = datetime(1970 + months // 12, months % 12 + 1, 1, tzinfo=UTC)
            assert answers(ats, ["x"]) == [(wanted, "x")]
        else:
            refused(ats, ValueError, re.escape("ats[0] lies outside the years 1 to 9999"), ["x"])


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


# ---- numbers

FLOATS = [0.5, -math.inf, -0.0, 2.0**-14, math.inf, 1024.0, -1.5]


@pytest.mark.parametrize("kind", ["f8", "f4", "f2", ">f8", ">f4"])
def test_numpy_floats(kind: str) -> None:
    numpy = pytest.importorskip("numpy")
    plain = numpy.array(FLOATS, kind)
    in_order = sorted(zip(FLOATS, range(7)))
    for ats in (
        plain,
        numpy.repeat(plain, 2)[::2],
        plain[::-1][::-1],
        numpy.ma.array(plain),
        plain.view(numpy.recarray),
    ):
        found = answers(ats, range(7))
        assert found == in_order and {type(at) for at, _ in found} == {float}
        assert all(math.copysign(1, at) == 1 for at, _ in found if at == 0)
    for number in (0, 6):
        bad = plain.copy()
        bad[number] = math.nan
        refused(bad, ValueError, rf"ats\[{number}\] is NaN", range(7), held=[(1.0, "before")])
        # What lies under a mask is not asked.
        masked = numpy.ma.array(bad, mask=numpy.arange(7) == 3)
        refused(masked, ValueError, r"ats\[3\] is masked", range(7), held=[(1.0, "before")])
    refused(numpy.zeros((3, 1), kind), ValueError, "one dimension, not 2", held=())
    refused(numpy.array(0.5, kind), ValueError, "one dimension, not 0", held=())
    refused(numpy.zeros(3, kind), TypeError, "ats is a float, and the other timers are at aware datetimes")
    refused(numpy.zeros(3, kind), TypeError, "ats is a float, and the other timers are at ints", held=[(1, "before")])


@pytest.mark.parametrize("kind", ["i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", ">i8", ">u4"])
def test_numpy_integers(kind: str) -> None:
    numpy = pytest.importorskip("numpy")
    bounds = numpy.iinfo(kind)
    values = [0, bounds.min, min(bounds.max, 2**63 - 1), 1, 100]
    plain = numpy.array(values, kind)
    for ats in (plain, numpy.repeat(plain, 3)[::3], numpy.ma.array(plain, mask=False)):
        found = answers(ats, range(5))
        assert found == sorted(zip(values, range(5))) and {type(at) for at, _ in found} == {int}
    masked = numpy.ma.array(plain, mask=[False, True, False, True, True])
    refused(masked, ValueError, r"ats\[1\] is masked", range(5), held=[(1, "before")])
    refused(numpy.zeros((1, 3), kind), ValueError, "one dimension, not 2", held=())
    refused(plain, TypeError, "ats is an int, and the other timers are at aware datetimes", range(5))
    if kind == "u8":
        plain[3] = 2**63
        refused(plain, OverflowError, rf"ats\[3\] .*: {2**63}$", range(5), held=[(1, "before")])


def test_numpy_integers_among_floats() -> None:
    numpy = pytest.importorskip("numpy")
    n: MultiNotifier[str, Any] = MultiNotifier([(0.5, "half")])
    n.notify_many(numpy.array([2**53, 0]), ["b", "a"])
    assert list(n) == [(0.0, "a"), (0.5, "half"), (2.0**53, "b")] and {type(at) for at, _ in n} == {float}
    match = r"ats\[1\] is an int, and the other timers are at floats"
    refused(numpy.array([1, 2**53 + 1, 2]), TypeError, match, held=[(0.5, "half")])
    # And as the elements of a list.
    refused([1, 2**53 + 1, 2], TypeError, r"ats\[1\] is an int", held=[(0.5, "half")])


def test_no_times_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    for kind in ("bool", "c16", "S3", "U3", "m8[s]"):
        refused(numpy.zeros(3, kind), TypeError, "ats", held=())
    refused(numpy.zeros(3, [("at", "i8")]), TypeError, "ats", held=())
    if numpy.dtype("longdouble").itemsize > 8:
        refused(numpy.zeros(3, "longdouble"), TypeError, "ats", held=())


@pytest.mark.parametrize("values", [[3, -1, 2], [0.5, -1.5, math.inf]], ids=["integers", "floats"])
def test_pandas_numbers(values: list[Any]) -> None:
    pandas = pytest.importorskip("pandas")
    kinds = ["int64", "Int64", "Int8"] if values[0] == 3 else ["float64", "float32", "Float64", "Float32"]
    expected = sorted(zip(values, "abc"))
    for kind in kinds:
        series = pandas.Series(values, dtype=kind)
        for column in (series, pandas.Index(series), series[::-1][::-1]):
            found = answers(column, "abc")
            assert found == expected and {type(at) for at, _ in found} == {type(values[0])}, kind
        if kind[0] in "IF":
            holes = pandas.Series([values[0], None, values[2]], dtype=kind)
            for column in (holes, pandas.Index(holes)):
                refused(column, ValueError, r"ats\[1\] is null", held=[(values[0], "before")])
    refused(pandas.Series([True, False, None], dtype="boolean"), (TypeError, ValueError), "ats", held=())  # type: ignore[arg-type]
    refused(pandas.Series([0.5, None, 1.5]), ValueError, r"ats\[1\] is NaN", held=())


@pytest.mark.parametrize("values", [[3, -1, 2], [0.5, -1.5, math.inf]], ids=["integers", "floats"])
def test_arrow_numbers(values: list[Any]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    columns = [pyarrow.array(values), pyarrow.chunked_array([values[:1], values[1:]]), pyarrow.table({"at": values})]
    kinds = ("int8", "int32") if values[0] == 3 else ("float32", "float16")
    columns += [pyarrow.array(values, kind) for kind in kinds]
    for name in ("pandas", "polars", "duckdb"):
        library = pytest.importorskip(name)
        if name == "pandas":
            columns.append(library.Series(values, dtype="int64[pyarrow]" if values[0] == 3 else "double[pyarrow]"))
        elif name == "polars":
            columns += [library.Series(values), library.DataFrame({"at": values})]
        else:
            kind = "BIGINT" if values[0] == 3 else "DOUBLE"
            rows = ", ".join(f"({number}, '{value}'::{kind})" for number, value in enumerate(values))
            columns.append(library.sql(f"SELECT moment FROM (VALUES {rows}) t(number, moment) ORDER BY number"))
    for column in columns:
        found = answers(column, "abc")
        assert found == sorted(zip(values, "abc")) and {type(at) for at, _ in found} == {type(values[0])}
    refused(pyarrow.array([values[0], None, values[2]]), ValueError, r"ats\[1\] is null", held=())


@pytest.mark.parametrize("gives", [[1.5], (1.5,), "x", None], ids=repr)
def test_what_pandas_holds_and_exports_no_arrow(gives: Any) -> None:
    """As the chunked arrays of PyArrow 14 and 15. It is read as any other iterable is."""
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    base = pandas.arrays.ArrowExtensionArray
    held = type("Held", (base,), {"__arrow_array__": lambda self, type=None: gives})
    column = pandas.Series(held(pyarrow.chunked_array([[1.5]])), copy=False)
    n: MultiNotifier[Any, float] = MultiNotifier()
    n.notify_many(column, ["a"])
    n.notify_many([2.5], column)
    assert list(n) == [(1.5, "a"), (2.5, 1.5)]


def test_what_only_calls_itself_a_mask() -> None:
    numpy = pytest.importorskip("numpy")
    marked = type("Marked", (numpy.ndarray,), {"mask": lambda self: 1 / 0})
    assert answers(numpy.array([1.5]).view(marked), ["a"]) == [(1.5, "a")]
    records = numpy.ma.array([(1.5, 2)], dtype=[("a", float), ("b", int)], mask=[(True, False)])
    refused(records, TypeError, "ats", "a")
