"""Blank answers of a text step: re-asked as often as the step says, paid once, and resolved as they are asked."""

import pytest

from scripted_api import said
from yamlgen.api.loading import load
from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode
from yamlgen.planning.expansion import resolved

BLANK = said("\n ")


@pytest.fixture
def lines(project):
    """A project with one row and one step of text, and the answers that it gets."""
    project.rows = project.rows[:1]
    project.set("steps", {"line": {"model": "quick", "prompt": "A line on {{ row.town }}."}})
    return project


def test_a_blank_answer_is_asked_for_again_twice_where_nothing_is_set(lines):
    """As for an output with a schema; the next run finds all answers."""
    lines.refuse("Oslo", "Oslo", reply=BLANK)
    done = lines.run()
    assert (done.code, done.asked, done.report.steps["line"].reasks) == (ExitCode.OK, 3, 2)
    assert lines.lines()["Oslo"].startswith("Line 1")
    assert (lines.plan().requests, lines.run().asked) == (0, 0)


@pytest.mark.parametrize("reasks", [0, 1, 3])
def test_reasks_of_a_text_say_how_often(lines, reasks):
    """The row fails with what was paid for; more re-asks pay for these alone, and a retry asks anew."""
    lines.set("steps.line.output", {"reasks": reasks})
    lines.refuse(*["Oslo"] * (reasks + 1), reply=BLANK)
    done = lines.run()
    assert (done.asked, lines.failed()) == (reasks + 1, {"Oslo": Code.NO_TEXT})
    assert lines.run().asked == 0
    lines.set("steps.line.output", {"reasks": reasks + 1})
    more = lines.run()
    assert (more.code, more.asked) == (ExitCode.OK, 1)
    assert resolved(load(lines.path).plan())["steps"]["line"]["output"] == {"reasks": reasks + 1}


def test_a_row_whose_prompt_is_blank_sends_nothing(lines):
    """It fails with the step's name; the other rows are asked."""
    lines.set("steps.line.prompt", "{{ row.town }}")
    lines.rows = [{"town": " "}, {"town": "A line on Rome"}]
    done = lines.run()
    assert (done.asked, done.report.finished, lines.failed()) == (1, 1, {" ": Code.ROW_TEMPLATE})
