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
        UsageError: a step of the file is batched, and its `max_tokens` is possible only in a batch; or a step that is
            to be batched has `speed: fast`, or leaves the choice of fallback models to the API: no batch has these.
    """
    for step in steps:
        (_check_batched if on else _check_alone)(step)
    return tuple(
        replace(step, batch=(step.batch or Batch()) if on else None) if step.variants else step for step in steps
    )


def can_be_batched(step: PlanStep) -> bool:
    """Return whether the requests of a step can be sent in a batch."""
    return not (_is_fast(step) or _leaves_choice(step))


def _is_fast(step: PlanStep) -> bool:
    return any(variant.settings.speed == "fast" for variant in step.variants)


def _leaves_choice(step: PlanStep) -> bool:
    """Return whether the API chooses the fallback models of a step."""
    return any(variant.by_default for variant in step.variants)


def _check_batched(step: PlanStep) -> None:
    """Check that the requests of a step can be sent in a batch."""
    batched = by_surface(command="`--batch`", python="`batch=True`")
    if _is_fast(step):
        message = f"step `{step.name}` has `speed: fast`, which the API refuses in a batch"
        raise UsageError(message, code=Code.SETTING_REFUSED, hint=f"remove {batched}, or remove `speed`")
    if _leaves_choice(step):
        message = f"a batch has no `on_refusal: default`, as step `{step.name}` has it"
        hint = f"remove {batched}, or name the models under `on_refusal`"
        raise UsageError(message, code=Code.SETTING_REFUSED, hint=hint)


def _check_alone(step: PlanStep) -> None:
    """Check that the requests of a batched step can be sent one by one."""
    for variant in step.variants if step.batch is not None else ():
        if betas_needed(variant.model, variant.max_tokens):
            message = (
                f"`{variant.model}` allows `max_tokens: {variant.max_tokens}` of step `{step.name}` only in a batch"
            )
            alone = by_surface(command="`--no-batch`", python="`batch=False`")
            raise UsageError(message, code=Code.SETTING_REFUSED, hint=f"remove {alone}, or lower `max_tokens`")
