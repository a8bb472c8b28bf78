"""Workers that are processes of this machine, so that functions that compute use every core.

Owns which process does which call. A process that dies costs the row whose call it did, and one whose call takes too
long is killed; another process takes its place when a call needs it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from yamlgen.environment import without_credentials
from yamlgen.errors import Code, EnvironmentProblem, RowError, UsageError, YamlgenError, near
from yamlgen.steps.python.call_outcome import timed_out, too_deep
from yamlgen.steps.python.signatures import Function
from yamlgen.steps.python.thread_workers import LOADING, slow_module
from yamlgen.steps.python.worker_output import WorkerOutput
from yamlgen.steps.python.worker_process import WorkerGone, WorkerProcess
from yamlgen.steps.python.workers import NeedsLoop
from yamlgen.system_limits import refusal_of
from yamlgen.value_objects import JSON, SystemicFailure

ALIKE: Final = 20
"""How many calls of a function must lose their workers, and none return, until the run tries rows from elsewhere."""

_STARTING: Final = 300.0
"""Maximum seconds until a process is ready: far more than even a machine that is short of memory needs."""

_KINDS: Final[Mapping[str, type[YamlgenError]]] = {
    "RowError": RowError,
    "UsageError": UsageError,
    "EnvironmentProblem": EnvironmentProblem,
}
_CRASHES: Final = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")


@dataclass
class _Losses:
    """How many calls of a function have lost their workers, as long as none has returned."""

    doubt: SystemicFailure = field(default_factory=SystemicFailure)
    count: int = 0

    def note(self, error: RowError) -> None:
        self.count += 1
        self.doubt.raised |= self.count >= ALIKE * self.doubt.patience
        if self.doubt.raised and not self.doubt.cleared:
            error.doubt = self.doubt


class ProcessWorkers:
    """Calls the author's functions of one run in processes, which are started when a call needs one.

    Args:
        folder: the pipeline's folder, absolute.
        most: the maximum number of processes.
        hidden: the environment variables that they do not get, in addition to those of the SDK.
    """

    def __init__(self, folder: Path, most: int, hidden: Collection[str] = ()) -> None:
        self._folder = folder
        self._hidden = hidden
        self._places = asyncio.Semaphore(most)
        self._idle: list[WorkerProcess] = []
        self._output = WorkerOutput()
        self._losses: dict[Function, _Losses] = {}
        self._loaded: set[tuple[str, str]] = set()
        self._unloadable: dict[tuple[str, str], UsageError] = {}
        self._siblings: dict[str, Path] = {}
        self._states: dict[str, list[int]] = {}
        self._older: frozenset[Path] = frozenset()

    async def call(
        self,
        function: Function,
        source: bytes,
        args: Mapping[str, JSON],
        timeout: float,  # noqa: ASYNC109 - reported as the author's
        check: Callable[[], object] = bool,
    ) -> JSON:
        """Call a function; `Workers` describes it. A coroutine function is left to the run's loop."""
        try:
            given = json.dumps(dict(args)).encode()
        except RecursionError:
            raise too_deep(function.name) from None
        async with self._places:
            check()
            worker = await self._free()
            try:
                await self._load(worker, function, source)
                head, value = await self._asked(worker, function, given, timeout)
            finally:
                if worker.is_idle:
                    self._idle.append(worker)
                else:
                    await worker.end()
        if "loop" in head:
            raise NeedsLoop
        self._raise_in(head)
        made: JSON = json.loads(value)
        return made

    def siblings(self) -> Mapping[str, Path]:
        """Return the modules that workers have imported from the pipeline's folder so far, by name."""
        return self._siblings

    def older(self) -> frozenset[Path]:
        """Return the modules from the pipeline's folder that workers had loaded before their first call."""
        return self._older

    async def close(self) -> None:
        """End all processes; they are idle, because a call that is cancelled ends its own."""
        try:
            await asyncio.gather(*(worker.close() for worker in self._idle))
        finally:
            for worker in self._idle:
                worker.kill()
                worker.release()
            self._idle.clear()
            self._output.close()

    async def _free(self) -> WorkerProcess:
        """Return an idle process, or a new one."""
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                return worker
            await worker.end()
        try:
            outputs = self._output.descriptors()
        except OSError as error:
            raise refusal_of(error) or error from None
        worker = await WorkerProcess.start(self._folder, without_credentials(self._hidden), outputs, _STARTING)
        self._older |= worker.older
        return worker

    async def _load(self, worker: WorkerProcess, function: Function, source: bytes) -> None:
        """Let a process load the module of a function, unless it has."""
        at = str(function.file), function.source
        if at in worker.loaded:
            return
        if at in self._unloadable:
            raise self._unloadable[at].replace()
        try:
            head, _ = await worker.ask({"load": at}, source, LOADING)
            self._raise_in(head)
            self._note_siblings(head)
        except TimeoutError:
            self._refuse(at, slow_module(function.file))
        except UsageError as error:
            self._refuse(at, error)
        except WorkerGone as gone:
            if at in self._loaded:  # in another process, so that it is not the module
                raise self._lost(function, f"{gone} while it loaded the module") from None
            message = f"{near(function.file)} cannot be loaded: the worker process that loaded it {gone}"
            hint = "import the module in a Python of your own to see why"
            self._refuse(at, UsageError(message, code=Code.BAD_MODULE, hint=hint))
        worker.loaded.add(at)
        self._loaded.add(at)

    def _refuse(self, at: tuple[str, str], error: UsageError) -> NoReturn:
        self._unloadable.setdefault(at, error)
        raise error

    async def _asked(
        self, worker: WorkerProcess, function: Function, args: bytes, seconds: float
    ) -> tuple[dict[str, Any], bytes]:
        called = {"call": [str(function.file), function.source, function.name]}
        try:
            head, value = await worker.ask(called, args, seconds)
        except TimeoutError:
            raise timed_out(function.name, seconds) from None
        except WorkerGone as gone:
            raise self._lost(function, str(gone)) from None
        self._losses.setdefault(function, _Losses()).doubt.cleared = True
        self._note_siblings(head)
        return head, value

    def _note_siblings(self, head: Mapping[str, Any]) -> None:
        """Note the modules that a process has imported from the pipeline's folder.

        Raises:
            UsageError: another process has imported one of them in another state: the rows would not be of one kind.
        """
        for name, (path, state) in head.get("siblings", {}).items():
            self._siblings[name] = Path(path)
            if self._states.setdefault(path, state) != state:
                message = f"{near(Path(path))} changed during the run, and a new worker process has loaded it"
                raise UsageError(message, code=Code.BAD_MODULE, hint="start the run again")

    def _lost(self, function: Function, how: str) -> RowError:
        """Return the error of a row whose call has lost its process."""
        hint = "let the function return or raise an exception, and never end its process"
        if "SIGKILL" in how:
            hint = "if the system has run out of memory, lower `runtime.python_workers`"
        elif any(crash in how for crash in _CRASHES):
            hint = (
                "a library that the function uses has crashed: call the function with this row in a Python of your own"
            )
        error = RowError(f"the worker process of `{function.name}` {how}", code=Code.WORKER_LOST, hint=hint)
        self._losses.setdefault(function, _Losses()).note(error)
        return error

    def _raise_in(self, head: Mapping[str, Any]) -> None:
        """Raise the error that an answer contains."""
        if "error" in head:
            kind, code, message, hint = head["error"]
            raise _KINDS[kind](message, code=Code(code), hint=hint)
