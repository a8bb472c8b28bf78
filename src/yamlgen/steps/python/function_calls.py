"""The author's own functions, called: their modules loaded once a run, each call with a deadline, each value checked.

Owns the border to code that is not ours. Whatever a function does costs its own row at most: what it raises is told
with the last line of the author's that it came from, what it returns is copied into plain JSON values. A module that
does not load ends the run, because it would not load for any row. What is loaded is the very source that was checked
and that results are kept under.
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
"""Seconds that a module may take to load: some import much, and a call's own timeout says nothing of that."""

_NUMBERS: Final = itertools.count(1)
_PREFIX: Final = "_yamlgen_"
"""Of the names under which the modules of the functions themselves are loaded."""


def key_of(call: str, reads: Sequence[str], args: Mapping[str, JSON]) -> bytes:
    """What a function's result is kept under: where the function stands, what it reads besides, and the arguments.

    Args:
        call: `module:function`, where the module's name is its path.
        reads: the files that the step lists.
        args: the arguments.
    """
    return digest({"call": call, "reads": sorted(reads), "args": dict(args)})


class FunctionCaller:
    """Calls the authors' functions of one run, on one event loop. To be closed.

    From the first call on until the end the pipeline's folder is the last entry of `sys.path`, so that a module finds
    its siblings; what was imported from there is forgotten then, so that the next run sees it as it is by then.

    Args:
        folder: the pipeline's folder.
        most: how many coroutines may run at once.
    """

    def __init__(self, folder: Path, most: int = MOST_CONCURRENCY) -> None:
        self._coroutines = asyncio.Semaphore(most)
        self._entry = str(folder.absolute())
        self._trace = TracebackFormatter(folder.absolute())
        self._threads = DaemonThreads()
        self._modules: dict[tuple[Path, str], asyncio.Task[ModuleType | UsageError]] = {}
        self._before: frozenset[str] | None = None  # the modules that were there before ours
        self._older: frozenset[Path] = frozenset()

    async def call(self, function: Function, args: Mapping[str, JSON], timeout: float) -> JSON:  # noqa: ASYNC109 - told as the author's own
        """The value of a function for arguments, which it may change: they are its own copy.

        A coroutine function runs on this loop, any other in a thread, when one of a few is free; `timeout` counts from
        there, in seconds.

        Raises:
            RowError: it raised something, took too long, or returned what is no JSON value.
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
            raise RowError(message, code=Code.CALL_TIMEOUT, hint="`timeout:` of the step allows more") from None
        if ended.error is not None:
            if (scarcity := scarcity_of(ended.error)) is not None:
                raise scarcity
            message = f"`{name}` raised {self._trace.told(ended.error)}"
            hint = "mend the function, or keep such rows from it by `when`"
            raise RowError(message, code=Code.CALL_FAILED, hint=hint)
        return json_value(name, ended.value)

    def siblings(self) -> dict[str, Path]:
        """The modules that the author's have imported from the pipeline's folder until now, by name."""
        own = {name: module for name, module in self._loaded().items() if not name.startswith(_PREFIX)}
        return {name: Path(module.__file__) for name, module in own.items() if module.__file__}

    def older(self) -> frozenset[Path]:
        """The modules from the pipeline's folder that the program had before the first call."""
        return self._older

    def _loaded(self) -> dict[str, ModuleType]:
        """The modules that this run has loaded from the pipeline's folder."""
        return self._theirs(sys.modules.keys() - self._before) if self._before is not None else {}

    def _theirs(self, names: Iterable[str]) -> dict[str, ModuleType]:
        """The modules from the pipeline's folder; a folder that is a package has no file."""
        found: dict[str, ModuleType] = {}
        for name in names:
            module = sys.modules.get(name)
            about = module.__dict__ if isinstance(module, ModuleType) else {}
            places = [about["__file__"]] if about.get("__file__") else list(about.get("__path__", ()))
            if isinstance(module, ModuleType) and any(isinstance(p, str) and self._trace.is_theirs(p) for p in places):
                found[name] = module
        return found

    def close(self) -> None:
        """Let the threads end, and leave the interpreter's modules as they were."""
        self._threads.close()
        if self._before is None:
            return
        for name in self._loaded():
            del sys.modules[name]
        for at in reversed(range(len(sys.path))):
            if sys.path[at] is self._entry:  # an equal one is somebody else's
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
        """The module of a function, or why there is none: all who wait for it are told."""
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
            hint = "what takes long belongs into the function, which has the step's `timeout:`"
            return UsageError(f"{shown} has not loaded in {LOADING:g} s", code=Code.BAD_MODULE, hint=hint)
        if (scarcity := scarcity_of(ended.error)) is not None:
            raise scarcity
        if ended.error is None:
            module: ModuleType = ended.value
            return module
        hint = f"see the whole traceback with `python {shown}`"
        if isinstance(ended.error, ImportError):
            hint = "install it where yamlgen is installed, or save it beside the pipeline"
        elif isinstance(ended.error, SystemExit):
            hint = 'put what a script does under `if __name__ == "__main__":`'
        message = f"{shown} cannot be loaded: {self._trace.told(ended.error)}"
        return UsageError(message, code=Code.BAD_MODULE, hint=hint)


def _source(function: Function) -> bytes | UsageError:
    """The source of a module, if it is the one that was checked."""
    shown = near(function.file)
    try:
        source = function.file.read_bytes()
    except OSError as error:
        return UsageError(f"cannot read {shown}: {error.strerror}", code=Code.BAD_MODULE)
    if hashlib.sha256(source).hexdigest() != function.source:
        return UsageError(f"{shown} changed after it was checked", code=Code.BAD_MODULE, hint="run again")
    return source


class _SourceLoader(SourceFileLoader):
    """Loads a source that was read before, and leaves no compiled file behind."""

    def __init__(self, name: str, file: Path, source: bytes) -> None:
        super().__init__(name, str(file))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - importlib's signature
        return compile(self._source, self.path, "exec", dont_inherit=True)


def _execute(file: Path, source: bytes) -> ModuleType:
    """Load a module under a name that no import can mean, and none that is imported has."""
    name = f"{_PREFIX}{next(_NUMBERS)}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file, loader=_SourceLoader(name, file, source))
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} has no loader")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there
    spec.loader.exec_module(module)
    return module


async def _awaited(call: Callable[[], Awaitable[Any]], seconds: float) -> CallOutcome:
    """Await what `call` gives, in a task of its own: what it does to its task is not done to ours.

    Raises:
        TimeoutError: it has not ended after `seconds`; it is cancelled, and not waited for.
    """

    async def guarded() -> CallOutcome:
        here = os.getpid()
        try:
            ended = CallOutcome(await call())
        except BaseException as error:  # noqa: BLE001 - a loop would end with a `SystemExit`
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
