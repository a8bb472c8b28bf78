"""What is known of a value that a template or an expression looks into."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from yamlgen.errors import Code
from yamlgen.expressions.static_types import ANYTHING, Absent, NamespaceView, SchemaView, spoken, text_view
from yamlgen.schemas.author_schema import json_schema
from yamlgen.schemas.types import Type, kind_of, list_of, nullable, object_of, union

TEXT = {"type": "string"}
PLACE = {"type": "object", "properties": {"city": TEXT}, "additionalProperties": False}
DEFS = {"place": PLACE, "list": {"type": "array", "items": {"$ref": "#/$defs/place"}}}


def view(known):
    """A value of a type, or of a schema, called `it`."""
    return SchemaView.of(known if isinstance(known, Type) else Type(known), "it")


def refusal(looked, *arguments):
    """What is said when there is no such thing."""
    with pytest.raises(Absent) as caught:
        looked(*arguments)
    return caught.value.message


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({}, set()),
        ({"type": ["string", "null"]}, {"string", "null"}),
        ({"$ref": "#/$defs/list", "$defs": DEFS}, {"array"}),
        ({"$ref": "#"}, set()),
        ({"$ref": "#x", "$defs": {"a": {"$anchor": "x", "type": "string"}}}, {"string"}),
        ({"anyOf": [TEXT, {"type": "array"}]}, {"string", "array"}),
        ({"oneOf": [TEXT, {"minimum": 1}]}, set()),
        ({"anyOf": [TEXT, True]}, set()),
        ({"allOf": [{"type": ["string", "number"]}, {"type": ["integer", "boolean"]}]}, {"integer"}),
        ({"allOf": [{"type": "number"}, {"type": "number"}]}, {"number"}),
        ({"type": "number", "anyOf": [TEXT, {"type": "integer"}, {"type": "boolean"}]}, {"integer"}),
        ({"enum": ["a", 1, 1.5, None]}, {"string", "integer", "number", "null"}),
        ({"const": 2.0}, {"integer"}),
        (nullable(Type(PLACE), "why"), {"object", "null"}),
        (nullable(Type({}), "why"), set()),
    ],
)
def test_the_types_that_a_value_may_have(schema, types):
    """References, unions, `enum` and `const` tell the types; where one branch does not, nothing is known."""
    assert view(schema).types() == types


def test_types_as_a_sentence_names_them():
    """Null comes last, articles fit."""
    assert spoken({"array"}) == "a list"
    assert spoken({"null", "string"}) == "a string or null"
    assert spoken({"object", "integer", "number"}) == "an integer or a number or an object"


def test_a_null_of_ours_has_a_reason_and_is_looked_through():
    """What is below a value that may be null is that of the value, and without the null it has no reason."""
    it = view(nullable(list_of(Type(PLACE)), "`when` did not hold"))
    assert it.null == "`when` did not hold"
    assert it.element().member("city").types() == {"string"}
    assert it.member(0).member("city").types() == {"string"}
    assert it.solid().null is None
    assert it.solid().types() == {"array"}
    assert refusal(it.member, "city") == "`it` has no `city`: it is a list"
    element = view(nullable(Type(PLACE), "why")).element()
    assert refusal(element.member, "city") == "an item of `it` has no `city`: it is a string"


def test_a_null_of_the_author_has_no_reason():
    """A null that the schema allows is a type among others."""
    it = view({"anyOf": [PLACE, {"type": "null"}]})
    assert it.null is None
    assert it.solid() == it
    assert it.types() == {"object", "null"}
    assert it.member("city").types() == {"string"}


def test_a_member_that_may_be_null_says_why():
    """The reason is seen on the member of an object, on an item, and on what several branches have."""
    maybe = nullable(Type(TEXT), "why")
    assert view(object_of({"a": maybe})).member("a").null == "why"
    assert view(list_of(maybe)).element().null == "why"
    assert view(union([object_of({"a": maybe}), object_of({"a": Type(PLACE)})])).member("a").null == "why"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": PLACE},
        {"$ref": "#/$defs/list", "$defs": DEFS},
        {"type": "array", "items": {"$ref": "#/$defs/place"}, "$defs": DEFS},
        {"type": ["array", "null"], "items": PLACE},
        {"anyOf": [{"$ref": "#/$defs/list"}, {"type": "null"}], "$defs": DEFS},
        {"type": "array", "allOf": [{"items": PLACE}]},
        {"anyOf": [{"type": "array", "items": PLACE}, {"type": "array", "items": {"$ref": "#/$defs/place"}}]}
        | {"$defs": DEFS},
    ],
)
def test_the_items_of_a_list_are_known(schema):
    """A loop, and a look by number, yield what `items` says, wherever in the schema it stands."""
    for item in (view(schema).element(), view(schema).member(0)):
        assert item.member("city").types() == {"string"}
        assert "has no `town` in its schema" in refusal(item.member, "town")


@pytest.mark.parametrize(
    "schema",
    [
        {"items": PLACE},
        {"type": ["array", "string"], "items": PLACE},
        {"type": "array", "prefixItems": [TEXT], "items": PLACE},
        {"anyOf": [{"type": "array", "items": PLACE}, {}]},
        {"type": "array"},
    ],
)
def test_what_a_loop_yields_may_be_unknown(schema):
    """Where a value may be no list, or an item may have a schema of its own, nothing is said of the items."""
    assert view(schema).element() is ANYTHING
    assert view(schema).member(5) is ANYTHING


def test_a_loop_over_keys_and_characters_yields_text():
    """The keys of an object, of the names in scope, and the characters of a text are text."""
    names = NamespaceView(Code.UNKNOWN_PARAM, "parameter", {"p": ANYTHING})
    for it in (view(PLACE), view({"type": ["object", "string"]}), text_view("it"), names):
        assert it.element().types() == {"string"}
    assert text_view("it").member(0).types() == {"string"}


def test_what_is_no_list_is_told():
    """A loop over what no loop takes is refused with what it is instead."""
    assert refusal(view({"anyOf": [{"type": "integer"}, {"type": "null"}]}).element) == (
        "`it` is not a list: it is an integer or null"
    )


def test_a_member_of_several_branches_is_one_of_theirs():
    """What two branches have is of one type or the other; a branch that cannot have it does not count."""
    circle = {"kind": Type({"const": "circle"}), "r": Type({"type": "number"})}
    it = view(union([object_of(circle), object_of({"kind": Type({"type": "null"})})]))
    assert it.member("kind").types() == {"string", "null"}
    assert it.member("r").types() == {"number"}
    assert "has no `s` in its schema" in refusal(it.member, "s")


def test_the_schema_of_a_view_stands_alone():
    """It has the definitions that it needs; what is unknown is the schema that accepts everything."""
    schema = {"type": "object", "properties": {"home": {"$ref": "#/$defs/place"}}, "$defs": DEFS}
    made = json_schema(view(schema).member("home").type().schema)
    assert not made.errors({"city": "Oslo"})
    assert made.errors({"town": "Oslo"})
    assert ANYTHING.type() == Type({})
    assert NamespaceView(Code.UNKNOWN_STEP, "step", {}).type() == Type({"type": "object"})


def test_views_that_know_nothing_of_null():
    """Anything, and the names in scope, are solid."""
    for it in (ANYTHING, NamespaceView(Code.UNKNOWN_STEP, "step", {})):
        assert it.null is None
        assert it.solid() is it
    assert ANYTHING.types() == set()


def test_a_reference_under_an_id_of_its_own_is_unknown():
    """Where `$id` stands inside, `#` means another root, so nothing is said."""
    schema = {"properties": {"a": {"$id": "https://example.com/a", "items": {"$ref": "#/$defs/x"}}}}
    schema["properties"]["a"]["$defs"] = {"x": TEXT}
    schema["$defs"] = {"x": {"type": "integer"}}
    assert view({**schema, "type": "array", "items": {"$ref": "#/properties/a"}}).element().types() == set()


def test_unions_that_double_come_to_an_end():
    """Thirty unions, each of the next one twice, are given up on in time."""
    definitions = {str(n): {"anyOf": [{"$ref": f"#/$defs/{n + 1}"}, {"$ref": f"#/$defs/{n + 1}"}]} for n in range(30)}
    it = view({"$ref": "#/$defs/0", "$defs": {**definitions, "30": PLACE}})
    assert it.types() == set()
    it.member("city")
    it.element()


keys = st.sampled_from(["a", "b", "title"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", 1.0, 2.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]
leaves = st.one_of(
    st.sampled_from(TYPES).map(lambda kind: {"type": kind}),
    st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True).map(lambda kinds: {"type": kinds}),
    st.lists(values, min_size=1, max_size=3).map(lambda each: {"enum": each}),
    st.sampled_from([True, {"$ref": "#/$defs/a"}, {"$ref": "#here"}]),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.dictionaries(keys, inner, max_size=2), inner | st.booleans()).map(
            lambda pair: {"properties": pair[0], "additionalProperties": pair[1]}
        ),
        inner.map(lambda part: {"type": "array", "items": part}),
        st.tuples(inner, inner).map(lambda pair: {"prefixItems": [pair[0]], "items": pair[1]}),
        st.tuples(st.sampled_from(["anyOf", "allOf", "oneOf"]), st.lists(inner, min_size=1, max_size=3)).map(
            lambda pair: {pair[0]: pair[1]}
        ),
        st.tuples(inner, inner).map(lambda pair: {"allOf": [pair[0]], "patternProperties": {"^t": pair[1]}}),
    ),
    max_leaves=8,
)
definitions = st.tuples(leaves.filter(lambda part: "$ref" not in str(part)), schemas).map(
    lambda pair: {"a": pair[0], "x": {"$anchor": "here", "properties": {"a": pair[1]}}}
)


def seen(it, value, look, found):
    """Whether what is found in a value satisfies what its view says of it; it may not say that there is none."""
    assert not it.types() or kind_of(value) in it.types() or (kind_of(value) == "integer" and "number" in it.types())
    assert not json_schema(it.type().schema).errors(value)
    below = look(it)
    assert not below.types() or kind_of(found) in below.types() | ({"integer"} if "number" in below.types() else set())
    assert not json_schema(below.type().schema).errors(found)
    return below


def walk(it, value):
    """Look at everything in a value, with its view beside it."""
    if isinstance(value, dict):
        for key, found in value.items():
            walk(seen(it, value, lambda view, key=key: view.member(key), found), found)
            seen(it, value, lambda view: view.element(), key)
    if isinstance(value, list):
        for index, found in enumerate(value):
            walk(seen(it, value, lambda view, index=index: view.member(index), found), found)
            walk(seen(it, value, lambda view: view.element(), found), found)


OF_TYPE = {
    "null": st.none(),
    "boolean": st.booleans(),
    "integer": st.integers(),
    "number": st.integers() | st.sampled_from([1.0, 2.5]),
    "string": st.sampled_from(["", "x"]),
    "array": st.lists(values, max_size=3),
    "object": st.dictionaries(keys, values, max_size=3),
}


def fitting(schema, defs):
    """Values that a schema asks for; where several parts hold at once, those of one of them."""
    match schema:
        case {"$ref": place}:
            target = defs["a" if place == "#/$defs/a" else "x"]
            return st.deferred(lambda: fitting(target, defs))
        case {"anyOf": parts} | {"allOf": parts} | {"oneOf": parts}:
            return st.one_of([fitting(part, defs) for part in parts])
        case {"enum": members}:
            return st.sampled_from(members)
        case {"prefixItems": [first], "items": rest}:
            either = st.tuples(fitting(first, defs), st.lists(fitting(rest, defs), max_size=2))
            return either.map(lambda pair: [pair[0], *pair[1]])
        case {"items": part}:
            return st.lists(fitting(part, defs), max_size=3)
        case {"properties": parts}:
            return st.fixed_dictionaries({}, optional={name: fitting(part, defs) for name, part in parts.items()})
        case {"type": kinds}:
            return st.one_of([OF_TYPE[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)])
        case _:
            return values


@st.composite
def accepted(draw):
    """A schema, its own null or not, with a value that it accepts."""
    schema, defs = draw(schemas), draw(definitions)
    schema = schema if isinstance(schema, dict) else {"allOf": [schema]}
    whole = Type({**schema, "$defs": defs})
    value = draw(fitting(schema, defs))
    if draw(st.booleans()):
        whole, value = nullable(whole, "why"), draw(st.sampled_from([value, value, None]))
    assume(not json_schema(whole.schema).errors(value))
    return whole, value


@given(accepted())
def test_what_is_there_is_what_the_view_says(pair):
    """Property: all that is in an accepted value satisfies the type of the view that leads to it."""
    whole, value = pair
    it = view(whole)
    seen(it, value, lambda view: view, value)
    walk(it, value)


def test_each_of_the_first_items_has_its_own_schema():
    """`prefixItems` says what stands at a place; of the others nothing is known by it."""
    pair = {"type": "array", "prefixItems": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]}
    view = SchemaView.of(Type(pair), "steps.a")
    assert (view.member(0).types(), view.member(1).types()) == ({"string"}, {"array"})
    assert view.member(2).types() == view.member(-1).types() == view.element().types() == set()
