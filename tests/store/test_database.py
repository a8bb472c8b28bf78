"""The database of a store: cut short, foreign, older, newer; whatever it is, nothing is lost or laid open."""

import json
import os
import re
import sqlite3
import stat
import time
import zlib
from contextlib import closing

import pytest

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.store import database, migrations
from yamlgen.store.codec import packed
from yamlgen.store.location import StoreLocation, location_of
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_session import locked_connection, open_runs, open_session

NEXT = "ALTER TABLE run ADD COLUMN note TEXT; UPDATE run SET note = name || '!';"
BROKEN = "ALTER TABLE run ADD COLUMN note TEXT; INSERT INTO nowhere VALUES (1);"
HISTORY = (*migrations.SCRIPTS, NEXT)
VERSION = migrations.VERSION


@pytest.fixture
def stored(small, call):
    """The database of a simulated run of the small pipeline."""
    assert call("run", "small.yaml", "--simulate", "-q").code == 0
    return small / ".yamlgen/small.yaml.simulated.db"


@pytest.fixture
def place(tmp_path):
    """A store with one run in it."""
    made = StoreLocation(tmp_path / "store", "a.yaml")
    with locked_connection(made, "a test") as connection:
        connection.execute("INSERT INTO run (name, started, status, about) VALUES ('first', 'now', 'finished', '{}')")
    return made


def mode(path):
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def check_refused(call, path, *codes):
    """Every command that reads the store says what is wrong in one sentence, and leaves the file to the byte."""
    before = path.read_bytes()
    for arguments in (["run", "small.yaml", "--simulate"], ["run", "small.yaml", "--simulate", "--dry-run"]):
        told = call(*arguments)
        assert told.code == 3, (arguments, told.err)
        (line,) = [line for line in told.err.splitlines() if line.startswith("error[")]
        assert line[6:11] in codes, line
        assert "Traceback" not in told.err
        assert path.read_bytes() == before
    beside = {f.name for f in path.parent.iterdir()}
    assert beside <= {".gitignore", path.with_suffix(".lock").name, path.name, f"{path.name}-wal", f"{path.name}-shm"}


@pytest.mark.parametrize("left", [0, 1, 50, 100, 512, 4096, 5000, 0.3, 0.6, -4096, -1])
def test_a_database_that_was_cut_short(left, stored, call):
    """A database of which a part is missing is told to be damaged (or no store, where next to nothing is left)."""
    whole = stored.read_bytes()
    stored.write_bytes(whole[: int(len(whole) * left) if isinstance(left, float) else left])
    check_refused(call, stored, Code.STORE_DAMAGED, *([Code.STORE_VERSION] if left == 1 else []))


def test_a_database_of_garbage(stored, call):
    """A file that is no database is told to be damaged, and stays as it is."""
    stored.write_bytes(os.urandom(20_000))
    check_refused(call, stored, Code.STORE_DAMAGED)


def test_a_database_whose_pages_have_rotted(stored, call):
    """A database whose header is right and whose pages are not is told to be damaged, and stays as it is."""
    whole = stored.read_bytes()
    stored.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    check_refused(call, stored, Code.STORE_DAMAGED)


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_database_of_another_application(journal, stored, call):
    """Another application's database is told to be none of ours, and not so much as its header is changed."""
    stored.unlink()
    with closing(sqlite3.connect(stored)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("CREATE TABLE precious (thing TEXT)")
    check_refused(call, stored, Code.STORE_VERSION)


def test_a_newer_store(stored, call):
    """A store of a newer version is told to be one, with the way out."""
    with closing(sqlite3.connect(stored)) as connection:
        connection.execute(f"PRAGMA user_version = {migrations.VERSION + 1}")
    check_refused(call, stored, Code.STORE_VERSION)
    assert "update yamlgen" in call("run", "small.yaml", "--simulate").err


def test_an_older_store_is_copied_then_migrated(place, monkeypatch):
    """A store of the version before is copied as it was, then brought up; what it holds survives."""
    monkeypatch.setattr(database, "SCRIPTS", HISTORY)
    monkeypatch.setattr(database, "VERSION", VERSION + 1)
    with locked_connection(place, "a test") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
        assert connection.execute("SELECT name, note FROM run").fetchall() == [("first", "first!")]
    copy = place.database.with_name(f"a.yaml.db.version-{VERSION}")
    assert mode(copy) == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert connection.execute("SELECT name FROM run").fetchall() == [("first",)]
        with pytest.raises(sqlite3.OperationalError, match="no such column"):
            connection.execute("SELECT note FROM run")


def test_a_migration_that_fails_changes_nothing(place, monkeypatch):
    """When a migration fails half way, the store is as it was; the next try, with a good script, brings it up."""
    monkeypatch.setattr(database, "VERSION", VERSION + 1)
    monkeypatch.setattr(database, "SCRIPTS", (*migrations.SCRIPTS, BROKEN))
    with pytest.raises(EnvironmentProblem, match="nowhere"), locked_connection(place, "a test"):
        pass
    with closing(sqlite3.connect(place.database)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert connection.execute("SELECT * FROM run").fetchall()[0][1] == "first"
    monkeypatch.setattr(database, "SCRIPTS", HISTORY)
    with locked_connection(place, "a test") as connection:
        assert connection.execute("SELECT note FROM run").fetchall() == [("first!",)]


def test_the_copy_is_of_what_is_migrated(place, monkeypatch):
    """The copy of an earlier try is not taken for that of a store which an older yamlgen has gone on with since."""
    monkeypatch.setattr(database, "VERSION", VERSION + 1)
    monkeypatch.setattr(database, "SCRIPTS", (*migrations.SCRIPTS, "INSERT INTO nowhere VALUES (1);"))
    with pytest.raises(EnvironmentProblem), locked_connection(place, "a test"):
        pass
    with closing(sqlite3.connect(place.database)) as connection, connection:
        connection.execute("INSERT INTO run (name, started, status, about) VALUES ('second', 'now', 'finished', '{}')")
    monkeypatch.setattr(database, "SCRIPTS", HISTORY)
    with locked_connection(place, "a test"):
        pass
    with closing(sqlite3.connect(place.database.with_name(f"a.yaml.db.version-{VERSION}"))) as connection:
        assert connection.execute("SELECT name FROM run").fetchall() == [("first",), ("second",)]


def test_an_older_store_is_not_read_as_it_is(place, monkeypatch):
    """Who only reads an older store is told that a run brings it up; reading changes nothing."""
    before = place.database.read_bytes()
    monkeypatch.setattr(database, "SCRIPTS", HISTORY)
    monkeypatch.setattr(database, "VERSION", VERSION + 1)
    with pytest.raises(EnvironmentProblem, match="older version of yamlgen") as told, open_runs(place):
        pass
    assert told.value.code == Code.STORE_VERSION
    assert place.database.read_bytes() == before


def test_what_a_killed_creation_left_is_in_nobodys_way(tmp_path):
    """Halves of a database that never was are no obstacle, and nothing of them comes into the new one."""
    place = StoreLocation(tmp_path, "a.yaml")
    for ending in ("", "-wal", "-shm", "-journal"):
        (tmp_path / f"a.yaml.db.new{ending}").write_bytes(os.urandom(5000))
    with locked_connection(place, "a test") as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (0,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_obstacle_to_the_creation_is_one_sentence(tmp_path):
    """Where the database cannot be made, that is an error of ours."""
    (tmp_path / "a.yaml.db.new").mkdir()
    with (
        pytest.raises(EnvironmentProblem, match="cannot use the store") as told,
        locked_connection(StoreLocation(tmp_path, "a.yaml"), "x"),
    ):
        pass
    assert told.value.code == Code.DISK


def test_permissions_whatever_the_umask(tmp_path):
    """Under umask 0 the folder is the owner's alone, and so is every file that holds answers."""
    before = os.umask(0)
    try:
        place = StoreLocation(tmp_path / "store", "a.yaml")
        with locked_connection(place, "a test") as connection:
            connection.execute("INSERT INTO source (digest, row) VALUES (x'00', '{}')")
            files = {path.name: mode(path) for path in place.folder.iterdir() if path.name != ".gitignore"}
    finally:
        os.umask(before)
    assert mode(place.folder) == 0o700
    assert files == dict.fromkeys(["a.yaml.db", "a.yaml.db-shm", "a.yaml.db-wal", "a.yaml.lock"], 0o600)


def test_the_folder_is_out_of_sight_of_git(place):
    """The folder that we make ignores all that is in it."""
    assert (place.folder / ".gitignore").read_text("utf-8") == "*\n"


def test_a_folder_of_the_users_own_gets_no_gitignore(small, call):
    """`--store` names a folder with other things in it: nothing is added there but the store."""
    (small / "mine").mkdir()
    (small / "mine/thesis.txt").write_text("precious")
    assert call("run", "small.yaml", "--simulate", "-q", "--store", "mine").code == 0
    store = location_of(small / "small.yaml", small / "mine", simulated=True)
    names = {path.name for path in (small / "mine").iterdir()}
    assert names == {store.database.name, store.lock.name, "thesis.txt"}
    assert not (small / ".yamlgen").exists()


def test_a_run_does_not_wait_for_readers(place):
    """A store that somebody is reading, from before its last writes, is opened at once, and none of them is lost."""
    insert = "INSERT INTO source (digest, row) VALUES (randomblob(16), '{}')"
    uri = f"{place.database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as reader:
        with locked_connection(place, "a test") as connection:
            connection.execute(insert)
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM source").fetchone() == (1,)
            connection.execute(insert)
        began = time.monotonic()
        with locked_connection(place, "a test") as connection:
            assert time.monotonic() - began < 60
            assert connection.execute("SELECT count(*) FROM source").fetchone() == (2,)
            connection.execute(insert)
        assert reader.execute("SELECT count(*) FROM source").fetchone() == (1,)


def test_a_look_makes_nothing(tmp_path):
    """To plan a run for which there is no store makes no file and no folder."""
    with open_session(StoreLocation(tmp_path / "store", "a.yaml"), ReusePolicy()) as session:
        assert session.run_reader.runs() == []
    assert list(tmp_path.iterdir()) == []


def test_pipelines_of_one_name_share_a_folder(small, call):
    """With `--store` the database is named by the pipeline file and its whole path, so that two never meet."""
    (small / "other").mkdir()
    for name in ("small.yaml", "rows.jsonl"):
        (small / "other" / name).write_bytes((small / name).read_bytes())
    for path in ("small.yaml", "other/small.yaml"):
        told = call("run", path, "--simulate", "--store", "mine", "--output-format", "json")
        assert json.loads(told.out)["paid"]["attempts"] == 8
    names = [path.name for path in (small / "mine").glob("*.db")]
    assert len(names) == 2
    assert all(re.fullmatch(r"small\.yaml-[0-9a-f]{8}\.simulated\.db", name) for name in names)


def test_a_damaged_store_is_three_files(stored, call):
    """Who moves a damaged store away must move its log as well; the hint names all three."""
    stored.write_bytes(os.urandom(20_000))
    hint = call("run", "small.yaml", "--simulate").err.splitlines()[-2]
    assert all(f"{stored.name}{ending}" in hint for ending in (",", "-wal", "-shm")), hint


def test_a_log_without_its_database_is_not_taken(stored, call):
    """The log that a lost database left behind is told, and neither used nor changed; no new database is made."""
    log = stored.with_name(f"{stored.name}-wal")
    log.write_bytes(os.urandom(5000))
    stored.unlink()
    before = log.read_bytes()
    told = call("run", "small.yaml", "--simulate")
    assert (told.code, f"error[{Code.STORE_DAMAGED}]" in told.err, log.name in told.err) == (3, True, True)
    assert log.read_bytes() == before
    assert not stored.exists()


ROTTEN = {"none": b"", "noise": os.urandom(99), "cut": packed({})[:-3], "half": zlib.compress(b'{"content": [')}


@pytest.mark.parametrize("rotten", ROTTEN.values(), ids=ROTTEN)
def test_a_rotten_answer_is_a_damaged_store(rotten, stored, call, small):
    """An answer that does not decompress or parse is told as damage, and the previous output stands."""
    before = {path.name: path.read_bytes() for path in (small / "out").iterdir()}
    with closing(sqlite3.connect(stored)) as connection, connection:
        connection.execute("UPDATE attempt SET response = ? WHERE id = 3", (rotten,))
    told = call("run", "small.yaml", "--simulate")
    assert (told.code, f"error[{Code.STORE_DAMAGED}]" in told.err, "Traceback" in told.err) == (3, True, False)
    assert {path.name: path.read_bytes() for path in (small / "out").iterdir()} == before
    told = call("runs", "show", "small.yaml", "--row", 3)
    assert (told.code, f"error[{Code.STORE_DAMAGED}]" in told.err) == (3, True)


def test_a_rotten_report_is_a_damaged_store(stored, call):
    """What is kept of a run and does not parse is told as damage, wherever runs are listed."""
    with closing(sqlite3.connect(stored)) as connection, connection:
        connection.execute("UPDATE run SET report = '{'")
    for command in ("ls", "show", "export"):
        told = call("runs", command, "small.yaml")
        assert (told.code, f"error[{Code.STORE_DAMAGED}]" in told.err, "Traceback" in told.err) == (3, True, False)
