"""Workers that are threads of this process; coroutine functions run on its event loop.

Modules are loaded once in each run, calls have a deadline. A function that does not end is abandoned: a thread cannot
be ended from outside.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from yamlgen.deadline import Deadline
from yamlgen.errors import Code, UsageError, near
from yamlgen.steps.config_fields import MOST_CONCURRENCY
from yamlgen.steps.python.author_modules import AuthorModules, function_in
from yamlgen.steps.python.call_outcome import CallOutcome, end_fork, timed_out, too_deep, value_of
from yamlgen.steps.python.daemon_threads import DaemonThreads
from yamlgen.steps.python.signatures import Function
from yamlgen.system_limits import scarcity_of
from yamlgen.value_objects import JSON

LOADING: Final = 300.0
"""Maximum seconds to load a module: imports can be slow, and a call's own timeout does not include them."""


def slow_module(file: Path) -> UsageError:
    """Return the error of a run whose module does not load in time."""
    hint = "move slow work into the function, which is limited by the step's `timeout`"
    return UsageError(f"{near(file)} did not load within {LOADING:g} s", code=Code.BAD_MODULE, hint=hint)


class ThreadWorkers:
    """Calls the author's functions of one run in threads, and coroutine functions on one event loop.

    Args:
        folder: the pipeline's folder, absolute.
        most: the maximum number of coroutines that run at once.
    """

    def __init__(self, folder: Path, most: int = MOST_CONCURRENCY) -> None:
        self._coroutines = asyncio.Semaphore(most)
        self._threads = DaemonThreads()
        self._loader = AuthorModules(folder)
        self._modules: dict[tuple[Path, str], asyncio.Task[ModuleType | UsageError]] = {}

    async def call(
        self,
        function: Function,
        source: bytes,
        args: Mapping[str, JSON],
        timeout: float,  # noqa: ASYNC109 - reported as the author's
        check: Callable[[], object] = bool,
    ) -> JSON:
        """Call a function; `Workers` describes it. It sees the context variables of the caller."""
        target = function_in(await self._module(function, source), function.name, function.file)
        try:
            given = json.loads(json.dumps(dict(args)))
        except RecursionError:
            raise too_deep(function.name) from None
        try:
            ended = await self._ended(partial(target, **given), timeout, check)
        except TimeoutError:
            raise timed_out(function.name, timeout) from None
        return value_of(function.name, ended, self._loader.trace)

    def siblings(self) -> Mapping[str, Path]:
        """Return the modules that the author's modules have imported from the pipeline's folder so far, by name."""
        return self._loader.siblings()

    def older(self) -> frozenset[Path]:
        """Return the modules from the pipeline's folder that the program had loaded before the first call."""
        return self._loader.older

    async def close(self) -> None:
        """Let the threads end, and restore the interpreter's modules and `sys.path`."""
        self._threads.close()
        self._loader.close()

    async def _ended(self, call: Callable[[], Any], seconds: float, check: Callable[[], object]) -> CallOutcome:
        if inspect.iscoroutinefunction(call):
            async with self._coroutines:
                check()
                return await _awaited(call, seconds)
        loop = asyncio.get_running_loop()
        async with self._threads.places:
            check()
            end = loop.time() + seconds
            ended = await self._threads.run(call, seconds)
        if not inspect.isawaitable(ended.value):
            return ended
        awaitable = ended.value
        return await _awaited(lambda: awaitable, end - loop.time())

    async def _module(self, function: Function, source: bytes) -> ModuleType:
        at = function.file, function.source
        if at not in self._modules:
            self._modules[at] = asyncio.ensure_future(self._load(function.file, source))
        module = await asyncio.shield(self._modules[at])
        if isinstance(module, UsageError):
            raise module.replace()
        return module

    async def _load(self, file: Path, source: bytes) -> ModuleType | UsageError:
        """Load a module, or return the error for all calls that wait for it."""
        self._loader.begin()
        try:
            ended = await self._threads.run(partial(self._loader.load, file, source), LOADING)
        except TimeoutError:
            return slow_module(file)
        if (scarcity := scarcity_of(ended.error)) is not None:
            raise scarcity
        if ended.error is None:
            module: ModuleType = ended.value
            return module
        return self._loader.refusal(file, ended.error)


async def _awaited(call: Callable[[], Awaitable[Any]], seconds: float) -> CallOutcome:
    """Await the result of `call` in a separate task, so that it cannot cancel or change ours.

    Raises:
        TimeoutError: it has not ended after `seconds`. It is cancelled, and not awaited.
    """

    async def guarded() -> CallOutcome:
        here = os.getpid()
        try:
            ended = CallOutcome(await call())
        except BaseException as error:  # noqa: BLE001 - a `SystemExit` would end the loop
            ended = CallOutcome(error=error)
        end_fork(here, ended)
        return ended

    task = asyncio.ensure_future(guarded())
    try:
        with suppress(TimeoutError):
            async with Deadline(seconds):
                await asyncio.wait({task})
    finally:
        task.cancel()
    if not task.done():
        raise TimeoutError
    return CallOutcome(error=asyncio.CancelledError()) if task.cancelled() else task.result()
