#!/usr/bin/env bash
# PyArrow 26.0.1 (PyPI) with pandas 3.1.1, CPython 3.11; the sources are `TypeInferrer`, which stops at the first date or
# datetime and, within structs, where it does not, prefers dates, in
# https://github.com/apache/arrow/blob/apache-arrow-26.0.1/python/pyarrow/src/arrow/python/inference.cc, and `Convert` to
# Date32Type, to which a datetime is a date, in python_to_arrow.cc beside it. https://github.com/apache/arrow/issues/41896
# tells of the same where the caller asks for dates; here nobody does.
#
# A list of datetimes with a date among them is expected to become a column of timestamps or to be refused; Polars 2.1.0
# refuses it, and NumPy, asked for "M8[us]", makes midnight of the date. PyArrow makes it a column of days if the date
# comes first, and the time of day of all others is gone, without a word. If a datetime comes first it raises, except
# within structs, where the order does not matter and all are cut. Seen, for 1 January and 12:30 on the 2nd:
#   array, date first: date32[day], 2026-01-02
#   array, datetime first: ArrowTypeError
#   from_pylist, date first: date32[day], 2026-01-02
#   structs, datetime first: date32[day], 2026-01-02
#   from 2026-01-02 02:00 in Tokyo: 2026-01-02
#   pandas to Parquet and back: 2026-01-02
#
# What follows from it: once they went through a table or a file, timers come early by their time of day, aware ones even
# late, as midnight of the wrong zone; and only if a date came first, so that tests with other data do not see it. The
# column needs a type, `pyarrow.array(ats, pyarrow.timestamp("us"))`, which refuses the date.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1 pandas==3.1.1
cat > "$folder/dates.py" <<'PY'
import io
from datetime import date, datetime, timedelta, timezone

import pandas
import pyarrow

day, noon = date(2026, 1, 1), datetime(2026, 1, 2, 12, 30)
tokyo = datetime(2026, 1, 2, 2, tzinfo=timezone(timedelta(hours=9)))


def show(name, make):
    try:
        column = make()
    except Exception as error:
        print(f"{name}: {type(error).__name__}")
    else:
        print(f"{name}: {column.type}, {max(column.to_pylist())}")


show("array, date first", lambda: pyarrow.array([day, noon]))
show("array, datetime first", lambda: pyarrow.array([noon, day]))
show("from_pylist, date first", lambda: pyarrow.Table.from_pylist([{"at": day}, {"at": noon}])["at"])
show("structs, datetime first", lambda: pyarrow.array([{"at": noon}, {"at": day}]).field("at"))
print("from 2026-01-02 02:00 in Tokyo:", pyarrow.array([day, tokyo])[1].as_py())
file = io.BytesIO()
pandas.DataFrame({"at": [day, noon]}).to_parquet(file, engine="pyarrow")
print("pandas to Parquet and back:", pandas.read_parquet(file, engine="pyarrow")["at"][1])
try:
    pyarrow.array([day, noon], pyarrow.timestamp("us"))
except pyarrow.ArrowTypeError:
    pass
else:
    raise SystemExit("a column of timestamps took the date")
PY
seen=$("$folder/venv/bin/python" "$folder/dates.py")
echo "$seen"
for line in "array, date first: date32[day], 2026-01-02" "array, datetime first: ArrowTypeError" \
    "from_pylist, date first: date32[day], 2026-01-02" "structs, datetime first: date32[day], 2026-01-02" \
    "from 2026-01-02 02:00 in Tokyo: 2026-01-02" "pandas to Parquet and back: 2026-01-02"; do
    grep -qxF "$line" <<< "$seen"
done
