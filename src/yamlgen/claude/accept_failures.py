"""The end of a simulated run whose simulator can accept no more connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from yamlgen.errors import EnvironmentProblem
from yamlgen.system_limits import scarcity_of


@asynccontextmanager
async def ended_by_accept_failure() -> AsyncIterator[None]:
    """End the block when a server on this event loop has no file descriptor left for a new connection.

    asyncio reports such a failure to the loop's exception handler only, and tries again forever, while the client of
    that connection waits for an answer. The block is cancelled, as by `asyncio.timeout`.

    Raises:
        EnvironmentProblem: the system has no more open files.
    """
    loop = asyncio.get_running_loop()
    previous = loop.get_exception_handler()
    scarcity: EnvironmentProblem | None = None
    block = asyncio.timeout(None)

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal scarcity
        found = scarcity_of(context.get("exception")) if "socket" in context else None
        if found is None:
            (previous or type(loop).default_exception_handler)(loop, context)
        elif scarcity is None:
            scarcity = found
            block.reschedule(loop.time())

    try:
        async with block:
            loop.set_exception_handler(handle)
            yield
    except TimeoutError:
        if scarcity is None or not block.expired():
            raise
        raise scarcity from None
    finally:
        loop.set_exception_handler(previous)
