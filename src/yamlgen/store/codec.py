"""JSON in the store: as a string if it becomes output, compressed if it is only kept for the record."""

from __future__ import annotations

import json
import zlib
from typing import Final

from yamlgen.canonical_json import storable
from yamlgen.value_objects import JSON

_LEVEL: Final = 1
_WINDOW: Final = 13
_MEMORY: Final = 6
"""Parameters of zlib. Its default window takes twelve times longer to set up than a request takes to compress."""

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=str, check_circular=False)
"""The SDK converts some strings of a response to dates; `default=str` converts them back."""


def text_of(value: JSON) -> str:
    """Return a value as JSON that UTF-8 can encode: lone surrogates become JSON escapes."""
    return storable(_ENCODER.encode(value))


def packed(value: JSON) -> bytes:
    """Return a value as compressed JSON."""
    return packed_text(text_of(value))


def packed_text(text: str) -> bytes:
    """Compress JSON."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)
    return compressor.compress(text.encode()) + compressor.flush()


def unpacked(data: bytes) -> JSON:
    """Return the value of compressed JSON."""
    return json.loads(zlib.decompress(data))


def shown(data: bytes) -> JSON:
    """Return the value of compressed JSON, to be written as JSON again: NaN and infinities become null."""
    return json.loads(zlib.decompress(data), parse_constant=lambda _: None)
