"""Bytes as text: split at LF only, without a byte order mark, and refused with the line where they are no UTF-8.

Text mode would split at other characters too, and could not say which line is not UTF-8.
"""

from __future__ import annotations

from typing import Final

from yamlgen.errors import UsageError
from yamlgen.formats.format import refused

MARK: Final = "\ufeff"
JOINED: Final = "were files joined here? take out the byte order mark (U+FEFF)"


_BEGINNINGS: Final = {
    b"PK\x03\x04": ("a ZIP archive, as Excel's workbooks are", "save the table as CSV"),
    b"\xd0\xcf\x11\xe0": ("a workbook of an older Excel", "save the table as CSV"),
    b"PAR1": ("a Parquet file", "convert it to JSONL or CSV"),
    b"SQLite format 3\0": ("a database of SQLite", "export the table as CSV"),
    b"\x1f\x8b": ("compressed by gzip", "unpack it first"),
    b"\xff\xfe\0\0": ("UTF-32", "save the file as UTF-8"),
    b"\xff\xfe": ("UTF-16", "save the file as UTF-8"),
    b"\xfe\xff": ("UTF-16", "save the file as UTF-8"),
}
"""What files of other kinds begin with."""


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
    """Refuse a file of another kind by what it begins with."""
    kind = next((told for begun, told in _BEGINNINGS.items() if raw.startswith(begun)), None)
    if kind is None and raw[1:16:2] in (b"\0" * count for count in range(3, 9)):  # UTF-16 without its mark
        kind = _BEGINNINGS[b"\xff\xfe"]
    if kind is not None:
        raise refused(shown, f"this file is {kind[0]}", kind[1])


def nul(place: str) -> UsageError:
    """The refusal of a NUL byte."""
    return refused(place, "a NUL byte", "is it a text file? save it as UTF-8")
