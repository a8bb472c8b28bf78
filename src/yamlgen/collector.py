"""The base class of checks that collect diagnostics."""

from __future__ import annotations

from dataclasses import dataclass, field

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code


@dataclass(kw_only=True)
class Collector:
    """Collects the diagnostics of a check.

    Attributes:
        diagnostics: the diagnostics, in the order in which they were found.
    """

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def complain(self, code: Code, message: str, mark: Mark, hint: str | None = None, *, warn: bool = False) -> None:
        """Add an error, or a warning if `warn` is set."""
        self.diagnostics.append(Diagnostic(code, message, mark, hint, "warning" if warn else "error"))
