"""How the values of a field differ between two runs, in the rows that both have finished.

Everywhere here, rows are positions in the input of this run, counted from 1.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from json.encoder import encode_basestring_ascii
from math import isfinite
from typing import Final

from yamlgen.canonical_json import canonical, short_digest
from yamlgen.value_objects import JSON

MOST_VALUES: Final = 12
"""The values of each run that a table shows; the others are counted together."""

FEW_ROWS: Final = 5
"""The rows that are named as examples."""

_MOST_FLIPS: Final = 12
"""The changes of a value that name rows: the most frequent ones."""

_LONGEST: Final = 100
"""Longer texts are compared by their digests, and are in no table."""

_MOST_PAIRS: Final = 4096
"""If the values of a field changed in more ways, there is no table of them."""

_OFTEN: Final = 3
"""How often each value of a field that is no choice must come on average to be in a table."""

_OBJECT: Final[JSON] = {"": None}
"""Stands for any object with members: these are compared one by one. It is unlike null."""

_NUMERIC: Final = "-0123456789"
_DIGEST: Final = "~"
_ITEM: Final = "\x1e"
_VALUE: Final = "\x1f"
"""JSON has control characters only as escapes, so that they can separate values."""


@dataclass(frozen=True, slots=True)
class Transition:
    """How often one value came in the place of another.

    Attributes:
        other: the value in the other run.
        this: the value in this run.
        count: in how many rows.
        rows: some of them; none if the values are equal, or if twelve other changes are more frequent.
    """

    other: JSON
    this: JSON
    count: int
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ValueChanges:
    """The values of a field in the rows of both runs. A value that is absent counts as null.

    Attributes:
        field: the path of the field.
        compared: how many pairs of values there are.
        changed: how many of them differ.
        rows: some of the rows in which they differ.
        numbers: how many pairs are two numbers.
        rose: how many of them are larger in this run.
        fell: how many of them are smaller.
        mean: the mean of these numbers in this run; `None` without any.
        other_mean: the same in the other run.
        table: how often each pair of values came; `None` if there are too many, or long texts or lists among them,
            or if the field is no choice and has more than 12 values, or values that hardly come again.
        this_values: the values of this run in the table, the most frequent first; at most 12.
        other_values: the values of the other run, the same.
        left_out: how many pairs have a value that is not among these.
    """

    field: str
    compared: int = 0
    changed: int = 0
    rows: tuple[int, ...] = ()
    numbers: int = 0
    rose: int = 0
    fell: int = 0
    mean: float | None = None
    other_mean: float | None = None
    table: tuple[Transition, ...] | None = None
    this_values: tuple[JSON, ...] = ()
    other_values: tuple[JSON, ...] = ()
    left_out: int = 0


class ChangeObserver:
    """Counts how the values of fields differ.

    The values of the other run are kept as the text that `texts` returns, until the row of this run is read.

    Args:
        fields: the paths of the fields; a list is one value.
        choices: those that have a table even if they have many values.
    """

    def __init__(self, fields: Sequence[str], choices: AbstractSet[str]) -> None:
        self._fields = fields
        self._choices = choices
        self._counts = [_Counts(name) for name in fields]
        self.uneven = 0

    def text(self, rows: Sequence[Mapping[str, JSON]]) -> str:
        """Return the values of the fields in the rows that a row of the input came to, as a text."""
        return _ITEM.join(self._values(row) for row in rows)

    def _values(self, row: Mapping[str, JSON]) -> str:
        known: dict[str, JSON] = {}
        _flatten(row, "", known)
        return _VALUE.join([_text(known.get(name)) for name in self._fields])

    def add(self, number: int, rows: Sequence[Mapping[str, JSON]], other: str) -> None:
        """Add the rows that a row of the input came to in this run, and what is kept of those of the other run.

        If there are several, the first is compared with the first. If their numbers differ, nothing tells which belong
        together: none is compared, and `uneven` counts the row.
        """
        if not self._fields:
            return
        mine, theirs = (text.split(_ITEM) if text else [] for text in (self.text(rows), other))
        if len(mine) != len(theirs):
            self.uneven += 1
            return
        for one, before in zip(mine, theirs, strict=True):
            for counts, value, old in zip(self._counts, one.split(_VALUE), before.split(_VALUE), strict=True):
                counts.add(number, value, old)

    def changes(self) -> tuple[ValueChanges, ...]:
        """Return how the values of each field differ, in the order of the fields."""
        return tuple(each.changes(is_choice=each.name in self._choices) for each in self._counts)


@dataclass(slots=True)
class _Counts:
    name: str
    compared: int = 0
    changed: int = 0
    numbers: int = 0
    rose: int = 0
    fell: int = 0
    this_sum: float = 0.0
    other_sum: float = 0.0
    rows: list[int] = field(default_factory=list)
    table: dict[tuple[str, str], list[int]] | None = field(default_factory=dict)
    """For each pair of values, the other run's first, how often it came, and then some rows."""

    def add(self, number: int, this: str, other: str) -> None:
        self.compared += 1
        if this != other:
            self.changed += 1
            if len(self.rows) < FEW_ROWS and number not in self.rows:
                self.rows.append(number)
        if this[0] in _NUMERIC and other[0] in _NUMERIC:
            self._compare(float(this), float(other))
        if self.table is not None:
            self._tabulate(self.table, number, (other, this))

    def _compare(self, this: float, other: float) -> None:
        self.numbers += 1
        self.rose += this > other
        self.fell += this < other
        self.this_sum += this
        self.other_sum += other

    def _tabulate(self, table: dict[tuple[str, str], list[int]], number: int, pair: tuple[str, str]) -> None:
        found = table.get(pair)
        if found is None:
            if len(table) == _MOST_PAIRS or any(text.startswith(_DIGEST) for text in pair):
                self.table = None
                return
            found = table[pair] = [0]
        found[0] += 1
        if pair[0] != pair[1] and len(found) <= FEW_ROWS and number not in found[1:]:
            found.append(number)

    def changes(self, *, is_choice: bool) -> ValueChanges:
        made = ValueChanges(
            self.name,
            self.compared,
            self.changed,
            tuple(self.rows),
            self.numbers,
            self.rose,
            self.fell,
            self._mean(self.this_sum),
            self._mean(self.other_sum),
        )
        others, these = (_totals(self.table or {}, side) for side in (0, 1))
        if self.table is None or not (is_choice or self._is_low(max(len(others), len(these)))):
            return made
        shown = [{text for text, _ in totals.most_common(MOST_VALUES)} for totals in (others, these)]
        kept = {pair: found for pair, found in self.table.items() if pair[0] in shown[0] and pair[1] in shown[1]}
        table: list[Transition] = []
        flips = 0
        for (other, this), (count, *rows) in sorted(kept.items(), key=lambda each: -each[1][0]):
            flips += other != this
            named = tuple(rows) if flips <= _MOST_FLIPS else ()
            table.append(Transition(json.loads(other), json.loads(this), count, named))
        left_out = self.compared - sum(each.count for each in table)
        values = [tuple(json.loads(text) for text, _ in each.most_common(MOST_VALUES)) for each in (these, others)]
        return replace(made, table=tuple(table), this_values=values[0], other_values=values[1], left_out=left_out)

    def _is_low(self, values: int) -> bool:
        """Whether so few values came that they come again and again."""
        return values <= MOST_VALUES and self.compared >= _OFTEN * values

    def _mean(self, total: float) -> float | None:
        return total / self.numbers if self.numbers and isfinite(total) else None


def _totals(table: Mapping[tuple[str, str], list[int]], side: int) -> Counter[str]:
    totals: Counter[str] = Counter()
    for pair, (count, *_) in table.items():
        totals[pair[side]] += count
    return totals


def _flatten(value: Mapping[str, JSON], name: str, found: dict[str, JSON]) -> None:
    """Add the values inside of a mapping, each by its path."""
    for key, each in value.items():
        path = f"{name}.{key}" if name else key
        found[path] = each
        if isinstance(each, dict) and each:
            found[path] = _OBJECT
            _flatten(each, path, found)


def _text(value: JSON) -> str:
    """Return a value as a text that equals that of an equal value. This is called for each value of a run."""
    kind = type(value)
    if kind is str and len(value) <= _LONGEST:
        return encode_basestring_ascii(value)
    if kind in (str, dict, list):
        return f"{_DIGEST}{short_digest(canonical(value)).hex()}"
    if kind is float and value.is_integer():
        return str(int(value))
    return json.dumps(value)
