"""The accuracy of output rows against values that are known to be right."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from yamlgen.testing.gold_columns import value_at
from yamlgen.testing.line_ends import with_lf
from yamlgen.testing.suite_config import Gold
from yamlgen.value_objects import JSON, InputRow, Row

_WIDEST: Final = 24


@dataclass
class FieldAccuracy:
    """The accuracy of one field.

    Attributes:
        n: the number of values that are known to be right.
        right: how many of them the output rows have.
        missing: how many have no output row: these count as wrong.
        confusion: how often a right value (first) was found as a value (second).
    """

    n: int = 0
    right: int = 0
    missing: int = 0
    confusion: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def as_json(self) -> dict[str, JSON]:
        """Return the numbers as JSON values, which conditions read; without any value, the accuracy is 0."""
        return {
            "accuracy": self.right / self.n if self.n else 0.0,
            "n": self.n,
            "missing": self.missing,
            "confusion": {label: dict(found) for label, found in self.confusion.items()},
        }


def accuracies(gold: Gold, inputs: Iterable[Row], outputs: Sequence[Row]) -> dict[str, JSON]:
    """Return the accuracy of each field of `gold`, by field.

    Input rows without a right value (null, empty, or no such column) do not count.
    """
    made: dict[JSON, list[Row]] = defaultdict(list)
    for row in outputs:
        made[_label(row.get(gold.on))].append(row)
    found = {name: FieldAccuracy() for name in gold.fields}
    for given in inputs:
        matching = made.get(_label(given[gold.on]), []) if gold.on in given else []
        for name, column in gold.fields.items():
            right = given.get(column)
            if right is not None and right != "":
                _count(found[name], right, [_value(row, name) for row in matching])
    return {name: each.as_json() for name, each in found.items()}


def repeated_label(rows: Iterable[InputRow], on: str) -> tuple[int, int, str] | None:
    """Return the numbers of the first two rows, from 1, that `on` does not tell apart, and their value, or `None`."""
    seen: dict[str, int] = {}
    for number, each in enumerate(rows, start=1):
        if on in each.row:
            label = _label(each.row[on])
            if label in seen:
                return seen[label], number, _short(label)
            seen[label] = number
    return None


def confusion_table(numbers: Mapping[str, JSON]) -> list[str]:
    """Return the confusion of a field as the lines of a table: right values in rows, found values in columns."""
    confusion: Mapping[str, Mapping[str, int]] = numbers["confusion"]
    labels = list(dict.fromkeys([*confusion, *(each for found in confusion.values() for each in found)]))
    if not labels:
        return []
    head = ["right \\ found", *map(_short, labels)]
    rows = [[_short(label), *(str(confusion[label].get(each, 0)) for each in labels)] for label in confusion]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for first, *rest in [head, *rows]:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return lines


def _count(counted: FieldAccuracy, right: JSON, found: Sequence[JSON]) -> None:
    label = _label(right)
    if not found:
        counted.n += 1
        counted.missing += 1
    for value in found:
        counted.n += 1
        counted.right += _label(value) == label
        counted.confusion[label][_label(value)] += 1


def _label(value: JSON) -> str:
    """Return a value as a label. A CSV file has only strings, so that `true` and `"true"` are the same label.

    CRLF counts as LF.
    """
    value = with_lf(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _value(row: Row, name: str) -> JSON:
    """Return the value of a field such as `label.topic`; null if the row does not have it."""
    try:
        return value_at(row, name)
    except LookupError:
        return None


def _short(label: str) -> str:
    label = " ".join(label.split())
    return label if len(label) <= _WIDEST else f"{label[: _WIDEST - 1]}…"
