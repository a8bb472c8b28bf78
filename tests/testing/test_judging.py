"""The verdict of a case: failed rows, and what its conditions read."""

import pytest
import tested_triage
from tested_triage import edit

import yamlgen


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Change to a folder with a recorded test."""
    tested_triage.recorded(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def judged(cases):
    """The flaws of the case with this word in its name."""
    (case,) = yamlgen.test("triage.test.yaml", cases=cases).cases
    assert case.verdict != "not recorded", case.misses
    return [(flaw.what, flaw.detail) for flaw in case.flaws]


def expect(project, condition, case="all tickets"):
    """Replace the conditions of the last case."""
    old = '"finished == 3", "failed == 1", "gold.label.topic.n == 4"'
    edit(project / "triage.test.yaml", old, f"'{condition}'")
    return judged(case)


def test_a_failed_row_fails_a_case_that_does_not_count_them(project):
    """Nobody has said that a row may fail."""
    found = expect(project, "dropped == 0")
    assert [what for what, _ in found] == ["row t-3: `label` failed"]
    assert found[0][1].startswith("YG503: ")


@pytest.mark.parametrize("condition", ["finished >= 3", "failed <= 1"])
def test_a_condition_on_their_number_judges_failed_rows(project, condition):
    """The author has said how many may fail."""
    assert expect(project, condition) == []


def test_a_false_condition_shows_the_failed_rows_too(project):
    """They may be its cause."""
    assert [what for what, _ in expect(project, "finished == 4")] == ["row t-3: `label` failed", "finished == 4"]


def test_the_only_row_that_fails_is_a_flaw(project):
    """Its conditions are not judged: steps are missing. Without re-asks, none is told as not recorded."""
    edit(project / "triage.yaml", 'row.id != "t-3"', 'row.id != "t-0"')
    edit(project / "triage.yaml", "schema: schemas/triage.json", "schema: schemas/triage.json, reasks: 0")
    assert [what for what, _ in judged("one ticket")] == ["`label` failed"]


def test_several_rows_are_the_output_rows_as_written(project):
    """Columns of the input and values of the steps."""
    condition = 'rows | map(attribute="id") | join(" ") == "t-1 t-2 t-4" and failed == 1'
    assert expect(project, condition) == []


def test_a_row_that_is_dropped_has_no_output(project):
    """`output` is null, and `dropped` counts such rows."""
    edit(project / "triage.yaml", "output: {path: out/triage.jsonl}", "output: {path: o.jsonl, where: row.id == 't-1'}")
    edit(project / "triage.test.yaml", 'output.reply != ""', "output is none")
    assert judged("one ticket") == []
    assert expect(project, "dropped == 2 and failed == 1") == []


def test_an_output_of_items_is_a_list(project):
    """An output with `for_each` has several rows for one."""
    new = "output: {path: o.jsonl, for_each: '[1, 2]', columns: {id: row.id, label: steps.label, n: item}}"
    edit(project / "triage.yaml", "output: {path: out/triage.jsonl}", new)
    edit(project / "triage.test.yaml", 'output.reply != ""', "'output[1].n == 2'")
    assert judged("one ticket") == []


def test_several_outputs_are_known_by_name(project):
    """`output` is then a mapping."""
    new = "outputs: {all: {path: all.jsonl}, none: {path: none.jsonl, where: 'false'}}"
    edit(project / "triage.yaml", "output: {path: out/triage.jsonl}", new)
    edit(project / "triage.test.yaml", 'output.reply != ""', 'output.all.id == "t-0", output.none is none')
    assert judged("one ticket") == []


def test_parameters_of_a_case_are_read(project):
    """`params` has those of the case over those of the file."""
    edit(project / "triage.test.yaml", "pipeline: triage.yaml", "pipeline: triage.yaml\nparams: {language: English}")
    edit(project / "triage.test.yaml", 'output.reply != ""', 'params.language == "English"')
    assert judged("one ticket") == []


def test_a_condition_is_told_with_its_place(project):
    """The mark of a flaw is the condition, not the case."""
    edit(project / "triage.test.yaml", 'output.reply != ""', 'output.reply == "x"')
    (case,) = yamlgen.test("triage.test.yaml", cases="one ticket").cases
    assert (case.flaws[0].mark.line, case.flaws[0].mark.column) == (6, 39)


@pytest.mark.parametrize("keys", ["", "    on_error: null\n"])
def test_re_asks_that_are_not_recorded_are_told(project, keys):
    """An edited check rejects a recorded answer, after which a run re-asks; whatever then happens to the step."""
    edit(
        project / "triage.yaml", "    check:\n      - row.id", f"{keys}    check:\n      - row.id == 'none' and row.id"
    )
    if keys:
        edit(project / "triage.yaml", "steps.label.topic", "steps.label")
        edit(project / "triage.test.yaml", "steps.label.topic !=", "steps.label !=")
    reports = [yamlgen.test("triage.test.yaml", cases=case).cases[0] for case in ("one ticket", "all tickets")]
    told = [[flaw for flaw in each.flaws if "re-asks" in flaw.what] for each in reports if each.flaws]
    assert [flaw.what for flaws in told for flaw in flaws] == [
        "further re-asks of `label` are not recorded",
        "further re-asks of `label` are not recorded in 4 rows",
    ][: len(told)]
    assert told
    assert "yamlgen.test(record='all')" in told[0][0].detail
