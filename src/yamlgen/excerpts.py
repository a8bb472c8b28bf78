"""How much of a value a message quotes: enough to know it by, and never more.

Owns the one function that every error and diagnostic passes, so that a value of a megabyte makes no message of one.
"""

from __future__ import annotations

import re
from typing import Final

MOST: Final = 300
"""The most characters of a value that a message quotes."""

_KEPT: Final = 200
_LONGEST: Final = 2 * MOST

_SPANS: Final = (
    re.compile(rf'(?<!\w)"(?:[^"\\]|\\.){{{MOST - 1},}}"', re.DOTALL),
    re.compile(rf"(?<!\w)'(?:[^'\\]|\\.){{{MOST - 1},}}'", re.DOTALL),
    re.compile(rf"`[^`]{{{MOST - 1},}}`"),
    re.compile(rf"(?<![\w$\]])[\[{{].{{{MOST - 1},}}[\]}}]", re.DOTALL),
    re.compile(rf"\S{{{MOST + 1},}}"),
)
"""What may be a value: between quotes, between code marks, in brackets, or one word."""


def brief(text: str) -> str:
    """A message with each value in it cut that is longer than a message quotes; of what is cut an ellipsis stands."""
    if len(text) <= MOST:
        return text
    for span in _SPANS:
        text = span.sub(_beginning, text)
    return text


def short(text: str) -> str:
    """A message that is `brief`, and cut in its middle where it is still long: values hold quotes of their own."""
    text = brief(text)
    return text if len(text) <= _LONGEST else f"{text[:MOST]}…{text[-_KEPT:]}"


def _beginning(match: re.Match[str]) -> str:
    found = match[0]
    return f"{found[:_KEPT]}…{found[-1] if not found[-1].isalnum() else ''}"
