"""Several processes and one store: one works, the others are told who does; readers look on; a kill frees the lock."""

import fcntl
import json
import os
import sqlite3
import threading
from contextlib import closing

import pytest

from killed_pipeline import CONCURRENCY, ROWS, database, kept, lay_out, leftovers, look, outputs
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.store.location import StoreLocation, is_locked, locked
from yamlgen.store.run_session import open_runs

BUSY = f"error[{Code.BUSY}]: "


@pytest.fixture
def folder(kill_scenario, request):
    """A folder of its own with the pipeline; the server answers again when the test ends."""
    yield lay_out(kill_scenario.folder / request.node.name, kill_scenario.server.url)
    kill_scenario.server.release()


def place_of(folder):
    """The store in a folder."""
    return StoreLocation(folder / ".yamlgen", "towns.yaml")


def start_waiting(kill_scenario, folder, **options):
    """A run that has sent as much as it may, and has no answer yet."""
    kill_scenario.server.hold()
    before, life = kill_scenario.server.asked, kill_scenario.start(folder, **options)
    assert kill_scenario.server.until(before + CONCURRENCY)
    return life


def check_whole(kill_scenario, folder):
    """The files are those of an undisturbed run, and the database is sound."""
    assert outputs(folder) == kill_scenario.reference.outputs
    assert leftovers(folder) == []
    assert look(folder, "PRAGMA integrity_check") == [("ok",)]
    assert kept(folder) == kill_scenario.reference.requests


def test_a_second_run_is_told_who_works(kill_scenario, folder):
    """A second run of a pipeline ends with 3 and says which process works since when; the first one ends well."""
    life = start_waiting(kill_scenario, folder)
    asked = kill_scenario.server.asked
    second = kill_scenario.run(folder)
    assert second.code == 3
    error, hint, _ = second.err.splitlines()
    since = json.loads((folder / ".yamlgen/towns.yaml.lock").read_text("utf-8"))["since"]
    assert error.startswith(BUSY)
    assert error.endswith(f"(process {life.pid}, since {since})")
    assert hint == f"  = wait for it, or end it: `kill {life.pid}`"
    assert kill_scenario.server.asked == asked
    kill_scenario.server.release()
    assert life.wait().code == kill_scenario.reference.code
    check_whole(kill_scenario, folder)


def test_runs_that_begin_together(kill_scenario, folder):
    """Of runs that begin at the same moment, on a store that is not there yet, one works and the others are told."""
    before = kill_scenario.server.asked
    lives = [kill_scenario.start(folder) for _ in range(3)]
    ended = [life.wait() for life in lives]
    won = [one for one in ended if one.code == kill_scenario.reference.code]
    assert len(won) >= 1, [one.err for one in ended]
    for one in ended:
        assert one in won or (one.code == 3 and one.err.startswith(BUSY)), one.err
    assert kill_scenario.server.asked - before == kill_scenario.reference.requests
    check_whole(kill_scenario, folder)


def test_two_pipelines_of_a_folder(kill_scenario, folder):
    """Two pipelines of one folder run at the same time, each with its own database and lock."""
    text = (folder / "towns.yaml").read_text("utf-8")
    (folder / "villages.yaml").write_text(text.replace("towns.jsonl", "villages.jsonl"), "utf-8")
    first = start_waiting(kill_scenario, folder)
    before = kill_scenario.server.asked
    second = kill_scenario.fork_server.start(folder, "run", "villages.yaml", ANTHROPIC_API_KEY="another-key")
    assert kill_scenario.server.until(before + CONCURRENCY)
    kill_scenario.server.release()
    assert (first.wait().code, second.wait().code) == (kill_scenario.reference.code, kill_scenario.reference.code)
    assert outputs(folder) == kill_scenario.reference.outputs
    others = [(folder / "out" / name).read_bytes() for name in ("villages.jsonl", "villages.failed.jsonl")]
    assert others == kill_scenario.reference.outputs


def test_a_kill_frees_the_lock(kill_scenario, folder):
    """After `kill -9` of the process that works, the next run begins at once, and goes on."""
    life = start_waiting(kill_scenario, folder)
    assert is_locked(place_of(folder))
    assert life.kill().code == -9
    assert not is_locked(place_of(folder))
    kill_scenario.server.release()
    assert kill_scenario.run(folder).code == kill_scenario.reference.code
    check_whole(kill_scenario, folder)


def test_readers_look_on(kill_scenario, folder):
    """While a run works, its rows can be read by anyone, its answers be counted in a plan, and nothing waits."""
    life = kill_scenario.start(folder)
    life.until("RowFinished", times=5)
    kill_scenario.server.hold()
    with closing(sqlite3.connect(f"{database(folder).as_uri()}?mode=ro", uri=True, timeout=0)) as connection:
        assert connection.execute("SELECT count(*) FROM row WHERE status = 'finished'").fetchone()[0] >= 5
    with open_runs(place_of(folder)) as run_reader:
        (run,) = run_reader.runs()
        assert (run.status, run.report) == ("running", None)
        assert len(list(run_reader.rows(run))) >= 5
        assert run_reader.paid(run.number)["facts"]["attempts"] >= 5
    planned = kill_scenario.run(folder, "--dry-run")
    assert planned.code == 0, planned.err
    assert f"{ROWS} rows" in planned.err + planned.out
    kill_scenario.server.release()
    assert life.wait().code == kill_scenario.reference.code
    check_whole(kill_scenario, folder)


def test_a_reader_does_not_hold_up_the_end(kill_scenario, folder):
    """A reader in the middle of a long read neither fails nor hinders the run that ends meanwhile."""
    life = kill_scenario.start(folder)
    life.until("RowFinished", times=5)
    with closing(sqlite3.connect(f"{database(folder).as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        (seen,) = connection.execute("SELECT count(*) FROM attempt").fetchone()
        assert life.wait().code == kill_scenario.reference.code
        assert connection.execute("SELECT count(*) FROM attempt").fetchone() == (seen,)
    check_whole(kill_scenario, folder)


def test_a_killed_run_is_called_so(kill_scenario, folder):
    """A run that was killed is `killed` in the list of runs, and the one that went on is `finished`."""
    kill_scenario.run(folder, failpoint="after-commit:3")
    with open_runs(place_of(folder)) as run_reader:
        assert [run.status for run in run_reader.runs()] == ["killed"]
    kill_scenario.run(folder)
    with open_runs(place_of(folder)) as run_reader:
        assert [run.status for run in run_reader.runs()] == ["killed", "finished"]


def test_a_killed_run_is_called_so_while_another_works(kill_scenario, folder):
    """A run that was killed is not taken for the one that is at work now."""
    kill_scenario.run(folder, failpoint="after-commit:3")
    life = start_waiting(kill_scenario, folder)
    with open_runs(place_of(folder)) as run_reader:
        assert [run.status for run in run_reader.runs()] == ["killed", "running"]
    kill_scenario.server.release()
    assert life.wait().code == kill_scenario.reference.code


def test_what_a_killed_run_leaves_is_the_owners_alone(kill_scenario, folder):
    """Under umask 0, whatever a killed run leaves in the store's folder can be read by its owner alone."""
    assert kill_scenario.run(folder, umask=0, failpoint="after-commit:9").code == -9
    store = folder / ".yamlgen"
    modes = {path.name: path.stat().st_mode & 0o777 for path in store.iterdir() if path.name != ".gitignore"}
    assert store.stat().st_mode & 0o777 == 0o700
    assert {"towns.yaml.db", "towns.yaml.db-wal", "towns.yaml.lock"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_simulated_answers_never_answer_a_real_run(kill_scenario, folder):
    """After a simulated run of the same rows, a real one asks for every answer; each has a database of its own."""
    assert kill_scenario.run(folder, "--simulate").code == 0
    before = kill_scenario.server.asked
    assert kill_scenario.run(folder).code == kill_scenario.reference.code
    assert kill_scenario.server.asked - before == kill_scenario.reference.requests
    assert outputs(folder) == kill_scenario.reference.outputs
    names = {path.name for path in (folder / ".yamlgen").glob("*.db")}
    assert names == {"towns.yaml.db", "towns.yaml.simulated.db"}


def test_a_look_at_the_lock_keeps_nobody_out(tmp_path):
    """Who looks whether a run works has the lock for a moment; a run that begins in that moment waits for it."""
    place = StoreLocation(tmp_path, "a.yaml")
    looking = os.open(place.lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(looking, fcntl.LOCK_EX)
    done = threading.Timer(0.03, os.close, [looking])
    done.start()
    with locked(place, "a test"), pytest.raises(EnvironmentProblem, match="process"), locked(place, "another"):
        pass
    done.join()
