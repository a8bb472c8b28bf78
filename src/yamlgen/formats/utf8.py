"""Bytes as text: split at LF only, without a byte order mark, and refused with the line where they are no UTF-8.

Text mode would split at other characters too, and could not say which line is not UTF-8.
"""

from __future__ import annotations

import codecs
from typing import Final

from yamlgen.errors import UsageError
from yamlgen.formats.format import refused

MARK: Final = "\ufeff"
JOINED: Final = "were files joined here? take out the byte order mark (U+FEFF)"


def text_of(raw: bytes, shown: str, line: int, *, nuls: bool = False) -> str:
    """`raw` as text.

    Args:
        raw: the bytes.
        shown: how messages name the file.
        line: their first line in it; a byte order mark at the beginning of the file is dropped.
        nuls: whether they may hold NUL bytes.

    Raises:
        UsageError: they are no text.
    """
    try:
        text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line += raw.count(b"\n", 0, error.start)
        is_wide = line == 1 and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        problem = "this is UTF-16" if is_wide else f"not UTF-8: byte 0x{raw[error.start]:02x}"
        raise refused(f"{shown}:{line}", problem, "save the file as UTF-8") from error
    if "\0" in text and not nuls:
        raise nul(f"{shown}:{line + text.count(chr(10), 0, text.index(chr(0)))}")
    return text


def nul(place: str) -> UsageError:
    """The refusal of a NUL byte."""
    return refused(place, "a NUL byte", "is it a text file? save it as UTF-8")
