"""JSON in the store: as a string if it becomes output, compressed if it is only kept for the record."""

from __future__ import annotations

import json
import zlib
from typing import Final

from yamlgen.canonical_json import encoded, encoding, storable
from yamlgen.store.text_frame import TextFrame
from yamlgen.value_objects import JSON

_LEVEL: Final = 1
_WINDOW: Final = 13
_MEMORY: Final = 6
"""Parameters of zlib. Its default window takes twelve times longer to set up than a request takes to compress."""

_encode: Final = encoding(json.JSONEncoder(ensure_ascii=False, default=str, check_circular=False))
"""The SDK converts some strings of a response to dates; `default=str` converts them back."""


def text_of(value: JSON) -> str:
    """Return a value as JSON that UTF-8 can encode: lone surrogates become JSON escapes."""
    return storable(_encode(value))


def bytes_of(value: JSON) -> bytes:
    """Return a value as JSON in UTF-8, as `text_of` does."""
    return encoded(_encode(value))


def packed(value: JSON) -> bytes:
    """Return a value as compressed JSON."""
    return compressed(bytes_of(value))


def compressed(text: bytes) -> bytes:
    """Compress JSON."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)
    return compressor.compress(text) + compressor.flush()


def unpacked_text(data: bytes, frame: TextFrame | None = None) -> bytes:
    """Return the JSON that was compressed, or stored without its frame."""
    return zlib.decompress(data) if frame is None else frame.unpack(data)


def unpacked(data: bytes, frame: TextFrame | None = None) -> JSON:
    """Return the value of JSON that was compressed, or stored without its frame."""
    return json.loads(unpacked_text(data, frame))


def shown(data: bytes, frame: TextFrame | None = None) -> JSON:
    """Return such a value, to be written as JSON again: NaN and infinities become null."""
    return json.loads(unpacked_text(data, frame), parse_constant=lambda _: None)
