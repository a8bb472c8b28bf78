"""A deadline that does not lose data that arrived in time: if its timer is late, the loop reads before it cancels.

After an event loop was blocked, by a slow template or a stopped process, its timers are overdue and its sockets have
data. A timer that cancelled at once would discard billed answers that arrived in time.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

_LATE: Final = 0.02
"""A timer is late if it fires more than this many seconds after its time: the loop was blocked, and read nothing."""

_TURNS: Final = 50
_PAUSE: Final = 0.01
"""After a late timer: the number of turns that the loop gets to read, and the seconds between them."""


class Deadline:
    """Cancels its block after some seconds, and raises `TimeoutError` instead.

    Args:
        seconds: the time allowed, from entering the block or from the last `renew`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout = asyncio.timeout(None)
        self._turns = _TURNS

    async def __aenter__(self) -> Self:
        """Start the timer."""
        self._loop = asyncio.get_running_loop()
        await self._timeout.__aenter__()
        self._timer: asyncio.TimerHandle | None = None
        self.renew(self._seconds)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the timer.

        Raises:
            TimeoutError: the time was over.
        """
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def renew(self, seconds: float) -> None:
        """Restart the timer from now. Cheap enough to be called for each event of a stream."""
        self._due, self._turns = self._loop.time() + seconds, _TURNS
        if self._timer is None or self._timer.when() > self._due:
            self._wake_at(self._due)

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        now = self._loop.time()
        if now < self._due:  # the timer was renewed
            self._wake_at(self._due)
        elif self._turns and (self._turns < _TURNS or now - self._due > _LATE):
            self._turns -= 1
            self._wake_at(now + _PAUSE)
        else:
            self._timeout.reschedule(now)
