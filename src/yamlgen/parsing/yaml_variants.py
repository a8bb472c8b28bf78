"""What libyaml reads otherwise than YAML 1.2 does, in a disguise that it lets pass: private characters.

Owns both ways, so that every offset into the text stays what it was: a piece and its stand-in are equally long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

_FOREIGN_BREAKS: Final = "\x85\u2028\u2029"
"""YAML 1.2 and editors end no line at NEL, LS and PS; libyaml does."""

_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
"""A character as JSON escapes it, in two halves, each of which libyaml refuses."""


class PlaceholderCharacters:
    """What stands for what in one text.

    Attributes:
        text: the text for libyaml.
    """

    def __init__(self, text: str) -> None:
        pairs = dict.fromkeys(match[2] for match in _PAIR.finditer(text)) if "\\u" in text else {}
        breaks = [mark for mark in _FOREIGN_BREAKS if mark in text]
        free = _free(text) if pairs or breaks else iter(())
        stand_ins = dict(zip(breaks, free, strict=False))
        self._breaks: Mapping[int, str] = {ord(own): mark for mark, own in stand_ins.items()}
        self._pairs = {pair: f"\\u{ord(a):04x}\\u{ord(b):04x}" for pair, a, b in zip(pairs, free, free, strict=False)}
        self.text = text.translate({ord(mark): own for mark, own in stand_ins.items()}) if breaks else text
        if pairs:
            self.text = _PAIR.sub(lambda match: match[1] + self._pairs.get(match[2], match[2]), self.text)

    def restored(self, value: str, style: str | None) -> str:
        """A scalar's value as the author wrote it; only between double quotes an escape is one."""
        if self._breaks:
            value = value.translate(self._breaks)
        for pair, own in self._pairs.items():
            value = value.replace(_unescaped(own), _unescaped(pair)) if style == '"' else value.replace(own, pair)
        return value


def _free(text: str) -> Iterator[str]:
    """Private characters that a text does not hold, escaped or not."""
    lower = text.lower()
    return (chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in text and f"\\u{code:04x}" not in lower)


def _unescaped(pair: str) -> str:
    """The text of the two escapes of a pair."""
    halves = chr(int(pair[2:6], base=16)) + chr(int(pair[8:], base=16))
    return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
