"""The start of a run: what the API says about the models is a warning, and never an obstacle."""

import asyncio
import json

import pytest

from scripted_api import Reply, ScriptedServer, message, refusal
from yamlgen import aplan, arun
from yamlgen.api import asked_models
from yamlgen.simulator import catalogue

MODEL = "claude-haiku-5-5"
HEADERS = {f"anthropic-ratelimit-requests-{name}": "50" for name in ("limit", "remaining")}


@pytest.fixture
def ran(small, key, monkeypatch):  # noqa: ARG001 - the folder and the key
    """Run the small pipeline at an API that replies so about its model; the results, and how often it was asked."""

    def run(about, *calls):
        def reply(body):
            return about if body is None else Reply(message("A note."), headers=HEADERS)

        async def ask():
            async with ScriptedServer(reply, lists=True) as server:
                monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
                results = [await arun("small.yaml", **options) for options in calls or ({},)]
                return results, sum("/v1/models/" in path for path in server.paths)

        return asyncio.run(ask())

    return run


def listed(**more):
    """The API's answer about the model."""
    return Reply({**catalogue.info(MODEL), **more})


def test_what_the_api_says_differently_is_a_warning_of_the_run(ran):
    """In its report, so that it is in the record too."""
    ((result,), asked) = ran(listed(lifecycle="deprecated", retires_at="2027-03-01T00:00:00Z", max_tokens=512))
    assert result.report.warnings == [
        "the API says that `claude-haiku-5-5` is deprecated, and retires on 2027-03-01",
        "step `note`: `max_tokens` is 1,024, but the API says that `claude-haiku-5-5` writes at most 512 tokens",
    ]
    assert asked == 1
    assert result.report.finished == 8


def test_an_api_that_agrees_is_not_mentioned(ran):
    """And not asked again within a day."""
    (results, asked) = ran(listed(), {}, {"fresh": True})
    assert [result.report.warnings for result in results] == [[], []]
    assert asked == 1


def test_a_warning_is_repeated_without_asking_again(ran):
    """It still applies."""
    (results, asked) = ran(listed(max_tokens=512), {}, {"fresh": True})
    assert [len(result.report.warnings) for result in results] == [1, 1]
    assert asked == 1


def test_a_run_that_sends_nothing_asks_nothing(ran):
    """All answers are stored; a run that sends would ask again, because the API had said nothing."""
    assert ran(refusal(500), {}, {})[1] == 1
    assert ran(refusal(500), {}, {"fresh": True})[1] == 2


@pytest.mark.parametrize(
    "about",
    [
        Reply({"detail": "Not Found"}, 404),
        refusal(404, f"model: {MODEL}"),
        refusal(403),
        refusal(500),
        Reply(b"<html>", kind="text/html"),
        Reply([1]),
        Reply({"type": "model", "id": MODEL, "capabilities": [1], "max_tokens": "x"}),
        Reply(b"", cut=True),
    ],
)
def test_an_api_without_such_answers_is_no_obstacle(ran, about):
    """The run is as it would be without asking."""
    ((result,), _) = ran(about)
    assert result.report.finished == 8
    assert result.report.warnings == []


def test_an_api_that_hangs_does_not_delay_the_run(ran, monkeypatch):
    """Beyond what a short run waits at its end."""
    monkeypatch.setattr(asked_models, "_AFTER", 0.05)
    ((result,), _) = ran(Reply(wait=30))
    assert result.report.finished == 8
    assert result.report.seconds < 5


def test_the_limits_of_a_run_are_those_of_the_next_plan(ran, small):
    """For the same address and key; without the simulator's."""
    ran(Reply({}, 404))
    known = json.loads((small / ".yamlgen" / "api.json").read_text())
    (account,) = known.values()
    assert account["limits"]["haiku-5-5"]["requests"] == 50
    plan = asyncio.run(aplan("small.yaml", fresh=True))
    assert (plan.duration.limit, plan.duration.per_minute) == ("requests", 50)
    assert plan.duration.seconds[1] == pytest.approx(9.6)
    assert asyncio.run(aplan("small.yaml", simulate=True)).duration is None
