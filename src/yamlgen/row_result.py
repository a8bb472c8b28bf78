"""The result of a row: the answers of its steps, and the errors of those that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from yamlgen.errors import RowError
from yamlgen.value_objects import JSON, Attempt, InputRow, Usage


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item of a step that failed and is null: its position in the row, from 0, its name in messages, its error.

    Position and name are `None` if the step itself failed and is null.
    """

    case: int | None
    name: str | None
    error: RowError


@dataclass(frozen=True, slots=True)
class Answer:
    """The value of a step for a row: a string, or a value that its output schema accepts.

    Attributes:
        key: the key of the first request; empty if there was none, or more than one.
        skipped: whether the step was skipped, because its `when` was false. Then the value is null.
        items: the number of items; 0 if the value is not a list.
        lost: the items that failed and are null, if the step allows null items.
        failure: the error of a step that failed and is null (`on_error: null`).
        thinking: what the model thought, if the step keeps it: a string or null, or a list of them like the value.
        kept: the numbers of the kept values that it is made of; 0 for the value of a function that was not kept.
    """

    value: JSON
    attempts: tuple[Attempt, ...] = field(default=())
    key: bytes = b""
    skipped: bool = False
    items: int = 0
    lost: tuple[FailedItem, ...] = ()
    failure: RowError | None = None
    thinking: JSON = None
    kept: tuple[int, ...] = ()

    @property
    def is_absent(self) -> bool:
        """Whether the step was skipped or failed: a step that reads it is then skipped, too."""
        return self.skipped or self.failure is not None

    @property
    def usage(self) -> Usage:
        """The sum of the tokens of all attempts."""
        return sum((attempt.usage for attempt in self.attempts), Usage())


@dataclass(frozen=True, slots=True)
class RowResult:
    """The result of one row: the answers of its steps, and the errors of those that failed."""

    row: InputRow
    answers: Mapping[str, Answer]
    failures: Mapping[str, RowError]
