"""The local engine: runs the rows of an input through a plan, in this process.

Owns what a run opens while rows are in progress: its models, and the resources of its steps. The store, the budget (a
listener of `emit`) and the cancellation are passed in, because one process owns them for the whole run. The rate
limiter belongs to the provider, which this engine opens once.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from yamlgen.batches.desk import BatchDesk
from yamlgen.cancellation import Cancellation, Cancelled
from yamlgen.engine.reported_steps import ReportedSteps
from yamlgen.engine.scheduler import RowScheduler
from yamlgen.engine.step_runner import StepRunner
from yamlgen.engine.trial_rows import UnreadRows
from yamlgen.errors import fact_of
from yamlgen.events import Emit, Event
from yamlgen.interfaces import Provider, RunStore
from yamlgen.planning.plan import Plan
from yamlgen.value_objects import InputRow


@dataclass
class LocalEngine:
    """Runs the rows of one input through one plan.

    Args:
        plan: the plan; a value, which may come from another process.
        provider: gives access to the plan's models; also a value.
        store: stores billed answers and the results of rows.
        emit: receives the events.
        cancellation: ends the run early.
        desk: gathers the requests of batches; `None`: every request is sent by itself.

    Attributes:
        undone: whether cancellation left a step of a row undone, even if the row failed at another step.
    """

    plan: Plan
    provider: Provider[Plan, BatchDesk]
    store: RunStore
    emit: Emit
    cancellation: Cancellation
    desk: BatchDesk | None = None
    undone: bool = field(default=False, init=False)
    _broken: Exception | None = field(default=None, init=False)

    async def run(self, rows: Iterable[InputRow], rest: UnreadRows | None = None) -> None:
        """Run every row to its end, then close what was opened.

        Rows that wait for batches are run again when results are there.

        Args:
            rows: the rows of the input, in order.
            rest: the same rows, to pick trial rows from, and to run rows again; `None`: there is no trial and no batch.

        Raises:
            YamlgenError: the error that ended the run early; what finished before is in the store.
            Exception: an error raised by a listener, which also ends the run.
        """
        async with AsyncExitStack() as stack:
            opened = self.provider.open(self.plan, self.cancellation, self.store, self._tell, self.desk)
            models = await stack.enter_async_context(opened)
            if self.desk is not None:
                await stack.enter_async_context(self.desk)
            step_runner = StepRunner(
                models,
                self.plan.folder,
                self.store,
                self.plan.concurrency,
                repeats=self.desk is not None,
                python_workers=self.plan.python_workers,
                hidden=self.plan.credential_variables,
            )
            stack.push_async_callback(step_runner.close)
            reported = None if self.desk is None else ReportedSteps([step.name for step in self.plan.steps])
            await self._pass(rows, step_runner, rest, reported)
            while self.desk is not None and rest is not None and not self.cancellation.requested:
                try:
                    waiting = await self.desk.resume()
                except Cancelled:
                    self.undone = True
                    break
                if not waiting:
                    break
                again = rest.among(waiting)
                await self._pass(again.read(), step_runner, again, reported, again=True)
        if self._broken is not None:
            raise self._broken

    async def _pass(
        self,
        rows: Iterable[InputRow],
        step_runner: StepRunner,
        rest: UnreadRows | None,
        reported: ReportedSteps | None,
        *,
        again: bool = False,
    ) -> None:
        """Run rows until each has ended, or waits for a batch."""
        engine = self.plan, step_runner, self.store, self.emit, self.cancellation
        scheduler = RowScheduler(*engine, reported=reported, again=again)
        try:
            await scheduler.run(rows, rest)
        finally:
            self.undone |= scheduler.undone

    def _tell(self, event: Event) -> None:
        """Emit an event from inside a request; an error in a listener fails the run at its end, not the request."""
        try:
            self.emit(event)
        except Exception as error:  # noqa: BLE001 - any error of a listener
            self._broken = self._broken or error
            self.cancellation.request(fact_of(error))
