"""The models of a plan, over one client."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anthropic

from yamlgen.batches.desk import BatchDesk
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.answer_recording import Accounting
from yamlgen.claude.batch_layer import DeskAccess
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.model import ClaudeModel
from yamlgen.claude.prices import price_function_of
from yamlgen.events import Emit, RunWarned
from yamlgen.interfaces import Model, ResponseStore
from yamlgen.model_capabilities import betas_needed, pool_of
from yamlgen.planning.plan import Plan
from yamlgen.steps.plan_step import Variant

if TYPE_CHECKING:
    from yamlgen.claude.structured import StructuredOutput


def pool_members(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the models of a plan by rate limit pool: their aliases, or the id of a model without an alias."""
    pools: dict[str, dict[str, None]] = {}
    for _, variant in plan.variants:
        aliases = [alias for alias, settings in plan.models.items() if settings.id == variant.model]
        pools.setdefault(pool_of(variant.model), {}).update(dict.fromkeys(aliases or [variant.model]))
    return {pool: tuple(names) for pool, names in pools.items()}


def models(  # noqa: PLR0913 - those of `ClaudeModel`, by name
    client: anthropic.AsyncAnthropic,
    plan: Plan,
    error_context: ErrorContext,
    *,
    store: ResponseStore | None = None,
    keys: AnswerKeys | None = None,
    simulated: bool = False,
    emit: Emit | None = None,
    desk: BatchDesk | None = None,
) -> dict[str, Model]:
    """Return the models of a plan by the names of its variants. The arguments are those of `ClaudeModel`.

    They leave the requests of steps with `batch` at the desk, and do not send what an open batch has.
    """

    def warn(message: str) -> None:
        if emit is not None:
            emit(RunWarned(message))

    made: dict[str, Model] = {}
    ways: dict[str, StructuredOutput] = {}
    for step, variant in plan.variants:
        structured = None
        if step.schema is not None:
            from yamlgen.claude.structured import StructuredOutput  # noqa: PLC0415 - instructor, which takes half a second

            alike = variant.alike or variant.name  # equal variants share what they learn of the API
            structured = ways.get(alike) or StructuredOutput(step.name, step.schema, variant.settings, variant.mode)
            ways[alike] = structured
        made[variant.name] = ClaudeModel(
            client,
            variant.settings,
            replace(error_context, model=variant.model),
            structured=structured,
            reasks=variant.reasks,
            timeout=plan.runtime.timeout,
            store=store,
            keys=keys,
            simulated=simulated,
            price_function=price_function_of(variant.model, variant.price),
            warn=warn,
            batching=None if desk is None else DeskAccess(desk, variant.name, betas_of(variant) if step.batch else ()),
        )
    return made


def betas_of(variant: Variant) -> tuple[str, ...]:
    """Return the beta features that the requests of a variant need, which only batches have."""
    return betas_needed(variant.model, variant.max_tokens)


def accountings(plan: Plan) -> dict[str, Accounting]:
    """Return the prices of a plan's models, by the names of its variants."""
    return {
        variant.name: Accounting(variant.model, price_function_of(variant.model, variant.price))
        for _, variant in plan.variants
    }
