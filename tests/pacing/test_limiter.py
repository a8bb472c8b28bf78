"""Which request goes out, and when: the queue, the pools that share a ceiling, cancelling, halting."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yamlgen.cancellation import Cancellation, Cancelled
from yamlgen.errors import RunStopped
from yamlgen.interfaces import UNOBSERVED, RequestContext
from yamlgen.pacing import quota
from yamlgen.pacing.limiter import Limiter, Slot

HAIKU = "claude-haiku-5-5"
OPUS = "claude-opus-5"


class Crowd:
    """A limiter and those who ask it, who note the order in which they are let go."""

    def __init__(self, ceiling, **options):
        self.cancellation = Cancellation()
        self.told = []
        self.limiter = Limiter(ceiling, self.cancellation, emit=self.told.append, **options)
        self.gone = []
        self.tasks = {}

    async def enter(self, row, model=HAIKU, **state):
        """Let a row ask, until it is let go or waits."""
        slot = Slot(RequestContext("answer", f"{row}", UNOBSERVED.observer, row), **state)

        async def admitted():
            await self.limiter.admit(slot, model)
            self.gone.append(row)
            return slot

        task = self.tasks[row] = asyncio.ensure_future(admitted())
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody need ask for it
        await settle()
        return slot

    async def refuse(self, seconds):
        """Let eight in, of whom five come through later and three are told that nothing is left: the gate is closed."""
        slots = [await self.enter(row) for row in range(8)]
        told = {"anthropic-ratelimit-requests-limit": "60000", "anthropic-ratelimit-requests-remaining": "0"}
        for slot in slots[:3]:
            self.limiter.answered(slot, 429, told)
            wait = self.limiter.refused(slot, seconds)
        self.limiter.answered(slots[3], 200, {**told, "anthropic-ratelimit-requests-remaining": "60000"})
        for slot in slots:
            slot.give_back()
        self.tasks.clear()
        self.gone.clear()
        return wait


async def settle():
    """Let everybody act who can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_older_rows_go_first():
    """Whoever asks first, the lowest row gets the free place."""

    async def main():
        crowd = Crowd(1)
        last = await crowd.enter(9)
        for row in (5, 3, 8, 1):
            await crowd.enter(row)
        while len(crowd.gone) < 5:
            last.give_back()
            await settle()
            last = crowd.tasks[crowd.gone[-1]].result()
        return crowd.gone

    assert asyncio.run(main()) == [9, 1, 3, 5, 8]


def test_one_row_goes_in_the_order_of_asking():
    """Of the same row, first come is first served."""

    async def main():
        limiter, gone = Limiter(1, Cancellation()), []
        slots = [Slot() for _ in range(6)]

        async def go(number):
            await limiter.admit(slots[number], HAIKU)
            gone.append(number)
            slots[number].give_back()

        await asyncio.gather(*map(go, range(6)))
        return gone

    assert asyncio.run(main()) == [0, 1, 2, 3, 4, 5]


def test_what_has_failed_lets_a_window_of_others_pass():
    """A row that has failed waits behind as many rows as may be in flight, and no longer."""

    async def main():
        crowd = Crowd(2)
        holders = [await crowd.enter(row) for row in (0, 1)]
        await crowd.enter(2, failures=1)
        for row in (3, 5, 6):
            await crowd.enter(row)
        for holder in holders:
            holder.give_back()
        await settle()
        return crowd.gone

    assert asyncio.run(main()) == [0, 1, 3, 2]


def test_what_was_refused_goes_first():
    """A request that a rate limit refused is the next one, before older rows that have never been sent."""

    async def main():
        crowd = Crowd(1)
        holder = await crowd.enter(0)
        await crowd.enter(5)
        await crowd.enter(3, refused=True)
        await crowd.enter(1)
        while len(crowd.gone) < 4:
            holder.give_back()
            await settle()
            holder = crowd.tasks[crowd.gone[-1]].result()
        return crowd.gone

    assert asyncio.run(main()) == [0, 3, 1, 5]


def test_a_failure_is_counted_by_the_limiter():
    """`failed` is what makes a request one that has failed; a rate limit does not."""

    async def main():
        crowd = Crowd(4)
        slot = await crowd.enter(0)
        crowd.limiter.refused(slot, 0.01)
        refused = slot.failures
        crowd.limiter.failed(slot, "overloaded (529)")
        return refused, slot.failures

    assert asyncio.run(main()) == (0, 1)


def test_pools_share_the_ceiling():
    """Two families together are never more than the author allows."""

    async def main():
        crowd = Crowd(3)
        slots = [await crowd.enter(row, (HAIKU, OPUS)[row % 2]) for row in range(6)]
        first = list(crowd.gone)
        slots[0].give_back()
        await settle()
        return first, crowd.gone

    assert asyncio.run(main()) == ([0, 1, 2], [0, 1, 2, 3])


def test_a_closed_gate_holds_its_own_pool_only():
    """A rate limit of one family lets a later row of another one pass."""

    async def main():
        crowd = Crowd(3)
        slot = await crowd.enter(0)
        crowd.limiter.refused(slot, 30.0)
        slot.give_back()
        await crowd.enter(1)
        await crowd.enter(2, OPUS)
        return crowd.gone

    assert asyncio.run(main()) == [0, 2]


def test_a_gate_opens_by_itself():
    """Nobody needs to give a place back for those who wait for a gate."""

    async def main():
        crowd = Crowd(8)
        wait = await crowd.refuse(0.1)
        started = time.monotonic()
        for row in (1, 2):
            await crowd.enter(row)
        assert not crowd.gone
        await asyncio.wait_for(asyncio.gather(*crowd.tasks.values()), 2)
        return time.monotonic() - started, wait

    seconds, wait = asyncio.run(main())
    assert wait - 0.01 <= seconds < wait + 0.5


def test_a_quota_holds_and_lets_go():
    """Headers that leave nothing hold the next request until the bucket has filled."""
    limit = 1200  # twenty a second; one and the margin of twelve take 0.65 s

    async def main():
        crowd = Crowd(3)
        slot = await crowd.enter(0)
        told = {"anthropic-ratelimit-requests-limit": f"{limit}", "anthropic-ratelimit-requests-remaining": "0"}
        crowd.limiter.answered(slot, 200, told)
        slot.give_back()
        started = time.monotonic()
        await crowd.enter(1)
        held = crowd.gone == [0]
        await asyncio.wait_for(crowd.tasks[1], 3)
        return held, time.monotonic() - started

    held, seconds = asyncio.run(main())
    assert held
    assert 0.55 < seconds < 1.2


def test_an_absurd_reset_holds_nobody_for_ever(monkeypatch):
    """A request waits for a bucket for so long at most; then it is sent."""
    monkeypatch.setattr(quota, "LONGEST_WAIT", 0.2)

    async def main():
        crowd = Crowd(3)
        slot = await crowd.enter(0)
        told = {"limit": "50", "remaining": "0", "reset": "2999-01-01T00:00:00Z"}
        crowd.limiter.answered(slot, 200, {f"anthropic-ratelimit-requests-{key}": value for key, value in told.items()})
        slot.give_back()
        await crowd.enter(1)
        await asyncio.wait_for(crowd.tasks[1], 2)

    asyncio.run(main())


def test_a_cancelled_waiter_lets_the_next_one_have_its_turn():
    """Who waits first and is cancelled takes no place."""

    async def main():
        crowd = Crowd(1)
        holder = await crowd.enter(0)
        for row in (1, 2):
            await crowd.enter(row)
        crowd.tasks[1].cancel()
        await settle()
        holder.give_back()
        await settle()
        return crowd.gone, crowd.limiter.in_flight

    assert asyncio.run(main()) == ([0, 2], 1)


def test_who_is_cancelled_with_its_place_in_hand_passes_it_on():
    """Cancelled between being let go and waking, it gives its place to the next."""

    async def main():
        crowd = Crowd(1)
        holder = await crowd.enter(0)
        for row in (1, 2):
            await crowd.enter(row)
        holder.give_back()
        crowd.tasks[1].cancel()
        await settle()
        return crowd.gone, crowd.limiter.in_flight

    assert asyncio.run(main()) == ([0, 2], 1)


def test_a_place_is_given_back_once():
    """Giving back twice frees one place."""

    async def main():
        crowd = Crowd(2)
        slots = [await crowd.enter(row) for row in range(4)]
        slots[0].give_back()
        slots[0].give_back()
        await settle()
        return crowd.gone, crowd.limiter.in_flight

    assert asyncio.run(main()) == ([0, 1, 2], 2)


@pytest.mark.parametrize("how", ["request", "close"])
def test_a_halt_wakes_all_who_wait(how):
    """Those who wait for a place and those who wait for a gate learn at once that nothing is sent any more."""

    async def main():
        crowd = Crowd(2)
        slot, other = await crowd.enter(0), await crowd.enter(1, OPUS)
        crowd.limiter.refused(slot, 60.0)
        slot.give_back()
        for row in range(2, 6):
            await crowd.enter(row, (HAIKU, OPUS)[row % 2])
        getattr(crowd.cancellation, how)("enough")
        await settle()
        waiting = [crowd.tasks[row] for row in (2, 4, 5)]
        other.give_back()
        await settle()
        assert all(isinstance(task.exception(), Cancelled) for task in waiting)
        assert crowd.gone == [0, 1, 3]
        with pytest.raises(Cancelled):
            await crowd.limiter.admit(Slot(), HAIKU)
        return crowd.limiter.in_flight

    assert asyncio.run(main()) == 1


def test_a_halt_before_waking_takes_the_place_back():
    """Let go, and halted before it could act: nothing is sent, and the place is free."""

    async def main():
        crowd = Crowd(1)
        holder = await crowd.enter(0)
        await crowd.enter(1)
        holder.give_back()
        crowd.cancellation.request("enough")
        await settle()
        return crowd.gone, type(crowd.tasks[1].exception()), crowd.limiter.in_flight

    assert asyncio.run(main()) == ([0], Cancelled, 0)


def test_a_probe_does_not_count_against_its_request():
    """While a pool is paused, a failure is the server's, not the row's; until that row has failed too often."""

    async def main():
        crowd = Crowd(40)
        slots = [await crowd.enter(row) for row in range(21)]
        crowd.limiter.answered(slots[0], 200, {})
        counted = [crowd.limiter.failed(slot, "overloaded (529)") for slot in slots[:20]]
        return counted, [crowd.limiter.failed(slots[20], "overloaded (529)") for _ in range(12)]

    assert asyncio.run(main()) == ([True] * 20, [False] * 9 + [True] * 3)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "admit", "cancel", "succeed", "fail", "refuse"]), st.integers(0, 99), st.booleans()
    ),
    min_size=20,
    max_size=80,
)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), ACTIONS, st.booleans())
def test_whatever_happens_nothing_is_left_in_flight(ceiling, actions, halted):
    """Admitted, cancelled, failed, refused in any order: never too many at once, and everybody comes to an end."""

    async def main():
        crowd, most = Crowd(ceiling, max_pause=1e9), 0
        limiter = crowd.limiter
        for number, (what, choice, which) in enumerate(actions):
            live = [task for task in crowd.tasks.values() if not task.done()]
            held = [task.result() for task in crowd.tasks.values() if task.done() and not task.cancelled()]
            held = [slot for slot in held if slot.claim is not None]
            if what == "admit":
                await crowd.enter(choice * 1000 + number, OPUS if which else HAIKU)
            elif what == "cancel" and live:
                live[choice % len(live)].cancel()
            elif held:
                slot = held[choice % len(held)]
                if what == "succeed":
                    limiter.succeeded(slot)
                elif what == "refuse":
                    limiter.refused(slot, 0.001)
                else:
                    limiter.failed(slot, "overloaded (529)")
                slot.give_back()
            most = max(most, limiter.in_flight)
            if which:
                await asyncio.sleep(0)
        if halted:
            crowd.cancellation.request("enough")

        async def finish(task):
            try:
                (await task).give_back()
            except (asyncio.CancelledError, Cancelled, RunStopped):
                return

        await asyncio.wait_for(asyncio.gather(*map(finish, crowd.tasks.values())), 10)
        assert max(most, *(pool.most for pool in limiter.pools.values()), 0) <= ceiling
        assert limiter.in_flight == 0
        assert all(pool.flying == 0 and not pool.waiting for pool in limiter.pools.values())

    asyncio.run(main())


def test_fast_requests_are_paced_apart():
    """Fast mode has a rate limit of its own, whichever models share the others."""

    async def main():
        limiter = Limiter(10, Cancellation())
        for fast in (True, False):
            await limiter.admit(Slot(), "claude-opus-4-8", fast=fast)
        await limiter.admit(Slot(), "claude-opus-4-6")
        return {name: pool.flying for name, pool in limiter.pools.items()}

    assert asyncio.run(main()) == {"opus-4-fast": 1, "opus-4": 2}
