"""The execution of `python` steps: the function is called, or its kept value is reused.

Equal calls whose values are kept are made once for all rows and steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from yamlgen.canonical_json import digest
from yamlgen.errors import Code, RowError
from yamlgen.interfaces import ValueCache
from yamlgen.row_result import Answer
from yamlgen.steps.execution import RowStep, RunResources, StepExecutor, checked
from yamlgen.steps.fan_out import Case
from yamlgen.steps.python.dependencies import Dependencies
from yamlgen.steps.python.file_digests import FileDigests
from yamlgen.steps.python.function_calls import FunctionCaller, key_of
from yamlgen.steps.python.plan_step import PythonStep
from yamlgen.value_objects import JSON, CachedValue

_CALL_FAILED: Final = frozenset({Code.CALL_FAILED, Code.CALL_TIMEOUT, Code.WORKER_LOST})


class PythonExecutor(StepExecutor[PythonStep]):
    """Calls the functions of the author."""

    def __init__(self, run: RunResources) -> None:
        super().__init__(run)
        calling = run.width, run.python_workers, run.hidden
        self._functions = None if run.folder is None else FunctionCaller(run.folder, *calling)
        self._calls: dict[bytes, asyncio.Future[RowError | None]] = {}
        self._digests = FileDigests()

    async def perform(self, step: PythonStep, case: Case, row: RowStep) -> Answer:
        """Return the value of the function."""
        if self._run.invent is not None:  # a simulated run does not call the author's code
            return Answer(self._run.invent(step.schema.value if step.schema else {}, step.name))
        value, number = await self._call(step, case, row)
        return Answer(value, kept=(number,))

    async def _call(self, step: PythonStep, case: Case, row: RowStep) -> tuple[JSON, int]:
        """Return the value, and its number among the kept values; 0 if it is not kept."""
        args = step.fill(case.scope)
        called = partial(self._called, step, args, row)
        if self._run.repeats and self._run.value_cache is not None:
            called = partial(self._held, step, case, args, row, self._run.value_cache)
        if step.depends is None or self._run.value_cache is None:
            return await called(), 0
        key = key_of(step.call, step.depends.reads, args)
        while key in self._calls:  # called once, so that all rows have the stored value
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
    ) -> tuple[JSON, int]:
        failed: RowError | None = None
        call = self._calls[key] = asyncio.get_running_loop().create_future()
        try:
            found = value_cache.kept(key)
            if (
                found is not None
                and self._digests.agree(depends, found.files)
                and (step.schema is None or not step.schema.errors(found.value))
            ):
                return found.value, found.number  # it fits the current schema
            value, number = await called(), 0
            functions = self._functions
            siblings, older = (functions.siblings(), functions.older()) if functions else ({}, ())
            files = self._digests.made_of(depends, siblings, older)
            if files is not None:
                number = await value_cache.keep(key, CachedValue(value, files))
        except RowError as error:
            failed = _copied(error) if error.code in _CALL_FAILED else None
            raise
        else:
            return value, number
        finally:
            del self._calls[key]
            call.set_result(failed)

    async def _held(
        self, step: PythonStep, case: Case, args: Mapping[str, JSON], row: RowStep, value_cache: ValueCache
    ) -> JSON:
        """Return the value that the row had before it waited, or call the function: it might return another one."""
        place = [row.context.row, step.name, case.item, case.combination, case.sample]
        key = digest({"place": place, "args": dict(args)})
        found = value_cache.held(key)
        if found is not None:
            return found.value
        value = await self._called(step, args, row)
        await value_cache.hold(key, value)
        return value

    async def _called(self, step: PythonStep, args: Mapping[str, JSON], row: RowStep) -> JSON:
        if self._functions is None:
            message = f"`{step.function.name}` is only called in a run"
            raise RowError(message, code=Code.NOT_STORED, hint="start a run to call it")
        row.begin()
        return checked(await self._functions.call(step.function, args, step.timeout, row.check), step.schema)

    async def close(self) -> None:
        """End the workers of the functions, and remove their modules from the interpreter."""
        if self._functions is not None:
            await self._functions.close()


def _copied(error: RowError) -> RowError:
    """Return a copy of an error for another row, which adds its own item to the message."""
    return RowError(error.message, code=error.code, hint=error.hint)


EXECUTOR: Final = PythonExecutor
