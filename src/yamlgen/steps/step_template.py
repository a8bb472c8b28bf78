"""A template or an expression of a step, with its place in a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from yamlgen.diagnostics import Mark
from yamlgen.expressions.references import References
from yamlgen.parsing.source_map import DataPath, Document, SourceText

Role: TypeAlias = Literal[
    "system",
    "user",
    "assistant",
    "system_turn",
    "turns",
    "user_id",
    "message",
    "when",
    "for_each",
    "check",
    "value",
    "arg",
    "where",
    "unique",
    "column",
    "split_by",
    "path",
    "shape",
]
EXPRESSIONS: Final = frozenset(
    {"turns", "when", "for_each", "check", "value", "arg", "where", "unique", "column", "split_by"}
)
QUESTIONS: Final = frozenset({"when", "check", "where"})
"""The roles of conditions."""

SENT: Final[tuple[Role, ...]] = ("system", "user", "assistant", "system_turn")
"""The roles whose text is sent to a model; `turns` are messages that a row or a step contains."""

ABOUT: Final[tuple[Role, ...]] = ("user_id",)
"""The roles whose text is sent along, and does not distinguish requests."""

FILLED: Final[tuple[Role, ...]] = (*SENT, "turns", *ABOUT, "value", "arg")
"""The roles that are rendered for each case, before a request is sent."""

EARLY: Final = frozenset({"when", "for_each"})
"""The roles that are rendered once for each row, before its cases."""

LATE: Final = frozenset({"check", "message"})
"""The roles that are rendered for an output, after it was billed."""


@dataclass(frozen=True)
class StepTemplate:
    """A template or an expression: its source, its role, and its place in the pipeline or in a file of its own.

    Attributes:
        name: the name of a value or an argument; the number of a check or its message.
        is_verbatim: whether the source prints a text that must not change, so that it is not what the file contains.
        references: the steps that it refers to; empty until it was read.
    """

    role: Role
    source: str
    document: Document
    path: DataPath
    file: SourceText | None = None
    name: str = ""
    is_verbatim: bool = False
    references: References = field(default=References(), compare=False)

    @property
    def is_expression(self) -> bool:
        """Whether it is an expression, without braces, that returns a value."""
        return self.role in EXPRESSIONS

    def mark(self, start: int, end: int) -> Mark:
        """Return the place of `source[start:end]`; for a verbatim text, the place that names its file."""
        if self.is_verbatim:
            return self.document.mark((*self.path, "file"))
        return self.file.mark(start, end) if self.file else self.document.within(self.path, start, end)
