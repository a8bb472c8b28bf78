"""The rows of a report as data of its page: lines of JSON, compressed with gzip, in base64."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from yamlgen.value_objects import JSON

_GZIP: Final = 31
"""The window of zlib with a header of gzip, which has no time, so that equal rows make equal pages."""

_LEVEL: Final = 9
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class PackedRows:
    """Rows, as they are embedded in a page.

    Attributes:
        told: sentences: how many rows are shown, and by which rules they were chosen.
        parts: the data, in parts.
        has_rows: whether rows are shown at all.
    """

    told: tuple[str, ...]
    parts: Iterable[str] = ()
    has_rows: bool = True


class RowPacker:
    """Packs rows as long as they fit.

    Args:
        room: the most bytes of the data.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._compressor = _compressor()
        self._made = bytearray()

    def add(self, row: Mapping[str, JSON]) -> bool:
        """Add a row, and return whether it fits; if it does not, it is not added."""
        compressor = self._compressor.copy()
        part = compressor.compress(_line(row))
        size = len(self._made) + len(part) + len(compressor.copy().flush())
        if 4 * -(-size // 3) > self._room:
            return False
        self._compressor = compressor
        self._made += part
        return True

    def data(self) -> str:
        """Return the rows that fit, packed."""
        return base64.b64encode(bytes(self._made) + self._compressor.copy().flush()).decode()


def packed(rows: Iterable[Mapping[str, JSON]]) -> Iterator[str]:
    """Yield rows in packed parts, however many there are."""
    compressor, rest = _compressor(), b""
    for row in rows:
        rest += compressor.compress(_line(row))
        whole = len(rest) - len(rest) % 3
        if whole:
            yield base64.b64encode(rest[:whole]).decode()
            rest = rest[whole:]
    yield base64.b64encode(rest + compressor.flush()).decode()


def _compressor() -> zlib._Compress:
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)


def _line(row: Mapping[str, JSON]) -> bytes:
    return _encode(row).encode() + b"\n"
