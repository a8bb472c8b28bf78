"""Text that is being written, mended so that the rest of it can be read: lines that are no YAML are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

from yamlgen.parsing.source_map import LINE_END, Document, SourceText
from yamlgen.parsing.yaml_parser import MOST_BYTES, compose

CURSOR: Final = "zzcursorzz"
"""Stands at the cursor, to find what is there in the parsed text."""

_MOST_BLANKED: Final = 6
"""How many lines are left out at most."""
_MOST_ABOVE: Final = 12
"""How far above the place where the parser stops a line with an open bracket or quote is looked for."""
_ALONE: Final = re.compile(r"[ \t]*(?:-[ \t]+)*[^\s:#\[\]{},\"'|>&*!%@`-]*")
"""A line with nothing but the beginning of a key or a value."""
_CLOSING: Final = {"{": "}", "[": "]"}


@lru_cache(maxsize=4)
def mended(file: str, text: str, at: int) -> Document | None:
    """Return the parsed text, without the lines that cannot be parsed; `None` if that leaves nothing.

    Args:
        file: the file, as the marks of the document show it.
        text: the text.
        at: the offset of the cursor, at whose line a mistake is looked for first.
    """
    document = _composed(file, text)
    if document is not None or len(text) > MOST_BYTES:
        return document
    start, end = _line(text, at)
    line = text[start:end]
    closed = [line + _closers(line), f"{line}:" if _ALONE.fullmatch(line) else line, " " * len(line)]
    for other in closed:
        if other != line and (document := _composed(file, text[:start] + other + text[end:])) is not None:
            return document
    return _without_broken_lines(file, text, None)


def with_cursor(file: str, text: str, at: int) -> Iterator[Document]:
    """Yield the parsed text with `CURSOR` at the cursor: as a key, and as a value or a part of one, likely ones first.

    Args:
        file: the file, as the marks of the document show it.
        text: the text.
        at: the offset of the cursor.
    """
    if len(text) > MOST_BYTES:
        return
    start, end = _line(text, at)
    before, after = text[start:at], text[at:end]
    is_last = not after.strip(" \t]},")
    value = [f"{before}{CURSOR}{after}", f"{before}{CURSOR}{_closers(before)}"]
    key = [f"{before}{CURSOR}: 0{after if is_last else ''}", f"{before}{CURSOR}: 0{_closers(before)}"]
    lines = dict.fromkeys([*key, *value] if _ALONE.fullmatch(before) else [*value, *key])
    texts = [text[:start] + line + text[end:] for line in lines]
    is_whole = False
    for each in texts:
        if (document := _composed(file, each)) is not None:
            is_whole = True
            yield document
    for each in () if is_whole else texts:
        if (document := _without_broken_lines(file, each, start)) is not None:
            yield document


def _without_broken_lines(file: str, text: str, kept: int | None) -> Document | None:
    """Return the text without the lines at which the parser stops, except the line that begins at `kept`."""
    for _ in range(_MOST_BLANKED):
        document, told = compose(SourceText(file, text), any_root=True)
        if document is not None:
            return document if document.root.kind == "mapping" else None
        if not told:
            return None
        mark = told[-1].mark
        source = SourceText(file, text)
        above = islice(_lines_up(text, source.offset(mark.line, mark.column)), _MOST_ABOVE)
        wrong = [each for each in above if each[0] != kept and text[each[0] : each[1]].strip()]
        if not wrong:
            return None
        start, end = _culprit(text, wrong)
        text = text[:start] + " " * (end - start) + text[end:]
    return None


def _culprit(text: str, lines: list[tuple[int, int]]) -> tuple[int, int]:
    """Return the line to leave out, of the one where the parser stopped and those above it.

    It is one with an open bracket or quote, or a key without its colon above a line that is indented further.
    """
    found = next((each for each in lines if _closers(text[each[0] : each[1]])), None)
    if found is None and len(lines) > 1:
        here, above = (text[start:end] for start, end in lines[:2])
        is_key = _ALONE.fullmatch(above) and len(here) - len(here.lstrip()) > len(above) - len(above.lstrip())
        found = lines[1] if is_key else None
    return found or lines[0]


def _lines_up(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Yield the offsets of the line around an offset, and of the lines above it."""
    start, end = _line(text, at)
    yield start, end
    while start:
        start, end = _line(text, start - 1)
        yield start, end


def _composed(file: str, text: str) -> Document | None:
    document, _ = compose(SourceText(file, text), any_root=True)
    return document if document is not None and document.root.kind == "mapping" else None


def _line(text: str, at: int) -> tuple[int, int]:
    """Return the offsets of the line around an offset, without its line end."""
    start = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
    end = LINE_END.search(text, max(at, start))
    return start, end.start() if end else len(text)


def _closers(line: str) -> str:
    """Return what closes the quotes and brackets that a line opens."""
    waiting: list[str] = []
    quote = ""
    previous = " "
    for number, character in enumerate(line):
        if quote:
            is_escaped = quote == '"' and (number - len(line[:number].rstrip("\\"))) % 2
            quote = "" if character == quote and not is_escaped else quote
        elif character in "\"'" and previous in " \t[{,:-":
            quote = character
        elif character in _CLOSING:
            waiting.append(_CLOSING[character])
        elif waiting and character == waiting[-1]:
            waiting.pop()
        previous = character
    return quote + "".join(reversed(waiting))
