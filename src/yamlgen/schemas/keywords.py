"""The keywords of JSON Schema draft 2020-12, and a walk over the subschemas of a schema.

`dependencies`, from an older draft, is included because validators support it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import jsonschema_rs

from yamlgen.parsing.source_map import DataPath
from yamlgen.value_objects import JSON

_ONE: Final = frozenset(
    {"additionalProperties", "items", "contains", "not", "if", "then", "else", "propertyNames"}
    | {"unevaluatedItems", "unevaluatedProperties", "contentSchema"}
)
_LIST: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"})
_OTHER: Final = frozenset(
    {"type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"}
    | {"maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains"}
    | {"maxProperties", "minProperties", "required", "dependentRequired", "format", "title", "description"}
    | {"default", "deprecated", "readOnly", "writeOnly", "examples", "contentEncoding", "contentMediaType"}
    | {"$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "$comment"}
)
_BACKTRACKS: Final = 100_000
KEYWORDS: Final = sorted(_ONE | _LIST | _MAP | _OTHER)
FORMATS: Final = (
    *(
        "date",
        "date-time",
        "time",
        "duration",
        "email",
        "idn-email",
        "hostname",
        "idn-hostname",
        "ipv4",
        "ipv6",
        "uuid",
    ),
    *("uri", "uri-reference", "iri", "iri-reference", "uri-template", "json-pointer", "relative-json-pointer", "regex"),
)
"""The formats that are validated; any other format is an annotation."""


def validator_of(schema: JSON) -> jsonschema_rs.Draft202012Validator:
    """Return the validator of a self-contained schema; its patterns cannot hang.

    Raises:
        jsonschema_rs.ValidationError: the schema is invalid.
        jsonschema_rs.ReferencingError: a reference cannot be resolved.
        ValueError: the schema is unusable for another reason.
    """
    options = jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKS)
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True, pattern_options=options)


@lru_cache(maxsize=512)
def is_match(pattern: str, text: str) -> bool:
    """Whether a string matches a pattern; true if that cannot be determined."""
    try:
        return validator_of({"pattern": pattern}).is_valid(text)
    except (jsonschema_rs.ValidationError, ValueError):
        return True


def subschemas(schema: JSON, path: DataPath = ()) -> Iterator[tuple[DataPath, dict[str, Any]]]:
    """Yield every object schema in a schema, itself first, with its path; data (`const`, `enum`) is skipped."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for key, value in schema.items():
        if key in _ONE:
            yield from subschemas(value, (*path, key))
        elif key in _LIST and isinstance(value, list):
            for index, part in enumerate(value):
                yield from subschemas(part, (*path, key, index))
        elif key in _MAP and isinstance(value, dict):
            for name, part in value.items():
                yield from subschemas(part, (*path, key, name))
