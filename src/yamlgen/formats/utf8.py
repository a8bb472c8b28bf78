"""Decodes bytes as UTF-8, without a byte order mark; an error names the line of the first invalid byte.

Lines are split at LF only. Python's text mode splits at other characters too, and does not report the line.
"""

from __future__ import annotations

from typing import Final

from yamlgen.errors import UsageError
from yamlgen.formats.format import ReadContext, refused

_ENCODING: Final = "`encoding`, such as `encoding: cp1252` for a file of Excel on Windows"
MARK: Final = "\ufeff"
JOINED: Final = "were files joined here? remove the byte order mark (U+FEFF)"


_SAVE: Final = "save the file as UTF-8"
_BEGINNINGS: Final = {
    b"PK\x03\x04": ("a ZIP archive, such as an Excel workbook", "save the table as CSV", ""),
    b"\xd0\xcf\x11\xe0": ("a workbook in the old Excel format", "save the table as CSV", ""),
    b"PAR1": ("a Parquet file", "set `format: parquet`, or rename it to `.parquet`", ""),
    b"SQLite format 3\0": ("an SQLite database", "export the table as CSV", ""),
    b"\x1f\x8b": ("compressed with gzip", "decompress it, or add `.gz` to its name", ""),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "decompress it, or add `.zst` to its name", ""),
    b"BZh91AY&SY": ("compressed with bzip2", "decompress it, or compress it with gzip", ""),
    b"\xfd7zXZ\0": ("compressed with xz", "decompress it, or compress it with gzip", ""),
    b"\xff\xfe\0\0": ("UTF-32", _SAVE, "utf-32"),
    b"\0\0\xfe\xff": ("UTF-32", _SAVE, "utf-32"),
    b"\xff\xfe": ("UTF-16", _SAVE, "utf-16"),
    b"\xfe\xff": ("UTF-16", _SAVE, "utf-16"),
}
"""The first bytes of other file types, with the name, the fix and the encoding of each."""


def text_of(raw: bytes, reading: ReadContext, line: int, *, nuls: bool = False) -> str:
    """Decode bytes of a file as UTF-8.

    Args:
        raw: the bytes.
        reading: the settings of the reading.
        line: the line of the file on which they begin; a byte order mark at the start of line 1 is removed.
        nuls: whether NUL bytes are allowed.

    Raises:
        UsageError: the bytes are not UTF-8, belong to another file type, or contain a NUL byte.
    """
    try:
        if line == 1:
            other = other_type(raw)
            if other is not None:
                what, fix, encoding = other
                hint = reading.option(fix, f"`encoding: {encoding}`") if encoding else fix
                raise refused(reading.shown, f"this file is {what}", hint)
        text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line += raw.count(b"\n", 0, error.start)
        problem = f"not UTF-8: byte 0x{raw[error.start]:02x}"
        raise refused(f"{reading.shown}:{line}", problem, reading.option(_SAVE, _ENCODING)) from error
    if "\0" in text and not nuls:
        raise nul(f"{reading.shown}:{line + text.count(chr(10), 0, text.index(chr(0)))}")
    return text


def other_type(raw: bytes) -> tuple[str, str, str] | None:
    """Return what a file is that begins with these bytes, its fix and its encoding; `None` for UTF-8."""
    for begun, told in _BEGINNINGS.items():
        if raw.startswith(begun):
            return told
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):  # without a mark
        if raw[first:16:2] in (b"\0" * count for count in range(3, 9)):
            return "UTF-16", _SAVE, encoding
    return None


def nul(place: str) -> UsageError:
    """Return the error for a NUL byte."""
    return refused(place, "the file contains a NUL byte", "is it a text file? then save it as UTF-8")
