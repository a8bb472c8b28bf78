"""Runs of the rows of a test case through the models: to record their answers, or to judge new ones.

They are ordinary runs, with the limits and the confirmation of any run, but they write no output. Requests are sent one
by one, not in batches.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from yamlgen.api.confirmation import Confirm, check_confirmed
from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.loading import load
from yamlgen.api.preparation import estimate
from yamlgen.api.run_execution import FinishedRun, execute
from yamlgen.api.run_options import RunOptions
from yamlgen.cancellation import Cancellation
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.errors import Code, Interrupted, LimitReached
from yamlgen.events import AnswerReceived, Emit, Event, RunForecast, RunStarted, StreamCut
from yamlgen.forecast import together
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
        return cls(suite, case, replace(load(suite.pipeline, rows=given), reads_all=True))

    @property
    def name(self) -> str:
        """Its name in the store: the test file and the case."""
        return f"{self.suite.shown}: {self.case.name}"


@dataclass(frozen=True, slots=True)
class RunsOfFile:
    """The runs of a test file that a command makes.

    Attributes:
        suite: the test file.
        runs: the runs.
        options: their options.
        replaced: the number of recorded answers of the simulator that answers of models replace.
    """

    suite: CheckedSuite
    runs: tuple[CaseRun, ...]
    options: RunOptions
    replaced: int = 0


@dataclass
class CaseRunner:
    """Runs cases one after another, within the limits of their pipelines.

    Attributes:
        options: the options of each run, such as the store.
        confirm: called before runs that may cost more than `limits.confirm_above_usd` together.
        emit: receives the events of the runs.
        cancellation: ends the runs early.
        spent: the cost until now, in US dollars, as far as prices are known.
        started: the name of the latest run in its store; `None` before it has started.
        forecast: the forecast of all runs; `None` if there is none.
    """

    options: RunOptions
    confirm: Confirm | None = None
    emit: Emit | None = None
    cancellation: Cancellation = field(default_factory=Cancellation)
    spent: float = field(default=0.0, init=False)
    started: str | None = field(default=None, init=False)
    forecast: RunForecast | None = field(default=None, init=False)

    async def foresee(self, files: Sequence[RunsOfFile], repeat: int = 1) -> None:
        """Emit one forecast of all runs, and ask for one confirmation if a pipeline requires it.

        Args:
            files: the runs, by test file.
            repeat: how often each is run.

        Raises:
            LimitReached: the runs are not confirmed.
            YamlgenError: a run could not start.
        """
        forecasts = [await _forecast(each, repeat) for each in files if each.runs]
        if not forecasts:
            return
        runs = [run for each in files for run in each.runs]
        plans = [self.options.over(each.case.plan) for each in runs]
        self.forecast = forecasts[0] if len(forecasts) == 1 else together(forecasts)
        if self.emit is not None:
            self.emit(self.forecast)
        asking = [plan for plan in plans if plan.limits.confirm_above_usd is not None]
        if asking:
            strictest = min(asking, key=lambda plan: plan.limits.confirm_above_usd or 0.0)
            check_confirmed(self.forecast, strictest, self.options, self.confirm)

    async def run(self, each: CaseRun, options: RunOptions | None = None) -> FinishedRun:
        """Run the rows of a case. `limits.max_cost_usd` applies to all runs of this object together.

        The other limits apply to each run: a run that reaches one does not stop the next. A run that sends nothing
        finishes, whatever the others have spent.

        Raises:
            YamlgenError: the run could not start, or ended early; finished answers are in its store.
        """
        self.started = None
        options = self.options if options is None else options
        cancellation, spent_before = self.cancellation.for_one_run(), ""
        most = options.over(each.case.plan).limits.max_cost_usd
        if most is not None:
            left = most - self.spent
            if left <= 0:
                spent_before = f"the cost limit of ${most:g} is reached before the case `{each.case.name}`"
                cancellation.close(spent_before)
            options = replace(options, max_cost_usd=left if left > 0 else most)
        params = each.case.plan.params
        options = replace(options, yes=True)  # confirmed together
        try:
            return await execute(
                each.pipeline,
                params=params,
                options=options,
                emit=self.observe,
                cancellation=cancellation,
                tested=each.name,
            )
        except Interrupted:
            if not spent_before or self.cancellation.requested:
                raise
            hint = f"the answers until now are stored; raise `limits.max_cost_usd` or {option('max_cost_usd', 'N')}"
            raise LimitReached(spent_before, code=Code.LIMIT, hint=hint) from None

    def observe(self, event: Event) -> None:
        """Note an event of a run, and emit it."""
        if isinstance(event, RunStarted):
            self.started = event.run
        if isinstance(event, StreamCut) or (isinstance(event, AnswerReceived) and not event.reused):
            self.spent += event.cost or 0.0
        if self.emit is not None and not isinstance(event, RunForecast):  # that of all runs was emitted
            self.emit(event)


async def _forecast(given: RunsOfFile, repeat: int) -> RunForecast:
    """Return the forecast of the runs of a test file together, whose name is that of the test file.

    Raises:
        YamlgenError: a run could not start, such as without an API key.
    """
    made = [await estimate(each.pipeline, params=each.case.plan.params, options=given.options) for each in given.runs]
    if not given.options.simulate:
        plan = given.runs[0].case.plan
        asking = [name for each in made for name in each.asking]
        ClaudeProvider(plan.runtime).check_credentials(plan, asking)  # before a run of another file is paid
    steps = tuple(step for each in made for step in each.steps) * repeat
    rows = sum(each.rows for each in made) * repeat
    name = given.suite.shown
    return replace(made[0], pipeline=name, rows=rows, steps=steps, outputs={}, replaced=given.replaced)
