"""Schemas written in short, such as `{name: string}`: what they would be in full."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

from yamlgen.values import JSON

_TYPES: Final = {"str": "string", "text": "string", "int": "integer", "float": "number", "bool": "boolean"} | {
    name: name for name in ("string", "integer", "number", "boolean", "array", "object")
}
_LONGEST: Final = 240

IN_SHORT: Final = "this names no keyword of JSON Schema: every answer would fit it"


def in_full(part: dict[str, Any], keywords: Collection[str]) -> str | None:
    """The hint that shows the schema which a mapping from names to types was meant to be; `None` where it is none.

    Args:
        part: what stands where a schema belongs.
        keywords: those of JSON Schema; a name that is one of them makes it a schema.
    """
    if not part or any(key in keywords for key in part):
        return None
    pairs = [(name, _typed(value)) for name, value in part.items()]
    if any(value is None for _, value in pairs):
        return None
    shown = ", ".join(f"{name}: {value}" for name, value in pairs)
    return f"write `{{type: object, properties: {{{shown if len(shown) <= _LONGEST else '...'}}}}}`"


def typed(value: JSON) -> str | None:
    """`{type: string}` for `string`."""
    return f"{{type: {_TYPES[value]}}}" if isinstance(value, str) and value in _TYPES else None


def _typed(value: JSON) -> str | None:
    if isinstance(value, dict):
        known = typed(value.get("type")) is not None or "enum" in value
        return json.dumps(value, ensure_ascii=False).replace('"', "") if known and len(value) == 1 else None
    if isinstance(value, list) and len(value) == 1 and typed(value[0]):
        return f"{{type: array, items: {typed(value[0])}}}"
    return typed(value)
