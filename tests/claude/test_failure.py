"""Foreign errors become ours, once: how far each reaches, what it says, and what it never says."""

import asyncio
import json
import pickle

import pytest

from scripted import KEY, Reply, Server, ask, ask_one, asking, call, message, outcomes, refusal, said
from yamlgen.claude.failure import Sender, Streak, mapped
from yamlgen.errors import Code, RowError, RunStopped, YamlgenError
from yamlgen.ports import Answer

OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (301, RunStopped, Code.UNREACHABLE),
        (302, RunStopped, Code.UNREACHABLE),
        (307, RunStopped, Code.UNREACHABLE),
        (308, RunStopped, Code.UNREACHABLE),
        (400, RowError, Code.BAD_REQUEST),
        (401, RunStopped, Code.KEY_REJECTED),
        (402, RunStopped, Code.PAYMENT),
        (403, RunStopped, Code.FORBIDDEN_MODEL),
        (404, RunStopped, Code.UNKNOWN_MODEL),
        (408, RowError, Code.TRANSPORT),
        (409, RowError, Code.TRANSPORT),
        (413, RowError, Code.BAD_REQUEST),
        (422, RowError, Code.BAD_REQUEST),
        (500, RowError, Code.TRANSPORT),
        (503, RowError, Code.TRANSPORT),
        (529, RowError, Code.TRANSPORT),
    ],
)
def test_a_status_decides_how_far_an_error_reaches(status, kind, code):
    """A request's fault stays with its row; a fault of key, model or address ends the run."""
    headers = {"location": "http://127.0.0.1:9/elsewhere"} if status < 400 else None
    outcome, server = ask_one(refusal(status, "because", headers))
    assert type(outcome) is kind
    assert outcome.code == code
    assert len(server.bodies) == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 500])
@pytest.mark.parametrize("body", [b"", b"<html>nginx</html>", b"[1]", b"null", b'{"error": "no"}', b'{"error": null}'])
def test_a_status_without_the_envelope_is_mapped_too(status, body):
    """A gateway's own error page is an error like any other."""
    outcome, _ = ask_one(Reply(body, status, kind="text/html" if body[:1] == b"<" else "application/json"))
    assert isinstance(outcome, YamlgenError)
    assert outcome.code != Code.INTERNAL


def test_a_rejected_key_names_its_variable():
    """401 is one sentence that says which variable holds the key."""
    outcome, _ = ask_one(refusal(401, "invalid x-api-key"))
    assert "ANTHROPIC_API_KEY" in outcome.message


def test_an_unknown_model_is_named():
    """A 404 in the API's own words is about the model."""
    outcome, _ = ask_one(refusal(404, "model: claude-nonsense"), id="claude-nonsense")
    assert "`claude-nonsense`" in outcome.message


def test_a_404_of_another_server_is_about_the_address():
    """Where there is no Messages API the address is named, not the model."""
    outcome, server = ask_one(Reply(b"Not Found", 404, kind="text/plain"))
    assert outcome.code == Code.UNREACHABLE
    assert server.url in outcome.message


def test_a_400_about_usage_limits_ends_the_run():
    """The account's own limit comes as a 400 with these words."""
    said_ = "You have reached your specified API usage limits. You will regain access on 2026-12-01."
    outcome, _ = ask_one(refusal(400, said_))
    assert isinstance(outcome, RunStopped)
    assert outcome.code == Code.SPEND_LIMIT
    assert "2026-12-01" in outcome.message


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 429, 500])
@pytest.mark.parametrize("shape", ["envelope", "bare", "html"])
def test_no_error_holds_the_key(status, shape):
    """A server that echoes the key does not get it into a message, a hint, or a pickle."""
    echo = f"Bearer {KEY} and sk-ant-api03-abc_DEF is not allowed"
    reply = refusal(status, echo, {"x-should-retry": "false"})
    if shape == "bare":
        reply = Reply({"detail": echo}, status, {"x-should-retry": "false"})
    elif shape == "html":
        reply = Reply(f"<p>{echo}</p>".encode(), status, {"x-should-retry": "false"}, kind="text/html")
    outcome, _ = ask_one(reply)
    told = f"{outcome!r} {outcome} {outcome.hint} {outcome.__dict__}"
    assert KEY not in told
    assert "abc_DEF" not in told
    assert KEY.encode() not in pickle.dumps(outcome)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(f"<p>{KEY}</p>".encode(), kind="text/html"),
        Reply(f'{{"{KEY}": '.encode()),
        Reply({"key": KEY}),
        said("x", stop=KEY),
        said(stop="refusal", stop_details={"type": "refusal", "category": None, "explanation": f"for {KEY}"}),
        said(call({"a": KEY}), stop="tool_use"),
        Reply(b"", 302, {"location": f"http://127.0.0.1:9/{KEY}"}),
    ],
    ids=["html", "broken json", "no message", "stop reason", "refusal", "invalid output", "redirect"],
)
def test_no_message_about_an_answer_holds_the_key(reply):
    """An answer that quotes the key is told without it."""
    outcome, _ = ask_one(reply, schema=OBJECT, mode="tools")
    assert isinstance(outcome, YamlgenError)
    assert KEY not in f"{outcome!r} {outcome} {outcome.hint}"


def test_a_long_error_is_cut():
    """A server's page of text does not become one sentence of ours."""
    outcome, _ = ask_one(refusal(400, "x" * 10_000))
    assert len(outcome.message) < 700


def test_a_redirect_is_not_followed():
    """The key does not travel to where a server points, not even on the same machine."""

    async def main():
        async with Server(said("Hi.")) as other:
            moved = refusal(307, headers={"location": f"{other.url}/v1/messages"})
            async with Server(moved) as server, asking(server.url) as model:
                (outcome,) = await outcomes(model())
                return outcome, server, other

    outcome, server, other = asyncio.run(main())
    assert outcome.code == Code.UNREACHABLE
    assert server.url in outcome.message
    assert other.bodies == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"{"),
        Reply(b""),
        Reply(b"<html></html>", kind="text/html"),
        Reply(b"plain", kind="text/plain"),
        Reply(b"<html></html>"),
        Reply([]),
        Reply(None),
        Reply("text"),
        Reply(7),
        Reply({}),
        Reply({"ok": True}),
        Reply({"type": "error", "error": {"type": "api_error", "message": "no"}}),
        Reply({**message("x"), "content": None}),
        Reply({**message("x"), "content": "x"}),
        Reply({**message("x"), "type": "completion"}),
        Reply({**message("x"), "content": [1, None, "x"]}),
        Reply({key: value for key, value in message("x").items() if key != "content"}),
        Reply(b"[" * 100_000),
        Reply(b"\xff\xfe\x00"),
    ],
)
@pytest.mark.parametrize("schema", [None, OBJECT])
def test_a_200_that_is_no_message_costs_its_row(reply, schema):
    """Whatever stands where a message should be: one row, one clear error, no retry."""
    outcome, server = ask_one(reply, schema=schema, max_retries=2)
    assert type(outcome) is RowError
    assert outcome.code == Code.NOT_A_MESSAGE
    assert outcome.request["model"] == "claude-haiku-5-5"
    assert len(server.bodies) == 1


@pytest.mark.parametrize("lost", ["id", "role", "model", "usage", "stop_sequence"], ids=lambda key: f"without {key}")
def test_a_message_may_lack_what_nobody_needs(lost):
    """A gateway that leaves out what is only for the account is no reason to lose its answer."""
    whole = message("Hi.")
    del whole[lost]
    outcome, _ = ask_one(Reply(whole))
    assert isinstance(outcome, Answer), outcome
    assert outcome.value == "Hi."


def test_unknown_blocks_are_passed_over():
    """A kind of block from the future does not hide the text beside it."""
    outcome, _ = ask_one(said({"type": "hologram", "depth": {"of": [3, None]}}, "Hi."))
    assert outcome.value == "Hi."
    json.dumps(outcome.attempts[0].response)


def test_a_prompt_that_no_request_can_carry_costs_its_row():
    """Half of a surrogate pair in a row's text is told as that."""
    (outcome, fine), server, _ = ask(said("Hi."), texts=("a\ud800b", "b"), max_retries=2)
    assert outcome.code == Code.BAD_REQUEST
    assert "surrogate" in outcome.message
    assert fine.value == "Hi."
    assert len(server.bodies) == 1


def test_an_error_of_ours_stays_as_it_is():
    """Mapping is done once."""
    ours = RowError("so", code=Code.DEADLINE)
    assert mapped(ours, Sender("m", "u", "K", "k")) is ours


def test_an_unexpected_error_costs_its_row():
    """What nobody foresaw is an internal error of one row, with its name."""
    found = mapped(ZeroDivisionError(f"by {KEY}"), Sender("m", "u", "K", KEY))
    assert isinstance(found, RowError)
    assert found.code == Code.INTERNAL
    assert "ZeroDivisionError" in found.message
    assert KEY not in found.message


def fed(texts):
    """What became of sequential requests, one per text, each refused with its text."""

    async def main():
        async with (
            Server(lambda body: refusal(400, body["messages"][0]["content"])) as server,
            asking(server.url) as model,
        ):
            return [(await outcomes(model(text)))[0] for text in texts]

    return asyncio.run(main())


def test_twenty_equal_refusals_end_the_run():
    """The twentieth same 400 in a row says that the rest will fail too."""
    *before, last = fed(["no such field"] * 20)
    assert {type(outcome) for outcome in before} == {RowError}
    assert isinstance(last, RunStopped)
    assert last.code == Code.SAME_ERROR
    assert "no such field" in last.message


def test_different_refusals_do_not_end_the_run():
    """Thirty rows that are each refused for their own sake are thirty failed rows."""
    assert {type(outcome) for outcome in fed([f"row {n} is bad" for n in range(30)])} == {RowError}


def test_an_answer_breaks_the_streak():
    """Nineteen refusals, one answer, and the count begins anew."""
    refused, answered = refusal(400, "no"), said("Hi.")

    async def main():
        async with Server(*[refused] * 19, answered, *[refused] * 19) as server, asking(server.url) as model:
            return [(await outcomes(model()))[0] for _ in range(39)]

    assert {type(outcome) for outcome in asyncio.run(main())} == {RowError, Answer}


def test_the_streak_is_shared_by_the_steps_of_a_run():
    """Two steps that are refused alike count together."""
    streak = Streak()
    error = RowError("no", code=Code.BAD_REQUEST)
    for _ in range(19):
        streak.failed(error)
    with pytest.raises(RunStopped):
        streak.failed(error)


def test_failed_requests_are_accounted_for():
    """The row's error holds the body that was sent, and no attempts, since none was paid."""
    outcome, server = ask_one(refusal(400))
    assert outcome.request == server.bodies[0]
    assert outcome.attempts == ()
