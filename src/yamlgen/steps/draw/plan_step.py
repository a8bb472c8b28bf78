"""A step of a plan that draws values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from yamlgen.canonical_json import canonical
from yamlgen.steps.draw.rules import DrawRule
from yamlgen.steps.draw.sampling import ConditionalDraw, Rule, draw
from yamlgen.steps.fan_out import Case, Scope
from yamlgen.steps.plan_step import PlanStep, StepParts
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawStep(PlanStep):
    """A step of seeded draws, as written and as rules."""

    kind: ClassVar[str] = "draw"
    knows_row: ClassVar[bool] = True
    shape: ClassVar[tuple[str, str]] = ("{{", "}}")
    draws: Mapping[str, DrawRule]
    rules: Mapping[str, Rule]
    seed: int = 0

    def cases(self, scope: Scope) -> list[Case]:
        """Return the cases of a row; items are distinguished by their value, and equal items by their order."""
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
        """Return the drawn values of a case: always the same, in any order of the rows and of the items."""
        item = [] if self.for_each is None else [case.scope["item"], case.twin]
        return draw(self.rules, self.seed, [identity, self.name, *item, case.sample])

    def own_asking(self) -> StepParts:
        """Return its seed, its rules with the values of their files, and its name, which is a part of the seed."""
        rules = {name: _parts_of(rule) for name, rule in self.rules.items()}
        return StepParts({"name": self.name, "seed": self.seed, "draws": rules}, [])

    def own_keys(self, by_tool: AbstractSet[str]) -> dict[str, Any]:
        """Return its seed and its draws."""
        del by_tool
        return {
            "seed": self.seed,
            "draws": {name: rule.model_dump(exclude_none=True) for name, rule in self.draws.items()},
        }


def _parts_of(rule: Rule) -> list[JSON]:
    """Return the rule of a draw as JSON."""
    if isinstance(rule, ConditionalDraw):
        cases = {name: _parts_of(each) for name, each in rule.cases.items()}
        return ["cases", rule.name, cases, None if rule.otherwise is None else _parts_of(rule.otherwise)]
    values = [getattr(rule, each.name) for each in fields(rule)]
    return [
        type(rule).__name__,
        *(value if isinstance(value, tuple | int | float | None) else str(value) for value in values),
    ]
