"""The one way from synchronous code into asynchronous code, also where a loop is already running (a notebook)."""

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
    """The same function for synchronous code, in a notebook too: `run` of `arun`, with its signature."""

    @wraps(function)
    def waiting(*arguments: P.args, **named: P.kwargs) -> T:
        return wait_for(function(*arguments, **named))

    waiting.__name__ = waiting.__qualname__ = function.__name__.removeprefix("a")
    waiting.__doc__ = f"{function.__doc__}\n    For synchronous code; `{function.__name__}` is awaited.\n    "
    return waiting


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` to its end and return its result, whether or not this thread runs an event loop.

    Inside a running loop the coroutine gets a loop and a thread of its own, and this thread waits: the outer
    loop stands still meanwhile, as it does for any synchronous call. An interrupt cancels the coroutine, and
    its clean-up is waited for.

    Raises:
        EnvironmentProblem: the system has no thread for it; whatever the coroutine raises besides.
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
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
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
        with suppress(RuntimeError):  # the loop has closed meanwhile: there is nothing to cancel
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        thread.join(timeout=30)
