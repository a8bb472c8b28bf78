"""The local engine: rows through a plan on one event loop.

Owns the order of things: a bounded window of rows, each step of a row as soon as its own needs are met, no barrier
between steps; a row that fails is set aside and its siblings go on; when the run is halted, what is in flight comes
home and is kept. It knows models and sinks by their ports only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from yamlgen.errors import Code, RowError, YamlgenError
from yamlgen.events import (
    AnswerReceived,
    Emit,
    Event,
    RequestRetried,
    RequestSent,
    RowFailed,
    RowFinished,
    RunDraining,
    StepFailed,
    StepFinished,
)
from yamlgen.halt import Halt, Halted
from yamlgen.language.plan import Plan, PlanStep
from yamlgen.outcome import Outcome, RowSink
from yamlgen.ports import Answer, Asker, Attempt, InputRow, Model

SPARE: Final = 4
SHARE: Final = 0.25
"""Rows under way beyond the ceiling of requests, at least and as a share of it, so that a step that is held back does
not keep rows from another. Of the requests that wait that of the oldest row goes first all the same."""

READY: Final = 32
"""Rows under way that have sent nothing yet: one is always ready, and memory follows what is sent, not the ceiling."""


class Window:
    """The rows under way: at most `size`, and at most `READY` of them before their first request is sent."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows = self._ready = 0
        self._room = asyncio.Event()

    async def enter(self) -> None:
        """Wait until a row may begin."""
        while self._rows >= self._size or self._ready >= READY:
            self._room.clear()
            await self._room.wait()
        self._rows += 1
        self._ready += 1

    def send(self) -> None:
        """A row sends its first request."""
        self._ready -= 1
        self._room.set()

    def leave(self, *, sent: bool) -> None:
        """A row is done; `sent`: whether it has sent anything."""
        self._rows -= 1
        self._ready -= not sent
        self._room.set()


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

    async def run(self, rows: Iterable[InputRow]) -> None:
        """Run every row to its end.

        Raises:
            YamlgenError: the error that ended the run early; what was finished before is in the sink.
            Exception: what a listener raised, which ends the run too.
        """
        window = Window(self.concurrency + max(SPARE, int(SHARE * self.concurrency)))
        async with asyncio.TaskGroup() as group:
            try:
                for row in rows:
                    await window.enter()
                    if self.halt.requested:
                        break
                    group.create_task(self._row(row, window))
            except YamlgenError as error:  # the input changed under the run: what is under way comes home
                self.stop(error)
        if self._fatal is not None:
            raise self._fatal

    async def _row(self, row: InputRow, window: Window) -> None:
        work = _RowWork(self, row, window)
        try:
            await work.finish()
        except YamlgenError as error:
            self.stop(error)
        except Exception as error:  # noqa: BLE001 - whoever watches has failed: told where the run was started
            self._fatal = self._fatal or error
            self.halt.request(str(error))
        finally:
            window.leave(sent=work.sent)

    def stop(self, error: YamlgenError) -> None:
        """End the run because of `error`; the first one is the one to tell."""
        if self._fatal is None:
            self._fatal = error
            self.emit(RunDraining(error.message))
        self.halt.request(error.message)


@dataclass
class _RowWork:
    """One row on its way through the steps."""

    engine: LocalEngine
    row: InputRow
    window: Window
    sent: bool = False
    answers: dict[str, Answer] = field(default_factory=dict)
    failures: dict[str, RowError] = field(default_factory=dict)

    async def finish(self) -> None:
        """Take the row through all steps, and put it where it belongs.

        Raises:
            YamlgenError: an error that ends the whole run.
            Exception: what a listener raised.
        """
        steps = self.engine.plan.steps
        errors = await (self._alone(steps[0]) if len(steps) == 1 else self._together(steps))
        await self._keep()
        for error in errors:
            raise error

    def begin(self) -> None:
        """Note that the row has sent a request."""
        if not self.sent:
            self.sent = True
            self.window.send()

    async def _alone(self, step: PlanStep) -> list[Exception]:
        """Do the one step of a plan, without a task of its own, and give back what it raised."""
        try:
            await self._answer(step)
        except Exception as error:  # noqa: BLE001 - raised once the row is kept
            return [error]
        return []

    async def _together(self, steps: Sequence[PlanStep]) -> list[Exception]:
        """Do the steps side by side, each once its needs are met, and give back what they raised."""
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
                await self._answer(step)
        finally:
            done[step.name].set()

    async def _answer(self, step: PlanStep) -> None:
        engine = self.engine
        watch = _Watched(self, step.name)
        asker = Asker(step.name, self.row.identity, watch, self.row.index)
        try:
            engine.halt.check()
            outputs = {name: answer.value for name, answer in self.answers.items()}
            prompt = step.prompt(self.row.row, engine.plan.params, outputs)
            self.answers[step.name] = await engine.models[step.name].answer(prompt, asker)
        except RowError as error:
            self._fail(step, error)
        except Halted:
            return  # what was answered until now is in the store: the next run goes on from there
        except YamlgenError as error:
            engine.stop(error)  # at once: a request that waits for this one's place must not go out any more
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours costs one row, not the run
            message = f"{type(error).__name__}: {error}"
            self._fail(step, RowError(message, code=Code.INTERNAL, hint="please report this"))
        else:
            engine.emit(StepFinished(self.row.index, step.name))

    def _fail(self, step: PlanStep, error: RowError) -> None:
        self.failures[step.name] = error
        self.engine.emit(StepFailed(self.row.index, step.name, str(error.code)))

    async def _keep(self) -> None:
        """Put the row into the sink, if it came to its end."""
        steps = [step.name for step in self.engine.plan.steps]
        finished = len(self.answers) == len(steps)
        if not (finished or self.failures):
            return
        answers = {name: self.answers[name] for name in steps if name in self.answers}
        failures = {name: self.failures[name] for name in steps if name in self.failures}
        await self.engine.sink.add(Outcome(self.row, answers, failures))
        if finished:
            self.engine.emit(RowFinished(self.row.index))
            return
        # A row that lacks an answer is not done, though another step of it has failed.
        name, error = min(failures.items(), key=lambda failed: failed[1].code is not Code.NOT_STORED)
        self.engine.emit(RowFailed(self.row.index, name, str(error.code), error.message))


@dataclass(frozen=True, slots=True)
class _Watched:
    """Turns what happens to the requests of one row at one step into events."""

    work: _RowWork
    step: str

    def sent(self) -> None:
        self.work.begin()
        self._emit(RequestSent(self.work.row.index, self.step))

    def retried(self, reason: str, wait: float) -> None:
        self._emit(RequestRetried(self.work.row.index, self.step, reason, wait))

    def received(self, attempt: Attempt, *, reask: bool) -> None:
        cost, reused, seconds = attempt.cost, attempt.reused, attempt.seconds
        row = self.work.row.index
        self._emit(AnswerReceived(row, self.step, attempt.usage, cost, reused, seconds, reask))

    def _emit(self, event: Event) -> None:
        self.work.engine.emit(event)
