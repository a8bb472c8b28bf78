"""A pipeline that was read and checked, and the pipelines whose outputs it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from yamlgen.canonical_json import canonical
from yamlgen.data.drawn_column import read_column
from yamlgen.data.input_file import InputFile
from yamlgen.data.input_sources import selection_of
from yamlgen.data.row_selection import EVERY_ROW
from yamlgen.data.source import Source
from yamlgen.diagnostics import Diagnostic, InvalidPipeline
from yamlgen.errors import Code, near
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.planning.compiled_pipeline import CompiledPipeline
from yamlgen.planning.compiler import compile_pipeline
from yamlgen.planning.plan import Plan
from yamlgen.shaping.output_plan import OutputPlan
from yamlgen.value_objects import JSON, Columns

if TYPE_CHECKING:
    from yamlgen.api.run_options import RunOptions
    from yamlgen.output.files import OutputPaths


@dataclass(frozen=True)
class Pipeline:
    """A pipeline file that was read, checked and compiled; `plan` binds it to parameters.

    Attributes:
        path: the file; like every path derived from it, it is absolute, even if the process changes its folder.
        shown: the file, as the caller wrote it.
        columns: the known columns of the rows that are read, and those of all rows, which `input.where` sees.
        overrides: the overridden values, by dotted path.
        input: the input in place of the file's own, as the caller wrote it.
        warnings: the warnings about the file.
        stages: the pipelines whose outputs are tables of its query, by the names of the tables.
        reads_all: whether `where`, `sample` and `limit` of the input do not apply, as to the rows of a test case.
    """

    path: Path
    shown: str
    parsed: ParsedFile
    source: Source
    columns: tuple[Columns | None, Columns | None]
    overrides: Mapping[str, str]
    input: str | None
    warnings: tuple[Diagnostic, ...]
    compiled: CompiledPipeline = field(repr=False, compare=False)
    stages: Mapping[str, PipelineStage] = field(default_factory=dict, repr=False, compare=False)
    reads_all: bool = False

    def __repr__(self) -> str:
        count = len(self.steps)
        return f"<Pipeline {self.shown}: {count} step{'' if count == 1 else 's'}>"

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of its steps, in file order."""
        return tuple(self.parsed.pipeline.steps)

    @property
    def outputs(self) -> tuple[OutputPlan, ...]:
        """Its outputs, in file order."""
        return () if self.compiled.plan is None else self.compiled.plan.outputs

    def selected(self, plan: Plan) -> Source:
        """Return the input as a run reads it: the files that exist now, and the rows that the plan selects."""
        selection = EVERY_ROW if self.reads_all else selection_of(plan.input, plan.params)
        return replace(self.source.listed(), selection=selection)

    def plan(self, params: Mapping[str, JSON] | None = None) -> Plan:
        """Return the plan of a run with these parameters.

        Raises:
            InvalidPipeline: a parameter is missing, undeclared or invalid.
        """
        compiled = self.compiled
        if not compiled.is_current:  # a program may keep it for a long time
            compiled = compile_pipeline(
                self.parsed, self.columns[0], partial(column_of, self.parsed, []), self.columns[1]
            )
        plan, diagnostics = compiled.bound(params or {}, complete=True)
        if plan is None:
            raise InvalidPipeline(diagnostics)
        return plan


@dataclass(frozen=True)
class PipelineStage:
    """A pipeline whose output is a table of another.

    Attributes:
        pipeline: the pipeline.
        params: its parameters.
        output: the name of its output; empty for `output`.
        partial: whether the chain goes on although rows of it failed.
    """

    pipeline: Pipeline
    params: Mapping[str, JSON] = field(default_factory=dict)
    output: str = ""
    partial: bool = False

    @property
    def key(self) -> bytes:
        """What distinguishes its runs: the file and the parameters."""
        return canonical([str(self.pipeline.path.resolve()), dict(self.pipeline.plan(self.params).params)])

    def files(self, options: RunOptions) -> tuple[InputFile, ...]:
        """Return the files of its output that a run of the chain with these options writes or reads."""
        return tuple(InputFile(each.path, near(each.path)) for each in self.paths(options).kept(self.output))

    def paths(self, options: RunOptions) -> OutputPaths:
        """Return the files of all its outputs."""
        from yamlgen.output.files import output_paths  # noqa: PLC0415 - loads the store; most pipelines have no stages

        plan = self.pipeline.plan(self.params)
        return output_paths(plan.outputs, plan.folder, {}, simulated=options.simulate, limit=options.limit)


def column_of(parsed: ParsedFile, odd: list[Diagnostic], at: DataPath, path: str, name: str) -> tuple[JSON, ...]:
    """Return a column of a file that a step names; warnings about the file are added to `odd` once."""
    mark = parsed.document.mark(at, key=True)

    def tell(told: str) -> None:
        if all(each.message != told for each in odd):
            odd.append(Diagnostic(Code.BAD_DRAW, told, mark, severity="warning"))

    return read_column(*parsed.beside(path), name, tell)
