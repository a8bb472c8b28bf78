"""A deadline: it rings in time, can be renewed, and after a loop that stood still lets it read what has come."""

import asyncio
import socket
import time

import pytest

from virtual_time import VirtualTimeLoop
from yamlgen.deadline import Deadline


async def timed(work, seconds):
    """Whether `work` ended within its deadline, and after how many seconds it was over."""
    started = time.monotonic()
    try:
        async with Deadline(seconds):
            await work
    except TimeoutError:
        return False, time.monotonic() - started
    return True, time.monotonic() - started


def test_it_cuts_what_takes_too_long():
    """Nothing came: it is over when its seconds are."""
    ended, seconds = asyncio.run(timed(asyncio.sleep(5), 0.2))
    assert not ended
    assert 0.19 < seconds < 1


def test_it_leaves_alone_what_ends_in_time():
    """Work within its deadline ends as it would without, and no timer is left behind."""

    async def main():
        ended, _ = await timed(asyncio.sleep(0.05), 0.2)
        await asyncio.sleep(0.3)
        return ended

    assert asyncio.run(main())


async def echoed(parts, block):
    """What comes over a connection in so many parts, one for each that was read, while the loop is blocked at each."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    theirs.sendall(b"x")
    for _ in range(parts - 1):
        time.sleep(block)  # noqa: ASYNC251 - the loop is to stand still
        assert await reader.readexactly(1) == b"x"
        theirs.sendall(b"x")
    time.sleep(block)  # noqa: ASYNC251
    assert await reader.readexactly(1) == b"x"
    theirs.close()
    writer.close()


@pytest.mark.parametrize(("parts", "block"), [(1, 0.5), (8, 0.15)])
def test_what_has_come_while_the_loop_stood_still_is_read(parts, block):
    """The loop is blocked past the deadline, once or again and again, and all that it waits for is there."""
    ended, _ = asyncio.run(timed(echoed(parts, block), 0.2))
    assert ended


def test_a_loop_that_stood_still_is_not_waited_for_for_long():
    """It rings late, and nothing has come: soon afterwards it is over."""

    async def work():
        time.sleep(0.5)  # noqa: ASYNC251 - the loop is to stand still
        await asyncio.sleep(10)

    ended, seconds = asyncio.run(timed(work(), 0.2))
    assert not ended
    assert seconds < 2.5


def test_it_can_be_renewed():
    """Each sign of life gives it its time anew; the silence after the last one is what counts."""

    async def main():
        async with Deadline(0.2) as deadline:
            for _ in range(6):
                await asyncio.sleep(0.1)
                deadline.renew(0.2)
            await asyncio.sleep(5)

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert 0.75 < time.monotonic() - started < 2


def test_it_can_be_renewed_to_less():
    """What is set last counts, be it sooner."""

    async def main():
        async with Deadline(9) as deadline:
            deadline.renew(0.1)
            await asyncio.sleep(5)

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert time.monotonic() - started < 1


def test_one_inside_another():
    """The outer one bounds all, however often the inner one is renewed."""

    async def main():
        async with Deadline(0.3), Deadline(0.2) as inner:
            while True:
                await asyncio.sleep(0.05)
                inner.renew(0.2)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        begun = runner.get_loop().time()
        with pytest.raises(TimeoutError):
            runner.run(main())
        assert runner.get_loop().time() - begun == pytest.approx(0.3)


def test_a_cancellation_from_outside_stays_one():
    """Who is cancelled meanwhile is cancelled, not overdue."""

    async def main():
        task = asyncio.ensure_future(timed(asyncio.sleep(5), 3))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
