"""Shortens the values that messages quote, so that they can be recognised.

Every error and diagnostic passes through it, so that a value of a megabyte does not make a message of a megabyte.
"""

from __future__ import annotations

import re
from typing import Final

MOST: Final = 300
"""A message quotes at most this many characters of a value."""

_KEPT: Final = 200
_LONGEST: Final = 2 * MOST

_SPANS: Final = (
    re.compile(rf'(?<!\w)"(?:[^"\\]|\\.){{{MOST - 1},}}"', re.DOTALL),
    re.compile(rf"(?<!\w)'(?:[^'\\]|\\.){{{MOST - 1},}}'", re.DOTALL),
    re.compile(rf"`[^`]{{{MOST - 1},}}`"),
    re.compile(rf"(?<![\w$\]])[\[{{].{{{MOST - 1},}}[\]}}]", re.DOTALL),
    re.compile(rf"\S{{{MOST + 1},}}"),
)
"""Patterns of long values: in quotes, in backticks, in brackets, or a single word."""

_CLOSED: Final = _SPANS[3]
"""The pattern that looks from each opening bracket for the last closing one: none is looked for behind that."""


def brief(text: str) -> str:
    """Return a message with each long value shortened; an ellipsis replaces the rest of the value."""
    if len(text) <= MOST:
        return text
    for span in _SPANS:
        end = max(text.rfind("]"), text.rfind("}")) + 1 if span is _CLOSED else len(text)
        text = span.sub(_beginning, text[:end]) + text[end:]
    return text


def short(text: str) -> str:
    """Return the `brief` message, cut in its middle if it is still long, because values may contain quotes."""
    text = brief(text)
    return text if len(text) <= _LONGEST else f"{text[:MOST]}…{text[-_KEPT:]}"


def _beginning(match: re.Match[str]) -> str:
    found = match[0]
    return f"{found[:_KEPT]}…{found[-1] if not found[-1].isalnum() else ''}"
