"""The plan of a run: what it will ask and what that may cost, before anything is sent."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from yamlgen.api.loading import Pipeline
from yamlgen.api.run_options import RunOptions
from yamlgen.cancellation import Cancellation
from yamlgen.claude.prices import price_function_of
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.claude.provider_setup import open_provider
from yamlgen.data.input_buffer import buffered
from yamlgen.data.source import Source, no_rows
from yamlgen.engine.scheduler import RowScheduler
from yamlgen.engine.step_runner import StepRunner
from yamlgen.errors import Code, UsageError
from yamlgen.events import RunForecast
from yamlgen.interfaces import Model, PriceFunction
from yamlgen.option_names import by_surface
from yamlgen.planning.estimate import Forecaster
from yamlgen.planning.plan import Plan
from yamlgen.store.location import StoreLocation, location_of
from yamlgen.store.run_recorder import ReusePolicy
from yamlgen.store.run_session import StoreSession, locked_connection, open_runs, open_session
from yamlgen.value_objects import JSON, Prompt

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
        price_functions: what answers cost, by the names of the plan's variants; `None` where it is not known.
        connection: for writing to the store; `None` where it is only looked at.
    """

    plan: Plan
    source: Source
    rows: int
    session: StoreSession
    provider: ClaudeProvider
    simulation: Mapping[str, JSON] | None
    price_functions: Mapping[str, PriceFunction | None]
    connection: sqlite3.Connection | None

    async def look_ahead(self, *, quick: bool) -> tuple[RunForecast, frozenset[str]]:
        """What the run will ask, and those of its variants that are asked by a tool; nothing is sent for it.

        Args:
            quick: look at so few rows that nobody waits for it.
        """
        run_reader, run_recorder = self.session.run_reader, self.session.run_recorder
        rows = self.source.rows(self.rows, self.plan.columns)
        if quick:
            share = (SAMPLE if run_reader.holds_answers() else FEW) / self.rows
            rows = (row for row in rows if row.index == 0 or _spread(row.index) < share)
        answerer = self.provider.answerer()
        async with self.provider.open(self.plan, Cancellation(), run_recorder) as models:
            past = {
                variant.name: run_reader.past(step.name, models[variant.name].request(Prompt(None, ())), answerer)
                for step, variant in self.plan.variants
            }
            counted = Forecaster(self.plan, models, past, self.price_functions, run_recorder.allows)
            executor = StepRunner(models, value_cache=run_recorder)
            await RowScheduler(self.plan, executor, counted, lambda _: None, Cancellation()).run(rows)
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
    options: RunOptions,
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
    price_functions = {variant.name: price_function_of(variant.model, variant.price) for _, variant in plan.variants}
    _check_prices(plan, price_functions)
    async with AsyncExitStack() as stack:
        sends, retries = holder is not None, options.retry is not None
        reached = open_provider(plan.runtime, options.simulation, sends=sends, watched=options.watched, retries=retries)
        provider = await stack.enter_async_context(reached)
        given = stack.enter_context(buffered(pipeline.source, getattr(sys.stdin, "buffer", None)))
        source, rows = given.scan(frozenset([*(step.name for step in plan.steps), *plan.output.added]))
        if rows == 0:
            raise no_rows(source)
        rows = rows if options.limit is None else min(rows, options.limit)
        place = location_of(plan.file, options.store, simulated=options.simulate)
        connection = None if holder is None else stack.enter_context(locked_connection(place, holder))
        session = stack.enter_context(open_session(place, _reuse(options, place)))
        simulation = options.simulation.about if options.simulation else None
        yield Preparation(plan, source, rows, session, provider, simulation, price_functions, connection)


async def estimate(
    pipeline: Pipeline, *, params: Mapping[str, JSON] | None = None, options: RunOptions | None = None
) -> RunForecast:
    """What a run would ask, and what that may cost, reckoned from every row. Nothing is sent, and no key is needed.

    Raises:
        YamlgenError: the run could not begin.
    """
    options = options or RunOptions()
    plan = options.over(pipeline.plan(params))
    async with prepare(pipeline, plan, options) as run:
        forecast, _ = await run.look_ahead(quick=False)
        return forecast


def _check_prices(plan: Plan, price_functions: Mapping[str, PriceFunction | None]) -> None:
    for step, variant in plan.variants:
        if plan.limits.max_cost_usd is not None and price_functions[variant.name] is None:
            named = f"`{variant.model}` (step `{step.name}`)"
            message = f"`limits.max_cost_usd` is set, and nobody knows the price of {named}"
            hint = "write it under the model: `price: {input: 1, output: 5}`, in US dollars for a million tokens"
            raise UsageError(message, code=Code.NO_PRICE, hint=hint)


def _reuse(options: RunOptions, place: StoreLocation) -> ReusePolicy:
    if options.retry is None:
        return ReusePolicy(options.fresh, options.offline)
    with open_runs(place) as run_reader:
        run = run_reader.run(options.retry)
        if options.simulation is not None and run.about.get("simulation") != options.simulation.about:
            message = f"run {run.name} was answered by another simulator: nothing that it was told can be taken over"
            command = f"`yamlgen run{options.simulation.options}` asks for all rows"
            hint = by_surface(command=command, python="pass its `seed` and `faults`; of an older version, run it again")
            raise UsageError(message, code=Code.NO_RUN, hint=hint)
        retried = run_reader.retried(run)
        return ReusePolicy(offline=options.offline, retry=tuple(run.number for run in retried))
