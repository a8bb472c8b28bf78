"""The schema that goes out, and that the mode is chosen by the same one everywhere."""

import pytest

from yamlgen.api.loading import check, load
from yamlgen.claude.structured import StructuredOutput
from yamlgen.planning.expansion import resolved
from yamlgen.schemas.author_schema import json_schema
from yamlgen.schemas.root_wrapper import WRAP, outgoing
from yamlgen.steps.config_fields import Settings

PIPELINE = """version: 1
input: {rows: [{name: Oslo}]}
steps:
  draft: {model: claude-haiku-5-5, prompt: Hello, output: {schema: SCHEMA, mode: MODE}}
output: {path: out.jsonl}
"""
POINTS_TO_ITS_ROOT = "{type: array, items: {$ref: '#/$defs/a'}, $defs: {a: {type: string}}}"
SCHEMAS = [
    "{type: array, items: {type: string}}",
    "{enum: [a, b]}",
    "{type: object, properties: {a: {type: string}}}",
    "{type: object, properties: {a b: {type: string}}}",
    "{anyOf: [{type: string}, {type: 'null'}]}",
    POINTS_TO_ITS_ROOT,
    "{}",
]


def test_an_object_goes_out_as_it_is():
    """A schema that can be a tool's is not touched."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert outgoing(schema) == (schema, False)


def test_another_root_is_wrapped_and_its_references_hold():
    """An object stands around what cannot stand at the root, and a reference to the root goes to the value."""
    sent, wrapped = outgoing({"type": "array", "items": {"$ref": "#"}})
    assert wrapped
    assert sent["properties"][WRAP]["items"] == {"$ref": f"#/properties/{WRAP}"}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_resolved_mode_is_the_one_that_is_sent(tmp_path, schema):
    """What `resolved` shows is what a request does."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(PIPELINE.replace("SCHEMA", schema).replace("MODE", "auto"))
    output = resolved(load(path).plan())["steps"]["draft"]["output"]
    sent = StructuredOutput("draft", json_schema(output["schema"]), Settings(id="claude-haiku-5-5"), "auto")
    assert output["mode"] == sent.mode


@pytest.mark.parametrize("schema", SCHEMAS)
def test_native_is_refused_where_it_would_not_be_chosen(tmp_path, schema):
    """A check finds whatever a native request could not be built of."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(PIPELINE.replace("SCHEMA", schema).replace("MODE", "auto"))
    chosen = resolved(load(path).plan())["steps"]["draft"]["output"]["mode"]
    path.write_text(PIPELINE.replace("SCHEMA", schema).replace("MODE", "native"))
    assert (check(path)[0] is not None) == (chosen == "native")
