"""Rows that a Python caller gives in place of the pipeline's input."""

import copy
import json
import math
from collections import OrderedDict, UserDict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

import yamlgen
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.errors import Code, UsageError, YamlgenError
from yamlgen.events import RunStarted

ROWS = [{"id": number, "topic": f"town {number}"} for number in range(1, 9)]
"""What `rows.jsonl` of the small pipeline has."""

STEPS = """\
version: 1
input: {path: none.csv, delimiter: ";"}
steps:
  made: {kind: compute, values: {next: row.n + 1, first: "row.tags[0]"}}
output: {path: out.jsonl}
"""

PYTHON = """\
def spoil(row):
    row["tags"].append("spoilt")
    return len(row["tags"])
"""


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """A pipeline without a model, whose own input does not exist and could not have these types."""
    monkeypatch.chdir(tmp_path)
    Path("steps.yaml").write_text(STEPS, encoding="utf-8")


def refused(rows, pipeline="small.yaml", **options):
    """The error of a run with these rows."""
    with pytest.raises(UsageError) as caught:
        yamlgen.run(pipeline, rows=rows, simulate=True, **options)
    return caught.value


def test_rows_are_those_of_a_file(small):
    """The same rows from a file and from Python are the same rows: nothing is sent again, and the output is equal."""
    first = yamlgen.run("small.yaml", simulate=True)
    written = first.output.read_bytes()
    (small / "rows.jsonl").unlink()
    for rows in (ROWS, reversed(ROWS), (MappingProxyType(row) for row in ROWS)):
        again = yamlgen.run("small.yaml", rows=rows, simulate=True)
        assert (again.report.paid.attempts, again.report.reused.attempts) == (0, 8)
    assert again.output.read_bytes() == written
    record = json.loads((small / "out/notes.simulated.run.json").read_text())
    assert (record["input"], record["rows"]["input"]) == ("rows from Python", 8)


@pytest.mark.usefixtures("small")
def test_a_second_run_sends_nothing():
    """A loaded pipeline has its rows for any number of runs, even if they came from an iterator."""
    loaded = yamlgen.load("small.yaml", rows=iter(ROWS[:3]))
    assert [yamlgen.run(loaded, simulate=True).report.paid.attempts for _ in range(2)] == [3, 0]
    assert yamlgen.run("small.yaml", rows=ROWS[1:4], simulate=True).report.paid.attempts == 1
    changed = [{**ROWS[0], "topic": "a lake"}, *ROWS[1:3]]
    assert yamlgen.run("small.yaml", rows=changed, simulate=True).report.paid.attempts == 1


@pytest.mark.usefixtures("small")
def test_a_run_that_stopped_continues():
    """The same call with the same rows, in any order, sends what is left."""
    with pytest.raises(YamlgenError, match="3 finished rows stored"):
        yamlgen.run("small.yaml", rows=ROWS, simulate=True, max_requests=3)
    again = yamlgen.run("small.yaml", rows=ROWS[::-1], simulate=True)
    assert (again.report.paid.attempts, again.report.reused.attempts) == (5, 3)
    assert [row["id"] for row in again.rows()] == list(range(8, 0, -1))


@pytest.mark.usefixtures("small")
def test_rows_without_an_id_are_known_by_what_the_pipeline_reads():
    """As for rows of any other input, columns that no step reads do not matter."""
    loaded = yamlgen.load(
        "small.yaml", overrides={"input": "{path: none.jsonl}"}, rows=[{"topic": "a"}, {"topic": "a"}]
    )
    assert yamlgen.run(loaded, simulate=True).report.paid.attempts == 2
    rows = [{"topic": "a", "more": number} for number in range(2)]
    loaded = yamlgen.load("small.yaml", overrides={"input": "{path: none.jsonl}"}, rows=rows)
    assert yamlgen.run(loaded, simulate=True).report.paid.attempts == 0


@pytest.mark.usefixtures("steps")
def test_values_keep_their_types():
    """Integers are integers, tuples are lists, and subclasses of Python's types are what they are in JSON."""
    rows = [
        {"n": 1, "tags": ("a", ["b"]), "size": np.float64(0.5)},
        OrderedDict(n=2**60, tags=["é"], size=None),
        UserDict(n=True + 1, tags=[{"x": {"y": [None, False]}}], size=1.0),
    ]
    done = yamlgen.run("steps.yaml", rows=rows)
    assert done.rows() == [
        {"n": 1, "tags": ["a", ["b"]], "size": 0.5, "made": {"next": 2, "first": "a"}},
        {"n": 2**60, "tags": ["é"], "size": None, "made": {"next": 2**60 + 1, "first": "é"}},
        {
            "n": 2,
            "tags": [{"x": {"y": [None, False]}}],
            "size": 1.0,
            "made": {"next": 3, "first": {"x": {"y": [None, False]}}},
        },
    ]


@pytest.mark.usefixtures("steps")
def test_columns_are_known_from_the_rows():
    """A column that no row has, and an operation that its values do not allow, are errors of the file."""
    with pytest.raises(InvalidPipeline) as caught:
        yamlgen.load("steps.yaml", rows=[{"n": 1, "tag": []}])
    assert [(each.code, each.mark.line) for each in caught.value.diagnostics] == [(Code.UNKNOWN_COLUMN, 4)]
    with pytest.raises(InvalidPipeline) as caught:
        yamlgen.load("steps.yaml", rows=[{"n": "1", "tags": []}])
    assert [(each.code, each.mark.line) for each in caught.value.diagnostics] == [(Code.WRONG_KIND, 4)]


@pytest.mark.usefixtures("steps")
def test_rows_are_copied():
    """The caller may change its rows during the run, and its functions theirs: neither reaches the other."""
    Path("spoil.py").write_text(PYTHON, encoding="utf-8")
    call = "{kind: python, call: 'spoil:spoil', args: {row: row}}"
    rows = [{"n": number, "tags": ["a"]} for number in range(30)]
    before = copy.deepcopy(rows)

    def change(event):
        if isinstance(event, RunStarted):
            for row in rows:
                row["tags"].append("late")
                row["n"] = None

    done = yamlgen.run("steps.yaml", rows=rows, overrides={"steps.made": call}, on_event=change)
    assert [{**row, "made": 2} for row in before] == done.rows()
    assert rows[0] == {"n": None, "tags": ["a", "late"]}


@pytest.mark.parametrize(
    ("value", "said", "fix"),
    [
        (math.nan, "column `topic` is NaN", "pass None"),
        (-math.inf, "column `topic` is an infinite number", "pass None"),
        (np.float32("nan"), "column `topic` is a float32", "`.tolist()`"),
        (np.int64(3), "column `topic` is an int64", "`.tolist()`"),
        (np.bool_(1), "column `topic` is a numpy.bool", "`.tolist()`"),
        (np.uint8(3), "column `topic` is a uint8", "`.tolist()`"),
        (np.arange(2), "column `topic` is an ndarray", "`.tolist()`"),
        (pd.NA, "column `topic` is an NAType", "pass None"),
        (pd.NaT, "column `topic` is a NaTType", "pass None"),
        (pd.Timestamp("2026-01-02"), "column `topic` is a Timestamp", "`.isoformat()`"),
        (datetime(2026, 1, 2, tzinfo=UTC), "column `topic` is a datetime", "`.isoformat()`"),
        (b"x", "column `topic` is a bytes object", "`.decode()`"),
        (Decimal(1), "column `topic` is a Decimal", "`float` or `str`"),
        ({1, 2}, "column `topic` is a set", "`sorted`"),
        (10**5000, "column `topic` is an integer of thousands of digits", "pass it as a string"),
        ([{"a": [0, b"x"]}], "column `topic` contains a bytes object at `topic[0].a[1]`", "`.decode()`"),
        ({"a": {3: "x"}}, "column `topic` contains a mapping with the key 3 at `topic.a`", "`str(key)`"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.usefixtures("small")
def test_what_is_no_json_is_told_with_its_place(value, said, fix):
    """The row, the column and the fix; nothing is sent or stored."""
    error = refused([ROWS[0], {"id": 2, "topic": value}])
    assert error.message == f"rows from Python, row 2: {said}, which JSON cannot represent"
    assert fix in error.hint
    assert error.code == Code.BAD_INPUT
    assert not Path(".yamlgen").exists()


@pytest.mark.parametrize(
    ("rows", "said", "fix"),
    [
        ([ROWS[0], [1]], "row 2: the row is a list, not a mapping", "write each row as a mapping"),
        ([ROWS[0], {"id": 2, None: 1}], "row 2: the row is a mapping with the key None", "`str(key)`"),
        ("rows.jsonl", "`rows` is a string, not a list of rows", "pass the path of a file as `input`"),
        (ROWS[0], "`rows` is a mapping, not a list of rows", "`rows=[row]`"),
        (7, "`rows` is an int, not a list of rows", "`rows=[row]`"),
        ([], "`rows` is empty", "at least one row"),
        (iter(()), "`rows` is empty", "at least one row"),
        ([{**ROWS[0], "id": ""}], "rows from Python, row 1: `id` is", "unique id"),
        ([ROWS[0], ROWS[1], ROWS[0]], "row 3: `id` 1 is already used at rows from Python, row 1", "unique"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.usefixtures("small")
def test_what_are_no_rows_is_told(rows, said, fix):
    """A row of another kind, another container, no rows, and rows without their own ids."""
    error = refused(rows)
    assert said in error.message
    assert fix in error.hint


@pytest.mark.usefixtures("small")
def test_a_value_that_contains_itself_is_told():
    """It ends with the name of its column, and not with an internal error."""
    endless = []
    endless.append(endless)
    assert (
        "row 1: column `topic` is nested too deeply, or contains itself"
        in refused([{"id": 1, "topic": endless}]).message
    )


@pytest.mark.parametrize("call", [yamlgen.run, yamlgen.plan, yamlgen.render, yamlgen.load, yamlgen.retry])
@pytest.mark.usefixtures("small")
def test_rows_replace_the_input_in_every_call(call):
    """One word with one meaning: where there is `input` there is `rows`, and never both."""
    more = {} if call in (yamlgen.load, yamlgen.render) else {"simulate": True}
    yamlgen.run("small.yaml", rows=ROWS[:2], simulate=True)
    with pytest.raises(UsageError, match="`input` and `rows` cannot be combined") as caught:
        call("small.yaml", input="rows.jsonl", rows=ROWS, **more)
    assert caught.value.code == Code.BAD_PARAM
    if call in (yamlgen.run, yamlgen.plan, yamlgen.render):
        with pytest.raises(UsageError, match="`rows` cannot change a loaded pipeline"):
            call(yamlgen.load("small.yaml"), rows=ROWS, **more)


@pytest.mark.usefixtures("small")
def test_rows_are_planned_and_rendered():
    """The forecast counts them, a request has their values, and the graph tells where they are from."""
    assert yamlgen.plan("small.yaml", rows=ROWS[:3], simulate=True).requests == 3
    (request,) = yamlgen.render("small.yaml", rows=[{"id": "x", "topic": "a lake"}], row="x")
    assert "a lake" in str(request.request)
    assert "rows from Python, id id" in yamlgen.render("small.yaml", rows=ROWS, graph="text")
    assert yamlgen.render("small.yaml", rows=ROWS)["input"] == {"path": "-", "id": "id"}
    with pytest.raises(UsageError, match="rows from Python have no row 9"):
        yamlgen.render("small.yaml", rows=ROWS, row=9)


FAULTY = {"simulate": True, "faults": ["refusal=0.5"], "seed": 3}


@pytest.mark.usefixtures("small")
def test_a_retry_needs_the_rows_again(call):
    """Without them it is an error, in Python and on the command line; with them, only failed rows are sent."""
    first = yamlgen.run("small.yaml", rows=ROWS, **FAULTY)
    assert first.failures
    with pytest.raises(UsageError, match="got its rows from a Python program") as caught:
        yamlgen.retry("small.yaml", simulate=True)
    assert (caught.value.code, caught.value.hint) == (Code.MISSING_INPUT, "pass them again as `rows`")
    told = call("retry", "small.yaml", "--simulate")
    assert told.code == 2
    assert "retry it from Python, with `rows`; or write its rows to a file: `--input PATH`" in told.err
    again = yamlgen.retry("small.yaml", rows=iter(ROWS), simulate=True)
    assert (again.report.reused.attempts, again.report.rows) == (8 - len(first.failures), 8)
    assert call("retry", "small.yaml", "--simulate", "--input", "rows.jsonl").code == 0


@pytest.mark.usefixtures("small")
def test_a_retry_of_a_file_takes_rows():
    """They replace the input of the run, which another retry then does not read again."""
    yamlgen.run("small.yaml", **FAULTY)
    Path("rows.jsonl").unlink()
    assert yamlgen.retry("small.yaml", rows=ROWS, simulate=True).report.rows == 8
    with pytest.raises(UsageError, match="got its rows from a Python program"):
        yamlgen.retry("small.yaml", simulate=True)


@pytest.mark.usefixtures("small")
def test_rows_are_not_kept_in_the_record():
    """The store keeps each row once, for its results; the pipeline as it ran does not list them again."""
    yamlgen.run("small.yaml", rows=[{**row, "more": "x" * 1000} for row in ROWS], simulate=True)
    assert "xxx" not in json.dumps(yamlgen.show("small.yaml"))


def test_a_file_whose_input_is_no_mapping_is_told(small):
    """With rows, and with a path, in place of it: the error of the file, and not an internal one."""
    text = (small / "small.yaml").read_text().replace("{path: rows.jsonl, id: id}", "rows.jsonl")
    (small / "small.yaml").write_text(text)
    for other in ({"rows": ROWS}, {"input": "rows.jsonl"}):
        with pytest.raises(InvalidPipeline) as caught:
            yamlgen.load("small.yaml", **other)
        assert [(each.code, each.mark.line) for each in caught.value.diagnostics] == [(Code.WRONG_TYPE, 3)]


@pytest.mark.usefixtures("small")
def test_a_condition_that_drops_every_row_is_named():
    """The rows are not empty: `input.where` is false for each."""
    with pytest.raises(UsageError) as caught:
        yamlgen.run("small.yaml", rows=ROWS, overrides={"input.where": "row.id > 9"}, simulate=True)
    assert caught.value.message == "`input.where` is false for every row of rows from Python"
