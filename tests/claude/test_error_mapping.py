"""Foreign errors become ours, once: how far each reaches, what it says, and what it never says."""

import asyncio
import json
import pickle

import pytest

from scripted_api import KEY, Reply, ScriptedServer, ask, ask_one, asking, call, error, message, outcomes, refusal, said
from yamlgen.claude import retry_policy
from yamlgen.claude.error_mapping import ErrorContext, mapped, refused_before
from yamlgen.claude.failure_streak import FailureStreak
from yamlgen.errors import Code, RowError, RunStopped, YamlgenError
from yamlgen.row_result import Answer
from yamlgen.value_objects import Refusal

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
        Reply(b"x", kind=f"text/{KEY}"),
        refusal(400, "no", {"request-id": KEY}),
        refusal(401, "no", {"request-id": f"req {KEY.upper()}"}),
        Reply(error(KEY, "no")),
        Reply({"error": {"type": "api_error", "message": [KEY]}}, 400),
        Reply(f"<title>{KEY}</title>".encode(), 403, kind="text/html"),
    ],
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
        async with ScriptedServer(said("Hi.")) as other:
            moved = refusal(307, headers={"location": f"{other.url}/v1/messages"})
            async with ScriptedServer(moved) as server, asking(server.url) as model:
                (outcome,) = await outcomes(model())
                return outcome, server, other

    outcome, server, other = asyncio.run(main())
    assert outcome.code == Code.UNREACHABLE
    assert server.url in outcome.message
    assert other.bodies == []


NO_MESSAGES = [
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
    Reply({"code": 40101, "msg": "token expired", "data": None}),
    Reply({**message("x"), "type": "completion"}),
    Reply([message("x")]),
    Reply(b"[" * 100_000),
    Reply(b"\xff\xfe\x00"),
    Reply(b"", 204),
]
"""What may stand where a message should be."""


@pytest.mark.parametrize("reply", NO_MESSAGES)
@pytest.mark.parametrize("most", [100, 30_000], ids=["whole", "streamed"])
def test_a_200_that_is_no_message_is_a_failure_of_the_server(reply, most, monkeypatch):
    """It is tried again as an error of the server is; to the end it costs its row, and nothing was paid."""
    monkeypatch.setattr(retry_policy, "FIRST_DELAY", 0.01)
    outcome, server = ask_one(reply, max_tokens=most, max_retries=2)
    assert type(outcome) is RowError
    assert outcome.code == Code.NOT_A_MESSAGE
    assert outcome.request["model"] == "claude-haiku-5-5"
    assert outcome.attempts == ()
    assert len(server.bodies) == 3


def test_an_answer_after_what_is_no_message_is_the_answer(monkeypatch):
    """A login page in passing costs nothing but a retry."""
    monkeypatch.setattr(retry_policy, "FIRST_DELAY", 0.01)
    outcome, _ = ask_one(Reply(b"<html></html>", kind="text/html"), said("Hi."), max_retries=1)
    assert outcome.value == "Hi."


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
    assert mapped(ours, ErrorContext("m", "u", "K", "k")) is ours


def test_an_unexpected_error_costs_its_row():
    """What nobody foresaw is an internal error of one row, with its name."""
    found = mapped(ZeroDivisionError(f"by {KEY}"), ErrorContext("m", "u", "K", KEY))
    assert isinstance(found, RowError)
    assert found.code == Code.INTERNAL
    assert "ZeroDivisionError" in found.message
    assert KEY not in found.message


@pytest.mark.parametrize("before", [*range(270, 310, 5), *range(470, 510, 5)])
@pytest.mark.parametrize(
    "reply",
    [
        lambda text: Reply(text.encode(), kind="text/html"),
        lambda text: Reply({"error": text}),
        lambda text: Reply({"type": "error", "error": {"type": "invalid_request_error", "message": text}}),
        lambda text: Reply(text.encode(), 422, kind="text/html"),
    ],
    ids=["a page", "a gateway's error", "an error inside", "a refusal"],
)
def test_no_part_of_a_key_is_shown_where_a_text_is_cut(reply, before):
    """A key is hidden before a long text is cut, not after."""
    outcome, _ = ask_one(reply("x" * before + KEY + "y" * 600))
    assert KEY[:6] not in outcome.message


def refused_as(text):
    """The error of a request that was refused with a 400."""
    return RowError(text, code=Code.BAD_REQUEST, status=400)


def doubted(errors):
    """Which of the errors of one setup, in their order, make it doubtful that anything will be answered."""
    streak = FailureStreak()
    return [streak.failed(each) is not None for each in errors]


@pytest.mark.parametrize(
    "text",
    [
        "no such field",
        "row {n} is bad",
        "wrong key (request 8f3a{n}c-77d)",
        "wrong key (request {letters})",
        'wrong key (request id: "req_{n}")',
        "the answer is not `{n}`",
    ],
)
def test_twenty_refusals_alike_are_doubtful(text):
    """The twentieth in a row tells that the rest may fail too; numbers, ids and what is quoted make no difference."""
    texts = [text.replace("{n}", str(n)).replace("{letters}", "abcdefghijklmnopqrstu"[n:]) for n in range(21)]
    assert doubted([refused_as(each) for each in texts]) == [False] * 19 + [True] * 2


def test_a_refusal_of_before_names_its_request():
    """What the store keeps of a refusal is its sentence, and the name of the request stands in it."""
    again = refused_before(Refusal(400, "no: see (request 7) (request req_9)"), "ask again")
    assert again.request_id == "req_9"
    assert again.message == "no: see (request 7) (request req_9)"
    assert refused_before(Refusal(400, "see (request 7) first"), "ask again").request_id is None


def test_a_hundred_failures_of_any_kind_are_doubtful():
    """Where nothing was ever answered, it does not matter what each failure says."""
    words = ("one", "two", "three", "four", "five")
    errors = [refused_as(f"{words[n % 5]} is bad") for n in range(100)]
    assert doubted(errors) == [False] * 99 + [True]


@pytest.mark.parametrize("code", [Code.TRANSPORT, Code.NOT_A_MESSAGE])
def test_failures_of_the_server_are_alike(code):
    """Whatever a broken server says, twenty rows that fail for it are doubtful."""
    words = ("one", "two", "three")
    assert doubted([RowError(words[n % 3], code=code) for n in range(20)])[-1]


@pytest.mark.parametrize("code", [Code.BAD_REQUEST, Code.REFUSED, Code.TRUNCATED, Code.NOT_STORED])
def test_other_failures_are_not_doubtful(code):
    """What an answer failed for, or what was never sent, tells nothing of the others."""
    assert not any(doubted([RowError("no", code=code) for _ in range(30)]))


def test_an_answer_clears_the_doubt():
    """Where one request was answered, whatever fails is about what it holds."""
    streak = FailureStreak()
    streak.answered()
    assert not any(streak.failed(refused_as("no")) for _ in range(30))


def test_failed_requests_are_accounted_for():
    """The row's error holds the body that was sent, and no attempts, since none was paid."""
    outcome, server = ask_one(refusal(400))
    assert outcome.request == server.bodies[0]
    assert outcome.attempts == ()
