"""Rows that an input selects: what a change of the selection, of the rows or of the files re-runs."""

import json

import pytest

from counted_runs import TOWNS
from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode


@pytest.fixture(params=[False, True], ids=["without ids", "with ids"])
def rows(request, project):
    """The project's rows, without ids and with them."""
    if request.param:
        project.set("input.id", "id")
        project.rows = [{"id": f"no {number}", **row} for number, row in enumerate(project.rows)]
    return project.rows


@pytest.mark.usefixtures("rows")
def test_a_condition_re_runs_no_row(project):
    """A row keeps its identity when a condition, a sample or a limit is added, and when it goes."""
    project.run()
    for key, value in (("where", 'row.town != "Oslo"'), ("sample", {"n": 2}), ("limit", 1), ("where", None)):
        project.set(f"input.{key}", value)
        assert project.run().asked == 0
    assert len(project.lines()) == 1


def test_equal_rows_are_numbered_among_the_selected_ones(project):
    """Without ids, a dropped row leaves no gap in the count of equal rows."""
    project.rows = [{"town": "Oslo", "on": number % 2} for number in range(4)]
    project.set("input.where", "row.on == 1")
    assert project.run().sent == {"facts": 2, "line": 2}
    project.rows = [row for row in project.rows if row["on"]]
    project.set("input.where", None)
    assert project.run().asked == 0


def test_a_parameter_selects(project):
    """`-p` decides which rows are read; the rows of the other value are asked for then."""
    project.set("params", {"town": {"type": "string", "default": "Oslo"}})
    project.set("input.where", "row.town == params.town")
    assert project.run().sent == {"facts": 1, "line": 1}
    project.set("params.town.default", "Rome")
    assert project.run().sent == {"facts": 1, "line": 1}


def test_a_row_that_is_added_to_a_sample_alone_is_asked(project, rows):
    """The rows that stay in the sample keep their answers."""
    project.set("input.sample", {"n": 3, "seed": 7})
    assert project.run().sent == {"facts": 3, "line": 3}
    before = project.lines()
    rows.append({"id": "new", "town": "Tyre"})
    asked = project.run().sent["facts"]
    after = project.lines()
    assert asked == len(after.keys() - before.keys()) <= 1
    assert len(after) == 3


def test_no_selected_row_is_an_error(project):
    """Nothing is sent; the message names the condition."""
    project.set("input.where", 'row.town == "Troy"')
    done = project.run()
    assert (done.asked, done.error.code) == (0, Code.NO_ROWS)
    assert "`input.where` is false for every row of rows.jsonl" in done.error.message


def put(project, name, *towns):
    """Write one file of the input."""
    (project.folder / "in").mkdir(exist_ok=True)
    (project.folder / "in" / name).write_text("".join(json.dumps({"town": town}) + "\n" for town in towns))


def test_a_new_file_adds_its_rows(project):
    """The files are read in the order of their paths; those that were read before cost nothing."""
    project.set("input.path", "in/*.jsonl")
    oslo, rome, graz, cork = TOWNS
    put(project, "b.jsonl", oslo, rome)
    assert project.run().sent == {"facts": 2, "line": 2}
    put(project, "a.jsonl", cork)
    assert project.run().sent == {"facts": 1, "line": 1}
    assert list(project.lines()) == [cork, oslo, rome]
    put(project, "b.jsonl", oslo, graz)
    assert project.run().sent == {"facts": 1, "line": 1}


def test_a_pattern_without_files_ends_the_run(project):
    """Exit code 3, with the name of the folder that was probably meant."""
    put(project, "a.jsonl", "Oslo")
    project.set("input.path", "inn/*.jsonl")
    done = project.run()
    assert (done.code, done.error.code) == (ExitCode.ENVIRONMENT, Code.MISSING_INPUT)
    assert (done.error.message, done.error.hint) == ("the folder inn does not exist", "did you mean `in`?")


def test_mixed_files_end_the_run_before_a_request(project):
    """The message names both files and the columns."""
    project.set("input.path", "in/*.csv")
    put(project, "a.jsonl")
    (project.folder / "in" / "a.csv").write_text("town\nOslo\n")
    (project.folder / "in" / "b.csv").write_text("town,size\nRome,1\n")
    done = project.run()
    assert (done.asked, done.error.code) == (0, Code.BAD_INPUT)
    assert "in/b.csv has `size`, unlike in/a.csv" in done.error.message
