"""The prompt of a request as it was sent, with what comes from the columns of its row marked, and each cut told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from yamlgen.redaction import redact
from yamlgen.reports.amount_words import counted
from yamlgen.reports.value_lines import MOST_TEXT, clean, scalars
from yamlgen.value_objects import JSON

LEAST_MARKED: Final = 8
"""Characters of a value that is marked: shorter ones also occur elsewhere."""

_MOST_VALUES: Final = 200
_MOST_MARKS: Final = 20
_MOST_MESSAGES: Final = 8
_NEAR: Final = 120
"""Characters that are shown before and after a mark."""

_ALONE: Final = 160
"""Characters that are shown of a message without a mark."""

_SLACK: Final = 60
"""A text that is longer by so little is shown as a whole."""


def marked_prompt(request: JSON, values: Sequence[str]) -> list[JSON]:
    """Return the messages of a request, the system prompt first.

    Args:
        request: the body of the request.
        values: what is marked, as `marked_values` returns it.

    Returns:
        For each message its role, and its segments: a string is text, a list of one string is text that comes from a
        column, a number is how many characters are left out, and an object says under `note` what else there is.
    """
    asked: Mapping[str, Any] = request if isinstance(request, dict) else {}
    system = asked.get("system")
    messages = asked.get("messages") or []
    sent = [("system", system)] if system else []
    sent += [(str(each.get("role")), each.get("content")) for each in messages if isinstance(each, dict)]
    shown: list[JSON] = []
    for number, (role, content) in enumerate(sent):
        left_out = len(sent) - _MOST_MESSAGES
        if left_out > 0 and number == _MOST_MESSAGES - 1:
            shown.append(["", [{"note": counted(left_out, "more message")}]])
        if left_out <= 0 or number < _MOST_MESSAGES - 1 or number == len(sent) - 1:
            shown.append([clean(role), list(_content(content, values))])
    return shown


def marked_values(columns: Mapping[str, JSON]) -> list[str]:
    """Return the texts of a row that are marked, the longest first; also in the form that they have inside of JSON."""
    found: dict[str, None] = {}
    texts = (str(each) for each in scalars(columns) if isinstance(each, str | int | float))
    for text in islice(map(redact, texts), _MOST_VALUES):
        for form in (text.strip(), json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
            if len(form) >= LEAST_MARKED:
                found[form] = None
    return sorted(found, key=len, reverse=True)


def _content(content: JSON, values: Sequence[str]) -> Iterator[JSON]:
    """Yield the segments of a message, whose blocks that are no text are named."""
    blocks = content if isinstance(content, list) else [content]
    for block in blocks:
        text = block.get("text") if isinstance(block, dict) else block
        if isinstance(text, str):
            yield from segments(redact(text), values)  # before it is cut: half of a key does not look like one
        elif isinstance(block, dict):
            yield {"note": clean(str(block.get("type")))}


def segments(text: str, values: Sequence[str]) -> Iterator[JSON]:
    """Yield the segments of a text, in which these values are marked, the first of them first; long parts are cut."""
    spans = sorted(_spans(text, values))
    if not spans:
        yield from _cut(text, _ALONE, 0)
        return
    at = 0
    for number, (start, end) in enumerate(spans):
        if number == _MOST_MARKS:
            break
        yield from _cut(text[at:start], _NEAR if at else 0, _NEAR)
        yield [clean(text[start : min(end, start + MOST_TEXT)])]
        if end - start > MOST_TEXT:
            yield end - start - MOST_TEXT
        at = end
    yield from _cut(text[at:], _NEAR, 0)


def _spans(text: str, values: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where the values are; of those that overlap, only the one that was found first."""
    taken: list[tuple[int, int]] = []
    for value in values:
        at = text.find(value)
        while at >= 0 and len(taken) < 2 * _MOST_MARKS:
            end = at + len(value)
            if all(end <= start or at >= stop for start, stop in taken):
                taken.append((at, end))
                yield at, end
            at = text.find(value, end)


def _cut(text: str, head: int, tail: int) -> Iterator[JSON]:
    """Yield the beginning and the end of a text, and how many characters are left out between them."""
    more = len(text) - head - tail
    if more <= _SLACK:
        yield from [clean(text)] if text else []
        return
    yield from [clean(text[:head])] if head else []
    yield more
    yield from [clean(text[len(text) - tail :])] if tail else []
