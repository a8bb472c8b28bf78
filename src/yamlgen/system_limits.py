"""Errors of the operating system: no more threads or open files, and other refusals.

They are problems of the environment, never failures of a row, wherever they occur.
"""

from __future__ import annotations

import contextvars
import errno
import math
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from yamlgen.environment import naming
from yamlgen.errors import Code, EnvironmentProblem, near

T = TypeVar("T")

_CPU_QUOTAS: Final = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))
"""The files with the quota of a container and its period, of control groups 2 and 1."""

_NO_THREAD: Final = "can't start new thread"
"""The message with which CPython's otherwise generic `RuntimeError` reports it."""


def scarcity_of(error: BaseException | None) -> EnvironmentProblem | None:
    """Return the error to report if an exception, or one of its causes, means that a system limit is reached."""
    while error is not None:
        if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
            hint = "end some processes, or raise the limit: `ulimit -u` shows how many threads a user may have"
            return EnvironmentProblem("the system's limit on threads is reached", code=Code.SCARCE, hint=hint)
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            hint = "raise the limit (`ulimit -n` shows it), or lower `runtime.concurrency`"
            return EnvironmentProblem("the system's limit on open files is reached", code=Code.SCARCE, hint=hint)
        error = error.__cause__ or error.__context__
    return None


def refusal_of(error: BaseException) -> EnvironmentProblem | None:
    """Return the error to report for a system error raised by third-party code, such as a library during import."""
    if not isinstance(error, OSError):
        return scarcity_of(error)
    name = error.filename if isinstance(error.filename, str) else None
    if error.errno == errno.ENOENT and name is None and not _has_working_directory():
        message, hint = "the working directory no longer exists", "change to another folder with `cd`"
        return EnvironmentProblem(message, code=Code.DISK, hint=hint)
    place = "the system reports an error" if name is None else f"cannot use {near(Path(name))}"
    message = f"{place}: {error.strerror or error}"
    variable = None if name is None else naming(name)
    hint = f"unset the environment variable {variable}, which contains this path, or set it to another path"
    hint = hint if variable else "fix this, and try again"
    return scarcity_of(error) or EnvironmentProblem(message, code=Code.DISK, hint=hint)


def _has_working_directory() -> bool:
    """Return whether the working directory exists."""
    try:
        return bool(Path.cwd())
    except FileNotFoundError:
        return False


def usable_cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the number of cores that this process may use: those that it may run on, or fewer if its container does.

    Args:
        groups: where the system tells the limits of the container.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for files in _CPU_QUOTAS:
        with suppress(OSError, ValueError):  # there is no such file, or no limit
            quota, period = map(int, " ".join((groups / file).read_text() for file in files).split())
            cores = min(cores, math.ceil(quota / period)) if quota > 0 else cores
    return max(1, cores)


def start(work: Callable[[], object], name: str, *, daemon: bool = True) -> threading.Thread:
    """Start a thread; the process ends without waiting for a daemon.

    Raises:
        EnvironmentProblem: the system's limit on threads is reached.
    """
    thread = threading.Thread(target=work, name=name, daemon=daemon)
    try:
        thread.start()
    except RuntimeError as error:
        raise scarcity_of(error) or error from None
    return thread


async def in_thread(work: Callable[[], T]) -> T:
    """Run `work` in a new thread, in a copy of this context. If the caller is cancelled, the work still continues.

    Raises:
        EnvironmentProblem: the system's limit on threads is reached.
    """
    import asyncio  # noqa: PLC0415 - a worker of Python functions starts faster without it
    from concurrent.futures import Future  # noqa: PLC0415 - the same

    result: Future[T] = Future()
    result.set_running_or_notify_cancel()  # a cancelled one would refuse the result
    context = contextvars.copy_context()

    def call() -> None:
        try:
            result.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 - raised in the caller
            result.set_exception(error)

    start(call, "yamlgen work")
    return await asyncio.wrap_future(result)
