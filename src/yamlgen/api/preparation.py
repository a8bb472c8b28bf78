"""Prepare a run: check and open everything, and estimate its requests and cost, before anything is sent."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.opened_input import opened_input
from yamlgen.api.run_fingerprint import files_agree, run_fingerprint
from yamlgen.api.run_options import RunOptions
from yamlgen.api.token_counts import measured_ratios
from yamlgen.cancellation import Cancellation
from yamlgen.claude.endpoints import Endpoint
from yamlgen.claude.prices import price_function_of
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.claude.provider_setup import open_provider
from yamlgen.comparison.lock import Lock, lock_path, read_lock
from yamlgen.data.source import Source, no_rows
from yamlgen.engine.scheduler import RowScheduler
from yamlgen.engine.step_runner import StepRunner
from yamlgen.errors import Code, UsageError, YamlgenError
from yamlgen.events import RunForecast
from yamlgen.forecast import RunDuration
from yamlgen.interfaces import Model, PriceFunction, RowSink
from yamlgen.option_names import by_surface
from yamlgen.planning.estimate import Forecaster
from yamlgen.planning.plan import Plan
from yamlgen.planning.request_costs import History, TokenRatio
from yamlgen.planning.run_duration import duration_of
from yamlgen.store.api_facts import ApiFacts
from yamlgen.store.location import StoreLocation, location_of, make_folder
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_session import StoreSession, locked_connection, open_runs, open_session
from yamlgen.store.takeover import CHUNK, coming_row
from yamlgen.value_objects import JSON, InputRow, Prompt

FEW: Final = 100
"""About how many rows the estimate looks at if the store has no answers."""

SAMPLE: Final = 500
"""About how many rows the estimate looks at otherwise."""


@dataclass(frozen=True)
class Preparation:
    """A run that is ready to start: everything is open and checked, and nothing was sent.

    Attributes:
        plan: the plan of the run, including its options.
        source: the input; changes to it are noticed.
        rows: how many of its rows will run.
        session: the store; until the run starts, it is only read.
        provider: the connection to the API or the simulator.
        simulation: what simulated answers depend on; `None` if the run is not simulated.
        price_functions: the prices, by the names of the plan's variants; `None` if a price is unknown.
        connection: for writing to the store; `None` if it is only read.
        rechecks: whether no finished row is taken over.
    """

    plan: Plan
    source: Source
    rows: int
    session: StoreSession
    provider: ClaudeProvider
    simulation: Mapping[str, JSON] | None
    price_functions: Mapping[str, PriceFunction | None]
    connection: sqlite3.Connection | None
    rechecks: bool = False

    def facts(self, endpoint: Endpoint) -> ApiFacts:
        """Return what the API at an end has shown before."""
        return ApiFacts(self.session.run_reader.place.folder, endpoint.account)

    async def look_ahead(self, *, quick: bool, count: bool = False) -> tuple[RunForecast, frozenset[str]]:
        """Return the forecast of the run, and the variants whose requests use a tool. Nothing is sent.

        Args:
            quick: look at a sample of the rows only, so that it takes no noticeable time.
            count: ask the API to count the tokens of some requests, which costs nothing.

        Raises:
            YamlgenError: the API does not count tokens.
        """
        if quick:
            share = (SAMPLE if self.session.run_reader.holds_answers() else FEW) / self.rows
            rows = self.source.sampled(share, self.rows, self.plan.columns)
        else:
            rows = self.source.rows(self.rows, self.plan.columns)
        async with self.provider.open(self.plan, Cancellation(), self.session.run_recorder) as models:
            counted, equal = self.forecaster(models), None if quick else self._fingerprint(asked_by_tool(models))
            await self.go_over(self._left(rows, counted, equal), models, counted)
            if count:
                ratios = await measured_ratios(self.provider.endpoints(self.plan), counted.samples())
                counted, rows = self.forecaster(models, counted=ratios), self.source.rows(self.rows, self.plan.columns)
                await self.go_over(self._left(rows, counted, equal), models, counted)
            forecast = replace(counted.forecast(self.rows), simulation=self.simulation)
            return replace(forecast, duration=self._duration(forecast)), asked_by_tool(models)

    def _fingerprint(self, by_tool: frozenset[str]) -> bytes | None:
        return None if self.rechecks else run_fingerprint(self.plan, self.provider, by_tool)

    def _left(self, rows: Iterator[InputRow], sink: Forecaster, equal: bytes | None) -> Iterator[InputRow]:
        """Yield the rows that a run would not take over; the others are counted at once.

        Args:
            rows: the rows of the input, in order.
            sink: counts the rows that would be taken over.
            equal: the fingerprint of the run; `None` if nothing would be taken over.
        """
        foreseen = self.session.run_recorder.foresee_takeover(equal, self.plan.steps, files_agree(self.plan))
        if foreseen is None:
            yield from rows
            return
        with foreseen:
            while chunk := list(islice(rows, CHUNK)):
                taken = foreseen.find([coming_row(row) for row in chunk])
                if taken is not None:
                    sink.take_over(taken)
                known = frozenset(() if taken is None else taken.rows)
                yield from (row for row in chunk if row.index not in known)

    def _duration(self, forecast: RunForecast) -> RunDuration | None:
        """Return how long a run takes by the limits that were seen last; `None` if none were."""
        ends, share = self.provider.endpoints(self.plan), self.plan.runtime.quota_share
        facts = {end.account: self.facts(end) for end in ends.values()}
        accounts = {name: end.account for name, end in ends.items()}
        limits = {account: each.limits for account, each in facts.items()}
        return duration_of(forecast.steps, accounts, limits, share=share, concurrency=self.plan.concurrency)

    def forecaster(
        self,
        models: Mapping[str, Model],
        is_left_out: Callable[[str, str, bytes], bool] = lambda *_: False,
        counted: Mapping[str, TokenRatio] | None = None,
    ) -> Forecaster:
        """Return a forecaster for rows that the store answers, with the usage of earlier answers."""
        run_reader, ends = self.session.run_reader, self.provider.endpoints(self.plan)
        lock = self._lock()
        past: dict[str, History | None] = {
            variant.name: run_reader.past(
                step.name, models[variant.name].request(Prompt(None, ())), ends[variant.name].answerer
            )
            or (None if lock is None else lock.history(step.name, variant.model))
            for step, variant in self.plan.variants
        }
        allows = self.session.run_recorder.allows
        prices, waits = self.price_functions, self.is_waiting
        return Forecaster(self.plan, models, past, prices, allows, waits, is_left_out, counted or {})

    def is_waiting(self, key: bytes) -> bool:
        """Return whether the request with a key is in a batch already."""
        return not self.session.run_reader.place.simulated and self.session.run_recorder.batches.is_sent(key)

    async def go_over(self, rows: Iterable[InputRow], models: Mapping[str, Model], sink: RowSink) -> None:
        """Take rows through the plan with stored answers alone: nothing is sent, and no function is called."""
        step_runner = StepRunner(models, value_cache=self.session.run_recorder)
        await RowScheduler(self.plan, step_runner, sink, lambda _: None, Cancellation()).run(rows)

    def _lock(self) -> Lock | None:
        """Return the lock of the pipeline, for its sizes: of the API's answers, not of simulated ones."""
        with suppress(YamlgenError):  # a lock that cannot be used is not needed to run
            return None if self.simulation is not None else read_lock(lock_path(self.plan.file))
        return None


def asked_by_tool(models: Mapping[str, Model]) -> frozenset[str]:
    """Return the names of the models whose requests use a tool."""
    return frozenset(name for name, model in models.items() if "tools" in model.request(Prompt(None, ())))


@asynccontextmanager
async def prepare(
    pipeline: Pipeline,
    plan: Plan,
    options: RunOptions,
    holder: str | None = None,
    place: StoreLocation | None = None,
    *,
    count: bool = False,
) -> AsyncIterator[Preparation]:
    """Open what a run of `plan` needs, for as long as the context lasts.

    Args:
        pipeline: the loaded pipeline.
        plan: its plan, including the options.
        options: how the run differs from the file.
        holder: the name of the run that locks the store to write to it. Default: the store is only read.
        place: the store. Default: that of the pipeline file.
        count: whether the API is to count tokens.

    Raises:
        EnvironmentProblem: there is no input, or the store is in use or cannot be read.
        UsageError: the input is malformed or empty, or there is a limit on cost and a model without a price.
    """
    price_functions = {variant.name: price_function_of(variant.model, variant.price) for _, variant in plan.variants}
    _check_prices(plan, price_functions)
    async with AsyncExitStack() as stack:
        sends, retries = holder is not None or count, options.retry is not None
        reached = open_provider(plan, options.simulation, sends=sends, watched=options.watched, retries=retries)
        provider = await stack.enter_async_context(reached)
        place = place or location_of(plan.file, options.store, simulated=options.simulate)
        if pipeline.source.query is not None and holder is not None:
            make_folder(place.folder)
        given = stack.enter_context(opened_input(pipeline, plan, place.folder, options))
        source, rows = given.scan(plan.taken, plan.columns, SAMPLE)
        if rows == 0:
            raise no_rows(source)
        if options.limit is not None and not pipeline.stages:  # otherwise it limits the rows of the stages
            rows = min(rows, options.limit)
        connection = None if holder is None else stack.enter_context(locked_connection(place, holder))
        session = stack.enter_context(open_session(place, _reuse(options, place)))
        simulation = options.simulation.about if options.simulation else None
        opened = session, provider, simulation, price_functions, connection
        yield Preparation(plan, source, rows, *opened, rechecks=options.recheck)


async def estimate(
    pipeline: Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    options: RunOptions | None = None,
    count: bool = False,
    quick: bool = False,
) -> RunForecast:
    """Estimate the requests, tokens and cost of a run from every row. Nothing is sent, and no API key is needed.

    With `count`, the API counts the tokens of some requests, which costs nothing. With `quick`, only a sample of the
    rows is looked at.

    Raises:
        YamlgenError: the run could not start.
    """
    options = options or RunOptions()
    plan = options.over(pipeline.plan(params))
    async with prepare(pipeline, plan, options, count=count) as run:
        forecast, _ = await run.look_ahead(quick=quick, count=count)
        return forecast


def _check_prices(plan: Plan, price_functions: Mapping[str, PriceFunction | None]) -> None:
    for step, variant in plan.variants:
        if plan.limits.max_cost_usd is not None and price_functions[variant.name] is None:
            named = f"`{variant.model}` (step `{step.name}`)"
            message = f"`limits.max_cost_usd` is set, but the price of {named} is unknown"
            hint = "set it under the model: `price: {input: 1, output: 5}`, in US dollars per million tokens"
            raise UsageError(message, code=Code.NO_PRICE, hint=hint)


def _reuse(options: RunOptions, place: StoreLocation) -> ReusePolicy:
    if options.retry is None:
        return ReusePolicy(options.fresh, options.offline)
    with open_runs(place) as run_reader:
        run = run_reader.run(options.retry)
        if options.simulation is not None and run.about.get("simulation") != options.simulation.about:
            message = f"run {run.name} was answered by another simulator, so its answers cannot be reused"
            command = f"`yamlgen run{options.simulation.options}` runs all rows"
            hint = by_surface(command=command, python="pass its `seed` and `faults`; after an update, run it again")
            raise UsageError(message, code=Code.NO_RUN, hint=hint)
        retried = run_reader.retried(run)
        return ReusePolicy(offline=options.offline, retry=tuple(run.number for run in retried))
