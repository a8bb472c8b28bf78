"""A deadline that takes what has come: one that rings late lets the loop read first, and only then cancels.

A loop that stood still, for a slow template or a stopped process, finds its timers overdue and its sockets full at the
same moment. A timer that cancelled at once would throw away answers that were there in time, and paid for.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

_LATE: Final = 0.02
"""Seconds after its time from which on a deadline has rung late: the loop stood still, so nothing was read."""

_TURNS: Final = 50
_PAUSE: Final = 0.01
"""How many turns the loop has then, and the seconds between them; one that takes longer is a turn all the same."""


class Deadline:
    """Cancels what is awaited inside it once its seconds are over, and raises `TimeoutError` in its place.

    Args:
        seconds: how long it may take, from entering or from the last `renew`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout = asyncio.timeout(None)
        self._turns = _TURNS

    async def __aenter__(self) -> Self:
        """Begin to count."""
        self._loop = asyncio.get_running_loop()
        await self._timeout.__aenter__()
        self._timer: asyncio.TimerHandle | None = None
        self.renew(self._seconds)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Count no more.

        Raises:
            TimeoutError: it was over.
        """
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def renew(self, seconds: float) -> None:
        """Count anew, from now on; cheap enough for each event of a stream."""
        self._due, self._turns = self._loop.time() + seconds, _TURNS
        if self._timer is None or self._timer.when() > self._due:
            self._wake_at(self._due)

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        now = self._loop.time()
        if now < self._due:  # it was renewed meanwhile
            self._wake_at(self._due)
        elif self._turns and (self._turns < _TURNS or now - self._due > _LATE):
            self._turns -= 1
            self._wake_at(now + _PAUSE)
        else:
            self._timeout.reschedule(now)
