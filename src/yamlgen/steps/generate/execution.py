"""The execution of `generate` steps.

Equal requests of a step for a row are numbered. Each has its own answer, and only additional ones are sent later.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from yamlgen.errors import RowError
from yamlgen.row_result import Answer
from yamlgen.steps.execution import RowStep, StepExecutor
from yamlgen.steps.fan_out import Case
from yamlgen.steps.generate.plan_step import GenerateStep


class GenerateExecutor(StepExecutor[GenerateStep]):
    """Sends requests to the models of a run."""

    async def perform(self, step: GenerateStep, case: Case, row: RowStep) -> Answer:
        """Return a valid answer; an invented answer is validated against the schema only."""
        prompt, variant = step.prompt(case.scope), step.variant(case)
        request = (variant.alike, prompt)
        context = replace(row.context, sample=row.equal[request])
        row.equal[request] += 1
        check = partial(step.errors, scope=case.scope) if step.checks and self._run.invent is None else None
        try:
            return await self._run.models[variant.name].answer(prompt, context, check)
        except RowError as error:
            raise error.replace(variant=variant.name) from None


EXECUTOR: Final = GenerateExecutor
