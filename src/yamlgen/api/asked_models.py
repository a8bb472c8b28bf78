"""The start of a run: the API is asked what it says about the models, while the first requests are sent.

What it says and `validate` does not know is a warning of the run. An API without such answers, such as a gateway, a
slow one or one that refuses, neither delays the run nor fails it. What it said is used for a day.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from yamlgen.api.preparation import Preparation
from yamlgen.claude.endpoints import Endpoint
from yamlgen.claude.free_requests import Reply, open_free_requests
from yamlgen.errors import YamlgenError
from yamlgen.events import Emit, PaceChanged, RunWarned
from yamlgen.planning.listed_model import ListedModel
from yamlgen.planning.plan import Plan
from yamlgen.store.api_facts import ApiFacts
from yamlgen.value_objects import JSON

_PATIENCE: Final = 5.0
"""Seconds that each answer may take."""

_AFTER: Final = 1.0
"""Seconds for which the end of a run waits for the answers, so that a short run has the warnings too."""


@asynccontextmanager
async def models_asked(ready: Preparation, tell: Emit, *, sends: bool) -> AsyncIterator[None]:
    """Ask the API about the models of a run, for as long as the context lasts.

    Args:
        ready: the run.
        tell: receives the warnings.
        sends: whether the run sends requests; otherwise nothing is asked.
    """
    if not sends or ready.simulation is not None:  # the simulator lists what the table has
        yield
        return
    task = asyncio.ensure_future(_ask_all(ready, tell))
    try:
        yield
        await asyncio.wait({task}, timeout=_AFTER)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # whatever it raised does not fail the run


async def _ask_all(ready: Preparation, tell: Emit) -> None:
    ends = ready.provider.endpoints(ready.plan)
    parts: dict[str, set[str]] = {}
    for name, end in ends.items():
        parts.setdefault(end.account, set()).add(name)
    await asyncio.gather(
        *(_ask(ready.plan.at(names), ends[min(names)], ready.facts(ends[min(names)]), tell) for names in parts.values())
    )


async def _ask(plan: Plan, endpoint: Endpoint, facts: ApiFacts, tell: Emit) -> None:
    """Ask one end about the models of its part of a plan."""
    models = dict.fromkeys(variant.model for _, variant in plan.variants)
    known = {model: facts.model(model) for model in models}
    unasked = [model for model, said in known.items() if said is None]
    if unasked:
        try:
            async with open_free_requests(endpoint, _PATIENCE) as requests:
                replies = await asyncio.gather(*map(requests.model, unasked))
        except YamlgenError:  # the first request of the run reports it
            return
        answers = dict(zip(unasked, replies, strict=True))
        for model, reply in answers.items():
            known[model] = _said(reply)
        facts.note(models={model: _said(reply) for model, reply in answers.items() if _is_final(reply)})
    for message in _warnings(plan, known):
        tell(RunWarned(message))


def _said(reply: Reply) -> JSON:
    return dict(reply.body) if reply.status == HTTPStatus.OK and reply.body else None


def _is_final(reply: Reply) -> bool:
    """Return whether the API would answer the same again: about the model, or that it has no such answers."""
    return reply.status in (HTTPStatus.OK, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


def _warnings(plan: Plan, known: dict[str, JSON]) -> Iterator[str]:
    """Yield what the API says about the models and `validate` does not know, once for each step."""
    listed = {model: ListedModel.read(said, model) for model, said in known.items() if isinstance(said, dict)}
    told: list[str] = []
    for step, variant in plan.variants:
        model = listed.get(variant.model)
        if model is not None:
            ending = model.ending()
            told += [*([ending] if ending else []), *model.misfits(step, variant)]
    yield from dict.fromkeys(told)


def note_limits(ready: Preparation, paces: Mapping[str, PaceChanged]) -> None:
    """Keep the rate limits that the answers of a run have shown; those of the simulator are none."""
    if ready.simulation is not None:
        return
    ends = {end.account: end for end in ready.provider.endpoints(ready.plan).values()}
    for account, end in ends.items():
        own = [pace for pace in paces.values() if pace.account == account and pace.quota is not None]
        ready.facts(end).note(limits={pace.rate_limit: pace.quota for pace in own if pace.quota is not None})
