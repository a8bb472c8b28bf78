"""The execution of `compute` steps."""

from __future__ import annotations

from typing import Final

from yamlgen.row_result import Answer
from yamlgen.steps.compute.plan_step import ComputeStep
from yamlgen.steps.execution import RowStep, StepExecutor, checked
from yamlgen.steps.fan_out import Case


class ComputeExecutor(StepExecutor[ComputeStep]):
    """Evaluates expressions."""

    async def perform(self, step: ComputeStep, case: Case, row: RowStep) -> Answer:
        """Return the value of its expression, or the values of its expressions, by name."""
        del row
        return Answer(checked(step.fill(case.scope), step.schema))


EXECUTOR: Final = ComputeExecutor
