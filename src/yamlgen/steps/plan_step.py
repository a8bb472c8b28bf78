"""A step of a plan, as far as all kinds are the same: what the planner, the engine and the pictures ask of any step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from yamlgen import model_capabilities
from yamlgen.expressions.evaluation import evaluate
from yamlgen.interfaces import Model
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.schemas.native_output_schema import choose_mode
from yamlgen.schemas.root_wrapper import outgoing
from yamlgen.steps.config_fields import Price, Settings
from yamlgen.steps.fan_out import Case, FanOut, Scope
from yamlgen.steps.step_template import Role, StepTemplate
from yamlgen.value_objects import JSON, Prompt


@dataclass(frozen=True, slots=True)
class Variant:
    """A model that a step asks, with its settings.

    Attributes:
        name: what tells it from the other models of a run: the step's name, and the alias where a matrix has several.
        settings: the model's settings, the step's own over its alias's; `id` is set.
        price: what the author says that the model costs; `None` leaves it to the price list.
        alike: the name of the first variant of the step with the same settings, which makes the same requests.
        mode: how it is asked for an answer that has a schema.
        reasks: how often an answer that is invalid is sent back to it.
    """

    name: str
    settings: Settings
    price: Price | None
    alike: str
    mode: Literal["auto", "native", "tools", "json"]
    reasks: int

    @property
    def model(self) -> str:
        """The id of the model."""
        return self.settings.id or ""

    @property
    def max_tokens(self) -> int:
        """The most tokens of an answer."""
        return self.settings.answer_limit

    def mode_for(self, schema: JSONSchema) -> Literal["native", "tools", "json"]:
        """How it is asked for what a schema describes: its mode, or what fits the model and the schema."""
        if self.mode != "auto":
            return self.mode
        return choose_mode(outgoing(schema.value)[0], model_capabilities.of(self.model))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep(FanOut):
    """What every step has, whatever its kind.

    Attributes:
        kind: its name in the table of kinds.
        is_outside: whether its value comes from outside, from a model or a function: it takes its time.
        shape: what a Mermaid flowchart writes around its label.
        knows_row: whether its value depends on which row it is, and not only on what the step refers to.
        type: a JSON Schema of the step's value, as far as it is known before any row is run.
        needs: the steps that this one refers to.
        asks: those of them that its own `when` asks about, so that it is done though they were skipped.
        columns: the columns that it refers to; `None` when it needs the row as a whole.
        when: the expression without which the step is skipped.
        templates: its templates and expressions, with their places.
        schema: what an output must satisfy by the author's word; `None` where nothing is said.
        variants: the models that it asks.
    """

    kind: ClassVar[str]
    is_outside: ClassVar[bool] = False
    knows_row: ClassVar[bool] = False
    shape: ClassVar[tuple[str, str]] = ("[", "]")
    name: str
    type: JSONSchema
    needs: frozenset[str] = frozenset()
    asks: frozenset[str] = frozenset()
    columns: frozenset[str] | None = frozenset()
    when: str | None = None
    templates: tuple[StepTemplate, ...] = field(default=(), repr=False, compare=False)
    schema: JSONSchema | None = None
    variants: tuple[Variant, ...] = ()

    def of(self, *roles: Role) -> Iterator[StepTemplate]:
        """The templates of some roles."""
        return (template for template in self.templates if template.role in roles)

    @classmethod
    def is_computed(cls) -> bool:
        """Whether its value is made of nothing but what it refers to, and is the same each time."""
        return not (cls.is_outside or cls.knows_row)

    def is_wanted(self, scope: Scope) -> bool:
        """Whether the step is to be done for a row, as far as its `when` says.

        Raises:
            RowError: its `when` cannot be computed.
        """
        return self.when is None or bool(evaluate(self.when, scope))

    def fill(self, scope: Scope) -> Any:
        """Fill in what a case needs before anything is asked or called; the value of a step that is computed.

        Raises:
            RowError: a template or an expression fails for this row.
        """
        del scope

    def requests(self, scope: Scope, models: Mapping[str, Model]) -> Iterator[tuple[Case, dict[str, JSON]]]:
        """The requests that it would send first for a row, each with its case, for `render`.

        Args:
            scope: of the row.
            models: those that are asked, by the names of the plan's variants.

        Raises:
            RowError: a template or an expression fails for this row.
        """
        del scope, models
        yield from ()

    def unfilled(self) -> Prompt:
        """What it says to its models before its templates are filled in."""
        return Prompt(None, ())

    @property
    def names_models(self) -> bool:
        """Whether its models stand in its matrix, by their names."""
        return False

    def about(self) -> Iterator[str]:
        """Whom it asks, or what it calls, for `render --graph`."""
        yield from ()

    def facts(self) -> Iterator[tuple[str, str]]:
        """What else `render --graph` says of it, each as a word and its value."""
        yield from ()

    def written(self, by_tool: AbstractSet[str]) -> dict[str, Any]:
        """The step as a file would declare it, everything resolved.

        Args:
            by_tool: the names of the models that a run asks by a tool.
        """
        made: dict[str, Any] = {"kind": self.kind}
        if self.when is not None:
            made["when"] = self.when
        if self.for_each is not None:
            made["for_each"] = self.for_each
        made |= self.own_keys(by_tool)
        if self.samples is not None:
            made["samples"] = self.samples
        if self.null_items:
            made["on_item_error"] = "null"
        return made

    def own_keys(self, by_tool: AbstractSet[str]) -> dict[str, Any]:
        """The keys of a step in a file that its kind alone has, its output last."""
        del by_tool
        return {} if self.schema is None else {"output": {"schema": self.schema.value}}
