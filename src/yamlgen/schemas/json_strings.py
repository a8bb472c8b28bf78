"""Lists and objects that a model wrote as JSON strings, put in their places.

Owns when such a string is taken for what it holds: where the schema allows no string at all. A string that is merely
too long, or of the wrong pattern, stays what it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from yamlgen.schemas.author_schema import JSONSchema, spoken_path
from yamlgen.value_objects import JSON

_ROUNDS: Final = 8
"""How deep strings may stand in strings."""

_Path: TypeAlias = tuple[str | int, ...]


def unpacked(value: JSON, schema: JSONSchema) -> tuple[JSON, tuple[str, ...]]:
    """The value with each such string replaced by what it holds, and the paths of these; the value itself if none is.

    It may still be invalid: that is for the caller to check.
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
    """Where a string stands and the schema allows none, by what is wrong with the whole."""
    for failure in failures:
        path = tuple(failure.instance_path)
        if isinstance(failure.instance, str):
            if _forbids(failure, path):
                yield path
        else:
            for branch in getattr(failure.kind, "context", ()):
                yield from _textless(branch)


def _forbids(failure: Any, path: _Path) -> bool:
    """Whether a failure says that no string may stand at a path."""
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
    """The list or the object that a string is."""
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
    """A copy of a value with another part at a path; what lies beside the path is shared."""
    if not path:
        return held
    first, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[first] = _replaced(value[first], tuple(rest), held)  # type: ignore[index]  # a key of a dict, or an index
    return copy
