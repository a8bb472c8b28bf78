"""The models of a plan, over the clients of its ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from yamlgen.batches.batch_store import BatchOrigin
from yamlgen.batches.desk import BatchDesk
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.answer_recording import Accounting
from yamlgen.claude.api_fallbacks import DEFAULT, api_form
from yamlgen.claude.batch_layer import DeskAccess
from yamlgen.claude.instructor_import import check_installed
from yamlgen.claude.model import ClaudeModel
from yamlgen.claude.model_chain import ModelChain
from yamlgen.claude.open_endpoint import OpenEndpoint
from yamlgen.claude.prices import price_function_of
from yamlgen.claude.requests import betas_of
from yamlgen.claude.structured import StructuredOutput
from yamlgen.events import Emit, RunWarned
from yamlgen.interfaces import Model, ResponseStore
from yamlgen.model_capabilities import pool_of
from yamlgen.pacing.warming import PromptWarmer
from yamlgen.planning.plan import Plan
from yamlgen.steps.plan_step import PlanStep, Variant


def pool_members(plan: Plan, names: AbstractSet[str]) -> dict[str, tuple[str, ...]]:
    """Return some models of a plan by rate limit pool: their aliases, or the id of a model without an alias.

    Args:
        plan: the plan.
        names: the names of the variants.
    """
    pools: dict[str, dict[str, None]] = {}
    for _, variant in plan.variants:
        if variant.name not in names:
            continue
        own = variant.connection
        aliases = [alias for alias, each in plan.models.items() if (each.id, each.runtime) == (variant.model, own)]
        pool = pool_of(variant.model, fast=variant.settings.speed == "fast")
        pools.setdefault(pool, {}).update(dict.fromkeys(aliases or [variant.model]))
    return {pool: tuple(names) for pool, names in pools.items()}


def models(
    plan: Plan,
    ends: Mapping[str, OpenEndpoint],
    *,
    store: ResponseStore | None = None,
    keys: Callable[[str], AnswerKeys] | None = None,
    emit: Emit | None = None,
    desk: BatchDesk | None = None,
    warmers: Mapping[tuple[str, ...], PromptWarmer] | None = None,
) -> dict[str, Model]:
    """Return the models of a plan by the names of its variants, with their ends and the keys of their answers.

    The warmers are those of the ends, by their identities. The other arguments are those of `ClaudeModel`.

    They leave the requests of steps with `batch` at the desk, and do not send what an open batch has.

    Raises:
        EnvironmentProblem: a step has structured output, and instructor is not installed.
    """

    def warn(message: str) -> None:
        if emit is not None:
            emit(RunWarned(message))

    made: dict[str, ClaudeModel] = {}
    prices = accountings(plan)
    stand_ins = {each.name for _, variant in plan.variants for each in variant.fallbacks}
    ways: dict[tuple[object, ...], StructuredOutput] = {}
    for step, variant in plan.variants:
        end, structured = ends[variant.name], None
        if step.schema is not None:
            check_installed()
            alike = variant.alike, end.endpoint.identity  # equal variants share what they learn of the API
            structured = ways.get(alike) or StructuredOutput(step.name, step.schema, variant.settings, variant.mode)
            ways[alike] = structured
        made[variant.name] = ClaudeModel(
            end.client,
            variant.settings,
            replace(end.error_context, model=variant.model),
            structured=structured,
            reasks=variant.reasks,
            timeout=end.endpoint.runtime.timeout,
            store=store,
            keys=None if keys is None else keys(variant.name),
            simulated=end.endpoint.simulator is not None,
            price_function=prices[variant.name].price,
            others=prices[variant.name].others,
            warn=warn,
            batching=None if desk is None else _access(desk, step, variant, end.endpoint.origin()),
            warmer=None if warmers is None else warmers[end.endpoint.identity],
            grows=variant.grows,
            stands_in=variant.name in stand_ins,
        )
    chains = {
        variant.name: _chain(variant, made, by_api=step.batch is None and _asks_fallbacks(variant, ends))
        for step, variant in plan.variants
        if variant.fallbacks or variant.by_default
    }
    return {**made, **chains}


def _access(desk: BatchDesk, step: PlanStep, variant: Variant, origin: BatchOrigin) -> DeskAccess:
    """Return how the requests of a variant are batched."""
    return DeskAccess(desk, variant.name, origin, betas_of(variant.settings), batched=step.batch is not None)


def _asks_fallbacks(variant: Variant, ends: Mapping[str, OpenEndpoint]) -> bool:
    """Return whether the API itself can ask the fallback models of a variant: it has them, at the same end."""
    end = ends[variant.name].endpoint
    return end.has_fallbacks and all(ends[each.name].endpoint.identity == end.identity for each in variant.fallbacks)


def _chain(variant: Variant, made: Mapping[str, ClaudeModel], *, by_api: bool) -> ModelChain:
    """Return a model with those that are asked if it refuses, by the API or one after the other."""
    first, others = made[variant.name], [made[each.name] for each in variant.fallbacks]
    if by_api:
        first.name_fallbacks(DEFAULT if variant.by_default else api_form(first.asked, [each.asked for each in others]))
    return ModelChain([variant.name, *(each.name for each in variant.fallbacks)], [first, *others])


def accountings(plan: Plan) -> dict[str, Accounting]:
    """Return the prices of a plan's models, by the names of its variants."""
    prices = {variant.name: price_function_of(variant.model, variant.price) for _, variant in plan.variants}
    return {
        variant.name: Accounting(
            variant.model, prices[variant.name], {each.model: prices[each.name] for each in variant.fallbacks}
        )
        for _, variant in plan.variants
    }
