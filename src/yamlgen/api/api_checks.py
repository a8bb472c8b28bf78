"""The checks of `doctor` that ask the API, with requests that cost nothing: its reply, models, quota and clock."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from yamlgen.api.doctor_report import CheckList
from yamlgen.claude.endpoints import Endpoint
from yamlgen.claude.free_requests import FreeRequests, Reply, open_free_requests
from yamlgen.errors import Code
from yamlgen.model_capabilities import pool_of, successor_of
from yamlgen.pacing.quota import limits_in
from yamlgen.planning.listed_model import ListedModel
from yamlgen.planning.plan import Plan
from yamlgen.store.api_facts import ApiFacts
from yamlgen.value_objects import RateLimits

PATIENCE: Final = 10.0
"""Seconds that each request may take."""

_CLOCKS: Final = 60.0
"""Seconds by which the clocks of this machine and of the API may differ."""

_REDIRECTS: Final = range(300, 400)
_REFUSED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED)


async def check_api(checks: CheckList, endpoint: Endpoint, plan: Plan | None, facts: ApiFacts) -> None:
    """Ask the API, and add the checks of what it replies.

    Args:
        checks: receives the checks.
        endpoint: the end of the connection; its key and address are checked already.
        plan: the plan, whose models at this end are checked; without it, only the reply is.
        facts: what the API showed before; receives what it shows now.
    """
    models = () if plan is None else tuple(dict.fromkeys(variant.model for _, variant in plan.variants))
    async with open_free_requests(endpoint, PATIENCE) as requests:
        first = await _first_reply(requests, models)
        if not _check_reply(checks, endpoint, first):
            return
        replies = dict(zip(models, [first, *await asyncio.gather(*map(requests.model, models[1:]))], strict=False))
    _check_clock(checks, first)
    listed = {model: ListedModel.read(reply.body, model) if reply.body else None for model, reply in replies.items()}
    official = endpoint.has_fallbacks
    for model, reply in replies.items():
        _check_model(checks, model, reply, listed[model], _steps(plan, model), official=official)
    if plan is not None:
        _check_uses(checks, plan, listed)
    _check_quota(checks, {pool_of(model): reply for model, reply in replies.items()} or {"": first}, facts)
    facts.note(models={model: reply.body for model, reply in replies.items() if reply.status == HTTPStatus.OK})


async def _first_reply(requests: FreeRequests, models: Sequence[str]) -> Reply:
    return await (requests.model(models[0]) if models else requests.models())


def _check_reply(checks: CheckList, endpoint: Endpoint, reply: Reply) -> bool:
    """Check whether the API answers and accepts the key, and return whether it can be asked more."""
    address, key = endpoint.address, endpoint.runtime.key_name if endpoint.is_variable else endpoint.told
    asked = f"{address}/v1/models"
    if not reply.status:
        hint = reply.hint or "check the network and the address"
        checks.fail("api", f"cannot reach {address}: {reply.fault}", hint, code=str(Code.UNREACHABLE))
    elif reply.status in _REFUSED:
        unpaid = reply.status == HTTPStatus.PAYMENT_REQUIRED
        what = endpoint.auth if endpoint.is_variable else "credentials"
        fact = f"the API refuses the {what} ({reply.status}): {reply.fault}"
        fix = "check the credit in the console of the API" if unpaid else f"check the {what} in the console of the API"
        checks.fail("api", fact, fix, key, str(Code.PAYMENT if unpaid else Code.KEY_REJECTED))
    elif reply.status == HTTPStatus.FORBIDDEN:
        fix = "a run may work all the same: this key may be allowed to send messages only"
        checks.warn("api", f"the API does not allow {asked} (403): {reply.fault}", fix, key)
    elif reply.status == HTTPStatus.NOT_FOUND and _is_api(reply):
        checks.ok("api", "it answers, and accepts the key")
        return True
    elif reply.status == HTTPStatus.NOT_FOUND:
        fix = "a gateway without this route is no problem: its models cannot be compared"
        checks.warn("api", f"{asked} does not exist (404)", f"{fix}; check that the address ends before `/v1`")
    elif reply.status in _REDIRECTS:
        fact = f"{address} redirects requests ({reply.status}), and a key is not sent to another address"
        checks.fail("api", fact, "set the final address", code=str(Code.UNREACHABLE))
    elif reply.fault is not None:
        is_busy = reply.status == HTTPStatus.TOO_MANY_REQUESTS or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        fix = "run again later" if is_busy else "check that it is the address of a Messages API"
        checks.warn("api", f"{asked} answers with status {reply.status}: {reply.fault}", fix)
    else:
        checks.ok("api", "it answers, and accepts the key")
        return True
    return False


def _is_api(reply: Reply) -> bool:
    """Return whether a 404 is the API's own, about a model, and not that of a missing route."""
    return reply.kind == "not_found_error" and "model" in (reply.fault or "")


def _check_clock(checks: CheckList, reply: Reply) -> None:
    try:
        server = parsedate_to_datetime(reply.headers.get("date", ""))
    except (ValueError, OverflowError):
        return
    apart = (datetime.now(UTC) - server.astimezone(UTC)).total_seconds()
    if abs(apart) > _CLOCKS:
        direction = "ahead of" if apart > 0 else "behind"
        fact = f"the clock of this machine is {abs(apart):,.0f} s {direction} that of the API"
        checks.warn("clock", fact, "set the clock: dates in records are wrong, and certificates may be refused")
    else:
        checks.ok("clock", "it agrees with that of the API")


def _steps(plan: Plan | None, model: str) -> str | None:
    steps = [] if plan is None else [step.name for step, variant in plan.variants if variant.model == model]
    return ", ".join(f"`steps.{name}`" for name in dict.fromkeys(steps)) or None


def _check_model(
    checks: CheckList, model: str, reply: Reply, listed: ListedModel | None, place: str | None, *, official: bool
) -> None:
    """Check what the API says about a model, and what the table of models says differently."""
    if listed is None and reply.status == HTTPStatus.NOT_FOUND:
        fact, newest = f"the API does not list `{model}` (404)", successor_of(model)
        if official:
            checks.fail("model", fact, f"use a model that it lists, such as `{newest}`", place, str(Code.UNKNOWN_MODEL))
        else:
            checks.warn("model", fact, "a gateway may serve models that it does not list", place)
    elif listed is None:
        fact = f"the API says nothing about `{model}`: {reply.fault or 'the answer is not a model'}"
        checks.warn("model", fact, "try again later", place)
    elif listed.lifecycle == "retired":
        fix = f"use its successor `{successor_of(model)}`"
        checks.fail("model", f"`{model}`: {listed.about()}", fix, place, str(Code.UNKNOWN_MODEL))
    else:
        if listed.lifecycle == "deprecated":
            checks.warn("model", f"`{model}`: {listed.about()}", f"use its successor `{successor_of(model)}`", place)
        else:
            checks.ok("model", f"`{model}`: {listed.about()}", place)
        told = "; ".join(map(str, listed.differences()))
        if told:
            fix = "what the API says applies; update yamlgen, so that `validate` knows it"
            checks.warn("model", f"`{model}` differs from the table of this version: {told}", fix, place)


def _check_uses(checks: CheckList, plan: Plan, listed: Mapping[str, ListedModel | None]) -> None:
    for step, variant in plan.variants:
        model = listed[variant.model]
        for misfit in () if model is None else model.misfits(step, variant):
            checks.fail("model", misfit, "change the setting, or the model", f"`steps.{step.name}`")


def _check_quota(checks: CheckList, replies: Mapping[str, Reply], facts: ApiFacts) -> None:
    """Tell the quota that the headers show, or else the one that a run has seen last."""
    for pool, reply in replies.items():
        limits, of = limits_in(reply.headers), f" for {pool}" if pool else ""
        seen = facts.limits(pool) if pool else None
        if limits is not None:
            checks.ok("quota", f"the headers show{of}: {limits_told(limits)}")
            facts.note(limits={pool: limits} if pool else None)
        elif seen is not None:
            told = f"{limits_told(seen.limits)}, as a run saw on {seen.seen[:10]}"
            checks.ok("quota", f"the headers of this answer show none{of}; the last known one: {told}")
        else:
            checks.ok("quota", f"the headers of this answer show none{of}; a run learns it from its first answer")


def limits_told(limits: RateLimits) -> str:
    """Return limits as a phrase."""
    named = {"requests": limits.requests, "input tokens": limits.input_tokens, "output tokens": limits.output_tokens}
    return ", ".join(f"{value:,.0f} {name}" for name, value in named.items() if value is not None) + " a minute"
