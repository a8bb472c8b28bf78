"""Collects numbers, such as lengths or seconds, and says how they are spread. Its memory is bounded."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import ceil, floor, fsum, inf, log10
from random import Random
from typing import Final

from yamlgen.profiles.fields.field_profile import Bin, Quantiles

MOST_MEASURED: Final = 250_000
"""How many numbers a tally keeps: of more, a random choice."""

MOST_BINS: Final = 20
_LARGEST_EXACT: Final = 2**53
"""Larger integers are rounded to floats, so that different ones may become equal."""

_LARGEST: Final = 1e300
_LEAST_SPAN: Final = 1e-300
_MOST_SPAN: Final = 1e300
"""Numbers that are nearer, or further apart, are in one bar: floats have no round numbers there."""


class NumberTally:
    """Collects numbers.

    Args:
        most: how many it keeps: of more, a random choice, which is the same each time.
    """

    def __init__(self, most: int = MOST_MEASURED) -> None:
        self._numbers = array("d")
        self._most = most
        self._random: Random | None = None
        self._is_whole = True
        self._sum = 0.0
        self.count = 0
        """How many numbers were added, without those that were left out."""
        self.is_exact = True
        """Whether no number was rounded: different ones are still different."""

    def add(self, number: float) -> None:
        """Add a number; one that is not finite, or that is too large for sums, is left out."""
        if not -_LARGEST < number < _LARGEST:  # false for NaN, too
            return
        if type(number) is float and not number.is_integer():
            self._is_whole = False
        elif type(number) is int and not -_LARGEST_EXACT <= number <= _LARGEST_EXACT:
            self.is_exact = False
        self.count += 1
        if self.count <= self._most:
            self._numbers.append(number)
            return
        if self.count == self._most + 1:
            self._sum = fsum(self._numbers)
        self._sum += number
        if self._random is None:
            self._random = Random(0)  # noqa: S311 - a sample, which must be the same each time
        if (place := self._random.randrange(self.count)) < self._most:
            self._numbers[place] = number

    @property
    def measured(self) -> int:
        """How many numbers are kept."""
        return len(self._numbers)

    @property
    def mean(self) -> float | None:
        """The mean of all numbers; `None` without any."""
        if not self.count:
            return None
        return (fsum(self._numbers) if self.count == self.measured else self._sum) / self.count

    def ordered(self) -> list[float]:
        """Return the numbers that are kept, in order; whole ones are integers if all are whole."""
        return sorted(map(int, self._numbers) if self._is_whole else self._numbers)


def quantiles(ordered: Sequence[float]) -> Quantiles | None:
    """Return order statistics of numbers that are in order; `None` without any."""
    if not ordered:
        return None
    p5, p50, p95 = (ordered[ceil(percent * len(ordered) / 100) - 1] for percent in (5, 50, 95))
    return Quantiles(ordered[0], p5, p50, p95, ordered[-1])


def bins(ordered: Sequence[float]) -> tuple[Bin, ...]:
    """Return the histogram of numbers that are in order: at most 20 bars between round numbers.

    Bars of whole numbers hold equally many of them, so that the last one ends where the next would begin.
    """
    if not ordered:
        return ()
    edges = _edges(ordered[0], ordered[-1], is_whole=isinstance(ordered[0], int))
    places = [bisect_left(ordered, edge) for edge in edges[:-1]]
    counts = (end - begin for begin, end in pairwise([*places, len(ordered)]))
    return tuple(Bin(*ends, count) for ends, count in zip(pairwise(edges), counts, strict=True))


def runs(ordered: Iterable[float]) -> Iterator[tuple[float, int]]:
    """Yield each different value of numbers that are in order, with how often it comes."""
    last, count = inf, 0
    for number in ordered:
        if number != last:
            if count:
                yield last, count
            last, count = number, 0
        count += 1
    if count:
        yield last, count


def _edges(least: float, most: float, *, is_whole: bool) -> list[float]:
    """Return the ends of bars between round numbers; those of one bar if there are no such numbers."""
    alone: list[float] = [least, most + 1 if is_whole else most]
    span = most - least
    if not _LEAST_SPAN < span < _MOST_SPAN:
        return alone
    power = floor(log10(span / MOST_BINS))
    for digits, shift in ((1, 0), (2, 0), (5, 0), (1, 1), (2, 1), (5, 1)):
        edges = _multiples(least, most, digits, power + shift, is_whole=is_whole)
        if 1 < len(edges) <= MOST_BINS + 1:
            return edges if all(one < other for one, other in pairwise(edges)) else alone
    return alone


def _multiples(least: float, most: float, digits: int, power: int, *, is_whole: bool) -> list[float]:
    """Return the multiples of a round step that enclose some numbers; none if they would be far too many."""
    if is_whole and power < 0:
        digits, power = 1, 0
    step = digits * 10.0**power
    if not step:
        return []
    first, last = floor(least / step), floor(most / step) + 1
    if last - first > 2 * MOST_BINS:
        return []
    up, down = 10 ** max(power, 0), 10 ** max(-power, 0)
    edges = [number * digits * up if is_whole else number * digits * up / down for number in range(first, last + 1)]
    if not is_whole and len(edges) > 2 and edges[-2] >= most:  # noqa: PLR2004 - the last bar includes its end
        edges.pop()
    return edges if edges[0] <= least and edges[-1] >= most else []
