"""The execution of `draw` steps."""

from __future__ import annotations

from typing import Final

from yamlgen.row_result import Answer
from yamlgen.steps.draw.plan_step import DrawStep
from yamlgen.steps.execution import RowStep, StepExecutor
from yamlgen.steps.fan_out import Case


class DrawExecutor(StepExecutor[DrawStep]):
    """Draws values from the row's identity."""

    async def perform(self, step: DrawStep, case: Case, row: RowStep) -> Answer:
        """Return the drawn values, by name."""
        return Answer(step.draw(row.context.identity, case))


EXECUTOR: Final = DrawExecutor
