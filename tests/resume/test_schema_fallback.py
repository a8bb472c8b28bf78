"""A schema that the API turns out not to take natively: asked for by a tool, told once, kept in the store."""

import asyncio
import json

import pytest

from counted_runs import TOWNS, keys
from scripted_api import call, refusal, said
from yamlgen.api.loading import load
from yamlgen.api.preparation import asked_by_tool
from yamlgen.api.row_requests import as_asked, requests_of_row
from yamlgen.exit_codes import ExitCode
from yamlgen.output.row_detail import describe_row
from yamlgen.planning.expansion import resolved
from yamlgen.store.pruning import prune
from yamlgen.store.run_session import open_runs

TOO_LARGE = "The compiled grammar is too large, which would cause performance issues. Simplify your tool schemas."
TOO_COMPLEX = "Schema is too complex for compilation."
NATIVE = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"enum": ["old", "new", "odd"]}},
    "additionalProperties": False,
}
ALL = len(TOWNS)


class Picky:
    """An API that refuses native output once it has answered `good` such requests.

    Attributes:
        native: how often it was asked natively.
        tools: how often by a tool.
    """

    def __init__(self, said=TOO_LARGE, good=0, status=400):
        self.said, self.good, self.status = said, good, status
        self.native = self.tools = 0

    def __call__(self, body):
        """The reply to a body."""
        town = next(town for town in TOWNS if town in json.dumps(body["messages"]))
        if "tools" in body:
            self.tools += 1
            return said(call({"kind": TOWNS[town]}), stop="tool_use")
        if "format" not in body.get("output_config", {}):
            return said("A line.")
        self.native += 1
        return refusal(self.status, self.said) if self.native > self.good else said(json.dumps({"kind": TOWNS[town]}))


@pytest.fixture
def picky(project):
    """A project whose one step has a schema that fits native output, as far as is known before."""
    project.script = Picky()
    project.set("steps.line", None)
    project.set("steps.facts.output.schema", NATIVE)
    return project


def warnings(done):
    """What a run told besides its rows."""
    return done.report.warnings


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, TOO_LARGE),
        (400, TOO_COMPLEX),
        (422, "Grammar compilation timed out."),
        (400, "output_config.format: Extra inputs are not permitted"),
        (400, "This model does not support structured outputs."),
    ],
)
def test_the_step_goes_over_to_a_tool_once_and_for_all(picky, status, words):
    """No row fails, no doubt arises, one warning says so; the next run and its plan have nothing to send."""
    picky.script = Picky(words, status=status)
    done = picky.run()
    assert (done.code, done.report.finished, picky.script.tools) == (ExitCode.OK, ALL, ALL)
    (warning,) = warnings(done)
    assert "`facts`" in warning
    assert words in warning
    assert picky.plan().requests == 0
    again = picky.run()
    assert (again.code, again.asked, warnings(again)) == (ExitCode.OK, 0, [])


def test_rows_that_are_not_in_flight_are_asked_by_the_tool_at_once(picky):
    """The first refusal speaks for all: with one request at a time, one is refused."""
    picky.set("runtime.concurrency", 1)
    done = picky.run()
    assert (done.code, picky.script.native, picky.script.tools) == (ExitCode.OK, 1, ALL)


def test_another_model_or_schema_is_tried_natively_again(picky):
    """The note is about what was refused, and nothing else; `max_tokens` has no part in that."""
    picky.set("runtime.concurrency", 1)
    picky.run()
    picky.set("steps.facts.max_tokens", 999)
    picky.run()
    assert picky.script.native == 1
    picky.set("steps.facts.model", {"id": "claude-opus-5-5"})
    picky.run()
    assert picky.script.native == 2
    picky.set("steps.facts.output.schema", {**NATIVE, "title": "Facts"})
    picky.run()
    assert picky.script.native == 3


def test_what_was_answered_natively_before_counts(picky):
    """An API that takes less than it did: the answers of before are used, the rest is asked by the tool."""
    picky.script = Picky(good=ALL - 1)
    town = picky.rows.pop()
    assert picky.run().asked == ALL - 1
    picky.rows.append(town)
    done = picky.run()
    assert (done.code, done.asked, picky.script.tools) == (ExitCode.OK, 2, 1)
    assert picky.plan().requests == 0
    assert picky.run().asked == 0


def test_a_run_that_was_killed_after_the_refusal_goes_on_by_the_tool(picky):
    """The note is on disk before the tool is asked."""
    picky.set("runtime.concurrency", 1)
    picky.run(stop_after=2)
    assert picky.script.native == 1
    assert picky.run().code == ExitCode.OK
    assert picky.script.native == 1
    assert all(count == 1 for count in keys(picky.store()).values())


def test_models_of_a_matrix_that_are_alike_fall_back_once(picky):
    """Two aliases of one model: what is learnt by the one is known of the other, and told once."""
    picky.set("runtime.concurrency", 1)
    picky.set("models.other", {"id": "claude-haiku-5-5", "max_tokens": 2000})
    picky.set("steps.facts.model", None)
    picky.set("steps.facts.matrix", {"model": ["quick", "other"]})
    done = picky.run()
    assert (done.code, picky.script.native, picky.script.tools) == (ExitCode.OK, 1, 2 * ALL)
    assert len(warnings(done)) == 1
    assert picky.run().asked == 0


def test_a_retry_asks_by_the_tool(picky):
    """Failed rows are asked again in the way that the API takes."""
    api, wrong = picky.script, [said(call({"kind": "wrong"}), stop="tool_use")] * 3

    def reply(body):
        oslo = "Oslo" in json.dumps(body["messages"]) and "tools" in body
        return wrong.pop() if oslo and wrong else api(body)

    picky.script = reply
    first = picky.run()
    assert (first.code, first.report.failed) == (ExitCode.FAILED_ROWS, 1)
    native = api.native
    again = picky.run(retry=first.finished.entry.name)
    assert (again.code, again.asked, api.native) == (ExitCode.OK, 1, native)


def test_an_author_who_insists_is_told(picky):
    """With `mode: native` a refusal is that of the rows, and its hint names the way out."""
    picky.set("steps.facts.output.mode", "native")
    done = picky.run()
    assert (picky.script.tools, warnings(done)) == (0, [])
    assert "leave `mode` out" in str(done.finished and detail(done)["steps"]["facts"]["error"]["hint"])


def test_refusals_that_are_kept_of_rows_are_heard_too(picky):
    """What was refused while the author insisted is known: without `mode` nothing is asked for natively again."""
    picky.script = Picky(good=1)
    picky.set("steps.facts.output.mode", "native")
    assert picky.run().report.failed == ALL - 1
    picky.set("steps.facts.output.mode", None)
    native = picky.script.native
    done = picky.run()
    assert (done.code, done.asked, picky.script.native, len(warnings(done))) == (ExitCode.OK, ALL - 1, native, 1)
    again = picky.run()
    assert (again.asked, warnings(again)) == (0, [])


@pytest.mark.parametrize(
    "words",
    [
        "messages.0: text content blocks must be non-empty",
        "max_tokens: 9 > 8",
        "Prefilling the assistant message is not supported with output_config.format.",
    ],
)
def test_other_refusals_stay_what_they_are(picky, words):
    """What a server says of anything but the schema changes no way of asking."""
    picky.script = Picky(words)
    done = picky.run()
    assert picky.script.tools == 0
    assert (done.report.failed, warnings(done)) == (ALL, [])


def test_a_row_that_was_answered_natively_in_vain_keeps_its_attempts(picky):
    """A re-ask that is refused natively: the row is asked by the tool, and the answer before it stays accounted for."""
    picky.rows = picky.rows[:1]
    api, wrong = Picky(), [said('{"kind": "unheard of"}')]
    picky.script = lambda body: wrong.pop() if wrong else api(body)
    done = picky.run()
    assert (done.code, done.asked, api.native, api.tools) == (ExitCode.OK, 3, 1, 1)
    attempts = detail(done)["steps"]["facts"]["attempts"]
    assert [bool(attempt["errors"]) for attempt in attempts] == [True, False]
    assert picky.run().asked == 0


def test_what_is_shown_is_what_is_asked(picky):
    """The resolved pipeline, a run's record and the requests of a row name the tool once the schema was refused."""
    picky.save()
    loaded = load(picky.path)
    assert asyncio.run(shown(loaded)) == (frozenset(), ["output_config"])
    picky.run()
    assert asyncio.run(shown(loaded)) == ({"facts"}, ["tools"])
    assert picky.run().finished.entry.about["resolved"]["steps"]["facts"]["output"]["mode"] == "tools"
    assert resolved(loaded.plan(), {"facts"})["steps"]["facts"]["output"]["mode"] == "tools"


async def shown(loaded):
    """The steps that ask by a tool, and what the request of the first row has."""
    requests = [one.request for one in await requests_of_row(loaded, {}, 1)]
    async with as_asked(loaded.plan()) as models:
        return asked_by_tool(models), [key for body in requests for key in ("tools", "output_config") if key in body]


@pytest.mark.parametrize("number", [1, 2])
def test_a_note_on_an_attempt_is_kept_and_read_again(picky, number):
    """A list that came as a JSON string is told of the first run's attempt, and of that of a run that sends nothing."""
    picky.set("steps.facts.output.schema", {"type": "array", "items": {"type": "string"}})
    picky.rows = picky.rows[:1]
    picky.script = lambda _: said(json.dumps({"value": '["old"]'}))
    for _ in range(number):
        done = picky.run()
    (attempt,) = detail(done)["steps"]["facts"]["attempts"]
    assert (attempt["errors"], attempt["notes"]) == ([], ["$ came as a JSON string"])
    assert done.asked == 2 - number


def test_pruning_the_run_that_was_refused_leaves_the_note_to_later_ones(picky):
    """As long as a run is there that needs it."""
    first = picky.run().finished
    picky.run()
    assert prune(first.place, [first.entry.number], lambda _: True)
    assert (picky.plan().requests, picky.run().asked) == (0, 0)


def detail(done):
    """All that the store has on the first row of a run."""
    with open_runs(done.finished.place) as run_reader:
        return describe_row(run_reader, done.finished.entry, 0)
