"""Parquet: what it reads and refuses, the types of the columns that it writes, and what other readers find in them."""

import io
import json
import random
from pathlib import PurePath

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from yamlgen.errors import Code, UsageError
from yamlgen.formats import parquet
from yamlgen.formats.format import ReadContext, WriteOptions
from yamlgen.formats.parquet import Parquet

FORMAT = Parquet()
READING = ReadContext("x.parquet")
PATH = PurePath("x.parquet")
NODE = {"type": "object", "properties": {"parts": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}


def written(rows, properties=None, tell=None, *, is_open=False):
    """The bytes of a file of rows whose columns have these schemas."""
    kind = {"type": "object", "properties": properties or {}, "$defs": {"node": NODE}}
    kind |= {} if is_open or properties is None else {"additionalProperties": False}
    lines = [f"{json.dumps(row)}\n".encode() for row in rows]
    told = [] if tell is None else tell
    return b"".join(FORMAT.write(lambda: lines, PATH, told.append, WriteOptions(type=kind)))


def types(content):
    """The Arrow type of each column of a file, as a string."""
    schema = pq.read_schema(io.BytesIO(content))
    return {field.name: str(field.type).replace("element: ", "") for field in schema}


def read(content):
    """The rows of a file."""
    return [row for _, row in FORMAT.read(io.BytesIO(content), READING)]


def of(table, **options):
    """A file with a table."""
    file = io.BytesIO()
    pq.write_table(pa.table(table), file, **options)
    return file.getvalue()


DECLARED = [
    ({"type": "string"}, "string"),
    ({"type": "integer"}, "int64"),
    ({"type": "number"}, "double"),
    ({"type": ["integer", "number"]}, "double"),
    ({"type": "boolean"}, "bool"),
    ({"enum": ["a", "b", None]}, "string"),
    ({"const": 1}, "int64"),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "int64"),
    ({"type": "null"}, "string"),
    ({"type": "array", "items": {"type": "boolean"}}, "list<bool>"),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "number"}], "items": False}, "list<double>"),
    ({"type": "object", "properties": {"a": {"type": ["string", "null"]}}}, "struct<a: string>"),
    ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string"),
    ({"type": "object"}, "string"),
    ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, "string"),
    ({"type": "array", "items": {"type": "object", "additionalProperties": {"type": "string"}}}, "string"),
    ({"$ref": "#/$defs/node"}, "string"),
]


@pytest.mark.parametrize(("schema", "kind"), DECLARED, ids=str)
def test_columns_have_the_declared_types(schema, kind):
    """Without a row too."""
    assert types(written([], {"x": schema})) == {"x": kind}


SUPPOSED = [
    ([None, "a"], "string"),
    ([1, None, -3], "int64"),
    ([1, 2.5], "double"),
    ([None], "string"),
    ([[], None], "list<string>"),
    ([[{"a": 1}], [{"b": [True]}]], "list<struct<a: int64, b: list<bool>>>"),
    ([1, "a"], "string"),
    ([True, 1], "string"),
    ([{}], "string"),
    ([{f"m{number}": number} for number in range(201)], "string"),
    ([2**63], "string"),
    ([2**63 - 1, -(2**63)], "int64"),
    ([2**53 + 1, 0.5], "string"),
]


@pytest.mark.parametrize(("values", "kind"), SUPPOSED, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("properties", [None, {"x": {}}], ids=["open", "anything"])
def test_what_is_not_declared_is_determined_from_all_rows(values, kind, properties):
    """The values of one type are a column of it; others are JSON text."""
    content = written([{"x": value} for value in values], properties)
    assert types(content) == {"x": kind}
    found = [row["x"] for row in read(content)]
    if kind == "string" and not {type(value) for value in values} <= {str, type(None)}:
        found = [None if text is None else json.loads(text) for text in found]
    if "struct" not in kind:
        assert found == values


UNFIT = [
    ({"type": "integer"}, 2**70, str(2**70)),
    ({"type": "integer"}, 1.5, 1.5),
    ({"type": "number"}, 2**60 + 1, str(2**60 + 1)),
    ({"type": "number"}, True, "true"),
    ({"type": "string"}, 1, "1"),
    ({"type": "array", "items": {"type": "string"}}, "abc", '"abc"'),
    ({"type": "object", "properties": {"a": {"type": "string"}}}, {"a": "x", "b": 1}, {"a": "x", "b": 1}),
    ({"type": "object", "properties": {"a": {"type": "string"}}}, [], "[]"),
]


@pytest.mark.parametrize(("schema", "value", "found"), UNFIT, ids=str)
def test_a_value_that_does_not_fit_its_declared_type_is_not_changed(schema, value, found):
    """It is in the column as it is, or in a column of JSON text."""
    rows = [{"x": None}] * 3 + [{"x": value}]
    assert read(written(rows, {"x": schema}))[3]["x"] == found


def test_a_column_that_is_not_declared_is_written():
    """Its place is that of its first row, as in CSV."""
    rows = [{"a": 1}, {"b": 2, "a": 3}]
    for is_open in (True, False):
        assert read(written(rows, {"z": {"type": "string"}, "a": {"type": "integer"}}, is_open=is_open)) == [
            {"a": 1, "b": None, "z": None},
            {"a": 3, "b": 2, "z": None},
        ]


MANY = {"n": {"type": "integer"}, "t": {"type": "string"}}


def test_the_same_rows_are_the_same_bytes():
    """And large files have several row groups."""
    rows = [{"n": number, "t": f"text {number}"} for number in range(150_000)]
    content = written(rows, MANY)
    assert content == written(rows, MANY)
    assert pq.ParquetFile(io.BytesIO(content)).num_row_groups == 2
    assert read(content) == rows


def test_a_lone_surrogate_is_replaced_with_a_warning():
    """UTF-8 cannot encode it. An escaped backslash before `ud800` is not an escape."""
    told = []
    content = written([{"x": "a"}, {"x": "\ud800b\\ud800"}], {"x": {"type": "string"}}, told)
    assert read(content) == [{"x": "a"}, {"x": "\ufffdb\\ud800"}]
    assert told == ["Parquet cannot contain lone surrogates: 1 became U+FFFD, the first in row 2 of the output"]


def test_other_readers_find_the_same_values(tmp_path):
    """Those of pandas and DuckDB, also nested ones and null."""
    rows = [
        {"n": 1, "x": 0.5, "t": "é\0", "b": True, "l": [1, None], "s": {"a": [{"c": "x"}], "d": None}},
        {"n": None, "x": None, "t": None, "b": None, "l": None, "s": None},
    ]
    path = tmp_path / "x.parquet"
    path.write_bytes(written(rows))
    assert pq.read_table(path).to_pylist() == read(path.read_bytes()) == rows
    found = duckdb.sql(f"select to_json(f) from '{path}' f").fetchall()  # noqa: S608 - its own path
    assert [json.loads(text) for (text,) in found] == rows
    frame = pd.read_parquet(path, dtype_backend="pyarrow")
    assert frame["t"].tolist() == ["é\0", pd.NA]
    assert frame["s"].iloc[0]["a"][0]["c"] == "x"


def test_files_of_other_writers_are_read(tmp_path):
    """Those of pandas, with its index, and of DuckDB, with its types."""
    frame = pd.DataFrame({"when": pd.to_datetime(["2024-01-02", None]), "kind": pd.Categorical(["a", None])})
    frame.to_parquet(tmp_path / "p.parquet")
    assert read((tmp_path / "p.parquet").read_bytes()) == [
        {"when": "2024-01-02T00:00:00", "kind": "a"},
        {"when": None, "kind": None},
    ]
    values = "1::hugeint h, 1.50::decimal(9, 2) d, date '2024-01-02' as w, time '01:02:03.5' t, map {'a': 1} m, "
    values += "uuid '00000000-0000-0000-0000-000000000001' u, [{'a': 1}] l, timestamptz '2024-01-02 01:00:00+01' z"
    path = tmp_path / "d.parquet"
    duckdb.sql(f"copy (select {values}) to '{path}'")
    assert read(path.read_bytes()) == [
        {
            "h": 1.0,
            "d": 1.5,
            "w": "2024-01-02",
            "t": "01:02:03.5",
            "m": {"a": 1},
            "u": "00000000-0000-0000-0000-000000000001",
            "l": [{"a": 1}],
            "z": "2024-01-02T00:00:00Z",
        }
    ]


def test_a_row_group_of_any_size_is_read_in_batches():
    """The first row is there before the others are converted: an error of a later one does not prevent it."""
    values = [0.5] * 50_000 + [float("nan")]
    rows = FORMAT.read(io.BytesIO(of({"x": values}, row_group_size=100_000)), READING)
    assert next(rows) == (1, {"x": 0.5})
    with pytest.raises(UsageError, match=r"x\.parquet, row 50001: column `x` is NaN"):
        list(rows)


def test_columns_have_types_and_no_null_that_cannot_be():
    """The statistics of the file tell which columns contain null; without them, each may."""
    table = {"a": [1, 2], "b": ["x", None], "s": [{"m": 1}, {"m": 2}]}
    member = {"type": ["integer", "null"]}
    record = {"type": ["object", "null"], "properties": {"m": member}, "required": ["m"], "additionalProperties": False}
    found = FORMAT.columns(io.BytesIO(of(table, row_group_size=1)), READING)
    assert found == {"a": {"type": "integer"}, "b": {"type": ["string", "null"]}, "s": record}
    unknown = FORMAT.columns(io.BytesIO(of(table, write_statistics=False)), READING)
    assert unknown["a"] == {"type": ["integer", "null"]}


WHOLE = of({"x": [1, 2]})
BROKEN = [
    (WHOLE[:-1], "the Parquet file ends too early", "cut short"),
    (WHOLE[:4], "the Parquet file ends too early", "cut short"),
    (b"PAR1PAR1", "the Parquet file ends too early", "cut short"),
    (WHOLE[:4] + b"\xff" * (len(WHOLE) - 12) + WHOLE[-8:], "a damaged Parquet file: ", "copy or download"),
    (b"", "not a Parquet file", "set `format`"),
    (b"a,b\n1,2\n", "not a Parquet file", "set `format`"),
    (b"\x1f\x8b\x08" + WHOLE, "not a Parquet file: it is compressed as a whole", "Parquet is compressed inside"),
    (b"\x28\xb5\x2f\xfd" + WHOLE, "not a Parquet file: it is compressed as a whole", "Parquet is compressed inside"),
    (WHOLE[:-4] + b"PARE", "an encrypted Parquet file", "decrypt"),
]


@pytest.mark.parametrize(("content", "fact", "hint"), BROKEN)
@pytest.mark.parametrize("use", [FORMAT.columns, lambda *given: list(FORMAT.read(*given))], ids=["columns", "read"])
def test_a_broken_file_is_an_error(content, fact, hint, use):
    """Both for the columns and for the rows."""
    with pytest.raises(UsageError) as caught:
        use(io.BytesIO(content), READING)
    assert caught.value.message.startswith(f"x.parquet: {fact}")
    assert hint in caught.value.hint


def test_an_error_of_the_file_system_stays():
    """It is not an error of the content."""

    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() not in (0, len(WHOLE) - 4):
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(OSError, match="Input/output error"):
        list(FORMAT.read(Failing(WHOLE), READING))


def test_without_pyarrow_it_is_an_error_that_names_the_command(monkeypatch):
    """For reading, and for a path of an output."""
    monkeypatch.setattr(parquet, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"cannot read x\.parquet: Parquet needs the package pyarrow") as caught:
        list(FORMAT.read(io.BytesIO(WHOLE), READING))
    assert caught.value.code == Code.NO_EXTRA
    assert caught.value.hint == "install it: `pip install 'yamlgen[sql]'`"
    assert FORMAT.problem(PATH)[::2] == (caught.value.code, caught.value.hint)


def test_damaged_bytes_are_rows_or_an_error():
    """Whatever a byte becomes, neither the process ends nor an error of pyarrow is shown as it is."""
    choice = random.Random(1)  # noqa: S311 - the same bytes in each run
    table = {"a": [1, 2, None] * 9, "s": ["x", "yy", None] * 9, "l": [[1], [], None] * 9}
    content = of(table, row_group_size=9)
    refused = 0
    for _ in range(400):
        changed = bytearray(content)
        changed[choice.randrange(4, len(content) - 8)] = choice.randrange(256)
        try:
            FORMAT.columns(io.BytesIO(changed), READING)
            read(bytes(changed))
        except UsageError:
            refused += 1
    assert refused > 100
