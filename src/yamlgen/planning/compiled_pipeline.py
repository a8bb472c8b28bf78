"""A pipeline, compiled: all that does not depend on the parameters of a run, which are bound to it later.

Owns what a run's parameters change: their values in the plan, and what is wrong with them among all else that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from yamlgen.errors import Diagnostic
from yamlgen.parsing.project_folder import Stamp, stamp_of
from yamlgen.parsing.secret_scan import without_secrets
from yamlgen.pipeline.diagnostic_deduplication import each_once
from yamlgen.pipeline.parameters import Parameters
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.planning.plan import Plan
from yamlgen.value_objects import JSON


@dataclass(frozen=True)
class CompiledPipeline:
    """What came of a file, whatever its parameters are.

    Attributes:
        parsed: the file as read.
        plan: with the parameters' defaults; `None` when there is a mistake.
        parameters: what the parameters may be.
        diagnostics: what is wrong, in the order in which it was found.
        files: those that the file names and all that these name, each in the state that it was read in.
    """

    parsed: ParsedFile
    plan: Plan | None
    parameters: Parameters
    diagnostics: tuple[Diagnostic, ...]
    files: Mapping[Path, Stamp | None]

    def bound(self, given: Mapping[str, JSON], *, complete: bool) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
        """The plan with the values of a run's parameters, `None` when there is a mistake; and all of them, in order.

        Args:
            given: the values, by name.
            complete: whether a run is about to start, so that every parameter must have a value.
        """
        run = self.parameters.given(given, complete=complete)
        found = without_secrets([*self.diagnostics, *run.diagnostics], (*self.parsed.texts, *run.texts))
        told = tuple(each_once(in_order(found, self.parsed.shown)))
        if self.plan is None or any(each.severity == "error" for each in told):
            return None, told
        return replace(self.plan, params=run.values), told

    @property
    def is_current(self) -> bool:
        """Whether each file that it was made of is as it was then, and no other fits a pattern of the file's."""
        is_same = all(stamp_of(path) == stamp for path, stamp in self.files.items())
        return is_same and self.parsed.files() <= self.files.keys()


def in_order(diagnostics: Iterable[Diagnostic], main: str) -> list[Diagnostic]:
    """Diagnostics as they stand in the source: those of the file `main` first, then file by file."""
    return sorted(diagnostics, key=lambda d: (d.mark.file != main, d.mark.file, d.mark.line, d.mark.column, d.code))
