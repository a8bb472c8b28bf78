"""What a step's templates and expressions see, and the type of its value: the way of types through a pipeline.

Owns the views of `row`, `params`, `steps`, `item`, `matrix` and `output`, step by step in the order in which they run,
and the rule of null: a step may be null by its own `when`, or by that of a step it needs and does not ask about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Final

from yamlgen.errors import Code
from yamlgen.expressions import type_inference
from yamlgen.expressions.name_resolution import all_of
from yamlgen.expressions.static_types import ANYTHING, Names, SchemaView, View
from yamlgen.expressions.template_checks import Reading
from yamlgen.pipeline.template_sources import Passage
from yamlgen.schemas.types import ANYTHING as ANY_TYPE
from yamlgen.schemas.types import Type, list_of, nullable, object_of, observed
from yamlgen.steps.kinds import Compute, Draw, Generate, Step
from yamlgen.values import JSON, Columns

_WHEN: Final = "it has a `when`"
_WRAPPING: Final = ("kind", "when", "for_each", "samples", "matrix", "on_item_error")
TEXT: Final[Type] = {"type": "string"}
"""What a step gives that has no schema."""

_BEFORE_ITEMS: Final = frozenset({"when", "for_each"})


@dataclass
class StepReading:
    """A step with its passages, each with what it uses and what is wrong with it.

    Attributes:
        needs: the steps that it refers to.
        asks: those that its own `when` asks about.
        items: the fewest and the most items of its `for_each`; `None` where nothing says how many at most.
        output: the type of one output of it.
    """

    name: str
    step: Step
    passages: list[tuple[Passage, Reading]] = field(default_factory=list)
    needs: frozenset[str] = frozenset()
    asks: frozenset[str] = frozenset()
    items: tuple[int, int | None] = (0, None)
    output: Type = field(default_factory=dict)

    def of(self, *roles: str) -> list[tuple[Passage, Reading]]:
        """The passages of some roles."""
        return [each for each in self.passages if each[0].role in roles]

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that it refers to; `None` when it needs the row as a whole."""
        if isinstance(self.step, Draw):  # the row is known by all of it, so that its draws do not depend on the order
            return None
        return all_of(reading.uses.columns for _, reading in self.passages)


@dataclass
class Scopes:
    """The views of one pipeline, filled step by step.

    Args:
        columns: what is known of the input's columns; `None` when nothing is.
        params: the view of the parameters.
        steps: a view for every name that stands under `steps`; `None` when those are not known.
        is_broken: whether what stands at a path is wrong, so that nothing is known of it.
    """

    columns: Columns | None
    params: View
    steps: dict[str, View] | None
    is_broken: Callable[..., bool]
    types: dict[str, Type] = field(default_factory=dict)
    nulls: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    """The steps of whose value nothing is known, because what was told broken makes it."""
    unwrapped: set[str] = field(default_factory=set)
    """The steps that refer to items, and have none."""

    taken_apart: set[str] = field(default_factory=set)
    """The steps of whose value a part is asked for that it does not have, which is told there."""

    def row(self, *, sure: bool = False) -> View:
        """What is known of a row; `sure`: of every row, and not of the first ones alone."""
        if self.columns is None:
            return ANYTHING
        known = self.columns.closed or not sure
        types = self.columns.types if known else {}
        members = {name: SchemaView.of(types.get(name, ANY_TYPE), f"row.{name}") for name in self.columns.names}
        return Names(Code.UNKNOWN_COLUMN, "column", members, self.columns.complete) if known else ANYTHING

    def of(
        self, read: StepReading, passage: Passage, item: View | None = None, *, sure: bool = False
    ) -> dict[str, View]:
        """What a passage of a step sees.

        Args:
            read: the step, its needs known.
            passage: one of its passages.
            item: the view of an item, where there are any.
            sure: leave out what only the first rows of the input tell.
        """
        seen: dict[str, View] = {"row": self.row(sure=sure), "params": self.params, "steps": self._steps(read)}
        step = read.step
        if passage.role in _BEFORE_ITEMS:
            return seen
        if step.for_each is not None or self.is_broken("steps", read.name, "for_each"):
            seen |= {"item": item or ANYTHING, "item_index": type_inference.INTEGER}
        if self.is_broken("steps", read.name, "matrix"):
            seen["matrix"] = ANYTHING
        if isinstance(step, Generate) and step.matrix is not None:
            axes = {name: SchemaView.of(_axis(values), f"matrix.{name}") for name, values in step.matrix.items()}
            seen["matrix"] = Names(Code.UNKNOWN_FIELD, "matrix value", axes)
        if passage.role in ("check", "message"):
            seen["output"] = SchemaView.of(read.output, "output")
        return seen

    def _steps(self, read: StepReading) -> View:
        if self.steps is None:
            return ANYTHING
        asked = {name: view if name in read.asks else view.solid() for name, view in self.steps.items()}
        return Names(Code.UNKNOWN_STEP, "step", asked)

    def doubt(self, read: StepReading) -> None:
        """Take nothing as known of a step that refers to items which it has not, or to members of a text."""
        wraps = [getattr(read.step, key, None) for key in ("for_each", "matrix", "samples")]
        for passage, reading in read.passages:
            for finding in reading.findings:
                name = passage.source[finding.start : finding.end]
                is_item = name in ("item", "item_index") and not any(wraps)
                if finding.code is Code.UNKNOWN_NAME and (is_item or name == "matrix"):
                    self.unwrapped.add(read.name)
                if finding.code is Code.UNKNOWN_FIELD and name.startswith("output.") and read.output == TEXT:
                    read.output = ANY_TYPE
                    self.unknown.add(read.name)

    def settle(self, read: StepReading) -> None:
        """Make the type of a step's value out of that of one output; those after it see it from now on."""
        step, made = read.step, read.output
        is_wrapped_anyhow = any(self.is_broken("steps", read.name, key) for key in _WRAPPING)
        is_wrapped_anyhow = is_wrapped_anyhow or read.name in self.unwrapped
        if is_wrapped_anyhow:
            self.unknown.add(read.name)
        if isinstance(step, Compute) and not read.needs.isdisjoint(self.unknown):
            self.unknown.add(read.name)
        if step.on_item_error == "null":
            made = nullable(made, 'a failed item of it is null (`on_item_error: "null"`)')
        if isinstance(step, Generate | Draw) and step.samples is not None:
            made = list_of(made, step.samples, step.samples)
        if isinstance(step, Generate) and step.matrix is not None:
            labels = {name: _axis(values) for name, values in step.matrix.items()}
            count = prod(map(len, step.matrix.values()))
            made = list_of(object_of({**labels, "output": made}), count, count)
        if step.for_each is not None:
            made = list_of(made, *read.items)
        if is_wrapped_anyhow or (read.output == ANY_TYPE and read.name in self.unknown):
            made = ANY_TYPE
        why = None if self.is_broken("steps", read.name, "when") else self._why_null(read)
        if why is not None:
            made = nullable(made, why)
            self.nulls[read.name] = f"`{read.name}` {'has a `when`' if why == _WHEN else 'may be skipped'}"
        self.types[read.name] = made
        if self.steps is not None:
            self.steps[read.name] = SchemaView.of(made, f"steps.{read.name}")

    def _why_null(self, read: StepReading) -> str | None:
        if read.step.when is not None and not any(reading.holds for _, reading in read.of("when")):
            return _WHEN
        unasked = sorted((read.needs - read.asks) & self.nulls.keys())
        return f"it needs `steps.{unasked[0]}`, and {self.nulls[unasked[0]]}" if unasked else None


def _axis(values: list[JSON]) -> Type:
    """The type of the values of one axis of a matrix, all of which are known."""
    made = observed(values)
    closed = {"additionalProperties": False} if made.get("type") == "object" else {}
    return {**made, **closed, "enum": values}


def compute_type(step: Compute, values: Mapping[str, View]) -> Type:
    """The type of a step of expressions, from what is known of each."""
    return object_of({name: values[name].type() if name in values else ANY_TYPE for name in step.values})
