"""Parse lists and objects that a model wrote as JSON strings.

Owns when such a string is replaced by its parsed value: if the schema allows no string there. A string that is only
too long, or does not match a pattern, stays a string.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from yamlgen.schemas.author_schema import JSONSchema, spoken_path
from yamlgen.value_objects import JSON

_ROUNDS: Final = 8
"""How many levels of strings within strings are parsed."""

_Path: TypeAlias = tuple[str | int, ...]


def unpacked(value: JSON, schema: JSONSchema) -> tuple[JSON, tuple[str, ...]]:
    """Replace each such string in a value by its parsed value, and return the result with the paths of the strings.

    The value is returned unchanged if it contains no such string. It may still be invalid; the caller checks that.
    """
    paths: list[str] = []
    for _ in range(_ROUNDS):
        found = {path: held for path in _textless(schema.failures(value)) if (held := _held(_at(value, path)))}
        if not found:
            break
        for path, held in found.items():
            value = _replaced(value, path, held[0])
        paths.extend(map(spoken_path, found))
    return value, tuple(dict.fromkeys(paths))


def _textless(failures: Iterable[Any]) -> Iterator[_Path]:
    """Yield the paths of strings where the schema allows none, from the validation errors."""
    for failure in failures:
        path = tuple(failure.instance_path)
        if isinstance(failure.instance, str):
            if _forbids(failure, path):
                yield path
        else:
            for branch in getattr(failure.kind, "context", ()):
                yield from _textless(branch)


def _forbids(failure: Any, path: _Path) -> bool:
    """Whether a validation error means that no string is allowed at a path."""
    if tuple(failure.instance_path) != path:
        return False
    kind = failure.kind
    match kind.name:
        case "type":
            return "string" not in kind.types
        case "enum":
            return not any(isinstance(option, str) for option in kind.options)
        case "const":
            return not isinstance(kind.expected_value, str)
        case "anyOf" | "oneOf":
            branches = getattr(kind, "context", ())
            return bool(branches) and all(any(_forbids(each, path) for each in branch) for branch in branches)
        case _:
            return False


def _held(text: JSON) -> tuple[JSON] | None:
    """Return the list or object in a JSON string, as a tuple of one; `None` if the string contains neither."""
    if not isinstance(text, str) or text.strip()[:1] not in ("[", "{"):
        return None
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return (held,)


def _at(value: JSON, path: _Path) -> JSON:
    for part in path:
        value = value[part]
    return value


def _replaced(value: JSON, path: _Path, held: JSON) -> JSON:
    """Return a copy of a value with the part at a path replaced; all other parts are shared."""
    if not path:
        return held
    first, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[first] = _replaced(value[first], tuple(rest), held)  # type: ignore[index]  # a key of a dict, or an index
    return copy
