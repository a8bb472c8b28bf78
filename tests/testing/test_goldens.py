"""Golden files: what counts as a difference, and how it is told."""

import json

import pytest
import tested_triage
from tested_triage import edit

import yamlgen
from yamlgen.testing.goldens import differences


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Change to a folder with a recorded test."""
    tested_triage.recorded(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(expected, found, id_column=None):
    """The differences as tuples."""
    each = differences(expected, found, id_column)
    return [(one.row, one.field, one.expected, one.found) for one in each]


def flaws():
    """What is wrong with the case that has a golden file."""
    (case,) = yamlgen.test("triage.test.yaml", cases="two tickets").cases
    return [(flaw.what, flaw.detail) for flaw in case.flaws]


@pytest.mark.parametrize(
    ("expected", "found", "difference"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, [("1", "a", "1", "true")]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [("1", "a.b", "1", "2")]),
        ({"a": [{"b": 1}]}, {"a": [{"b": "1"}]}, [("1", "a[0].b", "1", '"1"')]),
        ({"a": [1]}, {"a": [1, 2]}, [("1", "a", "[1]", "[1, 2]")]),
        ({"a": None}, {}, [("1", "a", "null", "nothing")]),
        ({}, {"a": 1}, [("1", "a", "nothing", "1")]),
    ],
    ids=["key order", "number", "boolean", "nested", "item", "length", "missing", "added"],
)
def test_fields_are_compared(expected, found, difference):
    """Each field that differs is told, by its path."""
    assert told([expected], [found]) == difference


def test_rows_are_matched_by_their_id():
    """A row that is missing does not shift the others."""
    expected = [{"id": 1, "a": 1}, {"id": 2, "a": 2}]
    assert told(expected, [{"id": 2, "a": 3}], "id") == [
        ("1", "", '{"id": 1, "a": 1}', "nothing"),
        ("2", "a", "2", "3"),
    ]


def test_rows_with_repeated_ids_are_matched_by_position():
    """An output with `for_each` has several rows for an id."""
    expected = [{"id": 1, "a": 1}, {"id": 1, "a": 2}]
    assert told(expected, [{"id": 1, "a": 1}, {"id": 1, "a": 4}], "id") == [("2", "a", "2", "4")]


def test_a_difference_names_file_row_and_field(project):
    """What was expected is what the file has."""
    edit(project / "golden/two.jsonl", '"text": "I love it"', '"text": "I hate it"')
    assert flaws() == [("golden/two.jsonl: row t-2, `text`", 'expected "I hate it", found "I love it"')]


def test_at_most_ten_differences_are_told(project):
    """The rest is counted."""
    path = project / "golden/two.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows[0] |= {f"column {number}": 1 for number in range(41)}
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    found = flaws()
    assert len(found) == 11
    assert found[-1] == ("and 31 more", "")


def test_a_missing_file_says_how_it_is_written(project):
    """`--update` writes it; from then on the case passes."""
    (project / "golden/two.jsonl").unlink()
    assert flaws() == [("the golden file golden/two.jsonl does not exist", "`update=True` writes it")]
    yamlgen.test("triage.test.yaml", update=True)
    assert flaws() == []


def test_a_file_that_is_not_json_is_an_error_with_its_line(project):
    """It is not taken for a difference."""
    path = project / "golden/two.jsonl"
    path.write_text(path.read_text("utf-8") + "{broken\n", "utf-8")
    with pytest.raises(yamlgen.YamlgenError, match=r"two\.jsonl:3"):
        flaws()


def test_what_differs_from_run_to_run_is_left_out(project):
    """Provenance has the names of runs and their cost."""
    edit(project / "triage.yaml", "output: {path: out/triage.jsonl}", "output: {path: o.jsonl, provenance: true}")
    assert flaws() == []
