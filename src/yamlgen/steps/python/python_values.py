"""Conversion of the results of third-party code to plain JSON values.

Owns the check that every part of a value is JSON. It returns a copy, because a function may continue to change what it
returned, and because a subclass of `str` may behave in any way.
"""

from __future__ import annotations

import math
from typing import Any, Final

from yamlgen.canonical_json import storable
from yamlgen.errors import Code, RowError
from yamlgen.redaction import redact
from yamlgen.value_objects import JSON, MOST_BITS

MOST_DEPTH: Final = 200
MOST_SIZE: Final = 1 << 26
"""In characters; each value counts as `_EACH`, so that a list that contains itself many times is never copied."""
_EACH: Final = 16

_LONGEST: Final = 100
_HINT: Final = (
    "return None, bool, int, float, str, or lists and dicts of them; "
    "`asdict`, `model_dump` or `tolist` can convert other objects"
)


def json_value(name: str, value: Any) -> JSON:
    """Return a copy of a function's result in plain JSON values; a tuple becomes a list.

    Args:
        name: the name of the function, for the message.
        value: its result.

    Raises:
        RowError: a part of it is not a JSON value; the message contains the part and its path.
    """
    try:
        return _plain(value, "$", 0, [MOST_SIZE])
    except _NoJSONError as error:
        what, path = error.args
        path = path if len(path) <= _LONGEST else f"{path[:_LONGEST]}..."
        message = redact(f"`{name}` returned {what} at {path}, which is not a JSON value")
        raise RowError(storable(message), code=Code.INVALID_VALUE, hint=_HINT) from None


class _NoJSONError(Exception):
    """The part that is not JSON, and the path to it."""


def _plain(value: Any, path: str, depth: int, left: list[int]) -> JSON:
    left[0] -= _EACH + (len(value) if isinstance(value, str) else 0)
    if left[0] < 0:
        raise _NoJSONError(f"more than {MOST_SIZE:,} characters in all", path)
    if value is None or value is True or value is False:
        return value
    if depth > MOST_DEPTH:
        raise _NoJSONError(f"a value that is nested more than {MOST_DEPTH} levels deep, or contains itself,", path)
    match value:
        case str():
            return _text(value, path)
        case int():
            if value.bit_length() > MOST_BITS:
                raise _NoJSONError("an integer of more than 400 digits", path)
            return int.__index__(value)
        case float():
            if not math.isfinite(value):
                raise _NoJSONError(f"{float.__repr__(value)}", path)
            return float.__float__(value)
        case list() | tuple():
            return [_plain(item, f"{path}[{index}]", depth + 1, left) for index, item in enumerate(value)]
        case dict():
            return {_key(key, path): _plain(item, f"{path}.{key}", depth + 1, left) for key, item in value.items()}
        case _:
            raise _NoJSONError(_named(value), path)


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return _text(key, path)
    raise _NoJSONError(f"a dict with {_named(key)} as a key", path)


def _text(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _NoJSONError("a string with half of a surrogate pair", path) from None
    return str.__str__(text)


def _named(value: Any) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"
