"""A step of a plan that calls a function of the author."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, ClassVar

from yamlgen.expressions.evaluation import evaluate
from yamlgen.steps.fan_out import Scope
from yamlgen.steps.plan_step import PlanStep
from yamlgen.steps.python.dependencies import Dependencies
from yamlgen.steps.python.signatures import Function
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonStep(PlanStep):
    """A step that calls a function of the author. If its values are kept, `depends` lists what they depend on."""

    kind: ClassVar[str] = "python"
    is_outside: ClassVar[bool] = True
    shape: ClassVar[tuple[str, str]] = ("[[", "]]")
    call: str
    function: Function
    args: Mapping[str, str]
    timeout: float
    depends: Dependencies | None = None

    def fill(self, scope: Scope) -> dict[str, JSON]:
        """Return the arguments of the call."""
        return {name: evaluate(source, scope) for name, source in self.args.items()}

    def about(self) -> Iterator[str]:
        """Yield the function that it calls."""
        yield self.call

    def own_keys(self, by_tool: AbstractSet[str]) -> dict[str, Any]:
        """Return the call and the schema of its value."""
        kept = self.depends is not None
        made = {"call": self.call, "args": dict(self.args), "timeout": self.timeout, "keep": kept}
        if self.depends is not None and self.depends.reads:
            made["reads"] = list(self.depends.reads)
        return made | PlanStep.own_keys(self, by_tool)
