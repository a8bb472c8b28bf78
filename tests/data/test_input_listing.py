"""Inputs of several files: patterns and folders, what is read of them, and what is refused."""

import gzip
import json
import os
import resource
from pathlib import Path

import pytest

from yamlgen.api.loading import check, load
from yamlgen.data.input_head import read_head
from yamlgen.data.input_sources import source_of
from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.pipeline.input_config import Input


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(path, content):
    """Write a file, as JSON lines if it is a list."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, list):
        content = "".join(json.dumps(row) + "\n" for row in content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def source(**keys):
    """The source of an `input`."""
    return source_of(Input(**keys), Path("pipeline.yaml").absolute(), "pipeline.yaml")


def read(**keys):
    """The rows of an `input`, as a run reads them."""
    scanned, count = source(**keys).scan()
    rows = [row.row for row in scanned.rows()]
    assert len(rows) == count
    return rows


def refusal(error=UsageError, **keys):
    """The error with which a scan ends; the head of the input says the same."""
    with pytest.raises(error) as caught:
        source(**keys).scan()
    if error is UsageError:
        assert str(read_head(source(**keys), 1001).fault()) == str(caught.value)
    return caught.value


def test_rows_come_in_the_order_of_path_then_line():
    """Whatever the order of creation; compressed files too."""
    put("in/b.jsonl", [{"n": 3}])
    put("in/a/z.jsonl.gz", gzip.compress(b'{"n": 1}\n{"n": 2}\n'))
    put("in/c.jsonl", [])
    put("in/d.jsonl", [{"n": 4}])
    put("in/.hidden.jsonl", [{"n": 0}])
    assert [row["n"] for row in read(path="in/**/*.jsonl*")] == [1, 2, 3, 4]


def test_the_file_column_is_the_path_of_the_file():
    """Relative to the pipeline file, also if the pattern is absolute; it comes first."""
    put("in/a.csv", "n\n1\n")
    put("in/b.csv", "n\n2\n")
    expected = [{"_file": "in/a.csv", "n": "1"}, {"_file": "in/b.csv", "n": "2"}]
    assert read(path="in/*.csv", file_column=True) == expected
    assert read(path=str(Path("in/*.csv").absolute()), file_column=True) == expected
    assert list(read(path="in/a.csv", file_column=True)[0]) == ["_file", "n"]
    assert read(path="in/*.csv", file_column=True, id="_file") == expected
    assert read_head(source(path="in/*.csv", file_column=True)).columns.names == ("_file", "n")


def test_a_file_with_the_file_column_is_refused():
    """No value is replaced silently."""
    put("in/a.jsonl", [{"n": 1}, {"_file": "mine"}])
    found = refusal(path="in/*.jsonl", file_column=True)
    assert found.message == "in/a.jsonl:2: the column `_file` is in the file, and is added too"


def test_a_folder_is_a_row_for_each_file():
    """With the path in the folder, the name, and the whole text; an empty file is an empty text."""
    put("docs/b.md", "Two\nlines\n")
    put("docs/deep/a.txt", "")
    put("docs/.git/c.md", "hidden")
    assert read(folder="docs") == [
        {"path": "b.md", "name": "b.md", "text": "Two\nlines\n"},
        {"path": "deep/a.txt", "name": "a.txt", "text": ""},
    ]
    assert [row["path"] for row in read(folder="docs", pattern="*.md", id="path")] == ["b.md"]
    columns = read_head(source(folder="docs")).columns
    assert (columns.names, columns.closed, columns.complete) == (("path", "name", "text"), True, True)


def test_a_folder_may_be_in_another_encoding():
    """A file that is not text is an error with its name."""
    put("docs/a.txt", "Café".encode("latin-1"))
    found = refusal(folder="docs")
    assert found.message.startswith("docs/a.txt:1: not UTF-8")
    assert found.hint == "leave out files that are not text with `pattern`, or set `encoding`"
    assert read(folder="docs", encoding="latin-1")[0]["text"] == "Café"


def test_an_id_twice_in_two_files_names_both_places():
    """Ids are unique among all files."""
    put("in/a.jsonl", [{"id": 1}, {"id": 2}])
    put("in/b.jsonl", [{"id": 3}, {"id": 2}])
    found = refusal(path="in/*.jsonl", id="id")
    assert found.message == "in/b.jsonl:2: `id` 2 is already used at in/a.jsonl:2"


def test_columns_of_files_with_headers_must_agree():
    """The message names both files and the columns; their order does not matter, and JSON lines are free."""
    put("in/a.csv", "a,b\n1,2\n")
    put("in/b.csv", "b,a\n3,4\n")
    assert read(path="in/*.csv") == [{"a": "1", "b": "2"}, {"a": "4", "b": "3"}]
    put("in/c.csv", "a,c\n5,6\n")
    found = refusal(path="in/*.csv")
    assert found.code is Code.BAD_INPUT
    assert "in/c.csv has `c` and lacks `b`, unlike in/a.csv" in found.message
    put("in/a.jsonl", [{"a": 1}])
    put("in/b.jsonl", [{"b": 1}])
    assert read(path="in/*.jsonl") == [{"a": 1}, {"b": 1}]


def test_formats_must_agree():
    """Otherwise the types of values would depend on the file."""
    put("in/a.csv", "a\n1\n")
    put("in/b.jsonl", [{"a": 1}])
    assert "in/b.jsonl is jsonl, but in/a.csv is csv" in refusal(path="in/*").message


@pytest.mark.parametrize(
    ("keys", "message", "hint"),
    [
        ({"path": "inn/*.csv"}, "the folder inn does not exist", "did you mean `in`?"),
        ({"path": "in/*.jsonl"}, "no file in in matches `*.jsonl`", "it has 2 .csv files: did you mean `in/*.csv`?"),
        ({"path": "in/x*.csv"}, "no file in in matches `x*.csv`", "it has 2 .csv files: did you mean `in/*.csv`?"),
        ({"path": "*.csv"}, "no file matches `*.csv`", "in/a.csv does: write `**/*.csv` for the folders below too"),
        ({"folder": "inn"}, "the folder inn does not exist", "did you mean `in`?"),
        ({"folder": "in/a.csv"}, "in/a.csv is a file, not a folder", "for a file, write `path`"),
        (
            {"folder": "in", "pattern": "*.md"},
            "no file in in matches `*.md`",
            "it has 2 .csv files and others: did you mean `*.csv`?",
        ),
    ],
)
def test_what_matches_nothing_is_missing(keys, message, hint):
    """Exit code 3, with what is there instead."""
    put("in/a.csv", "a\n1\n")
    put("in/b.csv", "a\n1\n")
    put("in/notes.txt", "")
    found = refusal(EnvironmentProblem, **keys)
    assert (found.code, found.message) == (Code.MISSING_INPUT, message)
    assert found.hint == hint


def test_files_that_change_in_the_run_are_told():
    """A file that appears or grows is a warning, one that vanishes or changes an error."""
    put("in/a.jsonl", [{"n": 1}])
    put("in/b.jsonl", [{"n": 2}])
    scanned, _ = source(path="in/*.jsonl").scan()
    put("in/c.jsonl", [{"n": 3}])
    assert [row.row["n"] for row in scanned.rows()] == [1, 2]
    assert scanned.verify() == "in/c.jsonl appeared in in/*.jsonl during the run; run again to process the added rows"
    Path("in/c.jsonl").unlink()
    with Path("in/a.jsonl").open("a") as file:
        file.write('{"n": 9}\n')
    assert "in/a.jsonl grew by 9 bytes" in scanned.verify()
    Path("in/b.jsonl").unlink()
    with pytest.raises(EnvironmentProblem) as caught:
        scanned.verify()
    assert caught.value.code is Code.INPUT_CHANGED


def test_many_files_need_few_descriptors():
    """Files are open one at a time, in the head and in a run."""
    for number in range(150):
        put(f"in/{number:03}.jsonl", [{"id": number}])
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(100, limits[0]), limits[1]))
    try:
        assert len(read_head(source(path="in/*.jsonl"), 1001).rows) == 150
        assert len(read(path="in/*.jsonl", id="id")) == 150
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


PIPELINE = """\
version: 1
input: {path: "in/*.jsonl", id: id}
steps:
  s: {kind: compute, value: row.id}
output: {path: out/rows.jsonl}
"""


def test_a_loaded_pipeline_lists_its_files_again():
    """A program may keep it for a long time."""
    put("in/a.jsonl", [{"id": 1}])
    put("pipeline.yaml", PIPELINE)
    pipeline = load("pipeline.yaml")
    assert pipeline.compiled.is_current
    put("in/b.jsonl", [{"id": 2}])
    assert not pipeline.compiled.is_current
    plan = pipeline.plan()
    assert [row.row["id"] for row in pipeline.selected(plan).rows()] == [1, 2]


def test_a_given_pattern_replaces_the_input():
    """As `--input` and from Python: relative to the current directory, whose name may have brackets."""
    put("in/a.jsonl", [{"id": 1}])
    put("old[1]/pipeline.yaml", PIPELINE)
    put("old[1]/here/a.jsonl", [{"id": 2}])
    os.chdir("old[1]")
    pipeline = load("pipeline.yaml", input="here/*.jsonl")
    assert [row.row["id"] for row in pipeline.source.rows()] == [2]
    assert pipeline.source.name() == "here/*.jsonl"
    again = load("pipeline.yaml", input=pipeline.source.location)  # as a retry does
    assert [row.row["id"] for row in again.source.rows()] == [2]


def test_a_given_folder_replaces_a_folder():
    """The pattern stays."""
    put("pipeline.yaml", PIPELINE.replace('{path: "in/*.jsonl", id: id}', '{folder: in, pattern: "*.md", id: path}'))
    put("other/a.md", "A")
    put("other/b.txt", "B")
    put("in/c.md", "C")
    made, told = check("pipeline.yaml", input="other")
    assert made is None
    assert [each.code for each in told] == [Code.UNKNOWN_COLUMN]  # of `row.id`
    put("pipeline.yaml", Path("pipeline.yaml").read_text().replace("row.id", "row.text"))
    pipeline = load("pipeline.yaml", input="other")
    assert [row.row["text"] for row in pipeline.source.rows()] == ["A"]
