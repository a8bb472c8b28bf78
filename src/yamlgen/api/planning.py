"""The plan of a run: what it will ask and what that may cost, before anything is sent."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from yamlgen.api.loading import Pipeline
from yamlgen.api.options import Options
from yamlgen.claude.access import reach
from yamlgen.claude.client import ClaudeProvider
from yamlgen.claude.prices import tariff_of
from yamlgen.claude.tokens import tokens_of
from yamlgen.data.source import Source, no_rows
from yamlgen.data.spool import spooled
from yamlgen.errors import Code, UsageError
from yamlgen.events import Emit, RunForecast
from yamlgen.halt import Halt
from yamlgen.language.plan import Plan
from yamlgen.ports import JSON, Model, Prompt, Tariff
from yamlgen.run.forecast import Forecaster
from yamlgen.run.local import LocalEngine
from yamlgen.run.step import Performer
from yamlgen.store.ledger import Reuse
from yamlgen.store.place import Place, place_of
from yamlgen.store.session import Session, archived, held, opened
from yamlgen.surface import by_surface

FEW: Final = 100
"""About how many rows tell what a run will ask when nothing was ever answered."""

SAMPLE: Final = 500
"""About how many tell it when something was."""

_ODD: Final = 2_654_435_761
"""Knuth's multiplier: it spreads neighbours far apart."""


@dataclass(frozen=True)
class Prospect:
    """A run that could begin: everything is opened and checked, nothing was sent.

    Attributes:
        plan: what will run, the options over it.
        source: the input, readable, and held to what it was at first.
        rows: how many of its rows will run.
        session: the store; until the run begins, it answers and keeps nothing.
        provider: how those are reached that are asked.
        simulation: what the answers of the simulator depend on; `None` where the API is asked.
        models: the models that are asked, by the names of the plan's variants.
        tariffs: what their answers cost; `None` where nobody knows.
        connection: for writing to the store; `None` where it is only looked at.
    """

    plan: Plan
    source: Source
    rows: int
    session: Session
    provider: ClaudeProvider
    simulation: Mapping[str, JSON] | None
    models: Mapping[str, Model]
    tariffs: Mapping[str, Tariff | None]
    connection: sqlite3.Connection | None

    @property
    def by_tool(self) -> frozenset[str]:
        """The variants that are asked by a tool."""
        return asked_by_tool(self.models)

    async def forecast(self, *, quick: bool) -> RunForecast:
        """What the run will ask: of all rows, or `quick`, of so few that nobody waits for it."""
        rows, archive = self.source.rows(self.rows, self.plan.columns), self.session.archive
        if quick:
            share = (SAMPLE if archive.holds_answers() else FEW) / self.rows
            rows = (row for row in rows if row.index == 0 or _spread(row.index) < share)
        answerer = self.provider.answerer()
        past = {
            variant.name: archive.past(step.name, self.models[variant.name].request(Prompt(None, ())), answerer)
            for step, variant in self.plan.variants
        }
        ledger = self.session.ledger
        counted = Forecaster(self.plan, self.models, past, self.tariffs, tokens_of, ledger.allows)
        performer = Performer(self.models, keeper=ledger)
        await LocalEngine(self.plan, performer, counted, lambda _: None, Halt()).run(rows)
        return replace(counted.forecast(self.rows), simulation=self.simulation)


def asked_by_tool(models: Mapping[str, Model]) -> frozenset[str]:
    """Those of the models that are asked by a tool, by name."""
    return frozenset(name for name, model in models.items() if "tools" in model.request(Prompt(None, ())))


def _spread(index: int) -> float:
    """A number from 0 up to 1 that looks random: what repeats in an input must not meet what is looked at."""
    return (index * _ODD % 2**32) / 2**32


@asynccontextmanager
async def prospect(
    pipeline: Pipeline,
    plan: Plan,
    options: Options,
    halt: Halt,
    holder: str | None = None,
    emit: Emit | None = None,
) -> AsyncIterator[Prospect]:
    """Open what a run of `plan` needs, for as long as the context lasts.

    Args:
        pipeline: as loaded.
        plan: of it, the options over it.
        options: how the run differs from the file.
        halt: ends the run early.
        holder: who keeps the store for itself, to write to it. Without, it is only looked at.
        emit: told how fast the API lets requests through.

    Raises:
        EnvironmentProblem: there is no input, or the store is in use or cannot be read.
        UsageError: the input is broken or empty, or a limit on cost meets a model without a price.
    """
    tariffs = {variant.name: tariff_of(variant.model, variant.price) for _, variant in plan.variants}
    _check_prices(plan, tariffs)
    async with AsyncExitStack() as stack:
        retries = options.retry is not None
        reached = reach(plan.runtime, options.simulation, watched=options.watched, retries=retries)
        provider = await stack.enter_async_context(reached)
        given = stack.enter_context(spooled(pipeline.source, getattr(sys.stdin, "buffer", None)))
        source, rows = _scanned(given, plan, options.limit)
        place = place_of(plan.file, options.store, simulated=options.simulate)
        connection = None if holder is None else stack.enter_context(held(place, holder))
        session = stack.enter_context(opened(place, _reuse(options, place)))
        models = await stack.enter_async_context(provider.open(plan, halt, session.ledger, emit))
        simulation = options.simulation.about if options.simulation else None
        yield Prospect(plan, source, rows, session, provider, simulation, models, tariffs, connection)


async def foresee(
    pipeline: Pipeline, *, params: Mapping[str, JSON] | None = None, options: Options | None = None
) -> RunForecast:
    """What a run would ask, and what that may cost, reckoned from every row. Nothing is sent, and no key is needed.

    Raises:
        YamlgenError: the run could not begin.
    """
    options = options or Options()
    plan = options.over(pipeline.plan(params))
    async with prospect(pipeline, plan, options, Halt()) as run:
        return await run.forecast(quick=False)


def _check_prices(plan: Plan, tariffs: Mapping[str, Tariff | None]) -> None:
    for step, variant in plan.variants:
        if plan.limits.max_cost_usd is not None and tariffs[variant.name] is None:
            named = f"`{variant.model}` (step `{step.name}`)"
            message = f"`limits.max_cost_usd` is set, and nobody knows the price of {named}"
            hint = "write it under the model: `price: {input: 1, output: 5}`, in US dollars for a million tokens"
            raise UsageError(message, code=Code.NO_PRICE, hint=hint)


def _scanned(source: Source, plan: Plan, limit: int | None) -> tuple[Source, int]:
    taken = {step.name for step in plan.steps} | ({"provenance"} if plan.output.provenance else set())
    scanned, rows = source.scan(frozenset(taken))
    if rows == 0:
        raise no_rows(source)
    return scanned, rows if limit is None else min(rows, limit)


def _reuse(options: Options, place: Place) -> Reuse:
    if options.retry is None:
        return Reuse(options.fresh, options.offline)
    with archived(place) as archive:
        run = archive.run(options.retry)
        if options.simulation is not None and run.about.get("simulation") != options.simulation.about:
            message = f"run {run.name} was answered by another simulator: nothing that it was told can be taken over"
            command = f"`yamlgen run{options.simulation.options}` asks for all rows"
            hint = by_surface(command=command, python="pass its `seed` and `faults`; of an older version, run it again")
            raise UsageError(message, code=Code.NO_RUN, hint=hint)
        retried = archive.retried(run)
        return Reuse(offline=options.offline, retry=tuple(run.number for run in retried))
