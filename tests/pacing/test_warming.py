"""Which requests wait for the first one with a shared part, in virtual time."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual_time import VirtualTimeLoop
from yamlgen.cancellation import Cancellation, Cancelled
from yamlgen.pacing.warming import MOST_WAIT, SETTLING, PromptWarmer, SharedPart

PART, OTHER = SharedPart(b"part", 300.0), SharedPart(b"other", 300.0)


class Sending:
    """Requests with shared parts, and when each was sent.

    Attributes:
        times: when each was sent, by its name, from the start.
    """

    def __init__(self, **options):
        self.cancellation = Cancellation()
        self.warmer = PromptWarmer(self.cancellation, **options)
        self.times = {}
        self.start = asyncio.get_running_loop().time()

    @property
    def now(self):
        """The seconds since the start."""
        return round(asyncio.get_running_loop().time() - self.start, 3)

    async def send(self, name, *parts, takes=1.0, fails=False, cached=True, queued=0.0):
        """Send a request that takes some time; `queued` seconds pass until it is sent."""
        async with self.warmer.turn(parts) as turn:
            await asyncio.sleep(queued)
            turn.note_sent()
            self.times[name] = self.now
            await asyncio.sleep(takes)
            if fails:
                raise ValueError(name)
            turn.is_cached = cached

    async def all(self, *requests):
        """Send requests at the same time."""
        return await asyncio.gather(*requests, return_exceptions=True)


def in_virtual_time(work, **options):
    """What `work(sending)` comes to, in a loop without real waits."""

    async def main():
        return await work(Sending(**options))

    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def test_the_others_follow_two_seconds_after_the_answer():
    """The first goes alone."""

    async def work(sending):
        await sending.all(*(sending.send(number, PART, takes=3.0) for number in range(5)))
        return sending.times

    assert in_virtual_time(work) == {0: 0.0, **dict.fromkeys(range(1, 5), 3.0 + SETTLING)}


def test_one_that_comes_alone_does_not_wait():
    """Nor do those with another part, or with none."""

    async def work(sending):
        await sending.all(sending.send("one", PART), sending.send("other", OTHER), sending.send("none"))
        return sending.times

    assert in_virtual_time(work) == {"one": 0.0, "other": 0.0, "none": 0.0}


def test_nobody_waits_longer_than_half_a_minute():
    """The time begins when the first request is sent, not while it waits for its place."""

    async def work(sending):
        slow = sending.send("slow", PART, takes=600.0, queued=100.0)
        await sending.all(slow, sending.send("next", PART))
        return sending.times

    assert in_virtual_time(work) == {"slow": 100.0, "next": 100.0 + MOST_WAIT}


def test_the_others_go_at_once_when_the_first_fails():
    """Those that come later wait for the first of these."""

    async def work(sending):
        first = asyncio.ensure_future(sending.all(sending.send(0, PART, fails=True), *later(sending, 1, 2)))
        await asyncio.sleep(1.5)
        await sending.send(3, PART)
        await first
        return sending.times

    def later(sending, *names):
        return [sending.send(name, PART) for name in names]

    assert in_virtual_time(work) == {0: 0.0, 1: 1.0, 2: 1.0, 3: 2.0 + SETTLING}


def test_a_part_that_the_api_does_not_cache_holds_nobody():
    """It is too short: the others follow at once, and nobody waits again."""

    async def work(sending):
        await sending.all(*(sending.send(number, PART, cached=False) for number in range(2)))
        await sending.all(*(sending.send(number, PART, cached=False) for number in range(2, 4)))
        return sending.times

    assert in_virtual_time(work) == {0: 0.0, 1: 1.0, 2: 2.0, 3: 2.0}


@pytest.mark.parametrize(("pause", "waits"), [(298.0, False), (300.0, True)])
def test_a_part_stays_warm_for_its_lifetime_after_its_last_use(pause, waits):
    """Then it is warmed anew."""

    async def work(sending):
        await sending.send(0, PART)
        await asyncio.sleep(250.0)
        await sending.send(1, PART)
        began = sending.now
        await asyncio.sleep(pause)
        await sending.all(sending.send(2, PART), sending.send(3, PART))
        return sending.times[3] - began - pause

    assert in_virtual_time(work) == pytest.approx(1.0 + SETTLING if waits else 0.0)


def test_a_part_within_a_part_is_warmed_too():
    """As the documents of one pipeline, whose system prompt is the same."""

    async def work(sending):
        inner = [SharedPart(f"document {number}".encode(), 300.0) for number in range(2)]
        await sending.all(*(sending.send((row, item), PART, inner[row]) for row in range(2) for item in range(2)))
        return sorted(sending.times.values())

    first = 1.0 + SETTLING
    assert in_virtual_time(work) == [0.0, first, first, 2 * first]


def test_the_end_of_a_run_ends_the_waits():
    """Of those that wait for the answer, and of those that wait for the two seconds."""

    async def work(sending):
        tasks = [asyncio.ensure_future(sending.send(number, PART, takes=5.0)) for number in range(3)]
        await asyncio.sleep(1.0)
        sending.cancellation.request("enough")
        told = await asyncio.gather(*tasks, return_exceptions=True)
        return sending.times, [type(each) for each in told[1:]]

    assert in_virtual_time(work) == ({0: 0.0}, [Cancelled, Cancelled])


def test_a_million_parts_take_bounded_memory():
    """The oldest are forgotten, and would be warmed again."""

    async def work(sending):
        for number in range(1000):
            await sending.send(number, SharedPart(str(number).encode(), 300.0), takes=0.0)
        return len(sending.warmer._warm), len(sending.warmer._warming)

    assert in_virtual_time(work, most_parts=10) == (10, 0)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 50),
            st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            st.floats(0, 100),
            st.booleans(),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_every_request_is_sent_in_the_end(requests):
    """Whatever fails, and however long answers take; nothing is left behind."""

    async def work(sending):
        async def one(number, after, parts, takes, fails, cached):
            await asyncio.sleep(after)
            shared = [SharedPart(part.encode(), 60.0) for part in parts]
            await sending.send(number, *shared, takes=takes, fails=fails, cached=cached)

        await sending.all(*(one(number, *request) for number, request in enumerate(requests)))
        return sending

    sending = in_virtual_time(work)
    assert sorted(sending.times) == list(range(len(requests)))
    for number, (after, parts, *_) in enumerate(requests):
        assert sending.times[number] - after <= len(parts) * MOST_WAIT + 0.01
    assert not sending.warmer._warming
