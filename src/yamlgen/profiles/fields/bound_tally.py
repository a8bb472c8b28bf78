"""Counts the values that are exactly at a bound of their schema."""

from __future__ import annotations

from collections.abc import Mapping

from yamlgen.profiles.fields.field_profile import Bound
from yamlgen.profiles.fields.value_tally import noted


class BoundTally:
    """Counts values at bounds.

    Args:
        limits: the bounds, by their keywords; all different.
    """

    def __init__(self, limits: Mapping[str, float]) -> None:
        self._limits = limits
        self._counts = dict.fromkeys(limits.values(), 0)
        self._rows: dict[float, list[int]] = {limit: [] for limit in self._counts}

    def add(self, value: float, row: int) -> None:
        """Count a value of a row, if it is at a bound."""
        if value in self._counts:
            self._counts[value] += 1
            noted(self._rows[value], row)

    def bounds(self) -> tuple[Bound, ...]:
        """Return the bounds, in the order of the schema."""
        each = self._limits.items()
        return tuple(Bound(word, limit, self._counts[limit], tuple(self._rows[limit])) for word, limit in each)
