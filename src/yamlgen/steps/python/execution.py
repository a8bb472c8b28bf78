"""How a step that calls a function is done: called, or, where its values are kept, found among them.

Equal calls that are kept are made once, whichever rows and steps ask for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from yamlgen.errors import Code, RowError
from yamlgen.interfaces import ValueCache
from yamlgen.row_result import Answer
from yamlgen.steps.execution import RowStep, RunResources, StepExecutor, checked
from yamlgen.steps.fan_out import Case, Scope
from yamlgen.steps.python.dependencies import Dependencies
from yamlgen.steps.python.file_digests import FileDigests
from yamlgen.steps.python.function_calls import FunctionCaller, key_of
from yamlgen.steps.python.plan_step import PythonStep
from yamlgen.value_objects import JSON, CachedValue

_CALL_FAILED: Final = frozenset({Code.CALL_FAILED, Code.CALL_TIMEOUT})


class PythonExecutor(StepExecutor[PythonStep]):
    """Calls the author's functions."""

    def __init__(self, run: RunResources) -> None:
        super().__init__(run)
        self._functions = None if run.folder is None else FunctionCaller(run.folder, run.width)
        self._calls: dict[bytes, asyncio.Future[RowError | None]] = {}
        self._digests = FileDigests()

    async def perform(self, step: PythonStep, case: Case, row: RowStep) -> Answer:
        """What the function returns."""
        if self._run.invent is not None:  # the author's code runs when the pipeline does
            return Answer(self._run.invent(step.schema.value if step.schema else {}, step.name))
        return Answer(await self._call(step, case.scope, row))

    async def _call(self, step: PythonStep, scope: Scope, row: RowStep) -> JSON:
        args = step.fill(scope)
        called = partial(self._called, step, args, row)
        if step.depends is None or self._run.value_cache is None:
            return await called()
        key = key_of(step.call, step.depends.reads, args)
        while key in self._calls:  # made once: another value than the kept one would be another row in the next run
            failed = await asyncio.shield(self._calls[key])
            if failed is not None:
                raise _copied(failed)
        return await self._kept(step, step.depends, called, key, self._run.value_cache)

    async def _kept(
        self,
        step: PythonStep,
        depends: Dependencies,
        called: Callable[[], Awaitable[JSON]],
        key: bytes,
        value_cache: ValueCache,
    ) -> JSON:
        failed: RowError | None = None
        call = self._calls[key] = asyncio.get_running_loop().create_future()
        try:
            found = value_cache.kept(key)
            if (
                found is not None
                and self._digests.agree(depends, found.files)
                and (step.schema is None or not step.schema.errors(found.value))
            ):
                return found.value  # by today's schema
            value = await called()
            functions = self._functions
            siblings, older = (functions.siblings(), functions.older()) if functions else ({}, ())
            files = self._digests.made_of(depends, siblings, older)
            if files is not None:
                await value_cache.keep(key, CachedValue(value, files))
        except RowError as error:
            failed = _copied(error) if error.code in _CALL_FAILED else None
            raise
        else:
            return value
        finally:
            del self._calls[key]
            call.set_result(failed)

    async def _called(self, step: PythonStep, args: Mapping[str, JSON], row: RowStep) -> JSON:
        if self._functions is None:
            message = f"`{step.function.name}` is called when the pipeline runs"
            raise RowError(message, code=Code.NOT_STORED, hint="a run calls it")
        row.begin()
        return checked(await self._functions.call(step.function, args, step.timeout), step.schema)

    def close(self) -> None:
        """End the threads of the functions, and forget their modules."""
        if self._functions is not None:
            self._functions.close()


def _copied(error: RowError) -> RowError:
    """The failure of a call for another row, which adds to its message which item it was."""
    return RowError(error.message, code=error.code, hint=error.hint)


EXECUTOR: Final = PythonExecutor
