"""What comes of an answer: a valid output, or what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class ParsedOutput:
    """A valid output, and what had to be done to read it, as sentences."""

    value: JSON
    notes: tuple[str, ...] = ()


class InvalidOutput(Exception):  # noqa: N818 - what instructor's re-ask quotes to the model
    """An answer that the author's schema does not accept, or a check of the author's.

    Attributes:
        errors: what is wrong, each with its path.
        by_check: whether a check of the author failed, and not the schema.
    """

    def __init__(self, errors: tuple[str, ...], *, by_check: bool = False) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors
        self.by_check = by_check


class EmptyAnswer(InvalidOutput):
    """An answer without a text: nothing, white space, a block of thinking alone, or what no file can hold."""
