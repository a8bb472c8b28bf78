"""Which keyword a value breaks is read off the words of the validator, whatever the value is."""

import time

import pytest

from yamlgen.schemas.author_schema import json_schema
from yamlgen.schemas.broken_rules import BrokenRule, broken_rule_in

BROKEN = [
    ("enum", {"enum": ["a", "b"]}, "c"),
    ("enum", {"enum": [1]}, {"a": [1, 2]}),
    ("const", {"const": 3}, 4),
    ("type", {"type": "string"}, 4),
    ("type", {"type": ["string", "null"]}, [1]),
    ("minLength", {"minLength": 3}, "a"),
    ("maxLength", {"maxLength": 1}, "abc"),
    ("minimum", {"minimum": 3}, 1),
    ("maximum", {"maximum": 3}, 9.5),
    ("exclusiveMinimum", {"exclusiveMinimum": 3}, 3),
    ("exclusiveMaximum", {"exclusiveMaximum": 3}, 3),
    ("multipleOf", {"multipleOf": 0.1}, 0.35),
    ("pattern", {"pattern": "^a"}, "b"),
    ("format", {"format": "date"}, "x"),
    ("minItems", {"minItems": 2}, [1]),
    ("maxItems", {"maxItems": 1}, [1, 2]),
    ("uniqueItems", {"uniqueItems": True}, [1, 1]),
    ("contains", {"contains": {"type": "string"}}, [1]),
    ("required", {"required": ["a"]}, {}),
    ("required", {"dependentRequired": {"a": ["b"]}}, {"a": 1}),
    ("additionalProperties", {"properties": {"b": {}}, "additionalProperties": False}, {"a: b": 1}),
    ("unevaluatedProperties", {"unevaluatedProperties": False}, {"a": 1}),
    ("unevaluatedItems", {"unevaluatedItems": False}, [1]),
    ("minProperties", {"minProperties": 1}, {}),
    ("maxProperties", {"maxProperties": 1}, {"a": 1, "b": 2}),
    ("anyOf", {"anyOf": [{"type": "string"}, {"type": "null"}]}, 1),
    ("oneOf", {"oneOf": [{"type": "integer"}, {"minimum": 0}]}, 1),
    ("oneOf", {"oneOf": [{"type": "string"}]}, 1),
    ("not", {"not": {"type": "integer"}}, 1),
    ("false", {"items": False}, [1]),
    ("maxLength", {"maxLength": 9}, "x is not one of a"),
    ("maxLength", {"maxLength": 9}, '", "quoted" does not match "a"'),
    ("maxLength", {"maxLength": 9}, "long" * 1000),
    ("enum", {"enum": ["a"]}, {"text": "is longer than 3 characters " * 100}),
]


@pytest.mark.parametrize(("keyword", "schema", "value"), BROKEN)
def test_the_keyword_of_each_error_is_known(keyword, schema, value):
    """The installed validator's words name the keyword; the text of the value, cut or not, does not mislead."""
    (error,) = json_schema(schema).errors(value)
    assert broken_rule_in(error).keyword == keyword
    assert broken_rule_in(f"item 3: the output is invalid after 2 re-asks: {error}").keyword == keyword


def test_the_place_is_the_same_for_all_items():
    """The numbers of items are left out, the names of fields are not."""
    schema = {"properties": {"tags": {"items": {"properties": {"n": {"maximum": 3}}}}}}
    (error,) = json_schema(schema).errors({"tags": [{"n": 1}, {"n": 9}]})
    assert broken_rule_in(error) == BrokenRule("$.tags[].n", "maximum")
    assert broken_rule_in("$: 4 was expected") == BrokenRule("$", "const")
    assert broken_rule_in('$.tags[2]: "n" is a required property') == BrokenRule("$.tags[].n", "required")


@pytest.mark.parametrize(
    "words",
    [
        "",
        "the answer holds no text",
        "$: the answer is not JSON: a comma is missing",
        "$: nested too deeply",
        "$5 is longer than 3 characters",
        "no number: 3 is less than 4",
    ],
)
def test_other_errors_are_about_no_keyword(words):
    """Neither those of a check, nor those of an answer that is no JSON."""
    assert broken_rule_in(words) == BrokenRule()


def test_words_that_only_look_like_a_path_take_no_time():
    """A name of a property may be anything; the search for the end of a path is limited."""
    started = time.process_time()
    assert broken_rule_in("$." * 200_000) == BrokenRule()
    assert time.process_time() - started < 1
