"""A value as a few lines for people: `field: value`, with long texts and lists cut, and each cut told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from yamlgen.redaction import redact
from yamlgen.value_objects import JSON
from yamlgen.visible_text import visible

MOST_TEXT: Final = 600
"""Characters of a text that are shown."""

_LONGEST_NAME: Final = 100
_NAMELESS: Final = '""'
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode  # `dumps` would make an encoder for each value
_MOST_BREAKS: Final = 12
MOST_LINES: Final = 24
"""Lines of a value that are shown."""

_MOST_COLUMNS: Final = 40
_DEEPEST: Final = 6
"""Values that lie deeper are shown as JSON."""


@dataclass(frozen=True, slots=True)
class ValueLine:
    """One line of a value; its text may have several lines.

    Attributes:
        depth: how deep it is nested, from 0.
        name: the field, or the number of an item with a full stop; empty for a value without a name.
        text: the text, with control characters as escapes; empty above nested lines.
        left_out: what is not shown, as a phrase; empty if all is.
    """

    depth: int
    name: str
    text: str
    left_out: str = ""


def value_lines(value: JSON, *, most: int = MOST_LINES, most_text: int = MOST_TEXT) -> tuple[ValueLine, ...]:
    """Return a value as lines: a text as it is, other values as JSON, mappings and lists nested.

    Args:
        value: the value.
        most: the most lines.
        most_text: the most characters of a text.
    """
    return _first(_lines(value, "", 0, most_text), most, "value")


def column_lines(columns: Mapping[str, JSON]) -> tuple[ValueLine, ...]:
    """Return the columns of a row as lines, each column with its value."""
    lines = [line for name in islice(columns, _MOST_COLUMNS) for line in _named(columns[name], name or _NAMELESS)]
    more = len(columns) - _MOST_COLUMNS
    return (*lines, *([_rest(more, "column")] if more > 0 else []))


def scalars(value: JSON) -> Iterator[JSON]:
    """Yield all that is not a mapping or a list in a value."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from scalars(each)
    else:
        yield value


def clean(text: str) -> str:
    """Return a text without API keys, and with control characters as escapes."""
    return visible(redact(text))


def cut(text: str, most: int = MOST_TEXT) -> tuple[str, str]:
    """Return the beginning of a text, cleaned, and how many characters are left out, as a phrase."""
    text = text.replace("\r\n", "\n")
    end, at = min(len(text), most), -1
    for _ in range(_MOST_BREAKS):
        at = text.find("\n", at + 1, end)
        if at < 0:
            break
    else:
        end = at
    more = len(text) - end
    return clean(text[:end]), f"{more:,} more character{'' if more == 1 else 's'}" if more else ""


def _named(value: JSON, name: str) -> tuple[ValueLine, ...]:
    return _first(_lines(value, name, 0, MOST_TEXT), MOST_LINES, "value")


def _first(lines: Iterator[ValueLine], most: int, what: str) -> tuple[ValueLine, ...]:
    shown = tuple(islice(lines, most))
    more = sum(1 for _ in lines)
    return (*shown, _rest(more, what)) if more else shown


def _rest(number: int, what: str) -> ValueLine:
    return ValueLine(0, "", "", f"{number:,} more {what}{'' if number == 1 else 's'}")


def _lines(value: JSON, name: str, depth: int, most_text: int) -> Iterator[ValueLine]:
    name = clean(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…").replace("\n", " ")
    if value and isinstance(value, dict | list) and depth < _DEEPEST:
        inner = depth
        if name:
            yield ValueLine(depth, name, "")
            inner += 1
        members = value.items() if isinstance(value, dict) else ((f"{n}.", each) for n, each in enumerate(value, 1))
        for key, each in members:
            yield from _lines(each, str(key) or _NAMELESS, inner, most_text)
        return
    text = value if isinstance(value, str) and value else _encode(value)
    yield ValueLine(depth, name, *cut(text, most_text))
