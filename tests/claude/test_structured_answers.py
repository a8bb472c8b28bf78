"""Structured output: what of an answer is read, what is accepted of it, and what is asked again."""

import json
import math

import pytest
from anthropic.types import Message
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from output_schemas import MODES, USER
from scripted_api import ask_one, call, message, said
from yamlgen.claude.parsed_answer import InvalidOutput
from yamlgen.claude.structured import StructuredOutput
from yamlgen.errors import Code
from yamlgen.row_result import Answer
from yamlgen.schemas.author_schema import json_schema
from yamlgen.schemas.native_output_schema import NotExpressible
from yamlgen.steps.config_fields import Settings

pytestmark = pytest.mark.filterwarnings("ignore:The model 'claude:DeprecationWarning")


THINKING = {"type": "thinking", "thinking": "Hm, {} or [1]?", "signature": "s"}


@pytest.mark.parametrize(
    ("mode", "content"),
    [
        ("native", [THINKING, '{"zip": "1", "age": 2}']),
        ("json", [THINKING, '{"zip": "1", "age": 2}']),
        ("tools", [THINKING, call({"zip": "1", "age": 2}, "User")]),
        ("tools", [THINKING, "I call the tool.", call({"zip": "1", "age": 2}, "User")]),
        ("native", ["Here it is.", '{"zip": "1", "age": 2}']),
        ("json", ["Here it is.", '{"zip": "1", "age": 2}']),
        ("json", ['```json\n{"zip": "1", "age": 2}\n```']),
        ("json", ['Sure:\n```\n{"zip": "1", "age": 2}\n```\nAnything else?']),
        ("native", ['\n {"zip": "1", "age": 2.0} \n']),
        ("tools", [call({"age": 2, "zip": "1"}, "User")]),
    ],
)
def test_the_output_is_found(mode, content):
    """A block of thinking, a word before, a fence around: the output is read from where it is."""
    outcome, _ = ask_one(said(*content, stop="tool_use" if mode == "tools" else "end_turn"), schema=USER, mode=mode)
    assert isinstance(outcome, Answer), outcome
    assert outcome.value == {"zip": "1", "age": 2}


DEEP = "[" * 5_000 + "]" * 5_000


@pytest.mark.parametrize(
    ("mode", "content", "told"),
    [
        ("tools", ["I would rather not."], "tool"),
        ("tools", [call({"zip": "1", "age": 2}), call({"zip": "1", "age": 3}, id="toolu_2")], "one call"),
        ("tools", [], "tool"),
        ("tools", [THINKING], "tool"),
        ("tools", [call({"zip": "1", "age": math.nan})], ""),
        ("tools", [call({"zip": "\ud800", "age": 1})], ""),
        ("tools", [call([1])], "object"),
        ("tools", [call(None)], "object"),
        ("tools", [call("{}")], "object"),
        ("native", [], "text"),
        ("native", [THINKING], "text"),
        ("native", ["", "\n "], "$: the answer holds no text"),
        ("native", ["Sure!"], ""),
        ("native", ['{"zip": "1", "age": NaN}'], ""),
        ("native", ['{"zip": "1", "age": Infinity}'], ""),
        ("native", ['{"zip": "\\ud800", "age": 1}'], ""),
        ("native", ['{"zip": "1", "age": ' + "9" * 5_000 + "}"], ""),
        ("native", [DEEP], ""),
        ("json", [], "text"),
        ("json", [THINKING, "\n "], "$: the answer holds no text"),
        ("json", ["Sure!"], "JSON"),
        ("json", ['{"zip": "1", "age": NaN}'], ""),
        ("json", ['{"zip": "\\ud800", "age": 1}'], ""),
        ("json", ['{"zip": "1", "age": ' + "9" * 5_000 + "}"], ""),
        ("json", ['{"a": ' + DEEP + "}"], ""),
        ("json", ["[" * 3000], ""),
    ],
)
def test_what_is_no_output_is_sent_back(mode, content, told):
    """Each way of not answering is invalid, is told to the model, and never passes; then the row is set aside."""
    stop = "tool_use" if mode == "tools" and content else "end_turn"
    outcome, server = ask_one(said(*content, stop=stop), schema=USER, mode=mode, reasks=1)
    assert not isinstance(outcome, Answer)
    assert outcome.code == Code.INVALID_OUTPUT, outcome
    assert told in outcome.message
    assert len(server.bodies) == len(outcome.attempts) == 2
    assert outcome.attempts[0].errors


@pytest.mark.parametrize("mode", ["tools", "json"])
@pytest.mark.parametrize("value", ["\ud800", math.nan, math.inf, {"\udfff": 1}], ids=repr)
def test_what_no_file_can_hold_is_not_accepted(mode, value):
    """A schema that has nothing against it does not make NaN, or half of a character, a value."""
    schema = {"type": "object", "properties": {"x": {}}, "additionalProperties": False}
    reply = said(call({"x": value}), stop="tool_use") if mode == "tools" else said(json.dumps({"x": value}))
    outcome, server = ask_one(reply, schema=schema, mode=mode, reasks=1)
    assert outcome.code == Code.INVALID_OUTPUT
    assert len(server.bodies) == 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "value", [10**4000, -(2**63) - 1, 1e300, 0.1, "\u2028\x00\U0001f600"], ids=lambda v: f"{v!r:.12}"
)
def test_large_values_pass_unchanged(mode, value):
    """A value that JSON can hold comes through as it was written."""
    schema = {"type": "object", "properties": {"x": {"type": ["number", "string"]}}, "additionalProperties": False}
    if mode == "native":
        schema["properties"]["x"] = {"anyOf": [{"type": "number"}, {"type": "string"}]}
    reply = said(call({"x": value}), stop="tool_use") if mode == "tools" else said(json.dumps({"x": value}))
    outcome, _ = ask_one(reply, schema=schema, mode=mode)
    assert isinstance(outcome, Answer), outcome
    assert repr(outcome.value) == repr({"x": value})


def test_a_megabyte_of_brackets_is_no_json():
    """The search for JSON in a text is bounded."""
    outcome, _ = ask_one(said("{" * 2_000_000), schema=USER, mode="json")
    assert outcome.code == Code.INVALID_OUTPUT


@pytest.mark.parametrize("depth", [150, 300, 900])
@pytest.mark.parametrize("mode", MODES)
def test_depth_costs_at_most_the_row(mode, depth):
    """Nesting that some reader gives up on is an invalid output; less of it is a value."""
    schema = {"type": "object", "properties": {"x": {}}, "additionalProperties": False}
    if mode == "native":
        schema["properties"]["x"] = {"type": "array", "items": {"type": "string"}}
    value = "leaf"
    for _ in range(depth):
        value = [value]
    reply = said(call({"x": value}), stop="tool_use") if mode == "tools" else said(json.dumps({"x": value}))
    outcome, _ = ask_one(reply, schema=schema, mode=mode, reasks=1)
    if isinstance(outcome, Answer):
        assert outcome.value == {"x": value}
    else:
        assert outcome.code == Code.INVALID_OUTPUT, outcome


KEYWORDS = [
    ({"type": "integer", "minimum": 3}, 2),
    ({"type": "integer", "maximum": 3}, 4),
    ({"type": "integer", "exclusiveMinimum": 3}, 3),
    ({"type": "integer", "exclusiveMaximum": 3}, 3),
    ({"type": "integer", "multipleOf": 3}, 4),
    ({"type": "string", "minLength": 3}, "ab"),
    ({"type": "string", "maxLength": 1}, "ab"),
    ({"type": "string", "pattern": "^a+$"}, "ab"),
    ({"type": "string", "format": "email"}, "nobody"),
    ({"type": "string", "format": "date"}, "2026-02-30"),
    ({"type": "string", "format": "uri"}, "no uri"),
    ({"type": "string", "format": "uuid"}, "x"),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1]),
    ({"type": "array", "items": {"type": "integer"}, "maxItems": 1}, [1, 2]),
    ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, [1, 1]),
    ({"type": "array", "items": {"type": "integer"}, "contains": {"const": 5}}, [1]),
    ({"type": "string", "not": {"const": "a"}}, "a"),
    ({"oneOf": [{"type": "integer"}, {"type": "integer", "minimum": 3}]}, 4),
    ({"enum": ["a"]}, "b"),
    ({"const": "a"}, "b"),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("part", "bad"), KEYWORDS, ids=json.dumps)
def test_every_keyword_is_enforced(mode, part, bad):
    """What native output cannot express is left out of what is sent, and stays in what is checked."""
    schema = {"type": "object", "properties": {"x": part}, "required": ["x"], "additionalProperties": False}
    structured = StructuredOutput("answer", json_schema(schema), Settings(id="claude-haiku-5-5"), mode)
    with pytest.raises(InvalidOutput) as caught:
        structured.parse(parsed(mode, {"x": bad}))
    assert all(error.startswith("$.x") for error in caught.value.errors)


def parsed(mode, value):
    """The SDK's message that holds a value the way a mode has it."""
    block = call(value) if mode == "tools" else json.dumps(value)
    return Message.model_construct(**message(block, stop="tool_use" if mode == "tools" else "end_turn"))


@pytest.mark.parametrize("mode", MODES)
def test_a_reask_carries_the_errors_with_their_paths(mode):
    """The model reads what was wrong and where; its second answer counts, and both are on the account."""
    bad, good = {"zip": 5, "age": 200}, {"zip": "5", "age": 20}
    if mode == "tools":
        replies = [said(call(bad, "User"), stop="tool_use"), said(call(good, "User"), stop="tool_use")]
    else:
        replies = [said(json.dumps(bad)), said(json.dumps(good))]
    outcome, server = ask_one(*replies, schema=USER, mode=mode, reasks=1)
    assert outcome.value == good
    first, second = server.bodies
    told = json.dumps(second["messages"][len(first["messages"]) :])
    assert "$.zip" in told
    assert "$.age" in told
    assert "200 is greater than the maximum of 120" in told
    assert [len(attempt.errors) for attempt in outcome.attempts] == [2, 0]
    assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (20, 10)
    assert {key: second[key] for key in second if key != "messages"} == {
        key: first[key] for key in first if key != "messages"
    }


def test_a_reask_answers_every_call():
    """The API wants a result for each tool call of the turn before, and gets it."""
    two = said(call({"zip": "1", "age": 2}), call({}, id="toolu_2"), stop="tool_use")
    _, server = ask_one(two, schema=USER, mode="tools", reasks=1)
    *_, asked, results = server.bodies[1]["messages"]
    assert [block["id"] for block in asked["content"]] == ["toolu_1", "toolu_2"]
    assert [block["tool_use_id"] for block in results["content"]] == ["toolu_1", "toolu_2"]


def test_a_reask_keeps_the_thinking():
    """A thinking block goes back with its signature, as the API wants it before a tool's result."""
    _, server = ask_one(
        said(THINKING, call({}, "User"), stop="tool_use"), schema=USER, mode="tools", reasks=1, thinking="adaptive"
    )
    assert server.bodies[1]["messages"][1]["content"][0] == THINKING


def test_reasks_are_bounded():
    """An answer that stays invalid is asked for as often as the author allows, and no more."""
    outcome, server = ask_one(said('{"zip": 5}'), schema=USER, mode="native", reasks=3)
    assert outcome.code == Code.INVALID_OUTPUT
    assert "3 re-asks" in outcome.message
    assert len(server.bodies) == len(outcome.attempts) == 4
    assert outcome.request == server.bodies[-1]


def test_a_pattern_that_explodes_does_not_hang():
    """`^(a+)+$` meets its limit, and a limit that is hit never counts as valid."""
    schema = {"type": "object", "properties": {"x": {"type": "string", "pattern": "^(a+)+$(?<!b)"}}, "required": ["x"]}
    structured = StructuredOutput("answer", json_schema(schema), Settings(id="claude-haiku-5-5"), "tools")
    with pytest.raises(InvalidOutput):
        structured.parse(parsed("tools", {"x": "a" * 40 + "b"}))


NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.text("ab1é\n", max_size=4), st.sampled_from([1.5, 2.0])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)
LEAVES = st.one_of(
    st.fixed_dictionaries({"type": st.just("integer")}, optional={"minimum": st.integers(-3, 3)}),
    st.fixed_dictionaries({"type": st.just("number")}, optional={"multipleOf": st.sampled_from([2, 3])}),
    st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "minLength": st.integers(0, 3),
            "pattern": st.sampled_from(["a", "^a*$", r"\d"]),
            "format": st.sampled_from(["date", "email", "ipv4"]),
        },
    ),
    st.builds(lambda values: {"enum": values}, st.lists(SCALARS, min_size=1, max_size=3)),
    st.fixed_dictionaries({"type": st.just(["string", "null"])}),
    st.just({}),
)


def objects(inner):
    """Object schemas over others, open and closed."""
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, min_size=1, max_size=3)},
        optional={
            "required": st.lists(NAMES, unique=True, max_size=2),
            "additionalProperties": st.booleans(),
            "maxProperties": st.integers(1, 2),
        },
    )


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        objects(inner),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={"minItems": st.integers(0, 2), "uniqueItems": st.booleans()},
        ),
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=2)),
    ),
    max_leaves=4,
)


@given(SCHEMAS, VALUES, st.sampled_from(MODES))
def test_what_is_accepted_is_what_the_schema_accepts(schema, value, mode):
    """Through the parser of each mode: accepted exactly when the author's schema accepts it, and unchanged."""
    able = Settings(id="claude-haiku-5-5")
    try:
        structured = StructuredOutput("answer", json_schema(schema), able, mode)
    except NotExpressible:
        structured = StructuredOutput("answer", json_schema(schema), able, "auto")
    wrapped = {"value": value} if structured.response.wrapped else value
    valid = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).is_valid(value)
    assume(structured.mode != "tools" or isinstance(wrapped, dict))
    if valid:
        assert json.dumps(structured.parse(parsed(structured.mode, wrapped)).value) == json.dumps(value)
    else:
        with pytest.raises(InvalidOutput) as caught:
            structured.parse(parsed(structured.mode, wrapped))
        assert caught.value.errors


GOOD, OTHER = '{"zip": "1", "age": 2}', '{"zip": "1", "age": 3}'


@pytest.mark.parametrize(
    "text",
    [
        f'{GOOD} It is like {{"zip": 1}}, and unlike [1, 2] or {{}}.',
        f'First {{"zip": "1"}}, then:\n```json\n{GOOD}\n```',
        f"{GOOD}\n\nOnce more: {GOOD}",
        f'{GOOD} or {{"age": 2.0, "zip": "1"}}',
        f"The set {{1, 2}} and [see below]: {GOOD}",
        f"[{OTHER}] is a list of them; {GOOD} is one.",
    ],
)
def test_the_value_that_fits_the_schema_is_the_answer(text):
    """Wherever it stands among others; the same value twice is one."""
    outcome, _ = ask_one(said(text), schema=USER, mode="json")
    assert isinstance(outcome, Answer), outcome
    assert outcome.value == {"zip": "1", "age": 2}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{GOOD} or {OTHER}", "several values"),
        (f"{GOOD} {OTHER} {GOOD}", "several values"),
        (f"[{GOOD}]", "$: "),
        ('{"zip": "1", "age": 2, "more": {"zip": "1", "age": 2},}', "not JSON"),
        ('{"zip": "1"}', "age"),
    ],
)
def test_what_is_no_one_answer_is_sent_back(text, told):
    """Several that differ, none that fits, and parts of a broken one: the model is told, and asked again."""
    outcome, server = ask_one(said(text), said(GOOD), schema=USER, mode="json", reasks=1)
    assert isinstance(outcome, Answer), outcome
    assert told in outcome.attempts[0].errors[0]
    assert told in json.dumps(server.bodies[1]["messages"][-1])


TAGS = {
    "type": "object",
    "properties": {"tags": {"type": "array", "items": {"type": "string"}}, "note": {"type": "string"}},
    "required": ["tags"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("schema", "value", "whole"),
    [
        (TAGS, {"tags": '["a"]', "note": "[1]"}, {"tags": ["a"], "note": "[1]"}),
        (TAGS["properties"]["tags"], {"value": '["a"]'}, ["a"]),
        ({"anyOf": [TAGS, {"type": "integer"}]}, {"value": {"tags": '["a"]'}}, {"tags": ["a"]}),
    ],
)
def test_a_list_that_came_as_a_json_string_is_taken_and_noted(mode, schema, value, whole):
    """In every mode; the attempt says so, and counts as valid."""
    reply = said(call(value), stop="tool_use") if mode == "tools" else said(json.dumps(value))
    outcome, _ = ask_one(reply, schema=schema, mode=mode)
    assert isinstance(outcome, Answer), outcome
    assert outcome.value == whole
    (attempt,) = outcome.attempts
    assert attempt.errors == ()
    assert len(attempt.notes) == 1
    assert "came as a JSON string" in attempt.notes[0]


@pytest.mark.parametrize("mode", ["native", "json"])
def test_a_whole_answer_that_came_as_a_json_string_is_taken(mode):
    """The text is a JSON string, and holds the object."""
    outcome, _ = ask_one(said(json.dumps(json.dumps({"tags": ["a"]}))), schema=TAGS, mode=mode)
    assert isinstance(outcome, Answer), outcome
    assert (outcome.value, outcome.attempts[0].notes) == ({"tags": ["a"]}, ("$ came as a JSON string",))


@pytest.mark.parametrize("value", ['{"tags": ["a"]}', json.dumps({"value": {"tags": ["a"]}})])
def test_a_whole_input_that_came_as_a_json_string_is_taken(value):
    """A tool's input is an object, and never a text."""
    schema = TAGS if "value" not in value else {"anyOf": [TAGS, {"type": "integer"}]}
    outcome, _ = ask_one(said(call(value), stop="tool_use"), schema=schema, mode="tools")
    assert isinstance(outcome, Answer), outcome
    assert (outcome.value, outcome.attempts[0].notes) == ({"tags": ["a"]}, ("$ came as a JSON string",))


def test_a_string_whose_list_does_not_fit_is_told_as_it_came():
    """Only a whole that fits is taken."""
    outcome, _ = ask_one(said(json.dumps({"tags": "[1]"})), schema=TAGS, mode="native")
    assert "is not of type" in outcome.message
    assert outcome.attempts[0].notes == ()
