"""The brake on a run that pays for nothing of use: it stops after fifty rows of a step, and says how to mend it."""

import json

import pytest

from counted_runs import CUT
from scripted_api import said
from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode

TEXT = {"version": 1, "input": {"path": "rows.jsonl"}, "output": {"path": "out/towns.jsonl"}}
ONE = {"model": "claude-haiku-5-5", "max_tokens": 500, "prompt": "Label {{ row.n }}"}
SCHEMA = {"schema": {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["old"]}}}, "mode": "json"}
IN_FLIGHT = 20


@pytest.fixture
def run(project):
    """Run one step over so many rows; its replies come from a function of the row's number."""

    def run(reply, rows=400, step=ONE, **options):
        project.document = {
            **TEXT,
            "runtime": {"concurrency": IN_FLIGHT, "max_retries": 0},
            "steps": {"label": dict(step)},
        }
        project.rows = [{"n": number} for number in range(rows)]
        project.script = lambda body: reply(int(body["messages"][0]["content"].rpartition(" ")[2]), body)
        return project.run(**options)

    return run


def always(reply):
    """The same reply for each row."""
    return lambda _number, _body: reply


@pytest.mark.parametrize(
    ("reply", "step", "told", "mend"),
    [
        (said("Hal", stop="max_tokens"), ONE, "cut off at `max_tokens`", "raise `max_tokens`"),
        (said(), ONE, "holds no text", "`limit=1`"),
        (said(" \n"), ONE, "holds no text", "`limit=1`"),
        (said('{"kind": "new"}'), {**ONE, "output": SCHEMA}, "the output is invalid", "loosen the schema"),
        (said("x", stop=7), ONE, "stop_reason", "loosen the schema"),
    ],
    ids=["cut off", "empty", "blank", "against the schema", "unreadable"],
)
def test_a_run_whose_answers_are_of_no_use_stops(run, reply, step, told, mend):
    """Exit 4 after fifty rows and what was in flight; the message says why, and how to go on all the same."""
    done = run(always(reply), step={**step, "output": {**step.get("output", {}), "reasks": 0}})
    assert (done.code, done.error.code) == (ExitCode.LIMIT, Code.LIMIT)
    assert 50 <= done.asked <= 50 + 2 * IN_FLIGHT
    assert "`limits.max_unusable`: 50 of the first 50 billed rows of step `label` were unusable" in done.error.message
    assert told in done.error.message
    assert mend in done.error.hint
    assert "`max_unusable='none'` turns this limit off" in done.error.hint


@pytest.mark.parametrize(("useless", "code"), [(45, ExitCode.LIMIT), (44, ExitCode.FAILED_ROWS)])
def test_the_share_counts(run, useless, code):
    """Ninety of a hundred is too much, a little less is not."""
    done = run(lambda number, _: CUT if number < useless else said("fine"), rows=60, max_concurrency=1)
    assert done.code == code


@pytest.mark.parametrize(
    ("share", "code"), [("100%", ExitCode.FAILED_ROWS), ("50%", ExitCode.LIMIT), ("none", ExitCode.FAILED_ROWS)]
)
def test_the_share_is_the_authors(run, share, code):
    """It can be set, and switched off."""
    done = run(lambda number, _: CUT if number % 10 else said("fine"), rows=100, max_unusable=share)
    assert done.code == code


def test_it_goes_on_with_the_option(run):
    """What the message says works: the next run goes on from where this one stopped."""
    first = run(always(CUT), rows=200)
    assert first.code == ExitCode.LIMIT
    again = run(always(CUT), rows=200, max_unusable="none")
    assert (again.code, first.asked + again.asked) == (ExitCode.FAILED_ROWS, 200)


def test_refusals_do_not_count(run):
    """A model's refusal is an answer."""
    assert run(always(said(stop="refusal")), rows=100).code == ExitCode.FAILED_ROWS


def test_checks_of_the_author_do_not_count(run):
    """What an author checks besides the schema is the author's to judge."""
    step = {**ONE, "check": ["output == 'never'"], "output": {"reasks": 0}}
    assert run(always(said("fine")), rows=100, step=step).code == ExitCode.FAILED_ROWS


def test_stored_answers_do_not_count(run):
    """What an earlier run has paid for is no reason to stop this one."""
    run(always(CUT), rows=60, max_unusable="none")
    done = run(always(CUT), rows=80)
    assert (done.code, done.asked) == (ExitCode.FAILED_ROWS, 20)


def test_later_rows_do_not_count(run):
    """The first fifty decide: what comes later is for `max_failures`."""
    assert run(lambda number, _: said("fine") if number < 50 else CUT, rows=300).code == ExitCode.FAILED_ROWS


def test_items_that_are_null_count_where_all_are(run):
    """A step that allows null for failed items is of no use where every item of a row is null."""
    step = {"for_each": "[1, 2]", "on_item_error": "null", **ONE, "prompt": "Label {{ item }} of {{ row.n }}"}
    done = run(always(CUT), rows=100, step=step)
    assert done.code == ExitCode.LIMIT
    half = {**step, "prompt": "Label {{ item }} in {{ row.n }}"}
    assert (
        run(lambda _, body: CUT if "Label 1" in json.dumps(body) else said("fine"), rows=100, step=half).code
        == ExitCode.OK
    )
