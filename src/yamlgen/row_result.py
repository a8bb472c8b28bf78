"""What came of a row: the answer of each step that has one, and the error of each that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from yamlgen.errors import RowError
from yamlgen.value_objects import JSON, Attempt, InputRow, Usage


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item of a step that is null: its place, from 0, among those of its row; how messages name it; and why."""

    case: int
    name: str
    error: RowError


@dataclass(frozen=True, slots=True)
class Answer:
    """What a step made of a row: a string, or a value that its output schema accepts.

    Attributes:
        key: of the first request, if there was one alone.
        skipped: whether the step was not done, because its `when` did not hold; the value is null then.
        items: how often the step was done for the row; 0 where its value is no list.
        lost: the items that are null, where the step allows that.
    """

    value: JSON
    attempts: tuple[Attempt, ...] = field(default=())
    key: bytes = b""
    skipped: bool = False
    items: int = 0
    lost: tuple[FailedItem, ...] = ()

    @property
    def usage(self) -> Usage:
        """The tokens of all attempts together."""
        return sum((attempt.usage for attempt in self.attempts), Usage())


@dataclass(frozen=True, slots=True)
class RowResult:
    """What came of one row: the answer of each step that has one, and the error of each that failed."""

    row: InputRow
    answers: Mapping[str, Answer]
    failures: Mapping[str, RowError]
