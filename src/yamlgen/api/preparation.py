"""The plan of a run: what it will ask and what that may cost, before anything is sent."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from yamlgen.api.loading import Pipeline
from yamlgen.api.run_options import Options
from yamlgen.caller import by_surface
from yamlgen.cancellation import Cancellation
from yamlgen.claude.access import reach
from yamlgen.claude.prices import tariff_of
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.data.source import Source, no_rows
from yamlgen.data.spool import spooled
from yamlgen.engine.scheduler import RowScheduler
from yamlgen.engine.step_runner import StepRunner
from yamlgen.errors import Code, UsageError
from yamlgen.events import RunForecast
from yamlgen.interfaces import Model, PriceFunction
from yamlgen.planning.estimate import Forecaster
from yamlgen.planning.plan import Plan
from yamlgen.store.location import StoreLocation, place_of
from yamlgen.store.run_recorder import Reuse
from yamlgen.store.run_session import Session, archived, held, opened
from yamlgen.values import JSON, Prompt

FEW: Final = 100
"""About how many rows tell what a run will ask when nothing was ever answered."""

SAMPLE: Final = 500
"""About how many tell it when something was."""

_ODD: Final = 2_654_435_761
"""Knuth's multiplier: it spreads neighbours far apart."""


@dataclass(frozen=True)
class Preparation:
    """A run that could begin: everything is opened and checked, nothing was sent.

    Attributes:
        plan: what will run, the options over it.
        source: the input, readable, and held to what it was at first.
        rows: how many of its rows will run.
        session: the store; until the run begins, it answers and keeps nothing.
        provider: how those are reached that are asked.
        simulation: what the answers of the simulator depend on; `None` where the API is asked.
        tariffs: what answers cost, by the names of the plan's variants; `None` where it is not known.
        connection: for writing to the store; `None` where it is only looked at.
    """

    plan: Plan
    source: Source
    rows: int
    session: Session
    provider: ClaudeProvider
    simulation: Mapping[str, JSON] | None
    tariffs: Mapping[str, PriceFunction | None]
    connection: sqlite3.Connection | None

    async def look_ahead(self, *, quick: bool) -> tuple[RunForecast, frozenset[str]]:
        """What the run will ask, and those of its variants that are asked by a tool; nothing is sent for it.

        Args:
            quick: look at so few rows that nobody waits for it.
        """
        archive, ledger = self.session.archive, self.session.ledger
        rows = self.source.rows(self.rows, self.plan.columns)
        if quick:
            share = (SAMPLE if archive.holds_answers() else FEW) / self.rows
            rows = (row for row in rows if row.index == 0 or _spread(row.index) < share)
        answerer = self.provider.answerer()
        async with self.provider.open(self.plan, Cancellation(), ledger) as models:
            past = {
                variant.name: archive.past(step.name, models[variant.name].request(Prompt(None, ())), answerer)
                for step, variant in self.plan.variants
            }
            counted = Forecaster(self.plan, models, past, self.tariffs, ledger.allows)
            performer = StepRunner(models, keeper=ledger)
            await RowScheduler(self.plan, performer, counted, lambda _: None, Cancellation()).run(rows)
            forecast = replace(counted.forecast(self.rows), simulation=self.simulation)
            return forecast, asked_by_tool(models)


def asked_by_tool(models: Mapping[str, Model]) -> frozenset[str]:
    """Those of the models that are asked by a tool, by name."""
    return frozenset(name for name, model in models.items() if "tools" in model.request(Prompt(None, ())))


def _spread(index: int) -> float:
    """A number from 0 up to 1 that looks random: what repeats in an input must not meet what is looked at."""
    return (index * _ODD % 2**32) / 2**32


@asynccontextmanager
async def prepare(
    pipeline: Pipeline,
    plan: Plan,
    options: Options,
    holder: str | None = None,
) -> AsyncIterator[Preparation]:
    """Open what a run of `plan` needs, for as long as the context lasts.

    Args:
        pipeline: as loaded.
        plan: of it, the options over it.
        options: how the run differs from the file.
        holder: who keeps the store for itself, to write to it. Without, it is only looked at.

    Raises:
        EnvironmentProblem: there is no input, or the store is in use or cannot be read.
        UsageError: the input is broken or empty, or a limit on cost meets a model without a price.
    """
    tariffs = {variant.name: tariff_of(variant.model, variant.price) for _, variant in plan.variants}
    _check_prices(plan, tariffs)
    async with AsyncExitStack() as stack:
        sends, retries = holder is not None, options.retry is not None
        reached = reach(plan.runtime, options.simulation, sends=sends, watched=options.watched, retries=retries)
        provider = await stack.enter_async_context(reached)
        given = stack.enter_context(spooled(pipeline.source, getattr(sys.stdin, "buffer", None)))
        source, rows = given.scan(frozenset([*(step.name for step in plan.steps), *plan.output.added]))
        if rows == 0:
            raise no_rows(source)
        rows = rows if options.limit is None else min(rows, options.limit)
        place = place_of(plan.file, options.store, simulated=options.simulate)
        connection = None if holder is None else stack.enter_context(held(place, holder))
        session = stack.enter_context(opened(place, _reuse(options, place)))
        simulation = options.simulation.about if options.simulation else None
        yield Preparation(plan, source, rows, session, provider, simulation, tariffs, connection)


async def estimate(
    pipeline: Pipeline, *, params: Mapping[str, JSON] | None = None, options: Options | None = None
) -> RunForecast:
    """What a run would ask, and what that may cost, reckoned from every row. Nothing is sent, and no key is needed.

    Raises:
        YamlgenError: the run could not begin.
    """
    options = options or Options()
    plan = options.over(pipeline.plan(params))
    async with prepare(pipeline, plan, options) as run:
        forecast, _ = await run.look_ahead(quick=False)
        return forecast


def _check_prices(plan: Plan, tariffs: Mapping[str, PriceFunction | None]) -> None:
    for step, variant in plan.variants:
        if plan.limits.max_cost_usd is not None and tariffs[variant.name] is None:
            named = f"`{variant.model}` (step `{step.name}`)"
            message = f"`limits.max_cost_usd` is set, and nobody knows the price of {named}"
            hint = "write it under the model: `price: {input: 1, output: 5}`, in US dollars for a million tokens"
            raise UsageError(message, code=Code.NO_PRICE, hint=hint)


def _reuse(options: Options, place: StoreLocation) -> Reuse:
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
