"""What of an author's schema native structured output is asked for, and what needs another way."""

import json
import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen import model_capabilities
from yamlgen.schemas.native_output_schema import TOLD, NotExpressible, choose_mode, count, reduce


def closed(**properties):
    """An object schema of these properties and no others."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


@pytest.mark.parametrize(
    "schema",
    [
        closed(),
        closed(a={"type": "string"}, b={"type": "integer"}),
        closed(a={"enum": ["x", 1, None, True]}),
        closed(a={"const": "x"}),
        closed(a={"type": "array", "items": {"type": "number"}, "minItems": 1}),
        closed(a={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        closed(a={"type": "string", "format": "date-time"}),
        {**closed(a={"$ref": "#/$defs/x"}), "$defs": {"x": closed(b={"type": "boolean"})}},
        {**closed(a={"type": "string"}), "required": ["a"], "title": "T", "description": "D"},
    ],
)
def test_what_fits_goes_out_as_it_is(schema):
    """A schema inside the subset is not touched."""
    assert reduce(schema) == schema


def test_the_order_of_properties_is_kept():
    """The model writes the properties in the author's order."""
    reduced = reduce(closed(z={"type": "string"}, a={"type": "string"}, m={"type": "string"}))
    assert list(reduced["properties"]) == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("part", "left"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 5}, {"minimum": 1, "maximum": 5}),
        ({"type": "string", "minLength": 2, "pattern": "^é"}, {"minLength": 2, "pattern": "^é"}),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 3}, {"maxItems": 3}),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2}, {"minItems": 2}),
        ({"type": "string", "format": "iri"}, {"format": "iri"}),
        ({"type": "number", "multipleOf": 0.5}, {"multipleOf": 0.5}),
    ],
)
def test_what_it_cannot_express_is_told_in_words(part, left):
    """A constraint is left out of the schema and told in the description, as JSON."""
    reduced = reduce(closed(a=part))["properties"]["a"]
    assert not set(left) & set(reduced)
    before, _, told = reduced["description"].partition(TOLD)
    assert before == ""
    assert json.loads(told) == left


def test_the_author_s_description_comes_first():
    """What is told in words stands behind what the author says."""
    reduced = reduce(closed(a={"type": "integer", "minimum": 1, "description": "An age."}))
    text = reduced["properties"]["a"]["description"]
    assert text.startswith("An age.\n\n" + TOLD)
    assert "é" in reduce(closed(a={"type": "string", "pattern": "é"}))["properties"]["a"]["description"]


def test_notes_are_not_told():
    """Examples and comments are no constraints."""
    part = {"type": "string", "examples": ["x"], "$comment": "y", "default": "z"}
    assert reduce(closed(a=part))["properties"]["a"] == {"type": "string"}


def test_a_loose_object_is_closed():
    """Without `additionalProperties` the named properties are asked for; the answer is checked with the whole."""
    assert reduce({"type": "object", "properties": {"a": {"type": "string"}}})["additionalProperties"] is False


def test_one_of_is_asked_for_as_any_of():
    """That exactly one fits is checked afterwards."""
    part = {"oneOf": [{"type": "string"}, {"type": "null"}]}
    assert reduce(closed(a=part))["properties"]["a"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (closed(a=True), "accepts any value"),
        (closed(a={}), "no type"),
        (closed(a={"type": ["string", "null"]}), "several types"),
        (closed(a={"allOf": [{"type": "string"}]}), "allOf"),
        (closed(a={"anyOf": [{"type": "string"}], "enum": ["x"]}), "enum"),
        (closed(a={"enum": [["x"]]}), "list or an object"),
        (closed(a={"type": "array"}), "do not share one schema"),
        (
            closed(a={"type": "array", "items": {"type": "string"}, "prefixItems": [{"type": "null"}]}),
            "do not share one schema",
        ),
        ({"type": "object"}, "declares no properties"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "any name"),
        ({**closed(), "patternProperties": {"^a": {"type": "string"}}}, "any name"),
        ({**closed(), "required": ["a"]}, "`a` is required"),
        ({**closed(a={"$ref": "#/$defs/x"}), "$defs": {"x": closed(b={"$ref": "#/$defs/x"})}}, "recursive"),
        (closed(a={"$ref": "#"}), "`#`"),
        ({**closed(a={"$ref": "#/$defs/x", "minLength": 1}), "$defs": {"x": {"type": "string"}}}, "minLength"),
    ],
)
def test_what_does_not_fit_says_why(schema, why):
    """A schema whose structure is outside needs a tool; the reason can be shown."""
    with pytest.raises(NotExpressible, match=re.escape(why)):
        reduce(schema)


leaves = st.sampled_from(
    [
        {"type": "string", "minLength": 2},
        {"type": "integer", "minimum": 0},
        {"enum": ["a", "b"]},
        {"type": "boolean"},
        {"type": "string", "format": "date"},
    ]
)
fitting = st.recursive(
    leaves,
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(lambda parts: closed(**parts))
        | inner.map(lambda part: {"type": "array", "items": part})
        | st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"anyOf": parts})
    ),
    max_leaves=6,
)


def accepted(schema):
    """Values that such a schema accepts."""
    match schema:
        case {"anyOf": parts}:
            return st.one_of(*map(accepted, parts))
        case {"enum": members}:
            return st.sampled_from(members)
        case {"type": "object", "properties": parts}:
            return st.fixed_dictionaries({}, optional={name: accepted(part) for name, part in parts.items()})
        case {"type": "array", "items": part}:
            return st.lists(accepted(part), max_size=2)
        case {"format": "date"}:
            return st.dates().map(str)
        case _:
            return {"string": st.text(min_size=2), "integer": st.integers(0), "boolean": st.booleans()}[schema["type"]]


@given(fitting.flatmap(lambda schema: st.tuples(st.just(schema), accepted(schema))))
def test_nothing_that_the_author_allows_is_forbidden(pair):
    """What the whole schema accepts, the reduced one accepts too."""
    schema, value = pair
    jsonschema.Draft202012Validator(schema).validate(value)
    assert jsonschema.Draft202012Validator(reduce(schema)).is_valid(value)


@given(fitting)
def test_reducing_changes_nothing_of_the_author_s(schema):
    """The schema that checks the answer stays whole."""
    before = json.dumps(schema)
    reduce(schema)
    assert json.dumps(schema) == before


def optional(number):
    """An object schema with so many optional properties."""
    return closed(**{f"p{index}": {"type": "string"} for index in range(number)})


def unions(number):
    """An object schema with so many required properties that are unions."""
    either = {"oneOf": [{"type": "string"}, {"type": "null"}]}
    made = closed(**{f"p{index}": either for index in range(number)})
    return {**made, "required": list(made["properties"])}


@pytest.mark.parametrize(("made", "most", "told"), [(optional, 24, "25 optional"), (unions, 16, "17 unions")])
def test_the_limits_by_count_are_the_documented_ones(made, most, told):
    """At the limit a schema fits; one more, wherever it stands, and it needs a tool."""
    able = model_capabilities.of("claude-haiku-5-5")
    assert choose_mode(made(most), able) == "native"
    required = {"required": ["list", "other"], "additionalProperties": False}
    spread = {
        "type": "object",
        "properties": {"list": {"type": "array", "items": made(most - 3)}, "other": {"$ref": "#/$defs/other"}},
        "$defs": {"other": made(4)},
        **required,
    }
    for schema in (made(most + 1), spread):
        assert choose_mode(schema, able) == "tools"
        with pytest.raises(NotExpressible, match=told):
            reduce(schema)


def test_required_properties_are_not_optional_ones():
    """Any number of them fits."""
    schema = optional(200)
    assert reduce({**schema, "required": list(schema["properties"])})
    assert count(schema) == (200, 0)


def test_definitions_that_refer_to_others_are_looked_at_once():
    """A chain of definitions, each used twice by the one before, is no work of a power of two."""
    both = {"a": {"$ref": "#/$defs/d{}"}, "b": {"$ref": "#/$defs/d{}"}}
    chain = {
        f"d{i}": {**closed(**json.loads(json.dumps(both).replace("{}", str(i + 1)))), "required": ["a", "b"]}
        for i in range(60)
    }
    root = {**closed(a={"$ref": "#/$defs/d0"}), "$defs": {**chain, "d60": closed()}}
    assert reduce(root)["$defs"]["d60"]
