"""Counts values that are few: those of an enum, booleans, short texts that come again and again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from yamlgen.canonical_json import canonical
from yamlgen.profiles.fields.field_profile import ValueCount
from yamlgen.value_objects import JSON

MOST_VALUES: Final = 12
"""How many values of a field are listed."""

MOST_ROWS: Final = 3
"""How many rows are named for a value."""

LONGEST: Final = 600
"""How many characters of a text are kept."""

_MOST_COUNTED: Final = 1000
_UNSEEN_LISTED: Final = 4
"""How many values that never came are listed, of a choice between more than 12."""


@dataclass(slots=True)
class _Counted:
    value: JSON
    count: int = 0
    rows: list[int] = field(default_factory=list)


class ValueTally:
    """Counts values.

    Args:
        expected: the values that can come, as far as they are known.
        most: how many different values are counted.
    """

    def __init__(self, expected: Iterable[JSON] = (), most: int = _MOST_COUNTED) -> None:
        self._counts = {value_key(value): _Counted(value) for value in expected}
        self._most = max(most, len(self._counts))
        self.count = 0
        """How many values were added."""
        self.lost = 0
        """How many of them were not counted, because there were too many different values."""

    def add(self, value: JSON, row: int) -> None:
        """Count a value of a row."""
        self.count += 1
        key = value if type(value) is str else value_key(value)
        found = self._counts.get(key)
        if found is None:
            if len(self._counts) >= self._most:
                self.lost += 1
                return
            found = self._counts[key] = _Counted(value)
        found.count += 1
        noted(found.rows, row)

    @property
    def distinct(self) -> int | None:
        """How many different values came; `None` if that was not counted to the end."""
        return None if self.lost else len(self._counts) - self.unseen

    @property
    def unseen(self) -> int:
        """How many expected values never came."""
        return sum(not each.count for each in self._counts.values())

    def values(self) -> tuple[ValueCount, ...]:
        """Return the most frequent values, and after them those that never came."""
        found = [value_count(each.value, each.count, each.rows) for each in self._counts.values()]
        seen = sorted((each for each in found if each.count), key=lambda each: -each.count)
        unseen = [each for each in found if not each.count]
        if len(found) > MOST_VALUES:
            del unseen[max(_UNSEEN_LISTED, MOST_VALUES - len(seen)) :]
        return (*seen[: MOST_VALUES - len(unseen)], *unseen)


def noted(rows: list[int], row: int) -> None:
    """Add a row to the first rows of something, which come in order."""
    if len(rows) < MOST_ROWS and (not rows or rows[-1] != row):
        rows.append(row)


def value_count(value: JSON, count: int, rows: Iterable[int]) -> ValueCount:
    """Return how often a value came; a long text is cut."""
    if not isinstance(value, str) or len(value) <= LONGEST:
        return ValueCount(value, count, tuple(rows))
    return ValueCount(value[:LONGEST], count, tuple(rows), len(value) - LONGEST)


def value_key(value: JSON) -> str | bytes:
    """Return a key that distinguishes JSON values: true is not 1, which is 1.0."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return canonical(value) if isinstance(value, dict | list) else repr(value).encode()
