"""The one switch that ends a run early: nothing more is sent, and what is in flight is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Cancelled(Exception):  # noqa: N818 - no error: the run was asked to stop
    """What was about to be sent is not sent any more."""


class Cancellation:
    """A switch that the engine, the transport and the command line share. It belongs to one event loop.

    A run is ended by `request`; `close` stops the sending alone, so that a run which needs nothing more to be sent
    still comes to its end, and the first that would send ends it.
    """

    def __init__(self) -> None:
        self._requested = False
        self._awake = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self.reason = ""

    @property
    def requested(self) -> bool:
        """Whether the run is to end."""
        return self._requested

    @property
    def closed(self) -> bool:
        """Whether nothing is sent any more."""
        return self._awake.is_set()

    def request(self, reason: str) -> None:
        """End the run; the first reason stands."""
        if not self._requested:
            self.reason = self.reason or reason
            self._requested = True
            self._wake()

    def close(self, reason: str) -> None:
        """Send nothing more; whoever wants to ends the run."""
        self.reason = self.reason or reason
        self._wake()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` once nothing is sent any more."""
        self._listeners.append(listener)

    def _wake(self) -> None:
        self._awake.set()
        for listener in self._listeners:
            listener()

    def check(self) -> None:
        """Go on only if the run does.

        Raises:
            Cancelled: it does not.
        """
        if self._requested:
            raise Cancelled(self.reason)

    def check_sending(self) -> None:
        """Send only if the run still does.

        Raises:
            Cancelled: it does not, and now it ends.
        """
        if self._awake.is_set():
            self.request(self.reason)
        self.check()

    async def sleep(self, seconds: float) -> None:
        """Sleep before sending, unless nothing is sent any more.

        Raises:
            Cancelled: so it is.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            return
        self.check_sending()
