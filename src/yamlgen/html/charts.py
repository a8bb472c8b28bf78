"""What the charts of a page draw: bars, histograms, ranges and lanes, in percent of their width, with their numbers.

A chart is drawn over its whole width, whatever that is, so that its texts keep their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from yamlgen.profiles.fields.field_profile import Bin, Quantiles
from yamlgen.reports.amount_words import figure, share_told

Value = TypeVar("Value")

_HEIGHT: Final = 48
"""Pixels of a histogram."""


@dataclass(frozen=True, slots=True)
class ShareBar:
    """A row of a table with a bar.

    Attributes:
        label: what it is.
        count: how often.
        width: its length in percent.
        told: its share in words.
        style: `quiet` for null and for all others, `never` for what never came, else empty.
        left_out: how many characters the label lacks, as a phrase.
    """

    label: str
    count: int
    width: float
    told: str
    style: str = ""
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A bar of a histogram, in percent of the width and in pixels of the height, with its numbers; or one of a lane."""

    x: float
    width: float
    y: float
    height: float
    label: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram.

    Attributes:
        columns: its bars; those of height 0 too.
        least: the left end of its axis, in words.
        most: the right end.
        band: where 90% of the numbers are, from p5 to p95: start and width in percent.
        median: where the median is, in percent.
    """

    columns: tuple[Rectangle, ...]
    least: str
    most: str
    band: tuple[float, float]
    median: float


def in_groups(values: Sequence[Value], size: int) -> list[Sequence[Value]]:
    """Return neighbours in groups of so many; the last group may be smaller."""
    return [values[at : at + size] for at in range(0, len(values), size)]


def bar(label: str, count: int, whole: int, *, style: str = "", left_out: str = "") -> ShareBar:
    """Return the bar of a part of a whole."""
    return ShareBar(label, count, _percent(count, whole), share_told(count, whole), style, left_out)


def histogram(bins: Sequence[Bin], quantiles: Quantiles, most: int) -> Histogram | None:
    """Return a histogram of at most so many bars; `None` if there is nothing to draw.

    Bins are as wide as others. A bar of several of them has their mean height, so that the last one, of fewer, does not
    look as if numbers were rare there.
    """
    if len(bins) < 2 or not most:  # noqa: PLR2004 - one bar says nothing
        return None
    size = -(-len(bins) // most)
    groups = in_groups(bins, size)
    merged = [Bin(some[0].least, some[-1].most, sum(one.count for one in some)) for some in groups]
    heights = [one.count / len(some) for one, some in zip(merged, groups, strict=True)]
    highest = max(heights) or 1
    columns = []
    for number, (one, some) in enumerate(zip(merged, groups, strict=True)):
        height = round(_HEIGHT * heights[number] / highest, 1)
        x, width = _percent(number * size, len(bins)), _percent(len(some), len(bins))
        told = f"{figure(one.least)} to {figure(one.most)}"
        columns.append(Rectangle(x, width, round(_HEIGHT - height, 1), height, told, one.count))
    low, middle, high = (_place(each, bins) for each in (quantiles.p5, quantiles.p50, quantiles.p95))
    start, end = figure(merged[0].least), figure(merged[-1].most)
    return Histogram(tuple(columns), start, end, (low, round(high - low, 1)), middle)


def _place(number: float, bins: Sequence[Bin]) -> float:
    """Return where a number is on the axis of a histogram, in percent."""
    for index, one in enumerate(bins):
        if number < one.most or index == len(bins) - 1:
            size = (one.most - one.least) or 1
            return _percent(index + min(max((number - one.least) / size, 0), 1), len(bins))
    return 0.0


def span(quantiles: Quantiles, least: float, most: float) -> Rectangle:
    """Return where 90% of some numbers are on an axis from `least` to `most`; its height is where their median is."""
    size = (most - least) or 1
    low, middle, high = (_percent(at - least, size) for at in (quantiles.p5, quantiles.p50, quantiles.p95))
    return Rectangle(low, max(round(high - low, 1), 1), 0, middle)


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 1) if whole else 0.0
