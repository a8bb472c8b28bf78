"""The part of a split that a row is in: it depends on the row's own value alone, so rows never change parts."""

from __future__ import annotations

import hashlib
from typing import Final

from yamlgen.canonical_json import canonical
from yamlgen.value_objects import JSON

_BYTES: Final = 7
"""56 bits, which a float with 53 bits of precision holds almost exactly."""


def equal_bytes(value: JSON) -> bytes:
    """Return bytes that are the same for equal values: 4 and 4.0 are equal, as in JSON."""
    return canonical(value if isinstance(value, str | int | None) else _plain(value))


def _plain(value: JSON) -> JSON:
    """Return a value with integers in place of floats that are whole."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {key: _plain(member) for key, member in value.items()} if isinstance(value, dict) else value


def part_of(parts: dict[str, float], value: JSON) -> str:
    """Return the part of rows with this value; parts are chosen as often as their shares say.

    Args:
        parts: the shares of the parts, which sum to 1.
        value: what the part depends on.
    """
    hashed = hashlib.sha256(b"split" + equal_bytes(value)).digest()[:_BYTES]
    point = int.from_bytes(hashed) / (1 << 8 * _BYTES)
    for name, share in parts.items():
        if point < share:
            return name
        point -= share
    return next(reversed(parts))  # the sum of the shares is a little less than 1
