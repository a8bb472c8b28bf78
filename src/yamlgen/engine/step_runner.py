"""One step for one row: once, or for each item, combination and sample side by side.

Owns how each kind comes to its value, and what becomes of a step of which some items have failed. Equal requests of a
step for a row are numbered, so that each has its own answer, and more of them pay for the new ones only.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Protocol, TypeAlias

from yamlgen.cancellation import Cancelled
from yamlgen.engine.file_digests import Digests
from yamlgen.engine.function_calls import Functions, key_of
from yamlgen.errors import Code, RowError, YamlgenError
from yamlgen.interfaces import Model, RequestContext, ValueCache
from yamlgen.planning.error_places import placed
from yamlgen.planning.plan import (
    MOST_CONCURRENCY,
    AnyStep,
    Case,
    ComputeStep,
    DrawStep,
    GenerateStep,
    PythonStep,
    Scope,
)
from yamlgen.row_result import Answer, Lost
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.steps.python.dependencies import Dependencies
from yamlgen.values import JSON, Kept, Prompt

_TURN: Final = 64
"""How many cases are begun until others get their turn: those of expressions alone wait for nothing."""


class StepHooks(Protocol):
    """Whoever takes the row through its steps, as far as a step in the middle of its cases needs that."""

    def check(self) -> None:
        """Begin another case only if the run goes on.

        Raises:
            Halted: it does not.
        """
        ...

    def stop(self, error: YamlgenError) -> None:
        """End the run because of `error`, whatever else of the step is still under way."""
        ...

    def begin(self) -> None:
        """Hear that the row has begun something that takes its time."""
        ...

    def lose(self, step: str, case: int, error: RowError) -> None:
        """Hear that a case of a step is null, and why."""
        ...

    def doubt(self, error: RowError) -> None:
        """Hear that a case has failed, which may tell that all will."""
        ...


class _Unseen:
    """The overseer of a step that is done for its own sake."""

    def check(self) -> None:
        """Go on."""

    def stop(self, error: YamlgenError) -> None:
        """Leave it to the error itself."""

    def begin(self) -> None:
        """Tell nobody."""

    def lose(self, step: str, case: int, error: RowError) -> None:
        """Tell nobody."""

    def doubt(self, error: RowError) -> None:
        """Leave it to the error itself."""


_Equal: TypeAlias = Counter[tuple[str, Prompt]]
_UNSEEN: Final = _Unseen()
_CALL_FAILED: Final = frozenset({Code.CALL_FAILED, Code.CALL_TIMEOUT})


@dataclass(frozen=True)
class StepRunner:
    """Does the steps of a run.

    Args:
        models: the models that are asked, by the names of the plan's variants.
        functions: calls the author's functions; `None` where nothing may be called.
        keeper: keeps what they made.
        width: the most items of a step that are under way for one row.
    """

    models: Mapping[str, Model]
    functions: Functions | None = None
    keeper: ValueCache | None = None
    width: int = MOST_CONCURRENCY
    _calls: dict[bytes, asyncio.Future[RowError | None]] = field(default_factory=dict, init=False)
    _digests: Digests = field(default_factory=Digests, init=False)

    async def perform(
        self, step: AnyStep, scope: Scope, asker: RequestContext, overseer: StepHooks = _UNSEEN
    ) -> Answer:
        """The value of a step for one row.

        Raises:
            RowError: it has none.
            Halted: nothing more is sent.
            YamlgenError: the run cannot go on.
        """
        if step.is_single:
            return await self._one(step, Case(scope), asker, overseer)
        cases = step.cases(scope)
        made = await self._side_by_side(step, cases, asker, overseer)
        return _together(step, cases, made, overseer)

    async def _side_by_side(
        self, step: AnyStep, cases: list[Case], asker: RequestContext, overseer: StepHooks
    ) -> list[Answer | RowError]:
        """What came of each case. What one raises that is no row's own is raised once all have come home."""
        made: list[Answer | RowError | None] = [None] * len(cases)
        equal: _Equal = Counter()
        waiting = enumerate(cases)

        async def work() -> None:
            for number, case in waiting:
                overseer.check()
                try:
                    made[number] = await self._one(step, case, asker, overseer, equal)
                except RowError as error:
                    made[number] = error
                    overseer.doubt(error)
                except Cancelled:
                    raise
                except YamlgenError as error:
                    overseer.stop(error)  # at once: what waits for this one's place must not go out any more
                    raise
                except Exception as error:  # noqa: BLE001 - a fault of ours costs one item
                    message = f"{type(error).__name__}: {error}"
                    made[number] = RowError(message, code=Code.INTERNAL, hint="please report this")
                if number % _TURN == _TURN - 1:
                    await asyncio.sleep(0)

        waits = isinstance(step, GenerateStep | PythonStep)  # the others are done one after the other in any case
        workers = min(len(cases), self.width if waits else 1)
        raised = await asyncio.gather(*(work() for _ in range(workers)), return_exceptions=True)
        errors = [error for error in raised if isinstance(error, BaseException)]
        for error in sorted(errors, key=lambda error: not isinstance(error, YamlgenError)):
            raise error
        return [each for each in made if each is not None]

    async def _one(
        self, step: AnyStep, case: Case, asker: RequestContext, overseer: StepHooks, equal: _Equal | None = None
    ) -> Answer:
        with placed(step):
            match step:
                case GenerateStep():
                    return await self._ask(step, case, asker, equal)
                case ComputeStep():
                    return Answer(_checked(step.compute(case.scope), step.schema))
                case PythonStep():
                    return Answer(await self._call(step, case.scope, overseer))
                case DrawStep():
                    return Answer(step.draw(asker.identity, case))

    async def _ask(self, step: GenerateStep, case: Case, asker: RequestContext, equal: _Equal | None) -> Answer:
        prompt, variant = step.prompt(case.scope), step.variant(case)
        if equal is not None:
            request = (variant.alike, prompt)
            asker = replace(asker, sample=equal[request])
            equal[request] += 1
        check = partial(step.errors, scope=case.scope) if step.checks else None
        try:
            return await self.models[variant.name].answer(prompt, asker, check)
        except RowError as error:
            error.variant = variant.name
            raise

    async def _call(self, step: PythonStep, scope: Scope, overseer: StepHooks) -> JSON:
        args = step.arguments(scope)
        called = partial(self._called, step, args, overseer)
        if step.depends is None or self.keeper is None:
            return await called()
        key = key_of(step.call, step.depends.reads, args)
        while key in self._calls:  # made once: another value than the kept one would be another row in the next run
            failed = await asyncio.shield(self._calls[key])
            if failed is not None:
                raise _copied(failed)
        return await self._kept(step, step.depends, called, key, self.keeper)

    async def _kept(
        self,
        step: PythonStep,
        depends: Dependencies,
        called: Callable[[], Awaitable[JSON]],
        key: bytes,
        keeper: ValueCache,
    ) -> JSON:
        failed: RowError | None = None
        call = self._calls[key] = asyncio.get_running_loop().create_future()
        try:
            found = keeper.kept(key)
            if (
                found is not None
                and self._digests.agree(depends, found.files)
                and not _errors(found.value, step.schema)
            ):
                return found.value  # by today's schema
            value = await called()
            functions = self.functions
            siblings, older = (functions.siblings(), functions.older()) if functions else ({}, ())
            files = self._digests.made_of(depends, siblings, older)
            if files is not None:
                await keeper.keep(key, Kept(value, files))
        except RowError as error:
            failed = _copied(error) if error.code in _CALL_FAILED else None
            raise
        else:
            return value
        finally:
            del self._calls[key]
            call.set_result(failed)

    async def _called(self, step: PythonStep, args: Mapping[str, JSON], overseer: StepHooks) -> JSON:
        if self.functions is None:
            message = f"`{step.function.name}` is called when the pipeline runs"
            raise RowError(message, code=Code.NOT_STORED, hint="a run calls it")
        overseer.begin()
        return _checked(await self.functions.call(step.function, args, step.timeout), step.schema)


def _copied(error: RowError) -> RowError:
    """The failure of a call for another row, which adds to its message which item it was."""
    return RowError(error.message, code=error.code, hint=error.hint)


def _errors(value: JSON, schema: JSONSchema | None) -> tuple[str, ...]:
    return schema.errors(value) if schema is not None else ()


def _checked(value: JSON, schema: JSONSchema | None) -> JSON:
    errors = _errors(value, schema)
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        message = f"the value does not fit the step's `output.schema`: {errors[0]}{more}"
        raise RowError(message, code=Code.INVALID_VALUE)
    return value


def _together(step: AnyStep, cases: list[Case], made: list[Answer | RowError], overseer: StepHooks) -> Answer:
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
        error = RowError(message, code=code, hint=hint, request=first.request, attempts=attempts, parts=failed)
        error.is_useless = first.is_useless
        raise error
    for item in lost:
        overseer.lose(step.name, item.case, item.error)
    values = [None if isinstance(each, RowError) else each.value for each in made]
    return Answer(step.whole(values), attempts, items=len(made), lost=lost)


def _named(number: int, name: str, error: RowError) -> Lost:
    """A case that failed, and its error, which says which one it is."""
    error.message = f"{name}: {error.message}"
    return Lost(number, name, error)
