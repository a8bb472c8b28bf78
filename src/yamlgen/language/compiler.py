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
from yamlgen.language import capabilities, native
from yamlgen.language.draft import Draft
from yamlgen.language.formats import format_of
from yamlgen.language.parameters import Parameters
from yamlgen.language.plan import Plan, PlanStep, TemplateMessage
from yamlgen.language.references import Finding, Uses, read
from yamlgen.language.schemas import JSONSchema, SchemaLoader
from yamlgen.language.secret import without_secrets
from yamlgen.language.settings import check_runtime, price_of, resolve
from yamlgen.language.spec import Settings, Step
from yamlgen.language.texts import TemplateText, TextLoader
from yamlgen.language.views import ANYTHING, Names, SchemaView, View, text_view
from yamlgen.language.words import suggestion
from yamlgen.language.wrapping import outgoing
from yamlgen.ports import JSON, Columns


@dataclass(frozen=True)
class Compilation:
    """What came of a draft: a plan when there is no mistake, and all diagnostics in source order."""

    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]


def compile_draft(
    draft: Draft, columns: Columns | None, params: Mapping[str, JSON] | None = None, *, complete: bool = False
) -> Compilation:
    """Check a draft whole, and resolve it into a plan.

    Args:
        draft: the file as read.
        columns: what is known of the input's columns; `None` when nothing is.
        params: the values of a run's parameters.
        complete: whether a run is about to start, so that every parameter must have a value.
    """
    return _Compiler(draft, columns).compile(params or {}, complete=complete)


@dataclass
class _Compiler:
    draft: Draft
    columns: Columns | None
    diagnostics: list[Diagnostic] = field(default_factory=list)
    schemas: dict[str, JSONSchema] = field(default_factory=dict)
    uses: dict[str, list[tuple[TemplateText, Uses, list[Finding]]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        draft = self.draft
        self.diagnostics.extend(draft.diagnostics)
        folder = PurePath(draft.shown).parent
        self.loader = SchemaLoader(draft.path.parent, "" if str(folder) == "." else str(folder))
        self.texts = TextLoader(draft)
        self.params = Parameters(draft, self.loader)

    def compile(self, given: Mapping[str, JSON], *, complete: bool) -> Compilation:
        draft, steps = self.draft, self.draft.pipeline.steps
        self.params.declare()
        self.params.give(given, complete=complete)
        for name, step in steps.items():
            self.load_schema(name, step)
        views = self.views()
        texts = {name: self.texts.of(name, step) for name, step in steps.items()}
        for name in steps:
            self.uses[name] = [(text, *read(text.source, views)) for text in texts[name]]
        settings = {name: self.settings(name, step) for name, step in steps.items()}
        self.report_references()
        self.report_cycles()
        self.check_steps()
        self.check_provenance()
        self.check_files()
        self.diagnostics.extend(check_runtime(draft))
        for part in (self.params, self.loader, self.texts):
            self.diagnostics.extend(part.diagnostics)
        ordered = _in_source_order(self.diagnostics, draft.shown)
        if any(d.severity == "error" for d in ordered):
            return Compilation(None, ordered)
        plan = Plan(
            name=draft.pipeline.name or draft.path.stem,
            file=draft.path,
            params=dict(self.params.values),
            runtime=draft.pipeline.runtime,
            limits=draft.pipeline.limits,
            input=draft.pipeline.input,
            steps=tuple(self.step(name, step, settings[name] or Settings()) for name, step in steps.items()),
            output=draft.pipeline.output,
        )
        return Compilation(plan, ordered)

    def complain(self, code: Code, message: str, mark: Mark, hint: str | None = None, *, warn: bool = False) -> None:
        self.diagnostics.append(Diagnostic(code, message, mark, hint, "warning" if warn else "error"))

    def load_schema(self, name: str, step: Step) -> None:
        path = ("steps", name, "output", "schema")
        if step.output is None or self.draft.is_broken(*path) or not step.output.schema_:
            if step.output is not None and step.output.schema_ == {} and not self.draft.is_broken(*path):
                self.schemas[name] = JSONSchema("{}")
            return
        written = step.output.schema_
        if isinstance(written, str):
            schema = self.loader.file(written, self.draft.document.mark(path))
        else:
            schema = self.loader.inline(self.draft.document, path, self.draft.path, written)
        if schema is not None:
            self.schemas[name] = schema

    def views(self) -> dict[str, View]:
        """What every template of the pipeline has in scope."""
        steps: dict[str, View] = dict.fromkeys(self.draft.names("steps"), ANYTHING)
        for name, step in self.draft.pipeline.steps.items():
            if name in self.schemas:
                schema = self.schemas[name].value
                steps[name] = SchemaView(schema, schema, f"steps.{name}")
            elif step.output is None and not self.draft.is_broken("steps", name, "output"):
                steps[name] = text_view(f"steps.{name}")
        row: View = ANYTHING
        if self.columns is not None:
            row = Names(Code.UNKNOWN_COLUMN, "column", dict.fromkeys(self.columns.names, ANYTHING))
        known = Names(Code.UNKNOWN_STEP, "step", steps) if not self.draft.is_broken("steps") else ANYTHING
        return {"row": row, "params": self.params.view(), "steps": known}

    def settings(self, name: str, step: Step) -> Settings | None:
        settings, problems = resolve(self.draft, name, step)
        self.diagnostics.extend(problems)
        if settings is not None and step.output is not None:
            self.check_mode(name, step.output.mode, settings.id or "")
        return settings

    def check_mode(self, name: str, mode: str, model: str) -> None:
        able = capabilities.of(model)
        mark = self.draft.document.mark(("steps", name, "output", "mode"))
        hint = "leave `mode` out: `auto` picks what the model can do"
        if mode == "native" and able.native_output is False:
            self.complain(Code.SETTING_REFUSED, f"`{model}` has no native structured output", mark, hint)
        elif mode == "tools" and able.tools is False:
            self.complain(Code.SETTING_REFUSED, f"`{model}` takes no tools", mark, hint)
        elif mode == "native" and name in self.schemas:
            try:
                native.reduce(outgoing(self.schemas[name].value)[0])
            except native.Unfit as unfit:
                self.complain(Code.SETTING_REFUSED, f"native output cannot express the schema: {unfit}", mark, hint)

    def report_references(self) -> None:
        for read_texts in self.uses.values():
            for text, _, findings in read_texts:
                for finding in findings:
                    self.report(text, finding)

    def is_misnamed(self, text: TemplateText, finding: Finding) -> bool:
        """Whether a finding stands in `steps.my-step`: that the name is none was told where it is declared."""
        for part, name in (path for path in self.draft.broken if len(path) == 2):  # noqa: PLR2004 - a part, a name
            for match in re.finditer(re.escape(f"{part}.{name}"), text.source):
                if match.start() <= finding.start and finding.end <= match.end():
                    return True
        return False

    def report(self, text: TemplateText, finding: Finding) -> None:
        if self.is_misnamed(text, finding):
            return
        mark = text.mark(finding.start, finding.end)
        sparse = finding.code is Code.UNKNOWN_COLUMN and self.columns is not None and not self.columns.closed
        if sparse:
            message = f"none of the first rows has the column `{finding.path[-1]}`"
            hint = finding.hint
            if not finding.near:
                hint = "a row without it is set aside; `default` or `is defined` allow for that"
            self.complain(finding.code, message, mark, hint, warn=True)
        else:
            self.complain(finding.code, finding.message, mark, finding.hint)

    def needs(self, name: str) -> set[str]:
        return {step for _, uses, _ in self.uses[name] for step in uses.steps if step in self.uses}

    def report_cycles(self) -> None:
        """Each ring of steps that wait for one another, told once, at a reference that closes it."""
        done: set[str] = set()
        for name in self.uses:
            ring = self.ring(name, (), done)
            if ring:
                done.update(ring)
                last, first = ring[-1], ring[0]
                chain = " -> ".join(f"`{step}`" for step in (*ring, first))
                what = (
                    f"step `{first}` refers to itself" if len(ring) == 1 else f"the steps wait for each other: {chain}"
                )
                hint = "a step sees the steps that come before it"
                self.complain(Code.CYCLE, what, self.reference_mark(last, first), hint)

    def ring(self, name: str, above: tuple[str, ...], done: set[str]) -> tuple[str, ...]:
        if name in above:
            return above[above.index(name) :]
        if name in done:
            return ()
        for step in sorted(self.needs(name)):
            ring = self.ring(step, (*above, name), done)
            if ring:
                return ring
        done.add(name)
        return ()

    def reference_mark(self, name: str, to: str) -> Mark:
        for text, uses, _ in self.uses[name]:
            if to in uses.steps:
                start = next((at for at in (text.source.find(f"steps.{to}"), text.source.find("steps")) if at >= 0), 0)
                return text.mark(start, start + len(f"steps.{to}"))
        return self.draft.document.mark(("steps", name), key=True)

    def check_steps(self) -> None:
        document = self.draft.document
        for name, step in self.draft.pipeline.steps.items():
            if self.columns is not None and name in self.columns.names:
                mark = document.mark(("steps", name), key=True)
                message = f"step `{name}` is named like a column of the input"
                self.complain(Code.NAME_TAKEN, message, mark, "both would be written under that name: rename the step")
            if not step.messages or self.draft.is_broken("steps", name, "messages"):
                continue
            at = ("steps", name, "messages")
            if step.messages[0].role != "user":
                mark = document.mark((*at, 0, "role"))
                self.complain(
                    Code.WRONG_VALUE, "a conversation begins with the user", mark, "put a user's message first"
                )
            if step.messages[-1].role != "user" and len(step.messages) > 1:
                mark = document.mark((*at, len(step.messages) - 1, "role"))
                hint = "newer models refuse an answer that is begun for them; end with the user"
                self.complain(Code.SETTING_REFUSED, "the conversation ends with the assistant", mark, hint, warn=True)

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
            if path.is_dir():
                self.complain(Code.MISSING_INPUT, f"{shown} is a folder", mark, "name a file in it")
            elif format_of(path) is None and source.format is None:
                self.unknown_format(source.path, "input")
            elif not path.exists():
                self.complain(Code.MISSING_INPUT, f"{shown} does not exist", mark, "a run needs it", warn=True)
        if source.id and self.columns is not None and self.columns.closed and source.id not in self.columns.names:
            mark = document.mark(("input", "id"))
            hint = suggestion(source.id, self.columns.names, "columns")
            self.complain(Code.UNKNOWN_COLUMN, f"the input has no column `{source.id}`", mark, hint)
        if target.path and not draft.is_broken("output", "path"):
            path, shown = draft.beside(target.path)
            mark = document.mark(("output", "path"))
            if path.is_dir():
                self.complain(Code.OUTPUT_PATH, f"{shown} is a folder", mark, "name a file in it, such as rows.jsonl")
            elif format_of(path) is None:
                self.unknown_format(target.path, "output")
            elif source.path and path.resolve() == draft.beside(source.path)[0].resolve():
                self.complain(Code.OUTPUT_PATH, "the output would replace the input", mark, "name another file")

    def unknown_format(self, path: str, part: str) -> None:
        if self.draft.is_broken(part, "format"):
            return
        ending = PurePath(path).suffix
        what = f"the ending `{ending}` names no format" if ending else f"`{path}` has no ending that names its format"
        hint = "end it in .jsonl, .json or .csv" + (", or add `format:` under `input`" if part == "input" else "")
        self.complain(Code.UNKNOWN_FORMAT, what, self.draft.document.mark((part, "path")), hint)

    def step(self, name: str, step: Step, settings: Settings) -> PlanStep:
        columns: set[str] | None = set()
        for _, uses, _ in self.uses[name]:
            columns = None if columns is None or uses.columns is None else columns | uses.columns
        texts = [text for text, _, _ in self.uses[name]]
        return PlanStep(
            name=name,
            settings=settings,
            system=next((text.source for text in texts if text.role == "system"), None),
            messages=tuple(TemplateMessage(text.role, text.source) for text in texts if text.role != "system"),
            schema=self.schemas.get(name),
            mode=step.output.mode if step.output else "auto",
            reasks=step.output.reasks if step.output else 0,
            needs=frozenset(self.needs(name)),
            columns=None if columns is None else frozenset(columns),
            price=price_of(self.draft, step, settings),
        )


def _in_source_order(diagnostics: list[Diagnostic], main: str) -> tuple[Diagnostic, ...]:
    return tuple(
        sorted(
            without_secrets(diagnostics),
            key=lambda d: (d.mark.file != main, d.mark.file, d.mark.line, d.mark.column, d.code),
        )
    )
