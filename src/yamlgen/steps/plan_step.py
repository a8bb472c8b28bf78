"""A step of a plan: the interface that all kinds of steps share for the planner, the engine and the graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

from jinja2 import nodes

from yamlgen import model_capabilities
from yamlgen.expressions.evaluation import evaluate, parse_expression
from yamlgen.expressions.jinja_environment import parse
from yamlgen.expressions.syntax_trees import dumped, members_read
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.schemas.keywords import subschemas
from yamlgen.schemas.native_output_schema import NOTES, choose_mode
from yamlgen.schemas.root_wrapper import outgoing
from yamlgen.steps.batch_config import Batch
from yamlgen.steps.config_fields import ModelRuntime, Price, Settings
from yamlgen.steps.fan_out import Case, FanOut, Scope
from yamlgen.steps.step_template import Role, StepTemplate
from yamlgen.value_objects import JSON, Prompt

if TYPE_CHECKING:
    from yamlgen.interfaces import Model

_MODEL: Final = "model"


@dataclass(frozen=True, slots=True)
class Variant:
    """A model that a step uses, with its settings.

    Attributes:
        name: the unique name of the variant in a run: the step's name, with the alias if a matrix has several models.
        settings: the resolved settings of the model, with `id`; the step's own settings override those of its alias.
        price: the price that the author has set; `None` means the price list.
        alike: the name of the first variant of the step with the same settings, which sends the same requests.
        mode: how JSON is requested, if the step has a schema.
        reasks: the maximum number of times that an invalid answer is sent back to the model.
        grows: whether a truncated answer is requested again with more tokens.
        connection: the connection that the author has set for the model; `None` means that of the file.
        fallbacks: the models that are asked in turn if this one refuses.
        by_default: whether the API's own fallback models are asked if this one refuses.
    """

    name: str
    settings: Settings
    price: Price | None
    alike: str
    mode: Literal["auto", "native", "tools", "json"]
    reasks: int
    grows: bool = False
    connection: ModelRuntime | None = None
    fallbacks: tuple[Variant, ...] = ()
    by_default: bool = False

    @property
    def model(self) -> str:
        """The id of the model."""
        return self.settings.id or ""

    @property
    def max_tokens(self) -> int:
        """The maximum number of tokens in an answer."""
        return self.settings.answer_limit

    @property
    def own_address(self) -> str | None:
        """The address that the author has set for the model; `None` means that of the file."""
        return None if self.connection is None else self.connection.base_url

    def mode_for(self, schema: JSONSchema) -> Literal["native", "tools", "json"]:
        """Return its mode, or for `auto` the mode that fits the model and the schema."""
        if self.mode != "auto":
            return self.mode
        return choose_mode(outgoing(schema.value)[0], model_capabilities.of(self.model))


class StepParts(NamedTuple):
    """Parts of a step, by the key that they come from; `None` for one that it does not have.

    Attributes:
        parts: the parts as JSON.
        trees: the syntax trees of the templates and expressions in them.
    """

    parts: Mapping[str, Any]
    trees: Sequence[nodes.Node]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep(FanOut):
    """A step of a plan, of any kind.

    Attributes:
        kind: the name of its kind.
        is_outside: whether its value comes from a model or a function, which can be slow.
        shape: the brackets around its label in a Mermaid flowchart.
        knows_row: whether its value depends on the row's identity, not only on what the step refers to.
        type: a JSON Schema of the step's value, as far as it is known before a run.
        needs: the steps that it refers to.
        asks: the steps that its own `when` refers to, so that it can run even if they were skipped.
        columns: the columns that it refers to; `None` if it needs the whole row.
        when: the condition; if it is false, the step is skipped.
        null_if_failed: whether the step is null for a row for which it fails, and the row continues.
        templates: its templates and expressions, with their places.
        schema: the author's schema of an output; `None` without a schema.
        variants: the models that it uses.
        batch: how its requests are sent in batches; `None` if they are sent one by one.
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
    null_if_failed: bool = False
    keeps_thinking: bool = False
    templates: tuple[StepTemplate, ...] = field(default=(), repr=False, compare=False)
    schema: JSONSchema | None = None
    variants: tuple[Variant, ...] = ()
    batch: Batch | None = None

    @property
    def caches(self) -> bool:
        """Whether a part of its prompts is cached."""
        return False

    @property
    def constant(self) -> int:
        """How many of its messages, from the first, are the same for every row; -1 if the system prompt is not."""
        return -1

    @property
    def beginning(self) -> str:
        """The text with which the first message that differs by row begins; it is the same for every row."""
        return ""

    @property
    def every_variant(self) -> tuple[Variant, ...]:
        """The models that it uses, each followed by its fallback models."""
        return tuple(each for variant in self.variants for each in (variant, *variant.fallbacks))

    def of(self, *roles: Role) -> Iterator[StepTemplate]:
        """Return the templates with any of these roles."""
        return (template for template in self.templates if template.role in roles)

    @classmethod
    def is_computed(cls) -> bool:
        """Return whether its value depends only on what it refers to, so that it is always the same."""
        return not (cls.is_outside or cls.knows_row)

    def is_wanted(self, scope: Scope) -> bool:
        """Return whether its `when` is true for a row.

        Raises:
            RowError: the evaluation of its `when` fails.
        """
        return self.when is None or bool(evaluate(self.when, scope))

    def fill(self, scope: Scope) -> Any:
        """Render what a case needs before a request or a call; for a computed step, return its value.

        Raises:
            RowError: a template or an expression fails for this row.
        """
        del scope

    def requests(self, scope: Scope, models: Mapping[str, Model]) -> Iterator[tuple[Case, dict[str, JSON]]]:
        """Yield the first request of each case of a row, for `render`.

        Args:
            scope: the scope of the row.
            models: the models, by the names of the plan's variants.

        Raises:
            RowError: a template or an expression fails for this row.
        """
        del scope, models
        yield from ()

    def variant(self, case: Case) -> Variant:
        """Return the model of a case, for a step that sends requests."""
        del case
        return self.variants[0]

    def unfilled(self) -> Prompt:
        """Return its prompt with its templates as written."""
        return Prompt(None, ())

    @property
    def names_models(self) -> bool:
        """Whether its models are listed in its matrix."""
        return False

    @property
    def names_aliases(self) -> bool:
        """Whether it names models by their aliases."""
        return False

    def about(self) -> Iterator[str]:
        """Yield the models that it uses, or the function that it calls, for `render --graph`."""
        yield from ()

    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield further facts for `render --graph`, each as a word and its value."""
        yield from ()

    def asking(self) -> StepParts:
        """Return the parts that decide which requests the step sends, or which value it computes, by key."""
        own = self.own_asking()
        parsed = {"when": self.when, "for_each": self.for_each}
        trees = {name: parse_expression(source) for name, source in parsed.items() if source is not None}
        read = [*trees.values(), *own.trees]
        common: dict[str, Any] = {name: dumped(tree) for name, tree in trees.items()}
        return StepParts({**common, "samples": self.samples, "matrix": self.combinations(read), **own.parts}, read)

    def own_asking(self) -> StepParts:
        """Return those of these parts that only its kind has; by default, everything that it declares."""
        trees = [(parse_expression if each.is_expression else parse)(each.source) for each in self.templates]
        return StepParts(self.own_keys(frozenset()), trees)

    def accepting(self) -> StepParts:
        """Return the parts that decide which answers or values are valid, and what happens to the others, by key."""
        own = self.own_accepting()
        common = {
            "output.schema": None if self.schema is None else _bare(self.schema),
            "on_error": "null" if self.null_if_failed else None,
            "on_item_error": "null" if self.null_items else None,
        }
        return StepParts({**common, **own.parts}, own.trees)

    def own_accepting(self) -> StepParts:
        """Return those of these parts that only its kind has."""
        return StepParts({}, [])

    def combinations(self, trees: Iterable[nodes.Node]) -> list[dict[str, JSON]] | None:
        """Return the combinations of its matrix; the name of a model is in them only if a template reads it."""
        if self.matrix is None:
            return None
        is_read = not self.names_models or _MODEL in members_read(trees, "matrix", self.matrix[0])
        return [{name: value for name, value in each.items() if is_read or name != _MODEL} for each in self.matrix]

    def code(self) -> Mapping[str, str]:
        """Return the sha256 of the modules that it runs, in hexadecimal, by their paths relative to the pipeline."""
        return {}

    @property
    def keeps_values(self) -> bool:
        """Whether its values are kept as long as the files on which they depend stay the same."""
        return False

    def reads(self) -> Mapping[str, str]:
        """Return the sha256 of the files on which its kept values depend, apart from its modules."""
        return {}

    def repeated(self) -> dict[str, Any] | None:
        """Return all that decides what a row comes to at the step; `None` if the same row may come to another value.

        A field that a kind adds is a part of it, unless the kind leaves it out. Not in it: places in files, batches,
        prices and connections.
        """
        made = {each.name: getattr(self, each.name) for each in fields(self)}
        del made["templates"], made["batch"]
        return {**made, "variants": tuple(map(_bare_variant, self.variants))}

    def written(self, by_tool: AbstractSet[str]) -> dict[str, Any]:
        """Return the step as a file would declare it, with everything resolved.

        Args:
            by_tool: the names of the variants for which a run requests JSON with a tool.
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
            made["on_item_error"] = None
        if self.null_if_failed:
            made["on_error"] = None
        return made

    def own_keys(self, by_tool: AbstractSet[str]) -> dict[str, Any]:
        """Return the keys in a file that only its kind has, `output` last."""
        del by_tool
        return {} if self.schema is None else {"output": {"schema": self.schema.value}}


def _bare_variant(variant: Variant) -> Variant:
    """Return a variant without its price and its connection."""
    return replace(variant, price=None, connection=None, fallbacks=tuple(map(_bare_variant, variant.fallbacks)))


def _bare(schema: JSONSchema) -> dict[str, Any]:
    """Return a schema without what does not affect whether a value is valid."""
    whole = schema.value
    for _, part in list(subschemas(whole)):
        for word in (*NOTES, "$schema"):
            part.pop(word, None)
    return whole
