"""Numbers by the value of an earlier draw, or of an axis of a matrix."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from yamlgen.profiles.fields.field_profile import Group, GroupedNumbers
from yamlgen.profiles.fields.number_tally import NumberTally, quantiles
from yamlgen.profiles.fields.value_tally import MOST_VALUES, value_key
from yamlgen.profiles.step_values import StepShape
from yamlgen.store.row_scan import ScannedRow
from yamlgen.value_objects import JSON

MOST_GROUPED: Final = 40
"""How many numbers are listed, those first that differ most."""

_MOST_LABELS: Final = 50
"""A draw with more different values, such as a date, does not make groups."""

_MOST_PAIRS: Final = 400
_MOST_KEPT: Final = 4000
"""The numbers of a group that its order statistics are made of: of more, a random choice."""

_LARGEST: Final = 1e150
"""Squares of larger numbers are not finite."""

_NONE: Final = 1e-12
"""A share of the sum of squares that is nothing but rounding."""

_DRAW: Final = "draw"


@dataclass(slots=True)
class _Label:
    key: str | bytes
    value: JSON


@dataclass(slots=True)
class _Grouped:
    """The numbers of a field, in groups.

    Attributes:
        is_axis: whether they are grouped by an axis.
        groups: for each label its value and its numbers.
        first: the first number, from which the others are measured, so that nothing is lost in the sum of squares.
        squares: the sum of the squares of the distances from the first number.
    """

    is_axis: bool
    first: float
    groups: dict[str | bytes, tuple[JSON, NumberTally]] = field(default_factory=dict)
    squares: float = 0.0

    def add(self, label: _Label, number: float) -> bool:
        """Add a number; return whether there are still few groups."""
        found = self.groups.get(label.key)
        if found is None:
            found = self.groups[label.key] = (label.value, NumberTally(_MOST_KEPT))
        found[1].add(number)
        self.squares += (number - self.first) ** 2
        return len(self.groups) <= _MOST_LABELS

    def explained(self) -> float:
        """Return which share of the variance lies between the groups, without what lies there by chance.

        Numbers in many small groups would explain much by chance alone, up to all of it with one number for each group.
        """
        each = [(tally.count, (tally.mean or 0.0) - self.first) for _, tally in self.groups.values()]
        count = sum(size for size, _ in each)
        mean = sum(size * at for size, at in each) / count
        whole = self.squares - count * mean**2
        if count == len(each) or whole <= _NONE * self.squares:
            return 0.0
        between = min(whole, sum(size * (at - mean) ** 2 for size, at in each))
        return max(0.0, 1 - (1 - between / whole) * (count - 1) / (count - len(each)))


class GroupObserver:
    """Groups the numbers of rows by draws of earlier steps, and by axes.

    Items are grouped by the draws of their row, and by the draw or the combination that they were made for: the one in
    the same place of the list that `for_each` names, or a draw with the same `for_each`.

    Args:
        shapes: the steps.
    """

    def __init__(self, shapes: Mapping[str, StepShape]) -> None:
        kinds = {shape.kind for shape in shapes.values()}
        is_needed = _DRAW in kinds or any(shape.axes for shape in shapes.values())
        self._shapes = shapes if is_needed else {}
        self._grouped: dict[tuple[str, str], _Grouped | None] = {}

    def add(self, row: ScannedRow) -> None:
        """Add the numbers of a finished row."""
        drawn: dict[str, _Label] = {}
        listed: dict[str, list[dict[str, _Label]]] = {}
        for name, step in row.steps.items():
            shape = self._shapes.get(name)
            if shape is None:
                continue
            if shape.kind != _DRAW:
                self._add(shape, step.value, drawn, listed)
            elif shape.is_single:
                drawn |= _labels(name, step.value)
            if isinstance(step.value, list) and (shape.kind == _DRAW or (shape.axes and shape.for_each is None)):
                keys = None if shape.kind == _DRAW else shape.axes
                for source in {f"steps.{name}", shape.for_each or f"steps.{name}"}:
                    listed.setdefault(source, [{} for _ in step.value])
                    for labels, each in zip(listed[source], step.value, strict=False):
                        labels.update(_labels(name, each, keys))

    def _add(
        self,
        shape: StepShape,
        value: JSON,
        drawn: Mapping[str, _Label],
        listed: Mapping[str, Sequence[Mapping[str, _Label]]],
    ) -> None:
        path = f"{shape.name}{'' if shape.for_each is None else '[]'}{'[].output' if shape.axes else ''}"
        items = listed.get(shape.for_each or "", ())
        for index, combination, made in shape.cases(value):
            own = items[index] if index < len(items) else {}
            by = {**drawn, **own, **_labels(shape.name, combination)}
            if by:
                self._group(made, path, by)

    def _group(self, value: JSON, name: str, by: Mapping[str, _Label]) -> None:
        for path, number in _numbers(value, name):
            for source, label in by.items():
                at = (path, source)
                if at not in self._grouped and len(self._grouped) < _MOST_PAIRS:
                    self._grouped[at] = _Grouped(self._is_axis(source), number)
                grouped = self._grouped.get(at)
                if grouped is not None and not grouped.add(label, number):
                    self._grouped[at] = None

    def _is_axis(self, source: str) -> bool:
        return bool(self._shapes[source.partition(".")[0]].axes)

    def groups(self) -> tuple[GroupedNumbers, ...]:
        """Return the numbers that have two groups or more, those first whose groups differ most."""
        made = [
            _listed(path, source, each)
            for (path, source), each in self._grouped.items()
            if each is not None and len(each.groups) > 1
        ]
        return tuple(sorted(made, key=lambda each: -each.explained)[:MOST_GROUPED])


def _listed(path: str, source: str, grouped: _Grouped) -> GroupedNumbers:
    groups = []
    for value, tally in grouped.groups.values():
        spread = quantiles(tally.ordered())
        if spread is not None and tally.mean is not None:
            groups.append(Group(value, tally.count, tally.mean, spread))
    if not grouped.is_axis:
        groups.sort(key=lambda each: -each.count)
    left_out = max(0, len(groups) - MOST_VALUES)
    return GroupedNumbers(path, source, tuple(groups[:MOST_VALUES]), left_out, grouped.explained())


def _labels(step: str, values: JSON, keys: Collection[str] | None = None) -> dict[str, _Label]:
    """Return the values of the draws of a step, or of its axes, by their names; nothing for another value."""
    each = values.items() if isinstance(values, Mapping) else ()
    return {
        f"{step}.{name}": _Label(value_key(value), value)
        for name, value in each
        if value is not None and (keys is None or name in keys)
    }


def _numbers(value: JSON, name: str) -> Iterator[tuple[str, float]]:
    """Yield the numbers in a value, each with its path."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _numbers(each, f"{name}.{key}")
    elif isinstance(value, list):
        for each in value:
            yield from _numbers(each, f"{name}[]")
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST:
        yield name, value
