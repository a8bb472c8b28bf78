"""`plan --count`: the API counts the tokens of a sample of the requests, which costs nothing."""

import asyncio

import pytest

from scripted_api import Reply, ScriptedServer, refusal
from yamlgen import aplan
from yamlgen.errors import Code, EnvironmentProblem, MissingKey, UsageError
from yamlgen.planning.request_costs import TokenRatio


@pytest.fixture
def counted(small, key, monkeypatch):  # noqa: ARG001 - the folder and the key
    """The plan of the small pipeline, and the server that counted."""

    def plan(*replies, count=True, **options):
        async def ask():
            async with ScriptedServer(*replies) as server:
                monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
                return await aplan("small.yaml", count=count, **options), server

        return asyncio.run(ask())

    return plan


def hundred(_body):
    """A count."""
    return Reply({"input_tokens": 100})


def test_the_estimate_is_corrected_by_what_the_api_counts(counted):
    """Eight requests of a hundred tokens each, and nothing but counts is sent."""
    plan, server = counted(hundred)
    (step,) = plan.steps
    assert step.input_tokens == 800
    assert step.counted == 8
    assert step.how.startswith("input: 8 requests counted by the API: ")
    assert {path.partition("/v1")[2] for path in server.paths} == {"/messages/count_tokens"}


def test_a_cost_is_as_narrow_as_the_count(counted):
    """Its minimum and maximum differ by the answers alone."""
    wide, narrow = counted(count=False)[0].cost, counted(hundred)[0].cost
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_a_count_takes_no_field_that_it_does_not_know(counted):
    """`max_tokens` and `stream` are those of a message."""
    _, server = counted(hundred, overrides={"steps.note.max_tokens": 30_000})
    assert {tuple(sorted(body)) for body in server.bodies} == {("messages", "model")}


def test_a_sample_is_enough(counted, small):
    """Twenty of a hundred requests."""
    (small / "rows.jsonl").write_text("".join(f'{{"id": {n}, "topic": "town {n}"}}\n' for n in range(100)))
    plan, server = counted(hundred)
    assert len(server.bodies) == 20
    assert plan.steps[0].input_tokens == pytest.approx(100 * 100, rel=0.02)
    rows = {body["messages"][0]["content"] for body in server.bodies}
    assert len(rows) == 20
    assert any("town 9" in row for row in rows)


def test_one_failed_count_does_no_harm(counted):
    """The others are enough."""
    plan, _ = counted(refusal(529, "Overloaded"), hundred)
    assert plan.steps[0].counted == 7
    assert plan.steps[0].input_tokens == pytest.approx(800, rel=0.05)


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (refusal(401, "invalid x-api-key"), EnvironmentProblem, Code.KEY_REJECTED),
        (refusal(404, "Not found"), EnvironmentProblem, Code.UNREACHABLE),
        (refusal(400, "thinking is wrong"), UsageError, Code.BAD_REQUEST),
        (Reply(b"", cut=True), EnvironmentProblem, Code.UNREACHABLE),
        (Reply({"tokens": 7}), EnvironmentProblem, Code.UNREACHABLE),
    ],
)
def test_an_api_that_does_not_count_is_an_error(counted, reply, kind, code):
    """With what it said."""
    with pytest.raises(kind) as raised:
        counted(reply)
    assert raised.value.code is code
    assert "`note`" in raised.value.message


@pytest.mark.usefixtures("small")
def test_a_count_needs_a_key():
    """As a run does."""
    with pytest.raises(MissingKey):
        asyncio.run(aplan("small.yaml", count=True))


@pytest.mark.usefixtures("small")
def test_the_simulator_counts_as_it_is_estimated():
    """Both use the same table."""
    plan, counted = (asyncio.run(aplan("small.yaml", simulate=True, count=on)) for on in (False, True))
    assert plan.steps[0].input_tokens == counted.steps[0].input_tokens
    assert counted.steps[0].counted == 8


def test_a_ratio_says_how_many_were_counted():
    """In the singular too."""
    assert str(TokenRatio(1, 1.129)) == "1 request counted by the API: 1.13 times the estimate"
