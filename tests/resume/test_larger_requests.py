"""A truncated answer is requested again with more tokens: for the truncated rows alone, up to the model's maximum."""

import json

import pytest

from counted_runs import TOWNS
from scripted_api import Reply, events, said, spoken

ALL = len(TOWNS)
MOST = 128_000


class Short:
    """An API that writes so many tokens for some towns; an answer with fewer is cut off.

    Attributes:
        needed: the tokens that a town needs.
        asked: the `max_tokens` of the requests of each town.
    """

    def __init__(self, **needed):
        self.needed = needed
        self.asked = {town: [] for town in TOWNS}

    def __call__(self, body):
        """The reply to a body."""
        town = next(town for town in TOWNS if town in json.dumps(body["messages"]))
        self.asked[town].append(body["max_tokens"])
        is_cut = body["max_tokens"] < self.needed.get(town, 0)
        text, stop = (f"On {town}", "max_tokens") if is_cut else (f"On {town}.", "end_turn")
        if body.get("stream"):
            return events(*spoken(text, stop))
        return said(text, stop=stop)


@pytest.fixture
def lines(project):
    """A project of one step, whose answers on Rome need more tokens than it gives."""
    project.script = Short(Rome=3000)
    project.set("steps.facts", None)
    project.set("steps.line", {"model": "quick", "max_tokens": 1000, "prompt": "A line on {{ row.town }}."})
    project.set("steps.line.on_truncated", "retry_larger")
    return project


def test_a_truncated_answer_is_requested_with_twice_the_tokens(lines):
    """Then with four times; the others have their answers."""
    run = lines.run()
    assert run.code == 0
    assert lines.script.asked == {**{town: [1000] for town in TOWNS}, "Rome": [1000, 2000, 4000]}
    assert run.report.steps["line"].larger == 2
    assert run.report.steps["line"].reasks == 0
    assert run.report.paid.attempts == ALL + 2
    assert lines.lines()["Rome"] == "On Rome."


def test_a_second_run_asks_nothing(lines):
    """Each size has its own key."""
    lines.run()
    assert lines.run().asked == 0


def test_the_line_added_later_pays_for_truncated_rows_alone(lines):
    """A plan knows of the first larger request, and says what it does not know."""
    lines.set("steps.line.on_truncated", None)
    assert lines.run().report.failed == 1
    lines.set("steps.line.on_truncated", "retry_larger")
    planned = lines.plan()
    assert planned.requests == 1
    assert "without larger requests" in planned.steps[0].how
    assert lines.run().asked == 2
    assert lines.script.asked["Oslo"] == [1000]


def test_the_maximum_of_the_model_is_the_end(lines):
    """Requests above the threshold are streamed. The failed row has all answers, and what can be done."""
    lines.script.needed["Rome"] = 10**9
    lines.set("steps.line.max_tokens", 30_000)
    run = lines.run()
    assert lines.script.asked["Rome"] == [30_000, 60_000, 120_000, MOST]
    assert lines.failed() == {"Rome": "YG505"}
    (row,) = map(json.loads, (lines.folder / "out" / "towns.failed.jsonl").read_text().splitlines())
    assert len(row["attempts"]) == 4
    assert row["message"].endswith("the answer was cut off at 128,000 tokens, the maximum")
    assert run.report.steps["line"].failed == 1
    assert lines.run().asked == 0


def test_an_unknown_model_gets_eight_times_the_tokens(lines):
    """Its maximum is not known."""
    lines.script.needed["Rome"] = 10**9
    lines.set("models.quick", {"id": "our-own", "price": {"input": 1, "output": 1}})
    lines.run()
    assert lines.script.asked["Rome"] == [1000, 2000, 4000, 8000]


def test_a_re_ask_after_it_has_the_larger_size(lines):
    """An answer that is complete, and invalid, is re-asked as often as without."""
    lines.set("steps.line.output", {"reasks": 1})
    lines.set("steps.line.check", ["output | length < 4"])
    lines.run()
    assert lines.script.asked["Rome"] == [1000, 2000, 4000, 4000]
    assert lines.script.asked["Oslo"] == [1000, 1000]


def test_thinking_with_a_budget_keeps_its_budget(lines):
    """Only the whole grows."""
    bodies = []

    def script(body):
        bodies.append(body)
        return said("On.", stop="end_turn" if body["max_tokens"] > 4000 else "max_tokens")

    lines.script = script
    lines.set("models.quick.id", "claude-haiku-4-5")
    lines.set("steps.line.max_tokens", 3000)
    lines.set("steps.line.thinking", {"budget_tokens": 2000})
    lines.run(limit=1)
    assert [body["max_tokens"] for body in bodies] == [3000, 6000]
    assert {body["thinking"]["budget_tokens"] for body in bodies} == {2000}


def test_a_limit_of_requests_counts_them(lines):
    """The run stops at it."""
    lines.set("limits", {"max_requests": ALL + 1})
    run = lines.run()
    assert run.error is not None
    assert run.asked == ALL + 1


def test_a_retry_begins_with_the_first_size(lines):
    """None of the answers that failed the row is used."""
    lines.script.needed["Rome"] = 10**9
    lines.set("models.quick", {"id": "our-own", "price": {"input": 1, "output": 1}})
    failed = lines.run()
    lines.script.needed["Rome"] = 0
    assert lines.run(retry=failed.report.run).asked == 1
    assert lines.lines()["Rome"] == "On Rome."


def test_an_outage_at_a_larger_request_costs_no_answer(lines):
    """The next run asks for the rest alone."""
    script = lines.script

    def broken(body):
        return Reply({}, 500) if body["max_tokens"] > 1000 else script(body)

    lines.script = broken
    assert lines.run().report.failed == 1
    lines.script = script
    assert lines.run().asked == 2


@pytest.mark.parametrize(("needed", "is_stopped"), [(2000, False), (10**9, True)])
def test_only_answers_that_stay_truncated_are_unusable(lines, needed, is_stopped):
    """The limit on unusable answers examines what the rows come to."""
    lines.rows = [{"town": f"Rome {number}"} for number in range(60)]
    lines.script = Short(Rome=needed)
    lines.set("runtime.concurrency", 2)
    lines.set("models.quick", {"id": "our-own", "price": {"input": 1, "output": 1}})
    run = lines.run()
    assert (run.error is not None) is is_stopped
    assert run.report.finished == (0 if is_stopped else 60)
