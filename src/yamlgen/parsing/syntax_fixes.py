"""Fixes of text that is not YAML, where only one text can be meant: quotes, a `:`, a space, no tabs.

They apply to block style, in which a value extends to the end of its line. In brackets it is unclear where it ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from yamlgen.diagnostics import Fix
from yamlgen.parsing.source_map import LINE_END, SourceText

WITHOUT_BRACES: Final = "write an expression without braces"
"""How the hint for a template in place of an expression begins."""

IN_QUOTES: Final = ("put the template in quotes", "put the whole value in quotes")
"""How the hints for a value without quotes begin."""

_BEFORE: Final = re.compile(r"( *(?:- +)*)(?:([\w-]+):[ ]+)?(?:&[\w-]+[ ]+)?")
"""Matches what precedes a value on its line."""

_BRACES: Final = re.compile(r"\{\{[-+]?\s*([A-Za-z_(].*?)\s*[-+]?\}\}")
_UNSAFE: Final = re.compile(r":(?:\s|$)|\s#|\}\}|\{\{")
"""Finds what ends or changes a string without quotes, and a second template."""

_TEXT_BEGINS: Final = re.compile(r"[|>][-+\d]*\s*$")
"""Finds, at the end of a line, what begins a block of text."""

_KEY: Final = re.compile(r" *([\w-]+):(?:\s|$)")
_WORD: Final = re.compile(r" *([\w-]+)(?::\S)?")
_TEXTS: Final = frozenset({"prompt", "system", "content", "message", "description"})
_WORDS: Final = frozenset({"version", "name", "model", "id", "kind", "path", "file", "when", "value"})
_VALUES: Final = _TEXTS | _WORDS | {"output", "schema"}
"""The keys whose value is usually on their line."""


def quoted(source: SourceText, start: int, hint: str | None) -> Fix | None:
    """Return the fix that puts the value at an offset in quotes, or for an expression, removes its braces."""
    hint = hint or ""
    end = _end_of_value(source, start)
    if end is None or not hint.startswith((WITHOUT_BRACES, *IN_QUOTES)):
        return None
    value = source.text[start:end]
    if hint.startswith(WITHOUT_BRACES):
        inner = _BRACES.fullmatch(value)
        return None if inner is None or _UNSAFE.search(inner[1]) else Fix(source.exactly(start, end), inner[1])
    if value.endswith(('"', "'")) and value.count(value[-1]) % 2:  # it may be the second of two
        is_first = value.count('"') + value.count("'") == 1 and "\\" not in value
        return Fix(source.exactly(start, start), value[-1]) if is_first else None
    quote = next((each for each in ('"', "'") if each not in value and (each == "'" or "\\" not in value)), None)
    return None if quote is None else Fix(source.exactly(start, end), f"{quote}{value}{quote}")


def quoted_text(source: SourceText, at: int) -> Fix | None:
    """Return the fix for a `:` in the text of a prompt at an offset, or `None` if keys may be meant."""
    line = source.line_start(at)
    before = re.compile(r" *(?:- +)*([\w-]+):[ ]+").match(source.text, line)
    if before is None or before[1] not in _TEXTS or source.text.startswith(("file:", "template:"), before.end()):
        return None
    return quoted(source, before.end(), IN_QUOTES[1])


def _end_of_value(source: SourceText, start: int) -> int | None:
    """Return the offset at which the value at an offset ends, or `None` if it is unclear."""
    line = source.line_start(start)
    before = _BEFORE.fullmatch(source.text, line, start)
    stop = LINE_END.search(source.text, start)
    value = source.text[start : stop.start() if stop else len(source.text)].rstrip()
    is_open = value.endswith((",", "]")) or (value.endswith("}") and not value.endswith(("}}", "%}")))
    if before is None or not before[0].strip() or is_open or re.search(r"\s#", value) or value[:1] in ('"', "'"):
        return None
    below = next((each for each in LINE_END.split(source.text[start:])[1:] if each.strip()), "")
    depth = len(before[1]) if before[2] else before[1].rfind("-")
    return start + len(value) if len(below) - len(below.lstrip(" ")) <= depth else None  # otherwise it goes on there


def separated(source: SourceText, lines: Sequence[str], number: int, end: int) -> Fix | None:
    """Return the fix for a line whose key is not followed by `: `, or `None` if the line may be text.

    Args:
        source: the text.
        lines: its lines.
        number: the index of the line.
        end: the column, from 0, at which the key ends.
    """
    line, depth = lines[number], len(lines[number]) - len(lines[number].lstrip(" "))
    above = (each for each in reversed(lines[:number]) if each.strip() and not each.lstrip().startswith("#"))
    beside = next((each for each in above if len(each) - len(each.lstrip(" ")) <= depth), "")
    word, key, rest = _WORD.match(line), _KEY.match(beside), line[end:].strip()
    if word is None or rest.startswith("://") or (rest and word[1] not in _VALUES):
        return None
    is_first = len(beside) - len(beside.lstrip(" ")) < depth
    if depth and (key is None or (is_first and (key[1] in _TEXTS or word[1] not in _VALUES))):  # perhaps it is text
        return None
    at = source.offset(number + 1, end + 1)
    return Fix(source.exactly(at + 1, at + 1), " ") if rest.startswith(":") else Fix(source.exactly(at, at), ":")


def outdented(source: SourceText, start: int) -> Fix | None:
    """Return the fix that moves the key at an offset, with its value, to the top of the file; `None` in brackets."""
    first = source.line_start(start)
    depth = start - first
    text = source.text[first:]
    end = re.compile(rf"^(?= {{0,{depth}}}[^ \r\n#])", re.MULTILINE).search(text, depth + 1)
    block = text[: end.start()] if end else text
    is_last = end is None or not text.startswith(" ", end.start())  # otherwise the next key would be below this one
    if not depth or text[:depth].strip(" ") or not is_last:
        return None
    return Fix(source.exactly(first, first + len(block)), re.sub(rf"^ {{1,{depth}}}", "", block, flags=re.MULTILINE))


def untabbed(source: SourceText, at: int, hint: str | None) -> Fix | None:
    """Return the fix for a tab at an offset, or `None` if its width is unclear."""
    start = source.line_start(at)
    if hint == "remove the tab":
        stop = LINE_END.search(source.text, at)
        return Fix(source.exactly(start, stop.start() if stop else len(source.text)), "")
    if source.text[start:at].strip():
        return Fix(source.exactly(at, at + 1), " ")
    indents = list(re.finditer(r"^[ \t]+(?=[^\s])", source.text, re.MULTILINE))
    if any(" " in each[0] for each in indents):  # the width of a tab, in spaces, is unknown
        return None
    if _has_tabs_in_text(LINE_END.split(source.text)):  # such as a Makefile in a prompt, which needs them
        return None
    first, last = indents[0].start(), indents[-1].end()
    return Fix(source.exactly(first, last), re.sub(r"^\t+", _spaces, source.text[first:last], flags=re.MULTILINE))


def _has_tabs_in_text(lines: Iterable[str]) -> bool:
    """Check whether a line of a block of text is indented by more tabs than the first one: they belong to the text."""
    holder = first = None
    for line in filter(str.strip, lines):
        depth = len(line) - len(line.lstrip("\t"))
        if holder is None or depth <= holder:
            holder, first = depth if _TEXT_BEGINS.search(line) else None, None
        elif first is None:
            first = depth
        elif depth > first:
            return True
    return False


def _spaces(tabs: re.Match[str]) -> str:
    return "  " * len(tabs[0])
