"""A schema may refer to JSON Schema's own: it is bundled in, and takes what a validator of its draft takes."""

import json

import jsonschema
import pytest

from yamlgen.diagnostics import Mark
from yamlgen.errors import Code
from yamlgen.schemas.author_schema import SchemaLoader

DRAFTS = {
    "https://json-schema.org/draft/2020-12/schema": jsonschema.Draft202012Validator,
    "https://json-schema.org/draft/2019-09/schema": jsonschema.Draft201909Validator,
    "http://json-schema.org/draft-07/schema#": jsonschema.Draft7Validator,
    "http://json-schema.org/draft-06/schema#": jsonschema.Draft6Validator,
}
SCHEMAS = (
    *({}, True, 5, [], {"type": "string"}, {"type": "strng"}, {"type": []}, {"minLength": -1}, {"enum": []}),
    *({"properties": {"a": {"type": "x"}}}, {"properties": {"a": 5}}, {"items": [{}]}, {"items": {"type": 5}}),
    *(
        {"$defs": {"a": {"minLength": -1}}},
        {"definitions": {"a": {"minLength": -1}}},
        {"allOf": [{"not": {"type": 1}}]},
    ),
    *({"dependencies": {"a": 5}}, {"unevaluatedProperties": {"type": 1}}, {"prefixItems": [{"type": 1}]}),
    *({"required": ["a", "a"]}, {"exclusiveMinimum": True}, {"contentSchema": {"type": 1}}, {"if": {"type": 1}}),
)


def loaded(tmp_path, schema):
    """What a file with a schema gives, and what is told of it."""
    (tmp_path / "s.json").write_text(json.dumps(schema))
    loader = SchemaLoader(tmp_path, "")
    return loader.file("s.json", Mark("p.yaml", 1, 1, 1, 2)), loader.diagnostics


@pytest.mark.parametrize("address", DRAFTS)
def test_a_reference_to_a_draft_takes_its_schemas(address, tmp_path):
    """Beside what the author has named alike; what is bundled refers to nothing outside."""
    schema, told = loaded(
        tmp_path, {"properties": {"s": {"$ref": address}}, "$defs": {"json_schema": {"type": "null"}}}
    )
    validator = DRAFTS[address](DRAFTS[address].META_SCHEMA)
    assert told == []
    assert [each for each in SCHEMAS if (not schema.errors({"s": each})) != validator.is_valid(each)] == []
    assert '"$ref": "http' not in schema.text


def test_a_part_of_a_draft_is_there_or_told(tmp_path):
    """By its pointer."""
    part = "http://json-schema.org/draft-07/schema#/definitions/nonNegativeInteger"
    schema, _ = loaded(tmp_path, {"$ref": part})
    assert (schema.errors(1), len(schema.errors(-1))) == ((), 1)
    assert [each.code for each in loaded(tmp_path, {"$ref": f"{part}s"})[1]] == [Code.BAD_REFERENCE]


def test_any_other_address_is_remote(tmp_path):
    """Nothing is fetched."""
    _, told = loaded(tmp_path, {"$ref": "https://json-schema.org/draft/2020-12/hyper-schema"})
    assert [each.code for each in told] == [Code.REMOTE_REFERENCE]
