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
from yamlgen.steps.generate.kept_thinking import thinking_in
from yamlgen.steps.generate.plan_step import GenerateStep


class GenerateExecutor(StepExecutor[GenerateStep]):
    """Sends requests to the models of a run."""

    async def perform(self, step: GenerateStep, case: Case, row: RowStep) -> Answer:
        """Return a valid answer; an invented answer is validated against the schema only."""
        prompt, variant = step.asked_by(case), step.variant(case)
        request = (variant.alike, variant.own_address, prompt)
        sample = row.equal[request]
        context = replace(row.context, sample=sample) if sample != row.context.sample else row.context
        row.equal[request] += 1
        check = partial(step.errors, scope=case.scope) if step.checks and self._run.invent is None else None
        try:
            answer = await self._run.models[variant.name].answer(prompt, context, check)
        except RowError as error:
            raise error.replace(variant=error.variant or variant.name) from None
        if not step.keeps_thinking or not answer.attempts:
            return answer
        return replace(answer, thinking=thinking_in(answer.attempts[-1].response))


EXECUTOR: Final = GenerateExecutor
