"""The execution of one row through the steps of a plan.

Owns the order of the steps (each starts as soon as the steps it depends on are done), which steps are skipped, and the
result of the row.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from yamlgen.cancellation import Cancellation, Cancelled
from yamlgen.data.row_identity import id_of
from yamlgen.engine.reported_steps import ROW, ReportedSteps
from yamlgen.engine.step_runner import StepHooks, StepRunner
from yamlgen.errors import Code, RowError, YamlgenError
from yamlgen.events import (
    AnswerReceived,
    Emit,
    Event,
    ItemFailed,
    RequestRetried,
    RequestSent,
    RowDeferred,
    RowFailed,
    RowFinished,
    RowResumed,
    StepFailed,
    StepFinished,
    StepSkipped,
    StreamCut,
)
from yamlgen.interfaces import RequestContext, RowSink, RowWaits
from yamlgen.planning.error_location import located_errors
from yamlgen.planning.plan import Plan
from yamlgen.planning.skipping import is_skipped
from yamlgen.row_result import Answer, RowResult
from yamlgen.shaping.output_plan import STEP
from yamlgen.steps.plan_step import PlanStep
from yamlgen.value_objects import Attempt, Cause, InputRow, SystemicFailure, Usage

_SKIPPED = Answer(None, skipped=True)


@dataclass
class Engine(ABC):
    """The part of an engine that a row uses.

    Attributes:
        plan: the plan.
        step_runner: runs the steps.
        sink: receives finished rows; its calls return once the row is stored.
        emit: receives the events.
        cancellation: ends the run early.
        reported: the steps that were reported, and `ROW` for rows that have ended; `None` if no row is run again.
        again: whether the rows were run before, and waited for batches.
    """

    plan: Plan
    step_runner: StepRunner
    sink: RowSink
    emit: Emit
    cancellation: Cancellation
    reported: ReportedSteps | None = None
    again: bool = False

    @abstractmethod
    def stop(self, error: YamlgenError) -> None:
        """End the run because of `error`."""

    @abstractmethod
    def leave(self) -> None:
        """Note that cancellation left a step of a row undone."""

    @abstractmethod
    def doubt(self, error: RowError, doubt: SystemicFailure, row: int) -> None:
        """Try other rows, because many have failed with the same error as `row`."""


@dataclass
class RowExecution(StepHooks):
    """One row, and the results of its steps so far.

    Args:
        engine: the engine that runs the row.
        row: the row.
        first: called when the row sends its first request.
    """

    engine: Engine
    row: InputRow
    first: Callable[[], None]
    sent: bool = False
    waits: bool = False
    answers: dict[str, Answer] = field(default_factory=dict)
    failures: dict[str, RowError] = field(default_factory=dict)

    async def finish(self) -> None:
        """Run all steps, and store the row's result.

        Raises:
            YamlgenError: an error that ends the whole run.
            Exception: an error raised by a listener.
        """
        steps = self.engine.plan.steps
        if self.engine.again:
            if self.is_reported(ROW):  # it has ended, and did not need all that it waited for
                return
            self.engine.emit(RowResumed(self.row.index))
        errors = await (self._alone(steps[0]) if len(steps) == 1 else self._together(steps))
        self._check_outputs()
        await self._keep()
        for error in errors:
            raise error

    def _check_outputs(self) -> None:
        """Fail the row if an output cannot be made from it."""
        plan = self.engine.plan
        if len(self.answers) < len(plan.steps):
            return
        try:
            plan.check_outputs(self.row.row, self.answers)
        except RowError as error:
            self.failures[STEP] = error

    def begin(self) -> None:
        """Note that the row has sent a request."""
        if not self.sent:
            self.sent = True
            self.first()

    def check(self) -> None:
        """Raise `Cancelled` if the run was cancelled, before another item begins."""
        self.engine.cancellation.check()

    def stop(self, error: YamlgenError) -> None:
        """End the run because of an error in an item of a step."""
        self.engine.stop(error)

    def lose(self, step: str, case: int | None, error: RowError) -> None:
        """Report that an item of a step failed and is null; with `None`, the step itself."""
        useless, known = error.is_useless, id_of(self.row.identity)
        self._report(step, ItemFailed(self.row.index, step, case, str(error.code), error.message, useless, known))

    def doubt(self, error: RowError) -> None:
        """Start a trial of other rows if so many fail alike that all may fail."""
        if error.doubt is not None:
            self.engine.doubt(error, error.doubt, self.row.index)

    async def _alone(self, step: PlanStep) -> list[Exception]:
        """Run the only step of a plan, without a task of its own, and return what it raised."""
        try:
            await self._do(step)
        except Exception as error:  # noqa: BLE001 - raised once the row is stored
            return [error]
        return []

    async def _together(self, steps: Sequence[PlanStep]) -> list[Exception]:
        """Run the steps concurrently, each once its dependencies are done, and return what they raised."""
        done = {step.name: asyncio.Event() for step in steps}
        tasks = [asyncio.ensure_future(self._step(step, done)) for step in steps]
        try:
            results = await asyncio.gather(*tasks, return_exceptions=True)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        return [result for result in results if isinstance(result, Exception)]

    async def _step(self, step: PlanStep, done: Mapping[str, asyncio.Event]) -> None:
        try:
            for need in step.needs:
                await done[need].wait()
            if all(need in self.answers for need in step.needs):
                await self._do(step)
        finally:
            done[step.name].set()

    async def _do(self, step: PlanStep) -> None:
        engine = self.engine
        events = _RequestEvents(self, step.name)
        try:
            engine.cancellation.check()
            answer = await self._answer(step, events)
        except RowWaits:
            self.waits = True
        except RowError as error:
            events.flush()
            self._fail(step, error)
        except Cancelled:
            engine.leave()  # the answers so far are in the store: the next run continues from there
        except YamlgenError as error:
            engine.stop(error)  # now, before a request that waits for this one's slot is sent
            raise
        except Exception as error:  # noqa: BLE001 - a bug in yamlgen fails one row, not the run
            message = f"{type(error).__name__}: {error}"
            self._fail(step, RowError(message, code=Code.INTERNAL, hint="please report this"))
        else:
            events.flush()
            self._complete(step, answer)

    def _complete(self, step: PlanStep, answer: Answer) -> None:
        self.answers[step.name] = answer
        row, name = self.row.index, step.name
        self._report(name, StepSkipped(row, name) if answer.skipped else StepFinished(row, name, answer.items))
        self._end_report(name)

    def is_reported(self, step: str) -> bool:
        """Return whether a step was reported when the row was run before."""
        reported = self.engine.reported
        return reported is not None and reported.has(self.row.index, step)

    def _report(self, step: str, event: Event) -> None:
        """Emit an event of a step, unless the step was reported before."""
        if not self.is_reported(step):
            self.engine.emit(event)

    def _end_report(self, step: str) -> None:
        if self.engine.reported is not None:
            self.engine.reported.add(self.row.index, step)

    async def _answer(self, step: PlanStep, events: _RequestEvents) -> Answer:
        scope = self.engine.plan.scope_of(self.row.row, self.answers)
        absent = {name for name, answer in self.answers.items() if answer.is_absent}
        with located_errors(step.templates, f"step `{step.name}`"):
            if is_skipped(step, scope, absent) or not step.is_wanted(scope):
                return _SKIPPED
            context = RequestContext(step.name, self.row.identity, events, self.row.index)
            return await self.engine.step_runner.perform(step, scope, context, self)

    def _fail(self, step: PlanStep, error: RowError) -> None:
        if step.null_if_failed and error.code is not Code.NOT_STORED:
            self.lose(step.name, None, error)
            self._complete(step, Answer(None, error.attempts, error.key, failure=error))
        else:
            self.failures[step.name] = error
            failed = StepFailed(self.row.index, step.name, str(error.code), error.message, error.is_useless)
            self._report(step.name, failed)
            self._end_report(step.name)
        self.doubt(error)

    async def _keep(self) -> None:
        """Add the row to the sink if it finished or failed; a row that waits is run again."""
        if self.waits:
            self.engine.emit(RowDeferred(self.row.index))
            return
        steps = [step.name for step in self.engine.plan.steps]
        finished = len(self.answers) == len(steps) and not self.failures
        if not (finished or self.failures):
            return
        answers = {name: self.answers[name] for name in steps if name in self.answers}
        failures = {name: self.failures[name] for name in (*steps, STEP) if name in self.failures}
        await self.engine.sink.add(RowResult(self.row, answers, failures))
        self._end_report(ROW)
        if finished:
            self.engine.emit(RowFinished(self.row.index))
            return
        # A missing answer takes precedence over the failure of another step.
        name, error = min(failures.items(), key=lambda failed: failed[1].code is not Code.NOT_STORED)
        known = id_of(self.row.identity)
        self.engine.emit(RowFailed(self.row.index, name, str(error.code), error.message, known))


@dataclass(slots=True)
class _RequestEvents:
    """Emits the events of the requests of one row at one step.

    If rows may be run again, stored answers are reported when the step ends: a step that waits would report them twice.
    """

    work: RowExecution
    step: str
    _held: list[Event] = field(default_factory=list)
    _arrived: set[int] = field(default_factory=set)

    def sent(self) -> None:
        self.work.begin()
        self._emit(RequestSent(self.work.row.index, self.step))

    def retried(self, reason: str, wait: float) -> None:
        row = self.work.row
        self._emit(RequestRetried(row.index, self.step, reason, wait, id_of(row.identity)))

    def received(self, attempt: Attempt, *, cause: Cause) -> None:
        cost, reused, seconds = attempt.cost, attempt.reused, attempt.seconds
        row, batched = self.work.row.index, attempt.batched and not attempt.reused
        usage, step = attempt.usage, self.step
        event = AnswerReceived(row, step, usage, cost, reused, seconds, cause, batched, attempt.fallback, attempt.saved)
        if self.work.engine.reported is None:
            self._emit(event)
        elif self.work.is_reported(self.step) or attempt.number in self._arrived:
            return
        elif not reused:
            self._arrived.add(attempt.number)
            self._emit(event)
        elif not (attempt.own and self.work.engine.again):  # else reported when it came
            self._held.append(event)

    def cut(self, usage: Usage, cost: float | None) -> None:
        self._emit(StreamCut(self.work.row.index, self.step, usage, cost))

    def flush(self) -> None:
        """Report the stored answers of the step, which has ended."""
        for event in self._held:
            self._emit(event)
        self._held.clear()

    def _emit(self, event: Event) -> None:
        self.work.engine.emit(event)
