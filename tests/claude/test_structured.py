"""Structured output: which way it is asked for, and what goes out."""

import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

from output_schemas import MODES, OPEN, USER
from scripted_api import Reply, ask, ask_one, call, message, said
from yamlgen.claude.structured import StructuredOutput
from yamlgen.errors import Code
from yamlgen.schemas.author_schema import json_schema
from yamlgen.schemas.native_output_schema import NotExpressible
from yamlgen.steps.config_fields import Settings

pytestmark = pytest.mark.filterwarnings("ignore:The model 'claude:DeprecationWarning")


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
    with pytest.raises(NotExpressible):
        StructuredOutput("answer", json_schema(OPEN), Settings(id="claude-haiku-5-5"), "native")


@pytest.mark.parametrize("model", ["claude-opus-5-5", "unknown"])
def test_a_tool_that_is_not_forced_is_asked_for(model):
    """Where a tool cannot be forced the system prompt asks for the call, and keeps what the author wrote."""
    settings = Settings(id=model)
    made = StructuredOutput("answer", json_schema(OPEN), settings, "tools").prepare(
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


def test_instructors_registry_is_untouched():
    """A host application has its own instructor: its handlers are the same after ours were used."""
    code = """
import instructor
from instructor.v2.core.registry import mode_registry
before = dict(vars(mode_registry)["_handlers"])
from yamlgen.claude.structured import StructuredOutput
from yamlgen.errors import Code
from yamlgen.schemas.author_schema import json_schema
from yamlgen.steps.config_fields import Settings
for mode in ("native", "tools", "json"):
    made = StructuredOutput("a", json_schema({"type": "object", "properties": {}, "additionalProperties": False}),
                      Settings(id="claude-haiku-5-5"), mode)
    made.prepare({"messages": [{"role": "user", "content": "x"}]})
after = vars(mode_registry)["_handlers"]
assert {key: after[key] for key in before} == before, "changed"
assert not any("yamlgen" in repr(value) for value in after.values()), "ours is registered"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


LIST = {"type": "array", "items": {"type": "integer"}}
NAMED = {"type": "object", "properties": {"full name": {"type": "string"}}, "required": ["full name"]}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (LIST, "Here they are: [1, 2]", [1, 2]),
        (LIST, 'As [7] says: {"value": [1, 2]}', [1, 2]),
        (LIST, '{"value": [1, 2]} or [1, 2]', [1, 2]),
        ({"type": "string"}, '"so"', "so"),
        (NAMED, '```json\n{"full name": "Ada"}\n```', {"full name": "Ada"}),
        ({"anyOf": [NAMED, {"type": "null"}]}, '{"full name": "Ada"}', {"full name": "Ada"}),
        ({"anyOf": [NAMED, {"type": "null"}]}, '{"value": {"full name": "Ada"}}', {"full name": "Ada"}),
    ],
)
def test_an_answer_by_the_authors_own_schema_is_one(schema, text, value):
    """Where an object is put around a schema, an answer without it is taken, if there is none with it."""
    outcome, _ = ask_one(said(text), schema=schema, mode="json")
    assert outcome.value == value


@pytest.mark.parametrize("text", ["[1] or [2]", '{"value": [1]} or {"value": [2]}', '{"value": ["a"]}', "[1.5]"])
def test_an_answer_of_neither_schema_is_none(text):
    """Nor are several that differ."""
    outcome, _ = ask_one(said(text), schema=LIST, mode="json")
    assert outcome.code == Code.INVALID_OUTPUT


def test_an_object_with_more_than_its_one_key_is_not_the_authors():
    """What is asked for with an object around it, and came with more in it, is asked for again."""
    schema = {"anyOf": [{"type": "object"}, {"type": "null"}]}
    outcome, _ = ask_one(said('{"value": {}, "more": 1}'), schema=schema, mode="json")
    assert "the one key `value`" in outcome.message


def test_a_number_of_thousands_of_digits_is_told_without_advice_for_python():
    """The words are for the reader of a run, and for the model."""
    outcome, _ = ask_one(said('{"n": ' + "9" * 5000 + "}"), schema=LIST, mode="json")
    assert outcome.message.endswith("a number in it has thousands of digits")
