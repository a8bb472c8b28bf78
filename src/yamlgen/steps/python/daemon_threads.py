"""Daemon threads for functions that are not ours: made when needed, used again, given up when they hang.

An executor of the standard library waits for its threads when the interpreter ends, so that one function that never
returns would keep the program for ever; and it gives the place of such a function to nobody else.
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
from yamlgen.system_limits import start

MOST: Final = min(32, (os.cpu_count() or 1) + 4)
"""How many functions run at once: as many as an executor of the standard library would."""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call of a function that is not ours ended: its value, or what it raised, whatever that was."""

    value: Any = None
    error: BaseException | None = None


def end_fork(parent: int, ended: CallOutcome) -> None:
    """End this process if it is a child of `parent`, forked by a function that has now come back in both.

    The child has the run's sockets and its store, which is to be neither used nor closed by another process than the
    one that opened it.
    """
    if os.getpid() != parent:
        os._exit(ended.error is not None)


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
        except BaseException as error:  # noqa: BLE001 - a `SystemExit` is the caller's to judge, and must not end a thread
            ended = CallOutcome(error=error)
        end_fork(here, ended)
        return ended


class DaemonThreads:
    """Threads of one event loop.

    Attributes:
        places: whoever calls `run` holds one, so that there are `MOST` calls at once, those that were given up aside.
    """

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(MOST)
        self._jobs: SimpleQueue[_ThreadCall | None] = SimpleQueue()
        self._idle = 0

    async def run(self, work: Callable[[], Any], seconds: float) -> CallOutcome:
        """Call `work` in a thread, in a copy of this context.

        Raises:
            TimeoutError: it has not ended after `seconds`. It goes on alone, and its thread ends with it.
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
        """End the threads that are idle; the others end with what they do."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            ended = job.do()
            with suppress(RuntimeError):  # the loop is gone when the run was cancelled
                job.future.get_loop().call_soon_threadsafe(_settle, job.future, ended)
            if job.given_up:
                return
            del job, ended  # an idle thread holds on to nothing
        self._jobs.put(None)  # for the next one


def _settle(future: asyncio.Future[CallOutcome], ended: CallOutcome) -> None:
    if not future.done():
        future.set_result(ended)
