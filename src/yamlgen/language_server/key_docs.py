"""What the language allows at a place of a pipeline: its keys and values with their descriptions.

Reads the JSON Schema of the language. A place may be incomplete or wrong, so every alternative counts that its parents
do not exclude.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.json_schema import committed
from yamlgen.schemas.keywords import KEYWORDS
from yamlgen.value_objects import JSON

_DEEPEST: Final = 8
_TYPES: Final = ("string", "integer", "number", "boolean", "array", "object", "null")
_COMMON: Final = ("type", "properties", "required", "additionalProperties", "items", "enum", "description")
_KEYWORD_OF_NAMES: Final = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})


@cache
def _language() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(committed())
    return made


def keys_at(path: DataPath, data: JSON) -> dict[str, Mapping[str, Any]]:
    """Return the keys of a mapping that the language knows, each with its schema; empty if they are free names.

    Args:
        path: the path of the mapping.
        data: the data of the file.
    """
    inside = schema_path(path)
    if inside is not None:
        is_names = bool(inside) and inside[-1] in _KEYWORD_OF_NAMES
        return {} if is_names else {word: {} for word in dict.fromkeys((*_COMMON, *KEYWORDS))}
    made: dict[str, Mapping[str, Any]] = {}
    for part in _parts(path, data):
        for name, schema in part.get("properties", {}).items():
            made.setdefault(name, schema)
    return made


def values_at(path: DataPath, data: JSON) -> list[JSON]:
    """Return the values that the language lists for a place: of an enumeration, of a boolean, and a default."""
    inside = schema_path(path)
    if inside is not None:
        is_type = bool(inside) and inside[-1] == "type" and inside[-2:-1] != ("properties",)
        return list(_TYPES) if is_type or inside[-2:-1] == ("type",) else []
    made: list[JSON] = []
    for part in _parts(path, data):
        made += part.get("enum", [part["const"]] if "const" in part else [])
        made += [True, False] if part.get("type") == "boolean" else []
        if part.get("default", "") != "" and not isinstance(part["default"], dict | list):
            made.append(part["default"])
    return list({json.dumps(value): value for value in made}.values())


def documented(path: DataPath, data: JSON) -> str:
    """Return the description of the key that a path ends with, and its default, in Markdown.

    It is empty if the key is a free name, or a keyword of the author's schema.
    """
    if not path or not isinstance(path[-1], str) or schema_path(path[:-1]) is not None:
        return ""
    schema = keys_at(path[:-1], data).get(path[-1])
    if schema is None:
        return ""
    parts = list(_flattened(schema, None, _DEEPEST))
    said = next((str(part["description"]) for part in parts if part.get("description")), "")
    default = next((part["default"] for part in parts if part.get("default", "") != ""), None)
    if default is None or isinstance(default, dict | list) or "Default:" in said:
        return said
    return f"{said}\n\nDefault: `{json.dumps(default)}`"


def schema_path(path: DataPath) -> DataPath | None:
    """Return the path within a JSON Schema of the author, empty for the schema itself; `None` outside of one."""
    match path:
        case ("steps", _, "output", "schema", *rest) | ("params", _, *rest):
            return tuple(rest)
    return None


def _parts(path: Sequence[str | int], data: JSON) -> list[Mapping[str, Any]]:
    """Return the parts of the language's schema that apply to the value at a path."""
    parts = list(_flattened(_language(), data, _DEEPEST))
    for key in path:
        data = below(data, key)
        children = (schema for part in parts for schema in _schemas(part, key))
        parts = [flat for schema in children for flat in _flattened(schema, data, _DEEPEST)]
    return parts


def below(data: JSON, *path: str | int) -> JSON:
    """Return the value at a path of the data of a file, or `None`."""
    for key in path:
        if isinstance(data, dict):
            data = data.get(str(key))
        else:
            data = data[key] if isinstance(data, list) and isinstance(key, int) and key < len(data) else None
    return data


def _schemas(part: Mapping[str, Any], key: str | int) -> Iterator[Mapping[str, Any]]:
    """Yield the schemas of the value under a key of a part."""
    known = part.get("properties", {})
    found = part.get("items") if isinstance(key, int) else known.get(key, part.get("additionalProperties"))
    if isinstance(found, dict):
        yield found


def _flattened(schema: Mapping[str, Any], data: JSON, depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and the alternatives, conditions and references in it that apply to a value."""
    if depth == 0:
        return
    yield schema
    if "$ref" in schema:
        yield from _flattened(_language()["$defs"][schema["$ref"].rpartition("/")[2]], data, depth - 1)
    for word in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(word, ()):
            yield from _flattened(branch, data, depth - 1)
    if "if" in schema:
        is_met, is_open = _holds(schema["if"], data), "properties" not in schema["if"]
        for word in ("then",) * (is_met or is_open) + ("else",) * (not is_met):
            yield from _flattened(schema.get(word, {}), data, depth - 1)


def _holds(condition: Mapping[str, Any], data: JSON) -> bool:
    """Check whether a condition about the keys of a mapping is true."""
    step = data if isinstance(data, dict) else {}
    needed = condition.get("required", ())
    wanted = condition.get("properties", {})
    return all(name in step for name in needed) and all(
        step[name] == each["const"] for name, each in wanted.items() if name in step
    )
