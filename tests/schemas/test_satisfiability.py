"""Schemas that no value can satisfy, in whole or in part: told where that is sure, and never of a right one."""

import json

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.diagnostics import Mark
from yamlgen.errors import Code
from yamlgen.schemas.author_schema import SchemaLoader
from yamlgen.schemas.satisfiability import contradictions


def told(schema):
    """What is found: the place of each contradiction as a pointer, and whether it is fatal."""
    return [("/".join(map(str, found.path)), not found.is_warning) for found in contradictions(schema)]


def closed(*names, **more):
    """An object of these members alone."""
    return {"type": "object", "additionalProperties": False, "properties": {name: {} for name in names}, **more}


FATAL = {
    "a required name that is closed out": (closed("name", required=["nmae"]), "required/0"),
    "one that no pattern lets in": (
        {"type": "object", "additionalProperties": False, "patternProperties": {"^x": {}}, "required": ["abc"]},
        "required/0",
    ),
    "one that nothing is left unevaluated for": (
        {"type": "object", "unevaluatedProperties": False, "required": ["a"]},
        "required/0",
    ),
    "one that another name requires": (
        closed("a", required=["a"], dependentRequired={"a": ["b"]}),
        "dependentRequired/a/0",
    ),
    "one by the keyword of an older draft": (
        closed("a", required=["a"], dependencies={"a": ["b"]}),
        "dependencies/a/0",
    ),
    "one that may have no value": ({"type": "object", "properties": {"a": False}, "required": ["a"]}, "required/0"),
    "one against the names": ({"type": "object", "propertyNames": {"maxLength": 2}, "required": ["abc"]}, "required/0"),
    "more names than members": ({"type": "object", "maxProperties": 1, "required": ["a", "b"]}, "maxProperties"),
    "fewer names than members": (closed("a", minProperties=2), "minProperties"),
    "members crossed": ({"type": "object", "minProperties": 3, "maxProperties": 2}, "minProperties"),
    "a minimum above the maximum": ({"type": "integer", "minimum": 5, "maximum": 3}, "minimum"),
    "no integer between": ({"type": "integer", "minimum": 1.2, "maximum": 1.8}, "minimum"),
    "bounds that exclude": ({"type": "number", "exclusiveMinimum": 3, "maximum": 3}, "exclusiveMinimum"),
    "no multiple between": ({"type": "integer", "multipleOf": 10, "minimum": 1, "maximum": 9}, "minimum"),
    "lengths crossed": ({"type": "string", "minLength": 5, "maxLength": 3}, "minLength"),
    "items crossed": ({"type": "array", "minItems": 5, "maxItems": 3}, "minItems"),
    "items that may not be there": ({"type": "array", "prefixItems": [{}], "items": False, "minItems": 2}, "minItems"),
    "items of no value": (
        {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 2, "maximum": 1}},
        "items/minimum",
    ),
    "too few different items": (
        {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"enum": ["a", "b"]}},
        "minItems",
    ),
    "more to contain than items": ({"type": "array", "contains": {}, "minContains": 3, "maxItems": 2}, "minContains"),
    "contains crossed": ({"type": "array", "contains": {}, "minContains": 3, "maxContains": 2}, "minContains"),
    "items that never are what is contained": (
        {"type": "array", "items": {"type": "string"}, "contains": {"type": "integer"}},
        "contains",
    ),
    "a constant outside its enum": ({"enum": ["a", "b"], "const": "c"}, "const"),
    "an enum outside its type": ({"type": "string", "enum": [1, 2]}, "enum"),
    "an enum outside its bounds": ({"type": "string", "enum": ["a", "b"], "minLength": 2}, "enum"),
    "a const outside its type": ({"type": "integer", "const": "5"}, "const"),
    "types at odds": ({"type": "string", "allOf": [{"type": "integer"}]}, "allOf/0/type"),
    "bounds at odds": ({"type": "integer", "minimum": 5, "allOf": [{"maximum": 3}]}, "minimum"),
    "a reference at odds": ({"type": "string", "$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}, "$defs/a/type"),
    "branches that all are": ({"type": "string", "anyOf": [{"type": "integer"}, {"type": "null"}]}, "anyOf/0/type"),
    "a required property of no value": (
        {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 5, "maximum": 3}}},
        "properties/a/minimum",
    ),
    "one that is needed in itself": (
        {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#"}}},
        "required/0",
    ),
}
BROKEN = {"type": "integer", "minimum": 5, "maximum": 3}
PARTS = {
    "an optional property": ({"type": "object", "properties": {"a": BROKEN}}, "properties/a/minimum"),
    "a branch": ({"anyOf": [BROKEN, {"type": "null"}]}, "anyOf/0/minimum"),
    "a branch beside its siblings": ({"type": "string", "oneOf": [{"type": "integer"}, {}]}, "oneOf/0/type"),
    "what is not": ({"not": BROKEN}, "not/minimum"),
    "a part of an enum": ({"type": "string", "enum": ["a", None]}, "enum/1"),
    "a part of an enum against a pattern": ({"enum": ["a", "b"], "pattern": "^a"}, "enum/1"),
    "the items of a list that may be empty": ({"type": "array", "items": BROKEN}, "items/minimum"),
    "one kind of several": (
        {"type": ["object", "null"], "additionalProperties": False, "required": ["a"]},
        "required/0",
    ),
    "an empty enum": ({"enum": []}, "enum"),
}
SILENT = (
    {"type": "object", "additionalProperties": False, "patternProperties": {"^x": {}}, "required": ["xyz"]},
    {"type": "array", "items": {"type": ["string", "integer"]}, "contains": {"type": "integer"}},
    {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "null"}, "contains": {"type": "integer"}},
    {"enum": ["b"], "const": "b"},
    *(True, {}, {"not": {}}, False, {"allOf": [False]}, {"anyOf": [False, {}]}, {"type": "array", "contains": False}),
    *({"properties": {"a": False}}, {"items": False}, {"type": "array", "prefixItems": [{}], "items": False}),
    *(
        {"type": "number", "minimum": 1.2, "maximum": 1.8},
        {"type": "number", "multipleOf": 0.5, "minimum": 1, "maximum": 1},
    ),
    *({"type": "integer", "const": 5.0}, {"enum": [1, "a", None]}, {"type": ["string", "null"], "enum": ["a", None]}),
    closed("a", required=["b"], patternProperties={"^b": {}}),
    {"type": "object", "required": ["b"], "unevaluatedProperties": False, "allOf": [{"properties": {"b": {}}}]},
    {"type": "object", "required": ["a"], "properties": {"a": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}},
    {"type": "array", "items": {"$ref": "#"}},
    {"type": "array", "minItems": 2, "uniqueItems": True, "items": {"type": "boolean"}},
    {"type": "string", "pattern": "^$", "minLength": 3},
    {"if": {"type": "string"}, "then": {"maxLength": 3}, "else": {"type": "integer"}},
)


@pytest.mark.parametrize(("schema", "place"), FATAL.values(), ids=FATAL)
def test_a_schema_without_a_value_is_told(schema, place):
    """The one keyword that cannot be met is named, and the schema as a whole has no value."""
    assert told(schema) == [(place, True)]


@pytest.mark.parametrize(("schema", "place"), PARTS.values(), ids=PARTS)
def test_a_part_without_a_value_is_no_error(schema, place):
    """What others can stand for is told, and is not fatal."""
    assert told(schema) == [(place, False)]


@pytest.mark.parametrize("schema", SILENT, ids=json.dumps)
def test_a_right_schema_is_passed_in_silence(schema):
    """Schemas with values, and those that say outright that they have none."""
    assert told(schema) == []


def test_a_large_schema_is_looked_at_in_time():
    """Branches within branches, each with each, end."""
    branch = {"anyOf": [{"properties": {f"p{n}": {"$ref": "#/$defs/a"}}, "required": [f"p{n}"]} for n in range(8)]}
    schema = {"type": "object", "allOf": [branch] * 8, "$defs": {"a": {"allOf": [branch] * 8}}}
    assert told(schema) == []


NAMES = st.sampled_from("abc")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from((0.5, 1.0, -2.5)) | st.text("xy", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
NUMBERS = st.integers(-6, 6) | st.sampled_from((0.5, 1.5, -2.5))
SIZES = st.integers(0, 4)
TYPES = st.sampled_from(("null", "boolean", "integer", "number", "string", "array", "object"))
SCHEMAS = st.recursive(
    st.booleans()
    | st.fixed_dictionaries({}, optional={"type": TYPES, "enum": st.lists(VALUES, min_size=1, max_size=3)}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "enum": st.lists(VALUES, max_size=3),
            "const": VALUES,
            **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), NUMBERS),
            "multipleOf": st.sampled_from((1, 2, 3, 0.5)),
            **dict.fromkeys(
                ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), SIZES
            ),
            **dict.fromkeys(("minContains", "maxContains"), SIZES),
            "uniqueItems": st.booleans(),
            "pattern": st.sampled_from(("x", "^y$")),
            "required": st.lists(NAMES, max_size=2, unique=True),
            **dict.fromkeys(
                ("dependentRequired",), st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=2)
            ),
            "dependencies": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True) | inner, max_size=2),
            **dict.fromkeys(("properties", "dependentSchemas", "$defs"), st.dictionaries(NAMES, inner, max_size=2)),
            "patternProperties": st.dictionaries(st.sampled_from(("a", "^b")), inner, max_size=1),
            **dict.fromkeys(
                ("additionalProperties", "unevaluatedProperties", "propertyNames", "items", "contains"), inner
            ),
            **dict.fromkeys(("unevaluatedItems", "not", "if", "then", "else"), inner),
            **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), st.lists(inner, min_size=1, max_size=2)),
            "$ref": st.sampled_from(("#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#/allOf/0")),
        },
    ),
    max_leaves=6,
)


@given(SCHEMAS, st.lists(VALUES, min_size=5, max_size=30))
def test_a_schema_that_a_value_satisfies_is_never_refused(schema, values):
    """Whatever the validator accepts, the search finds no fatal contradiction."""
    try:
        validator = jsonschema_rs.Draft202012Validator(schema, offline=True)
        is_satisfied = any(map(validator.is_valid, values))
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
        return
    fatal = [found for found in contradictions(schema) if not found.is_warning]
    assert not (is_satisfied and fatal), fatal


@given(VALUES, st.data())
def test_a_schema_made_around_a_value_is_never_refused(value, data):
    """A schema that says of a value what is true of it has that value."""
    assert [found for found in contradictions(around(value, data.draw)) if not found.is_warning] == []


def around(value, draw, depth=0):
    """A schema that says some of what is true of a value."""
    schema = {}
    if draw(st.booleans()):
        schema["enum"] = [*draw(st.lists(VALUES, max_size=2)), value]
    if isinstance(value, dict):
        schema["type"] = draw(st.sampled_from(("object", ["object", "null"])))
        schema["properties"] = {name: around(member, draw, depth + 1) for name, member in value.items()}
        schema["required"] = [name for name in value if draw(st.booleans())]
        schema |= draw(st.sampled_from(({"additionalProperties": False}, {"unevaluatedProperties": False}, {})))
        schema |= {"minProperties": draw(st.integers(0, len(value))), "maxProperties": len(value) + draw(SIZES)}
    elif isinstance(value, list):
        schema["type"] = "array"
        schema["prefixItems"] = [around(item, draw, depth + 1) for item in value] or [{}]
        schema |= {"minItems": draw(st.integers(0, len(value))), "items": draw(st.booleans())}
        if value:
            schema |= {"contains": around(value[0], draw, depth + 1), "maxContains": len(value)}
    elif isinstance(value, str):
        schema |= {"type": "string", "minLength": draw(st.integers(0, len(value))), "maxLength": len(value)}
    elif isinstance(value, int | float) and not isinstance(value, bool):
        schema |= {"minimum": value - draw(st.sampled_from((0, 0.25, 1))), "maximum": value}
        schema |= (
            {"type": "integer", "multipleOf": 1} if float(value).is_integer() else {"exclusiveMaximum": value + 0.1}
        )
    if depth < 2 and draw(st.booleans()):
        word = draw(st.sampled_from(("allOf", "anyOf")))
        schema = {word: [schema, *([around(value, draw, 2)] if word == "allOf" else [draw(SCHEMAS)])]}
    if depth < 2 and draw(st.booleans()):
        schema = {"$ref": "#/$defs/a", "$defs": {"a": schema}} if depth == 0 else {"allOf": [schema, {}]}
    return schema


def test_a_misspelt_keyword_is_told_alone_where_the_schema_allows_no_value_for_it(tmp_path):
    """It is one mistake, and an error."""
    schema = {"type": "object", "propperties": {"a": {}}, "required": ["a"], "additionalProperties": False}
    (tmp_path / "s.json").write_text(json.dumps(schema))
    loader = SchemaLoader(tmp_path, "")
    assert loader.file("s.json", Mark("p.yaml", 1, 1, 1, 2)) is None
    assert [(each.code, each.severity) for each in loader.diagnostics] == [(Code.UNKNOWN_KEYWORD, "error")]
