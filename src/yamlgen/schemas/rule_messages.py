"""Messages for schemas that break the rules of JSON Schema."""

from __future__ import annotations

from typing import Any, Final

from yamlgen.schemas.constraints import shown
from yamlgen.schemas.shorthand import typed
from yamlgen.schemas.type_words import KEYS, described
from yamlgen.suggestions import Hint, Rewrite, knowing, listing, nearest, proposal
from yamlgen.value_objects import JSON

_TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")
_OPEN: Final = ("additionalProperties", "unevaluatedProperties", "unevaluatedItems")
"""The keywords whose value is usually `true` or `false`."""
_LISTS: Final = ("required", "enum", "examples", "allOf", "anyOf", "oneOf", "prefixItems")


def broken_rule(error: Any, data: JSON, path: tuple[Any, ...]) -> tuple[str, str | None]:
    """Return the message and the hint for a validation error of a schema.

    Args:
        error: the error that the metaschema's validator returned.
        data: the schema.
        path: the path of the wrong value in the schema.
    """
    value = data
    for part in path:
        value = value[part]
    key, above = (path[-1], path[-2:-1]) if path else ("", ())
    is_keyword = above not in (("properties",), ("patternProperties",), ("$defs",), ("definitions",))
    if key == "type" and is_keyword and isinstance(value, str):
        return f"`{value}` is not a JSON Schema type", knowing(_type_meant(value), _TYPES)
    if key == "pattern" and is_keyword and isinstance(value, str):
        return f"`{value}` is not a valid regular expression", "use the syntax of JavaScript (ECMA-262)"
    if typed(value) is not None and above == ("properties",):
        return f"`{key}` must be a schema, not `{value}`", f"write `{key}: {typed(value)}`"
    if key == "type" and is_keyword and isinstance(value, list) and None in value:
        return (
            "`type` lists null instead of the name of a type",
            'write "null" in quotes: without quotes, YAML reads it as a null value',
        )
    if key in _OPEN and is_keyword and not isinstance(value, dict | bool):
        return f"`{key}` must be `true`, `false` or a schema, not {_named(value)}", _boolean(value)
    where = f"`{key}`" if path else "the schema"
    wanted = getattr(error.kind, "types", ())
    types = [KEYS[each] for each in wanted if each in KEYS and (each, "object" in wanted) != ("boolean", True)]
    if types and is_keyword:
        return f"{where} must be {' or '.join(types)}, not {_named(value)}", _retyped(path, value)
    return f"{where} cannot be {_named(value)}", None


def _type_meant(word: str) -> str:
    near, form = nearest(word, _TYPES), typed(word)
    if form is not None and word.lower() not in _TYPES:
        written = form.removeprefix("{").removesuffix("}")
        is_plain = written.removeprefix("type: ") in _TYPES
        hint = f"write `{written}`"
        return Rewrite(hint, word, written.removeprefix("type: ")) if is_plain else hint
    if word.lower() == "any":
        return "leave `type` out to allow any value"
    return proposal(word, near, _TYPES, is_language=True) if near else Hint(f"types: {listing(_TYPES)}", _TYPES)


def _boolean(value: JSON) -> str | None:
    """Return the hint for what is neither a boolean nor a schema."""
    if typed(value) is not None:
        return f"write `{typed(value)}`"
    word = {"no": "false", "off": "false", "yes": "true", "on": "true"}.get(str(value).lower())
    word = word or nearest(str(value).lower(), ("true", "false"))
    return None if word is None else f"write `{word}`"


def _retyped(path: tuple[Any, ...], value: JSON) -> str | None:
    """Return the hint for a value of the wrong type."""
    key = path[-1] if path else ""
    if key == "required" and isinstance(value, bool):
        name = path[-2] if path[-3:-2] == ("properties",) else "name"
        return f"list the required names next to `properties`: `required: [{name}]`" if value else "remove it"
    if key == "items" and typed(value) is not None:
        return f"write `items: {typed(value)}`"
    if key == "items" and isinstance(value, list):
        return "write one schema for all items, or use `prefixItems` to list one for each"
    if key == "properties" and isinstance(value, list):
        return "write each name with its schema: `name: {type: string}`"
    if key in _LISTS and isinstance(value, str | int | float):
        return f"write it as a list: `{key}: [{value}]`"
    if isinstance(value, str) and value.removeprefix("-").replace(".", "", 1).isdigit():
        return Rewrite(f"write {value} without quotes", value, value, is_value=True)
    return None


def _named(value: JSON) -> str:
    if not isinstance(value, dict | list | None):
        return shown(value)
    said = described(value, KEYS)
    return said.replace("a ", "an empty ") if value in ({}, []) else said
