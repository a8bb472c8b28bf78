"""The rows of two sides, taken through their plans with stored answers, and compared one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from yamlgen.api.loaded_sides import LoadedSide
from yamlgen.api.preparation import Preparation, prepare
from yamlgen.api.run_options import RunOptions
from yamlgen.cancellation import Cancellation
from yamlgen.comparison.request_log import RequestLog
from yamlgen.comparison.row_states import RowReader, RowState, StateTable
from yamlgen.comparison.step_tallies import TallyKeeper
from yamlgen.data.row_identity import id_name, id_of
from yamlgen.errors import Code, UsageError, YamlgenError
from yamlgen.forecast import StepForecast
from yamlgen.planning.estimate import Forecaster
from yamlgen.row_result import RowResult
from yamlgen.value_objects import InputRow


@dataclass(frozen=True)
class ComparedRows:
    """How the rows of two sides differ.

    Attributes:
        tally: the numbers of rows; `None` if they are unknown.
        unknown: why they are unknown.
        forecasts: the requests that are certain, and all of them, by step.
        is_stored: whether the store has answers.
    """

    tally: TallyKeeper | None
    unknown: str | None = None
    forecasts: Mapping[str, tuple[StepForecast, StepForecast]] = field(default_factory=dict)
    is_stored: bool = False


async def compare_rows(
    before: LoadedSide | None, after: LoadedSide | None, names: Mapping[str, str | None], options: RunOptions
) -> ComparedRows:
    """Go over the rows of both sides. Nothing is sent.

    Args:
        before: the old side; `None` if the pipeline is new.
        after: the new side; `None` if the pipeline was removed.
        names: for each step of the new side, the name that it has on the old side; `None` if it is new.
        options: the store, and the simulator.

    Raises:
        YamlgenError: a store cannot be read.
    """
    sides = [side for side in (before, after) if side is not None]
    for side in sides:
        if (reason := side.unreadable()) is not None:
            return ComparedRows(None, reason)
    removed = [] if before is None else [step.name for step in before.plan.steps if step.name not in names.values()]
    with StateTable() as states:
        try:
            if before is not None:
                await _read(before, states, options)
            if after is None:
                return _without(states, names, removed)
            return await _compare(after, states, names, removed, _rechecked(before, after, names), options)
        except YamlgenError as error:
            if error.code is not Code.MISSING_INPUT and not isinstance(error, UsageError):
                raise
            told = error.message
            for side in sides:
                told = side.tree.told(told)
            return ComparedRows(None, told)


async def _read(side: LoadedSide, states: StateTable, options: RunOptions) -> None:
    try:
        async with opened(side, options) as (ready, rows, log):
            reader = _reader(side, log)
            async with ready.provider.open(side.plan, Cancellation(), log) as models:
                await ready.go_over(rows, models, _Sink(reader, states.add))
    except UsageError as error:
        if error.code is not Code.NO_ROWS:
            raise


async def _compare(
    side: LoadedSide,
    states: StateTable,
    names: Mapping[str, str | None],
    removed: Sequence[str],
    rechecked: Collection[str],
    options: RunOptions,
) -> ComparedRows:
    try:
        async with opened(side, options) as (ready, rows, log):
            reader = _reader(side, log)
            keeper = TallyKeeper(states, names, removed, rechecked, ready.is_waiting)
            async with ready.provider.open(side.plan, Cancellation(), log) as models:
                forecaster = ready.forecaster(models, keeper.is_left_out)
                await ready.go_over(rows, models, _Sink(reader, keeper.add, forecaster))
            keeper.end()
            sure = forecaster.forecast(forecaster.rows, sure=True).steps
            most = forecaster.forecast(forecaster.rows).steps
            forecasts = {one.step: (one, other) for one, other in zip(sure, most, strict=True)}
            return ComparedRows(keeper, None, forecasts, ready.session.run_reader.holds_answers())
    except UsageError as error:
        if error.code is not Code.NO_ROWS:
            raise
        return _without(states, names, removed)


def _without(states: StateTable, names: Mapping[str, str | None], removed: Sequence[str]) -> ComparedRows:
    """Return the comparison with a side that has no rows."""
    keeper = TallyKeeper(states, names, removed)
    keeper.end()
    return ComparedRows(keeper)


@asynccontextmanager
async def opened(
    side: LoadedSide, options: RunOptions
) -> AsyncIterator[tuple[Preparation, Iterable[InputRow], RequestLog]]:
    """Open the input and the store of a side, with a log for the requests of its rows."""
    async with prepare(side.pipeline, side.plan, options, place=side.place) as ready:
        yield ready, ready.source.rows(ready.rows, side.plan.columns), RequestLog(ready.session.run_recorder)


@dataclass
class _Sink:
    """Takes the outcomes of rows on one side."""

    reader: RowReader
    note: Callable[[InputRow, RowState, str], None]
    forecaster: Forecaster | None = None

    async def add(self, outcome: RowResult) -> None:
        row = outcome.row
        known = id_of(row.identity)
        self.note(row, self.reader.read(outcome), str(row.index + 1) if known is None else id_name(known))
        if self.forecaster is not None:
            await self.forecaster.add(outcome)


def _reader(side: LoadedSide, log: RequestLog) -> RowReader:
    prints = {name: step.fingerprint for name, step in side.steps.items()}
    return RowReader(side.plan, {name: (each.asks, each.accepts) for name, each in prints.items()}, log)


def _rechecked(before: LoadedSide | None, after: LoadedSide, names: Mapping[str, str | None]) -> set[str]:
    """Return the steps of the new side that may re-ask other answers than on the old side."""
    olds = {} if before is None else before.steps
    pairs = ((name, olds.get(names[name] or ""), step) for name, step in after.steps.items())
    return {name for name, old, new in pairs if old is not None and old.fingerprint.checks != new.fingerprint.checks}
