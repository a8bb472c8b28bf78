"""Cases out of a run that would not pass at once: left out, or told."""

import pytest
import tested_triage
from tested_triage import edit

import yamlgen

DRAWN = """\
version: 1
input: {path: rows.csv}
steps:
  drawn: {kind: draw, draws: {number: {integer: [1, 1000000]}}}
  letter: {model: claude-haiku-5-5, prompt: "{{ steps.drawn.number }} {{ row.text }}"}
output: {path: out/letters.jsonl}
"""


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Change to a folder with a pipeline that draws for rows without ids, the first three of which are equal."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letters.yaml").write_text(DRAWN, "utf-8")
    (tmp_path / "rows.csv").write_text("text\na;a\na;a\na;a\nb\n", "utf-8")
    yamlgen.run("letters.yaml", simulate=True)
    return tmp_path


@pytest.fixture
def triage(tmp_path, monkeypatch):
    """Change to a folder with a pipeline that was run, without a test."""
    monkeypatch.chdir(tmp_path)
    tested_triage.write(tmp_path)
    (tmp_path / "triage.test.yaml").unlink()
    yamlgen.run("triage.yaml", simulate=True)
    return tmp_path


def warnings(*arguments, **options):
    """What is warned of when cases are written."""
    told = yamlgen.cases_from_run(*arguments, simulate=True, **options)
    return [each for each in told if each.startswith("warning")]


def cases(path):
    """The verdict of each case."""
    return {each.case: str(each.verdict) for each in yamlgen.test(path).cases}


@pytest.mark.usefixtures("drawn")
def test_a_row_that_draws_otherwise_in_a_test_is_left_out():
    """The number of an equal row is a part of its draws, and a case does not have it."""
    found = warnings("letters.yaml", rows="4")
    assert [each.split(":")[1] for each in found] == [" row 2", " row 3"]
    assert "step `drawn` would draw other values than in the run: the row is equal to row 1 of the run" in found[0]
    assert cases("letters.test.yaml") == {"row 1": "passed", "row 4": "passed"}
    assert yamlgen.test("letters.test.yaml").unused == {"letters.test.yaml": 0}


def test_no_file_is_written_if_no_row_is_left(drawn):
    """The error says why."""
    with pytest.raises(yamlgen.YamlgenError, match=r"no case written from run .*: row 2: step `drawn` would draw"):
        yamlgen.cases_from_run("letters.yaml", rows="2,", simulate=True)
    assert not (drawn / "letters.test.yaml").exists()


def test_a_value_that_is_left_out_changes_the_draws(drawn):
    """Without an id, the identity of a row is made of its values."""
    (drawn / "letters.test.yaml").write_text("version: 1\npipeline: letters.yaml\nredact: [row.text]\n", "utf-8")
    with pytest.raises(yamlgen.YamlgenError, match="contains a value that `redact` leaves out"):
        yamlgen.cases_from_run("letters.test.yaml", rows="1", simulate=True)


def test_equal_rows_without_draws_are_written(drawn):
    """Their answers are found by their requests."""
    (drawn / "letters.yaml").write_text(
        DRAWN.replace(
            "kind: draw, draws: {number: {integer: [1, 1000000]}}", "kind: compute, values: {number: row.text}"
        ),
        "utf-8",
    )
    yamlgen.run("letters.yaml", simulate=True)
    assert warnings("letters.yaml", rows="4") == []
    assert set(cases("letters.test.yaml").values()) == {"passed"}


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (
            "prompts/triage.md",
            "three",
            "two",
            "2 cases, such as row t-1: `label` now sends another request than in run",
        ),
        (
            "triage.yaml",
            "Write a reply",
            "Draft a reply",
            "2 cases, such as row t-1: `reply` now sends another request",
        ),
    ],
    ids=["prompt", "later step"],
)
def test_an_edit_since_the_run_is_told(triage, file, old, new, told):
    """The cases are written, and miss."""
    edit(triage / file, old, new)
    (found,) = warnings("triage.yaml", rows="t-1,t-2")
    assert told in found
    assert "not recorded" in cases("triage.test.yaml").values()


def test_a_condition_that_is_false_now_is_told(triage):
    """A step that sends nothing was edited."""
    edit(triage / "triage.yaml", "  reply:", "  size: {kind: compute, values: {n: '1'}}\n  reply:")
    yamlgen.run("triage.yaml", simulate=True)
    edit(triage / "triage.yaml", "{n: '1'}", "{n: '2'}")
    (found,) = warnings("triage.yaml", rows="t-1")
    assert "row t-1 will fail, although the row finished in run" in found
    assert found.endswith(": steps.size.n == 1")


def test_an_edited_check_is_told(triage):
    """The recorded answer is invalid now."""
    edit(triage / "triage.yaml", 'row.id != "t-3"', 'row.id != "t-1"')
    (found,) = warnings("triage.yaml", rows="t-1,t-2")
    assert found.endswith(": `label` failed")


@pytest.mark.usefixtures("triage")
def test_a_failed_row_is_written_without_a_warning():
    """Its case fails, as the row did."""
    assert warnings("triage.yaml", rows="failed") == []


@pytest.mark.parametrize(
    ("end", "before"),
    [
        ("    expect: [steps.label.topic != '']  # always\n", "# always\n"),
        ("    # the row of the manual\n", "manual\n"),
        ("\n  # more of them:\n", "more of them:\n"),
        ("# the end\n", "# the end\n"),
        ("  # of the case\nx-note: 1\n", "# of the case\n"),
    ],
    ids=["on its line", "inside", "after a blank line", "at the end", "before a key"],
)
def test_a_case_is_added_after_the_comments_of_the_last_one(triage, end, before):
    """A comment stays with the case that it is about."""
    test = triage / "triage.test.yaml"
    test.write_text(
        f"version: 1\npipeline: triage.yaml\ncases:\n  - name: a\n    row: {{id: a, text: A}}\n{end}", "utf-8"
    )
    warnings("triage.test.yaml", rows="t-1")
    assert f"{before}  - name: row t-1\n" in test.read_text("utf-8")


def test_a_comment_of_the_next_key_stays_with_it(triage):
    """It has the indentation of the key."""
    test = triage / "triage.test.yaml"
    head = "version: 1\npipeline: triage.yaml\ncases:\n  - name: a\n    row: {id: a, text: A}\n"
    test.write_text(f"{head}# the language\nparams: {{}}\n", "utf-8")
    warnings("triage.test.yaml", rows="t-1")
    text = test.read_text("utf-8")
    assert text.startswith(f"{head}  - name: row t-1\n")
    assert text.endswith("\n# the language\nparams: {}\n")


@pytest.mark.parametrize(
    ("params", "given", "written"),
    [
        ({}, None, ""),
        ({"language": "Dutch"}, None, 'params: {language: "Dutch"}'),
        ({}, "", ""),
        ({"language": "Dutch"}, "", 'params: {language: "Dutch"}'),
        ({}, "params: {language: Dutch}\n", 'params: {language: "English"}'),
        ({"language": "Dutch"}, "params: {language: Dutch}\n", ""),
    ],
    ids=["new", "new with another", "default", "another", "default, and another in the file", "that of the file"],
)
def test_only_parameters_that_the_test_would_not_have_are_written(triage, params, given, written):
    """Defaults are those of the pipeline."""
    test = triage / "triage.test.yaml"
    if given is not None:
        test.write_text(
            f"version: 1\npipeline: triage.yaml\n{given}cases:\n  - name: a\n    row: {{id: a, text: A}}\n", "utf-8"
        )
    yamlgen.run("triage.yaml", simulate=True, params=params)
    assert warnings("triage.yaml", rows="t-1") == []
    added = test.read_text("utf-8").partition("text: A}\n" if given is not None else "\0")
    assert written in (added[2] or added[0])
    assert written or "params" not in (added[2] or added[0])
    assert cases("triage.test.yaml")["row t-1"] == "passed"
