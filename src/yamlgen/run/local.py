"""The local engine: rows through a plan on one event loop.

Owns the order of things: a bounded window of rows, each step of a row as soon as its own needs are met, no barrier
between steps; a row that fails is set aside and its siblings go on; when the run is halted, what is in flight comes
home and is kept. It knows models and sinks by their ports only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from yamlgen.errors import Code, RowError, RunStopped, YamlgenError
from yamlgen.events import Emit, RequestRetried, RowFailed, RowFinished, RunDraining, StepFinished
from yamlgen.halt import Halt, Halted
from yamlgen.language.plan import Plan, PlanStep
from yamlgen.ports import JSON, Attempt, Model, Row, RowSink, Usage

SPARE: Final = 4
"""Rows under way beyond the ceiling of requests, so that one is always ready to be sent. Not many more: rows are to
be finished in the order in which they began, and an interrupted run is to leave few that are half paid for."""

_CUT_OFF: Final = "the run ended before this step was done"


@dataclass
class LocalEngine:
    """Runs the rows of one input through one plan.

    Args:
        plan: what to do.
        models: the model of each step.
        sink: where rows go; its calls return when the row is safe.
        emit: told what happens.
        halt: ends the run early.
        concurrency: the ceiling of requests in flight, from which the window of rows follows.
    """

    plan: Plan
    models: Mapping[str, Model]
    sink: RowSink
    emit: Emit
    halt: Halt
    concurrency: int
    _fatal: Exception | None = field(default=None, init=False)

    async def run(self, rows: Iterable[Row]) -> None:
        """Run every row to its end.

        Raises:
            YamlgenError: the error that ended the run early; what was finished before is in the sink.
            Exception: what a listener raised, which ends the run too.
        """
        window = asyncio.Semaphore(self.concurrency + max(SPARE, self.concurrency // SPARE))
        async with asyncio.TaskGroup() as group:
            try:
                for index, row in enumerate(rows):
                    await window.acquire()
                    if self.halt.requested:
                        break
                    group.create_task(self._row(index, row, window))
            except YamlgenError as error:  # the input changed under the run: what is under way comes home
                self._stop(error)
        if self._fatal is not None:
            raise self._fatal

    async def _row(self, index: int, row: Row, window: asyncio.Semaphore) -> None:
        work = _RowWork(self, index, row)
        try:
            await work.finish()
        except YamlgenError as error:
            self._stop(error)
        except Exception as error:  # noqa: BLE001 - whoever watches has failed: told where the run was started
            self._fatal = self._fatal or error
            self.halt.request(str(error))
        finally:
            window.release()

    def _stop(self, error: YamlgenError) -> None:
        """End the run because of `error`; the first one is the one to tell."""
        if self._fatal is None:
            self._fatal = error
            self.emit(RunDraining(error.message))
        self.halt.request(error.message)


@dataclass
class _RowWork:
    """One row on its way through the steps."""

    engine: LocalEngine
    index: int
    row: Row
    outputs: dict[str, JSON] = field(default_factory=dict)
    failures: dict[str, RowError] = field(default_factory=dict)
    halted: str | None = None

    async def finish(self) -> None:
        """Take the row through all steps, and put it where it belongs.

        Raises:
            YamlgenError: an error that ends the whole run.
            Exception: what a listener raised.
        """
        plan = self.engine.plan
        done = {step.name: asyncio.Event() for step in plan.steps}
        results: list[BaseException | None] = []
        try:
            tasks = [asyncio.ensure_future(self._step(step, done)) for step in plan.steps]
            try:
                results = await asyncio.gather(*tasks, return_exceptions=True)
            except asyncio.CancelledError:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                raise
        finally:
            self._keep()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _step(self, step: PlanStep, done: Mapping[str, asyncio.Event]) -> None:
        try:
            for need in step.needs:
                await done[need].wait()
            if all(need in self.outputs for need in step.needs):
                await self._answer(step)
        finally:
            done[step.name].set()

    async def _answer(self, step: PlanStep) -> None:
        engine, started = self.engine, time.monotonic()
        try:
            engine.halt.check()
            prompt = step.prompt(self.row, engine.plan.params, self.outputs)
            answer = await engine.models[step.name].answer(
                prompt, lambda reason, wait: engine.emit(RequestRetried(self.index, step.name, reason, wait))
            )
        except RowError as error:
            self.failures[step.name] = error
        except Halted:
            self.halted = self.halted or step.name
        except YamlgenError as error:
            self.halted = self.halted or step.name
            if isinstance(error, RunStopped) and error.attempts:
                self.failures[step.name] = RowError(_CUT_OFF, code=Code.STOPPED, attempts=error.attempts)
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours costs one row, not the run
            message = f"{type(error).__name__}: {error}"
            self.failures[step.name] = RowError(message, code=Code.INTERNAL, hint="please report this")
        else:
            self.outputs[step.name] = answer.value
            seconds = time.monotonic() - started
            engine.emit(StepFinished(self.index, step.name, answer.usage, len(answer.attempts), seconds))

    def _keep(self) -> None:
        """Put the row into the sink: finished, failed, or cut off with something paid for."""
        steps = self.engine.plan.steps
        if len(self.outputs) == len(steps):
            record = {**self.row, **{step.name: self.outputs[step.name] for step in steps}}
            self.engine.sink.add(self.index, record)
            self.engine.emit(RowFinished(self.index))
        elif self.failures:
            self._set_aside()
        elif self.outputs:
            missing = self.halted or next(step.name for step in steps if step.name not in self.outputs)
            stopped = RowError(_CUT_OFF, code=Code.STOPPED)
            self.engine.sink.add_failed(self.index, self._failed_record(missing, stopped))

    def _set_aside(self) -> None:
        failures = sorted(self.failures.items(), key=lambda item: item[1].code is Code.STOPPED)
        name, error = failures[0]
        record = self._failed_record(name, error)
        others = [{"step": step, **_told(other)} for step, other in failures[1:]]
        if others:
            record["also"] = others
        self.engine.sink.add_failed(self.index, record)
        if error.code is Code.STOPPED:  # cut off between two answers: no failure of the row
            return
        attempts = [attempt for failure in self.failures.values() for attempt in failure.attempts]
        usage = sum((attempt.usage for attempt in attempts), Usage())
        self.engine.emit(RowFailed(self.index, name, str(error.code), error.message, usage, len(attempts)))

    def _failed_record(self, step: str, error: RowError) -> dict[str, JSON]:
        return {"row": dict(self.row), "steps": dict(self.outputs), "step": step, **_told(error)}


def _told(error: RowError) -> dict[str, JSON]:
    return {
        "code": str(error.code),
        "message": error.message,
        "request": error.request,
        "attempts": [_attempt(attempt) for attempt in error.attempts],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage
    return {
        "response": attempt.response,
        "errors": list(attempt.errors),
        "usage": {name: getattr(usage, name) for name in Usage.__dataclass_fields__},
    }
