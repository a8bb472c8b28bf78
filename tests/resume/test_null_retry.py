"""`on_error: null` over several runs: a failed step stays null, a retry asks for what failed, and for what reads it."""

import pytest
from constructs import ALL, CONSTRUCTS, ITEMS, ask, lay_out
from test_items_retry import failed, refuse, retry, rows

from counted_runs import CUT, SERVER_ERROR
from scripted_api import refusal
from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode

STEPS = {
    "line": ask("A line on {{ row.town }}.", on_error=None),
    "after": ask("After {{ steps.line }}"),
    "instead": ask("Instead of {{ row.town }}", when="steps.line is none"),
    "side": ask("Aside {{ row.town }}"),
}


@pytest.fixture
def lines(project):
    """A line for each town that is null if it fails, what reads it, what stands in for it, and a step beside it."""
    lay_out(project, STEPS)
    return project


@pytest.fixture
def fan(project):
    """An answer for each tag of each town; the list is null if one of them fails."""
    lay_out(project, CONSTRUCTS["for_each"][0])
    project.set("steps.line", {**project.document["steps"]["line"], "on_error": "null"})
    return project


def nulls(done, step="line"):
    """In how many rows of a run a step is null, by its counts and by its groups of failures."""
    groups = [group.count for group in done.report.item_groups.values() if group.step == step]
    return done.report.steps[step].null_rows, sum(groups)


def test_a_refused_step_is_null_from_then_on(lines):
    """Its row is finished and not failed; run again it sends nothing, writes the same bytes and tells of it again."""
    refuse(lines, "A line on Rome", "A line on Oslo")
    first = lines.run()
    assert (first.code, dict(first.sent)) == (ExitCode.OK, {"line": ALL, "after": ALL - 2, "instead": 2, "side": ALL})
    rome = rows(lines)["Rome"]
    assert (rome["line"], rome["after"], rome["instead"][-7:], failed(lines)) == (None, None, "of Rome", {})
    before = lines.files()
    again = lines.run()
    assert (again.asked, nulls(first), nulls(again), lines.files()) == (0, (2, 2), (2, 2), before)
    assert lines.run(offline=True).code == ExitCode.OK


def test_a_retry_asks_for_the_step_and_what_reads_it(lines):
    """What stood in for it is skipped now, and what stands beside it keeps its answer."""
    refuse(lines, "A line on Rome", "A line on Oslo")
    lines.run()
    again = retry(lines)
    assert (again.code, dict(again.sent)) == (ExitCode.OK, {"line": 2, "after": 2})
    assert (rows(lines)["Rome"]["instead"], nulls(again), lines.run().asked) == (None, (0, 0), 0)


def test_a_retry_asks_for_the_items_that_failed_alone(fan):
    """Of a list that is null as a whole, the items that were answered keep their answers."""
    refuse(fan, "Rome and its food")
    refuse(fan, "Oslo and its sea", reply=CUT)
    first = fan.run()
    assert (first.asked, nulls(first), rows(fan)["Rome"]["line"]) == (ITEMS, (2, 2), None)
    assert fan.run().asked == 0
    again = retry(fan)
    assert (dict(again.sent), nulls(again), len(rows(fan)["Rome"]["line"])) == ({"line": 2}, (0, 0), 3)


def test_a_step_without_an_answer_is_null_for_one_run(lines):
    """A failure on the way is no answer: the next run sends for that step, and for what reads it."""
    refuse(lines, "A line on Rome", reply=SERVER_ERROR)
    assert lines.run().code == ExitCode.OK
    assert (dict(lines.run().sent), rows(lines)["Rome"]["line"] is None) == ({"line": 1, "after": 1}, False)


def test_going_back_to_fail_costs_nothing(lines):
    """What a failure does is no part of a request: the row fails out of the store, and a retry asks for it."""
    refuse(lines, "A line on Rome")
    lines.run()
    lines.set("steps.line.on_error", "fail")
    lines.set("steps.instead", None)
    assert (lines.run().asked, [row["code"] for row in failed(lines).values()]) == (0, [Code.REFUSED])
    assert (dict(retry(lines).sent), failed(lines)) == ({"line": 1, "after": 1}, {})
    lines.set("steps.line", STEPS["line"])
    assert lines.run().asked == 0


def test_nulls_do_not_hide_what_is_missing(lines):
    """Stopped early, an offline run lacks what was not asked; the row of what was refused is finished."""
    lines.set("runtime.concurrency", 1)
    for step in ("side", "instead"):
        lines.document["steps"].pop(step)
    refuse(lines, "A line on Oslo")
    lines.run(stop_after=1)
    offline = lines.run(offline=True)
    assert (offline.report.missing, offline.report.finished, nulls(offline)) == (ALL - 1, 1, (1, 1))


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_stopped_retry_is_gone_on_with(lines, stop_after):
    """What a retry was answered before it was stopped is not paid for by the next one."""
    lines.set("runtime.concurrency", 1)
    refuse(lines, "A line on Rome", "A line on Oslo")
    lines.run()
    assert retry(lines, stop_after=stop_after).asked == stop_after
    again = retry(lines)
    assert (again.code, again.asked, nulls(again)) == (ExitCode.OK, 4 - stop_after, (0, 0))


def test_a_row_that_fails_elsewhere_tells_of_its_null_step_too(lines):
    """One retry asks for both: the row is failed by a step and lost another one."""
    refuse(lines, "A line on Rome", "Aside Rome")
    first = lines.run()
    assert (first.code, nulls(first), failed(lines)["Rome"]["steps"]["line"]) == (ExitCode.FAILED_ROWS, (1, 1), None)
    assert (dict(retry(lines).sent), failed(lines)) == ({"line": 1, "side": 1, "after": 1}, {})


def test_a_step_that_fails_in_every_row_is_lost(lines):
    """Not if it failed in all but one; a row that fails elsewhere makes no difference."""
    refuse(lines, *(f"A line on {town}" for town in ("Oslo", "Rome", "Graz", "Cork")))
    (lost,) = lines.run().report.lost_steps
    assert lost.as_json() == {
        "step": "line", "items": ALL, "code": "YG504", "count": ALL, "message": "the model refused"
    }  # fmt: skip
    refuse(lines, "A line on Rome")
    assert retry(lines).report.lost_steps == []


def test_a_plan_knows_what_is_stored(lines):
    """A stored refusal is an answer: nothing is to be sent for it, and no row fails; a retry sends for it."""
    refuse(lines, "A line on Rome")
    lines.run()
    steps = {step.step: step for step in lines.plan().steps}
    assert [(steps[name].requests, steps[name].failed) for name in STEPS] == [(0, 0)] * 4
    assert (steps["line"].stored, steps["after"].stored) == (ALL, ALL - 1)


def test_as_many_failures_alike_still_end_a_run(lines):
    """An API that refuses every request is no reason for a file of nulls."""
    lines.rows = [{"town": f"Town {number}", "tags": []} for number in range(200)]
    lines.script = lambda _: refusal(400, "key not valid")
    done = lines.run()
    assert (done.error.code, done.asked < 200, lines.files()) == (Code.SAME_ERROR, True, {})
