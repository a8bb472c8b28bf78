"""Runs async code from synchronous code, even if an event loop is already running, as in a notebook."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from yamlgen.errors import YamlgenError
from yamlgen.system_limits import start

P = ParamSpec("P")
T = TypeVar("T")


def synchronous(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make the synchronous version of an async function, such as `run` from `arun`, with the same signature."""

    @wraps(function)
    def waiting(*arguments: P.args, **named: P.kwargs) -> T:
        return wait_for(function(*arguments, **named))

    waiting.__name__ = waiting.__qualname__ = function.__name__.removeprefix("a")
    waiting.__doc__ = f"{function.__doc__}\n    The async version is `{function.__name__}`.\n    "
    return waiting


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` and return its result, whether or not this thread runs an event loop.

    If this thread runs a loop, the coroutine runs in a loop of its own in a new thread. The outer loop is blocked
    meanwhile, as by any synchronous call. An interrupt cancels the coroutine and waits for its clean-up.

    Raises:
        EnvironmentProblem: no thread can be started; in addition, whatever the coroutine raises.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)

    result: Future[T] = Future()
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = Future()

    async def main() -> T:
        task = asyncio.ensure_future(coroutine)
        ready.set_result((asyncio.get_running_loop(), task))
        return await task

    def work() -> None:
        try:
            result.set_result(asyncio.run(main()))
        except BaseException as error:  # noqa: BLE001 - raised in the waiting thread
            result.set_exception(error)

    context = contextvars.copy_context()
    try:
        thread = start(partial(context.run, work), "yamlgen")
    except YamlgenError:
        coroutine.close()
        raise
    try:
        return result.result()
    except KeyboardInterrupt:
        loop, task = ready.result(timeout=5)
        with suppress(RuntimeError):  # the loop has closed: there is nothing to cancel
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        thread.join(timeout=30)
