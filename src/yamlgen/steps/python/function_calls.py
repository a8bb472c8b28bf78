"""Calls of the author's functions in a run: their sources are read once, and workers call them.

Owns which workers call a function. The source that they load is the one that was checked and that kept values depend
on. A module that does not load ends the run, because it would not load for any row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from yamlgen.canonical_json import digest
from yamlgen.errors import Code, UsageError, near
from yamlgen.steps.config_fields import MOST_CONCURRENCY
from yamlgen.steps.python.process_workers import ProcessWorkers
from yamlgen.steps.python.signatures import Function
from yamlgen.steps.python.thread_workers import ThreadWorkers
from yamlgen.steps.python.workers import NeedsLoop, Workers
from yamlgen.value_objects import JSON


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

    Args:
        folder: the pipeline's folder.
        most: the maximum number of coroutines that run at once.
        processes: the number of processes that call functions; 0: threads of this process call them.
        hidden: the environment variables that the processes do not get.
    """

    def __init__(
        self, folder: Path, most: int = MOST_CONCURRENCY, processes: int = 0, hidden: Collection[str] = ()
    ) -> None:
        self._here = ThreadWorkers(folder.absolute(), most)
        self._there: Workers | None = ProcessWorkers(folder.absolute(), processes, hidden) if processes else None
        self._on_loop: set[Function] = set()
        self._sources: dict[tuple[Path, str], bytes | UsageError] = {}

    async def call(
        self,
        function: Function,
        args: Mapping[str, JSON],
        timeout: float,  # noqa: ASYNC109 - reported as the author's
        check: Callable[[], object] = bool,
    ) -> JSON:
        """Call a function and return its value. It receives a copy of the arguments, which it may change.

        A coroutine function runs on this loop; any other function runs in a worker, when one is free. `timeout` counts
        from then, in seconds. `check` is called then, too: if it raises an exception, the function is not called.

        Raises:
            RowError: it raised an exception, took too long, ended its worker, or returned a value that is not a JSON
                value.
            UsageError: its module cannot be loaded, has changed, or has no such function.
            EnvironmentProblem: the system has no more threads, processes or open files, for us or for the function.
        """
        source = self._source(function)
        if self._there is not None and function not in self._on_loop:
            try:
                return await self._there.call(function, source, args, timeout, check)
            except NeedsLoop:
                self._on_loop.add(function)
        return await self._here.call(function, source, args, timeout, check)

    def siblings(self) -> Mapping[str, Path]:
        """Return the modules that the author's modules have imported from the pipeline's folder so far, by name."""
        here = self._here.siblings()
        return here if self._there is None else {**self._there.siblings(), **here}

    def older(self) -> frozenset[Path]:
        """Return the modules from the pipeline's folder that were loaded before the first call."""
        here = self._here.older()
        return here if self._there is None else here | self._there.older()

    async def close(self) -> None:
        """End the workers, and restore the interpreter's modules and `sys.path`."""
        try:
            if self._there is not None:
                await self._there.close()
        finally:
            await self._here.close()

    def _source(self, function: Function) -> bytes:
        """Return the source of a function's module, which is read once in a run.

        Raises:
            UsageError: it cannot be read, or is not the source that was checked.
        """
        at = function.file, function.source
        if at not in self._sources:
            self._sources[at] = _checked_source(function)
        source = self._sources[at]
        if isinstance(source, UsageError):
            raise source.replace()
        return source


def _checked_source(function: Function) -> bytes | UsageError:
    """Return the source of a module, or an error if it is not the source that was checked."""
    shown = near(function.file)
    try:
        source = function.file.read_bytes()
    except OSError as error:
        return UsageError(f"cannot read {shown}: {error.strerror}", code=Code.BAD_MODULE)
    if hashlib.sha256(source).hexdigest() != function.source:
        return UsageError(f"{shown} changed after it was checked", code=Code.BAD_MODULE, hint="start the run again")
    return source
