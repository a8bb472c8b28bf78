"""Types made of other types accept what they should, exactly."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yamlgen.schemas.author_schema import json_schema
from yamlgen.schemas.types import (
    ANYTHING,
    Type,
    any_of,
    kind_of,
    list_of,
    nullable,
    object_of,
    observed,
    standing,
    union,
    without_null,
)

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
TREE = {"type": "object", "required": ["v"], "properties": {"v": NUMBER, "kids": {"items": {"$ref": "#"}}}}
"""A schema that refers to its root."""

NAMED = {"$ref": "#/$defs/a%20b~1%25", "$defs": {"a b/%": {"type": ["integer", "null"]}}}
"""A reference whose pointer needs every escape that there is."""

ANCHORED = {"items": {"$ref": "#here"}, "$defs": {"x": {"$anchor": "here", "type": "string"}}}


def accepts(known, value):
    """Whether a type, or a schema, accepts a value."""
    return not json_schema(known.schema if isinstance(known, Type) else known).errors(value)


names = st.sampled_from(["a", "b", "a b", "x/y", "~", "%", "é", "$defs", "$ref"])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
references = st.sampled_from(["#", "#/$defs/a", "#/$defs/x~1y", "#/$defs/a%20b", "#/properties/a", "#here", "#/$defs"])
plain = st.one_of(
    st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"]).map(lambda t: {"type": t}),
    st.lists(values, min_size=1, max_size=3).map(lambda each: {"enum": each}),
    values.map(lambda value: {"const": value}),
    st.lists(names, max_size=2, unique=True).map(lambda each: {"required": each}),
    st.booleans(),
)


def grown(inner):
    """Schemas around others; a reference stands only where it takes a step down into the value."""
    below = inner | references.map(lambda ref: {"$ref": ref})
    return st.one_of(
        st.dictionaries(names, below, max_size=3).map(lambda each: {"properties": each}),
        st.tuples(st.dictionaries(names, below, max_size=2), below).map(
            lambda pair: {"properties": pair[0], "additionalProperties": pair[1]}
        ),
        below.map(lambda part: {"items": part}),
        below.map(lambda part: {"type": "array", "prefixItems": [part], "items": False}),
        st.tuples(st.sampled_from(["anyOf", "allOf", "oneOf"]), st.lists(inner, min_size=1, max_size=3)).map(
            lambda pair: {pair[0]: pair[1]}
        ),
        inner.map(lambda part: {"not": part}),
        st.tuples(inner, inner).map(
            lambda pair: {"allOf": [pair[0]], "properties": {"b": pair[1]}, "unevaluatedProperties": False}
        ),
    )


parts = st.recursive(plain, grown, max_leaves=5)


@st.composite
def schemas(draw):
    """Schemas that stand alone: a part, and every definition that a reference of it may lead to."""
    root = draw(parts)
    definitions = {name: draw(parts) for name in ("a", "x/y", "a b")}
    definitions["anchored"] = {"$anchor": "here", "items": draw(parts)}
    root = root if isinstance(root, dict) else {"allOf": [root]}
    head = draw(st.sampled_from([{}, {"$id": "https://example.com/it"}, {"$anchor": "top"}]))
    return {**head, **root, "properties": {"a": draw(parts), **root.get("properties", {})}, "$defs": definitions}


@given(schemas(), values)
@example(TREE, {"v": 1, "kids": [{"v": 2, "kids": [{"v": "x"}]}]})
@example(TREE, {"v": 1, "kids": [{"v": 2, "kids": [{"v": 3}]}]})
@example(NAMED, "x")
@example(NAMED, 1)
@example(ANCHORED, [1])
@example({"const": {"$ref": "#"}}, {"$ref": "#"})
@example({"properties": {"$ref": TEXT}}, {"$ref": 1})
def test_a_part_accepts_what_the_whole_did(schema, value):
    """Property: inside a list, an object, a union with null, and out of them again, a schema means the same."""
    verdict, known = accepts(schema, value), Type(schema)
    assert accepts(list_of(known), [value, value]) == verdict
    assert accepts(object_of({"a": known, "x/y": ANYTHING}), {"a": value, "x/y": 1}) == verdict
    assert accepts(object_of({"a": list_of(object_of({"%": known}))}), {"a": [{"%": value}]}) == verdict
    assert accepts(nullable(known, "why"), value) == (verdict or value is None)
    assert accepts(without_null(nullable(known, "why")), value) == verdict
    assert accepts(standing(known, schema), value) == verdict


@given(schemas().map(Type), schemas().map(Type), values)
@example(nullable(Type(TEXT), "first"), nullable(Type(TREE), "second"), None)
def test_a_union_accepts_what_one_of_it_does(one, other, value):
    """Property: a union, with nulls of ours in it or not, accepts just what any branch does."""
    verdict = accepts(one, value) or accepts(other, value)
    assert accepts(union([one, other, one]), value) == verdict
    assert accepts(union([nullable(one, "why"), other]), value) == (verdict or value is None)
    assert accepts(without_null(union([one, nullable(other, "why")])), value) == accepts(
        union([without_null(one), without_null(other)]), value
    )


@given(schemas(), values)
def test_a_part_of_a_schema_stands_alone(schema, value):
    """Property: what is taken out of a schema accepts what it accepted there."""
    member = schema["properties"]["a"]
    root = {"properties": {"a": member}, "$defs": schema["$defs"]}
    assert accepts(standing(Type(member), root), value) == accepts(root, {"a": value})


@pytest.mark.parametrize(
    "schema",
    [
        {"$dynamicRef": "#x", "$defs": {"x": {"$dynamicAnchor": "x", "type": "string"}}},
        {"properties": {"a": {"$id": "https://example.com/a", "items": {"$ref": "#"}}}},
        {"items": {"$ref": "#/nowhere"}},
        {"items": {"$ref": "#/const"}, "const": 1},
        {"items": {"$ref": "https://json-schema.org/draft/2020-12/schema"}},
        {"items": {"$ref": "#x"}, "$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x", "type": "string"}}},
        {"dependencies": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": TEXT}},
    ],
)
def test_what_cannot_be_moved_is_anything(schema):
    """A reference that may mean something else elsewhere makes of its part what accepts everything."""
    assert list_of(Type(schema)) == Type({"type": "array", "items": {}})
    assert object_of({"a": Type(schema), "b": Type(TEXT)}).schema["properties"] == {"a": {}, "b": TEXT}
    assert without_null(nullable(Type(schema), "why")) == ANYTHING


def test_simple_types_look_simple():
    """Types without references are written as one would write them."""
    text, number = Type(TEXT), Type(NUMBER)
    assert list_of(text, 3, 3) == Type({"type": "array", "items": TEXT, "minItems": 3, "maxItems": 3})
    assert object_of({"a": text}) == Type(
        {"type": "object", "properties": {"a": TEXT}, "required": ["a"], "additionalProperties": False}
    )
    assert union([text, number, text]) == Type({"anyOf": [TEXT, NUMBER]})
    assert union([text, text]) == text


def test_definitions_that_nothing_leads_to_stay_behind():
    """What is taken along is what is referred to."""
    schema = {"items": {"$ref": "#/$defs/a"}, "$defs": {"a": TEXT, "b": NUMBER}}
    assert list_of(Type(schema)).schema["$defs"] == {"1": TEXT}


def test_anything_swallows_a_union():
    """A union with anything in it is anything, and so is one of nothing."""
    assert union([Type(TEXT), ANYTHING]) == ANYTHING
    assert union([]) == ANYTHING


def test_a_reason_is_seen_through_unions():
    """The reason of a null is found again, that of anything too; two reasons do not add up, and the first stays."""
    text = Type(TEXT)
    assert nullable(text, "why").why_null == "why"
    assert nullable(text, "").why_null == ""
    assert nullable(ANYTHING, "why").why_null == "why"
    assert any_of([any_of([text, nullable(Type(NUMBER), "why")]), Type(TREE)]).why_null == "why"
    assert union([text, nullable(ANYTHING, "why")]).why_null == "why"
    assert nullable(nullable(text, "why"), "other") == nullable(text, "why")


def test_a_reason_goes_where_its_part_goes():
    """It stands beside the schema, at the place of the null that it is about, and goes along with every part."""
    text = nullable(Type(TEXT), "why")
    made = nullable(list_of(object_of({"anyOf": text})), "other")
    null = "anyOf", 0, "items", "properties", "anyOf", "anyOf", 1
    assert made.nulls == {null: "why", ("anyOf", 1): "other"}
    assert made.why_null == "other"
    member = made.solid().part("items", "properties", "anyOf")
    assert member == text
    assert standing(member, made.schema) == text
    assert union([list_of(text), Type(NUMBER)]).branches()[0] == list_of(text)
    assert (
        union([list_of(text), list_of(nullable(Type(TEXT), "other"))]).branches()[1].part("items").why_null == "other"
    )


def test_a_null_of_the_author_has_no_reason():
    """A null that the author's schema allows stays, whatever the author's comment on it."""
    for comment in ("not known", "yamlgen: it has a `when`"):
        for null in ({"type": "null"}, {"type": "null", "$comment": comment}):
            known = Type({"anyOf": [TEXT, null]})
            assert known.why_null is None
            assert without_null(known) == known
            assert accepts(without_null(nullable(known, "why")), None)


def test_a_type_does_not_grow_without_end():
    """A mapping that holds the mapping before twice, forty times over, says less at some size."""
    made = object_of({"a": Type(TEXT)})
    for _ in range(40):
        made = object_of({"a": made, "b": nullable(made, "why")})
        assert len(json.dumps(made.schema)) < 1 << 18


@given(st.lists(values, max_size=5))
@example([1, 1.0, 2.5, 10**30, 1e300, -0.0])
@example([{"a": {"\ud800": 1, "b": 1}}])
def test_observed_values_satisfy_their_type(each):
    """Property: every value satisfies the type of all of them."""
    schema = observed(each)
    for value in each:
        assert accepts(schema, value) or "\\ud800" in json.dumps(value)


@pytest.mark.parametrize(
    ("each", "schema"),
    [
        ([], {}),
        (["a", "b"], TEXT),
        ([1, 1.0], {"type": "integer"}),
        ([1, 1.5], NUMBER),
        ([True, None, 1], {"type": ["boolean", "integer", "null"]}),
        ([[], [1], ["a"]], {"type": "array", "items": {"type": ["integer", "string"]}}),
        ([[]], {"type": "array"}),
        ([{}], {"type": "object"}),
        (
            [{"a": 1, "b": "x"}, {"a": None}, None],
            {
                "type": ["null", "object"],
                "properties": {"a": {"type": ["integer", "null"]}, "b": TEXT},
                "required": ["a"],
            },
        ),
        ([1, object()], {}),
    ],
)
def test_the_type_that_is_observed(each, schema):
    """Types, items and members of all values together; objects stay open."""
    assert observed(each) == schema


def test_what_is_observed_has_an_end():
    """Six levels down and past two hundred members nothing is said."""
    value = 1
    for _ in range(100):
        value = [value]
    assert json.dumps(observed([value])).count("array") == 6
    assert len(observed([{str(n): n for n in range(1000)}])["properties"]) == 200


def test_a_number_without_a_fraction_is_an_integer():
    """Types are told apart as JSON Schema does; what is no JSON value has none."""
    assert [kind_of(value) for value in (1, 1.0, 1.5, True, ())] == [
        "integer",
        "integer",
        "number",
        "boolean",
        "array",
    ]
    assert kind_of(object()) is None
