"""The mask for secrets in what a server sends: finds any spelling, and replaces it by `[secret]`.

Owns how a key may be spelled: in any case, reversed, with the escapes of JSON, Python, HTML or URLs, over several
lines, as hex or base64. A server that repeats a key may change its spelling.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from html.entities import html5
from typing import Final

from yamlgen.redaction import HIDDEN, LONG_SECRET, is_secret
from yamlgen.value_objects import JSON

_LONGEST: Final = 12
"""The maximum characters that one character of a secret takes in any spelling."""

_ESCAPE: Final = re.compile(
    r"\\+(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([0-7]{3})|([nrt])|)"
    r"|%(?:25)*([0-7][0-9a-fA-F])"
    r"|&(?:amp;)*(?:#0*([0-9]{1,7});?|#[xX]0*([0-9a-fA-F]{1,6});?|([A-Za-z]{2,9});)"
)
_HEX, _OCTAL, _BREAK, _DECIMAL, _NAME = (1, 2, 3, 4, 7, 9), 5, 6, 8, 10
"""The groups of an escape, by their content."""

_BREAKS: Final = dict.fromkeys(map(ord, "\0\\\n\r"))
_WHITE: Final = {**_BREAKS, **dict.fromkeys(map(ord, " \t\v\f"))}
"""Characters allowed between two characters of a secret. Non-ASCII is ignored too, because no key contains it."""

_OF_URLS: Final = str.maketrans("-_", "+/")


class Mask:
    """Finds secrets in texts.

    Args:
        secrets: the secrets; those shorter than any key are ignored.
        least: the minimum length of a secret.
    """

    def __init__(self, secrets: Iterable[str], least: int = 0) -> None:
        hidden = sorted({s for s in secrets if is_secret(s) and len(s) >= least}, key=len, reverse=True)
        self._words = [_Word(secret, _WHITE if len(secret) >= LONG_SECRET else _BREAKS) for secret in hidden]
        self.reach = _LONGEST * max(map(len, hidden), default=0)
        """The maximum characters of a spelling."""

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not self._words

    def finds(self, text: str) -> bool:
        """Return whether a text contains one of them."""
        if not self._words:
            return False
        return any(word.spans(_ascii(view).translate(word.gaps)) for view in _views(text) for word in self._words)

    def hide(self, text: str) -> str:
        """Return the text without them."""
        if not self.finds(text):
            return text
        for word in self._words:
            for pieces in (_letters, _decoded):
                read = [piece for piece in pieces(text) if piece[0].isascii() and ord(piece[0]) not in word.gaps]
                text = _without(text, word, read)
        return text


@lru_cache(maxsize=16)
def mask_of(secrets: tuple[str, ...], least: int = 0) -> Mask:
    """Return the mask for some secrets, built once for all texts."""
    return Mask(secrets, least)


def scrub(value: dict[str, JSON], mask: Mask) -> dict[str, JSON]:
    """Return a value without secrets; the value itself if it contains none."""
    if mask.is_empty:
        return value
    texts: list[str] = []
    _add_texts(value, texts)
    found: dict[str, JSON] = _replaced(value, mask) if mask.finds("\n".join(texts)) else value
    return found


def _add_texts(value: JSON, texts: list[str]) -> None:
    """Add the texts in a value to a list, which is much faster than to yield them."""
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, list):
        for item in value:
            _add_texts(item, texts)
    elif isinstance(value, dict):
        texts.extend(value)
        for item in value.values():
            _add_texts(item, texts)


def _replaced(value: JSON, mask: Mask) -> JSON:
    if isinstance(value, str):
        return mask.hide(value)
    if isinstance(value, list):
        return [_replaced(item, mask) for item in value]
    if isinstance(value, dict):
        return {mask.hide(key): _replaced(item, mask) for key, item in value.items()}
    return value


class _Word:
    """The search for one secret in a text with decoded escapes and without gaps.

    Args:
        secret: the secret itself.
        gaps: the characters that may be between two of its characters.
    """

    def __init__(self, secret: str, gaps: Mapping[int, None]) -> None:
        self.gaps = gaps
        data = secret.encode()
        forms = {form.translate(gaps).lower() for form in (secret, _ESCAPE.sub(_character, secret))}
        hexadecimal = "[-:,]?".join(f"{byte:02x}" for byte in data)
        words = [re.escape(word) for form in sorted(filter(is_secret, forms)) for word in (form, form[::-1])]
        self._folded = re.compile("|".join([*words, hexadecimal]))
        self._encoded = [
            b64encode(bytes(before) + data + bytes(2))[first : (before + len(data)) * 8 // 6].decode()
            for before, first in enumerate((0, 2, 3))
        ]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return the ranges where it occurs."""
        found = [match.span() for match in self._folded.finditer(text.lower())]
        digits = text.translate(_OF_URLS)
        for word in self._encoded:
            found.extend((at, at + len(word)) for at in _places(digits, word))
        return found


def _ascii(text: str) -> str:
    return text if text.isascii() else text.encode("ascii", "ignore").decode()


def _places(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))


def _views(text: str) -> Iterator[str]:
    """Yield a text as it is, and with its escapes decoded."""
    yield text
    if "\\" in text or "%" in text or "&" in text:
        yield _ESCAPE.sub(_character, text)


def _character(escape: re.Match[str]) -> str:
    """Return the character of an escape; an empty string for a lone backslash."""
    kind = escape.lastindex
    if kind is None:
        return ""
    told = escape[kind]
    if kind == _BREAK:
        return "\n"
    if kind == _NAME:
        return html5.get(f"{told};", escape[0])
    number = int(told, 8 if kind == _OCTAL else 10 if kind == _DECIMAL else 16)
    return chr(number) if number < 0x110000 else escape[0]  # noqa: PLR2004 - the end of Unicode


_Piece = tuple[str, int, int]
"""A character, and its range in the text."""


def _letters(text: str) -> Iterator[_Piece]:
    return ((character, at, at + 1) for at, character in enumerate(text))


def _decoded(text: str) -> Iterator[_Piece]:
    end = 0
    for escape in _ESCAPE.finditer(text):
        yield from ((text[at], at, at + 1) for at in range(end, escape.start()))
        end = escape.end()
        yield from ((character, *escape.span()) for character in _character(escape))
    yield from ((text[at], at, at + 1) for at in range(end, len(text)))


def _without(text: str, word: _Word, pieces: list[_Piece]) -> str:
    """Return the text with `[secret]` in place of a word wherever its pieces spell it."""
    rest = len(pieces)
    for first, last in sorted(word.spans("".join(piece[0] for piece in pieces)), reverse=True):
        if last <= rest:
            text = f"{text[: pieces[first][1]]}{HIDDEN}{text[pieces[last - 1][2] :]}"
            rest = first
    return text
