"""Tables of pandas, polars and Arrow as rows, and the results of a run as such tables."""

import datetime as dt
import json
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

import yamlgen
from yamlgen.data import given_table
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.errors import Code, UsageError

ROWS = [{"id": number, "topic": f"town {number}"} for number in range(1, 9)]
"""What `rows.jsonl` of the small pipeline has."""

STEPS = """\
version: 1
input: {path: none.jsonl}
steps:
  made: {kind: compute, values: {next: row.n + 1, tags: "[row.t | upper]"}}
output: {path: out.jsonl}
"""

TABLES = {
    "pandas": pd.DataFrame,
    "pandas with another index": lambda rows: pd.DataFrame(rows, index=range(10, 10 + len(rows))),
    "arrow": pa.Table.from_pylist,
    "a batch": pa.RecordBatch.from_pylist,
    "a stream": lambda rows: pa.Table.from_pylist(rows).to_reader(),
    "duckdb": lambda rows: duckdb.sql("select * from given", connection=_connected(rows)),
    "polars": lambda rows: pytest.importorskip("polars").DataFrame(rows),
}


def _connected(rows):
    connection = duckdb.connect()
    connection.register("given", pa.Table.from_pylist(rows))
    return connection


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """A pipeline without a model, whose own input does not exist."""
    monkeypatch.chdir(tmp_path)
    Path("steps.yaml").write_text(STEPS, encoding="utf-8")


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_has_the_rows_of_a_list(small, table):
    """Nothing is sent again, and the output is the same."""
    first = yamlgen.run("small.yaml", rows=ROWS, simulate=True)
    written = first.output.read_bytes()
    again = yamlgen.run("small.yaml", rows=table(ROWS), simulate=True)
    assert (again.report.paid.attempts, again.report.reused.attempts) == (0, 8)
    assert again.output.read_bytes() == written
    assert json.loads((small / "out/notes.simulated.run.json").read_text())["input"] == "rows from Python"


@pytest.mark.usefixtures("small")
def test_a_stream_is_read_once_for_any_number_of_runs():
    """A loaded pipeline keeps its table."""
    loaded = yamlgen.load("small.yaml", rows=pa.Table.from_pylist(ROWS[:3]).to_reader())
    assert [yamlgen.run(loaded, simulate=True).report.paid.attempts for _ in range(2)] == [3, 0]


@pytest.mark.usefixtures("small")
def test_a_retry_takes_a_table():
    """Only failed rows are sent again."""
    table = pa.Table.from_pylist(ROWS)
    first = yamlgen.run("small.yaml", rows=table, simulate=True, faults=["refusal=0.5"], seed=3)
    again = yamlgen.retry("small.yaml", rows=table, simulate=True)
    assert (again.report.reused.attempts, again.report.rows) == (8 - len(first.failures), 8)


@pytest.mark.usefixtures("steps")
def test_the_types_of_a_table_are_known():
    """A missing column and a wrong operation are errors of the file."""
    table = {"n": [1] * 200, "t": ["a"] * 200}
    yamlgen.load("steps.yaml", rows=pa.table(table))
    for changed, code in (
        ({"n": [1] * 200}, Code.UNKNOWN_COLUMN),
        (table | {"n": ["1"] * 200}, Code.WRONG_KIND),
    ):
        with pytest.raises(InvalidPipeline) as caught:
            yamlgen.load("steps.yaml", rows=pa.table(changed))
        assert {each.code for each in caught.value.diagnostics} == {code}


def test_null_is_a_value_of_a_column_that_contains_it():
    """Of no other one, although each Arrow column may contain null."""
    made = given_table.given_table(pd.DataFrame({"a": [1, 2], "b": ["x", None]}), "t")
    assert made.types() == {"a": {"type": "integer"}, "b": {"type": ["string", "null"]}}


@pytest.mark.usefixtures("steps")
def test_a_table_is_filtered_and_sampled():
    """As any other input."""
    overrides = {"input": "{path: none.jsonl, where: row.n % 2 == 0, sample: {n: 3, seed: 1}}"}
    rows = [{"n": number, "t": "x"} for number in range(100)]
    loaded = [yamlgen.load("steps.yaml", rows=given, overrides=overrides) for given in (rows, pd.DataFrame(rows))]
    first, second = (yamlgen.run(each).rows() for each in loaded)
    assert first == second
    assert len(first) == 3


BROKEN = [
    (pd.DataFrame({"x": [1, "a"]}), "`rows` cannot be read as an Arrow table: ", "values of one type"),
    (pa.table([[1], [2]], names=["x", "x"]), "rows from Python: two columns have the name `x`", "rename"),
    (pa.table({"x": [1.0, float("nan")]}), "rows from Python, row 2: column `x` is NaN", "replace it with null"),
    (pa.table({"x": pa.array([], pa.int64())}), "`rows` is empty", "at least one row"),
    (pd.Series([1]), "`rows` cannot be read as an Arrow table: ", "values of one type"),
]


@pytest.mark.parametrize(("table", "fact", "hint"), BROKEN, ids=["mixed", "twins", "nan", "empty", "series"])
@pytest.mark.usefixtures("steps")
def test_a_table_that_is_no_input_is_an_error(table, fact, hint):
    """It names the row and the column."""
    with pytest.raises(UsageError) as caught:
        yamlgen.run("steps.yaml", rows=table, overrides={"steps.made": "{kind: compute, value: row}"})
    assert fact in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.usefixtures("small")
def test_without_pyarrow_the_conversion_is_named(monkeypatch):
    """A table is not required to work then."""
    monkeypatch.setattr(given_table, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="row 1: the row is a string, not a mapping") as caught:
        yamlgen.run("small.yaml", rows=pd.DataFrame(ROWS), simulate=True)
    assert caught.value.hint == 'pass `rows.to_dict("records")`'


@pytest.mark.usefixtures("steps")
def test_results_are_tables_with_the_declared_types():
    """Those of a Parquet file of the same run."""
    rows = [{"n": 1, "t": "a", "day": dt.date(2024, 1, 2)}, {"n": 2, "t": "b", "day": None}]
    done = yamlgen.run("steps.yaml", rows=pa.Table.from_pylist(rows), output="out.parquet")
    table = done.to_arrow()
    made = pa.struct([("next", pa.int64()), ("tags", pa.list_(pa.string()))])
    assert table.schema == pa.schema([("n", pa.int64()), ("t", pa.string()), ("day", pa.string()), ("made", made)])
    assert table.to_pylist() == done.rows()
    written = parquet.read_table("out.parquet")
    assert (written.schema, written.to_pylist()) == (table.schema, done.rows())
    assert done.rows()[0]["day"] == "2024-01-02"


@pytest.mark.usefixtures("steps")
def test_results_are_a_polars_table():
    """With nested values."""
    polars = pytest.importorskip("polars")
    done = yamlgen.run("steps.yaml", rows=polars.DataFrame({"n": [1], "t": ["a"]}))
    assert done.to_polars().to_dicts() == done.rows() == [{"n": 1, "t": "a", "made": {"next": 2, "tags": ["A"]}}]


@pytest.mark.parametrize(
    ("method", "library", "install"),
    [
        ("to_arrow", "pyarrow", "pip install 'yamlgen[sql]'"),
        ("to_polars", "polars", "pip install polars pyarrow"),
        ("to_pandas", "pandas", "pip install pandas"),
    ],
)
@pytest.mark.usefixtures("small")
def test_a_missing_library_is_named_with_its_command(method, library, install, monkeypatch):
    """The rows stay available as Python values."""
    done = yamlgen.run("small.yaml", simulate=True)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=f"`{method}` needs {library}") as caught:
        getattr(done, method)()
    assert caught.value.hint == f"install it: `{install}`"


@pytest.mark.usefixtures("steps")
def test_an_export_has_the_types_of_the_run():
    """Also without a row that shows them, and in the file of the run."""
    rows = [{"n": 1, "t": "a"}]
    columns = "{path: out.parquet, where: row.n > 1, rejected: no.parquet, split: {a: 0.5, b: 0.5}}"
    yamlgen.run("steps.yaml", rows=rows, overrides={"output": columns})
    kinds = {path: parquet.read_schema(path) for path in ("out.a.parquet", "out.b.parquet", "no.parquet")}
    yamlgen.export("steps.yaml", output="again.parquet")
    assert set(map(str, kinds.values())) == {str(parquet.read_schema("again.a.parquet"))}
    assert parquet.read_table("no.parquet").to_pylist() == [{**rows[0], "made": {"next": 2, "tags": ["A"]}}]


@pytest.mark.usefixtures("small")
def test_a_lazy_frame_must_be_collected():
    """The error names the call."""
    polars = pytest.importorskip("polars")
    with pytest.raises(UsageError, match="`rows` is a LazyFrame, not a list of rows") as caught:
        yamlgen.run("small.yaml", rows=polars.LazyFrame(ROWS), simulate=True)
    assert caught.value.hint == "pass `rows.collect()`"
