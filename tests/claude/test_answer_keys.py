"""The key of an answer: the same in a batch and by itself, another for whatever may change the answer."""

from dataclasses import replace

import pytest
from anthropic.types import message_create_params

from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.requests import RequestBuilder, RequestMode
from yamlgen.interfaces import UNOBSERVED
from yamlgen.model_capabilities import SAMPLING
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.steps.config_fields import Settings
from yamlgen.steps.keyed_fields import KEYED, UNKEYED
from yamlgen.value_objects import Message, Prompt

BODY = {"model": "claude-haiku-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
FIELDS = {
    name
    for params in (message_create_params.MessageCreateParamsBase, message_create_params.MessageCreateParamsStreaming)
    for name in params.__annotations__
}
FIELDS |= {"speed", "fallbacks", *SAMPLING}
"""Every field of the body that the SDK knows, those of betas and of older versions of the API too."""


def key(body):
    """The key of the answer to a body."""
    return AnswerKeys("https://api.anthropic.com", Runtime().api_version).keys(body, UNOBSERVED)[0]


def test_the_fields_are_those_of_the_api():
    """What is said to be no part of the key, and what is, are fields of a request."""
    assert UNKEYED.keys() | KEYED.keys() <= FIELDS
    assert not UNKEYED.keys() & KEYED.keys()


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_each_field_is_a_part_of_the_key_or_named(name):
    """A field changes the key, unless the reference lists it among those that do not."""
    changed = {**BODY, name: 7 if name == "max_tokens" else [{"role": "user", "content": "Bye"}]}
    assert (key(changed) == key(BODY)) is (name in UNKEYED)


def test_every_field_that_is_sent_is_on_the_page():
    """The settings of a model make no field that the reference does not list."""
    settings = Settings(
        id="m", stop_sequences=["a"], thinking="adaptive", effort="low", temperature=1, top_p=1, top_k=1
    )
    for each in (settings, settings.model_copy(update={"max_tokens": 100_000})):
        body = RequestBuilder(each).body(Prompt("Be brief.", (Message("user", "Hello"),)), RequestMode(None))
        assert body.keys() <= KEYED.keys() | UNKEYED.keys()


BLOCK = {"type": "text", "text": "Good day"}
RESULT = {"type": "tool_result", "tool_use_id": "t"}
DOCUMENT = {"type": "document", "source": {"type": "content", "content": [BLOCK]}}


@pytest.mark.parametrize(
    ("plain", "marked"),
    [
        ({"system": [BLOCK]}, {"system": [{**BLOCK, **MARK}]}),
        ({"tools": [{"name": "f"}]}, {"tools": [{"name": "f", **MARK}]}),
        (
            {"messages": [{"role": "user", "content": [BLOCK]}]},
            {"messages": [{"role": "user", "content": [{**BLOCK, **MARK}]}]},
        ),
        (
            {"messages": [{"role": "user", "content": [{**RESULT, "content": [BLOCK]}]}]},
            {"messages": [{"role": "user", "content": [{**RESULT, "content": [{**BLOCK, **MARK}]}]}]},
        ),
        (
            {"messages": [{"role": "user", "content": [DOCUMENT]}]},
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{**DOCUMENT, "source": {"type": "content", "content": [{**BLOCK, **MARK}]}}],
                    }
                ]
            },
        ),
    ],
    ids=["system", "tools", "message", "result of a tool", "document"],
)
def test_what_is_cached_is_no_part_of_the_key(plain, marked):
    """`cache_control` in a block changes nothing; the block does."""
    assert key({**BODY, **marked}) == key({**BODY, **plain}) != key(BODY)


def test_a_field_of_that_name_in_the_data_of_an_author_is_kept():
    """A property of a tool, or the input of a call, may have any name."""
    for name in UNKEYED:
        tool = {"name": "f", "input_schema": {"type": "object", "properties": {name: {"type": "string"}}}}
        call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {name: "x"}}]}
        bare = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
        assert key({**BODY, "tools": [tool]}) != key({**BODY, "tools": [bare]})
        empty = {**call, "content": [{**call["content"][0], "input": {}}]}
        assert key({**BODY, "messages": [call]}) != key({**BODY, "messages": [empty]})


def test_a_body_is_not_changed():
    """What is sent still has all its fields."""
    body = {**BODY, "system": [{**BLOCK, **MARK}], "stream": True, "metadata": {"user_id": "u"}}
    key(body)
    assert body == {**BODY, "system": [{**BLOCK, **MARK}], "stream": True, "metadata": {"user_id": "u"}}


def test_the_row_and_the_number_of_the_answer_are_a_part():
    """Another row, or another of its samples, has an answer of its own."""
    keys = AnswerKeys("https://api.anthropic.com", Runtime().api_version)
    contexts = (UNOBSERVED, replace(UNOBSERVED, identity="b"), replace(UNOBSERVED, sample=1))
    assert len({keys.keys(BODY, context) for context in contexts}) == 3
