"""The switch that ends a run early: no more requests are sent, and those in flight are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Cancelled(Exception):  # noqa: N818 - not an error: the run was asked to stop
    """A request was not sent, because the run is ending."""


class Cancellation:
    """A switch that the engine, the transport and the command line share. It belongs to one event loop.

    `request` ends the run. `close` only stops sending: a run that needs no more requests still completes, and the first
    attempt to send a request ends it.
    """

    def __init__(self) -> None:
        self._requested = False
        self._awake = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self.reason = ""

    @property
    def requested(self) -> bool:
        """Whether the run must end."""
        return self._requested

    @property
    def closed(self) -> bool:
        """Whether sending has stopped."""
        return self._awake.is_set()

    def request(self, reason: str) -> None:
        """End the run. The first reason is the one that is reported."""
        if not self._requested:
            self.reason = self.reason or reason
            self._requested = True
            self._wake()

    def close(self, reason: str) -> None:
        """Stop sending. The next attempt to send a request ends the run."""
        self.reason = self.reason or reason
        self._wake()

    def for_one_run(self) -> Cancellation:
        """Return the switch of one of several runs: ending this one ends it, but its limits do not stop the others."""
        made = Cancellation()

        def pass_on() -> None:
            if self.requested:
                made.request(self.reason)
            elif self.closed:
                made.close(self.reason)

        self.listen(pass_on)
        pass_on()
        return made

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` when sending stops."""
        self._listeners.append(listener)

    def _wake(self) -> None:
        self._awake.set()
        for listener in self._listeners:
            listener()

    def check(self) -> None:
        """Check that the run has not ended.

        Raises:
            Cancelled: the run is ending.
        """
        if self._requested:
            raise Cancelled(self.reason)

    def check_sending(self) -> None:
        """Check that requests may be sent; end the run if they may not.

        Raises:
            Cancelled: sending has stopped.
        """
        if self._awake.is_set():
            self.request(self.reason)
        self.check()

    async def sleep(self, seconds: float) -> None:
        """Sleep before sending a request.

        Raises:
            Cancelled: sending has stopped, before or during the sleep.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            return
        self.check_sending()


async def whole(work: Coroutine[Any, Any, None], hurry: Callable[[], object] = bool) -> None:
    """Await work that must not be interrupted: a cancellation calls `hurry`, and still waits for the end."""
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            hurry()
    task.result()
