"""Steps that are null because they failed, as the commands and Python tell of them."""

import json
import re
from pathlib import Path

import pytest
import yaml

import yamlgen

PIPELINE = """\
version: 1
name: notes
input: {path: rows.jsonl, id: key}
steps:
  note: {model: claude-haiku-5-5, on_error: null, prompt: "A note on {{ row.key }}."}
  title: {model: claude-haiku-5-5, prompt: "A title of {{ steps.note }}"}
  tags: {model: claude-haiku-5-5, samples: 2, on_item_error: null, on_error: "null", prompt: "Tags of {{ row.key }}"}
  share: {kind: compute, on_error: null, values: {each: 1 / row.n}}
output: {path: out/notes.jsonl, provenance: true}
"""
KEYS = ["Oslo", "Rome", "Graz", "Cork"]
SIMULATED = ("run", "notes.yaml", "--simulate", "--progress", "none")
HALF = (*SIMULATED, "--fault", "refusal=0.5")


@pytest.fixture(autouse=True)
def _notes(tmp_path, monkeypatch):
    """The pipeline and its rows; the last step fails for the first row."""
    monkeypatch.chdir(tmp_path)
    Path("notes.yaml").write_text(PIPELINE, encoding="utf-8")
    rows = [{"key": key, "n": number} for number, key in enumerate(KEYS)]
    Path("rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


@pytest.fixture
def half(call):
    """The JSON of a run of which some notes are null, and some titles failed their rows."""
    told = json.loads(call(*HALF, "--output-format", "json").out)
    assert 0 < told["steps"]["note"]["null_rows"] < 4
    assert told["rows"]["failed"] > 0
    return told


def test_null_steps_are_listed_with_their_rows(call, half):
    """By the name of the step alone, apart from items and from failed rows; as many as the run told."""
    told = call("runs", "failed", half["run"]).out.splitlines()
    shown = [line for line in told if ", note is null: YG504: the model refused" in line]
    assert len(shown) == half["steps"]["note"]["null_rows"]
    assert all(re.match("row (Oslo|Rome|Graz|Cork), ", line) for line in shown)
    assert sum("row Oslo, share is null: YG501: `1 / row.n` cannot be computed" in line for line in told) == 1
    assert sum(" of tags is null: " in line for line in told) == half["steps"]["tags"]["failed_items"]
    assert sum(", title: YG504: " in line for line in told) == half["rows"]["failed"]


def test_their_records_are_told_apart_from_items_and_rows(call, half):
    """Only they have an `item` that is null."""
    lines = [json.loads(line) for line in call("runs", "failed", half["run"], "--json").out.splitlines()]
    steps = [line for line in lines if line.get("item", 0) is None]
    assert len(steps) == sum(step["null_rows"] for step in half["steps"].values())
    assert {(line["step"], line["case"]) for line in steps} == {("note", None), ("share", None)}
    failed = [line for line in lines if "item" not in line]
    assert failed == [json.loads(line) for line in Path("out/notes.simulated.failed.jsonl").read_text().splitlines()]
    groups = {(group["step"], group["count"]) for group in half["failed_items"]}
    assert groups >= {("note", half["steps"]["note"]["null_rows"]), ("share", 1)}


def test_the_summary_counts_them(call, half):
    """How many rows, and why; the export tells of those in its rows."""
    told = call(*HALF).err
    count = half["steps"]["note"]["null_rows"]
    assert f"\n  note: failed and is null in {count} row{'s' * (count > 1)}\n" in told
    assert f"\n  {count} x YG504 in note, which is null:\n" in told
    rows = [json.loads(line) for line in Path("out/notes.simulated.jsonl").read_text().splitlines()]
    number = sum(row[step] is None for row in rows for step in ("note", "share"))
    shown = f"; {number} step{'s failed and are' if number > 1 else ' failed and is'} null"
    assert shown in call("runs", "export", half["run"], "-o", "a.jsonl").err


def test_python_is_told_the_same():
    """A null step is among the failed items, and its row among the rows."""
    done = yamlgen.run("notes.yaml", simulate=True, faults=("refusal=0.5",), yes=True)
    nulls = [each for each in done.failed_items if each["case"] is None]
    assert len(nulls) == sum(step.null_rows for step in done.report.steps.values())
    assert len(done.rows()) + len(done.failures) == len(KEYS)


def test_a_run_in_which_a_step_failed_in_every_row_ends_with_1(call):
    """At first, and in a retry; a step that is skipped with it is not lost."""
    refuses = (*SIMULATED, "--fault", "refusal=1")
    first = call(*refuses)
    line = "  step `note` failed in every row, 4 of 4 with this error: YG504: the model refused\n"
    assert (first.code, line in first.err) == (1, True)
    for words in (refuses, ("retry", "notes.yaml", "--simulate")):
        again = call(*words, "--output-format", "json")
        assert (again.code, [step["step"] for step in json.loads(again.out)["lost_steps"]]) == (1, ["note", "tags"])


def test_a_row_shows_a_null_step_with_its_error(call, half):
    """It is finished with the value null, and the reason is among its failed items."""
    step = json.loads(call("runs", "show", half["run"], "--row", "Oslo", "--json").out)["steps"]["share"]
    assert (step["status"], step["value"]) == ("finished", None)
    assert [(item["item"], item["case"], item["code"]) for item in step["failed_items"]] == [(None, None, "YG501")]


def test_the_requests_of_a_row_go_on_past_a_null_step(call):
    """`render --row` tells that the step fails there; the requests of the others are shown."""
    Path("notes.yaml").write_text(
        PIPELINE.replace("row.key }}.", "row.key }} {{ 1 / row.n }}."), encoding="utf-8"
    )  # fmt: skip
    told = call("render", "notes.yaml", "--row", "Oslo")
    assert "step `note` fails for this row, and is null: " in told.err
    assert (told.code, "Tags of Oslo" in told.out, "A title" in told.out) == (0, True, False)


def test_null_is_written_out_bare(call):
    """The resolved pipeline has the keys as YAML's null, and is valid."""
    written = call("render", "notes.yaml").out
    steps = yaml.safe_load(written)["steps"]
    assert [(steps[name]["on_error"], steps[name].get("on_item_error", 0)) for name in ("note", "tags")] == [
        (None, 0),
        (None, None),
    ]
    Path("written.yaml").write_text(written, encoding="utf-8")
    assert call("validate", "written.yaml").code == 0


@pytest.mark.parametrize(("value", "code"), [("null", 0), ('"null"', 0), ("fail", 0), ("nil", 1)])
def test_null_may_be_set_on_the_command_line(call, value, code):
    """Bare or in quotes."""
    assert call("validate", "notes.yaml", "--set", f"steps.title.on_error={value}").code == code
