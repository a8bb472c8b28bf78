"""A step of a plan that evaluates expressions."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, ClassVar

from yamlgen.expressions.evaluation import evaluate
from yamlgen.steps.fan_out import Scope
from yamlgen.steps.plan_step import PlanStep
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeStep(PlanStep):
    """A step of expressions, by name; its value is an object of their values."""

    kind: ClassVar[str] = "compute"
    values: Mapping[str, str]

    def fill(self, scope: Scope) -> dict[str, JSON]:
        """Return the values of its expressions."""
        return {name: evaluate(source, scope) for name, source in self.values.items()}

    def own_keys(self, by_tool: AbstractSet[str]) -> dict[str, Any]:
        """Return its expressions and the schema of its value."""
        return {"values": dict(self.values), **PlanStep.own_keys(self, by_tool)}
