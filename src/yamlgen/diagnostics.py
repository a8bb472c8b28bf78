"""Errors and warnings about a pipeline file: their place, their mend, and the exception that carries all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from yamlgen.errors import Code, YamlgenError
from yamlgen.exit_codes import ExitCode
from yamlgen.option_names import by_surface
from yamlgen.suggestions import Hint


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A range in a text file. Lines and columns start at 1 and count code points; the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Fix:
    """A mend that is certainly right: a range of a file, and the text that replaces it."""

    mark: Mark
    text: str

    def as_json(self) -> dict[str, Any]:
        """Return the fix as JSON."""
        return {**asdict(self.mark), "text": self.text}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """An error or warning about a pipeline: fact, place, hint; and a fix, where the mend is certain."""

    code: Code
    message: str
    mark: Mark
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"
    fix: Fix | None = None

    @property
    def place(self) -> str:
        """The start of its range, as `file:line:column`."""
        return f"{self.mark.file}:{self.mark.line}:{self.mark.column}"

    @property
    def known(self) -> tuple[str, ...]:
        """The names that are known where an unknown one is; empty if it is about something else."""
        return self.hint.known if isinstance(self.hint, Hint) else ()

    def as_json(self) -> dict[str, Any]:
        """Return the diagnostic as the object that `--output-format json` prints."""
        return {
            **asdict(self.mark),
            "severity": self.severity,
            "code": str(self.code),
            "message": self.message,
            "hint": self.hint,
            "known": list(self.known),
            "explain": by_surface(command=f"yamlgen explain {self.code}", python=f"errors/{self.code}.md"),
            "fix": None if self.fix is None else self.fix.as_json(),
        }


class InvalidPipeline(YamlgenError):  # noqa: N818 - named after the state of the file
    """The pipeline has errors. `str(error)` has one line for each.

    Attributes:
        diagnostics: all errors and warnings, in source order.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        first, *others = (each for each in diagnostics if each.severity == "error")
        more = f" (and {len(others)} more)" if others else ""
        super().__init__(f"{first.place}: {first.message}{more}", code=first.code, hint=first.hint)
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        mistakes = [each for each in self.diagnostics if each.severity == "error"]
        return "\n".join(f"{each.place}: {each.message}{f' ({each.hint})' if each.hint else ''}" for each in mistakes)
