"""The schema that is sent for an author's schema: unchanged, or wrapped in an object if the API requires one.

The mode of a step is chosen by the schema that is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from yamlgen.schemas.types import redirected

WRAP: Final = "value"
"""The only key of the object around a schema that cannot be at the root."""

_KEY: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_DEFINED: Final = ("#/$defs/", "#/definitions/")


def outgoing(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the schema to send, and whether it is wrapped."""
    return (schema, False) if is_plain_object(schema) else (_wrap(schema), True)


def is_plain_object(schema: Mapping[str, Any]) -> bool:
    """Whether a schema can be the input of a tool: an object, not a union, with keys that the API accepts."""
    unions = {"anyOf", "oneOf", "allOf", "$ref"} & set(schema)
    return schema.get("type") == "object" and not unions and all(map(_KEY.fullmatch, schema.get("properties", ())))


def _wrap(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Wrap a schema in an object; its definitions move to the new root, so that references stay valid."""
    inner = {key: value for key, value in schema.items() if key not in ("$defs", "definitions", "$schema", "$id")}
    outer: dict[str, Any] = {
        "type": "object",
        "properties": {WRAP: redirected(inner, _at_value)},
        "required": [WRAP],
        "additionalProperties": False,
    }
    moved = redirected({key: schema[key] for key in ("$defs", "definitions") if key in schema}, _at_value)
    return {**outer, **moved}


def _at_value(ref: str) -> str:
    """Return a reference that starts at the root as one that starts at the wrapped value."""
    moves = (ref == "#" or ref.startswith("#/")) and not ref.startswith(_DEFINED)
    return f"#/properties/{WRAP}{ref[1:]}" if moves else ref
