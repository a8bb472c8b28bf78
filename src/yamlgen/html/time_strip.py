"""The strip of time: what a run sent and how it went, as lanes over one axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from yamlgen.html.charts import Rectangle, in_groups
from yamlgen.reports.amount_words import figure, time_told
from yamlgen.value_objects import JSON

_HEIGHT: Final = 29
"""Pixels of a lane."""

_LANES: Final[Mapping[str, tuple[str, Callable[[Sequence[float]], float], str]]] = {
    "most_in_flight": ("in flight", max, ""),
    "sent": ("sent", sum, ""),
    "batch_requests": ("posted in batches", sum, ""),
    "batch_answers": ("answers of batches", sum, ""),
    "rate_limits": ("429 responses", sum, "limited"),
    "failures": ("other failures", sum, "broken"),
    "held_seconds": ("seconds paused", sum, "held"),
}
"""For each column of a timeline: its name on the page, how slots are merged, and its style."""

_ALWAYS: Final = ("most_in_flight", "sent", "rate_limits", "failures", "held_seconds")
"""Lanes that are drawn even if nothing is in them."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane of the strip.

    Attributes:
        name: what it shows.
        told: its numbers in a phrase.
        style: its class; empty if it has the colour of all bars.
        columns: its bars, in slots of the width and pixels of the height.
        limits: a line, with the same coordinates: how many requests may be in flight; empty for other lanes.
    """

    name: str
    told: str
    style: str
    columns: tuple[Rectangle, ...]
    limits: tuple[Rectangle, ...] = ()


@dataclass(frozen=True, slots=True)
class Strip:
    """The strip of time.

    Attributes:
        lanes: its lanes.
        slots: how many slots they have.
        middle: the middle of its axis, in words.
        end: the end of its axis.
        heads: the heads of the table of its numbers, without that of the time.
        rows: the rows of this table: the time, and the numbers.
    """

    lanes: tuple[Lane, ...]
    slots: int
    middle: str
    end: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def time_strip(timeline: Mapping[str, JSON], slots: int) -> Strip | None:
    """Return the strip of a timeline in at most so many slots; `None` if it has none."""
    count = len(timeline["sent"])
    if not count:
        return None
    each = -(-count // slots)
    width = timeline["seconds"] * each

    def merged(column: str, how: Callable[[Sequence[float]], float]) -> list[float]:
        return [how(some) for some in in_groups(timeline[column], each)]

    numbers = {name: merged(name, how) for name, (_, how, _) in _LANES.items()}
    limit = merged("limit", max)
    numbers = {name: some for name, some in numbers.items() if name in _ALWAYS or any(some)}
    highest = {name: max(some) for name, some in numbers.items()}
    highest["most_in_flight"] = max(highest["most_in_flight"], *limit)
    lanes = []
    for name, some in numbers.items():
        limits = _line(limit, highest[name]) if name == "most_in_flight" else ()
        lanes.append(
            Lane(_LANES[name][0], _told(name, some, limit), _LANES[name][2], _columns(some, highest[name]), limits)
        )
    heads = [_LANES[name][0] for name in numbers]
    rows = [
        (time_told(width * number), *map(figure, some), figure(most))
        for number, (*some, most) in enumerate(zip(*numbers.values(), limit, strict=True))
    ]
    end = timeline["seconds"] * count
    return Strip(tuple(lanes), len(limit), time_told(end / 2), time_told(end), (*heads, "limit"), tuple(rows))


def _columns(numbers: Sequence[float], highest: float) -> tuple[Rectangle, ...]:
    """Return the bars of a lane, each a slot wide, without empty ones."""
    return tuple(_column(at, 1, number, highest) for at, number in enumerate(numbers) if number)


def _line(numbers: Sequence[float], highest: float) -> tuple[Rectangle, ...]:
    """Return the parts of a line, each as wide as the number does not change."""
    at, made = 0, []
    for number, some in groupby(numbers):
        size = len(list(some))
        if number:
            made.append(_column(at, size, number, highest))
        at += size
    return tuple(made)


def _column(at: int, width: int, number: float, highest: float) -> Rectangle:
    height = max(round(_HEIGHT * number / highest), 1)
    return Rectangle(at, width, _HEIGHT - height, height)


def _told(name: str, numbers: Sequence[float], limit: Sequence[Any]) -> str:
    if name == "most_in_flight":
        most = f"; the limit was {'at most ' * (len(set(limit)) > 1)}{figure(max(limit))}" if any(limit) else ""
        return f"at most {figure(max(numbers))}{most}"
    if not any(numbers):
        return "none"
    return f"{figure(round(sum(numbers), 1))}; at most {figure(round(max(numbers), 1))} in a bar"
