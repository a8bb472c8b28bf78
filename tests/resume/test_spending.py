"""Limits: where a run stops, what it may go over by, and what does not count."""

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest

from counted_runs import REFUSED, SERVER_ERROR, TOWNS
from scripted_api import said
from yamlgen.api.loading import load
from yamlgen.api.run_execution import execute
from yamlgen.api.run_options import RunOptions
from yamlgen.errors import Code, LimitReached, UsageError
from yamlgen.exit_codes import ExitCode

ALL = len(TOWNS)
DOLLAR = {"input": 100_000, "output": 0}
"""A price at which each scripted answer, of ten tokens of input, costs a dollar."""


def widen(project, rows, concurrency=1):
    """Give the project one step, so many rows, and a ceiling of requests."""
    project.rows = [{"town": f"Town {number}"} for number in range(rows)]
    project.document["steps"] = {"line": {"model": "quick", "prompt": "A line on {{ row.town }}."}}
    project.set("runtime.concurrency", concurrency)


def refusing(_body):
    """A refusal, whatever is asked."""
    return REFUSED


@pytest.mark.parametrize("concurrency", [1, 3, 20])
def test_requests_are_counted_exactly(project, concurrency):
    """`max_requests` is never gone over, however many are in flight; each next run goes on, and the last finishes."""
    project.set("runtime.concurrency", concurrency)
    for _ in range(2):
        stopped = project.run(max_requests=3)
        assert (stopped.code, stopped.asked, str(stopped.error.code)) == (ExitCode.LIMIT, 3, Code.LIMIT)
        assert (
            "raise it with `limits.max_requests` or `max_requests=N`, or run again: each run counts from zero"
            in stopped.error.hint
        )
        assert project.files() == {}
    assert project.run(max_requests=2).code == ExitCode.OK
    assert set(project.lines()) == set(TOWNS)
    assert len(project.server.bodies) == 2 * ALL


def test_what_is_sent_again_counts(project):
    """A request that is tried again is one more request."""
    widen(project, 1)
    project.set("runtime.max_retries", 5)
    project.script = lambda _: said("A line.") if len(project.server.bodies) > 2 else SERVER_ERROR
    stopped = project.run(max_requests=1)
    assert (stopped.code, stopped.asked) == (ExitCode.LIMIT, 1)
    finished = project.run(max_requests=2)
    assert (finished.code, finished.asked) == (ExitCode.OK, 2)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_number_of_failures(project, concurrency):
    """Once more rows failed than allowed nothing more is sent; what was in flight comes home."""
    widen(project, 40, concurrency)
    project.script = refusing
    stopped = project.run(max_failures=2)
    assert (stopped.code, str(stopped.error.code)) == (ExitCode.LIMIT, Code.LIMIT)
    assert 3 <= stopped.asked <= 2 + concurrency
    again = project.run(max_failures=2)
    assert again.code == ExitCode.LIMIT
    assert 3 <= again.asked <= 2 + concurrency
    project.script = lambda _: said("A line.")
    rest = project.run(max_failures=0)
    assert (rest.code, rest.asked) == (ExitCode.FAILED_ROWS, 40 - stopped.asked - again.asked)


def test_as_many_failures_as_allowed(project):
    """A run with exactly as many failures as allowed comes to its end."""
    widen(project, 5)
    project.refuse("Town 1", "Town 3")
    assert project.run(max_failures=2).code == ExitCode.FAILED_ROWS
    assert len(project.failed()) == 2


def test_a_share_of_failures(project):
    """A percentage is judged from fifty rows on, however many failed before."""
    widen(project, 80, 5)
    project.script = refusing
    stopped = project.run(max_failures="10%")
    assert stopped.code == ExitCode.LIMIT
    assert 50 <= stopped.asked <= 49 + 5
    assert "100.0% of 50 rows failed, more than 10%" in stopped.error.message


def test_a_share_that_is_not_passed(project):
    """With no more than the share a run comes to its end; one of fewer than fifty rows does so anyway."""
    widen(project, 60, 5)
    project.refuse(*(f"Town {number}." for number in range(5, 60, 12)))
    assert project.run(max_failures="10%").code == ExitCode.FAILED_ROWS
    widen(project, 40)
    project.set("steps.line.system", "Be brief.")
    project.script = refusing
    assert (project.run(max_failures="1%").code, len(project.failed("towns.failed.jsonl"))) == (
        ExitCode.FAILED_ROWS,
        40,
    )


@pytest.mark.parametrize("concurrency", [1, 4])
def test_dollars(project, concurrency):
    """Once the dollars are spent nothing more is sent; a re-run has them anew, and goes on."""
    widen(project, 20, concurrency)
    project.set("models.quick.price", DOLLAR)
    stopped = project.run(max_cost_usd=3)
    assert (stopped.code, str(stopped.error.code)) == (ExitCode.LIMIT, Code.LIMIT)
    assert 3 <= stopped.asked < 3 + concurrency
    rest = project.run(max_cost_usd=100)
    assert (rest.code, rest.asked) == (ExitCode.OK, 20 - stopped.asked)


def test_a_refusal_before_any_output_is_free(project):
    """It spends none of the dollars, in the run, its record and the store; its tokens are shown all the same."""
    widen(project, 3)
    project.set("models.quick.price", DOLLAR)
    project.refuse("Town 1")
    done = project.run(max_cost_usd=3)
    assert (done.code, done.asked, len(project.failed())) == (ExitCode.FAILED_ROWS, 3, 1)
    assert (done.report.paid.cost_usd, done.report.paid.usage.input_tokens) == (2, 30)
    with closing(sqlite3.connect(project.store())) as store:
        assert store.execute("SELECT sum(cost), sum(input_tokens) FROM attempt").fetchone() == (2, 30)


def test_what_the_answer_says_decides_its_price(project):
    """Cache writes of an hour, searches and where it was made are charged as the response has them."""
    widen(project, 1)
    project.set("models.quick.id", "claude-opus-5-5")
    usage = {"input_tokens": 0, "output_tokens": 1_000, "cache_creation_input_tokens": 1_000, "inference_geo": "us"}
    usage |= {"cache_creation": {"ephemeral_1h_input_tokens": 1_000}, "server_tool_use": {"web_search_requests": 2}}
    project.script = lambda _: said("A line.", usage=usage)
    assert project.run().report.paid.cost_usd == pytest.approx(1.1 * (0.02 + 0.008) + 0.02)


def test_exactly_the_dollars(project):
    """A run that needs just what it may spend comes to its end."""
    widen(project, 3)
    project.set("models.quick.price", DOLLAR)
    done = project.run(max_cost_usd=3)
    assert (done.code, done.report.paid.cost_usd) == (ExitCode.OK, 3)


TIGHT = [{"max_requests": 1}, {"max_failures": 0}, {"max_failures": "0%"}, {"max_cost_usd": 1e-9}]


@pytest.mark.parametrize("limit", TIGHT, ids=str)
def test_stored_answers_do_not_count(project, limit):
    """A run that finds all its answers in the store finishes under any limit, failed rows included."""
    project.refuse("Facts on Rome", "Facts on Oslo")
    project.run()
    again = project.run(**limit, confirm_above_usd=0)
    assert (again.code, again.asked) == (ExitCode.FAILED_ROWS, 0)


def test_stored_answers_cost_nothing(project):
    """What was spent before leaves a run all of its dollars, though their answers come out of the store first."""
    widen(project, 5)
    project.set("models.quick.price", DOLLAR)
    project.run()
    project.rows.append({"town": "Troy"})
    again = project.run(max_cost_usd=1)
    assert (again.code, again.asked) == (ExitCode.OK, 1)


def test_the_limits_of_the_file(project):
    """What stands under `limits` holds, and what is given for a run wins over it."""
    project.set("limits.max_requests", 2)
    assert project.run().asked == 2
    assert project.run(max_requests=4).asked == 4
    assert project.run().code == ExitCode.OK


def test_a_limit_needs_a_price(project):
    """A limit of dollars on a model whose price nobody knows is an error before anything is sent, by its step."""
    project.set("models.quick.id", "my-own-model")
    wrong = project.run(max_cost_usd=1)
    assert (wrong.code, wrong.asked, str(wrong.error.code)) == (ExitCode.USAGE, 0, Code.NO_PRICE)
    assert "`my-own-model` (step `facts`)" in wrong.error.message
    assert isinstance(wrong.error, UsageError)
    assert project.files() == {}
    project.set("models.quick.price", {"input": 1, "output": 1})
    assert project.run(max_cost_usd=1).code == ExitCode.OK


def test_nobody_confirms(project):
    """A run that may cost more than is allowed without asking does not begin where nobody can be asked."""
    project.set("models.quick.price", {"input": 1, "output": 1000})
    unconfirmed = project.run(confirm_above_usd=1)
    assert (unconfirmed.code, unconfirmed.asked, str(unconfirmed.error.code)) == (ExitCode.LIMIT, 0, Code.NOT_CONFIRMED)
    assert "the run may cost $" in unconfirmed.error.message
    assert "`yes=True`" in unconfirmed.error.hint
    assert project.run(confirm_above_usd=1, yes=True).asked == 2 * ALL


def test_a_cheap_run_is_not_asked_about(project):
    """A run that costs less than the limit begins, and so does one that asks for nothing, whatever the limit."""
    assert project.run(confirm_above_usd=1000).asked == 2 * ALL
    project.set("models.quick.price", {"input": 1000, "output": 1000})
    assert project.run(confirm_above_usd=0).code == ExitCode.OK


def test_an_unknown_price_is_asked_about(project):
    """Where nobody knows the price, any limit asks."""
    project.set("models.quick.id", "my-own-model")
    unconfirmed = project.run(confirm_above_usd=1_000_000)
    assert (unconfirmed.code, unconfirmed.asked) == (ExitCode.LIMIT, 0)
    assert unconfirmed.error.message.startswith("the cost of the run is unknown")


@pytest.mark.parametrize("answer", [True, False])
def test_whoever_is_asked_decides(project, answer):
    """The forecast is shown to whoever confirms; a no is the end of it, before the run is noted in the store."""
    project.save()
    asked = []

    def confirm(forecast):
        asked.append(forecast.requests)
        return answer

    running = execute(load(project.path), options=RunOptions(simulate=True, confirm_above_usd=0), confirm=confirm)
    if answer:
        asyncio.run(running)
    else:
        with pytest.raises(LimitReached):
            asyncio.run(running)
    assert asked == [2 * ALL]
    assert bool(project.files()) is answer


def test_the_question_is_put_by_every_row(project):
    """Where a cost may have to be confirmed, the forecast looks at all rows: the only long one counts."""
    widen(project, 400)
    project.rows[237]["town"] = "Llanfair " * 100_000
    project.set("models.quick.price", {"input": 10, "output": 0})
    unconfirmed = project.run(confirm_above_usd=2)
    assert (unconfirmed.asked, str(unconfirmed.error.code)) == (0, Code.NOT_CONFIRMED)
    assert "the run may cost $4.7" in unconfirmed.error.message


@pytest.mark.usefixtures("small")
class TestCommand:
    """The same from the command line, which has an exit code of its own for limits."""

    def test_a_limit_is_exit_4(self, call):
        """A run that stops at a limit says which and how to go on, and the same command goes on."""
        told = call("run", "small.yaml", "--simulate", "--max-requests", 5)
        assert told.code == 4
        assert "stopped at `limits.max_requests`: 5 requests sent" in told.err
        assert "the same command continues from there" in told.err
        told = call("run", "small.yaml", "--simulate", "--max-requests", 5, "--output-format", "json")
        assert (told.code, json.loads(told.out)["paid"]["attempts"]) == (0, 3)

    def test_yes(self, call):
        """Without a terminal a run above the limit is exit 4 until it is said with `--yes`."""
        told = call("run", "small.yaml", "--simulate", "--confirm-above-usd", 0)
        assert (told.code, Code.NOT_CONFIRMED in told.err) == (4, True)
        assert call("run", "small.yaml", "--simulate", "--confirm-above-usd", 0, "--yes").code == 0
        assert call("run", "small.yaml", "--simulate", "--confirm-above-usd", 0).code == 0
