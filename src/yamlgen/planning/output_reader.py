"""The outputs of a pipeline: their expressions, read with the types of the steps, and the types of their rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.expressions.evaluation import parse_expression
from yamlgen.expressions.static_types import ANYTHING, NamespaceView, TypeView
from yamlgen.expressions.template_checks import TemplateAnalysis
from yamlgen.expressions.type_inference import INTEGER
from yamlgen.parsing.source_map import DataPath
from yamlgen.parsing.unrendered_templates import is_filled_path
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.planning.finding_reports import FindingReporter
from yamlgen.planning.scopes import Scopes
from yamlgen.schemas.author_schema import json_schema
from yamlgen.schemas.types import Type, nullable, object_of, tuple_of
from yamlgen.shaping.output_config import Output
from yamlgen.shaping.output_plan import ITEM, OutputPlan
from yamlgen.steps.declaration import DeclaredStep
from yamlgen.steps.step_template import StepTemplate
from yamlgen.suggestions import Hint, listing
from yamlgen.value_objects import Columns

_KEPT: Final = "a failed row has null for what it lacks"
_HIDING: Final = frozenset({Code.TEMPLATE_SYNTAX, Code.UNKNOWN_NAME, Code.UNKNOWN_STEP})
"""The mistakes that hide which steps an expression needs."""

_KINDS: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "integer"}
"""The types of constants whose value is known."""

_SHAPES: Final = {
    "chat": "write `messages: [{role: \"'user'\", content: ...}, {role: \"'assistant'\", content: ...}]`",
    "instruction": "write `prompt` and `completion`, both as strings or both as lists of messages",
    "preference": "write `prompt`, `chosen` and `rejected`, all as strings or all as lists of messages",
}
"""What a shape requires, as hints."""

_WAYS: Final = (
    (r".* only the first message can be from .*", "move it to the front"),
    (r".* must contain a message from `user`", "add a message from `user`"),
    (r".* must end with a message .*|.* the last message must be .*", "add such a message at the end"),
    (r".* the first message must be .*", "begin with such a message"),
    (r".*\.content` must be a string, not a (?:number|boolean)", "convert it with `| string`"),
    (r".*\[\d+\]\.(?!content|role)\w+` (?:must be .*, not|is for messages from) .*", "change it, or remove it"),
)
"""The fixes of flaws in messages, each with a pattern for the fact; the first match is used."""


@dataclass
class OutputReader:
    """Reads the outputs of one pipeline, after its steps.

    Args:
        parsed: the file.
        columns: the known columns of the input; `None` if they are unknown.
        scopes: the types of the steps.
        reporter: reports the findings.
        known: what the condition of the input proves about each row.
    """

    parsed: ParsedFile
    columns: Columns | None
    scopes: Scopes
    reporter: FindingReporter
    known: TemplateAnalysis | None = None
    unsure: bool = False
    """Whether a mistake hides which steps an output needs."""

    def read(self, name: str, config: Output) -> OutputPlan:
        """Read one output, and report the mistakes in its expressions."""
        steps, kept = tuple(self.parsed.pipeline.steps), frozenset(self.scopes.thinking)
        made = OutputPlan(name=name, config=config, steps=steps, keep_thinking=kept)
        path = made.at
        templates: list[StepTemplate] = []
        item: TypeView | None = ANYTHING if self.parsed.is_broken(*path, "for_each") else None
        items: tuple[int, int | None] = (0, None)
        where = self.known
        tests_text = False
        types: dict[DataPath, Type] = {}
        for each in config.expressions():
            template = StepTemplate(each.role, each.source, self.parsed.document, (*path, *each.path))
            templates.append(template)
            seen = self._scope(template, item)
            certain = seen if self.scopes.is_sure else self._scope(template, item, sure=True)
            analysis, sure = self.reporter.read(template, seen, certain, where)
            self.unsure |= any(finding.code in _HIDING for finding in analysis.findings)
            if each.role == "for_each":
                item, items = self.reporter.item_view(template, analysis, sure)
            elif each.role == "where":
                where = analysis if where is None else analysis.also(where)
                tests_text = sure.view.solid().types() - {"null"} == {"string"}
            elif each.role == "column":
                types[each.path[1:]] = _constant(each.source) or sure.view.type()
        self._read_paths(config, path)
        if config.shape is not None:  # for the place in the error of a row
            templates.append(StepTemplate("shape", config.shape, self.parsed.document, (*path, "shape")))
        self.unsure |= self.parsed.is_broken_within(*path)
        members = self._members(made, types, item)
        self._check_shape(made, members)
        if config.failed == "keep" and config.columns is not None:
            members = self._members(made, {at: nullable(each, _KEPT) for at, each in types.items()}, item)
        elif config.failed == "keep":
            known = () if self.columns is None else self.columns.names
            members = {name: each if name in known else nullable(each, _KEPT) for name, each in members.items()}
        row = self._type(made, members)
        return replace(
            made, templates=tuple(templates), items=items, tests_text=tests_text, type=json_schema(row.schema)
        )

    def _scope(self, template: StepTemplate, item: TypeView | None, *, sure: bool = False) -> Mapping[str, TypeView]:
        """Return the names that an expression can read. A skipped step is null, not solid as in a step."""
        steps = self.scopes.steps
        seen: dict[str, TypeView] = {
            "row": self.scopes.row(sure=sure),
            "params": self.scopes.params,
            "steps": ANYTHING if steps is None else NamespaceView(Code.UNKNOWN_STEP, "step", steps),
        }
        seen |= self.scopes.thoughts()
        if item is not None and template.role not in ("for_each", "split_by"):
            seen |= {ITEM: item, "item_index": INTEGER}
        return seen

    def _read_paths(self, config: Output, path: DataPath) -> None:
        """Report the mistakes in the paths, which can read parameters; other templates are reported as unrendered."""
        for key, written in (("path", config.path), ("rejected", config.rejected)):
            at = (*path, key)
            if written and "{" in written and is_filled_path(at, written) and not self.parsed.is_broken(*at):
                template = StepTemplate("path", written, self.parsed.document, at)
                seen = {"params": self.scopes.params}
                self.reporter.read(template, seen, seen)

    def _members(self, output: OutputPlan, types: Mapping[DataPath, Type], item: TypeView | None) -> dict[str, Type]:
        """Return the types of the known columns of an output, without those that are added."""
        if output.config.columns is not None:
            return {name: _column_type(value, (name,), types) for name, value in output.config.columns.items()}
        members: dict[str, Type] = {}
        if self._is_closed and self.columns is not None:
            names = (name for name in self.columns.names if name not in output.excluded)
            members = {name: Type(self.columns.sure_type(name)) for name in names}
        for name in output.step_columns:
            members[name] = self.scopes.types.get(name, Type({}))
            if (thought := output.thinking_column(name)) is not None:
                made, null = self.scopes.thinking[name], self.scopes.nulls.get(name)
                members[thought] = made if null is None else nullable(made, null)
        if output.config.for_each is not None:
            members[ITEM] = Type({}) if item is None else item.type()
        return members

    @property
    def _is_closed(self) -> bool:
        """Whether no input row can have other columns than the known ones."""
        return self.columns is not None and self.columns.closed

    def _type(self, output: OutputPlan, members: Mapping[str, Type]) -> Type:
        """Return the type of an output row. A column that some input rows lack is not required."""
        config, columns = output.config, self.columns
        made = object_of({**members, **{name: Type({"type": "object"}) for name in config.added}})
        if config.columns is not None:
            return made
        optional = () if columns is None or columns.complete else columns.names
        schema = {**made.schema, "required": [name for name in made.schema["required"] if name not in optional]}
        if not self._is_closed:
            del schema["additionalProperties"]
        return Type(schema, made.nulls)

    def _check_shape(self, output: OutputPlan, members: Mapping[str, Type]) -> None:
        """Report the columns because of which no output row can have the shape."""
        shape, columns = output.config.shape, output.config.columns
        if shape is None or self.parsed.is_broken_within(*output.at) or self.unsure:
            return
        from yamlgen.schemas.trainer_columns import cannot_fit  # noqa: PLC0415 - few outputs have a shape
        from yamlgen.schemas.trainer_formats import KEYS, ROLES  # noqa: PLC0415

        is_broken = any(path[0] == "steps" and len(path) <= 2 for path in self.parsed.broken)  # noqa: PLR2004 - a name
        others = columns is None and (is_broken or not self._is_closed)
        for path, message in cannot_fit(shape, members, others=others):
            at: DataPath = (*output.at, "shape") if columns is None else (*output.at, "columns")
            for key in path if columns is not None else ():
                if self.parsed.document.node(at).child(key) is None:
                    break
                at = (*at, key)
            mark = self.parsed.document.mark(at, key=at[-1] == "columns")
            fact, _, fix = message.partition("; ")
            known = ROLES if path[-1] == "role" else KEYS if "is not a key" in fact else ()
            if columns is None:
                fix = f"under `columns`, {_SHAPES[shape]}"
            elif not fix:
                fix = next((way for pattern, way in _WAYS if re.fullmatch(pattern, fact)), _SHAPES[shape])
            self.reporter.complain(Code.WRONG_SHAPE, fact, mark, Hint(fix, known))


def _column_type(column: Any, path: DataPath, types: Mapping[DataPath, Type]) -> Type:
    if isinstance(column, str):
        return types.get(path, Type({}))
    if isinstance(column, Mapping):
        return object_of({key: _column_type(value, (*path, key), types) for key, value in column.items()})
    return tuple_of([_column_type(value, (*path, at), types) for at, value in enumerate(column)])


def _constant(source: str) -> Type | None:
    """Return the type of a constant that is no list or mapping; `None` for other expressions."""
    try:
        tree = parse_expression(source)
    except (TemplateSyntaxError, RecursionError, ValueError):
        return None
    if isinstance(tree, nodes.Const) and type(tree.value) in _KINDS:
        return Type({"type": _KINDS[type(tree.value)], "const": tree.value})
    return None


def unneeded_steps(
    parsed: ParsedFile, steps: Mapping[str, DeclaredStep[Any]], outputs: Sequence[OutputPlan]
) -> list[Diagnostic]:
    """Return a warning for each step that no output and no other step needs, with the requests that are in vain.

    A step that calls a function may be there for what the function does.
    """
    needed = _with_needs(steps, (name for output in outputs for name in output.needs))
    found = []
    for name, step in steps.items():
        sends = bool(step.step.models_named())
        is_read = any(name in other.needs for other in steps.values())
        if name in needed or is_read or parsed.is_broken("steps", name) or (step.planned.is_outside and not sends):
            continue
        vain = [
            each for each in steps if each in _with_needs(steps, [name]) - needed and steps[each].step.models_named()
        ]
        whose = "its requests" if vain == [name] else f"the requests of {listing(vain)}"
        message = f"no output and no other step needs step `{name}`{f': {whose} are paid for nothing' if vain else ''}"
        hint = f"add it to `columns`, as in `{name}: steps.{name}`, or remove the step"
        if all(output.config.columns is None for output in outputs):
            hint = "remove it from `exclude`, or remove the step"
        mark = parsed.document.mark(("steps", name), key=True)
        found.append(Diagnostic(Code.UNNEEDED_STEP, message, mark, hint, "warning"))
    return found


def _with_needs(steps: Mapping[str, DeclaredStep[Any]], names: Iterable[str]) -> set[str]:
    """Return steps with all steps that they need, directly or through other steps."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in steps and name not in found:
            found.add(name)
            waiting.extend(steps[name].needs)
    return found
