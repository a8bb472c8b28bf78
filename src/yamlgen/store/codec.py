"""How JSON lies in a store: as text where it becomes output, compressed where it is kept for the record."""

from __future__ import annotations

import json
import zlib
from typing import Final

from yamlgen.canonical_json import storable
from yamlgen.value_objects import JSON

_LEVEL: Final = 1
_WINDOW: Final = 13
_MEMORY: Final = 6
"""Of zlib. Its usual window takes twelve times longer to set up than a request takes to compress."""

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=str, check_circular=False)
"""The SDK makes dates out of some texts of a response; they go back to texts."""


def text_of(value: JSON) -> str:
    """A value as JSON that UTF-8 can hold: half of a surrogate pair becomes its JSON escape."""
    return storable(_ENCODER.encode(value))


def packed(value: JSON) -> bytes:
    """A value as compressed JSON."""
    return packed_text(text_of(value))


def packed_text(text: str) -> bytes:
    """JSON, compressed."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)
    return compressor.compress(text.encode()) + compressor.flush()


def unpacked(data: bytes) -> JSON:
    """What was packed."""
    return json.loads(zlib.decompress(data))


def shown(data: bytes) -> JSON:
    """What was packed, to be written as JSON: a number that JSON has not is null."""
    return json.loads(zlib.decompress(data), parse_constant=lambda _: None)
