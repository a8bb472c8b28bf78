"""JSON in a text: its outermost lists and objects, each read once.

Owns what counts as JSON. A bracket of prose does not, and the text inside it is searched. A value that begins as JSON
and has an error is broken as a whole: no part of it is used as an answer. The time is linear in the text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Final

from yamlgen.value_objects import JSON

_MOST: Final = 10_000
_MOST_UNCLOSED: Final = 8
"""The maximum of values, and of values without an end; a text with more is not an answer."""

_STRING: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SPACE: Final = " \t\r\n"
_BEGIN: Final = re.compile(
    rf"\{{[{_SPACE}]*+(?:{_STRING}[{_SPACE}]*+:|\}})"
    rf'|\[[{_SPACE}]*+(?:[\]"]|-?\d|(?:true|false|null|NaN|-?Infinity)\b)',
    re.DOTALL,
)
"""The beginning of a list or object, long enough to distinguish it from a bracket of prose."""

_MARK: Final = re.compile(rf'([\[{{])|([\]}}])|{_STRING}|(")', re.DOTALL)


@dataclass
class FoundJSON:
    """The JSON found in a text.

    Attributes:
        values: the values, in order.
        broken: the error of the last broken value; empty if there is none.
    """

    values: list[JSON] = field(default_factory=list)
    broken: str = ""


def find_json(text: str) -> FoundJSON:
    """Return the JSON values in a text."""
    found, left_open, unclosed, read = FoundJSON(), set[int](), 0, 0
    start = _next(text, 0)
    while start is not None:
        end = None if start in left_open else _end(text, start, left_open)
        on = start + 1
        try:
            found.values.append(json.loads(text[start:end], strict=False))
        except json.JSONDecodeError as error:
            found.broken, on = str(error), start + max(error.pos, 1)
        except (ValueError, RecursionError) as error:  # thousands of digits, or of brackets
            found.broken, on = fault_of(error), len(text)
        read, unclosed = read + 1, unclosed + (end is None)
        if read > _MOST or unclosed > _MOST_UNCLOSED:
            return FoundJSON(broken="it holds too many values")
        start = _next(text, on if end is None else end)
    return found


def fault_of(error: ValueError | RecursionError) -> str:
    """Return why a text is not readable JSON. Python's own message contains advice for some errors."""
    if isinstance(error, json.JSONDecodeError):
        return str(error)
    return "it is nested too deep" if isinstance(error, RecursionError) else "a number in it has thousands of digits"


def _next(text: str, at: int) -> int | None:
    """Return where the next list or object begins, including any `[` directly before it."""
    begin = _BEGIN.search(text, at)
    if begin is None:
        return None
    before = len(text[at : begin.start()].rstrip(f"[{_SPACE}"))
    outer = text.find("[", at + before, begin.start())
    return begin.start() if outer < 0 else outer


def _end(text: str, start: int, left_open: set[int]) -> int | None:
    """Return the end of the value at `start`; `None` if it has none. Unclosed brackets are added to `left_open`."""
    opened: list[int] = []
    for mark in _MARK.finditer(text, start):
        match mark.lastindex:
            case 1:
                opened.append(mark.start())
            case 2:
                opened.pop()
                if not opened:
                    return mark.end()
            case 3:
                break
    left_open.update(opened)
    return None
