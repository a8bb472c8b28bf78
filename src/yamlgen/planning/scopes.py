"""The names that a step's templates and expressions can read, and the type of its value.

Owns the views of `row`, `params`, `steps`, `item`, `matrix` and `output`, step by step in the order of execution, and
the rule of null: a step may be null because of its own `when` or `on_error`, or because a step may be null that it
needs and that its own `when` does not refer to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
_ON_ERROR: Final = "it is null if it fails (`on_error: null`)"
_NO_THINKING: Final = "an answer may have no thinking"
_SHORT: Final = {_WHEN: "has a `when`", _ON_ERROR: "is null if it fails"}
"""Why a step may be null by itself, and how the reason reads for a step that needs it."""


@dataclass
class Scopes:
    """The views of one pipeline, filled step by step.

    Args:
        columns: the known columns of the input; `None` if they are unknown.
        params: the view of the parameters.
        steps: a view for every name under `steps`; `None` if the names are unknown.
        is_broken: returns whether the value at a path is wrong, so that it is unknown.
    """

    columns: Columns | None
    params: TypeView
    steps: dict[str, TypeView] | None
    is_broken: Callable[..., bool]
    types: dict[str, Type] = field(default_factory=dict)
    nulls: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    """The steps whose value is unknown because of a reported mistake."""
    unwrapped: set[str] = field(default_factory=set)
    """The steps that refer to items but have none."""

    taken_apart: set[str] = field(default_factory=set)
    """The steps to whose unknown members templates refer, which is reported there."""
    thinking: dict[str, Type] = field(default_factory=dict)
    """What the models of the steps that keep it thought."""
    without_thinking: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The other steps, each with a message and a hint."""
    _solid: dict[str, TypeView] = field(init=False)
    """The views of the steps as not skipped: how a step sees the steps that its `when` does not refer to."""

    def __post_init__(self) -> None:
        self._solid = dict(self.steps or {})

    @property
    def is_closed(self) -> bool:
        """Whether the known columns are those of all rows."""
        return self.columns is None or self.columns.closed

    @property
    def is_sure(self) -> bool:
        """Whether the columns and their types are those of all rows."""
        return self.columns is None or (self.columns.closed and not self.columns.supposed)

    def row(self, *, sure: bool = False) -> TypeView:
        """Return the view of a row; with `sure`, only what is known of every row, not only of the first rows."""
        if self.columns is None:
            return ANYTHING
        known = self.is_closed or not sure
        if not known:
            return ANYTHING
        columns = self.columns
        types = {name: columns.sure_type(name) if sure else columns.types.get(name, {}) for name in columns.names}
        members = {name: SchemaView.of(Type(type_), f"row.{name}") for name, type_ in types.items()}
        return NamespaceView(Code.UNKNOWN_COLUMN, "column", members, self.columns.complete)

    def of(
        self, read: DeclaredStep[Any], template: StepTemplate, item: TypeView | None = None, *, sure: bool = False
    ) -> dict[str, TypeView]:
        """Return the names that a template of a step can read, with their views.

        Args:
            read: the step, with its needs.
            template: one of its templates.
            item: the view of an item, if the step has items.
            sure: leave out what is only known of the first rows of the input.
        """
        seen: dict[str, TypeView] = {"row": self.row(sure=sure), "params": self.params, "steps": self._steps(read)}
        seen |= self.thoughts(solid=True)
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

    def thoughts(self, *, solid: bool = False) -> dict[str, TypeView]:
        """Return the view of what the models thought; empty if no step keeps it.

        Args:
            solid: as a step sees it that is skipped with the others.
        """
        if not self.thinking:
            return {}
        members: dict[str, TypeView] = {}
        for name, made in self.thinking.items():
            whole = nullable(made, self.nulls[name]) if name in self.nulls and not solid else made
            members[name] = SchemaView.of(whole, f"thinking.{name}")
        return {"thinking": NamespaceView(Code.UNKNOWN_STEP, "step", members, hints=self.without_thinking)}

    def declare_thinking(self, steps: Mapping[str, DeclaredStep[Any]]) -> None:
        """Note which steps keep what their models thought."""
        for name, read in steps.items():
            if read.keeps_thinking:
                self.thinking[name] = ANY_TYPE
            elif read.step.models_named():
                hint = f"add `output: {{keep_thinking: true}}` to step `{name}`"
                self.without_thinking[name] = f"step `{name}` does not keep its thinking", hint
            else:
                self.without_thinking[name] = f"step `{name}` uses no model, so it has no thinking", "remove it"

    def not_skipped(self, name: str) -> TypeView:
        """Return the view of a step in the rows in which it is not skipped."""
        return self._solid[name]

    def doubt(self, read: DeclaredStep[Any]) -> None:
        """Treat a step as unknown if it refers to items that it does not have, or to members of a string."""
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
        """Set the type of a step's value from the type of one output, for the steps after it."""
        is_wrapped_anyhow = any(
            self.is_broken("steps", read.name, key) for key in ("kind", "when", "on_error", *fan_out.KEYS)
        )
        is_wrapped_anyhow = is_wrapped_anyhow or read.name in self.unwrapped
        if is_wrapped_anyhow:
            self.unknown.add(read.name)
        if read.planned.is_computed() and not read.needs.isdisjoint(self.unknown):
            self.unknown.add(read.name)
        made = fan_out.list_type(read.output, read.step, read.items)
        if is_wrapped_anyhow or (read.output == ANY_TYPE and read.name in self.unknown):
            made = ANY_TYPE
        ran = made
        why = None if self.is_broken("steps", read.name, "when") else self._why_null(read)
        if why is not None:
            made = nullable(made, why)
            self.nulls[read.name] = f"`{read.name}` {_SHORT.get(why, 'may be skipped')}"
        self.types[read.name] = made
        if read.keeps_thinking:
            thought = fan_out.list_type(nullable(TEXT, _NO_THINKING), read.step, read.items)
            self.thinking[read.name] = ANY_TYPE if is_wrapped_anyhow else thought
        if self.steps is not None:
            self.steps[read.name] = SchemaView.of(made, f"steps.{read.name}")
            self._solid[read.name] = SchemaView.of(ran, f"steps.{read.name}")

    def _why_null(self, read: DeclaredStep[Any]) -> str | None:
        if read.step.when is not None and not any(analysis.holds for _, analysis in read.of("when")):
            return _WHEN
        if read.step.null_if_failed:
            return _ON_ERROR
        unasked = sorted((read.needs - read.asks) & self.nulls.keys())
        return f"it needs `steps.{unasked[0]}`, and {self.nulls[unasked[0]]}" if unasked else None
