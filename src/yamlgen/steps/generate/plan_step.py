"""A step of a plan that sends requests to a model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from jinja2 import nodes

from yamlgen import model_capabilities
from yamlgen.errors import Code, RowError
from yamlgen.expressions.evaluation import evaluate, parse_expression, shown
from yamlgen.expressions.jinja_environment import parse, render
from yamlgen.expressions.syntax_trees import dumped, members_read
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.schemas.native_output_schema import reduce
from yamlgen.schemas.root_wrapper import outgoing
from yamlgen.steps.config_fields import MOST_USER_ID, Settings, Thinking
from yamlgen.steps.fan_out import Case, Scope
from yamlgen.steps.generate.conversation import TakenMessages, TemplateMessage, prompt_of
from yamlgen.steps.generate.prompt_cache import PromptCache, beginning
from yamlgen.steps.keyed_fields import UNKEYED
from yamlgen.steps.plan_step import PlanStep, StepParts, Variant
from yamlgen.value_objects import JSON, Prompt

if TYPE_CHECKING:
    from yamlgen.interfaces import Model

_NULL: Final = "None"
"""How a template prints null."""


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """A condition that an output must meet: an expression, and the template of the message if it is false."""

    expression: str
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateStep(PlanStep):
    """A step that sends requests to a model.

    Attributes:
        own: the settings in the step itself.
        asked: the index of the variant of each combination of the matrix.
        checks: conditions that an output must meet in addition to its schema.
        cache: what is cached of its prompts.
        on_truncated: what happens to an answer that is cut off, as in the file.
        on_refusal: what happens if a model refuses, as in the file.
    """

    kind: ClassVar[str] = "generate"
    is_outside: ClassVar[bool] = True
    knows_row: ClassVar[bool] = True
    shape: ClassVar[tuple[str, str]] = ("(", ")")
    own: Settings
    asked: tuple[int, ...] = (0,)
    system: str | None
    messages: tuple[TemplateMessage | TakenMessages, ...]
    checks: tuple[PlanCheck, ...] = ()
    cache: PromptCache = field(default_factory=PromptCache)
    on_truncated: str = "fail"
    on_refusal: str | tuple[str, ...] = "fail"

    @property
    def caches(self) -> bool:
        """Whether a part of its prompts is cached."""
        return self.cache.is_set

    @property
    def constant(self) -> int:
        """How many of its messages, from the first, are the same for every row; -1 if the system prompt is not."""
        return self.cache.constant

    @property
    def beginning(self) -> str:
        """The text with which the first message that differs by row begins; it is the same for every row."""
        first = self.messages[max(self.constant, 0) :][:1] if self.constant >= 0 else ()
        return "".join(beginning(turn.content) for turn in first if isinstance(turn, TemplateMessage))

    def variant(self, case: Case) -> Variant:
        """Return the model of a case."""
        return self.variants[self.asked[case.combination]]

    def prompt(self, scope: Scope) -> Prompt:
        """Render the step's templates.

        Raises:
            RowError: a value that a template needs is missing in this row, or a message cannot be sent.
        """
        system = None if self.system is None else render(self.system, scope)
        return prompt_of(system, self.messages, scope, self.name, self.cache)

    def asked_by(self, case: Case) -> Prompt:
        """Return the prompt of a case, with what its request says about the person for whom it is sent.

        Raises:
            RowError: a value that a template needs is missing in this row, or a message cannot be sent.
        """
        prompt, settings = self.prompt(case.scope), self.variant(case).settings
        if any(turn.role == "system" for turn in prompt.messages):
            self._check_system_turns(settings.id or "")
        template = settings.metadata and settings.metadata.user_id
        return replace(prompt, user_id=self._user_id(template, case.scope)) if template else prompt

    def _check_system_turns(self, model: str) -> None:
        """Check that a model accepts messages with the role `system`."""
        if model_capabilities.of(model).system_turns is False:
            message = f"`{model}` does not accept a message with the role `system` after the first one"
            raise RowError(message, code=Code.ROW_TEMPLATE, hint="leave such messages out, or use a newer model")

    def _user_id(self, template: str, scope: Scope) -> str | None:
        """Return the identifier of the person; `None` if it is blank or null."""
        made = render(template, scope).strip()
        if len(made) > MOST_USER_ID:
            message = (
                f"the `user_id` of step `{self.name}` has {len(made)} characters for this row, more than {MOST_USER_ID}"
            )
            hint = "use a shorter identifier, such as a hash"
            raise RowError(message, code=Code.ROW_TEMPLATE, hint=hint, source=(template, 0))
        return None if made in ("", _NULL) else made

    def errors(self, output: JSON, scope: Scope) -> tuple[str, ...]:
        """Return the messages of the checks that an output fails; a check whose evaluation fails is one of them."""
        seen = {**scope, "output": output}
        told = (_told(check, seen) for check in self.checks)
        return tuple(error for error in told if error is not None)

    def fill(self, scope: Scope) -> Prompt:
        """Render its templates."""
        return self.prompt(scope)

    def unfilled(self) -> Prompt:
        """Return its templates as written."""
        marks = self.cache.marks(range(1, len(self.messages) + 1))
        return Prompt(self.system, tuple(turn.unfilled() for turn in self.messages), marks)

    def requests(self, scope: Scope, models: Mapping[str, Model]) -> Iterator[tuple[Case, dict[str, JSON]]]:
        """Yield the first request of each case."""
        for case in self.cases(scope):
            yield case, models[self.variant(case).name].request(self.asked_by(case))

    def about(self) -> Iterator[str]:
        """Yield the ids of its models."""
        yield from dict.fromkeys(variant.model for variant in self.every_variant)

    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield the number of its checks."""
        if self.checks:
            yield "checks", str(len(self.checks))

    @property
    def names_models(self) -> bool:
        """Whether its models are listed in its matrix."""
        return "model" in self.axes

    @property
    def names_aliases(self) -> bool:
        """Whether it names models by their aliases."""
        return self.names_models or not isinstance(self.on_refusal, str)

    def written(self, by_tool: AbstractSet[str]) -> dict[str, Any]:
        """Return the step as a file would declare it, without `kind`."""
        made = PlanStep.written(self, by_tool)
        del made["kind"]
        return made

    def own_asking(self) -> StepParts:
        """Return its prompt as it is parsed, its models as requests have them, and the schema as it is sent."""
        system = None if self.system is None else parse(self.system)
        turns = [(turn, _parsed(turn)) for turn in self.messages]
        asked = [self.variants[index] for index in self.asked]
        parts = {
            "model": [keyed_settings(variant.settings) for variant in asked],
            "system": None if system is None else dumped(system),
            "messages": [["turns" if isinstance(t, TakenMessages) else t.role, dumped(tree)] for t, tree in turns],
            "output.schema": None if self.schema is None else [self._sent(self.schema, each) for each in asked],
        }
        return StepParts(parts, [*([] if system is None else [system]), *(tree for _, tree in turns)])

    def own_accepting(self) -> StepParts:
        """Return its checks as they are parsed, the number of its re-asks and the mode of its answers."""
        trees: list[nodes.Node] = []
        checks: list[JSON] = []
        for check in self.checks:
            condition = parse_expression(check.expression)
            told = None if check.message is None else parse(check.message)
            trees += [condition, *([] if told is None else [told])]
            # Without a message, a re-ask quotes the expression as it is written.
            checks.append([dumped(condition), shown(check.expression) if told is None else dumped(told)])
        first = self.variants[0]
        mode = None if self.schema is None else first.mode
        parts = {"check": checks or None, "output.reasks": first.reasks, "output.mode": mode, **self._outcomes()}
        if self.matrix is not None and "model" in members_read(trees, "matrix", self.matrix[0]):
            parts["matrix"] = self.combinations(trees)
        return StepParts(parts, trees)

    def _outcomes(self) -> dict[str, JSON]:
        """Return what happens to truncated answers and refusals, with the fallback models as requests have them."""
        made: dict[str, JSON] = {}
        if self.on_truncated != "fail":
            made["on_truncated"] = self.on_truncated
        if self.on_refusal == "default":
            made["on_refusal"] = "default"
        elif self.on_refusal != "fail":
            asked = [self.variants[index] for index in self.asked]
            made["on_refusal"] = [[self._fallback(each) for each in variant.fallbacks] for variant in asked]
        return made

    def _fallback(self, variant: Variant) -> list[JSON]:
        return [keyed_settings(variant.settings), None if self.schema is None else self._sent(self.schema, variant)]

    def _sent(self, schema: JSONSchema, variant: Variant) -> list[JSON]:
        """Return the schema as the requests of a variant have it."""
        mode = variant.mode_for(schema)
        whole, _ = outgoing(schema.value)
        if mode == "native":
            return [mode, reduce(whole)]
        tool = str(schema.value.get("title") or self.name)
        return [mode, tool, whole] if mode == "tools" else [mode, tool, json.dumps(whole)]  # in text, the order counts

    def own_keys(self, by_tool: AbstractSet[str]) -> dict[str, Any]:
        """Return its models, its messages and its output."""
        first = self.variants[0]
        made: dict[str, Any] = {}
        if self.names_aliases:
            made |= _settings(self.own)
            made.pop("id", None)
        if not self.names_models:
            made["model"] = {"max_tokens": first.max_tokens, **_settings(first.settings)}
            if first.price is not None:
                made["model"]["price"] = first.price.model_dump(exclude_none=True)
            if first.connection is not None:
                made["model"]["runtime"] = first.connection.model_dump(exclude_none=True)
        if self.batch is not None:
            made["batch"] = self.batch.written
        if self.matrix is not None:
            made["matrix"] = self.axes
        if self.system is not None:
            made["system"] = {"text": self.system, "cache": self.cache.system} if self.cache.system else self.system
        made["messages"] = [turn.written() for turn in self.messages]
        made |= self.cache.written()
        if self.on_truncated != "fail":
            made["on_truncated"] = self.on_truncated
        if self.on_refusal != "fail":
            made["on_refusal"] = self.on_refusal if isinstance(self.on_refusal, str) else list(self.on_refusal)
        asked = {} if self.schema is None else {"schema": self.schema.value, "mode": self._mode(self.schema, by_tool)}
        made["output"] = {**asked, "reasks": first.reasks}
        if self.keeps_thinking:
            made["output"]["keep_thinking"] = True
        if self.checks:
            made["check"] = [
                check.expression
                if check.message is None
                else {"expression": check.expression, "message": check.message}
                for check in self.checks
            ]
        return made

    def _mode(self, schema: JSONSchema, by_tool: AbstractSet[str]) -> str:
        """Return the mode of the step's answers; `auto` if its models have different modes."""
        modes = {
            "tools" if variant.name in by_tool and variant.mode == "auto" else variant.mode_for(schema)
            for variant in self.variants
        }
        return modes.pop() if len(modes) == 1 else "auto"


def _told(check: PlanCheck, scope: Scope) -> str | None:
    """Return the message of a check that an output fails, `None` if it is true. The message is sent to the model."""
    try:
        if evaluate(check.expression, scope):
            return None
        return f"`{shown(check.expression)}` does not hold" if check.message is None else render(check.message, scope)
    except RowError as error:  # for example, it reads a member that the output does not have
        return error.message


def _settings(settings: Settings) -> dict[str, Any]:
    return settings.model_dump(exclude_none=True)


def _parsed(turn: TemplateMessage | TakenMessages) -> nodes.Node:
    return parse_expression(turn.source) if isinstance(turn, TakenMessages) else parse(turn.content)


def keyed_settings(settings: Settings) -> dict[str, JSON]:
    """Return the settings of a model as its requests have them."""
    made = settings.model_dump(exclude_none=True, include=set(Settings.model_fields) - UNKEYED.keys())
    if isinstance(settings.thinking, Thinking):
        made["thinking"] = {**made["thinking"], "type": settings.thinking_type}
    elif settings.thinking is not None:
        made["thinking"] = {"type": settings.thinking}
    for name in ("stop_sequences", "betas", "extra_body"):
        if not made.get(name):
            made.pop(name, None)
    if "betas" in made:
        made["betas"] = sorted(set(made["betas"]))
    return made | {"max_tokens": settings.answer_limit}
