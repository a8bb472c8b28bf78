"""The result of parsing an answer: a valid output, or its errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from yamlgen.value_objects import JSON

Judge: TypeAlias = Callable[[JSON], tuple[tuple[str, ...], JSON]]
"""Returns the errors of a value, each with its path, and the output made of a valid value."""


@dataclass(frozen=True, slots=True)
class ParsedOutput:
    """A valid output, with notes about how it was read."""

    value: JSON
    notes: tuple[str, ...] = ()


class InvalidOutput(Exception):  # noqa: N818 - what instructor's re-ask quotes to the model
    """An answer that the author's schema or a check of the author rejects.

    Attributes:
        errors: the errors, each with its path.
        by_check: whether a check failed rather than the schema.
    """

    def __init__(self, errors: tuple[str, ...], *, by_check: bool = False) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors
        self.by_check = by_check


class EmptyAnswer(InvalidOutput):
    """An answer without text: empty, blank, only thinking, or not encodable."""


class OutputRejected(ValueError):  # noqa: N818 - never leaves this package
    """Carries the errors of a value through pydantic."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors
