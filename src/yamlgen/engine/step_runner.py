"""One step for one row: once, or for each item, combination and sample side by side.

Owns what becomes of a step of which some items have failed. How a kind comes to the value of a case is its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, Final

from yamlgen.cancellation import Cancelled
from yamlgen.errors import Code, RowError, YamlgenError
from yamlgen.interfaces import RequestContext
from yamlgen.planning.error_location import located_errors
from yamlgen.row_result import Answer, FailedItem
from yamlgen.steps.execution import RowStep, RunResources, StepExecutor, executor_of
from yamlgen.steps.fan_out import Case, Scope
from yamlgen.steps.plan_step import PlanStep

_TURN: Final = 64
"""How many cases are begun until others get their turn: those of expressions alone wait for nothing."""


class StepHooks:
    """Whoever takes the row through its steps, as far as a step in the middle of its cases needs that; here nobody."""

    def check(self) -> None:
        """Begin another case only if the run goes on.

        Raises:
            Cancelled: it does not.
        """

    def stop(self, error: YamlgenError) -> None:
        """End the run because of `error`, whatever else of the step is still under way."""

    def begin(self) -> None:
        """Hear that the row has begun something that takes its time."""

    def lose(self, step: str, case: int, error: RowError) -> None:
        """Hear that a case of a step is null, and why."""

    def doubt(self, error: RowError) -> None:
        """Hear that a case has failed, which may tell that all will."""


_NOBODY: Final = StepHooks()


@dataclass(frozen=True)
class StepRunner(RunResources):
    """Does the steps of a run with what the run has for them. To be closed, where it has a folder."""

    _executors: dict[str, StepExecutor[Any]] = field(default_factory=dict, init=False)

    async def perform(
        self, step: PlanStep, scope: Scope, context: RequestContext, hooks: StepHooks = _NOBODY
    ) -> Answer:
        """The value of a step for one row.

        Raises:
            RowError: it has none.
            Cancelled: nothing more is sent.
            YamlgenError: the run cannot go on.
        """
        row = RowStep(context, hooks.begin)
        if step.is_single:
            return await self._one(step, Case(scope), row)
        cases = step.cases(scope)
        made = await self._side_by_side(step, cases, row, hooks)
        return _together(step, cases, made, hooks)

    def close(self) -> None:
        """Close what the kinds of steps have opened."""
        for executor in self._executors.values():
            executor.close()

    async def _side_by_side(
        self, step: PlanStep, cases: list[Case], row: RowStep, hooks: StepHooks
    ) -> list[Answer | RowError]:
        """What came of each case. What one raises that is no row's own is raised once all have come home."""
        made: list[Answer | RowError | None] = [None] * len(cases)
        waiting = enumerate(cases)

        async def work() -> None:
            for number, case in waiting:
                hooks.check()
                try:
                    made[number] = await self._one(step, case, row)
                except RowError as error:
                    made[number] = error
                    hooks.doubt(error)
                except Cancelled:
                    raise
                except YamlgenError as error:
                    hooks.stop(error)  # at once: what waits for this one's place must not go out any more
                    raise
                except Exception as error:  # noqa: BLE001 - a fault of ours costs one item
                    message = f"{type(error).__name__}: {error}"
                    made[number] = RowError(message, code=Code.INTERNAL, hint="please report this")
                if number % _TURN == _TURN - 1:
                    await asyncio.sleep(0)

        workers = min(len(cases), self.width if step.is_outside else 1)  # nothing else waits for anything
        raised = await asyncio.gather(*(work() for _ in range(workers)), return_exceptions=True)
        errors = [error for error in raised if isinstance(error, BaseException)]
        for error in sorted(errors, key=lambda error: not isinstance(error, YamlgenError)):
            raise error
        return [each for each in made if each is not None]

    async def _one(self, step: PlanStep, case: Case, row: RowStep) -> Answer:
        if step.kind not in self._executors:
            self._executors[step.kind] = executor_of(step.kind, self)
        with located_errors(step):
            return await self._executors[step.kind].perform(step, case, row)


def _together(step: PlanStep, cases: list[Case], made: list[Answer | RowError], hooks: StepHooks) -> Answer:
    """The value of a step out of what came of its cases.

    Raises:
        RowError: some have failed, and are not to be null, or wait for an answer that this run may not ask for.
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
    return Answer(step.whole(values), attempts, items=len(made), lost=lost)


def _named(number: int, name: str, error: RowError) -> FailedItem:
    """A case that failed, and its error, which says which one it is."""
    return FailedItem(number, name, error.replace(message=f"{name}: {error.message}"))
