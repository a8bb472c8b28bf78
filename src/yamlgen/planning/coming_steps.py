"""The steps of a row that will still run once missing answers are there, as far as that is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from yamlgen.errors import RowError
from yamlgen.planning.plan import Plan
from yamlgen.planning.skipping import always_read, is_skipped
from yamlgen.row_result import Answer, RowResult
from yamlgen.steps.plan_step import PlanStep

_SKIPPED: Final = Answer(None, skipped=True)


@dataclass
class ComingSteps:
    """The unknown part of a row, which depends on missing values.

    Attributes:
        missing: the steps whose values are missing.
        uncalled: those of them that depend on a function, which a forecast does not call.
        skipped: the steps that will be skipped, whatever the missing values are.
    """

    outcome: RowResult
    plan: Plan
    missing: set[str] = field(default_factory=set)
    uncalled: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)

    def has(self, step: PlanStep) -> bool:
        """Return whether a step will still run, as far as is known; a step that will be skipped is noted."""
        answers = self.outcome.answers
        if step.name in answers or not step.needs <= answers.keys() | self.missing | self.skipped:
            return False
        scope = self.plan.scope_of(self.outcome.row.row, {**answers, **dict.fromkeys(self.skipped, _SKIPPED)})
        hidden = self._hidden(step)
        if hidden & always_read(step) or (not step.needs & self.missing and is_skipped(step, scope, hidden)):
            self.skipped.add(step.name)
            return False
        if not self.knows(step):
            return True
        try:
            is_wanted = step.is_wanted(scope)
        except RowError:
            return False
        if not is_wanted:
            self.skipped.add(step.name)
        return is_wanted

    def doubts(self, step: PlanStep) -> list[str]:
        """Return why a step that will still run may send no request."""
        doubts = []
        if step.when is not None and not self.knows(step):
            doubts.append("if its `when` is true")
        if self._hidden(step):
            doubts.append("if it reads none of the skipped steps")
        if self.uncalled & step.needs:
            doubts.append("at most: the value of a function before it is not kept, and may be unchanged (see `keep`)")
        return doubts

    def _hidden(self, step: PlanStep) -> set[str]:
        """Return the skipped steps with which a step is skipped if it reads them."""
        skipped = self.skipped | {name for name, answer in self.outcome.answers.items() if answer.is_absent}
        return skipped & (step.needs - step.asks)

    def knows(self, step: PlanStep) -> bool:
        """Return whether all values that the step's `when` refers to are known."""
        return not step.asks & self.missing
