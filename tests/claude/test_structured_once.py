"""What is made once for all rows, or read without instructor's handler, is as the handler would have it."""

import copy
import json
import math

import pytest
from anthropic.types import Message, TextBlock
from hypothesis import example, given
from hypothesis import strategies as st
from instructor.v2.providers.anthropic import handlers

from output_schemas import MODES, OPEN, USER
from scripted_api import call, message
from yamlgen.claude.parsed_answer import InvalidOutput
from yamlgen.claude.structured import StructuredOutput
from yamlgen.schemas.author_schema import json_schema
from yamlgen.steps.config_fields import Settings, Thinking

pytestmark = pytest.mark.filterwarnings("ignore:The model 'claude:DeprecationWarning")

WRAPPED = {"type": "array", "items": {"type": "integer"}}
BLOCKS = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]
TURNS = [
    [{"role": "user", "content": "x"}],
    [{"role": "user", "content": BLOCKS}],
    [{"role": "user", "content": ["a", TextBlock(type="text", text="b")]}, {"role": "assistant", "content": "c"}],
]


def made_anew(structured, kwargs):
    """The arguments as instructor's own handler makes them for one row, with the author's schema put in."""
    response = structured.response
    if structured.mode == "native":
        form = {"type": "json_schema", "schema": dict(response.sent)}
        return {**kwargs, "output_config": {**kwargs.get("output_config", {}), "format": form}}
    if structured.mode == "json":
        return handlers.AnthropicJSONHandler().prepare_request(response, kwargs)[1]
    chosen = structured.choose_tool(kwargs)
    prepared = handlers.AnthropicToolsHandler().prepare_request(response, chosen)[1]
    tool = {**prepared["tools"][0], "name": response.__name__, "input_schema": dict(response.sent)}
    return {**prepared, "tools": [tool]}


def request(messages, **more):
    """The arguments of a request before it asks for an output."""
    return {"model": "m", "max_tokens": 9, **more, "messages": messages}


@pytest.mark.parametrize("turns", TURNS)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"system": "Be kind."},
        {"stream": True, "extra_body": {"top_k": 3}},
        {"thinking": {"type": "enabled", "budget_tokens": 5}, "system": "Be kind."},
        {"output_config": {"effort": "low"}},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize(
    ("mode", "schema"),
    [*((mode, schema) for mode in MODES for schema in (USER, WRAPPED)), ("tools", OPEN), ("json", OPEN)],
)
@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-opus-5-5", "unknown"])
@pytest.mark.parametrize("thinking", [None, Thinking(budget_tokens=1024)])
def test_a_request_is_as_the_handler_makes_it(thinking, model, mode, schema, more, turns):
    """Row after row, to the order of its keys, with a tool that may be forced and with one that may not."""
    structured = StructuredOutput("answer", json_schema(schema), Settings(id=model, thinking=thinking), mode)
    for row in ("one", "two"):
        kwargs = request([*turns, {"role": "user", "content": row}], **more)
        before = copy.deepcopy(kwargs)
        made, expected = structured.prepare(kwargs), made_anew(structured, kwargs)
        assert made == expected
        assert list(made) == list(expected)
        assert kwargs == before


@pytest.mark.parametrize("mode", MODES)
def test_a_re_ask_leaves_the_next_row_as_it_was(mode):
    """What rows share is not written to when one of them is asked again."""
    structured = StructuredOutput("answer", json_schema(USER), Settings(id="unknown"), mode)
    kwargs = request([{"role": "user", "content": "x"}])
    first = copy.deepcopy(structured.prepare(kwargs))
    wrong = said(mode, {"zip": 1})
    asked = structured.prepare(kwargs)
    for _ in range(2):
        with pytest.raises(InvalidOutput) as caught:
            structured.parse(wrong)
        asked = structured.reask(asked, wrong, caught.value)
    assert len(asked["messages"]) > len(first["messages"])
    assert structured.prepare(kwargs) == first


def said(mode, *values, stop="end_turn"):
    """A message that holds values in the way of a mode."""
    blocks = [call(value) if mode == "tools" else json.dumps(value) for value in values]
    return Message.model_construct(**message(*blocks, stop=stop))


def read(structured, answer):
    """The output of a message as text, which tells 1 from 1.0 and one NaN from none, or what is wrong with it."""
    try:
        return repr(structured.parse(answer))
    except InvalidOutput as invalid:
        return invalid.errors


def read_by_the_handler(structured, answer):
    """The same when instructor's own handler reads it."""
    slow = copy.copy(structured)
    slow.handler = handlers.AnthropicToolsHandler()
    return read(slow, answer)


def nested(depth):
    """A list in a list."""
    value = 1
    for _ in range(depth):
        value = [value]
    return value


TEXTS = st.text(st.characters(exclude_categories=()), max_size=3)
NUMBERS = st.integers() | st.floats() | st.integers(-3, 3) | st.sampled_from([10**4000, 2**63, 1e22, -0.0])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.just("value"), inner, max_size=3),
    max_leaves=8,
)
SCHEMAS = [{}, {"type": "object"}, USER, OPEN, {"type": "string"}, {"type": "array"}, {"type": ["number", "null"]}]


@given(st.sampled_from(SCHEMAS), st.lists(VALUES, max_size=2), st.sampled_from(["tool_use", "max_tokens"]))
@example({}, [{"a": math.nan}], "tool_use")
@example({}, [{"a": -math.inf}], "tool_use")
@example({}, [{"\ud800": 1}], "tool_use")
@example({}, [{"a": "\ud83d\ude00"}], "tool_use")
@example(USER, [{"zip": "1", "age": 2}], "tool_use")
@example({"type": "string"}, [{"value": "x"}], "tool_use")
@example({"type": "string"}, [{"value": "x", "other": 1}], "tool_use")
def test_a_call_is_read_as_the_handler_reads_it(schema, values, stop):
    """One call, several or none: the same value, or the same errors in the same words."""
    structured = StructuredOutput("answer", json_schema(schema), Settings(id="claude-haiku-5-5"), "tools")
    answer = said("tools", *values, stop=stop)
    assert read(structured, answer) == read_by_the_handler(structured, answer)


@pytest.mark.parametrize("make", [*(lambda d=d: nested(d) for d in (150, 198, 199, 200, 240, 900)), lambda: 10**5000])
def test_what_is_deep_or_huge_is_read_as_the_handler_reads_it(make):
    """Where one reader gives up and another does not, the handler's is the one that counts."""
    structured = StructuredOutput("answer", json_schema({"type": "object"}), Settings(id="claude-haiku-5-5"), "tools")
    answer = said("tools", {"a": None})
    answer.content[0].input["a"] = make()
    assert read(structured, answer) == read_by_the_handler(structured, answer)
