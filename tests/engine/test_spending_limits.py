"""The budget: what a run spends against its limits, counted from its events."""

import asyncio
import tracemalloc

import pytest

from fake_engine import ONE, TWO, FakeRun, echo, refused
from yamlgen.cancellation import Cancellation, Cancelled
from yamlgen.engine.spending_limits import Budget
from yamlgen.errors import Code
from yamlgen.events import (
    AnswerReceived,
    RequestRetried,
    RequestSent,
    RowDeferred,
    RowFailed,
    RowFinished,
    RowResumed,
    RunDraining,
    StepFailed,
)
from yamlgen.exit_codes import ExitCode
from yamlgen.pipeline.pipeline_model import Limits
from yamlgen.value_objects import Usage

REASONS = {"max_requests": 2, "max_failures": 0, "max_cost_usd": 0.01}


def spent(limits, *events):
    """A budget after some events, and the halt that it may have closed."""

    async def main():
        budget = Budget(Limits(**limits), Cancellation())
        for event in events:
            budget.observe(event)
        return budget

    return asyncio.run(main())


def sends(budget):
    """Whether a run may still send."""
    try:
        budget.cancellation.check_sending()
    except Cancelled:
        return False
    return True


def answer(row, cost, *, reused=False):
    """A row's answer at a cost."""
    return AnswerReceived(row, "one", Usage(10, 5), cost, reused, 0.1)


def asked(row, *, fails=False):
    """A row that was asked for, and what came of it."""
    failed = [StepFailed(row, "one", "YG504"), RowFailed(row, "one", "YG504", "no")]
    return [RequestSent(row, "one"), *(failed if fails else [RowFinished(row)])]


def test_without_limits_nothing_ends():
    """A run without limits may send, fail and cost as much as it likes."""
    events = [event for row in range(200) for event in (*asked(row, fails=True), answer(row, 9.0))]
    budget = spent({}, *events)
    assert budget.error is None
    assert sends(budget)


def test_the_last_request_that_is_allowed_is_sent():
    """At `max_requests` sending ends, and not one request before."""
    limits = {"max_requests": 3}
    assert sends(spent(limits, *(RequestSent(row, "one") for row in range(2))))
    budget = spent(limits, *(RequestSent(row, "one") for row in range(3)))
    assert not sends(budget)
    assert budget.error.message == "stopped at `limits.max_requests`: 3 requests sent"


def test_a_request_that_goes_out_again_counts_again():
    """A retry is a request; the waiting for it is none."""
    again = [RequestSent(0, "one"), RequestRetried(0, "one", "overloaded", 0.5), RequestSent(0, "one")]
    assert spent({}, *again).requests == 2


def test_costs_add_up_to_the_limit():
    """Sending ends with the answer that reaches `max_cost_usd`."""
    limits = {"max_cost_usd": 0.3}
    assert sends(spent(limits, answer(0, 0.1), answer(1, 0.1)))
    budget = spent(limits, answer(0, 0.1), answer(1, 0.25))
    assert not sends(budget)
    assert "$0.3500 of $0.3 spent" in budget.error.message


def test_what_is_in_the_store_costs_nothing():
    """An answer of an earlier run is on that run's budget; one without a price adds nothing that anybody knows."""
    budget = spent({"max_cost_usd": 0.1}, answer(0, 5.0, reused=True), answer(1, None))
    assert budget.cost == 0
    assert sends(budget)


@pytest.mark.parametrize(("most", "failures", "goes_on"), [(2, 2, True), (2, 3, False), (0, 0, True), (0, 1, False)])
def test_so_many_rows_may_fail(most, failures, goes_on):
    """`max_failures` is how many may fail: the next one ends the sending."""
    events = [event for row in range(10) for event in asked(row, fails=row < failures)]
    assert sends(spent({"max_failures": most}, *events)) is goes_on


def test_a_share_says_nothing_of_few_rows():
    """A percentage is judged from fifty rows on: nine of the first forty-nine may be bad luck."""
    events = [event for row in range(49) for event in asked(row, fails=row < 9)]
    assert sends(spent({"max_failures": "10%"}, *events))
    budget = spent({"max_failures": "10%"}, *events, *asked(49, fails=True))
    assert not sends(budget)
    assert "20.0% of 50 rows failed, more than 10%" in budget.error.message


def test_a_share_that_is_met_exactly_is_allowed():
    """`10%` is how many may fail, of all rows that are done."""
    events = [event for row in range(50) for event in asked(row, fails=row >= 45)]
    assert sends(spent({"max_failures": "10%"}, *events))


def test_a_row_that_failed_long_ago_is_not_counted():
    """A row that the store fails was not asked for, so a second run does not end at the failures of the first."""
    budget = spent({"max_failures": 0}, *(StepFailed(row, "one", "YG504") for row in range(9)))
    assert (budget.failed, budget.done) == (0, 0)
    assert sends(budget)


def test_a_row_is_done_once():
    """However many of its steps are asked for, a row counts once."""
    events = [RequestSent(0, "one"), StepFailed(0, "one", "YG504"), RequestSent(0, "two")]
    events += [StepFailed(0, "two", "YG504"), RowFailed(0, "one", "YG504", "no")]
    budget = spent({"max_failures": 5}, *events)
    assert (budget.failed, budget.done, budget.requests) == (1, 1, 2)


def test_a_row_that_fails_before_it_waits_is_done_once():
    """One of its steps fails in a pass, the others wait for a batch, and the row ends in a later pass."""
    first = [RowResumed(0), StepFailed(0, "one", "YG504"), RowDeferred(0)]
    budget = spent({"max_failures": 5}, *first, RowResumed(0), RowFailed(0, "one", "YG504", "no"))
    assert (budget.failed, budget.done) == (1, 1)


def test_the_first_limit_is_told():
    """When several are reached, the first has ended the run; it has a code, an exit code and a way on."""
    events = [RequestSent(0, "one"), RequestSent(1, "one"), answer(0, 9.0), StepFailed(0, "one", "YG504")]
    budget = spent(REASONS, *events)
    assert "limits.max_requests" in budget.error.message
    assert budget.cancellation.reason == budget.error.message
    assert (budget.error.code, budget.error.exit_code) == (Code.LIMIT, ExitCode.LIMIT)
    assert "`max_requests=N`" in budget.error.hint


def test_a_halted_run_reaches_no_limit():
    """A run that somebody stopped is told as stopped, even if what comes home goes over a limit."""

    async def main():
        budget = Budget(Limits(max_cost_usd=0.1), Cancellation())
        budget.cancellation.request("Ctrl-C")
        budget.observe(answer(0, 5.0))
        return budget

    budget = asyncio.run(main())
    assert budget.error is None
    assert budget.cancellation.reason == "Ctrl-C"


def test_what_is_in_flight_at_a_limit_comes_home(tmp_path):
    """At a limit nothing more is sent, and every request that was sent is answered and its row kept."""

    async def reply(step, text, watch):
        await asyncio.sleep(0.01)
        return await echo(step, text, watch)

    run = FakeRun(tmp_path, reply, rows=100, concurrency=4, limits={"max_requests": 10})()
    assert run.budget.requests == len(run.sink.rows) == 10
    assert run.sink.failed == {}
    assert run.of(RunDraining) == []


def test_a_run_that_needs_no_more_comes_to_its_end(tmp_path):
    """With exactly as many requests as are allowed every row is finished, and nothing ended the run."""
    run = FakeRun(tmp_path, echo, ONE + TWO, rows=3, concurrency=1, limits={"max_requests": 6})()
    assert len(run.sink.rows) == 3
    assert run.budget.requests == 6
    assert not run.cancellation.requested


def test_failures_end_a_run_soon(tmp_path):
    """A run of which every row fails ends a few rows after the limit."""

    async def reply(_step, _text, _watch):
        await asyncio.sleep(0)
        raise refused()

    run = FakeRun(tmp_path, reply, rows=1000, concurrency=2, limits={"max_failures": 5})()
    assert 5 < len(run.sink.failed) < 30
    assert "6 rows failed, more than 5" in run.budget.error.message


def test_rows_that_wait_for_a_batch_take_no_memory():
    """A hundred thousand may have an answer, and wait for that to a re-ask."""
    budget = Budget(Limits(), Cancellation())
    tracemalloc.start()
    for row in range(20_000):
        budget.observe(RowResumed(row))
        budget.observe(answer(row, 0.0))
        budget.observe(RowDeferred(row))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
