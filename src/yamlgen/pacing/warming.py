"""Which requests wait until another one has written the part that they share to the API's prompt cache.

Requests that are sent together would all write it, each at the price of writing. So the first is sent alone, and the
others follow once it is answered: then they read it. Owns which parts are warm. It knows a bounded number of them,
however many a run has.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from yamlgen.cancellation import Cancellation

SETTLING: Final = 2.0
"""Seconds from an answer until other requests certainly read what its request has written."""

MOST_WAIT: Final = 30.0
"""The maximum number of seconds that the others wait, from the time when the first request is sent."""

MOST_PARTS: Final = 10_000
"""The maximum number of warm parts that are known. A forgotten part is warmed again."""


class SharedPart(NamedTuple):
    """A part of a request that others may have too: its digest, and for how many seconds it is cached."""

    digest: bytes
    seconds: float


class _Warm(NamedTuple):
    """A part that was written: when others certainly read it, and when it ends."""

    ready: float
    end: float


@dataclass(eq=False)
class WarmingTurn:
    """The turn of a request: it is in progress, and others may wait for it.

    Attributes:
        parts: the parts that it warms.
        sent_at: when it was sent; `None` before.
        sent: set once it was sent, or has ended.
        ended: set once it has ended.
        is_cached: whether the API has written or read a part; `None` without an answer.
    """

    parts: tuple[SharedPart, ...]
    sent_at: float | None = None
    sent: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    is_cached: bool | None = None

    def note_sent(self) -> None:
        """Note that the request is sent; again, after a failure, if it was sent before."""
        if self.sent_at is None:
            self.sent_at = _now()
        self.sent.set()

    def wake(self) -> None:
        """Let those that wait for it go on."""
        self.sent.set()
        self.ended.set()


class PromptWarmer:
    """Lets the first of the requests with a shared part go alone. It belongs to one event loop.

    Args:
        cancellation: ends the waits.
        settling: the seconds from an answer until others certainly read what its request has written.
        most_parts: the maximum number of warm parts that are known.
    """

    def __init__(self, cancellation: Cancellation, *, settling: float = SETTLING, most_parts: int = MOST_PARTS) -> None:
        self._cancellation = cancellation
        self._settling = settling
        self._most_parts = most_parts
        self._warm: OrderedDict[bytes, _Warm] = OrderedDict()
        self._warming: dict[bytes, WarmingTurn] = {}
        cancellation.listen(self._wake_all)

    @asynccontextmanager
    async def turn(self, parts: Sequence[SharedPart]) -> AsyncIterator[WarmingTurn]:
        """Wait until a request with these parts may be sent, and yield its turn, which ends with the context.

        Raises:
            Cancelled: sending has stopped.
        """
        for part in parts:
            await self._wait(part)
        turn = self._begin(parts)
        try:
            yield turn
        finally:
            self._end(turn, parts)

    async def _wait(self, part: SharedPart) -> None:
        """Wait while another request warms a part."""
        turn, until = self._warming.get(part.digest), None
        if turn is not None:
            await turn.sent.wait()
            if turn.sent_at is not None:
                until = turn.sent_at + MOST_WAIT
                try:
                    async with asyncio.timeout_at(until):
                        await turn.ended.wait()
                except TimeoutError:
                    return
            if self._cancellation.closed:
                self._cancellation.check_sending()
        warm = self._warm.get(part.digest)
        if warm is None:
            return
        left = (warm.ready if until is None else min(warm.ready, until)) - _now()
        if left > 0:
            await self._cancellation.sleep(left)

    def _begin(self, parts: Sequence[SharedPart]) -> WarmingTurn:
        """Begin the turn of a request: it warms those of its parts that are not warm, and that no other one warms."""
        now = _now()
        cold = tuple(part for part in parts if part.digest not in self._warming and not self._is_warm(part, now))
        turn = WarmingTurn(cold)
        self._warming.update((part.digest, turn) for part in cold)
        return turn

    def _is_warm(self, part: SharedPart, now: float) -> bool:
        warm = self._warm.get(part.digest)
        return warm is not None and now < warm.end

    def _end(self, turn: WarmingTurn, parts: Sequence[SharedPart]) -> None:
        now = _now()
        for part in turn.parts:
            self._warming.pop(part.digest, None)
        if turn.is_cached is not None:
            for part in parts:
                self._note_warm(part, turn, now)
        turn.wake()

    def _note_warm(self, part: SharedPart, turn: WarmingTurn, now: float) -> None:
        """Note that a part was used. One that the API does not cache, as it is too short, needs no warming."""
        known = self._warm.pop(part.digest, None)
        ready = now + self._settling if part in turn.parts and turn.is_cached else now
        end = (now if turn.sent_at is None else turn.sent_at) + part.seconds
        self._warm[part.digest] = _Warm(ready if known is None or part in turn.parts else known.ready, end)
        if len(self._warm) > self._most_parts:
            self._warm.popitem(last=False)

    def _wake_all(self) -> None:
        """Wake all that wait, because nothing is sent any more."""
        for turn in set(self._warming.values()):
            turn.wake()


def _now() -> float:
    return asyncio.get_running_loop().time()
