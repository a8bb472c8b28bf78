"""A compute step of one expression: its value as it is, for the output, later steps and the store."""

import json

import pytest

from yamlgen.api.loading import load
from yamlgen.planning.expansion import resolved


@pytest.fixture
def words(project):
    """The words of each town, and a line about each word."""
    project.set("input", {"rows": [{"town": "Oslo Rome"}, {"town": "Graz"}]})
    project.document["steps"] = {
        "words": {"kind": "compute", "value": "row.town.split()"},
        "count": {"kind": "compute", "value": "steps.words | length"},
        "line": {"model": "quick", "for_each": "steps.words", "prompt": "A line on {{ item }} of {{ steps.count }}."},
    }
    return project


def rows(project):
    """The rows of the output."""
    return [json.loads(line) for line in (project.folder / "out" / "towns.jsonl").read_text().splitlines()]


def test_the_value_is_that_of_the_expression(words):
    """In the output, in a template, and as the list of `for_each`, whose type is known."""
    assert words.run().asked == 3
    assert [(row["words"], row["count"], len(row["line"])) for row in rows(words)] == [
        (["Oslo", "Rome"], 2, 2),
        (["Graz"], 1, 1),
    ]
    assert "A line on Rome of 2." in {body["messages"][0]["content"] for body in words.server.bodies}


def test_how_a_value_is_written_costs_nothing(words):
    """A second run sends nothing, nor does one of the resolved pipeline, or of `values` that say the same."""
    words.run()
    assert words.run().asked == 0
    words.document = resolved(load(words.path).plan())
    assert words.document["steps"]["words"] == {"kind": "compute", "value": "row.town.split()"}
    assert words.run().asked == 0
    words.set("steps.words", {"kind": "compute", "values": {"all": "row.town.split()"}})
    words.set("steps.count.value", "steps.words.all | length")
    words.set("steps.line.for_each", "steps.words.all")
    assert words.run().asked == 0


def test_a_schema_holds_for_the_value(words):
    """A value that does not fit it fails its row, and the later steps take their types from it."""
    schema = {"type": "array", "maxItems": 1, "items": {"type": "string"}}
    words.set("steps.words.output", {"schema": schema})
    ran = words.run()
    assert (ran.rows, words.failed()) == ({1}, {"Oslo Rome": "YG515"})
    assert load(words.path).plan().steps[2].most_items == 1


def test_a_null_value_is_no_skipped_step(words):
    """The step that reads it runs: it is told as null only where it is not asked about."""
    words.document["steps"] = {
        "maybe": {"kind": "compute", "when": 'row.town == "Graz"', "value": "row.town"},
        "again": {"kind": "compute", "when": "steps.maybe is defined", "value": "steps.maybe"},
        "line": {"model": "quick", "prompt": "A line on {{ row.town }}: {{ steps.again or 'none' }}"},
    }
    assert words.run().asked == 2
    assert [row["again"] for row in rows(words)] == [None, "Graz"]
    assert [row["line"] is None for row in rows(words)] == [False, False]
