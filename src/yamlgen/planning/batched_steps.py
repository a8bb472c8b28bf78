"""Which steps of a plan are sent in batches, if the options of a run override the file."""

from __future__ import annotations

from dataclasses import replace

from yamlgen.errors import Code, UsageError
from yamlgen.model_capabilities import betas_needed
from yamlgen.option_names import by_surface
from yamlgen.steps.batch_config import Batch
from yamlgen.steps.plan_step import PlanStep


def with_batches(steps: tuple[PlanStep, ...], *, on: bool) -> tuple[PlanStep, ...]:
    """Return the steps with batches for all that send requests, or for none.

    Args:
        steps: the steps of a plan.
        on: whether they are batched. A step that is batched in the file keeps its settings.

    Raises:
        UsageError: a step of the file is batched, and its `max_tokens` is possible only in a batch.
    """
    if not on:
        for step in steps:
            _check_alone(step)
    return tuple(
        replace(step, batch=(step.batch or Batch()) if on else None) if step.variants else step for step in steps
    )


def _check_alone(step: PlanStep) -> None:
    """Check that the requests of a batched step can be sent one by one."""
    for variant in step.variants if step.batch is not None else ():
        if betas_needed(variant.model, variant.max_tokens):
            message = (
                f"`{variant.model}` allows `max_tokens: {variant.max_tokens}` of step `{step.name}` only in a batch"
            )
            alone = by_surface(command="`--no-batch`", python="`batch=False`")
            raise UsageError(message, code=Code.SETTING_REFUSED, hint=f"remove {alone}, or lower `max_tokens`")
