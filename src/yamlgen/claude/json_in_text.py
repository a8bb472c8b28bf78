"""The JSON that stands in a text: its outermost lists and objects, each read once.

Owns what counts as one. A bracket of prose is none, and what stands inside of it is looked at; a value that begins as
JSON and goes wrong is broken as a whole, and no part of it is taken for an answer. The time is linear in the text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Final

from yamlgen.value_objects import JSON

_MOST: Final = 10_000
_MOST_UNCLOSED: Final = 8
"""How many values are read, and how many that begin and never end; a text with more of them is no answer."""

_STRING: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SPACE: Final = " \t\r\n"
_BEGIN: Final = re.compile(
    rf"\{{[{_SPACE}]*+(?:{_STRING}[{_SPACE}]*+:|\}})"
    rf'|\[[{_SPACE}]*+(?:[\]"]|-?\d|(?:true|false|null|NaN|-?Infinity)\b)',
    re.DOTALL,
)
"""How a list or an object begins, as far as it takes to tell it from a bracket of prose."""

_MARK: Final = re.compile(rf'([\[{{])|([\]}}])|{_STRING}|(")', re.DOTALL)


@dataclass
class FoundJSON:
    """What was found in a text.

    Attributes:
        values: the values, in their order.
        broken: why the last one that is no JSON is none; empty where all are.
    """

    values: list[JSON] = field(default_factory=list)
    broken: str = ""


def find_json(text: str) -> FoundJSON:
    """The JSON values in a text."""
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
    """Why a text is no JSON that can be read, by what reading it raised; Python has advice of its own for some."""
    if isinstance(error, json.JSONDecodeError):
        return str(error)
    return "it is nested too deep" if isinstance(error, RecursionError) else "a number in it has thousands of digits"


def _next(text: str, at: int) -> int | None:
    """Where the next list or object begins: at the first of the `[` that stand before what is no bracket of prose."""
    begin = _BEGIN.search(text, at)
    if begin is None:
        return None
    before = len(text[at : begin.start()].rstrip(f"[{_SPACE}"))
    outer = text.find("[", at + before, begin.start())
    return begin.start() if outer < 0 else outer


def _end(text: str, start: int, left_open: set[int]) -> int | None:
    """Where the brackets that open at `start` are all closed again; those that never are join `left_open`."""
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
