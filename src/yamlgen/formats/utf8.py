"""Decodes bytes as UTF-8, without a byte order mark; an error names the line of the first invalid byte.

Lines are split at LF only. Python's text mode splits at other characters too, and does not report the line.
"""

from __future__ import annotations

from typing import Final

from yamlgen.errors import UsageError
from yamlgen.formats.format import refused

MARK: Final = "\ufeff"
JOINED: Final = "were files joined here? remove the byte order mark (U+FEFF)"


_BEGINNINGS: Final = {
    b"PK\x03\x04": ("a ZIP archive, such as an Excel workbook", "save the table as CSV"),
    b"\xd0\xcf\x11\xe0": ("a workbook in the old Excel format", "save the table as CSV"),
    b"PAR1": ("a Parquet file", "convert it to JSONL or CSV"),
    b"SQLite format 3\0": ("an SQLite database", "export the table as CSV"),
    b"\x1f\x8b": ("compressed with gzip", "decompress it first"),
    b"\xff\xfe\0\0": ("UTF-32", "save the file as UTF-8"),
    b"\xff\xfe": ("UTF-16", "save the file as UTF-8"),
    b"\xfe\xff": ("UTF-16", "save the file as UTF-8"),
}
"""The first bytes of other file types, with the name and the fix of each."""


def text_of(raw: bytes, shown: str, line: int, *, nuls: bool = False) -> str:
    """Decode bytes of a file as UTF-8.

    Args:
        raw: the bytes.
        shown: the name of the file in messages.
        line: the line of the file on which they begin; a byte order mark at the start of line 1 is removed.
        nuls: whether NUL bytes are allowed.

    Raises:
        UsageError: the bytes are not UTF-8, belong to another file type, or contain a NUL byte.
    """
    try:
        if line == 1:
            _refuse_others(raw, shown)
        text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line += raw.count(b"\n", 0, error.start)
        problem = f"not UTF-8: byte 0x{raw[error.start]:02x}"
        raise refused(f"{shown}:{line}", problem, "save the file as UTF-8") from error
    if "\0" in text and not nuls:
        raise nul(f"{shown}:{line + text.count(chr(10), 0, text.index(chr(0)))}")
    return text


def _refuse_others(raw: bytes, shown: str) -> None:
    """Refuse a file of another type, recognized by its first bytes."""
    kind = next((told for begun, told in _BEGINNINGS.items() if raw.startswith(begun)), None)
    if kind is None and raw[1:16:2] in (b"\0" * count for count in range(3, 9)):  # UTF-16 without its mark
        kind = _BEGINNINGS[b"\xff\xfe"]
    if kind is not None:
        raise refused(shown, f"this file is {kind[0]}", kind[1])


def nul(place: str) -> UsageError:
    """Return the error for a NUL byte."""
    return refused(place, "the file contains a NUL byte", "is it a text file? then save it as UTF-8")
