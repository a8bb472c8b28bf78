"""What the limiter tells of its pools, and when."""

import asyncio
import time

import pytest
from test_limiter import HAIKU, Crowd, settle

from yamlgen.events import PaceChanged


def test_a_rate_limit_is_told_at_once():
    """Each 429 and each failure is an event, however soon after the last."""

    async def main():
        crowd = Crowd(4)
        slot = await crowd.enter(0)
        crowd.told.clear()
        crowd.limiter.refused(slot, 5.0)
        crowd.limiter.refused(slot, 5.0)
        crowd.limiter.failed(slot, "overloaded (529)")
        return crowd.told

    first, second, third = asyncio.run(main())
    assert isinstance(first, PaceChanged)
    assert (first.pool, first.limited, second.limited, third.overloaded) == ("haiku-5-5", 1, 2, 1)
    assert first.reason == "rate limit (429)"
    assert third.reason == "overloaded (529)"
    assert 5 <= first.closed <= 5.6


def test_what_goes_well_is_told_now_and_then():
    """Two hundred answers in no time are two events at most; a quarter of a second later there is another."""

    async def main():
        crowd = Crowd(4)
        slot = await crowd.enter(0)
        crowd.told.clear()
        for _ in range(200):
            crowd.limiter.succeeded(slot)
        early = len(crowd.told)
        await asyncio.sleep(0.26)
        crowd.limiter.succeeded(slot)
        crowd.limiter.succeeded(slot)
        return early, len(crowd.told)

    early, late = asyncio.run(main())
    assert early <= 1
    assert late == early + 1


def test_the_end_of_a_pause_is_told_at_once():
    """An answer to a probe is news."""

    async def main():
        crowd = Crowd(40)
        slot = await crowd.enter(0)
        crowd.limiter.answered(slot, 200, {})
        for _ in range(20):
            crowd.limiter.failed(slot, "overloaded (529)")
        paused = crowd.told[-1]
        slot.give_back()
        await crowd.limiter.admit(slot, HAIKU)
        crowd.limiter.succeeded(slot)
        return paused, crowd.told[-1]

    paused, after = asyncio.run(main())
    assert (paused.reason, paused.limit) == ("paused: overloaded (529)", 1)
    assert after.reason is None


def test_what_is_told_after_a_wait_is_how_it_is_then():
    """Once the gate has opened, no event says that it is closed."""

    async def main():
        crowd = Crowd(8)
        await crowd.refuse(0.8)
        await asyncio.sleep(0.3)
        crowd.told.clear()
        for row in (1, 2, 3):
            await crowd.enter(row)
        await asyncio.wait_for(asyncio.gather(*crowd.tasks.values()), 2)
        return [event.closed for event in crowd.told if event.in_flight]

    closed = asyncio.run(main())
    assert closed
    assert max(closed) == 0


@pytest.mark.parametrize("how", ["cancel", "halt"])
def test_a_gate_that_nobody_waits_for_holds_nothing(how):
    """Once all who waited are gone, the time for which requests were held stands still."""

    async def main():
        crowd = Crowd(8)
        await crowd.refuse(60.0)
        await crowd.enter(1)
        if how == "cancel":
            crowd.tasks[1].cancel()
        else:
            crowd.cancellation.request("enough")
        await settle()
        pool = crowd.limiter.pools["haiku-5-5"]
        before = pool.state(time.monotonic()).held
        await asyncio.sleep(0.1)
        return before, pool.state(time.monotonic()).held, pool.state(0.0).waiting

    before, after, waiting = asyncio.run(main())
    assert before == after
    assert waiting == 0
