"""The report: counts, bills and groups of failures, folded from events and from nothing else."""

import dataclasses
import json
import random
import string

import pytest

from yamlgen import events
from yamlgen.api.commands import run
from yamlgen.api.loading import load
from yamlgen.errors import Code
from yamlgen.events import (
    AnswerReceived,
    BatchChecked,
    BatchEnded,
    BatchPosted,
    ItemFailed,
    RequestRetried,
    RequestSent,
    RowDeferred,
    RowFailed,
    RowFinished,
    RowResumed,
    RunDraining,
    RunFinished,
    RunStarted,
    StepFinished,
    StepSkipped,
)
from yamlgen.reports.bill import UsageTotal
from yamlgen.reports.report import Report
from yamlgen.value_objects import RateLimits, Usage

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
    """A failed row."""
    return RowFailed(row, step, code, message)


def item(row, message, number=0, step="one", code="YG503"):
    """An item that failed, in a row that did not."""
    return ItemFailed(row, step, number, code, message)


def replayed(journal):
    """The report of events that were written down."""
    report = Report()
    for line in journal:
        name, fields = json.loads(line)
        if "usage" in fields:
            fields["usage"] = Usage(**fields["usage"])
        if fields.get("quota"):
            fields["quota"] = RateLimits(**fields["quota"])
        if name == "RunForecast":
            continue
        fields |= {key: tuple(fields[key]) for key in ("steps", "models") if key in fields}
        report.observe(getattr(events, name)(**fields))
    return report


def written(event):
    """An event, written down."""
    return json.dumps([type(event).__name__, dataclasses.asdict(event)])


def answered(step="one", cost=0.5, *, reused=False, usage=Usage(10, 5), cause="first"):  # noqa: B008 - a value
    """An answer at a cost."""
    return AnswerReceived(0, step, usage, cost, reused, 0.1, cause)


def test_rows_are_counted():
    """Finished and failed rows, of how many."""
    report = folded(RowFinished(0), RowFinished(2), failed(1, "no"), RunFinished(None, 1.5))
    assert report.as_json()["rows"] == {"input": 9, "finished": 2, "failed": 1, "missing": 0}
    assert (report.seconds, report.error) == (1.5, None)


def test_rows_without_an_answer_are_missing_and_not_failed():
    """A row that needs a request which the run may not send is counted apart, and told with the failures."""
    report = folded(failed(0, "not there", code=Code.NOT_STORED), failed(1, "no"), RowFinished(2))
    assert report.as_json()["rows"] == {"input": 9, "finished": 1, "failed": 1, "missing": 1}
    assert report.steps["one"].failed == 1
    assert len(report.as_json()["failures"]) == 2


def test_what_is_paid_is_summed_over_all_answers():
    """Each paid answer is on the bill of its step, whatever became of its row; the run's bill is all of them."""
    report = folded(
        answered(usage=Usage(1, 2, 3, 4)),
        answered(),
        StepFinished(0, "one"),
        answered("two", 0.25),
        failed(2, "no", "two"),
    )
    assert report.paid == UsageTotal(3, Usage(21, 12, 3, 4), 1.25)
    told = report.as_json()
    assert told["paid"] == {
        "attempts": 3,
        "usage": {
            "input_tokens": 21,
            "output_tokens": 12,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 4,
        },
        "cost_usd": 1.25,
        "cache_saved_usd": 0.0,
    }
    assert [step["paid"]["cost_usd"] for step in told["steps"].values()] == [1.0, 0.25]


def test_what_was_paid_before_is_on_another_bill():
    """An answer out of the store is not paid again: it is counted, with what it cost then, apart from the paid ones."""
    report = folded(answered(cost=0.5), answered(cost=0.125, reused=True), answered("two", cost=0.125, reused=True))
    assert report.paid == UsageTotal(1, Usage(10, 5), 0.5)
    assert report.reused == UsageTotal(2, Usage(20, 10), 0.25)
    told = report.as_json()
    assert (told["paid"]["attempts"], told["reused"]["attempts"]) == (1, 2)
    assert (told["steps"]["two"]["paid"]["attempts"], told["steps"]["two"]["reused"]["attempts"]) == (0, 1)


def test_a_bill_with_an_unknown_price_has_no_sum():
    """One answer without a price makes the cost of its step and of the run unknown; that of other steps is known."""
    report = folded(answered(cost=0.5), answered("two", cost=None))
    assert report.paid.cost_usd is None
    assert report.as_json()["paid"]["cost_usd"] is None
    assert (report.steps["one"].paid.cost_usd, report.steps["two"].paid.cost_usd) == (0.5, None)
    assert report.reused.cost_usd == 0


def test_a_bill_is_not_crooked():
    """A thousand prices of a fraction of a cent add up to what a person would write."""
    report = folded(*(answered(cost=0.0001) for _ in range(1000)))
    assert report.as_json()["paid"]["cost_usd"] == 0.1


def test_bills_add_up():
    """The bill of two is one bill, the answers without a price among them; neither of the two changes."""
    one, other = UsageTotal(1, Usage(1, 2), 0.5), UsageTotal(2, Usage(3, 4), 0.25, unpriced=1)
    assert one + other == UsageTotal(3, Usage(4, 6), 0.75, unpriced=1)
    assert (one.attempts, other.attempts) == (1, 2)


def test_requests_are_counted_as_they_go_out():
    """A request that goes out twice is two, and may have no answer yet."""
    report = folded(RequestSent(0, "two"), RequestRetried(0, "two", "overloaded", 0.5), RequestSent(0, "two"))
    assert (report.steps["two"].sent, report.steps["two"].retried, report.steps["two"].paid.attempts) == (2, 1, 0)
    assert report.as_json()["steps"]["two"]["sent"] == 2


def test_skipped_steps_are_counted_apart():
    """A step that was skipped for a row has finished nothing there; the row is a finished one."""
    report = folded(StepFinished(0, "one"), StepSkipped(0, "two"), RowFinished(0), StepSkipped(1, "two"))
    steps = report.as_json()["steps"]
    assert [(step["finished"], step["skipped"]) for step in steps.values()] == [(1, 0), (0, 2)]
    assert report.as_json()["rows"] == {"input": 9, "finished": 1, "failed": 0, "missing": 0}


def test_a_step_is_through_with_rows_that_finished_were_skipped_or_failed():
    """How far a step is counts all rows that it will not be done for any more."""
    report = folded(StepFinished(0, "one"), StepFinished(1, "one"), StepSkipped(2, "one"), failed(3, "no"))
    assert (report.steps["one"].done, report.steps["two"].done) == (4, 0)


def test_failed_items_fail_no_row():
    """Items that are null in their lists are counted at their step; no row and no step counts as failed."""
    report = folded(item(0, "no"), item(0, "no", 1), item(1, "no"), StepFinished(0, "one"))
    told = report.as_json()
    assert [(step["failed_items"], step["failed"]) for step in told["steps"].values()] == [(3, 0), (0, 0)]
    assert told["rows"]["failed"] == 0


def test_why_items_failed_is_told_apart():
    """Items that failed alike are a group, the largest first, with examples; it is none of the groups of rows."""
    words = [item(row, f"item {row + 1}: no", row) for row in range(4)]
    told = folded(item(0, "refused", code="YG504"), *words, failed(5, "item 5: no")).as_json()
    examples = [{"row": row + 1, "message": f"item {row + 1}: no"} for row in range(3)]
    assert told["failed_items"] == [
        {"step": "one", "code": "YG503", "count": 4, "examples": examples},
        {"step": "one", "code": "YG504", "count": 1, "examples": [{"row": 1, "message": "refused"}]},
    ]
    assert [group["count"] for group in told["failures"]] == [1]


def test_failures_that_read_alike_are_one_group():
    """Numbers and quoted values do not make two failures different."""
    report = folded(*(failed(row, f'$.age: {row} is greater than "x{row}"') for row in range(5)), failed(7, "no text"))
    first, second = report.as_json()["failures"]
    assert (first["count"], second["count"]) == (5, 1)


def test_the_names_of_requests_make_no_groups():
    """Rows that were refused alike are a group, though each refusal names its request."""
    report = folded(*(failed(row, f"no (request req_{row}{'ab'[row % 2]}C)") for row in range(4)))
    assert [group.count for group in report.groups.values()] == [4]


def test_a_group_has_three_examples():
    """The first three rows of a group stand for it, in their own words; rows count from 1."""
    report = folded(*(failed(row, f"bad {row}") for row in range(9)))
    (group,) = report.as_json()["failures"]
    assert group["count"] == 9
    assert group["examples"] == [{"row": row + 1, "message": f"bad {row}"} for row in range(3)]


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


def test_reasks_are_counted():
    """How many paid answers came to a request that showed the model what was wrong; those out of the store do not."""
    report = folded(answered(), answered(cause="reask"), answered(cause="reask"), answered(cause="reask", reused=True))
    assert report.steps["one"].reasks == 2
    assert {name: step["reasks"] for name, step in report.as_json()["steps"].items()} == {"one": 2, "two": 0}


def test_groups_of_failures_are_few():
    """Where every row fails in words of its own, most of a step's failures share a group; none is left uncounted."""
    words = ["".join(random.Random(number).sample(string.ascii_letters, 12)) for number in range(60)]  # noqa: S311
    groups = folded(*(failed(row, word) for row, word in enumerate(words))).as_json()["failures"]
    assert len(groups) == 41
    assert sum(group["count"] for group in groups) == 60
    assert groups[0]["count"] == 20
    assert [example["message"] for example in groups[0]["examples"]] == words[40:43]


def test_a_long_message_is_cut():
    """A group keeps the beginning of what its examples say."""
    (group,) = folded(failed(0, "x" * 1000)).as_json()["failures"]
    assert group["examples"] == [{"row": 1, "message": "x" * 300}]


def test_an_early_end_is_told():
    """The sentence that ended the run is part of its report."""
    report = folded(RunDraining("the disk is full"), RunFinished("the disk is full", 2.0, "2 finished rows kept"))
    assert report.as_json()["error"] == "the disk is full"


def test_a_report_is_json():
    """It can be printed and kept."""
    json.dumps(folded(failed(0, "no")).as_json())


def test_a_report_from_a_journal_equals_the_live_one(tmp_path):
    """Events written down as JSON and read back tell the same but when, because the report knows nothing else."""
    (tmp_path / "p.yaml").write_text(PIPELINE)
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(30)))
    journal = []

    def write(event):
        journal.append(written(event))

    faults = ("invalid_output=0.3", "refusal=0.2", "server_error=0.1")
    live = run(load(tmp_path / "p.yaml"), simulate=True, faults=faults, on_event=write).report

    assert live.failed > 0
    assert live.steps["mood"].retried > 0
    assert live.paid.attempts > 30
    again = replayed(journal)
    assert again == live
    assert {**again.as_json(), "timeline": None} == {**live.as_json(), "timeline": None}


def test_what_was_skipped_or_null_comes_back_from_a_journal():
    """Skipped steps and failed items, written down and read back, tell the same."""
    told = [StepSkipped(0, "one"), item(1, "item 3: no", 2), item(1, "item 4: no", 3), StepFinished(1, "two")]
    live = folded(*told)
    again = replayed([written(RunStarted("r1", "p", ("one", "two"), 9)), *map(written, told)])
    assert again == live
    assert again.as_json() == live.as_json()
    assert (live.steps["one"].skipped, live.steps["one"].failed_items) == (1, 2)


def made(row, items, step="one"):
    """A step that was done for so many items of a row."""
    return StepFinished(row, step, items)


@pytest.mark.parametrize(
    "parts",
    [
        [item(0, "no"), made(0, 1), made(1, 2)],
        [item(0, "no"), item(0, "no", 1), made(0, 2), item(1, "no"), made(1, 2)],
        [made(0, 0), made(1, 0)],
        [StepSkipped(0, "one"), StepFinished(1, "one")],
        [item(0, "no"), made(0, 1), RunFinished("stopped", 1.0)],
    ],
    ids=["another row has values", "an item has one", "no items", "none was done", "it ended early"],
)
def test_a_step_with_a_value_or_without_items_is_not_lost(parts):
    """One row's list of nulls is no more than that, and a run that ended early says nothing of the rest."""
    assert folded(*parts).as_json()["lost_steps"] == []


def test_a_step_that_lost_every_item_of_every_row_is_told():
    """With how many there were and what most of them failed with; rows without items are not counted."""
    parts = [item(0, "item 1: no"), item(0, "item 2: no", 1), made(0, 2), made(1, 0), StepSkipped(2, "one")]
    report = folded(*parts, item(3, "item 1: cut", code="YG505"), made(3, 1), made(3, 0, "two"))
    lost = {"step": "one", "items": 3, "code": "YG503", "count": 2, "message": "item 1: no"}
    assert report.as_json()["lost_steps"] == [lost]


NULL = [ItemFailed(0, "one", None, "YG504", "no"), made(0, 0)]
"""A step that failed for a row and is null."""


@pytest.mark.parametrize(
    ("parts", "lost"),
    [
        ([*NULL, StepSkipped(1, "one")], [1]),
        ([*NULL, made(1, 0)], []),
        ([*NULL, item(1, "no"), made(1, 1)], [2]),
        ([*NULL, item(1, "no"), made(1, 2)], []),
        ([*NULL, RunFinished("stopped", 1.0)], []),
    ],
    ids=["others skipped", "another row has a value", "the others lost their items", "an item has a value", "ended"],
)
def test_a_step_that_is_null_in_every_row_is_lost(parts, lost):
    """With how many rows and items are null; a null step is no item."""
    report = folded(*parts)
    told = report.as_json()
    assert [step["items"] for step in told["lost_steps"]] == lost
    assert (report.steps["one"].null_rows, report.steps["one"].failed) == (1, 0)
    assert told["failed_items"][0] == {
        "step": "one", "code": "YG504", "count": 1, "examples": [{"row": 1, "message": "no"}]
    }  # fmt: skip


def test_failures_name_the_id_of_their_row():
    """Where the input has ids; the number stays beside it."""
    parts = [RowFailed(4, "one", "YG503", "no", "r-5"), ItemFailed(5, "one", 0, "YG503", "no", id=6)]
    told = folded(*parts).as_json()
    assert told["failures"][0]["examples"] == [{"row": 5, "id": "r-5", "message": "no"}]
    assert told["failed_items"][0]["examples"] == [{"row": 6, "id": 6, "message": "no"}]


ID = "msgbatch_01"
POSTED = BatchPosted(ID, "one", 3)
ENDED = BatchEnded(ID, "one", 3, {"succeeded": 2, "errored": 1, "canceled": 0, "expired": 0}, 0.5, 90.0)


def test_a_batch_is_told_from_its_post_to_its_end():
    """With its step, its size, its age, and in the end its outcomes and its cost."""
    (posted,) = folded(POSTED).as_json()["batches"]
    assert posted == {
        "id": ID,
        "step": "one",
        "status": "in_progress",
        "requests": 3,
        "earlier": False,
        "seconds": 0.0,
        "counts": {},
        "cost_usd": None,
    }
    checked = BatchChecked(ID, "one", 3, "canceling", 60.0, (10.0, 20.0))
    (checked,) = folded(POSTED, checked).as_json()["batches"]
    assert (checked["status"], checked["seconds"]) == ("canceling", 60.0)
    (ended,) = folded(dataclasses.replace(POSTED, earlier=True), ENDED).as_json()["batches"]
    assert (ended["status"], ended["counts"], ended["cost_usd"]) == ("collected", dict(ENDED.counts), 0.5)
    assert (ended["earlier"], ended["seconds"]) == (True, 90.0)


def test_a_batch_is_paid_for_once_when_it_ends():
    """Its rows may read its answers later, or never: dollars are counted at its end, and tokens when they are read."""
    answer = AnswerReceived(0, "one", Usage(10, 5), 0.25, reused=False, seconds=90.0, batch=True)
    ended = folded(POSTED, ENDED)
    assert (ended.paid.attempts, ended.paid.cost_usd, ended.steps["one"].batched) == (2, 0.5, 2)
    read = folded(POSTED, ENDED, answer, dataclasses.replace(answer, row=1, cause="reask"))
    assert (read.paid.attempts, read.paid.cost_usd, read.paid.usage) == (2, 0.5, Usage(20, 10))
    assert (read.steps["one"].batched, read.steps["one"].reasks) == (2, 1)
    assert folded(POSTED, dataclasses.replace(ENDED, cost=None)).paid.cost_usd is None
    lost = dataclasses.replace(ENDED, counts={"succeeded": 0, "errored": 3, "canceled": 0, "expired": 0}, cost=None)
    assert folded(POSTED, lost).paid.cost_usd == 0


def test_requests_in_a_batch_are_sent_by_the_run_that_posts_it():
    """A run that waits for a batch of an earlier run has not sent its requests."""
    assert folded(POSTED).steps["one"].sent == 3
    assert folded(dataclasses.replace(POSTED, earlier=True)).steps["one"].sent == 0


def test_rows_wait_until_their_batch_has_ended():
    """A row that waits is no row that is done."""
    report = folded(RowDeferred(0), RowDeferred(1), RowResumed(0), RowFinished(0))
    assert (report.waiting, report.finished) == (1, 1)
