"""The result of parsing an answer: a valid output, or its errors."""

from __future__ import annotations

from dataclasses import dataclass

from yamlgen.value_objects import JSON


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
