"""A disk that is full or fails, under the store and under the output: one sentence, and nothing kept is lost."""

import asyncio
import json
import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing, contextmanager
from random import Random

import pytest

from killed_pipeline import FILES, IN_FLIGHT, PREVIOUS, ROWS, kept, lay_out, leftovers, outputs
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.store.location import StoreLocation
from yamlgen.store.run_session import locked_connection
from yamlgen.store.writer import Writer

needs_mount = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="only root can mount")


@contextmanager
def small_disk(folder, size):
    """A file system of so many bytes at `folder`; it comes with a function that makes it larger."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    if subprocess.run([*mount, f"size={size}", "yamlgen-test", folder], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield lambda more: subprocess.run(["mount", "-o", f"remount,size={more}", folder], check=True)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def check_one_sentence(ended, code=Code.DISK):
    """The run ended with 3, one error, no traceback."""
    assert ended.code == 3, ended.err
    assert "Traceback" not in ended.err
    assert [line[6:11] for line in ended.err.splitlines() if "error[" in line] == [code], ended.err


def check_previous(folder):
    """The files of the run before are as they were, and nothing lies beside them."""
    assert [(folder / name).read_bytes() for name in FILES] == [PREVIOUS] * 3
    assert leftovers(folder) == []


def check_goes_on(kill_scenario, folder, *arguments):
    """The next run asks for what was not kept, and ends as if nothing had been."""
    before, held_before = kill_scenario.server.asked, kept(folder)
    ended = kill_scenario.run(folder, *arguments)
    assert ended.code == kill_scenario.reference.code, ended.err
    assert kill_scenario.server.asked - before == kill_scenario.reference.requests - held_before
    assert outputs(folder) == kill_scenario.reference.outputs
    assert leftovers(folder) == []


@pytest.mark.parametrize("size", [4_096, 40_000, 200_000, 270_000])
def test_a_store_that_cannot_grow(size, kill_scenario):
    """When the store's file cannot grow, at once or half way, the run ends with one sentence and can go on later."""
    # At most 270,000 bytes: how many answers share a commit depends on time, and no number of them makes all fit in it.
    folder = lay_out(kill_scenario.folder / f"size {size}", kill_scenario.server.url)
    before = kill_scenario.server.asked
    check_one_sentence(kill_scenario.run(folder, size=size))
    check_previous(folder)
    assert kill_scenario.server.asked - before - kept(folder) <= IN_FLIGHT
    assert (0 < kept(folder) < kill_scenario.reference.requests) == (size > 50_000)
    check_goes_on(kill_scenario, folder)


def test_a_large_store_that_cannot_grow(kill_scenario):
    """When large rows have filled the store, all that was answered until then is kept, however it was committed."""
    folder = lay_out(kill_scenario.folder / "large", kill_scenario.server.url)
    texts = {b'"town": "town %d"' % number: Random(number).randbytes(10_000).hex() for number in range(ROWS)}  # noqa: S311
    wide = {words: b'%s, "text": "%s"' % (words, text.encode()) for words, text in texts.items()}

    def widened(lines):
        at_row = re.compile(rb'"town": "town \d+"')
        return b"".join(at_row.sub(lambda at: wide[at[0]], line, count=1) for line in lines.splitlines(keepends=True))

    (folder / "rows.jsonl").write_bytes(widened((folder / "rows.jsonl").read_bytes()))
    before = kill_scenario.server.asked
    check_one_sentence(kill_scenario.run(folder, size=500_000))
    check_previous(folder)
    held = kept(folder)
    assert kill_scenario.server.asked - before - held <= IN_FLIGHT
    assert 0 < held < kill_scenario.reference.requests
    before = kill_scenario.server.asked
    assert kill_scenario.run(folder).code == kill_scenario.reference.code
    assert kill_scenario.server.asked - before == kill_scenario.reference.requests - held
    assert outputs(folder) == [widened(lines) for lines in kill_scenario.reference.outputs]


def test_an_output_that_cannot_be_written(kill_scenario):
    """When there is room for the store and none for the output, the previous output stands; nothing is paid twice."""
    folder = lay_out(kill_scenario.folder / "output", kill_scenario.server.url, rows=12)
    rows = [json.dumps({"id": n, "town": f"town {n}", "text": "x" * 50_000}) + "\n" for n in range(12)]
    (folder / "rows.jsonl").write_text("".join(rows), "utf-8")
    assert kill_scenario.run(folder, "-o", "other.jsonl").code in (0, 1)
    before = kill_scenario.server.asked
    ended = kill_scenario.run(folder, size=250_000)
    check_one_sentence(ended)
    assert "cannot write" in ended.err
    assert "towns.jsonl: File too large" in ended.err
    check_previous(folder)
    assert kill_scenario.run(folder).code in (0, 1)
    assert kill_scenario.server.asked == before
    assert outputs(folder) == [(folder / name).read_bytes() for name in ("other.jsonl", "other.failed.jsonl")]


@needs_mount
def test_a_disk_that_is_full_under_the_store(kill_scenario):
    """When the disk of the store is full, the run says so in one sentence; with more room the next one goes on."""
    folder = lay_out(kill_scenario.folder / "full store", kill_scenario.server.url)
    with small_disk(folder / "disk", 382_000) as grow:
        before = kill_scenario.server.asked
        check_one_sentence(kill_scenario.run(folder, "--store", "disk/store"))
        check_previous(folder)
        (store,) = (folder / "disk/store").glob("towns.yaml-*.db")
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            (held_before,) = connection.execute("SELECT count(*) FROM attempt").fetchone()
        assert 0 < held_before < kill_scenario.reference.requests
        assert kill_scenario.server.asked - before - held_before <= IN_FLIGHT
        grow("20m")
        before = kill_scenario.server.asked
        assert kill_scenario.run(folder, "--store", "disk/store").code == kill_scenario.reference.code
        assert kill_scenario.server.asked - before == kill_scenario.reference.requests - held_before
        assert outputs(folder) == kill_scenario.reference.outputs


@needs_mount
@pytest.mark.parametrize("room", [4096, 0])
def test_a_disk_that_is_full_before_the_store_is_made(room, kill_scenario):
    """On a disk without room for a store, or for a single byte, nothing is sent and one sentence says so."""
    folder = lay_out(kill_scenario.folder / f"no room {room}", kill_scenario.server.url)
    with small_disk(folder / "disk", 40_960):
        (folder / "disk/ballast").write_bytes(b"x" * (40_960 - room))
        before = kill_scenario.server.asked
        ended = kill_scenario.run(folder, "--store", "disk/store")
        check_one_sentence(ended, Code.DISK if "error[YG610" in ended.err else Code.STORE_PLACE)
        assert kill_scenario.server.asked == before
        check_previous(folder)


@needs_mount
def test_a_disk_that_is_full_under_the_output(kill_scenario):
    """When the disk of the output is full at the end, all that was paid for is kept, and the old output stands."""
    folder = lay_out(kill_scenario.folder / "full output", kill_scenario.server.url, previous=False)
    with small_disk(folder / "out", 24_576) as grow:
        (folder / "out/ballast").write_bytes(b"x" * 8_000)
        for name in FILES:
            (folder / name).write_bytes(PREVIOUS)
        ended = kill_scenario.run(folder)
        check_one_sentence(ended)
        assert [(folder / name).read_bytes() for name in FILES] == [PREVIOUS] * 3
        assert leftovers(folder) == ["ballast"]
        assert kept(folder) == kill_scenario.reference.requests
        grow("10m")
        (folder / "out/ballast").unlink()
        check_goes_on(kill_scenario, folder)


def test_a_store_that_is_taken_away(kill_scenario):
    """When the store's folder is deleted during the run, the run ends and says so, and the next one works."""
    folder = lay_out(kill_scenario.folder / "gone", kill_scenario.server.url)
    life = kill_scenario.start(folder)
    life.until("RowFinished", times=5)
    shutil.rmtree(folder / ".yamlgen")
    ended = life.wait()
    first_missed = Code.DISK if "was moved or removed" in ended.err else Code.BUSY  # the database, or its lock
    check_one_sentence(ended, first_missed)
    check_previous(folder)
    check_goes_on(kill_scenario, folder)


def test_a_database_that_is_taken_away(kill_scenario):
    """When the store's database is deleted during the run, but not its lock, the error says that it is gone."""
    folder = lay_out(kill_scenario.folder / "without", kill_scenario.server.url)
    life = kill_scenario.start(folder)
    life.until("RowFinished", times=5)
    (folder / ".yamlgen" / "towns.yaml.db").unlink()
    ended = life.wait()
    check_one_sentence(ended)
    assert "was moved or removed" in ended.err


class Failing(sqlite3.Connection):
    """A connection whose commits fail from the third one on; it counts what is tried afterwards."""

    commits = tried = 0

    def execute(self, query, *values):
        """Fail like a full disk."""
        self.tried += self.commits > 2
        if query == "COMMIT":
            self.commits += 1
            if self.commits > 2:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorname = "SQLITE_FULL"
                raise error
        return super().execute(query, *values)


def test_nothing_is_tried_again_on_top_of_a_failing_disk(tmp_path):
    """After a commit has failed, its write and every later one is told so at once, and SQLite is left alone."""
    place = StoreLocation(tmp_path / "store", "a.yaml")
    with locked_connection(place, "a test"):
        pass

    async def work():
        with closing(
            sqlite3.connect(place.database, factory=Failing, isolation_level=None, check_same_thread=False)
        ) as c:
            writer = Writer(c, place.database)
            for number in range(5):
                query = f"INSERT INTO source (digest, row) VALUES ({number}, '{{}}')"  # noqa: S608 - a number
                if number < 2:
                    await writer.write(lambda connection, query=query: connection.execute(query))
                    continue
                with pytest.raises(EnvironmentProblem, match="disk is full") as told:
                    await writer.write(lambda connection, query=query: connection.execute(query))
                assert told.value.code == Code.DISK
            await writer.close()
            return c.tried

    assert asyncio.run(work()) == 1, "the rollback, and nothing more"
    with closing(sqlite3.connect(place.database)) as connection:
        assert connection.execute("SELECT count(*) FROM source").fetchone() == (2,)


def test_a_write_that_cannot_be_done_fails_alone(tmp_path):
    """Of writes that share a commit the one with a number beyond 64 bits fails; the others and later ones are kept."""
    place = StoreLocation(tmp_path / "store", "a.yaml")
    insert = "INSERT INTO source (digest, row) VALUES (?, '{}')"

    async def work(connection):
        writer = Writer(connection, place.database)
        numbers = [1, 2, 2**64, 3]
        writes = [writer.write(lambda one, number=number: one.execute(insert, (number,))) for number in numbers]
        told = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(each) for each in told if isinstance(each, Exception)] == [OverflowError]
        await writer.write(lambda one: one.execute(insert, (4,)))
        await writer.close()

    with locked_connection(place, "a test") as connection:
        asyncio.run(work(connection))
        assert connection.execute("SELECT digest FROM source ORDER BY 1").fetchall() == [(1,), (2,), (3,), (4,)]
