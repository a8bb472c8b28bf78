"""What the system has no more of, such as threads and open files, and what else it refuses.

That is the environment's, wherever it shows, and no row's.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final, TypeVar

from yamlgen.environment import naming
from yamlgen.errors import Code, EnvironmentProblem, near

T = TypeVar("T")

_NO_THREAD: Final = "can't start new thread"
"""All that CPython says, in an exception of any other kind of error."""


def scarcity_of(error: BaseException | None) -> EnvironmentProblem | None:
    """The error of ours where a foreign one, or what it came of, says that the system has no more of something."""
    while error is not None:
        if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
            hint = "`ulimit -u` tells how many all processes of a user may have; end some, or raise it"
            return EnvironmentProblem("the system gives this process no more threads", code=Code.SCARCE, hint=hint)
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            hint = "`ulimit -n` tells how many a process may have; raise it, or lower `runtime.concurrency`"
            return EnvironmentProblem("the system gives this process no more open files", code=Code.SCARCE, hint=hint)
        error = error.__cause__ or error.__context__
    return None


def refusal_of(error: BaseException) -> EnvironmentProblem | None:
    """The error of ours for one of the system's that foreign code passed on, such as a library as it is loaded."""
    if not isinstance(error, OSError):
        return scarcity_of(error)
    name = error.filename if isinstance(error.filename, str) else None
    if error.errno == errno.ENOENT and name is None and not _stands():
        message, hint = "the folder in which this process was started is gone", "go to another one: `cd`"
        return EnvironmentProblem(message, code=Code.DISK, hint=hint)
    message = f"{'the system refuses' if name is None else f'cannot use {near(Path(name))}'}: {error.strerror or error}"
    variable = None if name is None else naming(name)
    hint = f"the variable {variable} of the environment names it: unset it, or name another"
    hint = hint if variable else "mend that, and call again"
    return scarcity_of(error) or EnvironmentProblem(message, code=Code.DISK, hint=hint)


def _stands() -> bool:
    """Whether there is a working directory."""
    try:
        return bool(Path.cwd())
    except FileNotFoundError:
        return False


def start(work: Callable[[], object], name: str) -> threading.Thread:
    """Start a thread that the interpreter does not wait for.

    Raises:
        EnvironmentProblem: the system has no more.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise scarcity_of(error) or error from None
    return thread


async def in_thread(work: Callable[[], T]) -> T:
    """Do `work` in a thread of its own, in a copy of this context; cancelled, it goes on alone.

    Raises:
        EnvironmentProblem: the system has no more threads.
    """
    result: Future[T] = Future()
    context = contextvars.copy_context()

    def call() -> None:
        try:
            result.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            result.set_exception(error)

    start(call, "yamlgen work")
    return await asyncio.wrap_future(result)
