"""Runs of the rows of a test case through the models: to record their answers, or to judge new ones.

They are ordinary runs, with the limits and the confirmation of any run, but they write no output. Requests are sent one
by one, not in batches.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from yamlgen.api.confirmation import Confirm, check_confirmed
from yamlgen.api.loading import Pipeline, load
from yamlgen.api.preparation import estimate
from yamlgen.api.run_execution import FinishedRun, execute
from yamlgen.api.run_options import RunOptions
from yamlgen.cancellation import Cancellation
from yamlgen.errors import Code, LimitReached
from yamlgen.events import AnswerReceived, Emit, Event, RunForecast, StreamCut
from yamlgen.option_names import option
from yamlgen.testing.suite import CheckedCase, CheckedSuite


@dataclass(frozen=True, slots=True)
class CaseRun:
    """The rows of a case that are to be run.

    Attributes:
        suite: the test file.
        case: the case.
        pipeline: its pipeline, with these rows as its input.
    """

    suite: CheckedSuite
    case: CheckedCase
    pipeline: Pipeline

    @classmethod
    def of(cls, suite: CheckedSuite, case: CheckedCase, rows: Collection[int] | None = None) -> CaseRun:
        """Load the pipeline of a case for its rows, or for those at these positions."""
        given = [dict(row.row) for row in case.rows() if rows is None or row.index in rows]
        return cls(suite, case, load(suite.pipeline, rows=given))

    @property
    def name(self) -> str:
        """Its name in the store: the test file and the case."""
        return f"{self.suite.shown}: {self.case.name}"


@dataclass
class CaseRunner:
    """Runs cases one after another, within the limits of their pipelines.

    Attributes:
        options: the options of each run, such as the store.
        confirm: called before runs that may cost more than `limits.confirm_above_usd` together.
        emit: receives the events of the runs.
        cancellation: ends the runs early.
        spent: the cost until now, in US dollars, as far as prices are known.
    """

    options: RunOptions
    confirm: Confirm | None = None
    emit: Emit | None = None
    cancellation: Cancellation | None = None
    spent: float = field(default=0.0, init=False)

    async def foresee(self, runs: Sequence[CaseRun], repeat: int = 1) -> None:
        """Emit the forecast of these runs together, and ask for their confirmation if a pipeline requires it.

        Raises:
            LimitReached: the runs are not confirmed.
            YamlgenError: a run could not start.
        """
        forecasts = [await estimate(each.pipeline, params=each.case.plan.params, options=self.options) for each in runs]
        if not forecasts:
            return
        steps = tuple(step for each in forecasts for step in each.steps) * repeat
        rows = sum(each.rows for each in forecasts) * repeat
        forecast = replace(forecasts[0], rows=rows, steps=steps, outputs={})
        if self.emit is not None:
            self.emit(forecast)
        plans = [self.options.over(each.case.plan) for each in runs]
        asking = [plan for plan in plans if plan.limits.confirm_above_usd is not None]
        if asking:
            strictest = min(asking, key=lambda plan: plan.limits.confirm_above_usd or 0.0)
            check_confirmed(forecast, strictest, self.options, self.confirm)

    async def run(self, each: CaseRun, options: RunOptions | None = None) -> FinishedRun:
        """Run the rows of a case. `limits.max_cost_usd` applies to all runs of this object together.

        Raises:
            YamlgenError: the run could not start, or ended early; finished answers are in its store.
        """
        options = self.options if options is None else options
        most = options.over(each.case.plan).limits.max_cost_usd
        if most is not None:
            left = most - self.spent
            if left <= 0:
                message = f"the cost limit of ${most:g} is reached before the case `{each.case.name}`"
                hint = f"the answers until now are stored; raise `limits.max_cost_usd` or {option('max_cost_usd', 'N')}"
                raise LimitReached(message, code=Code.LIMIT, hint=hint)
            options = replace(options, max_cost_usd=left)
        params = each.case.plan.params
        options = replace(options, yes=True)  # confirmed together
        return await execute(
            each.pipeline,
            params=params,
            options=options,
            emit=self._observe,
            cancellation=self.cancellation,
            tested=each.name,
        )

    def _observe(self, event: Event) -> None:
        if isinstance(event, StreamCut) or (isinstance(event, AnswerReceived) and not event.reused):
            self.spent += event.cost or 0.0
        if self.emit is not None and not isinstance(event, RunForecast):  # that of all runs was emitted
            self.emit(event)
