"""Compilation of a parsed file into a plan: all checks of a pipeline without an API key, a network or a row.

Owns the order of the checks and the collection of all mistakes. A part that one check found broken is ignored by later
checks, so that each mistake is reported once, at its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from yamlgen.collector import Collector
from yamlgen.diagnostics import Mark
from yamlgen.errors import Code
from yamlgen.expressions.name_resolution import UsedNames
from yamlgen.expressions.references import references
from yamlgen.expressions.static_types import ANYTHING, TypeView
from yamlgen.expressions.template_checks import TemplateAnalysis
from yamlgen.parsing.project_folder import Stamp, stamp_of
from yamlgen.parsing.source_map import DataPath
from yamlgen.parsing.unrendered_templates import unfilled
from yamlgen.pipeline.batch_checks import check_batch
from yamlgen.pipeline.csv_delimiter import parted
from yamlgen.pipeline.input_checks import check_input
from yamlgen.pipeline.misspelt_columns import odd_columns
from yamlgen.pipeline.model_settings import check_connections, check_model
from yamlgen.pipeline.number_coercion import changed_numbers
from yamlgen.pipeline.output_checks import check_outputs
from yamlgen.pipeline.parameters import Parameters
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.pipeline.template_sources import TextLoader
from yamlgen.planning.compiled_pipeline import CompiledPipeline
from yamlgen.planning.finding_reports import FindingReporter, read_template
from yamlgen.planning.lint import StepLinter
from yamlgen.planning.output_reader import OutputReader, unneeded_steps
from yamlgen.planning.plan import Plan
from yamlgen.planning.scopes import Scopes
from yamlgen.planning.step_builder import StepBuilder
from yamlgen.planning.step_order import ordered, rings
from yamlgen.schemas.author_schema import JSONSchema, SchemaLoader
from yamlgen.schemas.keywords import KEYWORDS
from yamlgen.schemas.types import ANYTHING as ANY_TYPE
from yamlgen.schemas.types import Type
from yamlgen.shaping.output_plan import OutputPlan
from yamlgen.steps import fan_out
from yamlgen.steps.declaration import DeclaredStep
from yamlgen.steps.step_config import StepConfig
from yamlgen.steps.step_file import ColumnReader
from yamlgen.steps.step_template import StepTemplate
from yamlgen.value_objects import JSON, Columns


def compile_pipeline(
    parsed: ParsedFile, columns: Columns | None, column: ColumnReader, unfiltered: Columns | None = None
) -> CompiledPipeline:
    """Check a pipeline, and resolve it into a plan.

    Args:
        parsed: the parsed file.
        columns: the known columns of the input; `None` if they are unknown.
        column: reads a column of a file that a step names.
        unfiltered: the columns that `input.where` sees, if they differ: those of all rows, not only of rows for which
            it is true.
    """
    return _Compiler(parsed, columns, column, unfiltered or columns).compile()


@dataclass
class _Compiler(Collector):
    parsed: ParsedFile
    columns: Columns | None
    column: ColumnReader
    unfiltered: Columns | None
    where: TemplateAnalysis | None = None
    """What `input.where` proves about each row."""
    schemas: dict[str, JSONSchema] = field(default_factory=dict)
    files: dict[DataPath, JSON] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    """The steps whose schema has mistakes, so that their type is unknown."""
    steps: dict[str, DeclaredStep[Any]] = field(default_factory=dict)
    rings: list[tuple[str, ...]] = field(default_factory=list)
    outputs: list[OutputPlan] = field(default_factory=list)

    def __post_init__(self) -> None:
        parsed = self.parsed
        self.columns, unparted = parted(parsed, self.columns)
        self.diagnostics.extend((*parsed.diagnostics, *unparted))
        self.loader = SchemaLoader(parsed.path.parent, parsed.folder)
        self.texts = TextLoader(parsed)
        self.params = Parameters(parsed, self.loader)
        self.assembly = StepBuilder(parsed, self.schemas, self.column)

    def compile(self) -> CompiledPipeline:
        parsed, steps = self.parsed, self.parsed.pipeline.steps
        self.params.declare()
        is_unsure = parsed.is_broken("steps") or parsed.document.node(("steps",)).unread
        known = None if is_unsure else dict.fromkeys(parsed.names("steps"), ANYTHING)
        self.scopes = Scopes(self.columns, self.params.view(), known, parsed.is_broken)
        self.scopes.unknown |= {name for name in parsed.names("steps") if parsed.is_broken("steps", name)}
        for name, step in steps.items():
            self.load_schema(name, step)
            self.steps[name] = self.assembly.declare(name, step)
        self.scopes.declare_thinking(self.steps)
        self.look()
        self.reporter = FindingReporter(
            parsed,
            self.params,
            self.scopes,
            self.in_ring(),
            {name: set(step.needs) for name, step in self.steps.items()},
        )
        self.report_cycles()
        self.read_where()
        self.read_steps()
        self.read_outputs()
        self.check_lint()
        self.check_steps()
        self.assembly.forgive(self.scopes.unwrapped, self.scopes.taken_apart)
        self.diagnostics.extend(check_input(parsed, self.columns))
        self.diagnostics.extend(check_outputs(parsed, self.columns, self.outputs, self.params.defaults))
        self.diagnostics.extend((*check_connections(parsed), *check_model(parsed), *check_batch(parsed)))
        self.diagnostics.extend((*unfilled(parsed.document, self.files), *changed_numbers(parsed.document)))
        self.diagnostics.extend(odd_columns(parsed.document))
        for part in (self.params, self.loader, self.texts, self.assembly, self.reporter):
            self.diagnostics.extend(part.diagnostics)
        told = [each for each in self.diagnostics if each.mark not in parsed.mended or each in parsed.diagnostics]
        unfilled_at = {each.mark: each for each in told if each.code is Code.UNFILLED}
        found = tuple(each for each in told if unfilled_at.get(each.mark, each) is each)
        plan = None if any(each.severity == "error" for each in found) else self.plan()
        taken = frozenset[str]().union(*(output.taken for output in self.outputs)) if plan is not None else frozenset()
        return CompiledPipeline(parsed, plan, self.params, found, self.files_read(), taken, self.reporter.scoped)

    def plan(self) -> Plan:
        """Return the plan of a pipeline without errors."""
        parsed = self.parsed
        return Plan(
            name=parsed.pipeline.name or parsed.path.stem,
            file=parsed.path,
            params=dict(self.params.defaults),
            declared=dict(self.params.schemas),
            models=dict(parsed.pipeline.models),
            runtime=parsed.pipeline.runtime,
            limits=parsed.pipeline.limits,
            input=parsed.pipeline.input,
            steps=tuple(step.plan_step(self.scopes.types[name]) for name, step in self.steps.items()),
            outputs=tuple(self.outputs),
            rows_given=parsed.rows_given,
        )

    def files_read(self) -> dict[Path, Stamp | None]:
        """Return the files of the pipeline, those that a schema refers to, and those that a kept value depends on."""
        kept: dict[Path, Stamp | None] = {}
        for step in self.steps.values():
            kept |= step.files_behind()
        return {path: stamp_of(path) for path in {*self.parsed.files(), *self.loader.files} - kept.keys()} | kept

    def load_schema(self, name: str, step: StepConfig) -> None:
        path, written = ("steps", name, "output", "schema"), step.schema_written()
        strays = any(left[:3] == path[:3] and left[-1] in KEYWORDS for left in self.parsed.broken)
        if written is None or strays or self.parsed.is_broken(*path):
            return
        before = len(self.loader.diagnostics)
        if isinstance(written, str):
            schema = self.loader.file(written, self.parsed.document.mark(path))
            self.files |= {path: schema.value} if schema is not None else {}
        else:
            schema = self.loader.inline(self.parsed.document, path, self.parsed.path, written)
        if schema is not None:
            self.schemas[name] = schema
        if len(self.loader.diagnostics) > before:
            self.doubtful.add(name)

    def look(self) -> None:
        """Find the steps that each step refers to, so that they can be read in the order of execution."""
        blind: dict[str, TypeView] = dict.fromkeys(("row", "params", "steps", "output", *fan_out.KEY_OF), ANYTHING)
        blind |= dict.fromkeys(self.scopes.thoughts(), ANYTHING)
        for name, seen in self.steps.items():
            analyses = [(text, read_template(text, blind)) for text in self.texts.of(name, seen.step)]
            seen.templates = [(_referring(text, analysis), analysis) for text, analysis in analyses]
            used = {used for _, analysis in seen.templates for used in analysis.uses.steps}
            seen.needs = frozenset(used & self.steps.keys())
            seen.asks = frozenset(used for _, analysis in seen.of("when") for used in analysis.uses.steps)
        self.rings.extend(rings({name: step.needs for name, step in self.steps.items()}))

    def read_where(self) -> None:
        """Read the condition of the input, with the columns of all rows."""
        source, path = self.parsed.pipeline.input.where, ("input", "where")
        if source is None or self.parsed.is_broken(*path):
            return
        scopes = replace(self.scopes, columns=self.unfiltered)
        seen: dict[str, TypeView] = {"row": scopes.row(), "params": self.params.view()}
        certain = seen if scopes.is_closed else {**seen, "row": scopes.row(sure=True)}
        template = StepTemplate("where", source, self.parsed.document, path)
        self.where = self.reporter.read(template, seen, certain)[1]

    def read_steps(self) -> None:
        """Read the steps in their order, each with the types of the steps before it."""
        in_ring = self.in_ring()
        straight = {name: step.needs - in_ring for name, step in self.steps.items()}
        for name in ordered({**straight, **dict.fromkeys(in_ring, ())}):
            step = self.steps[name]
            step.output = self.output_type(name, step)
            values = self.read_step(step)
            self.scopes.doubt(step)
            if step.hides_type():
                self.scopes.unknown.add(name)
            else:
                step.output = step.type_of(values) or step.output
            self.scopes.settle(step)

    def read_outputs(self) -> None:
        """Read the outputs, and report the steps that none of them needs."""
        reader = OutputReader(self.parsed, self.columns, self.scopes, self.reporter, self.where)
        self.outputs = [reader.read(name, config) for name, config in self.parsed.pipeline.named_outputs.items()]
        is_broken = any(self.parsed.is_broken(part) for part in ("output", "outputs", "steps"))
        is_broken |= any(each.severity == "error" for each in self.parsed.diagnostics)
        is_broken |= any(each.code is Code.WRONG_SHAPE for each in self.reporter.diagnostics)  # a column may be missing
        if not (reader.unsure or is_broken):
            self.diagnostics.extend(unneeded_steps(self.parsed, self.steps, self.outputs))

    def in_ring(self) -> frozenset[str]:
        """Return the steps that are in a cycle."""
        return frozenset(name for ring in self.rings for name in ring)

    def output_type(self, name: str, read: DeclaredStep[Any]) -> Type:
        """Return the type of one output of a step, before its expressions are read."""
        strays = any(path[:-1] == ("steps", name, "output") for path in self.parsed.broken)
        if strays or name in self.doubtful:
            self.scopes.unknown.add(name)
            return ANY_TYPE
        if name in self.schemas:
            return Type(self.schemas[name].value)
        made = read.output_type()
        if made is None:
            self.scopes.unknown.add(name)
        return ANY_TYPE if made is None else made

    def read_step(self, read: DeclaredStep[Any]) -> dict[str, TypeView]:
        """Read the templates of a step, report their mistakes, and return the views of its values."""
        item: TypeView | None = None
        values: dict[str, TypeView] = {}
        when = self.where or TemplateAnalysis(UsedNames(), [])
        for number, (template, _) in enumerate(read.templates):
            seen = self.scopes.of(read, template, item)
            certain = seen if self.scopes.is_sure else self.scopes.of(read, template, item, sure=True)
            analysis, sure = self.reporter.read(template, seen, certain, when)
            read.templates[number] = (template, analysis)
            if template.role == "when":
                when = analysis if self.where is None else analysis.also(self.where)
            elif template.role == "for_each":
                item, read.items = self.reporter.item_view(template, analysis, sure)
            elif template.role == "turns":
                self.reporter.check_turns(template, analysis, sure)
            elif template.role == "value":
                values[template.name] = sure.view
        return values

    def report_cycles(self) -> None:
        """Report each cycle of steps once, at a reference that closes it."""
        for ring in self.rings if self.scopes.steps is not None else ():
            last, first = ring[-1], ring[0]
            chain = " -> ".join(f"`{step}`" for step in (*ring, first))
            what = f"step `{first}` refers to itself" if len(ring) == 1 else f"the steps refer to each other: {chain}"
            self.complain(Code.CYCLE, what, self.reference_mark(last, first), "remove a reference from the cycle")

    def reference_mark(self, name: str, to: str) -> Mark:
        for text, analysis in self.steps[name].templates:
            if to in analysis.uses.steps:
                start = next((at for at in (text.source.find(f"steps.{to}"), text.source.find("steps")) if at >= 0), 0)
                return text.mark(start, start + len(f"steps.{to}"))
        return self.parsed.document.mark(("steps", name), key=True)

    def check_lint(self) -> None:
        """Check the steps for likely mistakes; a text that several of them share is reported once."""
        linter = StepLinter(self.parsed, self.columns, self.scopes, self.steps)
        self.diagnostics.extend(dict.fromkeys(warning for read in self.steps.values() for warning in linter.of(read)))

    def check_steps(self) -> None:
        """Check the templates of each step, after all of them were read."""
        for step in self.steps.values():
            self.diagnostics.extend(step.check_texts())


def _referring(template: StepTemplate, analysis: TemplateAnalysis) -> StepTemplate:
    """Return a template with the steps that it refers to, if it can be read."""
    if any(finding.code is Code.TEMPLATE_SYNTAX for finding in analysis.findings):
        return template
    try:
        return replace(template, references=references(template.source, is_expression=template.is_expression))
    except RecursionError:  # its evaluation fails too, in each row
        return template
