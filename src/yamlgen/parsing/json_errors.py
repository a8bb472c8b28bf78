"""What Python's reader of JSON says of text that is none, in an author's words and with the way out."""

from __future__ import annotations

import json
import re
from typing import Final

_ESCAPE: Final = r"write `\\` for a backslash"
_COMMA: Final = ("nothing stands behind this comma", "remove the comma")
_SENTENCES: Final[dict[str, tuple[str, str | None]]] = {
    "Illegal trailing comma": _COMMA,
    "Expecting property name": ("a key in double quotes is missing here", 'write `"name": value`'),
    "Expecting value": ("a value is missing here", "write it, or `null`"),
    "Expecting ',' delimiter": ("a comma or the closing bracket is missing here", "add it"),
    "Expecting ':' delimiter": ("a `:` is missing here", 'write `"name": value`'),
    "Unterminated string": ("a quote is opened here and never closed", 'end the text with `"`, on the same line'),
    "Invalid control character": ("a control character in a text", r"write it as an escape, such as `\n` or `\t`"),
    "Invalid \\": ("this is no escape", _ESCAPE),
    "Extra data": ("more after the value's end", "keep one value a file"),
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
    "'": "JSON has double quotes only",
    "/": "JSON has no comments",
    "#": "JSON has no comments",
    "<": "is this HTML or XML?",
}
_WORD: Final = re.compile(r"[^\W\d]\w*")
_CLOSES: Final = re.compile(r",[ \t\r\n]*\Z")


def explain(error: json.JSONDecodeError) -> tuple[str, str | None]:
    """The fact about a text that is no JSON, and the fix where there is one."""
    text, at = error.doc, error.pos
    if not text.strip():
        return "there is nothing in it", None
    told = next((told for begun, told in _SENTENCES.items() if error.msg.startswith(begun)), (error.msg, None))
    if not error.msg.startswith("Expecting"):
        return told
    if text[at : at + 1] in ("}", "]") and _CLOSES.search(text[max(0, at - 200) : at]):
        return "nothing stands behind the last comma", _COMMA[1]
    return told[0], _meant(text, at, error.msg) or told[1]


def _meant(text: str, at: int, message: str) -> str | None:
    """The fix by what stands in the place of something else."""
    here, word = text[at : at + 1], _WORD.match(text, at)
    if here in _SIGNS:
        return _SIGNS[here]
    if "delimiter" in message:
        is_number = text[at - 1 : at] == "0" and here.isalnum()
        return "a number in JSON is decimal, without a leading zero" if is_number else None
    if word is not None and "value" in message:
        known = _WORDS.get(word[0])
        return f"write `{known}`" if known else "a text stands in double quotes"
    return "a number in JSON begins with a digit or `-`" if here in ("+", ".") else None
