"""A sample of the rows of an input, kept while all of them are checked, so that they need not be read once more.

Which rows are in it depends on their positions only, without following a period of the input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

from yamlgen.value_objects import Row

P = TypeVar("P")

_ODD: Final = 2_654_435_761
"""Knuth's multiplier, which spreads neighbouring numbers."""
_ALL: Final = 2**32

_MOST_TEXT: Final = 16 << 20
"""The maximum number of characters in the strings of the kept rows."""


def spread(index: int) -> float:
    """Return a pseudo-random number from 0 to 1 for the position of a row. A sample has those below its share."""
    return (index * _ODD % _ALL) / _ALL


class KeptRows(NamedTuple):
    """The rows of a sample, each with its position, and the share of all rows that they are."""

    share: float
    rows: tuple[tuple[int, Row], ...]


class RowSampler:
    """Keeps a sample of the rows of an input, whose number is not known yet.

    Args:
        size: the sample has at least about so many rows, unless their strings are too long.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._limit = _ALL
        self._text = 0
        self._rows: list[tuple[int, Row]] = []

    def passing(self, rows: Iterable[tuple[P, Row]]) -> Iterator[tuple[P, Row]]:
        """Yield the rows, each with its place, and keep some of them."""
        for index, each in enumerate(rows):
            if index * _ODD % _ALL < self._limit:
                self._keep(index, each[1])
            yield each

    def kept(self) -> KeptRows:
        """Return the sample of the rows so far."""
        return KeptRows(self._limit / _ALL, tuple(self._rows))

    def _keep(self, index: int, row: Row) -> None:
        self._rows.append((index, row))
        self._text += _text_in(row)
        while len(self._rows) > 4 * self._size or (self._text > _MOST_TEXT and self._rows):
            self._limit //= 2
            self._rows = [each for each in self._rows if each[0] * _ODD % _ALL < self._limit]
            self._text = sum(_text_in(each) for _, each in self._rows)


def _text_in(row: Row) -> int:
    """Return how many characters the strings of a row have, or an estimate for its other values."""
    return sum(len(value) if isinstance(value, str) else len(repr(value)) for value in row.values())
