"""A template or an expression of a step, with the place where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from yamlgen.errors import Mark
from yamlgen.expressions.references import References
from yamlgen.parsing.source_map import DataPath, Document, SourceText

Role: TypeAlias = Literal["system", "user", "assistant", "message", "when", "for_each", "check", "value", "arg"]
EXPRESSIONS: Final = frozenset({"when", "for_each", "check", "value", "arg"})
SENT: Final[tuple[Role, ...]] = ("system", "user", "assistant")
"""What is said to a model."""

FILLED: Final[tuple[Role, ...]] = (*SENT, "value", "arg")
"""Filled in for each case before anything is paid for."""

EARLY: Final = frozenset({"when", "for_each"})
"""Filled in once for a row, before there are cases."""

LATE: Final = frozenset({"check", "message"})
"""Filled in for an output, which is paid for by then."""


@dataclass(frozen=True)
class StepTemplate:
    """A template or an expression: its source, what it is for, and where it stands: in the pipeline, or in a file.

    Attributes:
        name: of a value or an argument; of a check and its message, which one it is.
        references: the steps that it refers to, once it was read.
    """

    role: Role
    source: str
    document: Document
    path: DataPath
    file: SourceText | None = None
    name: str = ""
    references: References = field(default=References(), compare=False)

    @property
    def is_expression(self) -> bool:
        """Whether it stands without braces, and gives a value."""
        return self.role in EXPRESSIONS

    def mark(self, start: int, end: int) -> Mark:
        """The place of `source[start:end]`."""
        return self.file.mark(start, end) if self.file else self.document.within(self.path, start, end)
