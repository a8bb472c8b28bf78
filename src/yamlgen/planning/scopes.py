"""What a step's templates and expressions see, and the type of its value: the way of types through a pipeline.

Owns the views of `row`, `params`, `steps`, `item`, `matrix` and `output`, step by step in the order in which they run,
and the rule of null: a step may be null by its own `when`, or by that of a step it needs and does not ask about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from yamlgen.errors import Code
from yamlgen.expressions.static_types import ANYTHING, NamespaceView, SchemaView, TypeView
from yamlgen.schemas.types import ANYTHING as ANY_TYPE
from yamlgen.schemas.types import Type, nullable
from yamlgen.steps import fan_out
from yamlgen.steps.declaration import TEXT, DeclaredStep
from yamlgen.steps.step_template import EARLY, LATE, StepTemplate
from yamlgen.value_objects import Columns

_WHEN: Final = "it has a `when`"


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
    params: TypeView
    steps: dict[str, TypeView] | None
    is_broken: Callable[..., bool]
    types: dict[str, Type] = field(default_factory=dict)
    nulls: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    """The steps of whose value nothing is known, because what was told broken makes it."""
    unwrapped: set[str] = field(default_factory=set)
    """The steps that refer to items, and have none."""

    taken_apart: set[str] = field(default_factory=set)
    """The steps of whose value a part is asked for that it does not have, which is told there."""
    _solid: dict[str, TypeView] = field(init=False)
    """The views of the steps where they are not null for a reason: what a step sees of those it does not ask about."""

    def __post_init__(self) -> None:
        self._solid = dict(self.steps or {})

    def row(self, *, sure: bool = False) -> TypeView:
        """What is known of a row; `sure`: of every row, and not of the first ones alone."""
        if self.columns is None:
            return ANYTHING
        known = self.columns.closed or not sure
        types = self.columns.types if known else {}
        members = {name: SchemaView.of(Type(types.get(name, {})), f"row.{name}") for name in self.columns.names}
        return NamespaceView(Code.UNKNOWN_COLUMN, "column", members, self.columns.complete) if known else ANYTHING

    def of(
        self, read: DeclaredStep[Any], template: StepTemplate, item: TypeView | None = None, *, sure: bool = False
    ) -> dict[str, TypeView]:
        """What a template of a step sees.

        Args:
            read: the step, its needs known.
            template: one of its templates.
            item: the view of an item, where there are any.
            sure: leave out what only the first rows of the input tell.
        """
        seen: dict[str, TypeView] = {"row": self.row(sure=sure), "params": self.params, "steps": self._steps(read)}
        if template.role in EARLY:
            return seen
        seen |= fan_out.views(read.step, read.file, item)
        if template.role in LATE:
            seen["output"] = SchemaView.of(read.output, "output")
        return seen

    def _steps(self, read: DeclaredStep[Any]) -> TypeView:
        if self.steps is None:
            return ANYTHING
        asked = {name: self.steps[name] for name in self.steps.keys() & read.asks}
        return NamespaceView(Code.UNKNOWN_STEP, "step", self._solid | asked)

    def doubt(self, read: DeclaredStep[Any]) -> None:
        """Take nothing as known of a step that refers to items which it has not, or to members of a text."""
        for template, analysis in read.templates:
            for finding in analysis.findings:
                name = template.source[finding.start : finding.end]
                is_item = fan_out.KEY_OF.get(name) == "for_each" and not fan_out.is_listed(read.step)
                if finding.code is Code.UNKNOWN_NAME and (is_item or name == "matrix"):
                    self.unwrapped.add(read.name)
                if finding.code is Code.UNKNOWN_FIELD and name.startswith("output.") and read.output == TEXT:
                    read.output = ANY_TYPE
                    self.unknown.add(read.name)

    def settle(self, read: DeclaredStep[Any]) -> None:
        """Make the type of a step's value out of that of one output; those after it see it from now on."""
        is_wrapped_anyhow = any(self.is_broken("steps", read.name, key) for key in ("kind", "when", *fan_out.KEYS))
        is_wrapped_anyhow = is_wrapped_anyhow or read.name in self.unwrapped
        if is_wrapped_anyhow:
            self.unknown.add(read.name)
        if read.planned.is_computed() and not read.needs.isdisjoint(self.unknown):
            self.unknown.add(read.name)
        made = fan_out.list_type(read.output, read.step, read.items)
        if is_wrapped_anyhow or (read.output == ANY_TYPE and read.name in self.unknown):
            made = ANY_TYPE
        why = None if self.is_broken("steps", read.name, "when") else self._why_null(read)
        if why is not None:
            made = nullable(made, why)
            self.nulls[read.name] = f"`{read.name}` {'has a `when`' if why == _WHEN else 'may be skipped'}"
        self.types[read.name] = made
        if self.steps is not None:
            view = self.steps[read.name] = SchemaView.of(made, f"steps.{read.name}")
            self._solid[read.name] = view.solid()

    def _why_null(self, read: DeclaredStep[Any]) -> str | None:
        if read.step.when is not None and not any(analysis.holds for _, analysis in read.of("when")):
            return _WHEN
        unasked = sorted((read.needs - read.asks) & self.nulls.keys())
        return f"it needs `steps.{unasked[0]}`, and {self.nulls[unasked[0]]}" if unasked else None
