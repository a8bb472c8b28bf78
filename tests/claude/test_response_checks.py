"""What a 200 is: whatever calls itself a message was paid for and is kept; an error inside of one is judged by type."""

import json
import time

import pytest

from scripted_api import Reply, ask, ask_one, call, error, events, message, said, spoken
from yamlgen.claude import retry_policy
from yamlgen.errors import Code, RowError, RunStopped
from yamlgen.value_objects import Usage

STREAMED = 30_000
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
BIG = json.dumps(message("x")).replace('"stop_sequence": null', f'"stop_sequence": {"9" * 5000}').encode()
DEEP = json.dumps(message("x")).replace('"stop_sequence": null', f'"stop_sequence": {"[" * 5000}{"]" * 5000}').encode()
ODD = {
    "no content": {**message("x"), "content": None},
    "content a text": {**message("x"), "content": "x"},
    "content an object": {**message("x"), "content": {"type": "text", "text": "x"}},
    "content missing": {key: value for key, value in message("x").items() if key != "content"},
    "blocks that are none": {**message("x"), "content": [1, None, "x"]},
    "a block without type": {**message(), "content": [{"text": "x"}]},
    "a type that is no text": {**message(), "content": [{"type": 7, "text": "x"}]},
    "a text that is none": {**message(), "content": [{"type": "text", "text": None}]},
    "a text that is a list": {**message(), "content": [{"type": "text", "text": ["x"]}]},
    "a stop reason that is a number": {**message("x"), "stop_reason": 5},
    "a stop reason that is a list": {**message("x"), "stop_reason": ["end_turn"]},
}
"""Messages with one field of a wrong type, without which there is no output."""

HARMLESS = ("id", "model", "role", "usage", "stop_sequence", "stop_details", "container")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(retry_policy, "FIRST_DELAY", 0.01)


@pytest.mark.parametrize("body", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["text", "schema"])
def test_a_message_with_an_odd_field_is_kept_and_asked_again(body, schema):
    """It was paid for: its tokens count, it is an invalid answer, and the model is asked again without its words."""
    good = said("Hi.") if schema is None else said('{"a": 1}')
    outcome, server = ask_one(Reply(body), good, schema=schema, mode="json", reasks=1)
    assert outcome.value == ("Hi." if schema is None else {"a": 1})
    bad, _ = outcome.attempts
    assert bad.response == body
    assert bad.usage == Usage(10, 5)
    assert len(bad.errors) == 1
    assert [turn["role"] for turn in server.bodies[1]["messages"]] == ["user", "user"]


@pytest.mark.parametrize("field", HARMLESS)
@pytest.mark.parametrize("value", [None, 7, "x", [], {"input_tokens": "many"}], ids=str)
def test_a_field_that_nobody_needs_may_be_anything(field, value):
    """An answer is not lost for what is only for the account."""
    outcome, _ = ask_one(Reply({**message("Hi."), field: value}))
    assert outcome.value == "Hi."


@pytest.mark.parametrize(
    "body", [BIG, DEEP, BIG[:-40], BIG.replace(b"Hello", b"\xff")], ids=["big", "deep", "cut", "bytes"]
)
def test_json_that_cannot_be_read_is_kept(body):
    """A body that calls itself a message is an invalid answer, kept as its text, with the tokens that it tells."""
    outcome, server = ask_one(Reply(body), said("Hi."), reasks=1)
    assert outcome.value == "Hi."
    bad, _ = outcome.attempts
    assert bad.response["unread"] == body.decode(errors="replace")
    assert bad.usage in (Usage(10, 5), Usage())
    assert "cannot be read" in bad.errors[0]
    assert len(server.bodies) == 2


def test_the_tokens_of_a_body_that_cannot_be_read_count():
    """Its usage is read out of its bytes."""
    outcome, _ = ask_one(Reply(BIG))
    assert outcome.code == Code.INVALID_OUTPUT
    assert outcome.attempts[0].usage == Usage(10, 5)


def test_a_whole_message_where_a_stream_was_wanted_is_an_answer():
    """Some gateways ignore `stream`."""
    outcome, server = ask_one(said("Hi."), max_tokens=STREAMED)
    assert (outcome.value, len(outcome.attempts), outcome.usage) == ("Hi.", 1, Usage(10, 5))
    assert server.bodies[0]["stream"] is True


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "text/event-stream; charset=utf-8"])
@pytest.mark.parametrize("most", [100, STREAMED], ids=["unasked", "asked"])
def test_a_stream_is_one_by_its_events(kind, most):
    """Whatever its content type says, and whether it was wanted or not."""
    reply = events(*spoken("Hi."))
    reply.kind = kind
    outcome, _ = ask_one(reply, max_tokens=most)
    assert (outcome.value, outcome.usage) == ("Hi.", Usage(10, 5))


def streamed_call(text):
    """The events of a tool call whose input is that text."""
    start, *_ = spoken("")
    return [
        start,
        {"type": "content_block_start", "index": 0, "content_block": call({})},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text[:4]}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text[4:]}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]


@pytest.mark.parametrize("text", ['{"a": ', "{'a': 1}", f'{{"a": {"9" * 5000}}}', f'{{"a": {"[" * 5000}'])
def test_a_stream_with_a_broken_call_is_kept_and_asked_again(text):
    """A stream that came to its last event was paid for, whatever the input of its call is."""
    outcome, _ = ask_one(
        events(*streamed_call(text)),
        events(*streamed_call('{"a": 1}')),
        schema=SCHEMA,
        mode="tools",
        max_tokens=STREAMED,
        reasks=1,
    )
    assert outcome.value == {"a": 1}
    bad, _ = outcome.attempts
    assert bad.response["content"][0]["input"] == text
    assert bad.usage == Usage(10, 5)


GARBLED = {
    "a block that never began": lambda parts: [*parts[:3], {**parts[2], "index": 4}, *parts[3:]],
    "no beginning": lambda parts: parts[2:],
    "a piece that is no text": lambda parts: [
        *parts[:2],
        {**parts[2], "delta": {"type": "text_delta", "text": 7}},
        *parts[3:],
    ],
    "blocks out of order": lambda parts: [parts[0], {**parts[1], "index": 3}, *parts[2:]],
    "an event without type": lambda parts: [parts[0], {"type": None, "index": 0}, {"index": 1}, *parts[1:]],
}


@pytest.mark.parametrize("garble", GARBLED.values(), ids=GARBLED.keys())
def test_a_garbled_stream_is_kept_and_asked_again(garble):
    """Events that do not add up to a message are kept as they came; no piece of the text is lost in silence."""
    lines = [f"event: x\ndata: {json.dumps(part)}\n\n" for part in garble(spoken("Hi."))]
    reply = Reply("".join(lines).encode(), kind="text/event-stream")
    outcome, _ = ask_one(reply, events(*spoken("Good.")), max_tokens=STREAMED, reasks=1)
    assert outcome.value == "Good."
    bad, _ = outcome.attempts
    assert "message_stop" in bad.response["unread"]
    assert bad.usage.output_tokens == 5


def test_bytes_in_a_stream_that_are_no_text_cost_the_answer_alone():
    """What is not UTF-8 is no reason to lose the account of a stream."""
    body = events(*spoken("Hi.")).body.replace(b"Hi.", b"H\xff.")
    outcome, _ = ask_one(Reply(body, kind="text/event-stream"), events(*spoken("Good.")), max_tokens=STREAMED, reasks=1)
    assert outcome.value == "Good."
    assert outcome.attempts[0].usage == Usage(10, 5)


def test_a_character_may_come_in_pieces():
    """That of what could not be read, too, which a model may well write."""
    parts = spoken("Gr\u00fc\u00dfe \ufffd \U0001f600")
    lines = [f"event: {part['type']}\ndata: {json.dumps(part, ensure_ascii=False)}\n\n" for part in parts]
    reply = Reply("".join(lines).encode(), drip=0.0005, kind="text/event-stream")
    outcome, _ = ask_one(reply, max_tokens=STREAMED)
    assert outcome.value == "Gr\u00fc\u00dfe \ufffd \U0001f600"
    assert len(outcome.attempts) == 1


def test_what_stands_behind_the_last_event_is_passed_over():
    """Some gateways end a stream with `[DONE]`."""
    reply = events(*spoken("Hi."))
    reply.body += b"data: [DONE]\n\n"
    outcome, _ = ask_one(reply, max_tokens=STREAMED)
    assert outcome.value == "Hi."


@pytest.mark.parametrize("stays", [0.0, 9.0], ids=["cut", "open"])
def test_what_the_connection_does_behind_the_last_event_costs_no_answer(stays):
    """The answer is there: it is not waited for, and not paid again."""
    reply = events(*spoken("Hi."))
    reply.stays = stays
    outcome, server = ask_one(reply, max_tokens=STREAMED, timeout=0.5)
    assert (outcome.value, outcome.usage, len(server.bodies)) == ("Hi.", Usage(10, 5), 1)


INSIDE = [
    ("authentication_error", RunStopped, Code.KEY_REJECTED, 1),
    ("billing_error", RunStopped, Code.PAYMENT, 1),
    ("permission_error", RunStopped, Code.FORBIDDEN_MODEL, 1),
    ("not_found_error", RunStopped, Code.UNKNOWN_MODEL, 1),
    ("invalid_request_error", RowError, Code.BAD_REQUEST, 1),
    ("request_too_large", RowError, Code.BAD_REQUEST, 1),
    ("overloaded_error", RowError, Code.TRANSPORT, 3),
    ("api_error", RowError, Code.TRANSPORT, 3),
    ("timeout_error", RowError, Code.TRANSPORT, 3),
    ("an_error_of_tomorrow", RowError, Code.TRANSPORT, 3),
]


@pytest.mark.parametrize(("kind", "reaches", "code", "sent"), INSIDE)
@pytest.mark.parametrize("where", ["stream", "late in a stream", "body"])
def test_an_error_inside_of_a_200_is_judged_by_its_type(kind, reaches, code, sent, where):
    """It is what the status of its type would be: some gateways send all of them so."""
    said_ = error(kind, "asked for")
    reply = {
        "stream": events(said_),
        "late in a stream": events(*spoken("Hi.")[:3], said_),
        "body": Reply(said_),
    }[where]
    outcome, server = ask_one(reply, max_tokens=STREAMED, max_retries=2)
    assert type(outcome) is reaches, outcome
    assert outcome.code == code
    assert len(server.bodies) == sent


@pytest.mark.parametrize(
    ("number", "code"), [("401", Code.KEY_REJECTED), ("400", Code.BAD_REQUEST), (503, Code.TRANSPORT)]
)
def test_a_gateways_number_is_the_status_of_its_error(number, code):
    """Where the type is not the API's, a `code` that is a status of HTTP is one."""
    outcome, _ = ask_one(Reply({"error": {"message": "no", "type": "None", "param": "None", "code": number}}))
    assert outcome.code == code


def test_a_spending_limit_inside_of_a_200_ends_the_run():
    """The words that say so are looked for there too."""
    outcome, _ = ask_one(Reply(error("rate_limit_error", "no", details={"error_code": "enforced_spend_limit_reached"})))
    assert outcome.code == Code.SPEND_LIMIT


@pytest.mark.parametrize(
    ("reply", "usage"),
    [
        (Reply(events(*spoken("Hi.")[:3]).body, kind="text/event-stream"), Usage(10, 1)),
        (Reply(events(*spoken("Hi.")[:5]).body, kind="text/event-stream"), Usage(10, 5)),
        (events(*spoken("Hi.")[:3], error("overloaded_error", "no")), Usage(10, 1)),
    ],
    ids=["politely", "before the last event", "by an error"],
)
def test_what_a_stream_took_that_broke_off_is_counted(reply, usage):
    """It is told each time; the request goes out again, and the answer has an account of its own."""
    outcome, _, asking = asked(reply, events(*spoken("Hi.")), max_tokens=STREAMED, max_retries=1)
    assert outcome.value == "Hi."
    assert [lost[0] for lost in asking.lost] == [usage]
    assert outcome.usage == Usage(10, 5)


def asked(*replies, **options):
    """The one outcome, the server, and the asking."""
    (outcome,), server, asking = ask(*replies, **options)
    return outcome, server, asking


def test_a_stream_with_nothing_in_it_took_nothing():
    """Where not so much as its beginning came, there is nothing to count."""
    _, _, asking = asked(Reply(b": ping\n\n", kind="text/event-stream"), max_tokens=STREAMED)
    assert asking.lost == []


@pytest.mark.parametrize(
    ("most", "within", "streams"), [(100, 600, False), (4096, 115, True), (4096, 116, False), (21_334, 9999, True)]
)
def test_what_may_take_too_long_is_streamed(most, within, streams):
    """By the SDK's own reckoning: 128,000 tokens an hour against what one request may take."""
    reply = events(*spoken("Hi.")) if streams else said("Hi.")
    outcome, server = ask_one(reply, max_tokens=most, within=within)
    assert outcome.value == "Hi."
    assert server.bodies[0].get("stream", False) is streams


def test_a_stream_that_goes_on_is_not_cut():
    """As long as events come, the time that one request may take does not end it."""
    first, second, piece, *rest = spoken("x")
    reply = events(first, second, *[piece] * 60, *rest)
    reply.drip, reply.part = 0.03, len(reply.body) // 50
    started = time.monotonic()
    outcome, _ = ask_one(reply, max_tokens=STREAMED, timeout=1)
    assert outcome.value == "x" * 60
    assert time.monotonic() - started > 1
