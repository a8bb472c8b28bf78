"""A step that was read and found right, as a step of the plan; and what is wrong with it beyond what it refers to.

Owns, for each kind, what can be wrong with its own keys (models, a matrix, a function, draws) and the value that the
plan has for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any, Final

from yamlgen import capabilities
from yamlgen.errors import Code, Diagnostic, Mark
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.model_settings import price_of, resolve
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.planning.kept_values import dependencies
from yamlgen.planning.plan import AnyStep, ComputeStep, DrawStep, GenerateStep, PlanCheck, PythonStep, Variant
from yamlgen.planning.scopes import StepReading
from yamlgen.schemas import native_subset
from yamlgen.schemas.author_schema import JSONSchema, json_schema
from yamlgen.schemas.root_wrapper import outgoing
from yamlgen.schemas.types import Type
from yamlgen.steps.draw.checks import Column, Rule, compile_draws, schema_of
from yamlgen.steps.fields import Settings
from yamlgen.steps.generate.conversation import TemplateMessage
from yamlgen.steps.kinds import Compute, Draw, Generate, Python, Step
from yamlgen.steps.python.dependencies import Dependencies
from yamlgen.steps.python.signatures import FoundFunction, check_args, find
from yamlgen.values import JSON

MOST_CASES: Final = 1000
"""How many combinations and samples one item may have."""

_MODEL: Final = "model"


@dataclass
class StepBuilder:
    """Makes the steps of one plan.

    Args:
        draft: the file.
        schemas: the output schemas, by step.
        column: reads a column of a file that a draw names.

    Attributes:
        variants: the models that each step asks.
    """

    draft: ParsedFile
    schemas: Mapping[str, JSONSchema]
    column: Column
    diagnostics: list[Diagnostic] = field(default_factory=list)
    variants: dict[str, list[Variant]] = field(default_factory=dict)
    _rules: dict[str, dict[str, Rule]] = field(default_factory=dict)
    _found: dict[str, FoundFunction] = field(default_factory=dict)
    _depends: dict[str, Dependencies] = field(default_factory=dict)

    def complain(self, code: Code, message: str, mark: Mark, hint: str | None = None, *, warn: bool = False) -> None:
        """Add a diagnostic."""
        self.diagnostics.append(Diagnostic(code, message, mark, hint, "warning" if warn else "error"))

    def check(self, name: str, step: Step) -> None:
        """Check what is a step's own: its model, its matrix, its function, its draws."""
        many = (step.for_each, getattr(step, "samples", None), getattr(step, "matrix", None))
        is_known = not any(self.draft.is_broken("steps", name, key) for key in ("for_each", "samples", "matrix"))
        if step.on_item_error == "null" and not any(many) and is_known:
            mark = self.draft.document.mark(("steps", name, "on_item_error"), key=True)
            message = f"step `{name}` has no items: `on_item_error` says nothing"
            self.complain(Code.CONFLICT, message, mark, "add `for_each`, `samples` or `matrix`, or remove it")
        if isinstance(step, Generate):
            self._check_output(name, step)
            self._check_matrix(name, step)
            self.variants[name] = self._resolve(name, step)
        elif isinstance(step, Python):
            self._check_function(name, step)
        elif isinstance(step, Draw):
            self._check_draws(name, step)

    def forgive(self, unwrapped: AbstractSet[str], taken_apart: AbstractSet[str]) -> None:
        """Say no more of steps that they have no items, or no schema: that was told of what refers to those."""
        at = self.draft.document.mark
        marks = {at(("steps", name, "on_item_error"), key=True) for name in unwrapped}
        marks |= {at(("steps", name, "output"), key=True) for name in taken_apart}
        self.diagnostics = [each for each in self.diagnostics if each.mark not in marks]

    def draws(self, name: str) -> Type:
        """What is known of the draws of a step; nothing, where one of them is wrong, which was told."""
        rules, step = self._rules.get(name, {}), self.draft.pipeline.steps[name]
        at = ("steps", name, "draws")
        is_whole = isinstance(step, Draw) and len(rules) == len(step.draws) and not self.draft.is_broken_within(*at)
        is_whole = is_whole and not any(left[:2] == at[:2] and len(left) == len(at) for left in self.draft.broken)
        return schema_of(rules) if is_whole else {}

    def _check_output(self, name: str, step: Generate) -> None:
        """An output of text needs no schema, but it says how often it is asked for again."""
        at = ("steps", name, "output")
        if self._is_bare(name, step):
            message = f"step `{name}` has no schema: `output` says nothing"
            mark = self.draft.document.mark(at, key=True)
            hint = "add `schema` or `reasks` below it, or remove it"
            self.complain(Code.CONFLICT, message, mark, hint, warn=True)

    def is_empty(self, name: str, step: Generate) -> bool:
        """Whether nothing is left of what a step was to ask, so that it is not known whether it gives text."""
        is_broken = self.draft.is_broken
        return step.output is None and is_broken("steps", name, "prompt") and is_broken("steps", name, "messages")

    def _is_bare(self, name: str, step: Generate) -> bool:
        """Whether the `output` of a step says nothing."""
        at = ("steps", name, "output")
        if step.output is None:
            return False
        said = step.output.schema_ is not None or "reasks" in step.output.model_fields_set
        if said or step.check or self.draft.is_broken(*at, "schema") or self.draft.is_broken("steps", name, "check"):
            return False
        return not any(path[:3] == at for path in self.draft.broken)

    def _check_matrix(self, name: str, step: Generate) -> None:
        at, mark = ("steps", name, "matrix"), self.draft.document.mark
        for axis, values in (step.matrix or {}).items():
            seen: set[str] = set()
            for index, value in enumerate(values):
                text = json.dumps(value, sort_keys=True)
                if text in seen:
                    message = f"{text} stands twice under `{axis}`"
                    self.complain(Code.BAD_MATRIX, message, mark((*at, axis, index)), "`samples` asks more than once")
                seen.add(text)
            if axis in Settings.model_fields:
                message = f"`{axis}` in a matrix is a label, and no setting of the model"
                hint = "give each setting a model of its own under `models`, and name these under `model`"
                self.complain(Code.BAD_MATRIX, message, mark((*at, axis), key=True), hint)
            if axis == "output":
                message = "each output stands under `output`, beside its labels"
                self.complain(Code.BAD_MATRIX, message, mark((*at, axis), key=True), "take another name")
        if step.matrix is None:
            return
        if _MODEL in step.matrix and (step.model is not None or step.id is not None):
            key = _MODEL if step.model is not None else "id"
            message = f"the matrix of step `{name}` names its models, and `{key}` names one too"
            self.complain(Code.CONFLICT, message, mark(("steps", name, key), key=True), "remove one")
        cases = (step.samples or 1) * prod(map(len, step.matrix.values()))
        if cases > MOST_CASES:
            message = f"the matrix and the samples of step `{name}` make {cases:,} requests for one item"
            self.complain(Code.BAD_MATRIX, message, mark(at, key=True), f"at most {MOST_CASES:,} make sense")

    def _resolve(self, name: str, step: Generate) -> list[Variant]:
        """The models that a step asks."""
        place: DataPath = ("steps", name, "model")
        asked: list[tuple[Any, DataPath, str]] = [(step.model, place, name)]
        if step.matrix and _MODEL in step.matrix:
            asked = []
            for index, model in enumerate(step.matrix[_MODEL]):
                at: DataPath = ("steps", name, "matrix", _MODEL, index)
                if isinstance(model, str) and model:
                    asked.append((model, at, f"{name}/{model}"))
                else:
                    hint = "name an alias of `models`" if self.draft.pipeline.models else "name a model's id"
                    mark = self.draft.document.mark(at)
                    self.complain(Code.BAD_MATRIX, "a model in a matrix is named by a text", mark, hint)
        made: list[Variant] = []
        for model, at, unique in asked:
            settings, problems = resolve(self.draft, name, step, model, at)
            self.diagnostics.extend(problems)
            if settings is not None:
                alike = next((other.name for other in made if other.settings == settings), unique)
                made.append(Variant(unique, settings, price_of(self.draft, model, settings), alike))
                if step.output is not None:
                    self._check_mode(name, step.output.mode, settings.id or "")
        return made

    def _check_mode(self, name: str, mode: str, model: str) -> None:
        able = capabilities.of(model)
        mark = self.draft.document.mark(("steps", name, "output", "mode"))
        hint = "leave `mode` out: `auto` picks what the model can do"
        if mode == "native" and able.native_output is False:
            self.complain(Code.SETTING_REFUSED, f"`{model}` has no native structured output", mark, hint, warn=True)
        if mode == "tools" and able.tools is False:
            self.complain(Code.SETTING_REFUSED, f"`{model}` takes no tools", mark, hint, warn=True)
        if mode == "native" and name in self.schemas:
            try:
                native_subset.reduce(outgoing(self.schemas[name].value)[0])
            except native_subset.Unfit as unfit:
                self.complain(Code.SETTING_REFUSED, f"native output cannot express the schema: {unfit}", mark, hint)

    def _check_function(self, name: str, step: Python) -> None:
        at, mark = ("steps", name), self.draft.document.mark
        if self.draft.is_broken(*at, "call"):
            return
        call = mark((*at, "call"))
        found, problems = find(self.draft.path.parent, self.draft.folder, step.call, call)
        self.diagnostics.extend(problems)
        if found is not None:
            self._found[name] = found
            args = {arg: mark((*at, "args", arg), key=True) for arg in step.args}
            if not any(path[:3] == (*at, "args") for path in self.draft.broken):
                self.diagnostics.extend(check_args(found, args, call))
        if step.reads and not step.keep and not self.draft.is_broken(*at, "keep"):
            message = f"step `{name}` keeps nothing: `reads` says nothing"
            self.complain(Code.CONFLICT, message, mark((*at, "reads"), key=True), "add `keep: true`", warn=True)
        elif found is not None and step.keep:
            self._depends[name], problems = dependencies(self.draft, name, step, found.function)
            self.diagnostics.extend(problems)

    def _check_draws(self, name: str, step: Draw) -> None:
        rules, problems = compile_draws(step.draws, self.column)
        self._rules[name] = rules
        for problem in problems:
            at = ("steps", name, "draws", *problem.path)
            beside = (*at[:-1], "otherwise")  # what it may cover is not known
            if self.draft.is_broken_within(*at) or self.draft.is_broken_within(*beside):
                continue
            given = self.draft.document.node(at).value if at[-1] == "given" else None
            if given is not None and self.draft.is_broken("steps", name, "draws", str(given)):
                continue
            mark = self.draft.document.mark(at, key=problem.key)
            self.complain(problem.code, problem.message, mark, problem.hint)

    def step(self, read: StepReading, value: Type) -> AnyStep:
        """The step of the plan."""
        name, step = read.name, read.step
        shared: dict[str, Any] = {
            "name": name,
            "type": json_schema(value),
            "needs": read.needs,
            "asks": read.asks,
            "columns": read.columns,
            "when": step.when,
            "for_each": step.for_each,
            "least_items": read.items[0],
            "most_items": read.items[1],
            "null_items": step.on_item_error == "null",
            "passages": tuple(passage for passage, _ in read.passages),
        }
        sources = {passage.name: passage.source for passage, _ in read.of("value", "arg")}
        match step:
            case Generate():
                return self._generate(read, step, shared)
            case Compute():
                return ComputeStep(**shared, values=sources, schema=self.schemas.get(name))
            case Python():
                return PythonStep(
                    **shared,
                    call=step.call,
                    function=self._found[name].function,
                    args=sources,
                    timeout=step.timeout or self.draft.pipeline.runtime.timeout,
                    depends=self._depends.get(name),
                    schema=self.schemas.get(name),
                )
            case Draw():
                rules = self._rules[name]
                return DrawStep(**shared, samples=step.samples, draws=step.draws, rules=rules, seed=step.seed)

    def _generate(self, read: StepReading, step: Generate, shared: Mapping[str, Any]) -> GenerateStep:
        texts = [passage for passage, _ in read.of("system", "user", "assistant")]
        messages = {passage.name: passage.source for passage, _ in read.of("message")}
        checks = tuple(PlanCheck(passage.source, messages.get(passage.name)) for passage, _ in read.of("check"))
        combinations, asked = _combinations(step)
        return GenerateStep(
            **shared,
            matrix=combinations,
            samples=step.samples,
            own=Settings.model_validate({key: getattr(step, key) for key in Settings.model_fields}),
            variants=tuple(self.variants[read.name]),
            asked=asked,
            system=next((text.source for text in texts if text.role == "system"), None),
            messages=tuple(TemplateMessage(text.role, text.source) for text in texts if text.role != "system"),  # type: ignore[arg-type]  # a turn's
            schema=self.schemas.get(read.name),
            mode=step.output.mode if step.output else "auto",
            reasks=step.output.reasks if step.output else 2,
            checks=checks,
        )


def _combinations(step: Generate) -> tuple[tuple[Mapping[str, JSON], ...] | None, tuple[int, ...]]:
    """The combinations of a matrix, and which of the step's models each asks."""
    if step.matrix is None:
        return None, (0,)
    axes = list(step.matrix)
    made = tuple(dict(zip(axes, values, strict=True)) for values in product(*step.matrix.values()))
    models = step.matrix.get(_MODEL, [None])
    return made, tuple(models.index(labels.get(_MODEL)) for labels in made)
