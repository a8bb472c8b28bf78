"""A step of a plan that evaluates expressions."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, ClassVar

from yamlgen.expressions.evaluation import evaluate, parse_expression
from yamlgen.expressions.syntax_trees import dumped
from yamlgen.steps.fan_out import Scope
from yamlgen.steps.plan_step import PlanStep, StepParts
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeStep(PlanStep):
    """A step of one expression, whose value is the step's; or of several, by name, whose values are in an object."""

    kind: ClassVar[str] = "compute"
    value: str | None = None
    values: Mapping[str, str] | None = None

    def fill(self, scope: Scope) -> JSON:
        """Return the value of its expression, or the values of its expressions, by name."""
        if self.value is not None:
            return evaluate(self.value, scope)
        return {name: evaluate(source, scope) for name, source in (self.values or {}).items()}

    def own_asking(self) -> StepParts:
        """Return its expressions, as they are parsed."""
        sources = {"": self.value} if self.value is not None else dict(self.values or {})
        parsed = {name: parse_expression(source) for name, source in sources.items()}
        made = {name: dumped(tree) for name, tree in parsed.items()}
        return StepParts({"value": made[""]} if self.value is not None else {"values": made}, list(parsed.values()))

    def own_keys(self, by_tool: AbstractSet[str]) -> dict[str, Any]:
        """Return its expressions and the schema of its value."""
        own = {"values": dict(self.values or {})} if self.value is None else {"value": self.value}
        return {**own, **PlanStep.own_keys(self, by_tool)}
