"""How long the calls of batches wait: between two looks, after failures, and in doubt."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Final, TypeVar

from yamlgen.batches.batch_api import BatchCallFailed
from yamlgen.cancellation import Cancellation
from yamlgen.errors import Code, RunStopped

T = TypeVar("T")

KEPT: Final = timedelta(days=29)
"""How long after its creation the API keeps the results of a batch."""

EARLIER: Final = timedelta(minutes=15)
"""How much earlier than the intent a batch may have been created: the clocks may differ."""

_FIRST: Final = 0.5
_GROWTH: Final = 1.5
_MOST_DELAY: Final = 60.0

_MISSES: Final = 8
"""How often in a row the API may not know a batch that it has created: new batches are not known everywhere at once."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Times in seconds.

    Attributes:
        doubt: how long a batch whose creation is in doubt is looked for, after its body was sent.
        pause: how long the calls may fail in a row before the run ends.
    """

    doubt: float = 180.0
    pause: float = 600.0


class Rests:
    """The pauses of a run: they end early if the run does.

    Args:
        cancellation: the end of the run.
    """

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self._woken = asyncio.Event()
        cancellation.listen(self._woken.set)

    async def rest(self, seconds: float) -> None:
        """Wait.

        Raises:
            Cancelled: the run ends. That requests may no longer be sent does not end the wait.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._cancellation.check()
            try:
                async with asyncio.timeout(left):
                    await self._woken.wait()
            except TimeoutError:
                break
            self._woken.clear()
        self._cancellation.check()


class Backoff:
    """Delays that grow from half a second to a minute."""

    def __init__(self, first: float = _FIRST) -> None:
        self._next = first

    def delay(self, least: float | None = None) -> float:
        """Return the next delay in seconds, at least `least`."""
        delay, self._next = self._next, min(self._next * _GROWTH, _MOST_DELAY)
        return max(least or 0.0, delay * random.uniform(0.8, 1.2))  # noqa: S311 - jitter is no secret


class RepeatedCalls:
    """Repeats a call that may be repeated until it succeeds.

    Args:
        rests: the pauses of the run.
        pause: the seconds after which failing calls end the run.
    """

    def __init__(self, rests: Rests, pause: float) -> None:
        self._rests = rests
        self._pause = pause

    async def make(self, call: Callable[[], Awaitable[T]], misses: int = _MISSES) -> T:
        """Return what the call returns. It is repeated after up to `misses` 404s.

        Raises:
            BatchCallFailed: it failed, and would fail again.
            RunStopped: it failed for too long.
            Cancelled: the run ends.
        """
        backoff, failing = Backoff(), time.monotonic()
        while True:
            began = time.monotonic()
            try:
                return await call()
            except BatchCallFailed as failure:
                if time.monotonic() - began > _MOST_DELAY:  # it worked for a while: results were read
                    failing = time.monotonic()
                is_miss = failure.status == HTTPStatus.NOT_FOUND
                misses -= is_miss
                if not (failure.transient or (is_miss and misses > 0)):
                    raise
                if time.monotonic() - failing > self._pause:
                    raise paused_too_long(failure, self._pause) from failure
                delay = backoff.delay(failure.retry_after)
            await self._rests.rest(delay)


def paused_too_long(failure: BatchCallFailed, pause: float) -> RunStopped:
    """Return the error of a run whose calls fail for too long."""
    message = f"calls of the batch endpoints have failed for {pause:g} s: {failure.error.message}"
    hint = "run again to continue: no batch is lost; `limits.max_pause` sets how long a run waits"
    return RunStopped(message, code=Code.PAUSED_TOO_LONG, hint=hint)
