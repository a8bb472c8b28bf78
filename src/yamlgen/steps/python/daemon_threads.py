"""Daemon threads for third-party functions: created when needed, reused, and abandoned when they hang.

An executor of the standard library waits for its threads when the interpreter exits, so a function that never returns
would block the exit forever. It also never frees the worker of such a function.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

from yamlgen.deadline import Deadline
from yamlgen.steps.python.call_outcome import CallOutcome, end_fork
from yamlgen.system_limits import start

MOST: Final = min(32, (os.cpu_count() or 1) + 4)
"""The maximum number of functions that run at once: the default of the standard library's executor."""


@dataclass(slots=True)
class _ThreadCall:
    work: Callable[[], Any]
    context: contextvars.Context
    future: asyncio.Future[CallOutcome]
    given_up: bool = False

    def do(self) -> CallOutcome:
        here = os.getpid()
        try:
            ended = CallOutcome(self.context.run(self.work))
        except BaseException as error:  # noqa: BLE001 - the caller handles a `SystemExit`, which must not end a thread
            ended = CallOutcome(error=error)
        end_fork(here, ended)
        return ended


class DaemonThreads:
    """The threads of one event loop.

    Attributes:
        places: a semaphore that callers of `run` hold, so that at most `MOST` calls run at once, not counting those
            that were abandoned.
    """

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(MOST)
        self._jobs: SimpleQueue[_ThreadCall | None] = SimpleQueue()
        self._idle = 0

    async def run(self, work: Callable[[], Any], seconds: float) -> CallOutcome:
        """Call `work` in a thread, in a copy of this context.

        Raises:
            TimeoutError: the call has not ended after `seconds`. It continues, and its thread ends with it.
            EnvironmentProblem: the system has no more threads.
        """
        job = _ThreadCall(work, contextvars.copy_context(), asyncio.get_running_loop().create_future())
        if self._idle:
            self._idle -= 1
        else:
            start(self._work, "yamlgen function")
        self._jobs.put(job)
        try:
            with suppress(TimeoutError):
                async with Deadline(seconds):
                    await asyncio.wait({job.future})
        finally:
            if job.future.done():
                self._idle += 1
            else:
                job.given_up = True
        if not job.future.done():
            raise TimeoutError
        return job.future.result()

    def close(self) -> None:
        """End the idle threads; the others end when their calls end."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            ended = job.do()
            with suppress(RuntimeError):  # the loop is closed if the run was cancelled
                job.future.get_loop().call_soon_threadsafe(_settle, job.future, ended)
            if job.given_up:
                return
            del job, ended  # so that an idle thread keeps no values alive
        self._jobs.put(None)  # for the next thread


def _settle(future: asyncio.Future[CallOutcome], ended: CallOutcome) -> None:
    if not future.done():
        future.set_result(ended)
