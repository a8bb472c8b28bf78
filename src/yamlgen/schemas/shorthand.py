"""Recognize shorthand schemas, such as `{name: string}`, and show the JSON Schema that was meant."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, Final

from yamlgen.value_objects import JSON

_ALIASES: Final = {
    **{name: name for name in ("string", "integer", "number", "boolean", "array", "object", "null")},
    **dict.fromkeys(("str", "text"), "string"),
    "int": "integer",
    **dict.fromkeys(("float", "double", "decimal"), "number"),
    "bool": "boolean",
    **dict.fromkeys(("list", "tuple", "set"), "array"),
    **dict.fromkeys(("dict", "map", "mapping", "json", "struct"), "object"),
    **dict.fromkeys(("none", "nil"), "null"),
}
_FORMATS: Final = {
    "date": "date",
    "datetime": "date-time",
    "time": "time",
    "email": "email",
    "url": "uri",
    "uuid": "uuid",
}
_LISTS: Final = re.compile(r"(?:list|array)\s*[\[<]\s*(\w+)\s*[\]>]|(\w+)\[\]", re.IGNORECASE)
_WORDS: Final = {
    **dict.fromkeys(("choices", "options", "values", "allowed", "oneof"), "did you mean `enum`?"),
    **dict.fromkeys(("nullable", "optional"), 'to allow null, list it in `type`: `type: [string, "null"]`'),
}
_PLAIN: Final = re.compile(r"[A-Za-z][\w-]*( [\w-]+)*")
_LONGEST: Final = 240

IN_SHORT: Final = "the schema contains no JSON Schema keyword: every answer would be valid"


def in_full(part: dict[str, Any], keywords: Collection[str]) -> str | None:
    """Return the hint for a mapping from names to types; `None` if the mapping is not one.

    Args:
        part: the mapping in the place of a schema.
        keywords: the keywords of JSON Schema; a mapping with one of them is a schema.
    """
    form = _object(part, keywords)
    if form is None:
        return None
    return f"write `{form}`" if len(form) <= _LONGEST else "write `{type: object, properties: {...}}`"


def typed(value: JSON) -> str | None:
    """Return `{type: string}` for `string`; `None` if the value is not the name of a type in any common language."""
    if not isinstance(value, str):
        return None
    word = value.strip().lower().removesuffix("?")
    if word in _ALIASES:
        return f"{{type: {_quoted(_ALIASES[word])}}}"
    if word in _FORMATS:
        return f"{{type: string, format: {_FORMATS[word]}}}"
    items = _LISTS.fullmatch(word)
    if items is not None and typed(items[1] or items[2]):
        return f"{{type: array, items: {typed(items[1] or items[2])}}}"
    several = [each.strip() for each in re.split(r"[|,]| or ", word)]
    if len(several) > 1 and all(each in _ALIASES for each in several):
        return f"{{type: [{', '.join(_quoted(_ALIASES[each]) for each in several)}]}}"
    return None


def called(keyword: str) -> str | None:
    """Return the hint for a common synonym of a JSON Schema keyword."""
    return _WORDS.get(keyword.lower().replace("_", ""))


def _object(part: dict[str, Any], keywords: Collection[str]) -> str | None:
    if not part or any(key in keywords for key in part):
        return None
    pairs = [(name, _typed(value, keywords)) for name, value in part.items()]
    if any(value is None for _, value in pairs):
        return None
    return f"{{type: object, properties: {{{', '.join(f'{name}: {value}' for name, value in pairs)}}}}}"


def _typed(value: JSON, keywords: Collection[str]) -> str | None:
    if isinstance(value, dict):
        is_schema = ("type" in value or "enum" in value) and all(key in keywords for key in value)
        is_typed = all(typed(each) is not None for each in _listed(value.get("type", "object")))
        return _object(value, keywords) if not is_schema else _flow(value) if is_typed else "{...}"
    if isinstance(value, list) and len(value) == 1:
        items = _typed(value[0], keywords)
        return items and f"{{type: array, items: {items}}}"
    return typed(value)


def _listed(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else [value]


def _flow(value: JSON) -> str:
    """Return a value in YAML flow style, with the type names of JSON Schema."""
    if isinstance(value, dict):
        pairs = {name: _ALIASES.get(str(child), child) if name == "type" else child for name, child in value.items()}
        return f"{{{', '.join(f'{name}: {_flow(child)}' for name, child in pairs.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    """Return a string in YAML, with quotes if it needs them."""
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in ("null", "true", "false")
    return text if is_plain else json.dumps(text, ensure_ascii=False)
