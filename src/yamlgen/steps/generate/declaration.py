"""A `generate` step, as declared in a file."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from yamlgen import model_capabilities
from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.schemas import native_output_schema
from yamlgen.schemas.root_wrapper import outgoing
from yamlgen.schemas.types import Type
from yamlgen.steps.batch_config import chosen
from yamlgen.steps.config_fields import Settings, Thinking
from yamlgen.steps.declaration import TEXT, DeclaredStep
from yamlgen.steps.fan_out import combinations
from yamlgen.steps.generate import cache_checks, prompt_checks
from yamlgen.steps.generate.config import Generate, StepOutput, SystemText, Turn
from yamlgen.steps.generate.conversation import TakenMessages, TemplateMessage
from yamlgen.steps.generate.kept_thinking import thinking_shown
from yamlgen.steps.generate.plan_step import GenerateStep, PlanCheck
from yamlgen.steps.generate.prompt_cache import PromptCache, names_in, shared_parts
from yamlgen.steps.plan_step import Variant
from yamlgen.steps.step_template import SENT, StepTemplate

_MODEL: Final = "model"
_ROLES: Final[Mapping[str, Literal["user", "assistant", "system"]]] = {
    "user": "user",
    "assistant": "assistant",
    "system_turn": "system",
}
"""The roles of messages, by those of their templates."""


@dataclass
class DeclaredGenerate(DeclaredStep[Generate]):
    """A `generate` step with its variants, as far as they are known."""

    planned = GenerateStep

    variants: list[Variant] = field(default_factory=list, init=False)
    _told: list[Diagnostic] = field(default_factory=list, init=False)

    @property
    def keeps_thinking(self) -> bool:
        """Whether what its model thought is kept."""
        return self.step.output is not None and self.step.output.keep_thinking

    def check(self) -> Iterator[Diagnostic]:
        """Check its output, its matrix and its models."""
        yield from self._check_output()
        yield from self._check_matrix()
        yield from self._resolve()

    def check_texts(self) -> Iterator[Diagnostic]:
        """Check its system prompt and its messages."""
        said = [template for template, _ in self.of(*SENT)]
        every = [each for variant in self.variants for each in (variant, *variant.fallbacks)]
        yield from prompt_checks.check(self.file, self.step, said, every)
        sent = [template for template, _ in self.of(*SENT, "turns")]
        is_batched = chosen(self.step.batch, self.file.batch) is not None
        yield from cache_checks.check(self.file, self.step, sent, self.variants, is_batched=is_batched)
        yield from cache_checks.unread_breakpoints(self.file, self.step, sent)

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
            "messages": tuple(_message(text, self._cache_of(text)) for text in texts if text.role != "system"),
            "keeps_thinking": self.keeps_thinking,
            "batch": chosen(step.batch, self.file.batch),
            "on_truncated": step.on_truncated,
            "on_refusal": step.on_refusal if isinstance(step.on_refusal, str) else tuple(step.on_refusal),
            "checks": tuple(PlanCheck(each.source, told.get(each.name)) for each, _ in self.of("check")),
            "cache": self.cache(),
        }

    def _cache_of(self, text: StepTemplate) -> str | None:
        """Return how long the prompt is cached up to the end of a message."""
        turn = self.step.turns().get(text.path[2:4])
        return turn.cache if isinstance(turn, Turn) else None

    def cache(self) -> PromptCache:
        """Return what is cached of its prompts."""
        texts = [template for template, _ in self.of(*SENT, "turns")]
        system = next(
            (names_in(text.source, is_expression=False) for text in texts if text.role == "system"), frozenset()
        )
        messages = [text for text in texts if text.role != "system"]
        parts = [names_in(text.source, is_expression=text.is_expression) for text in messages]
        if messages and messages[0].role == "turns":
            system |= parts[0]  # the first message may be the system prompt
        turns = list(self.step.turns().values())
        axes = set(self.step.matrix or {}) - {_MODEL}
        return PromptCache(
            self.step.cache,
            self.step.system.cache if isinstance(self.step.system, SystemText) else None,
            tuple((index, turn.cache) for index, turn in enumerate(turns) if isinstance(turn, Turn) and turn.cache),
            repeats=(self.step.samples or 1) > 1,
            **shared_parts(system, parts, fans_out=bool(axes) or self.step.for_each is not None),
        )

    def _asked(self) -> tuple[int, ...]:
        """Return the index of the model of each combination of the matrix."""
        models = (self.step.matrix or {}).get(_MODEL, [None])
        return tuple(models.index(labels.get(_MODEL)) for labels in combinations(self.step) or ({},))

    def _is_empty(self) -> bool:
        """Return whether its messages were dropped because they are wrong, so that its type is unknown."""
        is_broken = self.file.is_broken
        return self.step.output is None and is_broken("prompt") and is_broken("messages")

    def _check_output(self) -> Iterator[Diagnostic]:
        """Check that an `output` without a schema sets another key."""
        output, is_broken = self.step.output, self.file.is_broken
        if output is None or output.schema_ is not None or self.step.check:
            return
        if not output.model_fields_set.isdisjoint({"reasks", "keep_thinking"}):
            return
        if not is_broken("output", "schema") and not is_broken("check") and not self.file.is_broken_within("output"):
            message = f"`output` has no effect: step `{self.name}` has no schema"
            hint = "add `schema`, `reasks` or `keep_thinking` under `output`, or remove `output`"
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
            chosen_model, problems = self.file.settings(self.step, model, at)
            yield from problems
            self._told.extend(problems)
            if chosen_model is not None:
                settings, price, connection = chosen_model
                if output.keep_thinking:
                    yield from self._check_thinking(settings)
                    settings = thinking_shown(settings)
                unique = self.name if at == (_MODEL,) else f"{self.name}/{model}"
                alike = next((other.name for other in self.variants if other.settings == settings), unique)
                made = Variant(unique, settings, price, alike, output.mode, output.reasks, self._grows, connection)
                yield from self._check_mode(output.mode, made.model)
                fallbacks = yield from self._fallbacks(made)
                by_default = self.step.on_refusal == "default"
                self.variants.append(replace(made, fallbacks=fallbacks, by_default=by_default))

    @property
    def _grows(self) -> bool:
        return self.step.on_truncated == "retry_larger"

    def _fallbacks(self, variant: Variant) -> Generator[Diagnostic, None, tuple[Variant, ...]]:
        """Resolve the models that are asked if the model of a variant refuses."""
        made: list[Variant] = []
        named = self.step.on_refusal
        if named == "default":
            yield from self._check_default(variant)
        if isinstance(named, str):
            return ()
        own = self.step.model_copy()
        own.model_fields_set.discard("id")  # which is that of the first model
        for index, alias in enumerate(named):
            at = ("on_refusal", index)
            chosen_model, problems = self.file.settings(own, alias, at)
            problems = [each for each in problems if each not in self._told]
            self._told.extend(problems)
            yield from problems
            if chosen_model is None:
                continue
            settings, price, connection = chosen_model
            settings = thinking_shown(settings) if self.keeps_thinking else settings
            model = settings.id or ""
            if model in ("default", "fail"):
                hint = f"write `on_refusal: {model}`"
                yield Diagnostic(Code.WRONG_VALUE, f"`{model}` is not a model", self.file.mark(*at), hint)
                continue
            is_own = _is_same(model, variant.model)
            if is_own and _MODEL in (self.step.matrix or {}):
                continue  # another model of the matrix may need it
            if is_own or any(_is_same(model, each.model) for each in made):
                what = f"`{model}`, the model of the step itself" if is_own else f"`{model}` twice"
                hint = "remove it, or name another model"
                yield Diagnostic(Code.CONFLICT, f"`on_refusal` names {what}", self.file.mark(*at), hint)
                continue
            unique = f"{variant.name} > {alias}"
            made.append(Variant(unique, settings, price, unique, variant.mode, variant.reasks, self._grows, connection))
        return tuple(made)

    def _check_default(self, variant: Variant) -> Iterator[Diagnostic]:
        """Check that the API has fallback models of its own for the requests of the step."""
        mark = self.file.mark("on_refusal")
        hint = f"name the models, as in `on_refusal: [{model_capabilities.DEFAULT_FALLBACK}]`"
        if not self.file.is_official(variant.connection):
            message = "only Anthropic's own address has the fallback models of `on_refusal: default`"
            yield Diagnostic(Code.SETTING_REFUSED, message, mark, hint)
        elif chosen(self.step.batch, self.file.batch) is not None:
            yield Diagnostic(Code.SETTING_REFUSED, "a batch has no `on_refusal: default`", mark, hint)
        elif model_capabilities.of(variant.model).fallbacks == ():
            message = f"the API has no fallback models for `{variant.model}` (as of {model_capabilities.CHECKED})"
            yield Diagnostic(Code.SETTING_REFUSED, message, mark, hint, "warning")

    def _check_thinking(self, settings: Settings) -> Iterator[Diagnostic]:
        """Check that there is thinking to keep."""
        able, kind = model_capabilities.of(settings.id or ""), settings.thinking_type
        mark = self.file.mark("output", "keep_thinking", key=True)
        if isinstance(settings.thinking, Thinking) and settings.thinking.display == "omitted":
            message, hint = "`keep_thinking` keeps nothing: `display: omitted` leaves it out", "remove `display`"
        elif kind in model_capabilities.OFF:
            message = f"`keep_thinking` keeps nothing: thinking is off with `thinking: {kind}`"
            hint = "remove `thinking`" if able.thinks else "write `thinking: adaptive`"
        elif kind is None and able.thinks is False:
            message = f"`keep_thinking` keeps nothing: `{settings.id}` does not think by default"
            hint = "add `thinking: adaptive`"
            if able.thinking is not None and "adaptive" not in able.thinking:
                hint = "add `thinking: {budget_tokens: 2048}`, with a higher `max_tokens`"
        else:
            return
        yield Diagnostic(Code.CONFLICT, message, mark, hint, "warning")

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


def _is_same(model: str, other: str) -> bool:
    """Return whether two ids are those of one model, with or without the date of its version."""
    return model_capabilities.undated(model) == model_capabilities.undated(other)


def _message(text: StepTemplate, cache: str | None) -> TemplateMessage | TakenMessages:
    """Return a message of the plan, or the messages that an expression returns."""
    if text.role == "turns":
        return TakenMessages(text.source)
    return TemplateMessage(_ROLES[text.role], text.source, cache)


DECLARED: Final = DeclaredGenerate
