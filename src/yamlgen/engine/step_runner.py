"""Runs one step for one row: once, or concurrently for each item, combination and sample.

Owns the result of a step when some of its items failed. Each kind of step computes the value of a case itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, Final

from yamlgen.cancellation import Cancelled
from yamlgen.errors import Code, RowError, YamlgenError
from yamlgen.interfaces import RequestContext, RowWaits
from yamlgen.planning.error_location import located_errors
from yamlgen.row_result import Answer, FailedItem
from yamlgen.steps.execution import RowStep, RunResources, StepExecutor, executor_of
from yamlgen.steps.fan_out import Case, Scope
from yamlgen.steps.plan_step import PlanStep

_TURN: Final = 64
"""How many cases run before other tasks get a turn: cases made of expressions alone never wait."""


class StepHooks:
    """Callbacks of a step while its cases run; these do nothing."""

    def check(self) -> None:
        """Check that another case may begin.

        Raises:
            Cancelled: the run was cancelled.
        """

    def stop(self, error: YamlgenError) -> None:
        """End the run because of `error`, even if other cases of the step are in progress."""

    def begin(self) -> None:
        """Note that the row has begun something that takes time."""

    def lose(self, step: str, case: int | None, error: RowError) -> None:
        """Note that a case of a step failed and is null; with `None`, the step itself."""

    def doubt(self, error: RowError) -> None:
        """Note that a case failed, possibly with an error that all rows share."""


_NOBODY: Final = StepHooks()


@dataclass(frozen=True)
class StepRunner(RunResources):
    """Runs the steps of a run with the run's resources; call `close` at the end."""

    _executors: dict[str, StepExecutor[Any]] = field(default_factory=dict, init=False)

    async def perform(
        self, step: PlanStep, scope: Scope, context: RequestContext, hooks: StepHooks = _NOBODY
    ) -> Answer:
        """Return the value of a step for one row.

        Raises:
            RowError: the step failed for this row.
            RowWaits: the answer of a case will come with a batch; the other cases have been tried.
            Cancelled: the run was cancelled.
            YamlgenError: the run cannot continue.
        """
        row = RowStep(context, hooks.begin, hooks.check)
        if step.is_single:
            return await self._one(step, Case(scope), row)
        cases = step.cases(scope)
        made = await self._side_by_side(step, cases, row, hooks)
        return _together(step, cases, made, hooks)

    async def close(self) -> None:
        """Close what the executors have opened."""
        for executor in self._executors.values():
            await executor.close()

    async def _side_by_side(
        self, step: PlanStep, cases: list[Case], row: RowStep, hooks: StepHooks
    ) -> list[Answer | RowError]:
        """Return the result of each case. An error that ends the run is raised once all cases are done."""
        made: list[Answer | RowError | None] = [None] * len(cases)
        waiting = enumerate(cases)
        deferred = False

        async def work() -> None:
            nonlocal deferred
            for number, case in waiting:
                hooks.check()
                try:
                    made[number] = await self._one(step, case, row)
                except RowError as error:
                    made[number] = error
                    hooks.doubt(error)
                except RowWaits:
                    deferred = True
                except Cancelled:
                    raise
                except YamlgenError as error:
                    hooks.stop(error)  # now, before a request that waits for this one's slot is sent
                    raise
                except Exception as error:  # noqa: BLE001 - a bug in yamlgen fails one item
                    message = f"{type(error).__name__}: {error}"
                    made[number] = RowError(message, code=Code.INTERNAL, hint="please report this")
                if number % _TURN == _TURN - 1:
                    await asyncio.sleep(0)

        workers = min(len(cases), self.width if step.is_outside else 1)  # other kinds never wait
        raised = await asyncio.gather(*(work() for _ in range(workers)), return_exceptions=True)
        errors = [error for error in raised if isinstance(error, BaseException)]
        for error in sorted(errors, key=lambda error: not isinstance(error, YamlgenError)):
            raise error
        if deferred:
            raise RowWaits
        return [each for each in made if each is not None]

    async def _one(self, step: PlanStep, case: Case, row: RowStep) -> Answer:
        if step.kind not in self._executors:
            self._executors[step.kind] = executor_of(step.kind, self)
        with located_errors(step.templates, f"step `{step.name}`"):
            return await self._executors[step.kind].perform(step, case, row)


def _together(step: PlanStep, cases: list[Case], made: list[Answer | RowError], hooks: StepHooks) -> Answer:
    """Combine the results of a step's cases into its value.

    Raises:
        RowError: a case failed and must not be null, or needs an answer that this run may not request.
    """
    attempts = tuple(
        replace(attempt, case=step.spoken(case))
        for case, each in zip(cases, made, strict=True)
        for attempt in each.attempts
    )
    lost = tuple(
        _named(number, step.spoken(case), each)
        for number, (case, each) in enumerate(zip(cases, made, strict=True))
        if isinstance(each, RowError)
    )
    failed = tuple(item.error for item in lost)
    missing = [error for error in failed if error.code is Code.NOT_STORED]
    if missing or (failed and not step.null_items):
        first = (missing or failed)[0]
        others = f" (and {len(failed) - 1} more of {len(made)})" if len(failed) > 1 else ""
        message = f"{first.message}{others}"
        code, hint = first.code, first.hint
        raise RowError(
            message,
            code=code,
            hint=hint,
            request=first.request,
            attempts=attempts,
            parts=failed,
            is_useless=first.is_useless,
        )
    for item in lost:
        hooks.lose(step.name, item.case, item.error)
    values = [None if isinstance(each, RowError) else each.value for each in made]
    thinking = None
    if step.keeps_thinking:
        thinking = step.whole([None if isinstance(each, RowError) else each.thinking for each in made])
    kept = tuple(number for each in made if isinstance(each, Answer) for number in each.kept)
    return Answer(step.whole(values), attempts, items=len(made), lost=lost, thinking=thinking, kept=kept)


def _named(number: int, name: str, error: RowError) -> FailedItem:
    """Return a failed case, with an error that names the case."""
    return FailedItem(number, name, error.replace(message=f"{name}: {error.message}"))
