"""Stores, folders and files that may not be read or not be written: what can be done is done, the rest is told."""

import ctypes
import os
import sqlite3
import sys
from typing import NamedTuple

import pytest

from yamlgen.cli import main

_CAPABILITIES = 0x20080522
"""The third version of Linux's interface to them."""


class Said(NamedTuple):
    """What a call of the command line came to."""

    code: int
    out: str
    err: str


def bind():
    """Have the permissions of files bind this process, which they do not where it is root's."""
    if os.geteuid() == 0:
        nothing = (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(_CAPABILITIES, 0), nothing) == 0


@pytest.fixture
def bound(tmp_path_factory):
    """Call `yamlgen` in a forked child that the permissions bind."""
    folder = tmp_path_factory.mktemp("said")

    def yamlgen(*arguments):
        child = os.fork()
        if child == 0:
            try:
                for number, name in ((0, os.devnull), (1, folder / "out"), (2, folder / "err")):
                    os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
                for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
                    setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w"))
                sys.argv = ["yamlgen", *map(str, arguments)]
                bind()
                main()
            except SystemExit as ended:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(int(ended.code or 0))
            finally:
                os._exit(70)
        _, status = os.waitpid(child, 0)
        said = [(folder / name).read_text() for name in ("out", "err")]
        assert "Traceback" not in said[1], said[1]
        return Said(os.waitstatus_to_exitcode(status), *said)

    return yamlgen


@pytest.fixture
def ran(small, call):
    """The folder of a pipeline that ran; its permissions are given back at the end."""
    assert call("run", "small.yaml", "--simulate", "-q").code == 0
    store = small / ".yamlgen"
    yield store
    for path in (small, store, *store.iterdir()):
        path.chmod(0o700)


@pytest.mark.parametrize("whole", [True, False], ids=["the whole folder", "the store"])
def test_a_store_that_cannot_be_written_is_read(ran, bound, whole):
    """It is listed, shown and planned from; only a run is told that it cannot be locked, and sends nothing."""
    for path in (*ran.iterdir(), ran, *([ran.parent] if whole else [])):
        path.chmod(path.stat().st_mode & ~0o222)
    before = sorted(ran.iterdir())
    listed = bound("runs", "ls", "small.yaml")
    assert (listed.code, "finished" in listed.out) == (0, True), listed.err
    assert bound("runs", "show", "--row", "1").code == 0
    assert bound("runs", "failed", "small.yaml").code == 0
    planned = bound("plan", "small.yaml", "--simulate")
    assert (planned.code, "8 answers in the store, nothing to send" in planned.err) == (0, True), planned.err
    assert bound("validate", "small.yaml").code == bound("render", "small.yaml", "--row", "1").code == 0
    told = bound("run", "small.yaml", "--simulate", "-q")
    assert told.code == 3
    assert "cannot lock the store .yamlgen/small.yaml.simulated.lock: Permission denied" in told.err
    assert "--store" in told.err
    assert sorted(ran.iterdir()) == before


def test_a_store_that_was_killed_and_cannot_be_written_is_read(ran, bound):
    """What stands in the log alone is read, too, by the files that the killed process has left."""
    database = ran / "small.yaml.simulated.db"
    writing = sqlite3.connect(database)
    writing.execute("PRAGMA wal_autocheckpoint = 0")
    writing.execute("UPDATE run SET status = 'stopped'")
    writing.commit()
    copies = {path.name: path.read_bytes() for path in ran.iterdir()}
    writing.close()
    for name, content in copies.items():
        (ran / name).write_bytes(content)
        (ran / name).chmod(0o400)
    assert {f"{database.name}-wal", f"{database.name}-shm"} <= copies.keys()
    ran.chmod(0o500)
    listed = bound("runs", "ls", "small.yaml")
    assert (listed.code, "stopped" in listed.out) == (0, True), listed.err


@pytest.mark.parametrize("command", ["runs ls", "runs ls small.yaml", "runs show", "plan small.yaml --simulate"])
def test_a_store_that_may_not_be_looked_into_is_told(ran, bound, command):
    """And not as one that is not there."""
    ran.chmod(0)
    told = bound(*command.split())
    assert told.code == 3
    assert "error[YG614]: cannot read the store in .yamlgen: Permission denied" in told.err
    assert "--store" in told.err


@pytest.mark.parametrize("form", [[], ["--row", "1"]], ids=["the pipeline", "a row"])
def test_a_store_that_may_not_be_looked_into_is_not_needed_to_render(ran, bound, form):
    """What is shown is then what a first run would ask."""
    ran.chmod(0)
    told = bound("render", "small.yaml", *form)
    assert (told.code, told.err) == (0, "")


@pytest.mark.parametrize("kind", ["a file", "a broken link", "a loop"])
def test_what_is_no_folder_is_no_store(small, call, kind):
    """A run says so; a plan needs none."""
    store = small / ".yamlgen"
    if kind == "a file":
        store.write_text("")
    else:
        store.symlink_to("nowhere" if kind == "a broken link" else ".yamlgen")
    told = call("run", "small.yaml", "--simulate", "-q")
    assert (told.code, "error[YG614]: cannot create the store in .yamlgen: " in told.err) == (3, True), told.err
    assert call("plan", "small.yaml", "--simulate").code == 0


@pytest.mark.parametrize("kind", ["a folder", "a pipe"])
def test_what_is_no_file_is_no_database(small, call, kind):
    """It is told at once, and not waited for."""
    (small / ".yamlgen").mkdir()
    place = small / ".yamlgen/small.yaml.simulated.db"
    place.mkdir() if kind == "a folder" else os.mkfifo(place)
    for command in ("run small.yaml --simulate -q", "plan small.yaml --simulate", "runs ls", "runs show"):
        told = call(*command.split())
        assert (told.code, "is not a yamlgen store" in told.err) == (3, True), told.err
