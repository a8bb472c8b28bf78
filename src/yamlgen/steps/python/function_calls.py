"""Calls of the author's functions: modules are loaded once in each run, calls have a deadline, values are checked.

Owns the border to third-party code. Whatever a function does, only its own row can fail. Its exception is reported with
the last line of the author's code that it came from, and its value is copied into plain JSON values. A module that does
not load ends the run, because it would not load for any row. The loaded source is the one that was checked and that
kept values depend on.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.util
import inspect
import itertools
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from yamlgen.canonical_json import digest
from yamlgen.deadline import Deadline
from yamlgen.errors import Code, RowError, UsageError, near
from yamlgen.steps.config_fields import MOST_CONCURRENCY
from yamlgen.steps.python.daemon_threads import CallOutcome, DaemonThreads, end_fork
from yamlgen.steps.python.python_values import json_value
from yamlgen.steps.python.signatures import Function
from yamlgen.steps.python.tracebacks import TracebackFormatter
from yamlgen.suggestions import suggestion
from yamlgen.system_limits import scarcity_of
from yamlgen.value_objects import JSON

LOADING: Final = 300.0
"""Maximum seconds to load a module: imports can be slow, and a call's own timeout does not include them."""

_NUMBERS: Final = itertools.count(1)
_PREFIX: Final = "_yamlgen_"
"""The prefix of the names under which the modules of the functions are loaded."""


def key_of(call: str, reads: Sequence[str], args: Mapping[str, JSON]) -> bytes:
    """Return the key of a kept value: the function's location, the files that it reads, and the arguments.

    Args:
        call: `module:function`; the module's name is its path.
        reads: the files that the step lists.
        args: the arguments.
    """
    return digest({"call": call, "reads": sorted(reads), "args": dict(args)})


class FunctionCaller:
    """Calls the author's functions of one run, on one event loop. It must be closed.

    From the first call until it is closed, the pipeline's folder is the last entry of `sys.path`, so that a module can
    import other modules from it. On closing, these modules are removed, so that the next run loads their current files.

    Args:
        folder: the pipeline's folder.
        most: the maximum number of coroutines that run at once.
    """

    def __init__(self, folder: Path, most: int = MOST_CONCURRENCY) -> None:
        self._coroutines = asyncio.Semaphore(most)
        self._entry = str(folder.absolute())
        self._trace = TracebackFormatter(folder.absolute())
        self._threads = DaemonThreads()
        self._modules: dict[tuple[Path, str], asyncio.Task[ModuleType | UsageError]] = {}
        self._before: frozenset[str] | None = None  # the modules that were loaded before ours
        self._older: frozenset[Path] = frozenset()

    async def call(self, function: Function, args: Mapping[str, JSON], timeout: float) -> JSON:  # noqa: ASYNC109 - reported as the author's
        """Call a function and return its value. It receives a copy of the arguments, which it may change.

        A coroutine function runs on this loop; any other function runs in a thread, when one is free. `timeout` counts
        from then, in seconds.

        Raises:
            RowError: it raised an exception, took too long, or returned a value that is not a JSON value.
            UsageError: its module cannot be loaded, has changed, or has no such function.
            EnvironmentProblem: the system has no more threads or open files, for us or for the function.
        """
        name = function.name
        target = await self._target(function)
        try:
            given = json.loads(json.dumps(dict(args)))
        except RecursionError:
            raise RowError(f"an argument of `{name}` is nested too deeply", code=Code.INVALID_VALUE) from None
        try:
            ended = await self._ended(partial(target, **given), timeout)
        except TimeoutError:
            message = f"`{name}` took longer than {timeout:g} s"
            raise RowError(message, code=Code.CALL_TIMEOUT, hint="raise `timeout` of the step") from None
        if ended.error is not None:
            if (scarcity := scarcity_of(ended.error)) is not None:
                raise scarcity
            message = f"`{name}` raised {self._trace.told(ended.error)}"
            hint = "fix the function, or skip such rows with `when`"
            raise RowError(message, code=Code.CALL_FAILED, hint=hint)
        return json_value(name, ended.value)

    def siblings(self) -> dict[str, Path]:
        """Return the modules that the author's modules have imported from the pipeline's folder so far, by name."""
        own = {name: module for name, module in self._loaded().items() if not name.startswith(_PREFIX)}
        return {name: Path(module.__file__) for name, module in own.items() if module.__file__}

    def older(self) -> frozenset[Path]:
        """Return the modules from the pipeline's folder that the program had loaded before the first call."""
        return self._older

    def _loaded(self) -> dict[str, ModuleType]:
        """Return the modules that this run has loaded from the pipeline's folder."""
        return self._theirs(sys.modules.keys() - self._before) if self._before is not None else {}

    def _theirs(self, names: Iterable[str]) -> dict[str, ModuleType]:
        """Return the modules that are from the pipeline's folder; a package without `__init__.py` has no file."""
        found: dict[str, ModuleType] = {}
        for name in names:
            module = sys.modules.get(name)
            about = module.__dict__ if isinstance(module, ModuleType) else {}
            places = [about["__file__"]] if about.get("__file__") else list(about.get("__path__", ()))
            if isinstance(module, ModuleType) and any(isinstance(p, str) and self._trace.is_theirs(p) for p in places):
                found[name] = module
        return found

    def close(self) -> None:
        """Let the threads end, and restore the interpreter's modules and `sys.path`."""
        self._threads.close()
        if self._before is None:
            return
        for name in self._loaded():
            del sys.modules[name]
        for at in reversed(range(len(sys.path))):
            if sys.path[at] is self._entry:  # an equal entry is not ours
                del sys.path[at]
                break
        self._before = None

    async def _ended(self, call: Callable[[], Any], seconds: float) -> CallOutcome:
        if inspect.iscoroutinefunction(call):
            async with self._coroutines:
                return await _awaited(call, seconds)
        loop = asyncio.get_running_loop()
        async with self._threads.places:
            end = loop.time() + seconds
            ended = await self._threads.run(call, seconds)
        if not inspect.isawaitable(ended.value):
            return ended
        awaitable = ended.value
        return await _awaited(lambda: awaitable, end - loop.time())

    async def _target(self, function: Function) -> Callable[..., Any]:
        at = function.file, function.source
        if at not in self._modules:
            self._modules[at] = asyncio.ensure_future(self._load(function))
        module = await asyncio.shield(self._modules[at])
        if isinstance(module, UsageError):
            raise UsageError(module.message, code=module.code, hint=module.hint)
        target = getattr(module, function.name, None)
        if callable(target):
            found: Callable[..., Any] = target
            return found
        known = [name for name, value in vars(module).items() if inspect.isroutine(value)]
        message = f"{near(function.file)} has no function `{function.name}`"
        hint = suggestion(function.name, known, "functions there")
        raise UsageError(message, code=Code.UNKNOWN_FUNCTION, hint=hint)

    async def _load(self, function: Function) -> ModuleType | UsageError:
        """Load the module of a function, or return the error for all calls that wait for it."""
        shown = near(function.file)
        source = _source(function)
        if isinstance(source, UsageError):
            return source
        if self._before is None:
            self._before = frozenset(sys.modules)
            older = self._theirs(self._before).values()
            self._older = frozenset(Path(module.__file__) for module in older if module.__file__)
            sys.path.append(self._entry)
            importlib.invalidate_caches()
        try:
            ended = await self._threads.run(partial(_execute, function.file, source), LOADING)
        except TimeoutError:
            hint = "move slow work into the function, which is limited by the step's `timeout`"
            return UsageError(f"{shown} did not load within {LOADING:g} s", code=Code.BAD_MODULE, hint=hint)
        if (scarcity := scarcity_of(ended.error)) is not None:
            raise scarcity
        if ended.error is None:
            module: ModuleType = ended.value
            return module
        hint = f"run `python {shown}` to see the whole traceback"
        if isinstance(ended.error, ImportError):
            hint = "install it in the environment of yamlgen, or save it in the pipeline's folder"
        elif isinstance(ended.error, SystemExit):
            hint = 'put the code of a script under `if __name__ == "__main__":`'
        message = f"{shown} cannot be loaded: {self._trace.told(ended.error)}"
        return UsageError(message, code=Code.BAD_MODULE, hint=hint)


def _source(function: Function) -> bytes | UsageError:
    """Return the source of a module, or an error if it is not the source that was checked."""
    shown = near(function.file)
    try:
        source = function.file.read_bytes()
    except OSError as error:
        return UsageError(f"cannot read {shown}: {error.strerror}", code=Code.BAD_MODULE)
    if hashlib.sha256(source).hexdigest() != function.source:
        return UsageError(f"{shown} changed after it was checked", code=Code.BAD_MODULE, hint="start the run again")
    return source


class _SourceLoader(SourceFileLoader):
    """Loads a source that was already read, and writes no compiled file."""

    def __init__(self, name: str, file: Path, source: bytes) -> None:
        super().__init__(name, str(file))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - importlib's signature
        return compile(self._source, self.path, "exec", dont_inherit=True)


def _execute(file: Path, source: bytes) -> ModuleType:
    """Load a module under a unique name that no import statement uses."""
    name = f"{_PREFIX}{next(_NUMBERS)}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file, loader=_SourceLoader(name, file, source))
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} has no loader")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there
    spec.loader.exec_module(module)
    return module


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
