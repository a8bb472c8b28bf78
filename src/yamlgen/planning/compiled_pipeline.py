"""A compiled pipeline: everything that does not depend on the parameters of a run, which are bound to it later.

Owns the binding of a run's parameters: their values in the plan, and their mistakes among all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code, RowError
from yamlgen.parsing.project_folder import Stamp, stamp_of
from yamlgen.parsing.secret_scan import without_secrets
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.diagnostic_deduplication import each_once
from yamlgen.pipeline.output_checks import check_paths
from yamlgen.pipeline.parameters import Parameters
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.planning.finding_reports import ScopedTemplate
from yamlgen.planning.plan import Plan
from yamlgen.value_objects import JSON


@dataclass(frozen=True)
class CompiledPipeline:
    """The result of compiling a file, for any parameters.

    Attributes:
        parsed: the parsed file.
        plan: the plan, with the parameters' defaults; `None` if there is an error.
        parameters: the declared parameters.
        diagnostics: the mistakes, in the order in which they were found.
        taken: the names of output columns that an input column must not have.
        files: the files that the pipeline refers to, directly or indirectly, each with its state when it was read.
        scoped: its templates and expressions by their paths, also if there are errors.
    """

    parsed: ParsedFile
    plan: Plan | None
    parameters: Parameters
    diagnostics: tuple[Diagnostic, ...]
    files: Mapping[Path, Stamp | None]
    taken: frozenset[str] = frozenset()
    scoped: Mapping[DataPath, ScopedTemplate] = field(default_factory=dict)

    def bound(self, given: Mapping[str, JSON], *, complete: bool) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
        """Return the plan with the parameters of a run (`None` if there is an error), and all mistakes in order.

        Args:
            given: the values, by name.
            complete: whether a run is about to start, so that every parameter must have a value.
        """
        run = self.parameters.given(given, complete=complete)
        found = without_secrets([*self.diagnostics, *run.diagnostics], (*self.parsed.texts, *run.texts))
        told = tuple(each_once(in_order(found, self.parsed.shown)))
        if self.plan is None or any(each.severity == "error" for each in told):
            return None, told
        if self.plan.declared.keys() - run.values.keys():
            return replace(self.plan, params=run.values), told
        try:
            bound = self.plan.bound(run.values)
        except RowError as error:
            return None, (*told, self._unbound(self.plan, error))
        wrong = [] if bound.outputs == self.plan.outputs else check_paths(self.parsed, self.plan.outputs, run.values)
        if wrong:
            return None, (*told, *without_secrets(wrong, (*self.parsed.texts, *run.texts)))
        return bound, told

    def _unbound(self, plan: Plan, error: RowError) -> Diagnostic:
        """Return the diagnostic of a path that cannot be rendered, at that path."""
        source, _ = error.source or ("", 0)
        keys = [(output, key) for output in plan.outputs for key in ("path", "rejected")]
        found = ((*output.at, key) for output, key in keys if getattr(output.config, key) == source)
        at = next(found, plan.outputs[0].at)
        hint = "set the parameter to a value that the path can contain"
        return Diagnostic(Code.OUTPUT_PATH, error.message, self.parsed.document.mark(at), hint)

    @property
    def is_current(self) -> bool:
        """Whether all files that it was made from are unchanged, and no other file matches a pattern in it."""
        is_same = all(stamp_of(path) == stamp for path, stamp in self.files.items())
        return is_same and self.parsed.files() <= self.files.keys()


def in_order(diagnostics: Iterable[Diagnostic], main: str) -> list[Diagnostic]:
    """Return diagnostics in the order of the source: first those of the file `main`, then file by file."""
    return sorted(diagnostics, key=lambda d: (d.mark.file != main, d.mark.file, d.mark.line, d.mark.column, d.code))
