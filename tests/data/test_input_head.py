"""The head of an input whose rows are long, or many: what has to be known of a number of rows is read on for."""

import json

import pytest

from file_sources import file_source
from yamlgen.data import input_head
from yamlgen.data.input_head import PEEK, read_head
from yamlgen.parsing.project_folder import confined

LONG = "é" * 40_000
"""Of which four megabytes hold fewer rows than tell the columns."""


def written(path, rows):
    """A source of the rows, in the format that the file's name tells."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text(f"[{','.join(lines)}]" if path.suffix == ".json" else "\n".join(lines), encoding="utf-8")
    return file_source(path=path, shown=path.name)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_long_rows_tell_their_columns(tmp_path, name):
    """A column of the ninetieth row is known, and a broken row before it leaves nothing known."""
    rows = [{"text": LONG, **({"late": 1} if number == 90 else {})} for number in range(PEEK + 20)]
    head = read_head(written(tmp_path / name, rows))
    assert len(head.rows) < PEEK
    assert (head.columns.names, head.columns.least, head.fault()) == (("text", "late"), PEEK, None)
    broken = tmp_path / name
    broken.write_text(broken.read_text(encoding="utf-8").replace('"late": 1', '"late": x'), encoding="utf-8")
    assert read_head(file_source(path=broken, shown=name)).columns is None


def test_an_editor_reads_only_the_beginning_of_a_long_file(tmp_path, monkeypatch):
    """A column that may be in a row behind it is no mistake, so the columns are unknown."""
    monkeypatch.setattr(input_head, "_MOST_IN_EDITOR", 5 << 20)
    rows = [{"text": LONG} for _ in range(PEEK)]
    source = written(tmp_path / "a.jsonl", rows)
    with confined(tmp_path):
        head = read_head(source)
        assert (head.columns, len(list(head.first(PEEK)))) == (None, 52)
    assert read_head(source).columns.names == ("text",)


@pytest.mark.parametrize(("value", "kept"), [(LONG, 52), ("short", PEEK)])
def test_rows_behind_the_head_are_read_when_they_are_asked_for(tmp_path, value, kept):
    """The first rows are the same, whether the head holds them or not."""
    rows = [{"n": number, "text": value} for number in range(PEEK + 20)]
    head = read_head(written(tmp_path / "a.jsonl", rows))
    assert len(head.rows) == kept
    assert list(head.first(PEEK + 10)) == rows[: PEEK + 10]
    assert list(head.first(PEEK + 30)) == rows
    assert list(head.first(3)) == rows[:3]


def test_what_is_odd_in_one_megabyte_is_told(tmp_path):
    """A NUL that stands there is told, one behind it is left to the run."""
    path = tmp_path / "a.csv"
    for before, told in ((1000, 1), (300_000, 0)):
        path.write_text("a,b\n" + "1,2\n" * before + "x,\0\n", encoding="utf-8")
        assert len(read_head(file_source(path=path, shown="a.csv")).anomalies) == told


def test_columns_of_json_have_the_types_of_the_first_rows(tmp_path):
    """What later rows contain is not known; other columns of a CSV file are strings in every row."""
    path = tmp_path / "a.csv"
    path.write_text('id,tags\n1,"[""a""]"\n2,"[""b"",""c""]"\n', encoding="utf-8")
    columns = read_head(file_source(path=path, json_columns=("tags",))).columns
    assert (columns.names, columns.closed, columns.complete) == (("id", "tags"), True, True)
    assert (columns.types["id"], columns.types["tags"]["type"]) == ({"type": "string"}, "array")
    assert (columns.sure_type("id"), columns.sure_type("tags")) == ({"type": "string"}, {})
