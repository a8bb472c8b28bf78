"""Compilation of a parsed file into a plan: all checks of a pipeline without an API key, a network or a row.

Owns the order of the checks and the collection of all mistakes. A part that one check found broken is ignored by later
checks, so that each mistake is reported once, at its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from yamlgen.collector import Collector
from yamlgen.errors import Code, Mark
from yamlgen.expressions import type_inference
from yamlgen.expressions.evaluation import shown
from yamlgen.expressions.name_resolution import Finding, UsedNames
from yamlgen.expressions.references import references
from yamlgen.expressions.static_types import ANYTHING, TypeView
from yamlgen.expressions.template_checks import TemplateAnalysis, analyse_expression, analyse_template
from yamlgen.parsing.project_folder import Stamp, stamp_of
from yamlgen.parsing.source_map import DataPath
from yamlgen.parsing.unrendered_templates import unfilled
from yamlgen.pipeline.csv_delimiter import parted
from yamlgen.pipeline.input_output_checks import check_files
from yamlgen.pipeline.misspelt_columns import odd_columns
from yamlgen.pipeline.model_settings import check_model, check_runtime
from yamlgen.pipeline.number_coercion import changed_numbers
from yamlgen.pipeline.parameters import Parameters
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.pipeline.template_sources import TextLoader
from yamlgen.planning.compiled_pipeline import CompiledPipeline
from yamlgen.planning.lint import StepLinter
from yamlgen.planning.plan import Plan
from yamlgen.planning.scopes import Scopes
from yamlgen.planning.step_builder import StepBuilder
from yamlgen.planning.step_order import ordered, rings
from yamlgen.schemas.author_schema import JSONSchema, SchemaLoader
from yamlgen.schemas.keywords import KEYWORDS
from yamlgen.schemas.type_words import spoken
from yamlgen.schemas.types import ANYTHING as ANY_TYPE
from yamlgen.schemas.types import Type
from yamlgen.steps import fan_out
from yamlgen.steps.declaration import DeclaredStep
from yamlgen.steps.step_config import StepConfig
from yamlgen.steps.step_file import ColumnReader
from yamlgen.steps.step_template import StepTemplate
from yamlgen.value_objects import JSON, Columns

_INSTEAD: Final = {"for_each": "[]", "value": "none", "arg": "none"}
"""The value to write instead of null in a hint, by the role of the expression."""

_DECLARED: Final = frozenset({Code.UNKNOWN_PARAM, Code.UNKNOWN_STEP, Code.UNKNOWN_FIELD})
"""The mistakes that follow from a name that is declared at the wrong place, which is reported there."""


def compile_pipeline(parsed: ParsedFile, columns: Columns | None, column: ColumnReader) -> CompiledPipeline:
    """Check a pipeline, and resolve it into a plan.

    Args:
        parsed: the parsed file.
        columns: the known columns of the input; `None` if they are unknown.
        column: reads a column of a file that a step names.
    """
    return _Compiler(parsed, columns, column).compile()


@dataclass
class _Compiler(Collector):
    parsed: ParsedFile
    columns: Columns | None
    column: ColumnReader
    schemas: dict[str, JSONSchema] = field(default_factory=dict)
    files: dict[DataPath, JSON] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    """The steps whose schema has mistakes, so that their type is unknown."""
    steps: dict[str, DeclaredStep[Any]] = field(default_factory=dict)
    rings: list[tuple[str, ...]] = field(default_factory=list)

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
        self.look()
        self.report_cycles()
        self.read_steps()
        self.check_lint()
        self.check_steps()
        self.assembly.forgive(self.scopes.unwrapped, self.scopes.taken_apart)
        self.diagnostics.extend(check_files(parsed, self.columns))
        self.diagnostics.extend((*check_runtime(parsed), *check_model(parsed), *unfilled(parsed.document, self.files)))
        self.diagnostics.extend((*changed_numbers(parsed.document), *odd_columns(parsed.document)))
        for part in (self.params, self.loader, self.texts, self.assembly):
            self.diagnostics.extend(part.diagnostics)
        told = [each for each in self.diagnostics if each.mark not in parsed.mended or each in parsed.diagnostics]
        unfilled_at = {each.mark: each for each in told if each.code is Code.UNFILLED}
        found = tuple(each for each in told if unfilled_at.get(each.mark, each) is each)
        plan = None if any(each.severity == "error" for each in found) else self.plan()
        return CompiledPipeline(parsed, plan, self.params, found, self.files_read())

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
            output=parsed.pipeline.output,
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
        for name, seen in self.steps.items():
            analyses = [(text, _read(text, blind)) for text in self.texts.of(name, seen.step)]
            seen.templates = [(_referring(text, analysis), analysis) for text, analysis in analyses]
            used = {used for _, analysis in seen.templates for used in analysis.uses.steps}
            seen.needs = frozenset(used & self.steps.keys())
            seen.asks = frozenset(used for _, analysis in seen.of("when") for used in analysis.uses.steps)
        self.rings.extend(rings({name: step.needs for name, step in self.steps.items()}))

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
        when = TemplateAnalysis(UsedNames(), [])
        for number, (template, _) in enumerate(read.templates):
            analysis = _read(template, self.scopes.of(read, template, item), when)
            sure = (
                analysis if self.is_closed else _read(template, self.scopes.of(read, template, item, sure=True), when)
            )
            read.templates[number] = (template, analysis)
            for finding in _causes(analysis.findings):
                self.report(template, finding, is_guess=finding not in sure.findings)
            if template.role in ("when", "check"):
                self.check_question(template, analysis)
            if template.role == "when":
                when = analysis
            elif template.role == "for_each":
                item = self.item_view(read, template, analysis, sure)
            elif template.role == "value":
                values[template.name] = sure.view
        return values

    def check_question(self, template: StepTemplate, analysis: TemplateAnalysis) -> None:
        """Warn about a condition that is a string: it is true for any string, such as `no`, `false` and `0`."""
        if analysis.view.null is None and analysis.view.types() == {"string"} and not analysis.findings:
            source = shown(template.source)
            message = f'`{source}` is a string, which is true unless it is empty: even `"no"` is true'
            hint = "compare it with the expected string"
            if re.fullmatch(r"[\w.]+", source):
                hint = f'compare it, as in `{source} == "yes"`, or test that it is not empty: `{source} != ""`'
            self.complain(Code.WRONG_KIND, message, template.mark(0, len(template.source)), hint, warn=True)

    @property
    def is_closed(self) -> bool:
        """Whether the known columns are those of all rows."""
        return self.columns is None or self.columns.closed

    def item_view(
        self, read: DeclaredStep[Any], template: StepTemplate, analysis: TemplateAnalysis, sure: TemplateAnalysis
    ) -> TypeView:
        """Return the view of an item of `for_each`, and report a value that is not a list."""
        view = sure.view.solid()
        if analysis.findings or self.is_no_list(template, analysis, is_guess=not view.types()):
            return ANYTHING
        kind = view.type().schema
        read.items = (kind.get("minItems", 0), kind.get("maxItems"))
        return type_inference.item_of(view)

    def is_no_list(self, template: StepTemplate, analysis: TemplateAnalysis, *, is_guess: bool) -> bool:
        """Report a value of `for_each` that is not a list, or may not be one; return whether it was reported."""
        mark, kinds, columns = (
            template.mark(0, len(template.source)),
            analysis.view.solid().types(),
            analysis.uses.columns,
        )
        source = shown(template.source)
        if analysis.view.null is not None:
            message = f"`{source}` may be null here: {analysis.view.null}"
            self.complain(Code.MAY_BE_NULL, message, mark, f"test for it with `when: {source}`")
        elif not kinds and columns is not None and not columns and not self.is_untold(analysis, source):
            message = f"`{source}` is not known to be a list"
            hint = "declare the list in the step's `output.schema`, as `type: array` with `items`"
            self.complain(Code.NOT_A_LIST, message, mark, hint)
        elif kinds - {"array"}:
            hints = {
                frozenset({"array", "null"}): f"write `({source}) or []` for an empty list instead of null",
                frozenset({"string"}): f'to split a string of several values, write `({source}).split(";")`',
            }
            where = " in the first rows" if is_guess else ""
            message = f"expected a list, but this is {spoken(kinds)}{where}"
            fix = hints.get(kinds)
            if fix is not None and re.fullmatch(r"[\w.]+", source):
                fix = fix.replace(f"({source})", source)
            self.complain(Code.NOT_A_LIST, message, mark, fix, warn=is_guess)
        else:
            return False
        return True

    def is_untold(self, analysis: TemplateAnalysis, source: str) -> bool:
        """Return whether the type of an expression is unknown because of a reported mistake."""
        if self.scopes.steps is None and analysis.uses.steps:
            return True
        unsure = any(path[0] == "params" for path in self.parsed.broken) or self.params.is_doubtful
        if self.scopes.steps is None and "steps" in source:
            return True
        return not analysis.uses.steps.isdisjoint(self.in_ring() | self.scopes.unknown) or (
            unsure and "params" in source
        )

    def is_misnamed(self, text: StepTemplate, finding: Finding) -> bool:
        """Return whether a finding is in a name such as `steps.my-step`, which was reported where it is declared."""
        for part, name in (path for path in self.parsed.broken if len(path) == 2):  # noqa: PLR2004 - a part, a name
            for match in re.finditer(re.escape(f"{part}.{name}"), text.source):
                if match.start() <= finding.start and finding.end <= match.end():
                    return True
        return False

    def is_outside(self, text: StepTemplate, finding: Finding) -> bool:
        """Return whether a finding is about items or labels whose key was reported at a wrong place."""
        name = text.source[finding.start : finding.end]
        key = fan_out.KEY_OF.get(name, "")
        return finding.code is Code.UNKNOWN_NAME and bool(key) and self.parsed.is_stray(key)

    def report(self, text: StepTemplate, finding: Finding, *, is_guess: bool) -> None:
        """Report a finding; one that only the first rows show is a warning."""
        is_stray = finding.code in _DECLARED and finding.path and self.parsed.is_stray(finding.path[-1])
        if is_stray or self.is_misnamed(text, finding) or self.is_outside(text, finding):
            return
        step = str(text.path[1])
        if finding.code is Code.UNKNOWN_FIELD and finding.path[:1] == ("steps",):
            self.scopes.taken_apart.add(str(finding.path[1]))
        whens = self.steps[step].of("when")
        if finding.code is Code.MAY_BE_NULL and any(analysis.findings for when, analysis in whens if when != text):
            return  # what `when` tests is not known
        mark = text.mark(finding.start, finding.end)
        if is_guess and finding.code is Code.UNKNOWN_COLUMN:
            message = f"none of the first rows has the column `{finding.path[-1]}`"
            hint = finding.hint
            if not finding.near:
                hint = "a row without it fails; use `default` or `is defined` if it can be missing"
            self.complain(finding.code, message, mark, hint, warn=True)
        else:
            where, hint = " in the first rows" if is_guess else "", finding.hint
            if hint is not None and finding.path[:1] == ("output",):
                hint = hint.replace("in its step", f"in step `{step}`")
            if finding.code is Code.MAY_BE_NULL and finding.path and text.role in _INSTEAD:
                asked = text.source[finding.start : finding.end]
                hint = f"test for null first, as in `... if {asked} is not none else {_INSTEAD[text.role]}`"
            warn = is_guess or finding.is_warning
            self.complain(finding.code, f"{finding.message}{where}", mark, hint, warn=warn)

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
        parsed, document = self.parsed, self.parsed.document
        for name in parsed.pipeline.steps:
            if self.columns is not None and name in self.columns.names:
                mark = document.mark(("steps", name), key=True)
                message = f"step `{name}` has the same name as a column of the input"
                hint = "rename the step: both would be written to the output under that name"
                self.complain(Code.NAME_TAKEN, message, mark, hint)
            self.diagnostics.extend(self.steps[name].check_texts())


def _causes(findings: list[Finding]) -> list[Finding]:
    """Return findings without those that may follow from an unknown name, which may be a test for null."""
    unknown = (Code.UNKNOWN_NAME, Code.UNKNOWN_STEP, Code.UNKNOWN_FILTER)
    if all(finding.code not in unknown for finding in findings):
        return findings
    following = (Code.MAY_BE_NULL, Code.UNKNOWN_COLUMN)
    return [each for each in findings if each.code not in following or each.near]


def _referring(template: StepTemplate, analysis: TemplateAnalysis) -> StepTemplate:
    """Return a template with the steps that it refers to, if it can be read."""
    if any(finding.code is Code.TEMPLATE_SYNTAX for finding in analysis.findings):
        return template
    try:
        return replace(template, references=references(template.source, is_expression=template.is_expression))
    except RecursionError:  # its evaluation fails too, in each row
        return template


def _read(
    template: StepTemplate, scope: Mapping[str, TypeView], when: TemplateAnalysis | None = None
) -> TemplateAnalysis:
    """Analyse a template, given that the step's `when` is true."""
    known = (when.proves, when.forks) if when is not None else ()
    return (analyse_expression if template.is_expression else analyse_template)(template.source, scope, *known)
