"""What a plan says of rows that a run takes over, and a run that takes over none."""

import pytest
from constructs import CONSTRUCTS, lay_out

from yamlgen.events import RowsTakenOver


def taken(done):
    """How many rows a run has taken over."""
    return sum(len(event.rows) for event in done.events if isinstance(event, RowsTakenOver))


@pytest.mark.parametrize("name", ["all at once", "when", "a list to come", "kept"])
def test_a_plan_counts_rows_by_set_as_one_by_one(name, project):
    """Items, combinations, samples, skipped steps and kept values; with new rows, whose items are estimated."""
    lay_out(project, CONSTRUCTS[name][0])
    project.run()
    project.rows.append({"town": "Bern", "tags": ["sea"]})
    assert project.plan() == project.plan(recheck=True)
    done = project.run()
    assert taken(done) == len(project.rows) - 1
    assert project.plan().requests == 0


def test_a_recheck_takes_over_nothing_and_comes_to_the_same(project):
    """The same bytes without a request, also of the run after it, which takes over the rows of the recheck."""
    project.run()
    before = project.files()
    for options, count in (({"recheck": True}, 0), ({}, len(project.rows))):
        done = project.run(**options)
        assert (taken(done), done.asked, project.files()) == (count, 0, before)


def test_the_question_before_a_run_counts_rows_by_set(project):
    """With `confirm_above_usd` all rows are counted before it starts, and the run then takes them over."""
    project.run()
    done = project.run(confirm_above_usd=0.0)
    assert (taken(done), done.error) == (len(project.rows), None)
