"""A draft to a plan: everything that can be known about a pipeline without a key, a network or a row.

Owns the order of the checks and the collection of all mistakes at once. What one check found broken the next ones
leave alone, so that each mistake is told once, at its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from yamlgen.errors import Code, Diagnostic, Mark
from yamlgen.language import conversation
from yamlgen.language.assembly import Assembly
from yamlgen.language.document import Text
from yamlgen.language.draft import Draft
from yamlgen.language.draws import Column
from yamlgen.language.expressions import inference
from yamlgen.language.expressions.expression import shown
from yamlgen.language.expressions.lookup import Finding, Uses
from yamlgen.language.expressions.references import Reading, read, read_expression
from yamlgen.language.expressions.views import ANYTHING, SchemaView, View, spoken
from yamlgen.language.folder import is_folder, real, status, unusable
from yamlgen.language.formats import format_of
from yamlgen.language.kinds import Compute, Draw, Generate, Python, Step
from yamlgen.language.order import ordered, rings
from yamlgen.language.parameters import Parameters
from yamlgen.language.parts import Settings
from yamlgen.language.plan import Plan
from yamlgen.language.schemas import JSONSchema, SchemaLoader
from yamlgen.language.scopes import Scopes, StepReading, compute_type
from yamlgen.language.secret import without_secrets
from yamlgen.language.settings import check_runtime
from yamlgen.language.texts import Passage, TextLoader
from yamlgen.language.types import ANYTHING as ANY_TYPE
from yamlgen.language.types import Type
from yamlgen.language.words import suggestion
from yamlgen.ports import JSON, Columns


@dataclass(frozen=True)
class Compilation:
    """What came of a draft: a plan when there is no mistake, and all diagnostics in source order."""

    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]


def compile_draft(
    draft: Draft,
    columns: Columns | None,
    column: Column,
    params: Mapping[str, JSON] | None = None,
    *,
    complete: bool = False,
) -> Compilation:
    """Check a draft whole, and resolve it into a plan.

    Args:
        draft: the file as read.
        columns: what is known of the input's columns; `None` when nothing is.
        column: reads a column of a file that a draw names.
        params: the values of a run's parameters.
        complete: whether a run is about to start, so that every parameter must have a value.
    """
    return _Compiler(draft, columns, column).compile(params or {}, complete=complete)


@dataclass
class _Compiler:
    draft: Draft
    columns: Columns | None
    column: Column
    diagnostics: list[Diagnostic] = field(default_factory=list)
    schemas: dict[str, JSONSchema] = field(default_factory=dict)
    steps: dict[str, StepReading] = field(default_factory=dict)
    rings: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        draft = self.draft
        self.diagnostics.extend(draft.diagnostics)
        self.loader = SchemaLoader(draft.path.parent, draft.folder)
        self.texts = TextLoader(draft)
        self.params = Parameters(draft, self.loader)
        self.assembly = Assembly(draft, self.schemas, self.column)

    def compile(self, given: Mapping[str, JSON], *, complete: bool) -> Compilation:
        draft, steps = self.draft, self.draft.pipeline.steps
        self.params.declare()
        self.params.give(given, complete=complete)
        known = None if draft.is_broken("steps") else dict.fromkeys(draft.names("steps"), ANYTHING)
        self.scopes = Scopes(self.columns, self.params.view(), known, draft.is_broken)
        for name, step in steps.items():
            self.load_schema(name, step)
            self.assembly.check(name, step)
        self.look(steps)
        self.report_cycles()
        self.read_steps()
        self.check_steps()
        self.check_provenance()
        self.check_files()
        self.diagnostics.extend(check_runtime(draft))
        for part in (self.params, self.loader, self.texts, self.assembly):
            self.diagnostics.extend(part.diagnostics)
        found = _in_source_order(self.diagnostics, draft.shown, (*draft.texts, *self.params.texts))
        if any(d.severity == "error" for d in found):
            return Compilation(None, found)
        plan = Plan(
            name=draft.pipeline.name or draft.path.stem,
            file=draft.path,
            params=dict(self.params.values),
            declared=dict(self.params.schemas),
            models=dict(draft.pipeline.models),
            runtime=draft.pipeline.runtime,
            limits=draft.pipeline.limits,
            input=draft.pipeline.input,
            steps=tuple(self.assembly.step(self.steps[name], self.scopes.types[name]) for name in steps),
            output=draft.pipeline.output,
        )
        return Compilation(plan, found)

    def complain(self, code: Code, message: str, mark: Mark, hint: str | None = None, *, warn: bool = False) -> None:
        self.diagnostics.append(Diagnostic(code, message, mark, hint, "warning" if warn else "error"))

    def load_schema(self, name: str, step: Step) -> None:
        path = ("steps", name, "output", "schema")
        output = None if isinstance(step, Draw) else step.output
        if output is None or output.schema_ is None or self.draft.is_broken(*path):
            return
        written = output.schema_
        if isinstance(written, str):
            schema = self.loader.file(written, self.draft.document.mark(path))
        else:
            schema = self.loader.inline(self.draft.document, path, self.draft.path, written)
        if schema is not None:
            self.schemas[name] = schema

    def look(self, steps: Mapping[str, Step]) -> None:
        """See which steps each of them refers to, so that they can be read in the order in which they run."""
        blind: dict[str, View] = dict.fromkeys(("row", "params", "steps", "item", "item_index", "matrix"), ANYTHING)
        for name, step in steps.items():
            passages = [
                (passage, _read(passage, {**blind, "output": ANYTHING})) for passage in self.texts.of(name, step)
            ]
            seen = StepReading(name, step, passages)
            seen.needs = frozenset(used for _, reading in passages for used in reading.uses.steps if used in steps)
            seen.asks = frozenset(used for _, reading in seen.of("when") for used in reading.uses.steps)
            self.steps[name] = seen
        self.rings.extend(rings({name: step.needs for name, step in self.steps.items()}))

    def read_steps(self) -> None:
        """Read the steps in their order, each with the types of those before it."""
        in_ring = self.in_ring()
        straight = {name: step.needs - in_ring for name, step in self.steps.items()}
        for name in ordered({**straight, **dict.fromkeys(in_ring, ())}):
            step = self.steps[name]
            step.output = self.output_type(name, step)
            values = self.read_step(step)
            if isinstance(step.step, Compute) and name not in self.schemas and step.step.output is None:
                step.output = compute_type(step.step, values)
            self.scopes.settle(step)
            self.check_axes(step)
            self.check_questions(step)

    def in_ring(self) -> frozenset[str]:
        """The steps that wait for one another."""
        return frozenset(name for ring in self.rings for name in ring)

    def check_axes(self, read: StepReading) -> None:
        """A value of a matrix that no template asks for makes equal requests."""
        used = {axis for _, reading in read.passages for axis in reading.uses.axes} | {"model"}
        for axis in (read.step.matrix or {}) if isinstance(read.step, Generate) else ():
            if axis not in used and axis not in Settings.model_fields and not self.draft.is_broken("steps", read.name):
                mark = self.draft.document.mark(("steps", read.name, "matrix", axis), key=True)
                hint = f"say `{{{{ matrix.{axis} }}}}` where it matters; `samples` asks the same several times"
                self.complain(Code.BAD_MATRIX, f"no template asks for `matrix.{axis}`", mark, hint, warn=True)

    def check_questions(self, read: StepReading) -> None:
        """A step that asks whether another is null has to ask in its `when`: otherwise it is skipped with it."""
        for need in sorted((read.needs - read.asks) & self.scopes.nulls.keys()):
            if "array" in SchemaView.of(self.scopes.types[need], need).types():
                continue  # the question may be whether it is empty
            asking = (passage for passage, reading in read.passages if ("steps", need) in reading.uses.nulls)
            passage = next(asking, None)
            if passage is not None:
                name = f"steps.{need}"
                start = max(passage.source.find(name), 0)
                message = f"`{name}` is never null here: where it is, step `{read.name}` is skipped too"
                hint = f"`when: {name} is defined` has it done all the same"
                self.complain(Code.MAY_BE_NULL, message, passage.mark(start, start + len(name)), hint, warn=True)

    def output_type(self, name: str, read: StepReading) -> Type:
        """What is known of one output of a step before its expressions are."""
        step = read.step
        if name in self.schemas:
            return self.schemas[name].value
        if isinstance(step, Draw):
            return self.assembly.draws(name)
        written = step.output if isinstance(step, Generate | Compute | Python) else None
        is_known = not self.draft.is_broken("steps", name, "output")
        if isinstance(step, Generate) and is_known and (written is None or written.schema_ is None):
            return {"type": "string"}
        return ANY_TYPE

    def read_step(self, read: StepReading) -> dict[str, View]:
        """Read the passages of a step, report what is wrong with them, and give back the views of its values."""
        item: View | None = None
        values: dict[str, View] = {}
        when = Reading(Uses(), [])
        for number, (passage, _) in enumerate(read.passages):
            reading = _read(passage, self.scopes.of(read, passage, item), when)
            sure = reading if self.is_closed else _read(passage, self.scopes.of(read, passage, item, sure=True), when)
            read.passages[number] = (passage, reading)
            for finding in reading.findings:
                self.report(passage, finding, is_guess=finding not in sure.findings)
            if passage.role in ("when", "check"):
                self.check_question(passage, reading)
            if passage.role == "when":
                when = reading
            elif passage.role == "for_each":
                item = self.item_view(read, passage, reading, sure)
            elif passage.role == "value":
                values[passage.name] = sure.view
        return values

    def check_question(self, passage: Passage, reading: Reading) -> None:
        """A question that is a text holds for any text: `no`, `false` and `0` too."""
        if reading.view.null is None and reading.view.types() == {"string"} and not reading.findings:
            source = shown(passage.source)
            message = f'`{source}` is text, which holds unless it is empty: `"no"` does'
            hint = "compare it with the text that is meant"
            if re.fullmatch(r"[\w.]+", source):
                hint = f'compare it, as in `{source} == "yes"`, or ask whether there is any: `{source} != ""`'
            self.complain(Code.WRONG_KIND, message, passage.mark(0, len(passage.source)), hint, warn=True)

    @property
    def is_closed(self) -> bool:
        """Whether what is known of the columns holds for all rows."""
        return self.columns is None or self.columns.closed

    def item_view(self, read: StepReading, passage: Passage, reading: Reading, sure: Reading) -> View:
        """What is known of an item of `for_each`; that it is none of a list is told."""
        view = sure.view.solid()
        if reading.findings or self.is_no_list(passage, reading, is_guess=not view.types()):
            return ANYTHING
        kind = view.type()
        read.items = (kind.get("minItems", 0), kind.get("maxItems"))
        return inference.item_of(view)

    def is_no_list(self, passage: Passage, reading: Reading, *, is_guess: bool) -> bool:
        """Whether what `for_each` names is no list for sure, or may be none; that is told."""
        mark, kinds, columns = passage.mark(0, len(passage.source)), reading.view.solid().types(), reading.uses.columns
        source = shown(passage.source)
        if reading.view.null is not None:
            message = f"`{source}` may be null here: {reading.view.null}"
            self.complain(Code.MAY_BE_NULL, message, mark, f"ask for it in `when: {source}`")
        elif not kinds and columns is not None and not columns and not reading.uses.steps & self.in_ring():
            message = f"nothing says that `{source}` is a list"
            hint = "say it in the step's `output.schema`, as `type: array` with `items`"
            self.complain(Code.NOT_A_LIST, message, mark, hint)
        elif kinds - {"array"}:
            hints = {
                frozenset({"array", "null"}): f"`({source}) or []` stands for a list that is missing",
                frozenset({"string"}): f'a text that holds several can be split: `({source}).split(";")`',
            }
            where = " in the first rows" if is_guess else ""
            message = f"expected a list, this is {spoken(kinds)}{where}"
            fix = hints.get(kinds)
            if fix is not None and re.fullmatch(r"[\w.]+", source):
                fix = fix.replace(f"({source})", source)
            self.complain(Code.NOT_A_LIST, message, mark, fix, warn=is_guess)
        else:
            return False
        return True

    def is_misnamed(self, text: Passage, finding: Finding) -> bool:
        """Whether a finding stands in `steps.my-step`: that the name is none was told where it is declared."""
        for part, name in (path for path in self.draft.broken if len(path) == 2):  # noqa: PLR2004 - a part, a name
            for match in re.finditer(re.escape(f"{part}.{name}"), text.source):
                if match.start() <= finding.start and finding.end <= match.end():
                    return True
        return False

    def report(self, text: Passage, finding: Finding, *, is_guess: bool) -> None:
        """Say what was found; what only the first rows tell is no error."""
        if self.is_misnamed(text, finding):
            return
        mark = text.mark(finding.start, finding.end)
        if is_guess and finding.code is Code.UNKNOWN_COLUMN:
            message = f"none of the first rows has the column `{finding.path[-1]}`"
            hint = finding.hint
            if not finding.near:
                hint = "a row without it is set aside; `default` or `is defined` allow for that"
            self.complain(finding.code, message, mark, hint, warn=True)
        else:
            where = " in the first rows" if is_guess else ""
            warn = is_guess or finding.is_warning
            self.complain(finding.code, f"{finding.message}{where}", mark, finding.hint, warn=warn)

    def report_cycles(self) -> None:
        """Each ring of steps that wait for one another, told once, at a reference that closes it."""
        for ring in self.rings:
            last, first = ring[-1], ring[0]
            chain = " -> ".join(f"`{step}`" for step in (*ring, first))
            what = f"step `{first}` refers to itself" if len(ring) == 1 else f"the steps wait for each other: {chain}"
            self.complain(
                Code.CYCLE, what, self.reference_mark(last, first), "a step sees the steps that come before it"
            )

    def reference_mark(self, name: str, to: str) -> Mark:
        for text, reading in self.steps[name].passages:
            if to in reading.uses.steps:
                start = next((at for at in (text.source.find(f"steps.{to}"), text.source.find("steps")) if at >= 0), 0)
                return text.mark(start, start + len(f"steps.{to}"))
        return self.draft.document.mark(("steps", name), key=True)

    def check_steps(self) -> None:
        draft, document = self.draft, self.draft.document
        for name, step in draft.pipeline.steps.items():
            if self.columns is not None and name in self.columns.names:
                mark = document.mark(("steps", name), key=True)
                message = f"step `{name}` is named like a column of the input"
                self.complain(Code.NAME_TAKEN, message, mark, "both would be written under that name: rename the step")
            if isinstance(step, Generate):
                said = [passage for passage, _ in self.steps[name].of("system", "user", "assistant")]
                asked, schema = self.assembly.variants[name], self.schemas.get(name)
                self.diagnostics.extend(conversation.check(draft, name, step, said, asked, schema))

    def check_provenance(self) -> None:
        """Nothing else may be written under the name of the column that `output.provenance` adds."""
        name, document = "provenance", self.draft.document
        if not self.draft.pipeline.output.provenance:
            return
        if self.columns is not None and name in self.columns.names:
            mark = document.mark(("output", name), key=True)
            message = f"the column that `output.{name}` adds is named like a column of the input"
            hint = "both would be written under that name: rename the input's, or leave this out"
            self.complain(Code.NAME_TAKEN, message, mark, hint)
        elif name in self.draft.pipeline.steps:
            mark = document.mark(("steps", name), key=True)
            message = f"step `{name}` is named like the column that `output.{name}` adds"
            self.complain(Code.NAME_TAKEN, message, mark, "both would be written under that name: rename the step")

    def check_files(self) -> None:
        """The input and the output, as far as the file system tells."""
        draft, document = self.draft, self.draft.document
        source, target = draft.pipeline.input, draft.pipeline.output
        if source.path and source.path != "-" and not draft.is_broken("input", "path"):
            path, shown = draft.beside(source.path)
            mark = document.mark(("input", "path"))
            if no_path := unusable(path, shown):
                self.complain(Code.MISSING_INPUT, no_path, mark, "name a file by its path")
            elif is_folder(path):
                self.complain(Code.MISSING_INPUT, f"{shown} is a folder", mark, "name a file in it")
            elif format_of(path) is None and source.format is None:
                self.unknown_format(source.path, "input")
            elif status(path) is None:
                self.complain(Code.MISSING_INPUT, f"{shown} does not exist", mark, "a run needs it", warn=True)
        if source.id and self.columns is not None and self.columns.closed and source.id not in self.columns.names:
            mark = document.mark(("input", "id"))
            hint = suggestion(source.id, self.columns.names, "columns")
            self.complain(Code.UNKNOWN_COLUMN, f"the input has no column `{source.id}`", mark, hint)
        if target.path and not draft.is_broken("output", "path"):
            path, shown = draft.beside(target.path)
            mark = document.mark(("output", "path"))
            if no_path := unusable(path, shown):
                self.complain(Code.OUTPUT_PATH, no_path, mark, "name a file by its path")
            elif is_folder(path):
                self.complain(Code.OUTPUT_PATH, f"{shown} is a folder", mark, "name a file in it, such as rows.jsonl")
            elif format_of(path) is None:
                self.unknown_format(target.path, "output")
            elif source.path and real(path) == real(draft.beside(source.path)[0]):
                self.complain(Code.OUTPUT_PATH, "the output would replace the input", mark, "name another file")

    def unknown_format(self, path: str, part: str) -> None:
        if self.draft.is_broken(part, "format"):
            return
        ending = PurePath(path).suffix
        what = f"the ending `{ending}` names no format" if ending else f"`{path}` has no ending that names its format"
        hint = "end it in .jsonl, .json or .csv" + (", or add `format:` under `input`" if part == "input" else "")
        self.complain(Code.UNKNOWN_FORMAT, what, self.draft.document.mark((part, "path")), hint)


def _read(passage: Passage, scope: Mapping[str, View], when: Reading | None = None) -> Reading:
    """Read a passage, where a step's `when` is known to hold."""
    known = (when.proves, when.forks) if when is not None else ()
    return (read_expression if passage.is_expression else read)(passage.source, scope, *known)


def _in_source_order(diagnostics: list[Diagnostic], main: str, texts: tuple[Text, ...]) -> tuple[Diagnostic, ...]:
    told = without_secrets(diagnostics, texts)
    return tuple(sorted(told, key=lambda d: (d.mark.file != main, d.mark.file, d.mark.line, d.mark.column, d.code)))
