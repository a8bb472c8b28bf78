"""JSON, strictly: what two parsers may read differently is refused.

That is a key twice in one object, NaN, and numbers that overflow.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

from yamlgen.formats.format import cut, refused
from yamlgen.formats.utf8 import JOINED, MARK
from yamlgen.parsing.json_errors import explain
from yamlgen.value_objects import JSON

_GAP: Final = re.compile(r"[ \t\r\n]*")
"""What JSON calls whitespace; `str.strip` would take more."""

_AS_TEXT: Final = "write it as a text, in quotes"


class _NoValueError(ValueError):
    """What JSON does not hold, or holds in two ways: the fact, and the fix."""


def gap_end(text: str, at: int) -> int:
    """Where the whitespace at `at` ends."""
    match = _GAP.match(text, at)
    return match.end() if match else at


def decode(text: str, start: int, shown: str, line: int, hint: str | None = None) -> tuple[Any, int]:
    """The JSON value at `start` of `text`, and where it ends.

    Args:
        text: the text.
        start: where the value begins.
        shown: how messages name the file.
        line: the line of it on which the value begins.
        hint: what to do where no JSON begins at all.

    Raises:
        UsageError: it is no JSON, or of a kind that is refused.
    """
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        line += text.count("\n", start, error.pos)
        column = error.pos - text.rfind("\n", 0, error.pos)
        fact, way = explain(error)
        begins = error.pos == start and text[start : start + 1] not in ("/", "#", "<")
        if text.startswith(MARK, error.pos):
            way = JOINED
        elif begins or text[start:].strip() in ("{", "["):
            way = hint or way
        raise refused(f"{shown}:{line}:{column}", f"not JSON: {fact}", way) from error
    except RecursionError as error:
        raise refused(f"{shown}:{line}", "nested too deeply", "keep the nested value as a text") from error
    except _NoValueError as error:
        raise refused(f"{shown}:{line}", *error.args) from error
    except ValueError as error:  # of the interpreter's own limit on digits
        raise refused(f"{shown}:{line}", "a number of thousands of digits", _AS_TEXT) from error


def brief(value: JSON) -> str:
    """A value as JSON in a message, no longer than a line."""
    return cut(json.dumps(value, ensure_ascii=False))


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"the key {brief(twice)} stands twice in one object"
        raise _NoValueError(message, "rename or remove one of them")
    return row


def _constant(name: str) -> NoReturn:
    message = f"not JSON: {name} is none of its values"
    raise _NoValueError(message, "write `null`, or a text in quotes")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        message = f"the number {cut(text)} is out of range"
        raise _NoValueError(message, _AS_TEXT)
    return number


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
