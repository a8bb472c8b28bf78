"""A `draw` step, as declared in a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from yamlgen.diagnostics import Diagnostic
from yamlgen.schemas.types import Type
from yamlgen.steps.declaration import DeclaredStep
from yamlgen.steps.draw.checks import compile_draws
from yamlgen.steps.draw.config import Draw
from yamlgen.steps.draw.plan_step import DrawStep
from yamlgen.steps.draw.sampling import Rule, schema_of


@dataclass
class DeclaredDraw(DeclaredStep[Draw]):
    """A `draw` step, with those of its draws that are valid as rules."""

    planned = DrawStep

    rules: dict[str, Rule] = field(default_factory=dict, init=False)

    @property
    def columns(self) -> None:
        """`None`: the whole row identifies it, so that draws do not depend on the order of the rows."""
        return

    def check(self) -> Iterator[Diagnostic]:
        """Check its draws."""
        self.rules, problems = compile_draws(self.step.draws, partial(self.file.column, "draws"))
        for problem in problems:
            at = ("draws", *problem.path)
            beside = (*at[:-1], "otherwise")  # a broken `otherwise` may cover missing cases
            given = self.file.written(*at) if at[-1] == "given" else None
            is_told = self.file.is_broken_within(*at) or self.file.is_broken_within(*beside)
            if not is_told and (given is None or not self.file.is_broken("draws", str(given))):
                yield problem.at(self.file.mark(*at, key=problem.is_key))

    def output_type(self) -> Type | None:
        """Return the type of the draws; `None` if one of them is wrong."""
        is_broken = self.file.lacks_keys() or self.file.is_broken_within("draws")
        is_known = len(self.rules) == len(self.step.draws) and not is_broken
        return Type(schema_of(self.rules)) if is_known else None

    def own_fields(self) -> dict[str, Any]:
        """Return its draws as written and as rules, and its seed."""
        return {"draws": self.step.draws, "rules": self.rules, "seed": self.step.seed}


DECLARED: Final = DeclaredDraw
