"""What came of a row, and where that goes: the seam between an engine and whoever keeps or counts its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from yamlgen.errors import RowError
from yamlgen.ports import Answer, InputRow


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one row: the answer of each step that has one, and the error of each that failed."""

    row: InputRow
    answers: Mapping[str, Answer]
    failures: Mapping[str, RowError]


class RowSink(Protocol):
    """Where the outcomes of rows go, in any order."""

    async def add(self, outcome: Outcome) -> None:
        """Keep an outcome; when this returns, it is safe.

        Raises:
            EnvironmentProblem: the disk refuses.
        """
        ...
