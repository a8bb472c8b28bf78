"""A plan: a pipeline checked, resolved and ordered, as immutable values that can be sent anywhere.

Owns what a run needs to know and nothing that a run holds: no client, no open file, no loop. Templates and expressions
stay their source text, schemas their JSON text; what is compiled from them is cached where it is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeAlias

from yamlgen.canonical_json import canonical
from yamlgen.errors import Code, RowError
from yamlgen.expressions.evaluation import evaluate, shown
from yamlgen.expressions.name_resolution import all_of
from yamlgen.expressions.rendering import render
from yamlgen.pipeline.language import Input, Limits, Output, Runtime
from yamlgen.pipeline.template_sources import Passage
from yamlgen.planning.step_order import ordered
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.steps.draw.checks import Rule, draw
from yamlgen.steps.draw.rules import DrawRule
from yamlgen.steps.fields import DEFAULT_MAX_TOKENS, ModelSettings, Price, Settings
from yamlgen.steps.generate.conversation import TemplateMessage
from yamlgen.steps.python.dependencies import Dependencies
from yamlgen.steps.python.signatures import Function
from yamlgen.values import JSON, Prompt, Row

MOST_CONCURRENCY: Final = 1000
"""How many requests may be in flight where nothing is set; how many are is for the API to say."""

MOST_ITEMS: Final = 100_000
"""The longest list that `for_each` takes: more in one row is a mistake that would cost much."""

Scope: TypeAlias = Mapping[str, Any]
"""What templates and expressions see: `row`, `params`, `steps`, and of a case `item`, `item_index`, `matrix`."""


@dataclass(frozen=True, slots=True)
class Case:
    """One of the times that a step is done for a row.

    Attributes:
        scope: what its templates see.
        item: the index in the list of `for_each`; 0 without one.
        combination: the index among the combinations of the matrix; 0 without one.
        sample: the number of the sample; 0 without several.
        twin: of a draw, how many equal items come before this one.
    """

    scope: Scope
    item: int = 0
    combination: int = 0
    sample: int = 0
    twin: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """What every step has, whatever its kind.

    Attributes:
        type: a JSON Schema of the step's value, as far as it is known before any row is run.
        needs: the steps that this one refers to.
        asks: those of them that its own `when` asks about, so that it is done though they were skipped.
        columns: the columns that it refers to; `None` when it needs the row as a whole.
        when: the expression without which the step is skipped.
        for_each: the expression that gives the items.
        least_items: the fewest items that it gives, as far as is known.
        most_items: the most of them; `None` where nothing says that.
        matrix: the combinations, each from name to value; `None` without a matrix.
        samples: how many samples there are; `None` for one that is no list.
        null_items: whether an item that fails is null in its list, and the row goes on.
        passages: its templates and expressions, with their places.
    """

    name: str
    type: JSONSchema
    needs: frozenset[str] = frozenset()
    asks: frozenset[str] = frozenset()
    columns: frozenset[str] | None = frozenset()
    when: str | None = None
    for_each: str | None = None
    least_items: int = 0
    most_items: int | None = None
    matrix: tuple[Mapping[str, JSON], ...] | None = None
    samples: int | None = None
    null_items: bool = False
    passages: tuple[Passage, ...] = field(default=(), repr=False, compare=False)

    @property
    def is_single(self) -> bool:
        """Whether the step is done once for a row, so that its value is no list."""
        return self.for_each is None and self.matrix is None and self.samples is None

    def is_wanted(self, scope: Scope) -> bool:
        """Whether the step is to be done for a row, as far as its `when` says.

        Raises:
            RowError: its `when` cannot be computed.
        """
        return self.when is None or bool(evaluate(self.when, scope))

    def cases(self, scope: Scope) -> list[Case]:
        """The times that the step is done for a row: for each item, each combination, each sample, in this order.

        Raises:
            RowError: `for_each` gives no list, or one that is too long.
        """
        made: list[Case] = []
        for item, seen in enumerate(self._items(scope)):
            for combination, labels in enumerate(self.matrix or ({},)):
                full = seen if self.matrix is None else {**seen, "matrix": labels}
                made.extend(Case(full, item, combination, sample) for sample in range(self.samples or 1))
        return made

    def _items(self, scope: Scope) -> Iterator[Scope]:
        if self.for_each is None:
            yield scope
            return
        items = evaluate(self.for_each, scope)
        if not isinstance(items, list):
            raise _no_items(self.for_each, f"no list, but {_kind(items)}")
        if len(items) > MOST_ITEMS:
            raise _no_items(self.for_each, f"{len(items):,} items, more than {MOST_ITEMS:,}")
        for index, item in enumerate(items):
            yield {**scope, "item": item, "item_index": index}

    def whole(self, values: Sequence[JSON]) -> JSON:
        """The step's value from those of its cases, in their order."""
        combinations = self.matrix or ({},)
        each = iter(values)

        def samples() -> JSON:
            return next(each) if self.samples is None else [next(each) for _ in range(self.samples)]

        def labelled() -> JSON:
            return samples() if self.matrix is None else [{**labels, "output": samples()} for labels in combinations]

        if self.for_each is None:
            return labelled()
        count = len(values) // (len(combinations) * (self.samples or 1))
        return [labelled() for _ in range(count)]

    def spoken(self, case: Case) -> str:
        """Which case it is, as messages say it: `item 3`, `sample 2`, `tone=dry`; they count from 1."""
        parts = [f"item {case.item + 1}"] if self.for_each is not None else []
        if self.matrix is not None:
            parts.extend(f"{name}={shown(str(value))}" for name, value in self.matrix[case.combination].items())
        if self.samples is not None:
            parts.append(f"sample {case.sample + 1}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Variant:
    """A model that a step asks, with its settings.

    Attributes:
        name: what tells it from the other models of a run: the step's name, and the alias where a matrix has several.
        settings: the model's settings, the step's own over its alias's; `id` is set.
        price: what the author says that the model costs; `None` leaves it to the price list.
        alike: the name of the first variant of the step with the same settings, which makes the same requests.
    """

    name: str
    settings: Settings
    price: Price | None = None
    alike: str = ""

    @property
    def model(self) -> str:
        """The id of the model."""
        return self.settings.id or ""

    @property
    def max_tokens(self) -> int:
        """The most tokens of an answer."""
        return self.settings.max_tokens or DEFAULT_MAX_TOKENS


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """What must hold of an output: an expression, and the template of what the model is told when it does not."""

    expression: str
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateStep(PlanStep):
    """A step that asks a model.

    Attributes:
        variants: the models that it asks.
        own: the settings that stand in the step itself.
        asked: which of them each combination of the matrix asks, by index.
        schema: what an output must satisfy; `None` for text.
        checks: what must hold of it besides.
    """

    kind: ClassVar[str] = "generate"
    variants: tuple[Variant, ...]
    own: Settings
    asked: tuple[int, ...] = (0,)
    system: str | None
    messages: tuple[TemplateMessage, ...]
    schema: JSONSchema | None
    mode: Literal["auto", "native", "tools", "json"] = "auto"
    reasks: int = 0
    checks: tuple[PlanCheck, ...] = ()

    def variant(self, case: Case) -> Variant:
        """The model that a case asks."""
        return self.variants[self.asked[case.combination]]

    def prompt(self, scope: Scope) -> Prompt:
        """The step's templates filled in.

        Raises:
            RowError: a value that a template needs is missing in this row, or a turn is blank.
        """
        system = None if self.system is None else render(self.system, scope)
        return Prompt(system, tuple(turn.filled(scope, self.name) for turn in self.messages))

    def errors(self, output: JSON, scope: Scope) -> tuple[str, ...]:
        """What of the step's checks does not hold of an output; one that cannot be computed does not."""
        seen = {**scope, "output": output}
        told = (_told(check, seen) for check in self.checks)
        return tuple(error for error in told if error is not None)


def _told(check: PlanCheck, scope: Scope) -> str | None:
    """What a check says, or `None` where it holds."""
    try:
        if evaluate(check.expression, scope):
            return None
        return f"`{shown(check.expression)}` does not hold" if check.message is None else render(check.message, scope)
    except RowError as error:  # it looks for what the output does not have
        return error.message


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeStep(PlanStep):
    """A step of expressions, by name; its value is the mapping of theirs."""

    kind: ClassVar[str] = "compute"
    values: Mapping[str, str]
    schema: JSONSchema | None = None

    def compute(self, scope: Scope) -> dict[str, JSON]:
        """The values.

        Raises:
            RowError: one cannot be computed for this row.
        """
        return {name: evaluate(source, scope) for name, source in self.values.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonStep(PlanStep):
    """A step that calls a function of the author's. Where its values are kept, `depends` says on what they depend."""

    kind: ClassVar[str] = "python"
    call: str
    function: Function
    args: Mapping[str, str]
    timeout: float
    depends: Dependencies | None = None
    schema: JSONSchema | None = None

    def arguments(self, scope: Scope) -> dict[str, JSON]:
        """The arguments of a call.

        Raises:
            RowError: one cannot be computed for this row.
        """
        return {name: evaluate(source, scope) for name, source in self.args.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawStep(PlanStep):
    """A step of seeded draws: as they are written, and as rules."""

    kind: ClassVar[str] = "draw"
    draws: Mapping[str, DrawRule]
    rules: Mapping[str, Rule]
    seed: int = 0

    def cases(self, scope: Scope) -> list[Case]:
        """The times that the step is done; equal items are told apart by their order, others by what they are."""
        made, seen = PlanStep.cases(self, scope), Counter[bytes]()
        if self.for_each is None:
            return made
        twins = []
        for case in made[:: self.samples or 1]:
            item = canonical(case.scope["item"])
            twins.append(seen[item])
            seen[item] += 1
        return [replace(case, twin=twins[case.item]) for case in made]

    def draw(self, identity: str, case: Case) -> dict[str, JSON]:
        """The draws of a row: always the same, whatever the order of the rows, and of the items in one."""
        item = [] if self.for_each is None else [case.scope["item"], case.twin]
        return draw(self.rules, self.seed, [identity, self.name, *item, case.sample])


AnyStep: TypeAlias = GenerateStep | ComputeStep | PythonStep | DrawStep


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole pipeline, ready to run.

    Attributes:
        file: the pipeline's file.
        params: every parameter's value.
        declared: what each may be.
        models: the aliases.
        steps: in file order; the graph is in their `needs`.
    """

    name: str
    file: Path
    params: Mapping[str, JSON]
    declared: Mapping[str, JSONSchema]
    models: Mapping[str, ModelSettings]
    runtime: Runtime
    limits: Limits
    input: Input
    steps: tuple[AnyStep, ...]
    output: Output

    def __repr__(self) -> str:
        count = len(self.steps)
        return f"<Plan of {self.name}: {count} step{'' if count == 1 else 's'}>"

    def ordered(self) -> tuple[AnyStep, ...]:
        """The steps so that each comes after those it needs."""
        steps = {step.name: step for step in self.steps}
        return tuple(steps[name] for name in ordered({name: step.needs for name, step in steps.items()}))

    @property
    def generating(self) -> tuple[GenerateStep, ...]:
        """The steps that ask a model."""
        return tuple(step for step in self.steps if isinstance(step, GenerateStep))

    @property
    def variants(self) -> tuple[tuple[GenerateStep, Variant], ...]:
        """Each model that is asked, with the step that asks it."""
        return tuple((step, variant) for step in self.generating for variant in step.variants)

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that decide what is asked; `None` when a step that does needs the row as a whole.

        A step on whose value neither a request nor a draw depends has no part in it: adding one must not make new rows
        of all.
        """
        steps = {step.name: step for step in self.steps}
        reached: set[str] = set()
        waiting = [name for name, step in steps.items() if isinstance(step, GenerateStep | DrawStep)]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting.extend(steps[name].needs)
        return all_of(steps[name].columns for name in reached)

    def scope(self, row: Row, outputs: Mapping[str, JSON]) -> Scope:
        """What the templates of a row's steps see."""
        return {"row": row, "params": self.params, "steps": outputs}

    @property
    def concurrency(self) -> int:
        """The most requests in flight at once."""
        ceiling = self.runtime.concurrency
        return MOST_CONCURRENCY if ceiling == "auto" else ceiling

    @property
    def folder(self) -> Path:
        """Where the paths of the pipeline start from."""
        return self.file.parent


def _no_items(source: str, given: str) -> RowError:
    return RowError(f"`for_each: {shown(source)}` gives {given}", code=Code.ROW_TEMPLATE, source=(source, 0))


def _kind(value: JSON) -> str:
    kinds: dict[type, str] = {dict: "an object", str: "text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
