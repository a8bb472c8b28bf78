"""The local engine: runs the rows of an input through a plan, in this process.

Owns what a run opens while rows are in progress: its models, and the resources of its steps. The store, the budget (a
listener of `emit`) and the cancellation are passed in, because one process owns them for the whole run. The rate
limiter belongs to the provider, which this engine opens once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from yamlgen.cancellation import Cancellation
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

    Attributes:
        undone: whether cancellation left a step of a row undone, even if the row failed at another step.
    """

    plan: Plan
    provider: Provider[Plan]
    store: RunStore
    emit: Emit
    cancellation: Cancellation
    undone: bool = field(default=False, init=False)
    _broken: Exception | None = field(default=None, init=False)

    async def run(self, rows: Iterable[InputRow], rest: UnreadRows | None = None) -> None:
        """Run every row to its end, then close what was opened.

        Args:
            rows: the rows of the input, in order.
            rest: the same rows, to pick trial rows from; `None`: there is no trial.

        Raises:
            YamlgenError: the error that ended the run early; what finished before is in the store.
            Exception: an error raised by a listener, which also ends the run.
        """
        async with self.provider.open(self.plan, self.cancellation, self.store, self._tell) as models:
            step_runner = StepRunner(models, self.plan.folder, self.store, self.plan.concurrency)
            scheduler = RowScheduler(self.plan, step_runner, self.store, self.emit, self.cancellation)
            try:
                await scheduler.run(rows, rest)
            finally:
                self.undone = scheduler.undone
                step_runner.close()
        if self._broken is not None:
            raise self._broken

    def _tell(self, event: Event) -> None:
        """Emit an event from inside a request; an error in a listener fails the run at its end, not the request."""
        try:
            self.emit(event)
        except Exception as error:  # noqa: BLE001 - any error of a listener
            self._broken = self._broken or error
            self.cancellation.request(fact_of(error))
