"""The one way to tell of a mistake: those who look for mistakes collect them."""

from __future__ import annotations

from dataclasses import dataclass, field

from yamlgen.errors import Code, Diagnostic, Mark


@dataclass(kw_only=True)
class Collector:
    """What is wrong with what an author wrote, gathered over all checks.

    Attributes:
        diagnostics: in the order in which they were found.
    """

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def complain(self, code: Code, message: str, mark: Mark, hint: str | None = None, *, warn: bool = False) -> None:
        """Tell a mistake, or a warning."""
        self.diagnostics.append(Diagnostic(code, message, mark, hint, "warning" if warn else "error"))
