"""Rows from nothing, for pipelines that only draw: `input: {range: 500}`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from yamlgen.value_objects import Row

NUMBER: Final = "number"
"""The column of each row."""


@dataclass(frozen=True, slots=True)
class RangeRows:
    """The rows `{number: 1}`, `{number: 2}` and so on, made while they are read."""

    count: int

    def __iter__(self) -> Iterator[Row]:
        return ({NUMBER: number} for number in range(1, self.count + 1))
