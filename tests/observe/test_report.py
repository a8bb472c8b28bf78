"""The report: counts, tokens and groups of failures, folded from events and from nothing else."""

import dataclasses
import json

from yamlgen import events
from yamlgen.api import load, run
from yamlgen.events import (
    RequestRetried,
    RowFailed,
    RowFinished,
    RunDraining,
    RunFinished,
    RunStarted,
    StepFinished,
)
from yamlgen.observe.report import Report
from yamlgen.ports import Usage

PIPELINE = """\
version: 1
input: {path: rows.jsonl}
steps:
  mood:
    model: claude-haiku-5-5
    max_tokens: 1000
    prompt: "Mood of {{ row.n }}?"
    output: {schema: {type: object, properties: {mood: {type: string}}, required: [mood]}, reasks: 1}
  line: {model: claude-haiku-5-5, max_tokens: 1000, prompt: "A line on {{ steps.mood.mood }}."}
output: {path: out.jsonl}
"""


def folded(*parts):
    """The report of some events."""
    report = Report()
    report.observe(RunStarted("r1", "p", ("one", "two"), 9))
    for event in parts:
        report.observe(event)
    return report


def failed(row, message, step="one", code="YG503"):
    """A failed row with one paid answer."""
    return RowFailed(row, step, code, message, Usage(10, 5), 1)


def test_rows_are_counted():
    """Finished and failed rows, of how many."""
    report = folded(RowFinished(0), RowFinished(2), failed(1, "no"), RunFinished(None, 1.5))
    assert report.as_json()["rows"] == {"input": 9, "finished": 2, "failed": 1}
    assert (report.seconds, report.error) == (1.5, None)


def test_tokens_of_failed_rows_are_counted_too():
    """What was paid for is summed over all answers, whatever became of them."""
    report = folded(StepFinished(0, "one", Usage(1, 2, 3, 4), 2, 0.5), failed(1, "no"), failed(2, "no", "two"))
    assert report.usage == Usage(21, 12, 3, 4)
    assert report.as_json()["usage"]["cache_read_input_tokens"] == 4
    assert (report.steps["one"].attempts, report.steps["two"].attempts) == (3, 1)


def test_failures_that_read_alike_are_one_group():
    """Numbers and quoted values do not make two failures different."""
    report = folded(*(failed(row, f'$.age: {row} is greater than "x{row}"') for row in range(5)), failed(7, "no text"))
    first, second = report.as_json()["failures"]
    assert (first["count"], second["count"]) == (5, 1)


def test_a_group_has_three_examples():
    """The first three rows of a group stand for it, in their own words."""
    report = folded(*(failed(row, f"bad {row}") for row in range(9)))
    (group,) = report.as_json()["failures"]
    assert group["count"] == 9
    assert group["examples"] == [{"row": row, "message": f"bad {row}"} for row in range(3)]


def test_groups_are_apart_by_step_and_code():
    """The same words at another step, or with another code, are another failure."""
    report = folded(failed(0, "no"), failed(1, "no", "two"), failed(2, "no", code="YG504"))
    assert len(report.as_json()["failures"]) == 3


def test_the_largest_group_comes_first():
    """What concerns most rows is told first."""
    report = folded(failed(0, "rare"), failed(1, "often"), failed(2, "often"))
    assert [group["count"] for group in report.as_json()["failures"]] == [2, 1]


def test_retries_are_counted():
    """How often a step's requests went out again."""
    assert folded(RequestRetried(0, "two", "overloaded", 0.5)).steps["two"].retried == 1


def test_an_early_end_is_told():
    """The sentence that ended the run is part of its report."""
    report = folded(RunDraining("the disk is full"), RunFinished("the disk is full", 2.0, "x.partial.jsonl"))
    assert report.as_json()["error"] == "the disk is full"


def test_a_report_is_json():
    """It can be printed and kept."""
    json.dumps(folded(failed(0, "no")).as_json())


def test_a_report_from_a_journal_equals_the_live_one(tmp_path):
    """Events written down as JSON and read back tell the same, because the report knows nothing else."""
    (tmp_path / "p.yaml").write_text(PIPELINE)
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(30)))
    journal = []

    def write(event):
        journal.append(json.dumps([type(event).__name__, dataclasses.asdict(event)]))

    faults = ("invalid_output=0.3", "refusal=0.2", "server_error=0.1")
    live = run(load(tmp_path / "p.yaml"), simulate=True, faults=faults, on_event=write).report

    replayed = Report()
    for line in journal:
        name, fields = json.loads(line)
        if "usage" in fields:
            fields["usage"] = Usage(**fields["usage"])
        if "steps" in fields:
            fields["steps"] = tuple(fields["steps"])
        replayed.observe(getattr(events, name)(**fields))
    assert live.failed > 0
    assert live.steps["mood"].retried > 0
    assert replayed == live
    assert replayed.as_json() == live.as_json()
