"""What the author's functions made, kept from run to run."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
from hand_made_store import HandMadeStore, finished

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.row_result import Answer
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_session import open_session
from yamlgen.value_objects import CachedValue

FRESH = ReusePolicy(fresh=True)
FILES = {"scoring.py": "aa", "lib/ones.py": "bb"}
VALUES = [None, "", "é \ud800", 1.5, [1, {"a": None}], {"b": [True]}]


@pytest.fixture
def hand_made_store(tmp_path):
    """A store in which the run `first` kept a value."""
    made = HandMadeStore(tmp_path / "store")
    made.run("first", keeping("old"))
    return made


def made(value, files=FILES):
    """A value, and what it was made of."""
    return CachedValue(value, files)


def keeping(value, key=b"key", files=FILES):
    """The work of a run that keeps a value."""

    async def work(run_recorder):
        await run_recorder.keep(key, made(value, files))
        return run_recorder.kept(key)

    return work


async def take(run_recorder):
    """Take what is kept, and finish a row with it."""
    found = run_recorder.kept(b"key")
    await run_recorder.add(finished(made=Answer(None if found is None else found.value)))
    return found


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back(hand_made_store, value):
    """A kept value is found by a later run, null too; under another key there is nothing."""
    hand_made_store.run("second", keeping(value, b"other"))

    async def look(run_recorder):
        return run_recorder.kept(b"other"), run_recorder.kept(b"nothing")

    assert hand_made_store.run("third", look) == (made(value), None)


def test_the_last_write_wins(hand_made_store):
    """What is kept again replaces what was kept, in the same run too."""

    async def work(run_recorder):
        await run_recorder.keep(b"key", made("new"))
        await run_recorder.keep(b"key", made("newer"))
        return run_recorder.kept(b"key")

    assert hand_made_store.run("second", work) == made("newer")
    assert hand_made_store.run("third", take) == made("newer")


def test_a_fresh_run_takes_its_own_values_alone(hand_made_store):
    """What was kept before a fresh run is not used; what it keeps itself is, by it and by those after it."""
    assert hand_made_store.run("second", take, FRESH) is None
    assert hand_made_store.run("third", keeping("new"), FRESH) == made("new")
    assert hand_made_store.run("fourth", take) == made("new")


@pytest.mark.parametrize(("reuse", "found"), [(ReusePolicy(), made("old")), (FRESH, None)], ids=["plain", "fresh"])
def test_a_forecast_takes_what_the_run_would(hand_made_store, reuse, found):
    """Before a run begins, it is known what it will take; nothing can be kept then."""
    with open_session(hand_made_store.place, reuse) as session:
        assert session.run_recorder.kept(b"key") == found
        with pytest.raises(AssertionError):
            asyncio.run(session.run_recorder.keep(b"key", made("new")))


def test_pruned_runs_take_their_values_along(hand_made_store):
    """What a pruned run kept is gone with it; what another one kept stays."""
    hand_made_store.run("second", keeping("mine", b"other"))
    hand_made_store.prune("first")
    assert hand_made_store.query("SELECT key FROM kept") == [(b"other",)]


def test_a_value_that_a_kept_run_took_stays(hand_made_store):
    """Pruning the run that made a value leaves it to the run that took it, so that this one can be repeated."""
    hand_made_store.run("second", take)
    hand_made_store.prune("first")
    assert hand_made_store.run("third", take) == made("old")
    hand_made_store.prune("second", "third")
    assert hand_made_store.query("SELECT key FROM kept") == []


def test_files_are_stored_once(hand_made_store):
    """Values that depend on the same files share one record of them, which goes with the last of them."""
    other = {**FILES, "data.csv": "cc"}
    hand_made_store.run("second", keeping("b", b"b"))
    hand_made_store.run("third", keeping("c", b"c", other))
    assert hand_made_store.query("SELECT count(*) FROM files") == [(2,)]
    hand_made_store.prune("first", "third")
    assert hand_made_store.query("SELECT count(*) FROM files") == [(1,)]
    assert hand_made_store.run("fourth", keeping("b", b"b")) == made("b")


def test_a_value_of_an_older_store_says_nothing_of_its_files(hand_made_store):
    """What was kept before files were, is found, without any."""
    with closing(sqlite3.connect(hand_made_store.place.database)) as connection, connection:
        connection.execute("UPDATE kept SET files = NULL")
    assert hand_made_store.run("second", take) == made("old", {})


@pytest.mark.parametrize("rotten", ["kept SET value = '{'", "files SET files = '{'"])
def test_a_rotten_value_is_a_damaged_store(hand_made_store, rotten):
    """A kept value that does not parse, or files that do not, are told as damage."""
    with closing(sqlite3.connect(hand_made_store.place.database)) as connection, connection:
        connection.execute(f"UPDATE {rotten}")
    with pytest.raises(EnvironmentProblem) as told:
        hand_made_store.run("second", take)
    assert told.value.code == Code.STORE_DAMAGED
