"""The creation of batches: once for each request, whatever ends the run meanwhile, and within the limits."""

import asyncio

import pytest
from desk_parts import MemoryAPI, at_desk, failed, gather, key_of, later

from yamlgen.batches import gathering
from yamlgen.batches.batch_api import RemoteBatch
from yamlgen.batches.waits import Rests
from yamlgen.cancellation import Cancelled
from yamlgen.errors import Detached
from yamlgen.steps.batch_config import Batch

TOO_LARGE = 2500


@pytest.fixture
def quick(monkeypatch):
    """Rests last no time; the clock of an API goes on meanwhile."""

    def at(api):
        async def rest(_, seconds):
            later(api, seconds=seconds)
            await asyncio.sleep(0)

        monkeypatch.setattr(Rests, "rest", rest)
        return api

    return at


async def run(desk, _):
    """Gather six requests, and wait for them."""
    await gather(desk, *range(6))
    return list(await desk.resume())


def test_a_creation_in_doubt_is_looked_for_after_a_long_upload(quick, tmp_path):
    """The minutes of doubt begin when the body was sent: new batches are not listed at once."""

    async def cut(api, batch, _):
        if not api.batches:
            later(api, minutes=20)
            api.hidden = 3
            api.batches.append(batch)
            raise failed()

    api = quick(MemoryAPI(cut))
    rows, states = at_desk(tmp_path, api, run)
    assert len(api.bodies) == 1
    assert (rows, states) == ([0, 1, 2, 3, 4, 5], [("collected", 6)])


def test_a_creation_that_was_not_received_is_repeated_once(quick, tmp_path):
    """After the minutes of doubt."""

    async def lose(api, *_):
        if len(api.bodies) == 1:
            raise failed()

    api = quick(MemoryAPI(lose))
    began = api.clock
    rows, states = at_desk(tmp_path, api, run)
    assert (len(api.bodies), rows, states) == (2, [0, 1, 2, 3, 4, 5], [("collected", 6)])
    assert (api.clock - began).total_seconds() >= 180


def test_a_run_that_ends_knows_the_batch_whose_creation_was_in_flight(tmp_path):
    """It is not in doubt for the next run."""

    async def stop(*_):
        cancellations[0].request("Ctrl-C")
        await asyncio.sleep(0.1)

    async def work(desk, cancellation):
        cancellations.append(cancellation)
        return await run(desk, cancellation)

    cancellations = []
    error, states = at_desk(tmp_path, MemoryAPI(stop), work)
    assert isinstance(error, Cancelled)
    assert states == [("posted", 6)]


def test_a_run_that_fails_knows_the_batch_whose_creation_was_in_flight(tmp_path, monkeypatch):
    """Also if the error comes while rows are in progress."""
    monkeypatch.setattr(gathering, "_LEAST_FULL", 4)
    monkeypatch.setattr(gathering, "MOST_REQUESTS", 4)
    begun = asyncio.Event()

    async def slow(*_):
        begun.set()
        await asyncio.sleep(0.1)

    async def work(desk, _):
        await gather(desk, *range(5))
        await begun.wait()
        raise RuntimeError

    _, states = at_desk(tmp_path, MemoryAPI(slow), work)
    assert states == [("posted", 4), ("gathering", 1)]


def test_a_wait_begins_when_a_batch_is_posted(tmp_path):
    """A short one does not end each run during the upload."""

    async def slow(*_):
        await asyncio.sleep(1.3)

    rows, states = at_desk(tmp_path, MemoryAPI(slow), run, batch=Batch(wait="1s"))
    assert not isinstance(rows, Detached)
    assert states == [("collected", 6)]


def test_requests_that_are_being_posted_count_for_the_limit(tmp_path, monkeypatch):
    """They are not told as sent yet."""
    monkeypatch.setattr(gathering, "_LEAST_FULL", 4)
    monkeypatch.setattr(gathering, "MOST_REQUESTS", 4)

    async def slow(*_):
        await asyncio.sleep(0.1)

    api = MemoryAPI(slow)

    async def work(desk, _):
        await gather(desk, *range(9))
        await desk.resume()

    at_desk(tmp_path, api, work, requests=6)
    assert [len(each) for each in api.bodies] == [4, 2]


def test_a_batch_that_is_too_large_is_halved_from_its_own_size(quick, tmp_path):
    """Not from the limit of the API, which a gateway may lower."""

    async def refuse(_api, _batch, size):
        if size > TOO_LARGE:
            refused.append(size)
            raise failed(413)

    async def work(desk, _):
        await gather(desk, *range(40))
        while rows := await desk.resume():
            await gather(desk, *(row for row in rows if desk.failure(key_of(row)) is None))

    refused = []
    _, states = at_desk(tmp_path, quick(MemoryAPI(refuse)), work)
    assert {state for state, _ in states} == {"collected"}
    assert sum(requests for _, requests in states) == 40
    assert len(refused) <= 4


def test_a_request_that_is_too_large_by_itself_fails_its_row(quick, tmp_path):
    """The others are answered."""

    async def refuse(_api, batch, _size):
        if any(key_of(3).hex() == each["custom_id"] for each in api.bodies[int(batch.id[1:]) - 1]):
            raise failed(413)

    async def work(desk, _):
        await gather(desk, *range(6))
        while rows := await desk.resume():
            await gather(desk, *(row for row in rows if desk.failure(key_of(row)) is None))
        return [desk.failure(key_of(row)).kind for row in range(6)]

    api = quick(MemoryAPI(refuse))
    kinds, states = at_desk(tmp_path, api, work)
    assert kinds == ["expired"] * 3 + ["errored"] + ["expired"] * 2
    assert sum(requests for _, requests in states) == 5


def test_batches_that_others_create_do_not_keep_a_run_in_doubt(quick, tmp_path):
    """One that was created much later than ours cannot be ours."""

    async def lose(api, *_):
        if len(api.bodies) == 1:
            raise failed()

    class Busy(MemoryAPI):
        async def list(self, *_, **__):
            other = RemoteBatch("other", "in_progress", self.now(), None, canceled=False, counts={"processing": 6})
            found, _ = await super().list()
            return [other, *found], None

    api = quick(Busy(lose))
    rows, states = at_desk(tmp_path, api, run)
    assert (rows, states) == ([0, 1, 2, 3, 4, 5], [("collected", 6)])
    assert len(api.bodies) == 2
