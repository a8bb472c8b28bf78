"""Work beside the event loop: one piece after the other, each with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from yamlgen.system_limits import in_thread

T = TypeVar("T")

_MOST_LEFT: Final = 4
"""How many pieces of work that exceeded their deadline may still be running when another begins."""


class SerialWorker:
    """Does one piece of work after the other, each in a thread.

    A thread cannot be ended. Work that takes too long is left to itself, and the next piece begins beside it.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._working: set[object] = set()

    async def run(self, work: Callable[[], T], seconds: float) -> T:
        """Return the result of `work`, in a copy of this context.

        Args:
            work: what to do.
            seconds: how long it may take, from the moment it begins.

        Raises:
            TimeoutError: it took longer, or too much work that took longer is still running.
        """
        mine = object()

        def noted() -> T:
            try:
                return work()
            finally:
                self._working.discard(mine)

        async with self._turn:
            if len(self._working) > _MOST_LEFT:
                raise TimeoutError
            self._working.add(mine)
            async with asyncio.timeout(seconds):
                return await in_thread(noted)
