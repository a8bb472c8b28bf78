"""The one way from synchronous code into asynchronous code, also where a loop is already running (a notebook)."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from yamlgen.errors import YamlgenError
from yamlgen.system_limits import start

T = TypeVar("T")


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
