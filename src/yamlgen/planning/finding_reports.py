"""Reports what is found in templates and expressions: for the steps, and for the outputs.

A finding that follows from a mistake reported elsewhere is not reported again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from yamlgen.collector import Collector
from yamlgen.errors import Code
from yamlgen.expressions import type_inference
from yamlgen.expressions.evaluation import shown
from yamlgen.expressions.name_resolution import Finding
from yamlgen.expressions.static_types import ANYTHING, TypeView
from yamlgen.expressions.template_checks import TemplateAnalysis, analyse_expression, analyse_template
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.file_settings import input_format
from yamlgen.pipeline.parameters import Parameters
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.planning.conversation_types import list_hints, message_faults
from yamlgen.planning.scopes import Scopes
from yamlgen.schemas.type_words import spoken
from yamlgen.steps import fan_out
from yamlgen.steps.step_template import ABOUT, QUESTIONS, StepTemplate
from yamlgen.suggestions import Rewrite

_INSTEAD: Final = {"for_each": "[]", **dict.fromkeys(("value", "arg", "column", "unique", "split_by"), "none")}
"""The value to write instead of null in a hint, by the role of the expression."""

_ONE_VALUE: Final = re.compile(r"\{\{((?!\}\}).)*\}\}", re.DOTALL)
"""A template that prints one value, and no text."""

_DECLARED: Final = frozenset({Code.UNKNOWN_PARAM, Code.UNKNOWN_STEP, Code.UNKNOWN_FIELD})
"""The mistakes that follow from a name that is declared at the wrong place, which is reported there."""


class ScopedTemplate(NamedTuple):
    """A template or an expression, with the types of the names that it can read."""

    template: StepTemplate
    names: Mapping[str, TypeView]


@dataclass
class FindingReporter(Collector):
    """Reports the findings in the templates of one pipeline.

    Args:
        parsed: the file.
        params: its parameters.
        scopes: the types of the steps.
        in_ring: the steps that are in a cycle.
        needs: the steps that each step refers to.
        scoped: the templates that were read, by their paths.
    """

    parsed: ParsedFile
    params: Parameters
    scopes: Scopes
    in_ring: frozenset[str]
    needs: dict[str, set[str]]
    scoped: dict[DataPath, ScopedTemplate] = field(default_factory=dict)

    def read(
        self,
        template: StepTemplate,
        seen: Mapping[str, TypeView],
        certain: Mapping[str, TypeView],
        when: TemplateAnalysis | None = None,
    ) -> tuple[TemplateAnalysis, TemplateAnalysis]:
        """Analyse a template, and report its mistakes.

        Args:
            template: the template.
            seen: the names in scope, with their types.
            certain: the same, without what only the first rows of the input show.
            when: the condition that is true whenever the template is rendered.

        Returns:
            The analysis, and what of it is certain for all rows.
        """
        self.scoped[template.path] = ScopedTemplate(template, seen)
        analysis = read_template(template, seen, when)
        sure = analysis if certain is seen else read_template(template, certain, when)
        for finding in as_text(template, causes(analysis.findings)):
            self.report(template, finding, when, is_guess=finding not in sure.findings)
        if template.role in QUESTIONS:
            self.check_question(template, analysis, is_guess=not sure.view.types())
        return analysis, sure

    def item_view(
        self, template: StepTemplate, analysis: TemplateAnalysis, sure: TemplateAnalysis
    ) -> tuple[TypeView, tuple[int, int | None]]:
        """Return the view of an item of `for_each`, with the known bounds of their number; report what is no list."""
        view = sure.view.solid()
        if analysis.findings or self.is_no_list(template, analysis, is_guess=not view.types()):
            return ANYTHING, (0, None)
        kind = view.type().schema
        return type_inference.item_of(view), (kind.get("minItems", 0), kind.get("maxItems"))

    def check_question(self, template: StepTemplate, analysis: TemplateAnalysis, *, is_guess: bool) -> None:
        """Report a condition that is a string: it is true for any string, such as `no`, `false` and `0`."""
        found = string_condition(template.source, analysis)
        if found is not None:
            warn = template.role != "where" or is_guess
            self.complain(Code.WRONG_KIND, found[0], template.mark(0, len(template.source)), found[1], warn=warn)

    def check_turns(self, template: StepTemplate, analysis: TemplateAnalysis, sure: TemplateAnalysis) -> None:
        """Report the messages of a conversation that are not a list, or not messages, as far as their type is known."""
        is_guess = not sure.view.solid().types()
        if not analysis.view.types() or analysis.findings:
            return
        if not self.is_no_list(template, analysis, is_guess=is_guess):
            self.diagnostics.extend(message_faults(template, sure.view.solid()))

    def is_no_list(self, template: StepTemplate, analysis: TemplateAnalysis, *, is_guess: bool) -> bool:
        """Report a value that is not a list, or may not be one, where a list is needed; return whether it was."""
        mark, kinds, columns = (
            template.mark(0, len(template.source)),
            analysis.view.solid().types(),
            analysis.uses.columns,
        )
        source = shown(template.source)
        if analysis.view.null is not None:
            message = f"`{source}` may be null here: {analysis.view.null}"
            is_step = template.path[0] == "steps"
            hint = f"test for it with `when: {source}`" if is_step else f"write `({source}) or []` for no items"
            if re.fullmatch(r"[\w.]+", source):
                hint = hint.replace(f"({source})", source)
            self.complain(Code.MAY_BE_NULL, message, mark, hint)
        elif not kinds and columns is not None and not columns and not self.is_untold(analysis, source):
            message = f"`{source}` is not known to be a list"
            hint = "declare the list in the step's `output.schema`, as `type: array` with `items`"
            self.complain(Code.NOT_A_LIST, message, mark, hint)
        elif kinds - {"array"}:
            hints = list_hints(template.role, source)
            where = " in the first rows" if is_guess else ""
            message = f"expected a list, but this is {spoken(kinds)}{where}"
            fix = hints.get(kinds)
            if fix is not None and re.fullmatch(r"[\w.]+", source):
                fix = fix.replace(f"({source})", source)
            column, kind = re.fullmatch(r"row\.(\w+)", source), input_format(self.parsed.pipeline.input)
            if fix is not None and column and kind is not None and kind.separator is not None:
                fix += f"; if its cells are JSON, add `json_columns: [{column[1]}]` under `input`"
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
        return not analysis.uses.steps.isdisjoint(self.in_ring | self.scopes.unknown) or (unsure and "params" in source)

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

    def report(
        self, text: StepTemplate, finding: Finding, when: TemplateAnalysis | None = None, *, is_guess: bool
    ) -> None:
        """Report a finding; one that only the first rows show is a warning."""
        is_stray = finding.code in _DECLARED and finding.path and self.parsed.is_stray(finding.path[-1])
        if is_stray or self.is_misnamed(text, finding) or self.is_outside(text, finding):
            return
        if finding.code is Code.UNKNOWN_FIELD and finding.path[:1] == ("steps",):
            self.scopes.taken_apart.add(str(finding.path[1]))
        if finding.code is Code.MAY_BE_NULL and when is not None and when.findings:
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
            if finding.code is Code.UNKNOWN_STEP and isinstance(hint, Rewrite) and text.path[0] == "steps":
                hint = hint if self.add_need(str(text.path[1]), hint.new) else str(hint)
            if hint is not None and "in its step" in hint and finding.path[:1] == ("output",):
                hint = hint.replace("in its step", f"in step `{text.path[1]}`")
            if finding.code is Code.MAY_BE_NULL and finding.path and text.role in _INSTEAD:
                asked = text.source[finding.start : finding.end]
                hint = f"test for null first, as in `... if {asked} is not none else {_INSTEAD[text.role]}`"
            warn = is_guess or finding.is_warning
            self.complain(finding.code, f"{finding.message}{where}", mark, hint, warn=warn)

    def add_need(self, name: str, other: str) -> bool:
        """Add a step to those that a step refers to, and return whether there is still no cycle."""
        waiting, reached = [other], set[str]()
        while waiting:
            reached.add(step := waiting.pop())
            waiting += self.needs.get(step, set()) - reached
        if name in reached:
            return False
        self.needs.setdefault(name, set()).add(other)
        return True


def string_condition(source: str, analysis: TemplateAnalysis) -> tuple[str, str] | None:
    """Return why a condition is no condition, and the fix, if it is a string; otherwise `None`."""
    if analysis.view.null is not None or analysis.view.types() != {"string"} or analysis.findings:
        return None
    source = shown(source)
    hint = "compare it with the expected string"
    if re.fullmatch(r"[\w.]+", source):
        hint = f'compare it, as in `{source} == "yes"`, or test that it is not empty: `{source} != ""`'
    return f'`{source}` is a string, which is true unless it is empty: even `"no"` is true', hint


def causes(findings: list[Finding]) -> list[Finding]:
    """Return findings without those that may follow from an unknown name, which may be a test for null."""
    unknown = (Code.UNKNOWN_NAME, Code.UNKNOWN_STEP, Code.UNKNOWN_FILTER)
    if all(finding.code not in unknown for finding in findings):
        return findings
    following = (Code.MAY_BE_NULL, Code.UNKNOWN_COLUMN)
    return [each for each in findings if each.code not in following or each.near]


def as_text(template: StepTemplate, findings: list[Finding]) -> list[Finding]:
    """Return findings without those that follow from a text which was not written as a string: a hint tells how to."""
    if not findings:
        return findings
    from yamlgen.expressions.syntax_errors import as_string  # noqa: PLC0415 - loads with the first mistake

    is_value = template.role in ("column", "value", "arg") and not re.fullmatch(r"[\w.]+", template.source.strip())
    fix = as_string(template.source) if is_value else None
    is_text = fix is not None and all(each.code is Code.UNKNOWN_NAME for each in findings)
    is_near = any((each.hint or "").startswith("did you mean") for each in findings)
    return [replace(each, hint=fix) for each in findings[:1]] if is_text and not is_near else findings


def read_template(
    template: StepTemplate, scope: Mapping[str, TypeView], when: TemplateAnalysis | None = None
) -> TemplateAnalysis:
    """Analyse a template, given that the step's `when` is true."""
    known = (when.proves, when.forks) if when is not None else ()
    analysis = (analyse_expression if template.is_expression else analyse_template)(template.source, scope, *known)
    if template.role in ABOUT and _ONE_VALUE.fullmatch(template.source.strip()):  # null says nothing there
        analysis.findings[:] = [each for each in analysis.findings if each.code is not Code.MAY_BE_NULL]
    return analysis
