"""The one switch that ends a run early: nothing more is sent, and what is in flight is waited for."""

from __future__ import annotations

import asyncio


class Halted(Exception):  # noqa: N818 - no error: the run was asked to stop
    """What was about to be sent is not sent any more."""


class Halt:
    """A switch that the engine, the transport and the command line share. It belongs to one event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.reason = ""

    @property
    def requested(self) -> bool:
        """Whether the run is to end."""
        return self._event.is_set()

    def request(self, reason: str) -> None:
        """End the run; the first reason stands."""
        if not self.requested:
            self.reason = reason
            self._event.set()

    def check(self) -> None:
        """Go on only if the run does.

        Raises:
            Halted: it does not.
        """
        if self.requested:
            raise Halted(self.reason)

    async def sleep(self, seconds: float) -> None:
        """Sleep, unless the run ends meanwhile.

        Raises:
            Halted: it did.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        raise Halted(self.reason)
