"""Strict JSON: refuses what parsers read differently, and warns about it in what is written.

That is duplicate keys in an object, NaN, and numbers that overflow; in what is written, lone surrogates.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NoReturn

from yamlgen.formats.format import cut, refused
from yamlgen.formats.utf8 import JOINED, MARK
from yamlgen.parsing.json_errors import explain
from yamlgen.value_objects import JSON

_GAP: Final = re.compile(r"[ \t\r\n]*")
"""JSON's whitespace; `str.strip` removes more characters."""

_SURROGATE: Final = re.compile(rb"(?<!\\)(?:\\\\)*(\\ud[89a-f])")
"""The escape of a lone surrogate, after whole escapes of backslashes: yamlgen writes pairs as characters."""

_PYTHON: Final = re.compile(r"\s*(?:[\[{(].*'|\(|(?:None|True|False|nan)\b)", re.DOTALL)
"""What `str` makes of a value of Python, and JSON does not have."""

_AS_TEXT: Final = "write it as a string, in quotes"


class _NoValueError(ValueError):
    """A value that JSON does not allow, or that parsers read differently; its arguments are the fact and the fix."""


def gap_end(text: str, at: int) -> int:
    """Return where the whitespace at `at` ends."""
    match = _GAP.match(text, at)
    return match.end() if match else at


def decode(text: str, start: int, shown: str, line: int, hint: str | None = None) -> tuple[Any, int]:
    """Return the JSON value at `start` of `text`, and where it ends.

    Args:
        text: the text.
        start: where the value begins.
        shown: the name of the file in messages.
        line: the line of the file on which the value begins.
        hint: the hint if no JSON value begins at `start`.

    Raises:
        UsageError: the text is not valid strict JSON.
    """
    try:
        return _decoded(text, start)
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
    except _NoValueError as error:
        raise refused(f"{shown}:{line}", *error.args) from error


def plain_object(raw: bytes) -> dict[str, Any] | None:
    """Return the object on a line of UTF-8, if it is certainly valid strict JSON and no value in it is an object.

    It takes half the time of `decode`, which also finds out what is wrong. A line has a colon for each key, after a
    quote or whitespace. So if it has no more of them than the object has keys, none appears twice.

    Returns:
        The object; `None` for a line that `decode` must read.
    """
    try:
        text = raw.decode()
        row, end = _PLAIN_DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if type(row) is not dict or text[end:] not in _LINE_ENDS:
        return None
    return row if text.count(":") == len(row) or sum(map(text.count, _COLONS)) == len(row) else None


def decode_cell(text: str, place: str, column: str) -> JSON:
    """Return the JSON value of a cell; `None` for an empty cell.

    Args:
        text: the cell.
        place: the place of its row, for the error.
        column: the column of the cell.

    Raises:
        UsageError: the cell is not valid strict JSON.
    """
    start = gap_end(text, 0)
    if start == len(text):
        return None
    try:
        return _decoded(text, start, is_all=True)[0]
    except json.JSONDecodeError as error:
        fact, way = explain(error)
        if _PYTHON.match(text):
            way = "it seems to be a value of Python: write it with `json.dumps`"
        problem = f"column `{column}` is not JSON: {fact} (character {error.pos + 1} of {cut(text)})"
        raise refused(place, problem, way or f"write JSON, or remove `{column}` from `json_columns`") from error
    except _NoValueError as error:
        raise refused(f"{place}: column `{column}`", *error.args) from error


def _decoded(text: str, start: int, *, is_all: bool = False) -> tuple[Any, int]:
    """Return the value at `start`, and where it ends; raises `JSONDecodeError` or `_NoValueError`."""
    try:
        return (_DECODER.decode(text), len(text)) if is_all else _DECODER.raw_decode(text, start)
    except (json.JSONDecodeError, _NoValueError):
        raise
    except RecursionError as error:
        message = "a value is nested too deeply"
        raise _NoValueError(message, "write the nested value as a string") from error
    except ValueError as error:  # from Python's limit on the digits of an integer
        message = "a number has thousands of digits"
        raise _NoValueError(message, _AS_TEXT) from error


def warned(lines: Iterable[bytes], tell: Callable[[str], object]) -> Iterator[bytes]:
    """Yield lines of JSON unchanged, and warn at the end about lone surrogates, which stay escapes.

    Args:
        lines: the rows, as yamlgen writes them.
        tell: called with the warning.
    """
    first = count = 0
    for number, line in enumerate(lines, start=1):
        if b"\\ud" in line and (found := len(_SURROGATE.findall(line))):
            first, count = first or number, count + found
        yield line
    if count:
        where = f"the first in row {first:,} of the output"
        tell(f"some JSON readers refuse or drop lone surrogates: {count:,} became escapes, {where}")


def brief(value: JSON) -> str:
    """Return a value as JSON for a message, cut to at most 80 characters."""
    return cut(json.dumps(value, ensure_ascii=False))


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"the key {brief(twice)} appears twice in one object"
        raise _NoValueError(message, "rename or remove one of them")
    return row


def _constant(name: str) -> NoReturn:
    message = f"not JSON: {name} is not a JSON value"
    raise _NoValueError(message, "write `null`, or a string in quotes")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        message = f"the number {cut(text)} is out of range"
        raise _NoValueError(message, _AS_TEXT)
    return number


_PLAIN_DECODER: Final = json.JSONDecoder(parse_constant=_constant, parse_float=_float)
_LINE_ENDS: Final = ("\n", "\r\n", "")
_COLONS: Final = ('":', " :", "\t:", "\r:")
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
