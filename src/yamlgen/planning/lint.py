"""Lint: steps that are valid but are likely mistakes. All of these are warnings.

Owns the checks of a step after everything was read: a text with another tool's placeholder, or a comment that hides
what should be sent; a prompt that is the path of a file; requests that are the same for every row; a test for null that
has no effect. Each hint shows how to write what was meant, and how to keep the text as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from jinja2.exceptions import TemplateSyntaxError

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.expressions.evaluation import shown
from yamlgen.expressions.jinja_environment import reader
from yamlgen.expressions.static_types import TypeView
from yamlgen.parsing.project_folder import is_file
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.planning.scopes import Scopes
from yamlgen.planning.skipping import read_always
from yamlgen.steps.config_fields import Settings
from yamlgen.steps.declaration import DeclaredStep
from yamlgen.steps.fan_out import matrix_of, samples_of
from yamlgen.steps.step_template import ABOUT, FILLED, SENT, StepTemplate
from yamlgen.suggestions import nearest
from yamlgen.value_objects import Columns

MANY: Final = 20
"""With more rows than this, requests that are the same for every row are a likely mistake."""

_UNREAD: Final = frozenset({Code.UNKNOWN_NAME, Code.UNKNOWN_PARAM, Code.UNKNOWN_STEP, Code.UNKNOWN_COLUMN})
"""The mistakes that hide what a template was meant to read."""

_TEXTS: Final = (*SENT, "message")
_PLACEHOLDER: Final = re.compile(
    r"""(?:\$|(?<![A-Za-z0-9_\\\]^{]))\{\s*(?:(row|params|steps)(?:\.|\[["']))?([^\W\d]\w*)(?:["']\])?((?:\.\w+)*)"""
    r"""(?:![rsa])?(?::[<>^=+-]?\d*,?(?:\.\d+)?[defgGnsx%]?)?\s*\}(?!\})"""
)
"""A name in braces, as in Python, JavaScript and shells, with an optional Python format after it."""

_UNBEGUN: Final = re.compile(r"(?:\$?\{)?\s*(?<![\w.])((?:row|params|steps|item|matrix|output)[.\[][^{}\n]*?)\s*\}\}")
"""A placeholder whose `{{` is missing or incomplete."""

_ARGUMENTS: Final = re.compile(r"(?<=[A-Za-z0-9_\\\]^])(?:\{[^{}]*\})+")
"""Braces directly after a word, as in LaTeX: they are not placeholders."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+")
_LONGEST_PATH: Final = 250


@dataclass(frozen=True)
class StepLinter:
    """Checks the steps of one pipeline, after all of them were read.

    Args:
        parsed: the file.
        columns: the known columns of the input; `None` if they are unknown.
        scopes: the types of the steps, and which of them may be null.
        steps: the steps, by name.
    """

    parsed: ParsedFile
    columns: Columns | None
    scopes: Scopes
    steps: Mapping[str, DeclaredStep[Any]]

    def of(self, read: DeclaredStep[Any]) -> Iterator[Diagnostic]:
        """Yield the lint of one step."""
        for template, analysis in read.of(*_TEXTS):
            if not any(finding.code is Code.TEMPLATE_SYNTAX for finding in analysis.findings):
                yield from _comments(template)
        told = [warning for template, _ in read.of(*SENT) for warning in self._named_file(template)]
        codes = {finding.code for _, each in read.templates for finding in each.findings}
        broken = any(path[:2] == ("steps", read.name) for path in self.parsed.broken)
        broken = broken or Code.TEMPLATE_SYNTAX in codes or self.parsed.is_broken("steps", read.name)
        told += [warning for template, _ in read.of(*_TEXTS) for warning in _halves(template)] if not broken else []
        if broken or codes & _UNREAD:
            yield from told
            return
        yield from self._axes(read) if not told else ()
        yield from self._questions(read)
        yield from self._late(read)
        told += self._placeholders(read)
        yield from told
        yield from self._equal(read) if not told else ()

    def _axes(self, read: DeclaredStep[Any]) -> Iterator[Diagnostic]:
        """Warn about an axis of a matrix that no template uses, which repeats equal requests."""
        if any(analysis.findings for _, analysis in read.templates):
            return  # what they use is not known
        used = {axis for _, analysis in read.templates for axis in analysis.uses.axes} | {"model"}
        for axis in matrix_of(read.step):
            model = self.parsed.pipeline.model or read.step.models_named().get(("model",))
            if nearest(axis, ["model"]) and not model:
                continue  # the missing model was already reported
            if axis not in used and axis not in Settings.model_fields:
                mark = self.parsed.document.mark(("steps", read.name, "matrix", axis), key=True)
                hint = f"write `{{{{ matrix.{axis} }}}}` in a template; to repeat equal requests, use `samples`"
                yield _warning(Code.BAD_MATRIX, f"no template uses `matrix.{axis}`", mark, hint)

    def _questions(self, read: DeclaredStep[Any]) -> Iterator[Diagnostic]:
        """Warn about a test for null outside `when`: the step is already skipped with the other."""
        if any(analysis.findings for _, analysis in read.of("when")):
            return  # what `when` tests is not known
        unasked = (read.needs - read.asks) & self.scopes.nulls.keys()
        asking = {need: template for need in sorted(unasked) for template in self._asking(read, need)[:1]}
        for need, template in list(asking.items())[:1]:
            others = " or ".join(f"`steps.{each}`" for each in asking)
            message = (
                f"if {others} {self._is_absent(*asking)}, step `{read.name}` is skipped too and its value is null: "
            )
            message += _without_effect(template, need)
            also = {name for each in asking for name in self._skipped_with(each)} & unasked & _always(read)
            yield _warning(
                Code.MAY_BE_NULL, message, _mark_of(template, need), _done_with(read, need, asking.keys() | also)
            )
        yield from self._asked_in_vain(read, asking.keys())

    def _asking(self, read: DeclaredStep[Any], need: str) -> list[StepTemplate]:
        """Return the templates of a step that test whether another was skipped, not whether its list is empty."""
        made, other = self.scopes.not_skipped(need), self.steps[need].step
        may_be_null = not made.types() or "null" in made.types()
        if "array" in made.types() or (may_be_null and other.when is None):
            return []
        return [
            template
            for template, analysis in read.templates
            if ("steps", need) in analysis.uses.nulls
            or any(path[:2] == ("steps", need) and _is_sure(made, path[2:]) for path in analysis.uses.guarded)
        ]

    def _asked_in_vain(self, read: DeclaredStep[Any], told: AbstractSet[str]) -> Iterator[Diagnostic]:
        """Warn about a `when` that tests a step, if the step reads another one that `when` does not test."""
        if not any(analysis.holds for _, analysis in read.of("when")):
            return
        filled = _filled(read)
        for need in sorted((read.needs - read.asks - told) & self.scopes.nulls.keys() & _always(read)):
            asked = next((name for name in sorted(read.asks) if need in self._skipped_with(name)), None)
            template = next((each for each in filled if need in each.references.named), None)
            if asked is not None and template is not None:
                message = (
                    f"step `{read.name}` also reads `steps.{need}` and is skipped {self._with_it(need)}: "
                    f"testing `steps.{asked}` is not enough"
                )
                yield _warning(Code.MAY_BE_NULL, message, _mark_of(template, need), _done_with(read, need))

    def _is_absent(self, *names: str) -> str:
        """Return how messages say that one of these steps is null."""
        return "is null" if any(self.steps[name].step.null_if_failed for name in names) else "is skipped"

    def _with_it(self, name: str) -> str:
        return "if it is null" if self.steps[name].step.null_if_failed else "with it"

    def _skipped_with(self, name: str) -> frozenset[str]:
        """Return the steps that may be null and with which a step is skipped, directly or indirectly."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            step = self.steps.get(waiting.pop())
            for need in ((step.needs - step.asks) & self.scopes.nulls.keys()) - found if step is not None else ():
                found.add(need)
                waiting.append(need)
        return frozenset(found)

    def _late(self, read: DeclaredStep[Any]) -> Iterator[Diagnostic]:
        """Warn about a step that a check reads in one branch only: it counts as read before the request."""
        for template, _ in read.of("check", "message"):
            late = template.references.named - template.references.always
            for need in sorted(late & (read.needs - read.asks) & self.scopes.nulls.keys()):
                absent = f"`steps.{need}` {self._is_absent(need)}"
                message = f"if {absent}, step `{read.name}` is skipped too, whichever branch is taken"
                yield _warning(Code.MAY_BE_NULL, message, _mark_of(template, need), _done_with(read, need))

    def _placeholders(self, read: DeclaredStep[Any]) -> Iterator[Diagnostic]:
        """Warn about a placeholder of another tool, for a value that no template of the step reads."""
        columns, params, steps = self._unread(read)
        for template, _ in read.of(*_TEXTS):
            for start, text in _data(template.source):
                masked = _ARGUMENTS.sub(lambda braces: " " * len(braces[0]), text)
                for match in _PLACEHOLDER.finditer(masked):
                    root, name = match[1], match[2]
                    if match[3] and root is None:
                        continue
                    known = {"row": columns, "params": params, "steps": steps}
                    holder = next((each for each in known if root in (None, each) and name in known[each]), None)
                    if holder is None:
                        continue
                    at = start + match.start(), start + match.end()
                    what = {"row": "column", "params": "parameter", "steps": "step"}[holder]
                    message = f"`{match[0]}` is sent literally: step `{read.name}` does not read the {what} `{name}`"
                    raw = f"{{% raw %}}{match[0]}{{% endraw %}}"
                    hint = f"write `{{{{ {holder}.{name}{match[3]} }}}}` to send its value, or `{raw}` for the braces"
                    yield _warning(Code.UNFILLED, message, template.mark(*at), hint)

    def _unread(self, read: DeclaredStep[Any]) -> tuple[set[str], set[str], set[str]]:
        """Return the columns, the parameters and the steps that no template of a step reads."""
        uses = [analysis.uses for template, analysis in read.templates if not template.is_expression]
        columns = set(self.columns.names) if self.columns is not None else set()
        for each in uses:
            columns = set() if each.columns is None else columns - each.columns
        params = set(self.parsed.names("params")).difference(*(each.params for each in uses))
        steps = set(self.steps).difference({read.name}, *(each.steps for each in uses))
        return columns, params, steps

    def _named_file(self, template: StepTemplate) -> Iterator[Diagnostic]:
        """Warn about a text that is the path of a file, whose content is not sent."""
        text = template.source.strip()
        path = re.sub(r"^(@|file:(//)?)\s*", "", text)
        if template.file is not None or len(text) > _LONGEST_PATH or not re.fullmatch(r"[^\n{}]+", path):
            return
        if is_file(self.parsed.beside(path)[0]):
            key = template.path[-1]
            written = path if _PLAIN.fullmatch(path) else json.dumps(path, ensure_ascii=False)
            message = f"the text `{shown(text)}` is sent, not the content of that file"
            hint = f"write `{key}: {{file: {written}}}` to send it, or a sentence around the path to send the path"
            yield _warning(Code.WRONG_VALUE, message, template.mark(0, len(template.source)), hint)

    def _equal(self, read: DeclaredStep[Any]) -> Iterator[Diagnostic]:
        """Warn about requests that are the same for all of many rows."""
        sent, columns = read.of(*SENT), self.columns
        if any(analysis.findings for _, analysis in read.templates):
            return  # what they use is not known
        if not sent or samples_of(read.step) is not None or columns is None or columns.least <= MANY:
            return
        uses = [analysis.uses for each, analysis in read.of("for_each", *FILLED) if each.role not in ABOUT]
        if any(each.columns != set() or any(map(self._varies, each.steps)) for each in uses):
            return
        from yamlgen.expressions.name_hints import column  # noqa: PLC0415 - loads with the first mistake

        at = sent[0][0]
        message = f"no template of step `{read.name}` depends on the row: every row sends the same request"
        name = next((each for each in columns.names if each != self.parsed.pipeline.input.id), columns.names[0])
        hint = f"use a column, as in `{{{{ {column(name)} }}}}`; to repeat equal requests, use `samples`"
        yield _warning(Code.EQUAL_REQUESTS, message, at.mark(0, len(at.source)), hint)

    def _varies(self, name: str) -> bool:
        """Return whether the value of a step may depend on the row."""
        read = self.steps.get(name)
        if read is None or not read.planned.is_computed() or self.parsed.is_broken("steps", name):
            return True
        return read.columns != frozenset() or any(self._varies(need) for need in read.needs - {name})


def _warning(code: Code, message: str, mark: Mark, hint: str) -> Diagnostic:
    return Diagnostic(code, message, mark, hint, "warning")


def _filled(read: DeclaredStep[Any]) -> list[StepTemplate]:
    """Return the templates that are rendered before a request is sent."""
    return [template for template, _ in read.of("for_each", *FILLED)]


def _always(read: DeclaredStep[Any]) -> frozenset[str]:
    """Return the steps that a step reads in every row."""
    return read_always(_filled(read))


def _mark_of(template: StepTemplate, step: str) -> Mark:
    """Return the place of the first reference to a step in a template."""
    start = max(template.source.find(f"steps.{step}"), 0)
    return template.mark(start, start + len(f"steps.{step}"))


def _without_effect(template: StepTemplate, step: str) -> str:
    """Return what has no effect in a template that tests a step for null, by the form of the test."""
    tested = rf"\bsteps\.{re.escape(step)}\b(?:\.\w+)*"
    if re.search(rf"{tested}\s+or\b", template.source):
        return "the alternative after `or` is not used"
    if re.search(rf"{tested}\s*\|\s*(?:default|d)\b", template.source):
        return "the value of `default` is not used"
    return "this test has no effect"


def _done_with(read: DeclaredStep[Any], need: str, also: AbstractSet[str] = frozenset()) -> str:
    """Return the hint for running a step even if others are skipped."""
    asked = " and ".join(f"steps.{name} is defined" for name in (need, *sorted(also - {need})))
    if read.step.when is None:
        return f"add `when: {asked}` to run the step anyway"
    return f"add `and {asked}` to its `when` to run the step anyway"


def _is_sure(made: TypeView, path: tuple[str | int, ...]) -> bool:
    """Return whether a member exists and is not null whenever the value is not: a test of it is a test of the value."""
    for key in path:
        if key not in made.type().schema.get("required", ()):
            return False
        made = made.member(key)
    return bool(made.types()) and made.null is None and made.types().isdisjoint({"null", "array"})


def _parts(source: str) -> Iterator[tuple[str, int, str]]:
    """Yield the kind, offset and text of each token of a template; nothing if its syntax is broken."""
    with suppress(TemplateSyntaxError):
        yield from ((kind, at, text) for at, kind, text in reader().lexer.tokeniter(source, None))


def _data(source: str) -> Iterator[tuple[int, str]]:
    """Yield the text that a template sends literally, with offsets, without text between `raw` tags."""
    is_raw = False
    for kind, at, text in _parts(source):
        is_raw = kind == "raw_begin" or (is_raw and kind != "raw_end")
        if kind == "data" and not is_raw:
            yield at, text


def _halves(template: StepTemplate) -> Iterator[Diagnostic]:
    """Warn about a placeholder without its opening braces, and about an extra brace after one."""
    begun, is_raw, depth = None, False, 0
    for kind, at, text in _parts(template.source):
        is_raw = kind == "raw_begin" or (is_raw and kind != "raw_end")
        begun = at if kind == "variable_begin" else begun
        if kind != "data" or is_raw:
            continue
        for match in _UNBEGUN.finditer(text):
            start, end = at + match.start() + len(match[0]) - len(match[0].lstrip()), at + match.end()
            written = template.source[start:end]
            message = f"`{shown(written)}` is sent literally: it does not begin with `{{{{`"
            hint = f"write `{{{{ {match[1]} }}}}`, or `{{% raw %}}{written}{{% endraw %}}` to send it literally"
            yield _warning(Code.UNFILLED, message, template.mark(start, end), hint)
        if begun is not None and depth <= 0 and text.startswith("}"):
            message = f"`{shown(template.source[begun:at])}` is followed by a `}}`, which is sent"
            hint = "remove it, or write `{% raw %}}{% endraw %}` to send it"
            yield _warning(Code.UNFILLED, message, template.mark(begun, at + 1), hint)
        depth, begun = depth + text.count("{") - text.count("}"), None


def _comments(template: StepTemplate) -> Iterator[Diagnostic]:
    """Warn about a Jinja comment that looks like text of another language, which is not sent."""
    begun = 0
    for kind, at, text in _parts(template.source):
        begun = at if kind == "comment_begin" else begun
        end = at + text.find("#}") + 2
        comment = template.source[begun:end] if kind == "comment_end" else ""
        if comment and not (re.match(r"\{#[\s-]", comment) and re.search(r"[\s-]#\}$", comment)):
            message = f"`{shown(comment)}` is a Jinja comment, which is not sent"
            hint = "put it between `{% raw %}` and `{% endraw %}` to send it; write comments as in `{# note #}`"
            yield _warning(Code.LOST_TEXT, message, template.mark(begun, end), hint)
