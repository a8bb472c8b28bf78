"""Structured output: which way it is asked for, what goes out, what is accepted, what is asked again."""

import json
import math
import subprocess
import sys

import pytest
from anthropic._models import construct_type
from anthropic.types import Message
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from scripted import Reply, ask, ask_one, call, message, said

from yamlgen.claude.structured import InvalidOutput, Structured
from yamlgen.errors import Code
from yamlgen.language.native import Unfit
from yamlgen.language.schemas import json_schema
from yamlgen.language.spec import Settings
from yamlgen.ports import Answer

pytestmark = pytest.mark.filterwarnings("ignore:The model 'claude:DeprecationWarning")

MODES = ("native", "tools", "json")
USER = {
    "title": "User",
    "description": "A person.",
    "type": "object",
    "properties": {
        "zip": {"type": "string", "description": "Postal code."},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
    },
    "required": ["zip", "age"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "additionalProperties": {"type": "integer"}}
"""A schema that native output cannot express: keys of any name."""


def sent(schema, model="claude-haiku-5-5", mode="auto", **settings):
    """The body of a request for a schema, as a server got it."""
    _, server = ask_one(Reply(message("{}")), schema=schema, mode=mode, id=model, **settings)
    return server.bodies[0]


def way(body):
    """How a body asks for its output."""
    if "output_config" in body and "format" in body["output_config"]:
        return "native"
    return body["tool_choice"]["type"] if "tools" in body else "json"


@pytest.mark.parametrize(
    ("model", "schema", "more", "expected"),
    [
        ("claude-haiku-5-5", USER, {}, "native"),
        ("claude-opus-5-5", USER, {}, "native"),
        ("claude-haiku-4-5-20251001", USER, {}, "native"),
        ("claude-haiku-5-5", OPEN, {}, "tool"),
        ("claude-haiku-5-5", OPEN, {"thinking": "disabled"}, "tool"),
        ("claude-haiku-5-5", OPEN, {"thinking": "adaptive"}, "auto"),
        ("claude-haiku-4-5", OPEN, {"thinking": {"budget_tokens": 1024}, "max_tokens": 2000}, "auto"),
        ("claude-opus-5-5", OPEN, {}, "auto"),
        ("claude-fable-5-1", OPEN, {}, "auto"),
        ("claude-mythos-5-1", OPEN, {}, "auto"),
        ("claude-sonnet-4-20250514", USER, {}, "tool"),
        ("claude-3-5-haiku-latest", USER, {}, "tool"),
        ("claude-2.1", USER, {}, "json"),
        ("claude-2.1", OPEN, {}, "json"),
        ("my-gateway/some-model", USER, {}, "auto"),
    ],
)
def test_auto_picks_what_the_model_can_do(model, schema, more, expected):
    """Native where it is supported and the schema fits, else a tool, forced where that is accepted, else text."""
    assert way(sent(schema, model, **more)) == expected


@pytest.mark.parametrize(("mode", "expected"), [("native", "native"), ("tools", "tool"), ("json", "json")])
def test_an_author_may_insist(mode, expected):
    """A mode that is written down wins over what would be picked."""
    assert way(sent(USER, mode=mode)) == expected


def test_native_output_that_does_not_fit_says_so():
    """Insisting on native output for a schema that it cannot express is an error before anything is sent."""
    with pytest.raises(Unfit):
        Structured("answer", json_schema(OPEN), Settings(id="claude-haiku-5-5"), "native")


@pytest.mark.parametrize("model", ["claude-opus-5-5", "unknown"])
def test_a_tool_that_is_not_forced_is_asked_for(model):
    """Where a tool cannot be forced the system prompt asks for the call, and keeps what the author wrote."""
    settings = Settings(id=model)
    made = Structured("answer", json_schema(OPEN), settings, "tools").prepare(
        {"system": "Be kind.", "messages": [{"role": "user", "content": "x"}]}
    )
    assert made["system"].startswith("Be kind.\n\n")
    assert "`answer`" in made["system"]
    assert made["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    "schema",
    [
        USER,
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"b": {"$ref": "#/$defs/Pet", "description": "The pet."}, "a": {"type": ["string", "null"]}},
            "patternProperties": {"^x-": {"type": "integer"}},
            "minProperties": 1,
            "$defs": {"Pet": {"type": "object", "properties": {"name": {"type": "string", "minLength": 2}}}},
        },
    ],
)
def test_a_tool_carries_the_schema_as_written(schema):
    """Order of keys, descriptions and definitions reach the wire untouched; no title is invented."""
    body = sent(schema, mode="tools")
    assert json.dumps(body["tools"][0]["input_schema"]) == json.dumps(schema)


def test_a_tool_is_named_after_the_schema():
    """The title names the tool, in the letters that the API takes."""
    assert sent(USER, mode="tools")["tools"][0]["name"] == "User"
    assert sent({**USER, "title": "Ein Läufer: № 1"}, mode="tools")["tools"][0]["name"] == "Ein_L_ufer_1"
    assert sent({**USER, "title": "ж"}, mode="tools")["tools"][0]["name"] == "answer"
    assert len(sent({**USER, "title": "x" * 200}, mode="tools")["tools"][0]["name"]) == 64


def test_native_output_keeps_order_and_descriptions():
    """What native output takes goes out as written; what it cannot enforce is told in the description."""
    schema = sent(USER)["output_config"]["format"]["schema"]
    assert list(schema["properties"]) == ["zip", "age"]
    assert schema["properties"]["zip"] == USER["properties"]["zip"]
    assert '"maximum": 120' in schema["properties"]["age"]["description"]


def test_native_output_goes_with_effort():
    """The effort and the format share one part of the body."""
    body = sent(USER, effort="low")
    assert body["output_config"]["effort"] == "low"
    assert body["output_config"]["format"]["type"] == "json_schema"


def test_json_in_text_shows_the_schema():
    """Without tools the schema stands in the system prompt, behind the author's words."""
    body = sent(USER, "claude-2.1")
    shown = "".join(block["text"] for block in body["system"])
    assert '"Postal code."' in shown


@pytest.mark.parametrize("mode", MODES)
def test_data_in_braces_passes_untouched(mode):
    """Row text is data: `{{` is not read as a template, by nobody."""
    text = "{{ 7 * 7 }} {% raw %} {# c #} ${x} <b>"
    replies = {"tools": said(call({"zip": "1", "age": 200}, "User"), stop="tool_use")}
    bad = replies.get(mode, said('{"zip": "{{ 7 * 7 }}", "age": 200}'))
    _, server, _ = ask(bad, texts=(text,), schema=USER, mode=mode, reasks=1)
    first, second = server.bodies
    assert first["messages"][0]["content"] == text
    assert second["messages"][0]["content"] == text
    if mode != "tools":
        assert "{{ 7 * 7 }}" in second["messages"][-1]["content"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "array", "items": {"type": "integer"}}, [1, 2]),
        ({"type": "string"}, "x"),
        ({"type": "integer"}, 7),
        ({"enum": ["a", "b"]}, "b"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, None),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 3),
        (
            {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "string"}], "$defs": {"a": {**USER, "title": "A"}}},
            {"zip": "1", "age": 2},
        ),
    ],
)
def test_a_root_that_is_no_object_is_wrapped_and_unwrapped(mode, schema, value):
    """A tool takes objects only: other roots travel inside one, and the author sees nothing of it."""
    wrapped = {"value": value}
    reply = said(call(wrapped), stop="tool_use") if mode == "tools" else said(json.dumps(wrapped))
    outcome, server = ask_one(reply, schema=schema, mode=mode)
    assert outcome.value == value
    if mode == "tools":
        outgoing = server.bodies[0]["tools"][0]["input_schema"]
        assert outgoing["type"] == "object"
        assert outgoing["required"] == ["value"]
        assert Draft202012Validator(outgoing).is_valid(wrapped)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (
            {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"$ref": "#"}]}},
            [1, [2, [3]]],
            [1, ["x"]],
        ),
        (
            {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"$ref": "#/prefixItems/0"}},
            [1, 2],
            [1, "x"],
        ),
        (
            {
                "anyOf": [{"type": "null"}, {"$ref": "#/$defs/tree"}],
                "$defs": {"tree": {"type": "object", "properties": {"up": {"$ref": "#"}}}},
            },
            {"up": {"up": None}},
            {"up": {"up": 1}},
        ),
        (
            {
                "type": "object",
                "properties": {"first name": {"type": "string"}, "other": {"$ref": "#/properties/first%20name"}},
            },
            {"other": "x"},
            {"other": 1},
        ),
    ],
)
def test_references_hold_inside_the_wrapping(schema, good, bad):
    """What refers to the root, or into it, refers to the same place in what is sent."""
    outgoing = sent(schema, mode="tools")["tools"][0]["input_schema"]
    Draft202012Validator.check_schema(outgoing)
    assert Draft202012Validator(schema).is_valid(good)
    assert Draft202012Validator(outgoing).is_valid({"value": good})
    assert not Draft202012Validator(outgoing).is_valid({"value": bad})


def test_keys_that_the_api_refuses_are_wrapped():
    """A tool's own properties must have plain names; one level down any name goes."""
    schema = {"type": "object", "properties": {"First name": {"type": "string"}}, "required": ["First name"]}
    outcome, server = ask_one(
        said(call({"value": {"First name": "Ada"}}), stop="tool_use"), schema=schema, mode="tools"
    )
    assert list(server.bodies[0]["tools"][0]["input_schema"]["properties"]) == ["value"]
    assert outcome.value == {"First name": "Ada"}


def test_data_that_looks_like_a_reference_is_left_alone():
    """A constant is data, and is not rewritten by the wrapping."""
    schema = {"anyOf": [{"const": {"$ref": "#"}}, {"type": "null"}]}
    outgoing = sent(schema, mode="tools")["tools"][0]["input_schema"]
    assert outgoing["properties"]["value"]["anyOf"][0] == {"const": {"$ref": "#"}}


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
        ("native", [""], ""),
        ("native", ["Sure!"], ""),
        ("native", ['{"zip": "1", "age": NaN}'], ""),
        ("native", ['{"zip": "1", "age": Infinity}'], ""),
        ("native", ['{"zip": "\\ud800", "age": 1}'], ""),
        ("native", ['{"zip": "1", "age": ' + "9" * 5_000 + "}"], ""),
        ("native", [DEEP], ""),
        ("json", [], "text"),
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
    json.dumps(outcome.attempts[0].response, allow_nan=False)


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
@pytest.mark.parametrize(("part", "bad"), KEYWORDS, ids=lambda value: json.dumps(value))
def test_every_keyword_is_enforced(mode, part, bad):
    """What native output cannot express is left out of what is sent, and stays in what is checked."""
    schema = {"type": "object", "properties": {"x": part}, "required": ["x"], "additionalProperties": False}
    structured = Structured("answer", json_schema(schema), Settings(id="claude-haiku-5-5"), mode)
    with pytest.raises(InvalidOutput) as caught:
        structured.parse(parsed(mode, {"x": bad}))
    assert all(error.startswith("$.x") for error in caught.value.errors)


def parsed(mode, value):
    """The SDK's message that holds a value the way a mode has it."""
    block = call(value) if mode == "tools" else json.dumps(value)
    return construct_type(type_=Message, value=message(block, stop="tool_use" if mode == "tools" else "end_turn"))


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
    structured = Structured("answer", json_schema(schema), Settings(id="claude-haiku-5-5"), "tools")
    with pytest.raises(InvalidOutput):
        structured.parse(parsed("tools", {"x": "a" * 40 + "b"}))


def test_instructors_registry_is_untouched():
    """A host application has its own instructor: its handlers are the same after ours were used."""
    code = """
import instructor
from instructor.v2.core.registry import mode_registry
before = dict(vars(mode_registry)["_handlers"])
from yamlgen.claude.structured import Structured
from yamlgen.language.schemas import json_schema
from yamlgen.language.spec import Settings
for mode in ("native", "tools", "json"):
    made = Structured("a", json_schema({"type": "object", "properties": {}, "additionalProperties": False}),
                      Settings(id="claude-haiku-5-5"), mode)
    made.prepare({"messages": [{"role": "user", "content": "x"}]})
after = vars(mode_registry)["_handlers"]
assert {key: after[key] for key in before} == before, "changed"
assert not any("yamlgen" in repr(value) for value in after.values()), "ours is registered"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


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


@settings(max_examples=250, deadline=None)
@given(SCHEMAS, VALUES, st.sampled_from(MODES))
def test_what_is_accepted_is_what_the_schema_accepts(schema, value, mode):
    """Through the parser of each mode: accepted exactly when the author's schema accepts it, and unchanged."""
    able = Settings(id="claude-haiku-5-5")
    try:
        structured = Structured("answer", json_schema(schema), able, mode)
    except Unfit:
        structured = Structured("answer", json_schema(schema), able, "auto")
    wrapped = {"value": value} if structured.response.wrapped else value
    valid = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).is_valid(value)
    assume(structured.mode != "tools" or isinstance(wrapped, dict))
    try:
        got = structured.parse(parsed(structured.mode, wrapped))
    except InvalidOutput as invalid:
        assert not valid, invalid.errors
        assert invalid.errors
    else:
        assert valid
        assert json.dumps(got) == json.dumps(value)
