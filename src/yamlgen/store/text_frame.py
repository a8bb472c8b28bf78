"""What texts have in common, their frame: the dictionary of their compression."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import Final

from yamlgen.canonical_json import short_digest

if sys.version_info >= (3, 14):
    from compression.zstd import CompressionParameter, ZstdCompressor, ZstdDict, ZstdError, decompress
else:
    from backports.zstd import CompressionParameter, ZstdCompressor, ZstdDict, ZstdError, decompress

_LEAST: Final = 8
"""The bytes that a dictionary has at least."""
_OPTIONS: Final = {int(CompressionParameter.checksum_flag): 1}
_WORDS: Final = re.compile(r"\w+ ?|\W+")


@dataclass(slots=True, eq=False)
class TextFrame:
    """What texts have in common.

    Attributes:
        text: it, as one text.
        number: its number in the store; `None` until it is on disk.
    """

    text: bytes
    number: int | None = None
    _dictionary: ZstdDict = field(init=False, repr=False)
    _compressor: ZstdCompressor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._dictionary = ZstdDict(self.text.ljust(_LEAST), is_raw=True)
        self._compressor = ZstdCompressor(options=_OPTIONS, zstd_dict=self._dictionary)

    @property
    def digest(self) -> bytes:
        """Its digest."""
        return short_digest(self.text)

    def pack(self, text: bytes) -> bytes:
        """Return a text without the frame."""
        return self._compressor.compress(text, ZstdCompressor.FLUSH_FRAME)

    def unpack(self, data: bytes) -> bytes:
        """Return the text that was stored without the frame.

        Raises:
            ValueError: the data is damaged, or belongs to another frame.
        """
        try:
            return decompress(data, self._dictionary)
        except ZstdError as error:
            raise ValueError(str(error)) from error


def in_common(one: bytes, other: bytes) -> bytes:
    """Return the words of a text that another one has, too. What only one has is in no frame."""
    known = set(_WORDS.findall(other.decode()))
    return "".join(word for word in _WORDS.findall(one.decode()) if word in known).encode()
