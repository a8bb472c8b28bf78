"""Values that are left out of recordings: what a reader is told where leaving them out has limits."""

import json

import pytest

import yamlgen
from yamlgen.api.run_cases import cases_from_run

PIPELINE = """\
version: 1
input: {{path: rows.jsonl, id: id}}
steps:
  mail: {{model: claude-haiku-5-5, prompt: "Write {prompt}"}}
output: {{path: out/mails.jsonl}}
"""
ONE, OTHER = "{id: 1, who: ann@example.org}", "{id: 2, who: bob@example.org}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Change to an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lay_out(folder, *rows, prompt="to {{ row.who }}", redact="row.who"):
    """Write a pipeline and a case for each row."""
    (folder / "mails.yaml").write_text(PIPELINE.format(prompt=prompt), "utf-8")
    cases = "".join(f"  - name: case {number}\n    row: {row}\n" for number, row in enumerate(rows))
    text = f"version: 1\npipeline: mails.yaml\nredact: [{redact}]\ncases:\n{cases}"
    (folder / "mails.test.yaml").write_text(text, "utf-8")


def record(**options):
    """The report of a recording on the simulator."""
    return yamlgen.test("mails.test.yaml", **{"record": True, "simulate": True, **options})


def shared(report):
    """The warnings of a report that one answer stands for two requests, as places."""
    return [each.place for each in report.warnings if "stands for both" in each.message]


def test_rows_that_are_recorded_together_have_their_own_answers(folder):
    """Although their requests are the same without the values; nothing is told."""
    lay_out(folder, ONE, OTHER)
    assert shared(record()) == shared(yamlgen.test("mails.test.yaml")) == []
    lines = (folder / "mails.answers.jsonl").read_text("utf-8").splitlines()
    texts = {json.loads(line)["response"]["content"][0]["text"] for line in lines if "fingerprint" in line}
    assert len(texts) == 2


def test_equal_answers_of_such_rows_are_recorded_for_each(folder):
    """So that the warning is silent on them."""
    lay_out(folder, ONE, OTHER)
    record()
    path = folder / "mails.answers.jsonl"
    made = [line for line in path.read_text("utf-8").splitlines() if '"row":"' in line]
    assert len(made) == 1


def test_a_row_that_finds_the_answer_to_another_one_is_told(folder):
    """With both places; recording everything mends it."""
    lay_out(folder, ONE)
    record()
    lay_out(folder, ONE, OTHER)
    report = yamlgen.test("mails.test.yaml")
    assert report.passed
    assert shared(report) == ["mails.test.yaml:7:11"]
    assert "case `case 1` and case `case 0` (mails.test.yaml:5:11) send" in report.warnings[0].message
    assert shared(record(record="all")) == []
    assert shared(record()) == []


def test_rows_with_one_id_are_told(folder):
    """An answer of a row is found by its id."""
    lay_out(folder, ONE, OTHER.replace("2", "1"))
    report = record()
    assert shared(report) == ["mails.test.yaml:7:11"]
    assert "rows with the same id need different ids" in report.warnings[0].hint


def test_equal_rows_are_not_told(folder):
    """Their requests are the same."""
    lay_out(folder, ONE, ONE)
    assert shared(record()) == []


def test_a_changed_value_that_is_left_out_is_not_seen(folder):
    """As the manual says."""
    lay_out(folder, ONE)
    record()
    lay_out(folder, ONE.replace("ann", "eve"))
    report = yamlgen.test("mails.test.yaml")
    assert (report.passed, report.warnings) == (True, ())


@pytest.mark.parametrize(("value", "is_told"), [("true", True), ("null", False), ("Al", False), ("[1, false]", True)])
def test_a_value_that_stays_is_told_at_its_place(folder, value, is_told):
    """Under `redact`."""
    lay_out(folder, f"{{id: 1, who: {value}}}")
    told = [each.place for each in record().warnings if "cannot be left out" in each.message]
    assert told == (["mails.test.yaml:3:10"] if is_told else [])


def run(folder, row, prompt):
    """Run the pipeline with one row, and leave its value out of an empty test file."""
    lay_out(folder, prompt=prompt)
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    (folder / "mails.test.yaml").write_text("version: 1\npipeline: mails.yaml\nredact: [row.who]\n", "utf-8")
    yamlgen.run("mails.yaml", simulate=True)


@pytest.mark.parametrize("value", [70123, 0.25, "Al", "Ann Lee", ["ann@x.org", 70123], {"zip": 70123, "type": "home"}])
@pytest.mark.parametrize("prompt", ["to {{ row.who }}", "to {{ row | tojson }}", "{{ row.who | tojson }}"])
def test_a_row_of_a_run_is_found_without_its_value(folder, value, prompt):
    """Also a number in JSON; the value is in neither file."""
    run(folder, {"id": 1, "who": value}, prompt)
    cases_from_run("mails.test.yaml", simulate=True)
    report = yamlgen.test("mails.test.yaml")
    assert (report.passed, report.unused) == (True, {"mails.test.yaml": 0})
    written = (folder / "mails.test.yaml").read_text("utf-8") + (folder / "mails.answers.jsonl").read_text("utf-8")
    for each in ("70123", "0.25", "Ann Lee", "ann@", "home"):
        assert each not in written


@pytest.mark.parametrize(
    ("value", "prompt"),
    [
        (70123, "{{ row.who + 1 }}"),
        (70123, "{{ '%08.2f' | format(row.who) }}"),
        ("Writer", "{{ row.who | upper }}"),
        ("Mark", "Marketing for {{ row.who }}"),
    ],
)
def test_a_row_of_a_run_that_needs_its_value_is_refused(folder, value, prompt):
    """Nothing is written; the error names the step and the place of `redact`."""
    run(folder, {"id": 1, "who": value}, prompt)
    before = (folder / "mails.test.yaml").read_bytes()
    with pytest.raises(yamlgen.YamlgenError, match=r"row 1: step `mail` sends another request if `row.who`") as refused:
        cases_from_run("mails.test.yaml", simulate=True)
    assert "remove it from `redact` (mails.test.yaml:3:10)" in refused.value.hint
    assert refused.value.exit_code == 2
    assert (folder / "mails.test.yaml").read_bytes() == before
    assert not (folder / "mails.answers.jsonl").exists()
