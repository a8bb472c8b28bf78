"""The local engine: the rows of a run through its plan, in this process.

Owns what a run opens for itself, its models and what its steps need, for as long as rows are under way. It is given
work and values, and the ports of what one process owns for the whole run: the store, the budget (a listener of `emit`)
and the switch that ends it. The limiter is the provider's, which this engine opens once.
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
        plan: what to do; a value, which may come from another process.
        provider: how its models are reached; a value, too.
        store: takes and keeps what is paid for and what comes of rows.
        emit: told what happens.
        cancellation: ends the run early.

    Attributes:
        undone: whether a step of a row was left undone, since the run was cancelled: a row may have failed at another.
    """

    plan: Plan
    provider: Provider[Plan]
    store: RunStore
    emit: Emit
    cancellation: Cancellation
    undone: bool = field(default=False, init=False)
    _broken: Exception | None = field(default=None, init=False)

    async def run(self, rows: Iterable[InputRow], rest: UnreadRows | None = None) -> None:
        """Run every row to its end; what was opened for it is closed then.

        Args:
            rows: those of the input, in order.
            rest: the same, for a trial of those that have not begun; without it there are none to try.

        Raises:
            YamlgenError: the error that ended the run early; what was finished before is in the store.
            Exception: what a listener raised, which ends the run too.
        """
        async with self.provider.open(self.plan, self.cancellation, self.store, self._tell) as models:
            executor = StepRunner(models, self.plan.folder, self.store, self.plan.concurrency)
            scheduler = RowScheduler(self.plan, executor, self.store, self.emit, self.cancellation)
            try:
                await scheduler.run(rows, rest)
            finally:
                self.undone = scheduler.undone
                executor.close()
        if self._broken is not None:
            raise self._broken

    def _tell(self, event: Event) -> None:
        """Tell an event from inside a request, which does not fail where a listener does: the run does, at its end."""
        try:
            self.emit(event)
        except Exception as error:  # noqa: BLE001 - a listener's own
            self._broken = self._broken or error
            self.cancellation.request(fact_of(error))
