"""Which request goes out, and when: one limiter for a run, with a pool for each rate limit of the API.

Owns the queue. A request that waits, for a place in flight, for a gate or for a quota, holds no place; older rows go
first, so that rows are finished in the order in which they began, and what has failed lets the others pass.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Final

from yamlgen.cancellation import Cancellation
from yamlgen.events import Emit
from yamlgen.interfaces import UNOBSERVED, RequestContext
from yamlgen.model_capabilities import pool_of
from yamlgen.pacing.pool import MAX_PAUSE, UNHEARD, Pool
from yamlgen.pacing.quota import Claim
from yamlgen.value_objects import Usage

_EVERY: Final = 0.25
_SHOWN: Final = 1.0
"""Seconds between two tellings of how a pool is: at least, and at most while requests are held."""

_ASIDE: Final = 2
"""How often a request that was sent alone is refused before others pass it: it may be larger than its quota."""

_FARTHEST: Final = 15.0
"""Seconds for which they do at most, besides what everybody waits."""

_SPARED: Final = 8
"""How many failures of a request cost it no retry while its pool is paused: then it may be the request itself."""


@dataclass(eq=False)
class Slot:
    """A request's place among those in flight, asked for by `Limiter.admit` as often as it is sent.

    It is given back once its answer is safe, not once it is there: so a process that is killed has no more answers to
    pay for again than requests were allowed in flight.

    Attributes:
        context: who asks.
        failures: how often it has failed.
        hopeless: whether to send it again is of no use: nothing was ever heard from the address.
        refused: whether a rate limit refused it last: it is the next of its pool then.
        refusals: how often a rate limit held it by itself, or refused it when it was sent alone.
        refused_at: the first time that it was.
        waited: the seconds that this has cost it.
        ready_at: when it may ask for a place again.
        claim: what it took of its pool's quota; `None` while it has no place.
    """

    context: RequestContext = UNOBSERVED
    failures: int = 0
    hopeless: bool = False
    refused: bool = False
    refusals: int = 0
    refused_at: float = 0.0
    waited: float = 0.0
    ready_at: float = 0.0
    claim: Claim | None = None
    limiter: Limiter | None = None
    pool: Pool | None = None

    def place(self) -> tuple[Pool, Claim]:
        """Where it is in flight, and what it took of the quota."""
        assert self.pool is not None and self.claim is not None, "it is not in flight"  # noqa: PT018, S101
        return self.pool, self.claim

    def note(self, usage: Usage) -> None:
        """Tell what the answer took."""
        if self.pool is not None:
            self.pool.quota.note(self.context.step, usage)

    def give_back(self) -> None:
        """Let another request have the place, if it has one."""
        if self.claim is not None and self.limiter is not None and self.pool is not None:
            self.claim = None
            self.limiter.leave(self.pool)


class Limiter:
    """Lets the requests of one run go; it belongs to one event loop.

    Args:
        ceiling: the most requests in flight, of all pools together.
        cancellation: once it is thrown, nobody is let go any more.
        max_pause: seconds without an answer that a pool's failures may take before the run ends.
        emit: told what changes.
        unheard: seconds of failures that an address has from which nothing was ever heard.
        models: the models of the pipeline in each pool, by the pool's name.

    Attributes:
        heard: whether anything ever came back: an address where nobody is does not deserve patience.
        in_flight: how many requests are on their way, of all pools together.
        pools: what shares a rate limit, by name.
    """

    def __init__(
        self,
        ceiling: int,
        cancellation: Cancellation,
        max_pause: float = MAX_PAUSE,
        emit: Emit | None = None,
        *,
        unheard: float = UNHEARD,
        models: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.ceiling = ceiling
        self.max_pause = max_pause
        self.unheard = unheard
        self._models = models or {}
        self.heard = False
        self._cancellation = cancellation
        self._emit = emit
        self.pools: dict[str, Pool] = {}
        self.in_flight = 0
        self._tickets = count()
        self._timer: asyncio.TimerHandle | None = None
        self._told: dict[str, tuple[float, int]] = {}
        cancellation.listen(self._wake_all)

    async def admit(self, slot: Slot, model: str) -> None:
        """Wait until a request may go; it is in flight from then on, until its slot is given back.

        Raises:
            Cancelled: nothing is sent any more.
        """
        hold = slot.ready_at - time.monotonic()
        if hold > 0:
            await self._cancellation.sleep(hold)
        self._cancellation.check_sending()
        slot.limiter, slot.pool = self, self._pool(pool_of(model))
        pool, now = slot.pool, time.monotonic()
        if pool.waiting or self.in_flight >= self.ceiling or pool.wait(now, slot.context.step) > 0:
            await self._queue(pool, slot)
        else:
            self._launch(pool, slot, now)
        self._tell(pool, time.monotonic())

    async def _queue(self, pool: Pool, slot: Slot) -> None:
        future = asyncio.get_running_loop().create_future()
        behind = slot.failures * int(pool.limit)  # it lets a window of others pass, so that a bad one stops nobody
        order = (not slot.refused, slot.context.row + behind, next(self._tickets))
        heapq.heappush(pool.waiting, (order, slot, future))
        self._pump()
        try:
            await future
        except BaseException:
            future.cancel()  # it is passed over where it stands
            slot.give_back()
            self._pump()
            raise
        if self._cancellation.closed:
            slot.give_back()
            self._cancellation.check_sending()

    def answered(self, slot: Slot, status: int, headers: Mapping[str, str]) -> None:
        """An answer has begun: take over what its headers tell."""
        self.heard |= status >= 400  # noqa: PLR2004 - an error; what a success is worth, its body says
        pool, claim = slot.place()
        pool.quota.learn(time.monotonic(), claim, headers)

    def hear(self, slot: Slot) -> None:
        """A part of an answer has come, which may take long."""
        self.heard = True
        if slot.pool is not None:
            slot.pool.hear()

    def succeeded(self, slot: Slot) -> None:
        """A final answer has come."""
        (pool, claim), now = slot.place(), time.monotonic()
        was = pool.paused
        pool.succeed(now, claim.sent)
        self._tell(pool, now, at_once=was)

    def refused(self, slot: Slot, retry_after: float | None) -> float | None:
        """A rate limit; seconds until the request may go again.

        Returns:
            `None` where it was refused by itself for as long as a run waits, while others came through: that is no
            limit of a rate.

        Raises:
            RunStopped: nothing comes through for too long.
        """
        (pool, claim), now = slot.place(), time.monotonic()
        others = 0.0 < slot.refused_at < pool.succeeded_at
        if others and slot.waited >= self.max_pause:
            return None
        odd = others and slot.waited >= self.max_pause / 2
        try:
            refusal = pool.refuse(now, claim.sent, retry_after, slot.context.step, slot.refusals, odd=odd)
        finally:
            self._tell(pool, now, at_once=True)
        if refusal is None:
            return None
        wait, own, alone = refusal
        if own:
            wait = min(wait, max(_SHOWN, self.max_pause - slot.waited))
        elif alone and slot.refusals + 1 >= _ASIDE and pool.waiting:
            wait, own = wait + min(_FARTHEST, 2.0 ** min(slot.refusals, 30)), True
        slot.refused, slot.ready_at = True, now + wait if own else 0.0
        if own or alone:
            slot.refused_at = slot.refused_at or now
            slot.refusals += 1
            slot.waited += wait
        return wait

    def failed(self, slot: Slot, reason: str) -> bool:
        """Another failure; whether it counts against its request.

        The first ones in a pause do not, and none while an address of which the author expects it is not there yet.

        Raises:
            RunStopped: there was nothing else for too long.
        """
        (pool, claim), now = slot.place(), time.monotonic()
        awaited = not self.heard and self.unheard > UNHEARD
        counts = not awaited and (not pool.paused or slot.failures > _SPARED)
        slot.failures += 1
        slot.refused = False
        try:
            if not pool.fail(now, claim.sent, reason, heard=self.heard):
                slot.hopeless = True
        finally:
            self._tell(pool, now, at_once=True)
        return counts

    def leave(self, pool: Pool) -> None:
        """A place is free again."""
        pool.flying -= 1
        self.in_flight -= 1
        self._pump()
        self._tell(pool, time.monotonic(), at_once=pool.flying == 0)

    def _pool(self, name: str) -> Pool:
        found = self.pools.get(name)
        if found is None:
            models = self._models.get(name, ())
            found = self.pools[name] = Pool(name, self.ceiling, self.max_pause, self.unheard, models)
        return found

    def _launch(self, pool: Pool, slot: Slot, now: float) -> None:
        self.in_flight += 1
        slot.claim = pool.launch(now, slot.context.step)

    def _pump(self) -> None:
        """Let go whoever may; come back when the next one may."""
        now, soonest = time.monotonic(), math.inf
        pools = [pool for pool in self.pools.values() if pool.waiting]
        while pools and self.in_flight < self.ceiling:
            pool = min(pools, key=lambda each: each.waiting[0][0])
            _, slot, future = pool.waiting[0]
            wait = 0.0 if future.done() else pool.wait(now, slot.context.step)
            if wait <= 0:
                heapq.heappop(pool.waiting)
                if not future.done():
                    self._launch(pool, slot, now)
                    future.set_result(None)
            else:
                pool.hold(now, held=wait < math.inf)
                soonest = min(soonest, wait)
            if not pool.waiting:
                pool.hold(now, held=False)
            if wait > 0 or not pool.waiting:
                pools.remove(pool)
        self._rest()
        if soonest < math.inf:
            self._timer = asyncio.get_running_loop().call_later(min(soonest, _SHOWN), self._pump)
        for pool in self.pools.values():
            if pool.waiting:
                self._tell(pool, now)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake_all(self) -> None:
        """Nothing is sent any more: whoever waits learns it."""
        for pool in self.pools.values():
            for _, _, future in pool.waiting:
                if not future.done():
                    future.set_result(None)
            pool.waiting.clear()
            pool.hold(time.monotonic(), held=False)
        self._rest()

    def _tell(self, pool: Pool, now: float, *, at_once: bool = False) -> None:
        if self._emit is None:
            return
        at, most = self._told.get(pool.name, (-math.inf, 0))
        if at_once or pool.most > most or now - at >= _EVERY:
            self._told[pool.name] = now, pool.most
            self._emit(pool.state(now))
