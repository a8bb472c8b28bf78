"""Messages for the errors of Python's JSON parser, with a fix for each."""

from __future__ import annotations

import json
import re
from typing import Final

_ESCAPE: Final = r"write `\\` for a backslash"
WITHOUT_COMMA: Final = "remove the comma"
"""The hint for a comma after the last value."""

_COMMA: Final = ("nothing follows this comma", WITHOUT_COMMA)
_SENTENCES: Final[dict[str, tuple[str, str | None]]] = {
    "Illegal trailing comma": _COMMA,
    "Expecting property name": ("a key in double quotes is missing here", 'write `"name": value`'),
    "Expecting value": ("a value is missing here", "write a value, or `null`"),
    "Expecting ',' delimiter": ("a comma or the closing bracket is missing here", "add it"),
    "Expecting ':' delimiter": ("a `:` is missing here", 'write `"name": value`'),
    "Unterminated string": ("this quote is never closed", 'end the string with `"`, on the same line'),
    "Invalid control character": ("a string has a control character", r"write it as an escape, such as `\n` or `\t`"),
    "Invalid \\": ("this is not a valid escape", _ESCAPE),
    "Extra data": ("there is more text after the end of the value", "write only one value in a file"),
}
_WORDS: Final = {
    "True": "true",
    "False": "false",
    "None": "null",
    "undefined": "null",
    "nil": "null",
    "TRUE": "true",
    "FALSE": "false",
    "NULL": "null",
}
_SIGNS: Final = {
    "'": "use double quotes: JSON has no single quotes",
    "/": "remove the comment: JSON has no comments",
    "#": "remove the comment: JSON has no comments",
    "<": "is this HTML or XML?",
}
_WORD: Final = re.compile(r"[^\W\d]\w*")
_CLOSES: Final = re.compile(r",[ \t\r\n]*\Z")


def explain(error: json.JSONDecodeError) -> tuple[str, str | None]:
    """Return the fact about invalid JSON, and the fix if there is one."""
    text, at = error.doc, error.pos
    if not text.strip():
        return "it is empty", None
    told = next((told for begun, told in _SENTENCES.items() if error.msg.startswith(begun)), (error.msg, None))
    if not error.msg.startswith("Expecting"):
        return told
    if text[at : at + 1] in ("}", "]") and _CLOSES.search(text[max(0, at - 200) : at]):
        return "nothing follows the last comma", _COMMA[1]
    return told[0], _meant(text, at, error.msg) or told[1]


def _meant(text: str, at: int, message: str) -> str | None:
    """Return the fix for the unexpected character or word at `at`, or `None`."""
    here, word = text[at : at + 1], _WORD.match(text, at)
    if here in _SIGNS:
        return _SIGNS[here]
    if "delimiter" in message:
        is_number = text[at - 1 : at] == "0" and here.isalnum()
        return "write a decimal number without a leading zero" if is_number else None
    if word is not None and "value" in message:
        known = _WORDS.get(word[0])
        return f"write `{known}`" if known else "put a string in double quotes"
    return "begin a number with a digit or `-`" if here in ("+", ".") else None
