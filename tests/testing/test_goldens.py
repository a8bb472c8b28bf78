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


MAILS = """\
version: 1
input: {path: rows.jsonl, id: id}
steps:
  mail: {model: claude-haiku-5-5, prompt: "Write to {{ row.who }}, {{ row.age }}"}
output:
  path: out.jsonl
  columns: {id: row.id, type: row.who, ages: "[row.age]", by: "{row.who: 1}", mail: steps.mail, extra: row.extra}
"""
MAIL_TESTS = """\
version: 1
pipeline: mails.yaml
redact: [row.who, row.age]
cases:
  - name: all
    rows: {path: rows.jsonl}
    golden: mails.jsonl
"""


@pytest.fixture
def mails(tmp_path, monkeypatch):
    """Change to a folder with a recorded test that leaves values out, and return a function that writes its rows."""
    monkeypatch.chdir(tmp_path)

    def write(*rows, output=None):
        columns = ("id", "who", "age", "extra")
        (tmp_path / "rows.jsonl").write_text(
            "".join(f"{json.dumps(dict(zip(columns, row, strict=True)))}\n" for row in rows), "utf-8"
        )
        (tmp_path / "mails.yaml").write_text(MAILS if output is None else MAILS.replace("row.extra", output), "utf-8")
        (tmp_path / "mails.test.yaml").write_text(MAIL_TESTS, "utf-8")
        return yamlgen.test("mails.test.yaml", record=True, simulate=True, update=True)

    return write


ANN, BOB = (1, "ann@example.org", 70123, ""), (2, "bob@example.org", 80123, "")


def test_values_that_are_left_out_are_not_in_a_golden_file(mails, tmp_path):
    """Their stand-ins are, also in answers, in keys and for numbers."""
    assert mails(ANN, BOB).passed
    text = (tmp_path / "mails.jsonl").read_text("utf-8")
    assert not [value for value in ("ann@", "bob@", "70123", "80123") if value in text]
    first = json.loads(text.splitlines()[0])
    assert {name: first[name] for name in ("type", "ages", "by")} == {
        "type": "[row.who]",
        "ages": ["[row.age as a number]"],
        "by": {"[row.who]": 1},
    }


def test_values_that_are_left_out_are_compared_as_their_stand_ins(mails, tmp_path):
    """Those of the row itself: another value is no difference, the value of another row is one."""
    mails(ANN, BOB)
    rows = tmp_path / "rows.jsonl"
    rows.write_text(rows.read_text("utf-8").replace("bob@", "eve@"), "utf-8")
    assert yamlgen.test("mails.test.yaml").passed
    edit(tmp_path / "mails.yaml", "type: row.who", "type: row.id == 1 and 'bob@example.org' or row.who")
    (case,) = yamlgen.test("mails.test.yaml").cases
    assert [flaw.what for flaw in case.flaws] == ["mails.jsonl: row 1, `type`"]


def test_a_value_in_other_letters_in_a_golden_file_is_told(mails):
    """As in recordings."""
    notes = mails(ANN, output="row.who | upper").notes
    assert [note for note in notes if note.startswith("warning: mails.jsonl contains the value of `row.who` in other")]
    assert not [note for note in mails(ANN).notes if note.startswith("warning")]


def test_a_live_test_compares_stand_ins(mails):
    """A golden file is the same for recorded and new answers."""
    mails(ANN, BOB)
    (case,) = yamlgen.test("mails.test.yaml", simulate=True).cases
    assert case.flaws == ()


@pytest.mark.parametrize("key", ["sk-ant-api03-AAAAAAAAAAAAAAAA", "gateway-Zx81kPq7vT3mLs9wRb2n"])
def test_a_secret_is_not_written_into_a_golden_file(mails, tmp_path, monkeypatch, key):
    """Neither one that looks like it nor that of the environment; the file stays."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "gateway-Zx81kPq7vT3mLs9wRb2n")
    mails(ANN)
    before = (tmp_path / "mails.jsonl").read_bytes()
    with pytest.raises(yamlgen.YamlgenError, match="output row 2 of case `all` contains an API key") as refused:
        mails(ANN, (2, "bob@example.org", 1234567, key))
    (found,) = refused.value.diagnostics
    assert (refused.value.exit_code, found.place) == (2, "mails.test.yaml:5:11")
    assert key not in f"{found.message} {found.hint}"
    assert (tmp_path / "mails.jsonl").read_bytes() == before


def test_a_failed_case_keeps_its_golden_file(project):
    """It may lack the rows that failed; so it does if a request is not recorded."""
    path = project / "golden/two.jsonl"
    before = path.read_bytes()
    edit(project / "triage.yaml", 'row.id != "t-3"', 'row.id != "t-2"')
    edit(project / "triage.yaml", "topic is", "topics are")
    missed = yamlgen.test("triage.test.yaml", cases="two tickets", update=True)
    assert missed.notes == ("golden/two.jsonl is not written: case `two tickets` is not recorded",)
    edit(project / "triage.yaml", "topics are", "topic is")
    failed = yamlgen.test("triage.test.yaml", cases="two tickets", update=True)
    assert failed.notes == (
        "golden/two.jsonl is not written: case `two tickets` failed, perhaps without some of its rows",
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize("broken", ["{broken\n", '{"id": 1\n{"id": 2}\n', "[1]\n", "\x00\n"])
def test_a_broken_file_is_written_anew(project, broken):
    """Its error has this fix, too."""
    path = project / "golden/two.jsonl"
    before = path.read_bytes()
    path.write_text(broken, "utf-8")
    with pytest.raises(yamlgen.InvalidPipeline) as wrong:
        flaws()
    (found,) = [each for each in wrong.value.diagnostics if each.severity == "error"]
    assert found.hint.endswith("; or write the file anew with `update=True`")
    assert yamlgen.test("triage.test.yaml", cases="two tickets", update=True).passed
    assert path.read_bytes() == before
