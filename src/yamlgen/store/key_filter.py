"""A filter of keys: most keys that a run has not answered are known as such without a look into the database."""

from __future__ import annotations

from typing import Final

_BITS: Final = 2**24
"""The size of the filter: after a million keys, one of seventy that were not added looks as if it was."""

_BYTES: Final = 3
"""How many bytes of a key make the place of one of its two bits. Keys are digests, so any bytes will do."""


class KeyFilter:
    """A set of keys that may also contain keys that were not added, and never lacks one that was.

    It takes two megabytes, however many keys there are.
    """

    def __init__(self) -> None:
        self._bits = bytearray(_BITS // 8)

    def add(self, key: bytes) -> None:
        """Add a key, which is a digest."""
        for place in _places(key):
            self._bits[place >> 3] |= 1 << (place & 7)

    def may_have(self, key: bytes) -> bool:
        """Return whether a key may have been added; false only if it was not."""
        one, other = _places(key)
        return bool(self._bits[one >> 3] >> (one & 7) & 1 and self._bits[other >> 3] >> (other & 7) & 1)


def _places(key: bytes) -> tuple[int, int]:
    return int.from_bytes(key[:_BYTES]), int.from_bytes(key[_BYTES : 2 * _BYTES])
