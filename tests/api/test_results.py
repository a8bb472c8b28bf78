"""The rows of a result: read from the store when they are asked for, as values and as a table of pandas."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

import yamlgen
from yamlgen.errors import Code, EnvironmentProblem, UsageError

STEPS = """\
version: 1
input: {path: "-"}
steps:
  double: {kind: compute, values: {value: "row.big * 2 if row.big else none"}}
output: {path: out.jsonl}
"""


def test_rows_are_those_of_this_run(small):
    """Neither a later run, nor another folder of the process, nor a pickle of the result changes them."""
    first = yamlgen.run("small.yaml", simulate=True, store="the store")
    rows = first.rows()
    assert rows == [json.loads(line) for line in first.output.read_text().splitlines()]
    (small / "rows.jsonl").write_text('{"id": 1, "topic": "a lake"}\n')
    second = yamlgen.run("small.yaml", simulate=True, store="the store")
    (small / "elsewhere").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(small / "elsewhere")
        assert pickle.loads(pickle.dumps(first)).rows() == rows  # noqa: S301 - it was pickled here
        assert [row["topic"] for row in second.rows()] == ["a lake"]


@pytest.mark.usefixtures("small")
def test_rows_that_were_deleted_are_an_error():
    """A pruned run and a deleted store are told, and do not look like a run without rows."""
    first = yamlgen.run("small.yaml", simulate=True)
    yamlgen.run("small.yaml", simulate=True, limit=1)
    yamlgen.prune("small.yaml", keep=0)
    yamlgen.run("small.yaml", simulate=True)  # it may have the number of the first
    with pytest.raises(UsageError, match=f"run {first.report.run} is no longer in the store.*output file") as caught:
        first.rows()
    assert caught.value.code == Code.NO_RUN
    last = yamlgen.run("small.yaml", simulate=True)
    shutil.rmtree(".yamlgen")
    for read in (last.rows, last.to_pandas):
        with pytest.raises(EnvironmentProblem, match=f"the store .* of run {last.report.run} no longer exists"):
            read()
    assert repr(last).startswith(f"<Result of simulated run {last.report.run}: 8 rows, 0 failed")


@pytest.mark.usefixtures("small")
def test_the_only_output_has_no_name():
    """A name that the pipeline does not have is not passed over."""
    done = yamlgen.run("small.yaml", simulate=True)
    for read in (done.rows, done.to_pandas):
        with pytest.raises(UsageError, match="no output `train`"):
            read("train")


@pytest.mark.usefixtures("small")
def test_a_retry_has_all_rows():
    """The rows of a retry include those that had not failed."""
    first = yamlgen.run("small.yaml", simulate=True, faults=["refusal=0.5"], seed=3)
    again = yamlgen.retry("small.yaml", simulate=True)
    assert len(first.rows()) == 8 - len(first.failures)
    assert len(again.rows()) == 8 - len(again.failures)


def test_a_table_has_the_rows(tmp_path, monkeypatch):
    """Numbers keep their value, nested values are Python's, and what a row lacks is null in its column."""
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(STEPS, encoding="utf-8")
    rows = [
        {"n": 1, "big": 2**53 + 1, "x": 1, "mixed": 2**53 + 1, "name": "é", "flag": True, "huge": 2**70, "size": 1.5},
        {"n": 2, "big": None, "x": 2.5, "mixed": 0.5, "name": "b", "flag": None, "huge": None, "size": None},
        {"n": 3, "big": 5, "x": 3, "mixed": 1, "name": "c", "flag": False, "tags": ["a", {"b": 1}]},
    ]
    table = yamlgen.run("p.yaml", rows=rows).to_pandas()
    assert list(table.columns) == ["n", "big", "x", "mixed", "name", "flag", "huge", "size", "double", "tags"]
    assert (table["n"].dtype, table["big"].dtype, table["x"].dtype) == ("int64", "Int64", "float64")
    assert table["big"].tolist() == [2**53 + 1, pd.NA, 5]
    assert table["mixed"].tolist() == [2**53 + 1, 0.5, 1]
    assert table["huge"].tolist() == [2**70, None, None]
    assert table["flag"].tolist() == [True, None, False]
    assert table["double"].tolist() == [{"value": 2 * (2**53 + 1)}, {"value": None}, {"value": 10}]
    assert table["tags"].tolist() == [None, None, ["a", {"b": 1}]]
    assert table["size"].isna().tolist() == [False, True, True]
    assert list(table.index) == [0, 1, 2]


@pytest.mark.usefixtures("small")
def test_a_table_goes_back_into_a_run():
    """A pipeline takes the rows of another one from its table."""
    first = yamlgen.run("small.yaml", simulate=True)
    rows = first.to_pandas()[["id", "topic"]].to_dict("records")
    assert yamlgen.run("small.yaml", rows=rows, simulate=True).rows() == first.rows()


@pytest.mark.usefixtures("small")
def test_no_finished_row_is_an_empty_table():
    """There are no columns, because no row has any."""
    done = yamlgen.run("small.yaml", simulate=True, faults=["refusal=1"])
    assert (done.rows(), done.to_pandas().shape) == ([], (0, 0))


def test_an_empty_table_has_the_columns_of_its_output(tmp_path, monkeypatch):
    """Columns that are chosen are known without a row, for each output."""
    monkeypatch.chdir(tmp_path)
    columns = "columns: {a: row.n, b: steps.double.value}"
    outputs = f"outputs: {{x: {{path: x.csv, where: row.n > 9, {columns}}}, y: {{path: y.csv, columns: {{c: row.n}}}}}}"
    Path("p.yaml").write_text(f"{STEPS.partition('output:')[0]}{outputs}\n", encoding="utf-8")
    done = yamlgen.run("p.yaml", rows=[{"n": 1, "big": 2}])
    assert (done.rows("x"), list(done.to_pandas("x").columns), len(done.to_pandas("x"))) == ([], ["a", "b"], 0)
    assert done.to_pandas(output="y").to_dict("records") == [{"c": 1}]


@pytest.mark.usefixtures("small")
def test_a_table_needs_pandas(monkeypatch):
    """Without it, the rows are still there."""
    done = yamlgen.run("small.yaml", simulate=True)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pip install pandas"):
        done.to_pandas()
    assert len(done.rows()) == 8


def test_validate_names_columns_of_the_input_that_become_json_text(tmp_path):
    """Values of several types in the first rows are told; one type, and objects with other members, are not."""
    rows = [
        '{"mixed": 1, "deep": [1], "one": {"a": 1}, "n": 1}',
        '{"mixed": "x", "deep": ["x"], "one": {"b": 1}, "n": 0.5}',
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    (tmp_path / "p.yaml").write_text(
        "version: 1\ninput: {path: rows.jsonl}\nsteps: {s: {kind: compute, value: '1'}}\noutput: {path: out.parquet}\n"
    )
    told = [each.message for each in yamlgen.validate(tmp_path / "p.yaml")]
    assert told == ["`mixed` and `deep` are written as JSON text, because the values are mixed, recursive or free-form"]
