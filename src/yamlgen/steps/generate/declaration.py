"""A `generate` step, as declared in a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from yamlgen import model_capabilities
from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.schemas import native_output_schema
from yamlgen.schemas.root_wrapper import outgoing
from yamlgen.schemas.types import Type
from yamlgen.steps.batch_config import chosen
from yamlgen.steps.config_fields import Settings
from yamlgen.steps.declaration import TEXT, DeclaredStep
from yamlgen.steps.fan_out import combinations
from yamlgen.steps.generate import prompt_checks
from yamlgen.steps.generate.config import Generate, StepOutput
from yamlgen.steps.generate.conversation import TakenMessages, TemplateMessage
from yamlgen.steps.generate.plan_step import GenerateStep, PlanCheck
from yamlgen.steps.plan_step import Variant
from yamlgen.steps.step_template import SENT, StepTemplate

_MODEL: Final = "model"


@dataclass
class DeclaredGenerate(DeclaredStep[Generate]):
    """A `generate` step with its variants, as far as they are known."""

    fields = Generate
    planned = GenerateStep

    variants: list[Variant] = field(default_factory=list, init=False)

    def check(self) -> Iterator[Diagnostic]:
        """Check its output, its matrix and its models."""
        yield from self._check_output()
        yield from self._check_matrix()
        yield from self._resolve()

    def check_texts(self) -> Iterator[Diagnostic]:
        """Check its system prompt and its messages."""
        said = [template for template, _ in self.of(*SENT)]
        yield from prompt_checks.check(self.file, self.step, said, self.variants)

    def output_type(self) -> Type | None:
        """Return the type of an answer: a string, if the step has no schema."""
        return None if super().output_type() is None or self._is_empty() else TEXT

    def own_fields(self) -> dict[str, Any]:
        """Return its models, its messages and its checks."""
        step = self.step
        texts = [template for template, _ in self.of(*SENT, "turns")]
        told = {template.name: template.source for template, _ in self.of("message")}
        return {
            "own": Settings.model_validate({key: getattr(step, key) for key in Settings.model_fields}),
            "variants": tuple(self.variants),
            "asked": self._asked(),
            "system": next((text.source for text in texts if text.role == "system"), None),
            "messages": tuple(_message(text) for text in texts if text.role != "system"),
            "batch": chosen(step.batch, self.file.batch),
            "checks": tuple(PlanCheck(each.source, told.get(each.name)) for each, _ in self.of("check")),
        }

    def _asked(self) -> tuple[int, ...]:
        """Return the index of the model of each combination of the matrix."""
        models = (self.step.matrix or {}).get(_MODEL, [None])
        return tuple(models.index(labels.get(_MODEL)) for labels in combinations(self.step) or ({},))

    def _is_empty(self) -> bool:
        """Return whether its messages were dropped because they are wrong, so that its type is unknown."""
        is_broken = self.file.is_broken
        return self.step.output is None and is_broken("prompt") and is_broken("messages")

    def _check_output(self) -> Iterator[Diagnostic]:
        """Check that an `output` without a schema sets `reasks`."""
        output, is_broken = self.step.output, self.file.is_broken
        if output is None or output.schema_ is not None or "reasks" in output.model_fields_set or self.step.check:
            return
        if not is_broken("output", "schema") and not is_broken("check") and not self.file.is_broken_within("output"):
            message = f"`output` has no effect: step `{self.name}` has no schema"
            hint = "add `schema` or `reasks` under `output`, or remove `output`"
            yield Diagnostic(Code.CONFLICT, message, self.file.mark("output", key=True), hint, "warning")

    def _check_matrix(self) -> Iterator[Diagnostic]:
        step, axes = self.step, self.step.matrix or {}
        for axis in axes:
            if axis in Settings.model_fields:
                message = f"`{axis}` in a matrix is a label, not a setting of the model"
                hint = "add an alias under `models` for each setting, and list the aliases under `model` in the matrix"
                yield Diagnostic(Code.BAD_MATRIX, message, self.file.mark("matrix", axis, key=True), hint)
        if _MODEL in axes and (step.model is not None or step.id is not None):
            key = _MODEL if step.model is not None else "id"
            message = f"the matrix of step `{self.name}` sets its models, and `{key}` sets one too"
            yield Diagnostic(Code.CONFLICT, message, self.file.mark(key, key=True), "remove one of them")

    def _resolve(self) -> Iterator[Diagnostic]:
        """Resolve the models that the step uses."""
        output = self.step.output or StepOutput()
        for at, model in self.step.models_named().items():
            if at != (_MODEL,) and not (isinstance(model, str) and model):
                hint = "write an alias of `models`" if self.file.has_aliases else "write a model's id"
                yield Diagnostic(Code.BAD_MATRIX, "a model in a matrix must be a string", self.file.mark(*at), hint)
                continue
            settings, price, problems = self.file.settings(self.step, model, at)
            yield from problems
            if settings is not None:
                unique = self.name if at == (_MODEL,) else f"{self.name}/{model}"
                alike = next((other.name for other in self.variants if other.settings == settings), unique)
                self.variants.append(Variant(unique, settings, price, alike, output.mode, output.reasks))
                yield from self._check_mode(output.mode, settings.id or "")

    def _check_mode(self, mode: str, model: str) -> Iterator[Diagnostic]:
        able = model_capabilities.of(model)
        mark = self.file.mark("output", "mode")
        hint = "remove `mode`: the default, `auto`, chooses a mode that the model supports"
        if mode == "native" and able.native_output is False:
            message = f"`{model}` does not support native structured output"
            yield Diagnostic(Code.SETTING_REFUSED, message, mark, hint, "warning")
        if mode == "tools" and able.tools is False:
            yield Diagnostic(Code.SETTING_REFUSED, f"`{model}` does not support tools", mark, hint, "warning")
        if mode == "native" and self.file.schema is not None:
            try:
                native_output_schema.reduce(outgoing(self.file.schema.value)[0])
            except native_output_schema.NotExpressible as unfit:
                message = f"native output cannot express the schema: {unfit}"
                yield Diagnostic(Code.SETTING_REFUSED, message, mark, hint)


def _message(text: StepTemplate) -> TemplateMessage | TakenMessages:
    """Return a message of the plan, or the messages that an expression returns."""
    if text.role == "turns":
        return TakenMessages(text.source)
    return TemplateMessage("assistant" if text.role == "assistant" else "user", text.source)


DECLARED: Final = DeclaredGenerate
