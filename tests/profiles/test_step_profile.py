"""What each step of a run did agrees with what the run itself has counted."""

from itertools import pairwise

import pytest

import profiled_runs as runs
from yamlgen.profiles.step_profile import MOST_REASONS, StepObserver
from yamlgen.store.row_scan import ScannedRow, ScannedStep
from yamlgen.store.stored_results import StoredAttempt
from yamlgen.value_objects import Usage


def counted(bad_run):
    """Each step with what the run has counted of it."""
    _, profile, entry = bad_run
    return [(step, entry.report["steps"][step.name]) for step in profile.steps]


def test_answers_and_their_bill_are_those_of_the_run(bad_run):
    """The rows have every answer that was paid for, those of equal prompts once."""
    for step, told in counted(bad_run):
        assert (step.answers, step.stored) == (told["paid"]["attempts"], 0)
        assert (step.cost_usd, step.cache_saved_usd) == (told["paid"]["cost_usd"], told["paid"]["cache_saved_usd"])
        assert step.usage == told["paid"]["usage"]
        assert (step.sent, step.retried) == (told["sent"], told["retried"])
        assert sum(each.count for each in step.stop_reasons) == step.answers
        assert sum(step.models.values()) == step.answers
    assert bad_run[1].headline.models == {"claude-haiku-5-5": {"claude-haiku-5-5": bad_run[2].paid["attempts"]}}


def test_what_was_asked_again_is_what_the_run_has_counted(bad_run):
    """Re-asks and larger requests, each with its reasons."""
    for step, told in counted(bad_run):
        assert (step.reasks, step.larger) == (told["reasks"], told["larger"])
        assert sum(each.count for each in step.why) + step.more == step.reasks
    facts, lines, *_ = bad_run[1].steps
    assert (facts.why[0].keyword, facts.why[0].place) == ("required", "$.score")
    assert lines.larger > 0
    assert {each.keyword for each in lines.why} == {""}, "an empty answer breaks no keyword"


def test_rows_are_counted_by_the_status_of_each_step(bad_run):
    """Each step has a status for each row; those that were not reached among them."""
    facts, lines, motto, share = bad_run[1].steps
    assert all(sum(step.statuses.values()) == runs.ROWS for step in (facts, lines, motto, share))
    assert motto.statuses["null"] == bad_run[2].report["steps"]["motto"]["null_rows"] > 0
    assert facts.statuses["failed"] == bad_run[2].report["steps"]["facts"]["failed"] > 0


def test_latencies_are_those_of_the_answers(bad_run):
    """Every answer is in a bar, bars follow one another, and the quantiles lie in order."""
    for step in bad_run[1].steps[:3]:
        assert sum(each.count for each in step.latency_bins) == step.answers
        assert all(one.most == other.least for one, other in pairwise(step.latency_bins))
        told = step.latency
        assert step.latency_bins[0].least <= told.least <= told.p5 <= told.p50 <= told.p95 <= told.most
        assert told.most <= step.latency_bins[-1].most
    assert (bad_run[1].steps[3].latency, bad_run[1].steps[3].latency_bins) == (None, ())


def test_answers_of_an_earlier_run_are_stored(tmp_path):
    """A run that finds all of its answers in the store has paid for none, and has no latency of its own."""
    path = runs.lay_out(tmp_path, rows=4)
    runs.ran(path, faults=())
    before = runs.profiled(path)[0].steps[0]
    runs.ran(path, faults=())
    step = runs.profiled(path)[0].steps[0]
    assert (before.answers, before.stored) == (4, 0)
    assert (step.answers, step.stored, step.cost_usd, step.latency) == (4, 4, 0.0, None)
    assert step.models == before.models
    assert step.stop_reasons == ()


def attempt(number, *errors, case="", stop="end_turn", model="a", seconds=1.0, batch=None):
    """An answer of the run."""
    about = ("r1", "", "a", model, stop, None, Usage(1, 1), 0.1, seconds, batch)
    return StoredAttempt(number, list(errors), case, [], *about)


def observed(*rows, fallbacks=()):
    """The profile of the step `one` over rows that have these answers."""
    observer = StepObserver({"one": "generate"}, "r1", {"one": {"fallbacks": dict.fromkeys(fallbacks, 1)}})
    for number, attempts in enumerate(rows):
        step = ScannedStep("finished", None, [], list(attempts), None, None)
        observer.add(ScannedRow(number, "finished", {"one": step}, None, None, None))
    (made,) = observer.steps()
    return made


def test_answers_that_rows_share_count_once():
    """Rows with equal requests have the same answers."""
    chain = [attempt(1, "$: the answer holds no text"), attempt(2)]
    step = observed(chain, chain)
    assert (step.answers, step.reasks, len(step.why), step.why[0].count) == (2, 1, 1, 1)


def test_answers_of_batches_have_no_latency():
    """Their requests were posted together, and waited."""
    step = observed([attempt(1, batch="b1", seconds=9000.0)], [attempt(2)])
    assert (step.answers, step.batched, step.latency.most) == (2, 1, 1.0)


def test_only_what_was_followed_was_sent_back():
    """The last answer of a case is not, whatever is wrong with it; each case has its own."""
    step = observed(
        [attempt(1, "$.n: 9 is greater than the maximum of 5", case="item 1"), attempt(2, "x", case="item 2")],
        [
            attempt(3, "the model refused", stop="refusal"),
            attempt(4, "cut off", stop="max_tokens", model="b"),
            attempt(5, "$.tags[3]: 9 is greater than the maximum of 5", model="b"),
            attempt(6, model="b"),
        ],
    )
    assert (step.refused, step.larger, step.reasks) == (1, 1, 1)
    assert [(each.keyword, each.place, each.count) for each in step.why] == [("maximum", "$.tags[]", 1)]
    assert step.models == {"b": 3, "a": 3}


def test_models_that_the_api_asks_after_a_refusal_are_counted():
    """They answer the same request; a model with another name than the one that was requested is no sign of it."""
    step = observed([attempt(1, model="b")], [attempt(2, model="a-20260101")], [attempt(3)], fallbacks=["b"])
    assert (step.answers, step.refused) == (3, 1)


def test_reasons_are_few():
    """Words of a check that differ in more than numbers are told apart up to a limit; none is left uncounted."""
    rows = [[attempt(2 * at, f"the answer is {'ab' * at}"), attempt(2 * at + 1)] for at in range(1, 500)]
    step = observed(*rows)
    assert len(step.why) == MOST_REASONS
    assert sum(each.count for each in step.why) + step.more == step.reasks == 499
    alike = [[attempt(2 * at, f"{at} is too much for '{at}'"), attempt(2 * at + 1)] for at in range(1, 20)]
    assert [each.count for each in observed(*alike).why] == [19]


def test_latencies_of_many_answers_are_sampled(monkeypatch):
    """The bars count all of them; the quantiles are those of every second or fourth, evenly taken."""
    monkeypatch.setattr("yamlgen.profiles.step_profile._MOST_SECONDS", 100)
    step = observed(*([attempt(at, seconds=at / 1000)] for at in range(1, 1001)))
    assert sum(each.count for each in step.latency_bins) == 1000
    assert (step.latency.p50, step.latency.p95, step.latency.most) == pytest.approx((0.5, 0.95, 1.0), abs=0.03)
