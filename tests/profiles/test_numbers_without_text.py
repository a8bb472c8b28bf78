"""Numbers without the texts that come from rows and answers."""

import json

import pytest

import profiled_runs as runs
from yamlgen.api.report_numbers import report_numbers
from yamlgen.profiles.fields.field_profile import holds_names


def test_no_text_of_a_row_or_an_answer_is_left(bad_run):
    """Neither ids, nor messages, nor values of texts; counts, codes, keywords and names are the same."""
    _, profile, _ = bad_run
    whole, bare = report_numbers(profile), report_numbers(profile, text=False)
    text = json.dumps(bare)
    assert all(f"T-{number}" not in text for number in range(1, runs.ROWS + 1))
    assert "the model refused" in json.dumps(whole)
    assert "the model refused" not in text
    assert "required property" not in text
    kept = ("step", "code", "keyword", "effect", "count", "row")
    for one, other in zip(whole["failures"], bare["failures"], strict=True):
        assert [one[name] for name in kept] == [other[name] for name in kept]
    assert [each["name"] for each in whole["fields"]] == [each["name"] for each in bare["fields"]]
    assert bare["headline"] == whole["headline"]
    half = next(each for each in bare["fields"] if each["name"] == "half")
    assert half["values"], "those of numbers stay"
    assert not any(each["values"] for each in bare["fields"] if each["kind"] in ("text", "mixed"))


@pytest.mark.parametrize(
    ("kind", "schema", "names"),
    [
        ("number", {}, True),
        ("boolean", {}, True),
        ("text", {}, False),
        ("choice", {}, False),
        ("choice", {"enum": ["a"]}, True),
        ("choice", {"const": "a"}, True),
        ("choice", {"anyOf": [{"enum": ["a"]}, {"const": "b"}]}, True),
        ("choice", {"anyOf": [{"enum": ["a"]}, {"type": "string"}]}, False),
    ],
)
def test_values_that_a_schema_lists_are_names(kind, schema, names):
    """Numbers and booleans say nothing in words; a text does, unless its author has listed it."""
    assert holds_names(kind, schema) is names
