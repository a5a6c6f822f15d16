"""Columns of tokens, of the libraries that have them. Those of exporters made by hand: test_arrow.py."""

from __future__ import annotations

import re
import sys
from datetime import date, datetime
from typing import Any

import pytest

from tests.columns import INSTANTS, START, UTC, WORDS, answers, refused
from timers import MultiNotifier


def tokens_of(column: Any) -> list[Any]:
    n: MultiNotifier[Any, int] = MultiNotifier()
    n.notify_many(range(len(column)), column)
    return n.due(100_000)


@pytest.mark.parametrize("kind", ["Int64", "Float64", "boolean", "string"])
def test_tokens_of_pandas_that_are_missing(kind: str) -> None:
    pandas = pytest.importorskip("pandas")
    examples: dict[str, Any] = {"Int64": 1, "Float64": 0.5, "boolean": True, "string": "a"}
    values = [examples[kind], None]
    for tokens in (pandas.Series(values, dtype=kind), pandas.Index(values, dtype=kind)):
        n: MultiNotifier[Any, float] = MultiNotifier()
        n.notify_many([1.0, 2.0], tokens)
        assert n.due(2.0) == values


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


def test_strings_of_pandas_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    column = pandas.Series(["a", None, "b"], dtype="string")
    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    assert [token for _, token in answers(INSTANTS[:3], column)] == ["a", None, "b"]


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


def test_the_index_of_a_frame_is_no_column() -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"at": INSTANTS[:4], "token": ["a", "b", "c", None]})
    for some in (frame[frame.index != 1], frame.set_index(["token", "at"], drop=False).iloc[[0, 2, 3]]):
        wanted = list(zip([INSTANTS[0], *INSTANTS[2:4]], ["a", "c", None]))
        assert answers(some[["at"]], some[["token"]]) == wanted
        refused(some, ValueError, "ats must be one column, not 2")


def test_a_slice_asks_its_dictionary_for_its_own_words_alone() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    words = pyarrow.array(["x", None, *(f"word {number}" for number in range(1000))]).dictionary_encode("encode")
    for start in (0, 1, 500):
        part = words[start : start + 3].take(pyarrow.array([0, 1, 2, 1, 0]))
        found = tokens_of(part)
        assert found == part.to_pylist() and found[0] is found[4] and found[1] is found[3]
    # Not one by one for each of many chunks, either: that would take minutes.
    words = pyarrow.array(list(map(str, range(100_000)))).dictionary_encode()
    chunks = pyarrow.chunked_array([words[number : number + 2] for number in range(0, 20_000, 2)])
    assert tokens_of(chunks) == list(map(str, range(20_000)))


@pytest.mark.parametrize("records", [[{"q": "a"}, {"q": "b"}], [{"q": "a", "r": 1}, {"q": "b", "r": 2}]])
def test_records_are_tokens(records: list[Any]) -> None:
    arrow, polars = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    pandas = pytest.importorskip("pandas")
    arrays = [arrow.array(records), arrow.chunked_array([records[:1], records[1:]]), polars.Series(records)]
    for column in (*arrays, pandas.Series(records, dtype=pandas.ArrowDtype(arrays[0].type))):
        assert [token for _, token in answers(INSTANTS[:2], column)] == records
    words = [record["q"] for record in records]
    for table in (arrow.table({"q": words}), polars.DataFrame({"q": words})):
        assert [token for _, token in answers(INSTANTS[:2], table)] == words


def test_tokens_of_polars() -> None:
    polars = pytest.importorskip("polars")
    words: list[Any] = [*WORDS[:10], None, *WORDS[11:]]
    for column in (polars.Series(words), polars.Series(words, dtype=polars.Categorical)):
        assert [token for _, token in answers(INSTANTS, column)] == words
    assert [token for _, token in answers(INSTANTS[:3], polars.Series([None] * 3))] == [None] * 3
    refused(polars.Series([None] * 3), ValueError, re.escape("ats[0] is null"), "abc")
    objects = polars.Series([START, UTC, None], dtype=polars.Object)
    assert [token for _, token in answers(INSTANTS[:3], objects)] == [START, UTC, None]


@pytest.mark.parametrize("values", [[0.5, None, -1.5], [True, None, False], [3, None, -1]], ids=str)
def test_numbers_are_tokens_wherever_they_lie(values: list[Any]) -> None:
    arrow, polars, duckdb = map(pytest.importorskip, ("pyarrow", "polars", "duckdb"))
    pandas = pytest.importorskip("pandas")
    array = arrow.array(values)
    columns = [array, array.slice(1), arrow.chunked_array([values[:1], values[1:]]), polars.Series(values)]
    columns += [arrow.table({"q": values}), polars.DataFrame({"q": values}), array.dictionary_encode()]
    columns += [arrow.record_batch({"q": values}), pandas.Series(values, dtype=pandas.ArrowDtype(array.type))]
    columns += [pandas.DataFrame({"q": columns[-1]})]
    for column in columns:
        found = tokens_of(column)
        assert found == values[-len(found) :] and list(map(type, found)) == list(map(type, values[-len(found) :]))
    n: MultiNotifier[Any, int] = MultiNotifier()
    n.notify_many([0, 1, 2], duckdb.from_arrow(arrow.table({"q": values})))
    n.notify_many([3, 4, 5], arrow.table({"q": values}).to_reader())
    assert n.due(9) == values * 2


def test_tables_and_streams_of_what_is_no_word() -> None:
    """They would give their columns' names, or their chunks."""
    arrow, polars, duckdb = map(pytest.importorskip, ("pyarrow", "polars", "duckdb"))
    days: Any = [date(2026, 1, 1), None, date(2026, 1, 3)]
    table = arrow.table({"q": days})
    for tokens in (table, table.to_reader(), polars.DataFrame({"q": days}), duckdb.from_arrow(table)):
        refused(INSTANTS[:3], TypeError, "tokens must be a list or an array of them, not a table", tokens)
    assert tokens_of(table["q"]) == tokens_of(polars.Series(days)) == days


def test_what_is_missing_in_pandas_is_none() -> None:
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    day, moment = date(2026, 1, 1), datetime(2026, 1, 1, 12)
    for values, kind in (
        ([day, None], pandas.ArrowDtype(arrow.date32())),
        ([moment, None], pandas.ArrowDtype(arrow.timestamp("us"))),
        (["a", None], "category"),
    ):
        for column in (pandas.Series(values, dtype=kind), pandas.Index(values, dtype=kind)):
            assert tokens_of(column) == values


def test_an_index_of_several_levels() -> None:
    pandas = pytest.importorskip("pandas")
    pairs = [(1, "a"), (2, "b")]
    assert tokens_of(pandas.MultiIndex.from_tuples(pairs)) == pairs


def test_what_numpy_masks_is_none() -> None:
    numpy = pytest.importorskip("numpy")
    times = numpy.array(["2026-01-01", "2026-01-02"], "M8[s]")
    assert tokens_of(numpy.ma.array(times, mask=[False, True])) == [times[0], None]
    assert tokens_of(numpy.ma.array([0.5, 1.5], mask=[True, False])) == [None, 1.5]
    assert tokens_of(times) == list(times)
