"""What a request says of fallback models, and what is read of an answer for which the API has asked one."""

import json

import pytest

from scripted_api import ask_one, call, said
from yamlgen.claude.api_fallbacks import AskedModel, api_form
from yamlgen.claude.requests import RequestBuilder, RequestMode
from yamlgen.claude.streams import StreamedMessage
from yamlgen.claude.structured import StructuredOutput
from yamlgen.schemas.author_schema import json_schema
from yamlgen.simulator.stream_events import events_of
from yamlgen.steps.config_fields import Settings
from yamlgen.value_objects import Prompt

SCHEMA = {"type": "object", "additionalProperties": False, "required": ["a"], "properties": {"a": {"type": "integer"}}}
BOUND = {
    "type": "fallback",
    "from": {"model": "claude-opus-5"},
    "to": {"model": "claude-opus-4-8"},
    "trigger": {"type": "refusal", "category": "cyber"},
}


def asked(schema=None, mode="auto", **settings):
    """A model as it is requested."""
    made = Settings(**{"max_tokens": 100, **settings})
    structured = None if schema is None else StructuredOutput("answer", json_schema(schema), made, mode)
    return AskedModel(made, RequestBuilder(made).body(Prompt(None, ()), RequestMode(structured)))


FIRST, SECOND = "claude-opus-5", "claude-opus-4-8"


@pytest.mark.parametrize(
    ("first", "second", "entry"),
    [
        ({}, {}, {}),
        ({}, {"max_tokens": 50_000}, {"max_tokens": 50_000}),
        ({"effort": "high"}, {"effort": "low"}, {"output_config": {"effort": "low"}}),
        ({"effort": "high"}, {}, {"output_config": {"effort": None}}),
        ({"thinking": "disabled"}, {}, {"thinking": None}),
        ({}, {"thinking": "adaptive"}, {"thinking": {"type": "adaptive"}}),
        ({}, {"stop_sequences": ["END"]}, None),
        ({"inference_geo": "us"}, {}, None),
        ({"inference_geo": "us"}, {"inference_geo": "us"}, {}),
    ],
)
def test_an_entry_says_what_differs(first, second, entry):
    """What the API cannot be told makes it our own request."""
    found = api_form(asked(id=FIRST, **first), [asked(id=SECOND, **second)])
    assert found == (None if entry is None else [{"model": SECOND, **entry}])


def test_the_schema_is_sent_in_one_way():
    """A model that takes it otherwise has a request of its own."""
    first = asked(SCHEMA, id=FIRST)
    assert api_form(first, [asked(SCHEMA, id=SECOND)]) == [{"model": SECOND}]
    assert api_form(first, [asked(SCHEMA, "tools", id=SECOND)]) is None


def test_only_models_that_the_api_permits_are_named():
    """By the table, as far as it knows."""
    assert api_form(asked(id=FIRST), [asked(id=SECOND), asked(id="claude-haiku-5-5")]) is None
    assert api_form(asked(id="claude-haiku-5-5"), [asked(id=SECOND)]) is None
    assert api_form(asked(id="claude-opus-5-5"), [asked(id="our-own")]) == [{"model": "our-own"}]


@pytest.mark.parametrize(
    ("mode", "content", "stop"),
    [
        ("native", ['{"a": ', BOUND, '{"a": 1}'], "end_turn"),
        ("tools", ["Let me", call({}, id="toolu_0"), BOUND, call({"a": 1})], "tool_use"),
        ("json", ['{"a"', BOUND, ": 1}"], "end_turn"),
    ],
)
def test_an_output_is_read_of_the_model_that_answered(mode, content, stop):
    """Text goes on where the other model stopped; native output and calls begin anew."""
    reply = said(*content, stop=stop, model=SECOND)
    outcome, server = ask_one(reply, schema=SCHEMA, mode=mode, id=FIRST)
    assert outcome.value == {"a": 1}
    assert len(server.bodies) == 1


def test_text_goes_on_where_the_other_model_stopped():
    """It is one answer."""
    outcome, _ = ask_one(said("Once upon", BOUND, " a time."))
    assert outcome.value == "Once upon a time."


def test_a_re_ask_does_not_send_the_boundary():
    """The model is shown its own answer."""
    first, second = said(BOUND, '{"a": "x"}', model=SECOND), said('{"a": 1}')
    outcome, server = ask_one(first, second, schema=SCHEMA, mode="native", id=FIRST, reasks=1)
    assert outcome.value == {"a": 1}
    assert "fallback" not in json.dumps(server.bodies[1]["messages"])


def test_a_stream_comes_to_the_same_message():
    """Its first event names the model that was requested."""
    usage = {"input_tokens": 5, "output_tokens": 7}
    hops = [{"type": "message", "model": FIRST, **usage}, {"type": "fallback_message", "model": SECOND, **usage}]
    whole = said(BOUND, "Hello.", model=SECOND, usage={**usage, "iterations": hops}, stop_details=None).body
    stream = StreamedMessage()
    for event in events_of(whole):
        stream.add(event.decode().partition("data: ")[2])
    assert stream.whole() == whole
