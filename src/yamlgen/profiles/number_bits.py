"""A set of the numbers of records of a store, such as the answers that were counted."""

from __future__ import annotations


class NumberBits:
    """A set of numbers of a store, a bit for each: there may be many millions."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> bool:
        """Add a number, and return whether it is new."""
        at, bit = number >> 3, 1 << (number & 7)
        if at >= len(self._bits):
            self._bits.extend(bytes(at + 1 - len(self._bits) + (len(self._bits) >> 1)))
        is_new = not self._bits[at] & bit
        self._bits[at] |= bit
        return is_new
