"""The writer: what shares a commit, the order of writes, and who is woken."""

from __future__ import annotations

import asyncio

import pytest

from yamlgen.errors import EnvironmentProblem
from yamlgen.store import writer as module
from yamlgen.store.key_filter import KeyFilter
from yamlgen.store.location import StoreLocation
from yamlgen.store.run_session import locked_connection
from yamlgen.store.writer import Writer

ADD = "INSERT INTO source (digest, row) VALUES (?, '{}')"
FOUND = "SELECT digest FROM source ORDER BY id"


def written(place, work):
    """Run `work` with a writer and the number of commits so far; return what it returns, and the rows in order."""

    async def main(connection):
        commits = 0

        def count(statement):
            nonlocal commits
            commits += statement == "COMMIT"

        connection.set_trace_callback(count)
        writer = Writer(connection, place.database)
        try:
            made = await work(writer, lambda: commits)
        finally:
            await writer.close()
        return made

    with locked_connection(place, "a test") as connection:
        made = asyncio.run(main(connection))
        return made, [digest for (digest,) in connection.execute(FOUND)]


def adding(writer, number):
    """Submit the write of a row."""
    return writer.submit(lambda connection: connection.execute(ADD, (number,)))


@pytest.fixture
def place(tmp_path):
    """Return the place of a store that does not exist yet."""
    return StoreLocation(tmp_path / "store", "a.yaml")


def test_the_writes_of_one_turn_share_a_commit_in_their_order(place):
    """A hundred rows that end together await the disk once."""

    async def work(writer, commits):
        await asyncio.gather(*(adding(writer, number) for number in range(100)))
        return commits()

    assert written(place, work) == (1, list(range(100)))


def test_a_write_during_a_commit_is_in_the_next_one(place):
    """Its caller is woken after that one, and not before."""

    async def work(writer, commits):
        first = adding(writer, 1)
        await asyncio.sleep(0)  # it is handed over
        second = adding(writer, 2)
        await first
        between = second.done()
        await second
        return between, commits()

    assert written(place, work) == ((False, 2), [1, 2])


def test_a_batch_has_an_end(place, monkeypatch):
    """More writes than one commit may have are written in several, without a caller that writes again."""
    monkeypatch.setattr(module, "_MOST", 3)

    async def work(writer, commits):
        await asyncio.gather(*(adding(writer, number) for number in range(8)))
        return commits()

    assert written(place, work) == (3, list(range(8)))


def test_what_waits_at_the_end_is_written(place):
    """`close` finishes what no turn of the loop has handed over yet."""

    async def work(writer, _commits):
        for number in range(3):
            adding(writer, number)

    assert written(place, work) == (None, [0, 1, 2])


def test_a_commit_that_fails_wakes_all_its_callers(place):
    """None of them waits forever: each gets the error, and so does every later one."""

    async def work(writer, _commits):
        place.database.rename(place.database.with_name("moved"))
        told = await asyncio.gather(*(adding(writer, number) for number in range(3)), return_exceptions=True)
        place.database.with_name("moved").rename(place.database)
        with pytest.raises(EnvironmentProblem):
            adding(writer, 4)
        return {type(each) for each in told}

    assert written(place, work) == ({EnvironmentProblem}, [])


def test_a_caller_that_gave_up_delays_nobody(place):
    """Its write is done, and the others of the commit have their values."""

    async def work(writer, _commits):
        left, kept = adding(writer, 1), adding(writer, 2)
        left.cancel()
        await kept
        return left.cancelled()

    assert written(place, work) == (True, [1, 2])


def test_a_filter_lacks_no_key():
    """A key that was added is never missed; of a thousand others almost all are known to be new."""
    keys = [number.to_bytes(4) * 8 for number in range(0, 2**32, 2**21)]
    known = KeyFilter()
    for key in keys[::2]:
        known.add(key)
    assert all(map(known.may_have, keys[::2]))
    assert sum(map(known.may_have, keys[1::2])) < 10
