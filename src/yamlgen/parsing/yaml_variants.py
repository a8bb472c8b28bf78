"""Placeholders for characters that libyaml reads differently from YAML 1.2: they are replaced by private characters.

Replaces the characters before parsing and restores them after it. A placeholder has the length of its original, so
offsets into the text remain valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

_FOREIGN_BREAKS: Final = "\x85\u2028\u2029"
"""NEL, LS and PS: line ends for libyaml, but not for YAML 1.2 and editors."""

_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
"""A character as a JSON surrogate pair, whose halves libyaml rejects."""


class PlaceholderCharacters:
    """The placeholders of one text.

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
        """Return a scalar's value as the author wrote it. Escapes exist only in double quotes."""
        if self._breaks:
            value = value.translate(self._breaks)
        for pair, own in self._pairs.items():
            value = value.replace(_unescaped(own), _unescaped(pair)) if style == '"' else value.replace(own, pair)
        return value


def _free(text: str) -> Iterator[str]:
    """Return the private characters that a text does not contain, escaped or not."""
    lower = text.lower()
    return (chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in text and f"\\u{code:04x}" not in lower)


def _unescaped(pair: str) -> str:
    """Return the character of a pair of escapes."""
    halves = chr(int(pair[2:6], base=16)) + chr(int(pair[8:], base=16))
    return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
