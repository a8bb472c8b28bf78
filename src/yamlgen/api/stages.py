"""The stages of a pipeline: other pipelines whose outputs are tables of its query. A chain is a graph of files.

A stage is checked with the pipeline that names it, and its output has the columns of its plan, so `validate` knows the
types of a query although no stage has run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from yamlgen.api.loaded_pipeline import Pipeline, PipelineStage
from yamlgen.api.run_options import RunOptions
from yamlgen.data.sql_query import SqlQuery, SqlTable
from yamlgen.diagnostics import Diagnostic, InvalidPipeline
from yamlgen.errors import Code, UsageError, near
from yamlgen.formats.column_shapes import shapes_of
from yamlgen.output.atomic_write import target_of
from yamlgen.output.files import output_paths
from yamlgen.parsing.yaml_parser import absence
from yamlgen.pipeline.input_config import Table
from yamlgen.pipeline.parameters import given_as
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.planning.plan import Plan
from yamlgen.suggestions import listing, suggestion
from yamlgen.value_objects import JSON

Load = Callable[[Path, str, Mapping[str, JSON], tuple["Link", ...]], tuple[Pipeline | None, tuple[Diagnostic, ...]]]
"""Checks the file of a stage, with its parameters and the links that lead to it."""


_CYCLE: Final = "the pipelines need each other"


class Link(NamedTuple):
    """A table that is the output of another pipeline: the file that names it, and the place."""

    file: Path
    place: str


@dataclass
class StageFinder:
    """Finds the stages of a pipeline.

    Args:
        parsed: the pipeline file.
        above: the links that lead to it.
        load: checks the file of a stage.
    """

    parsed: ParsedFile
    above: tuple[Link, ...]
    load: Load
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def find(self) -> dict[str, PipelineStage]:
        """Return the stages by the names of the tables, and report what is wrong with them."""
        if self.parsed.is_broken_within("input"):
            return {}
        tables = (self.parsed.pipeline.input.tables or {}).items()
        found = {name: self._stage(name, each) for name, each in tables if isinstance(each, Table) and each.pipeline}
        self.diagnostics.extend(each for each in found.values() if isinstance(each, Diagnostic))
        return {name: each for name, each in found.items() if isinstance(each, PipelineStage)}

    def _stage(self, name: str, table: Table) -> PipelineStage | Diagnostic:
        written = str(table.pipeline)
        path, shown = self.parsed.beside(written)
        at = ("input", "tables", name, "pipeline")
        mark = self.parsed.document.mark(at)
        if (absent := absence(path, shown, "the pipeline file")) is not None:
            return Diagnostic(Code.MISSING_FILE, absent[0], mark, absent[1])
        link = Link(self.parsed.path.resolve(), f"{mark.file}:{mark.line}:{mark.column}")
        links = (*self.above, link)
        places = [each.place for each in links]
        if path.resolve() in (each.file for each in links):
            first = next(at for at, each in enumerate(links) if each.file == path.resolve())
            if path.resolve() == self.parsed.path.resolve():
                return Diagnostic(
                    Code.BAD_STAGE, "a pipeline cannot read its own output", mark, "name another pipeline"
                )
            message = f"{_CYCLE}: {' → '.join(places[first:])} → {shown}"
            return Diagnostic(
                Code.BAD_STAGE, message, mark, "let one of them read a file that no other pipeline writes"
            )
        params = table.params or {}
        pipeline, told = self.load(path, shown, params, links)
        errors = [each for each in told if each.severity == "error"]
        if pipeline is not None and not errors:
            try:
                pipeline.plan(params)
            except InvalidPipeline as error:
                errors = [each for each in error.diagnostics if each.severity == "error"]
        if pipeline is None or errors:
            return self._broken(name, shown, params, errors)
        names = [output.name for output in pipeline.outputs]
        output = table.output or names[0]
        if table.output is None and len(names) > 1:
            fix = f"write which one: `output: {names[0]}`"
            return Diagnostic(Code.BAD_STAGE, f"{shown} has the outputs {listing(names)}", mark, fix)
        if output not in names:
            named = self.parsed.document.mark(("input", "tables", name, "output"))
            is_one = not any(names)
            way = "remove `output`: it has only one" if is_one else suggestion(output, names, "outputs")
            return Diagnostic(Code.BAD_STAGE, f"{shown} has no output `{output}`", named, way)
        return PipelineStage(pipeline, dict(table.params or {}), output, table.partial)

    def _broken(self, name: str, shown: str, params: Mapping[str, JSON], errors: list[Diagnostic]) -> Diagnostic:
        """Return the error of a table whose pipeline is invalid: at a parameter, or at the path of the file."""
        at, first = ("input", "tables", name), errors[0]
        more = "" if len(errors) == 1 else f" and {len(errors) - 1} more"
        if first.code is Code.MISSING_PARAM:
            needed = first.message.partition("`")[2].partition("`")[0]
            fix = f"write it here: `params: {{{needed}: ...}}`"
            mark = self.parsed.document.mark((*at, "pipeline"))
            return Diagnostic(first.code, f"{shown}: {first.message}", mark, fix)
        for param, value in params.items():
            if first.mark.file == given_as(str(param), value).file:
                hint = "put it in quotes, to make it a string" if first.hint and "quotes" in first.hint else first.hint
                mark = self.parsed.document.mark((*at, "params", param), key=True)
                return Diagnostic(first.code, f"{shown}: {first.message}", mark, hint)
        mark = self.parsed.document.mark((*at, "pipeline"))
        if first.message.startswith(_CYCLE) or (first.hint or "").startswith("see "):  # it is about a stage behind
            return Diagnostic(first.code, first.message, mark, first.hint)
        message = f"the pipeline {shown} has an error: {first.message}"
        return Diagnostic(first.code, message, mark, f"see {first.place}{more}")

    def collision(self, stages: Mapping[str, PipelineStage], plan: Plan) -> Diagnostic | None:
        """Return the error of a file that two pipelines of the chain write, or one with two sets of parameters."""
        own = output_paths(plan.outputs, plan.folder, {}, simulated=False, limit=None)
        writers = {target_of(each.path): (b"", self.parsed.shown) for each in own.rows}
        for name, stage in stages.items():
            for each in (*stages_behind(stage.pipeline), stage):
                for file in each.paths(RunOptions()).rows:
                    key, shown = writers.setdefault(target_of(file.path), (each.key, each.pipeline.shown))
                    if key == each.key:
                        continue
                    other = each.pipeline.shown
                    fact, fix = f"{shown} and {other} both write {near(file.path)}", "give each a file of its own"
                    if shown == other:
                        fact = f"{shown} writes {near(file.path)} twice, with different `params`"
                        fix = "use a parameter in its path, such as `path: out/{{ params.name }}.jsonl`"
                    mark = self.parsed.document.mark(("input", "tables", name, "pipeline"))
                    return Diagnostic(Code.BAD_STAGE, fact, mark, fix)
        return None


def with_types(query: SqlQuery, stages: Mapping[str, PipelineStage]) -> SqlQuery:
    """Return a query whose tables of stages have the columns of their plans, to prepare it before they have run.

    A table whose columns only its rows show stays without columns, so that the query is not prepared.
    """
    tables = (replace(table, schema=schema_of(stages.get(table.name))) for table in query.tables)
    return replace(query, tables=tuple(tables))


def schema_of(stage: PipelineStage | None) -> Mapping[str, JSON] | None:
    """Return the schema of the rows of a stage; `None` if the types of its columns are not certain."""
    if stage is None:
        return None
    schema: Mapping[str, JSON] = next(each for each in stage.pipeline.outputs if each.name == stage.output).type.value
    shapes, is_open = shapes_of(schema)
    if is_open:
        return None
    if not all(file.kind().keeps_types for file in stage.files(RunOptions())):  # each cell of a CSV file is a string
        columns: dict[str, JSON] = {name: {"type": "string"} for name in shapes}
        return {"type": "object", "properties": columns, "required": list(columns), "additionalProperties": False}
    return None if any(shape.is_supposed for shape in shapes.values()) else schema


def with_outputs(query: SqlQuery, stages: Mapping[str, PipelineStage], options: RunOptions) -> SqlQuery:
    """Return a query whose tables of stages are the files that a run with these options reads.

    Raises:
        UsageError: a file does not exist, because its stage has not run.
    """

    def filled(table: SqlTable) -> SqlTable:
        stage = stages.get(table.name)
        if stage is None:
            return table
        files = stage.files(options)
        for file in files:
            if file.path is None or not file.path.exists():
                message = f"{file.name()}, the output of {stage.pipeline.shown}, does not exist"
                raise UsageError(message, code=Code.MISSING_INPUT, hint="run the pipeline that writes it first")
        return replace(table, files=files, schema=schema_of(stage))

    return replace(query, tables=tuple(map(filled, query.tables)))


def stages_behind(pipeline: Pipeline) -> list[PipelineStage]:
    """Return all stages behind a pipeline, each once, in an order in which each comes after those that it needs."""
    found: dict[bytes, PipelineStage] = {}

    def walk(each: Pipeline) -> Iterator[PipelineStage]:
        for stage in each.stages.values():
            yield from walk(stage.pipeline)
            yield stage

    for stage in walk(pipeline):
        other = found.get(stage.key, stage)
        found[stage.key] = replace(other, partial=other.partial and stage.partial)
    return list(found.values())
