"""The limiter: decides which request of a run is sent when, with one pool for each rate limit of the API.

Owns the queue. A request that waits (for a place in flight, a gate or a quota) occupies no place. Older rows go first,
so that rows finish in the order in which they began. A request that has failed lets others pass.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from yamlgen.cancellation import Cancellation
from yamlgen.events import Emit, RunWarned
from yamlgen.interfaces import UNOBSERVED, RequestContext
from yamlgen.model_capabilities import pool_of
from yamlgen.pacing.pool import MAX_PAUSE, UNHEARD, Pool
from yamlgen.pacing.quota import Claim, Quota
from yamlgen.value_objects import Usage

_EVERY: Final = 0.25
_SHOWN: Final = 1.0
"""Seconds between two events about a pool: the minimum, and the maximum while requests are held."""

_ASIDE: Final = 2
"""Refusals of a request sent alone after which others pass it: it may be larger than its quota."""

_FARTHEST: Final = 15.0
"""Maximum seconds for which others pass it, in addition to the wait of all requests."""

_SPARED: Final = 8
"""Failures of a request that cost it no retry while its pool is paused. After that the request may be the cause."""


@dataclass(eq=False)
class Slot:
    """A request's place in flight. `Limiter.admit` assigns one each time the request is sent.

    The place is given back after the answer is stored, not when it arrives. A killed process thus loses at most as many
    billed answers as requests were allowed in flight.

    Attributes:
        context: the row and step of the request.
        failures: how often the request has failed.
        hopeless: whether to give up: nothing was ever received from the address.
        refused: whether a rate limit refused it last. It is then the next of its pool.
        refusals: how often a rate limit held only this request, or refused it when it was sent alone.
        refused_at: the time of the first such refusal.
        waited: the seconds that it has waited because of them.
        ready_at: the time from which it may request a place again.
        claim: its share of the pool's quota; `None` while it has no place.
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
        """Return the pool in which it is in flight, and its claim on the quota."""
        assert self.pool is not None and self.claim is not None, "it is not in flight"  # noqa: PT018, S101
        return self.pool, self.claim

    def note(self, usage: Usage) -> None:
        """Count the tokens of the answer."""
        if self.pool is not None:
            self.pool.quota.note(self.context.step, usage, self.claim, time.monotonic())

    def give_back(self) -> None:
        """Free the place, if the request has one."""
        if self.claim is not None and self.limiter is not None and self.pool is not None:
            self.claim = None
            self.limiter.leave(self.pool)


class Places:
    """The places in flight of a run, over all its addresses, and the order in which waiting requests get them.

    Attributes:
        ceiling: how many there are.
        in_flight: how many are taken.
        limiters: the limiters that share them.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.in_flight = 0
        self.limiters: list[Limiter] = []
        self._tickets = count()
        self._timer: asyncio.TimerHandle | None = None

    async def queue(self, pool: Pool, slot: Slot) -> None:
        """Wait for a place. It may also end without a place, because nothing is sent any more."""
        future = asyncio.get_running_loop().create_future()
        behind = slot.failures * int(pool.limit)  # lets a window of others pass, so that a bad one stops none
        order = (not slot.refused, slot.context.row + behind, next(self._tickets))
        heapq.heappush(pool.waiting, (order, slot, future))
        self.pump()
        try:
            await future
        except BaseException:
            future.cancel()  # the queue skips it
            slot.give_back()
            self.pump()
            raise

    def launch(self, pool: Pool, slot: Slot, now: float) -> None:
        """Give a place to a request."""
        self.in_flight += 1
        slot.claim = pool.launch(now, slot.context.step)

    def pump(self) -> None:
        """Admit the waiting requests that may be sent, and set a timer for the next."""
        now, soonest = time.monotonic(), math.inf
        pools = [pool for limiter in self.limiters for pool in limiter.pools.values() if pool.waiting]
        if not pools:
            self.rest()
            return
        while pools and self.in_flight < self.ceiling:
            pool = min(pools, key=lambda each: each.waiting[0][0])
            _, slot, future = pool.waiting[0]
            wait = 0.0 if future.done() else pool.wait(now, slot.context.step)
            if wait <= 0:
                heapq.heappop(pool.waiting)
                if not future.done():
                    self.launch(pool, slot, now)
                    future.set_result(None)
            else:
                pool.hold(now, held=wait < math.inf)
                soonest = min(soonest, wait)
            if not pool.waiting:
                pool.hold(now, held=False)
            if wait > 0 or not pool.waiting:
                pools.remove(pool)
        self.rest()
        if soonest < math.inf:
            self._timer = asyncio.get_running_loop().call_later(min(soonest, _SHOWN), self.pump)
        for limiter in self.limiters:
            limiter.tell_waiting(now)

    def rest(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Limiter:
    """Admits the requests of one run to one address. It belongs to one event loop.

    Args:
        ceiling: the maximum number of requests in flight, over all pools; or the places that the run's limiters share.
        cancellation: once it is requested, no request is admitted.
        max_pause: seconds of failures without an answer after which the run ends.
        emit: receives an event when the pace changes.
        unheard: the same for an address from which nothing was ever received.
        models: the models of the pipeline in each pool, by the name of the rate limit.
        place: the place to add to the names of the pools; empty for the address of most models.
        address: the address for messages; empty if the run has only one.
        share: the part of each quota that may be used.
        account: whose rate limits they are.

    Attributes:
        heard: whether anything was ever received from the address. If not, failures end the run sooner.
        pools: the pools by the name of the rate limit.
    """

    def __init__(  # noqa: PLR0913 - each is one part, by name
        self,
        ceiling: int | Places,
        cancellation: Cancellation,
        max_pause: float = MAX_PAUSE,
        emit: Emit | None = None,
        *,
        unheard: float = UNHEARD,
        models: Mapping[str, tuple[str, ...]] | None = None,
        place: str = "",
        address: str = "",
        share: float = 1.0,
        account: str = "",
    ) -> None:
        self._places = ceiling if isinstance(ceiling, Places) else Places(ceiling)
        self._places.limiters.append(self)
        self._place = place
        self._address = address
        self.max_pause = max_pause
        self.unheard = unheard
        self._models = models or {}
        self._share = share
        self._account = account
        self._hidden: set[str] = set()
        self.heard = False
        self._cancellation = cancellation
        self._emit = emit
        self.pools: dict[str, Pool] = {}
        self._told: dict[str, tuple[float, int]] = {}
        cancellation.listen(self._wake_all)

    @property
    def ceiling(self) -> int:
        """The maximum number of requests in flight, over all pools and addresses."""
        return self._places.ceiling

    @property
    def in_flight(self) -> int:
        """The number of requests in flight, over all pools and addresses."""
        return self._places.in_flight

    async def admit(self, slot: Slot, model: str, *, fast: bool = False) -> None:
        """Wait until a request may be sent. It is in flight from then on, until its slot is given back.

        Raises:
            Cancelled: the run sends nothing any more.
        """
        hold = slot.ready_at - time.monotonic()
        if hold > 0:
            await self._cancellation.sleep(hold)
        self._cancellation.check_sending()
        slot.limiter, slot.pool = self, self._pool(model, fast=fast)
        pool, now = slot.pool, time.monotonic()
        if pool.waiting or self.in_flight >= self.ceiling or pool.wait(now, slot.context.step) > 0:
            await self._places.queue(pool, slot)
            if self._cancellation.closed:
                slot.give_back()
                self._cancellation.check_sending()
        else:
            self._places.launch(pool, slot, now)
        self._tell(pool, time.monotonic())

    def answered(self, slot: Slot, status: int, headers: Mapping[str, str]) -> None:
        """Note that an answer has begun, and read the rate limits in its headers."""
        self.heard |= status >= 400  # noqa: PLR2004 - an error; a success counts once its body is read
        pool, claim = slot.place()
        pool.quota.learn(time.monotonic(), claim, headers)
        if pool.quota.is_hidden and status < 400 and pool.name not in self._hidden:  # noqa: PLR2004 - a success
            self._hidden.add(pool.name)
            if self._emit is not None:
                message = f"the answers of the API show no quota for {pool.name}"
                self._emit(RunWarned(f"`runtime.quota_share` has no effect: {message}"))

    def hear(self, slot: Slot) -> None:
        """Note that a part of an answer has arrived; the rest may take long."""
        self.heard = True
        if slot.pool is not None:
            slot.pool.hear()

    def succeeded(self, slot: Slot) -> None:
        """Note that a final answer has arrived."""
        (pool, claim), now = slot.place(), time.monotonic()
        was = pool.paused
        pool.succeed(now, claim.sent)
        self._tell(pool, now, at_once=was)

    def refused(self, slot: Slot, retry_after: float | None) -> float | None:
        """Note a rate limit, and return the seconds until the request may be sent again.

        Returns:
            `None` if only this request was refused for as long as a run waits, while others succeeded. That is not a
            limit on the rate.

        Raises:
            RunStopped: no request has succeeded for too long.
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
        """Note another failure, and return whether it counts as a retry of its request.

        The first failures in a pause do not count. None counts while an address that may start later is still silent.

        Raises:
            RunStopped: there were only failures for too long.
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
        """Free a place in a pool."""
        pool.flying -= 1
        self._places.in_flight -= 1
        self._places.pump()
        self._tell(pool, time.monotonic(), at_once=pool.flying == 0)

    def _pool(self, model: str, *, fast: bool) -> Pool:
        name = pool_of(model, fast=fast)
        found = self.pools.get(name)
        if found is None:
            models, quota = self._models.get(name, ()), Quota(self._share, fast=fast)
            shown = f"{name} at {self._place}" if self._place else name
            found = Pool(shown, self.ceiling, self.max_pause, self.unheard, models, self._address, quota=quota)
            self.pools[name] = found
        return found

    def _rate_limit(self, pool: Pool) -> str:
        return pool.name.removesuffix(f" at {self._place}")

    def tell_waiting(self, now: float) -> None:
        """Emit the state of the pools with waiting requests."""
        for pool in self.pools.values():
            if pool.waiting:
                self._tell(pool, now)

    def _wake_all(self) -> None:
        """Wake all waiting requests, because nothing is sent any more."""
        for pool in self.pools.values():
            for _, _, future in pool.waiting:
                if not future.done():
                    future.set_result(None)
            pool.waiting.clear()
            pool.hold(time.monotonic(), held=False)
        self._places.rest()

    def _tell(self, pool: Pool, now: float, *, at_once: bool = False) -> None:
        if self._emit is None:
            return
        at, most = self._told.get(pool.name, (-math.inf, 0))
        if at_once or pool.most > most or now - at >= _EVERY:
            self._told[pool.name] = now, pool.most
            self._emit(replace(pool.state(now), rate_limit=self._rate_limit(pool), account=self._account))
