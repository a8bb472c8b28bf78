"""A lock's file that is removed while a process holds it: the next process notices, and so does the holder."""

import asyncio
import fcntl
import os

import pytest

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.store.location import StoreLocation, is_locked, locked
from yamlgen.store.run_session import locked_connection, open_runs
from yamlgen.store.writer import Writer

PROBE = "SELECT count(*) FROM run"


@pytest.fixture
def place(tmp_path):
    """A store that was made before."""
    found = StoreLocation(tmp_path / ".yamlgen", "a.yaml")
    with locked_connection(found, "making it"):
        pass
    return found


def in_child(work):
    """What another process is told that does `work`: its error's message, or nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work()
        except EnvironmentProblem as error:
            os.write(writing, error.message.encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        return told.read()


def begin(place):
    """Begin a run."""
    with locked_connection(place, "run y"):
        pass


def test_a_removed_lock_lets_nobody_in(place):
    """The database itself tells that a process has it open."""
    with locked_connection(place, "run x") as connection:
        place.lock.unlink()
        assert "is open in another process" in in_child(lambda: begin(place))
        assert connection.execute(PROBE).fetchone() == (0,)
    assert in_child(lambda: begin(place)) == ""


def test_the_holder_takes_its_lock_anew(place):
    """With the next thing that it writes; the lock is the kernel's as before."""

    async def main():
        with locked_connection(place, "run x") as connection:
            writer = Writer(connection, place.database)
            try:
                for removed in (place.lock.unlink, lambda: place.lock.replace(place.lock.with_name("moved"))):
                    removed()
                    await writer.write(lambda each: each.execute(PROBE))
                    assert is_locked(place)
                    assert "(process" in in_child(lambda: begin(place))
            finally:
                await writer.close()

    asyncio.run(main())
    assert not is_locked(place)


def test_a_holder_whose_lock_another_has_writes_no_more(place, monkeypatch):
    """One of an older version may not look whether it is alone."""
    monkeypatch.setattr("yamlgen.store.location._LONG", 2)

    async def main():
        with locked_connection(place, "run x") as connection:
            writer = Writer(connection, place.database)
            place.lock.unlink()
            other = os.open(place.lock, os.O_RDWR | os.O_CREAT)
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(EnvironmentProblem, match="was removed during the run") as caught:
                await writer.write(lambda each: each.execute(PROBE))
            assert caught.value.code is Code.BUSY
            await writer.close()
            os.close(other)

    asyncio.run(main())


def test_a_store_that_came_without_its_lock_is_opened(place):
    """A copy has none, and readers do not count as long as they have ended."""
    place.lock.unlink()
    with open_runs(place):
        pass
    begin(place)
    assert place.lock.exists()


def test_a_lock_of_this_process_is_found_by_any_name_of_its_folder(place, tmp_path):
    """A link to the folder of the store leads to the same one."""
    (tmp_path / "link").symlink_to(place.folder)
    other = StoreLocation(tmp_path / "link", place.name)
    with (
        locked(place, "run x"),
        pytest.raises(EnvironmentProblem, match="another run in this process"),
        locked(other, ""),
    ):
        pass
