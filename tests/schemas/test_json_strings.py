"""Lists and objects that came as JSON strings: taken where the schema allows no string, left alone elsewhere."""

import json

import pytest

from yamlgen.schemas.author_schema import json_schema
from yamlgen.schemas.json_strings import unpacked

LIST = {"type": "array", "items": {"type": "integer"}}


def properties(**parts):
    """An object schema."""
    return {"type": "object", "properties": parts}


@pytest.mark.parametrize(
    ("schema", "value", "whole", "paths"),
    [
        (properties(a=LIST), {"a": "[1, 2]"}, {"a": [1, 2]}, ["$.a"]),
        (properties(a=LIST), {"a": " \n[1]\n"}, {"a": [1]}, ["$.a"]),
        (properties(a=LIST), '{"a": [1]}', {"a": [1]}, ["$"]),
        (properties(a=LIST), '{"a": "[1]"}', {"a": [1]}, ["$", "$.a"]),
        (properties(a=properties(b=LIST)), {"a": '{"b": "[1]"}'}, {"a": {"b": [1]}}, ["$.a", "$.a.b"]),
        ({"type": "array", "items": LIST}, ["[1]", [2], "[3]"], [[1], [2], [3]], ["$[0]", "$[2]"]),
        (properties(a={"anyOf": [LIST, {"type": "null"}]}), {"a": "[1]"}, {"a": [1]}, ["$.a"]),
        (properties(a={"oneOf": [LIST, properties(b=LIST)]}), {"a": "[1]"}, {"a": [1]}, ["$.a"]),
        ({"anyOf": [{**properties(a=LIST), "required": ["a"]}, LIST]}, {"a": "[1]"}, {"a": [1]}, ["$.a"]),
        ({**properties(a={"$ref": "#/$defs/x"}), "$defs": {"x": LIST}}, {"a": "[1]"}, {"a": [1]}, ["$.a"]),
        (properties(a={"allOf": [{"type": ["array", "null"]}]}), {"a": "[1]"}, {"a": [1]}, ["$.a"]),
        (properties(a={"enum": [[1], [2], None]}), {"a": "[2]"}, {"a": [2]}, ["$.a"]),
        (properties(a={"const": {"b": 1}}), {"a": '{"b": 1}'}, {"a": {"b": 1}}, ["$.a"]),
        ({"additionalProperties": LIST}, {"any": "[1]"}, {"any": [1]}, ["$.any"]),
    ],
    ids=json.dumps,
)
def test_a_string_that_no_schema_allows_there_is_taken_for_what_it_holds(schema, value, whole, paths):
    """At any depth, a string in a string too; what was given is left as it was."""
    before = json.dumps(value)
    assert unpacked(value, json_schema(schema)) == (whole, tuple(paths))
    assert json.dumps(value) == before
    assert json_schema(schema).errors(whole) == ()


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (properties(a={"type": "string", "maxLength": 2}), {"a": "[1]"}),
        (properties(a={"anyOf": [{"type": "string", "maxLength": 2}, LIST]}), {"a": "[1]"}),
        (properties(a={"type": ["string", "array"], "pattern": "^x"}), {"a": "[1]"}),
        (properties(a={"enum": ["x", [1]]}), {"a": "[1]"}),
        (properties(a={"not": {"const": "[1]"}}), {"a": "[1]"}),
        (properties(a={"type": "integer"}), {"a": "1"}),
        (properties(a=LIST), {"a": "1, 2"}),
        (properties(a=LIST), {"a": "[1, 2"}),
        (properties(a=LIST), {"a": "[" * 5000}),
        (properties(a=LIST, b={"type": "string"}), {"b": "[1]", "a": 1}),
    ],
    ids=lambda value: f"{value!r:.60}",
)
def test_other_strings_stay_strings(schema, value):
    """Where a string may stand, or what it holds is no list and no object."""
    assert unpacked(value, json_schema(schema)) == (value, ())
