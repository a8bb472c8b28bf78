"""Which steps of which rows were reported, so that a row that is run again reports each of them once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

ROW: Final = ""
"""Stands for the whole row, which no step is named like."""


class ReportedSteps:
    """The steps that were reported as finished, skipped or failed: one bit for each step of a row.

    Args:
        steps: the names of the steps.
    """

    def __init__(self, steps: Sequence[str]) -> None:
        self._bits = {step: number for number, step in enumerate((ROW, *steps))}
        self._width = (len(self._bits) + 7) // 8
        self._reported = bytearray()

    def has(self, row: int, step: str) -> bool:
        """Return whether a step was reported for a row."""
        place, bit = self._place(row, step)
        return place < len(self._reported) and bool(self._reported[place] & bit)

    def add(self, row: int, step: str) -> None:
        """Note that a step was reported for a row."""
        place, bit = self._place(row, step)
        if place >= len(self._reported):
            self._reported.extend(bytes(2 * place + self._width - len(self._reported)))
        self._reported[place] |= bit

    def _place(self, row: int, step: str) -> tuple[int, int]:
        number = self._bits[step]
        return row * self._width + number // 8, 1 << number % 8
