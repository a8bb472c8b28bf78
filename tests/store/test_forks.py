"""Children of a process at work: what they inherit keeps nobody out, whatever becomes of their parent."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from hand_made_store import HandMadeStore, ask

import yamlgen
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.file_descriptors import close_alone, open_alone
from yamlgen.output.atomic_write import Staging
from yamlgen.store.location import StoreLocation, is_locked, locked
from yamlgen.store.run_session import open_runs

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python warns of what is tried here

PIPELINE = """\
version: 1
name: pool
input: {rows: [{n: 1}, {n: 2}]}
steps: {made: {kind: python, call: work:made, args: {n: row.n}}}
output: {path: out.jsonl}
"""
POOL = """\
import os, time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

def stay():
    Path(f"{os.getpid()}.child").touch()
    time.sleep(60)

def made(n):
    if not Path("again").exists():
        pool = ProcessPoolExecutor(2)
        for _ in range(2):
            pool.submit(stay)
        while len(list(Path().glob("*.child"))) < 2:
            time.sleep(0.01)
        globals().setdefault("pools", []).append(pool)
        HANG
    return n
"""
DEADLINE = 30
KEY = {"ANTHROPIC_API_KEY": "asked-for-by-no-step"}


def until(holds):
    """Wait until something holds."""
    ends = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)


def alive(pid):
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def folder(tmp_path):
    """A folder with a pipeline whose step makes a pool of processes; what is left of them is killed in the end."""
    (tmp_path / "pool.yaml").write_text(PIPELINE, "utf-8")
    yield tmp_path
    for path in tmp_path.glob("*.child"):
        if alive(int(path.stem)):
            os.kill(int(path.stem), signal.SIGKILL)


def children(folder):
    """The processes of the pool that are alive."""
    return [int(path.stem) for path in folder.glob("*.child") if alive(int(path.stem))]


def start(fork_server, folder, hang="pass"):
    """A run that makes a pool of two processes, each busy for a minute."""
    (folder / "work.py").write_text(POOL.replace("HANG", hang), "utf-8")
    return fork_server.start(folder, "run", "pool.yaml", "-q", **KEY)


def check_free(fork_server, folder):
    """While the children live the next run begins, and finishes."""
    assert len(children(folder)) >= 2
    assert not is_locked(StoreLocation(folder / ".yamlgen", "pool.yaml"))
    (folder / "again").touch()
    ended = fork_server.call(folder, "run", "pool.yaml", "-q", **KEY)
    assert (ended.code, ended.err) == (0, "")
    assert len(children(folder)) >= 2


def test_a_pool_that_outlives_its_run_keeps_nobody_out(fork_server, folder):
    """The processes of a pool of a step do not hold the store once the run has ended."""
    assert start(fork_server, folder).wait().code == 0
    check_free(fork_server, folder)


def test_orphans_of_a_killed_run_keep_nobody_out(fork_server, folder):
    """After `kill -9` of a run whose pool is still busy, the next run begins at once, and the killed one is told so."""
    life = start(fork_server, folder, hang="time.sleep(60)")
    until(lambda: len(children(folder)) >= 2)
    assert is_locked(StoreLocation(folder / ".yamlgen", "pool.yaml"))
    assert life.kill().code == -9
    with open_runs(StoreLocation(folder / ".yamlgen", "pool.yaml")) as run_reader:
        assert [run.status for run in run_reader.runs()] == ["killed"]
    check_free(fork_server, folder)


STORE = "with locked(StoreLocation(Path(sys.argv[1]), 'a'), 'a run'): end()"
OUTPUT = "staging = Staging(); staging.reserve(Path(sys.argv[1]) / 'out.jsonl'); end()"
KILLED = """\
import os, signal, sys, time
from pathlib import Path
from yamlgen.output.atomic_write import Staging
from yamlgen.store.location import StoreLocation, locked

def end():
    child = os.fork()
    if child == 0:
        for number in (0, 1, 2):
            os.close(number)
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

"""


@pytest.mark.parametrize("held", [STORE, OUTPUT], ids=["store", "output"])
def test_the_kernel_frees_what_a_killed_parent_held(held, tmp_path):
    """A lock on a store, or on a file that is being written, is free after the kill though a forked child lives."""
    done = subprocess.run([sys.executable, "-c", KILLED + held, tmp_path], capture_output=True, timeout=60, check=False)
    assert done.returncode == -9, done.stderr
    child = int(done.stdout)
    try:
        assert alive(child)
        with locked(StoreLocation(tmp_path, "a"), "the next run"), Staging() as staging:
            staging.reserve(tmp_path / "out.jsonl")
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_child_neither_unlocks_nor_writes(tmp_path):
    """What a child does to the number that it inherited is done to nothing; the parent has its lock and its file."""
    place, path = StoreLocation(tmp_path, "a"), tmp_path / "file"
    code = (
        "import fcntl, os, sys\nfrom pathlib import Path\n"
        "from yamlgen.file_descriptors import open_alone\n"
        "from yamlgen.store.location import StoreLocation, is_locked, locked\n"
        "folder = Path(sys.argv[1])\nplace = StoreLocation(folder, 'a')\n"
        "with locked(place, 'a run'):\n"
        "    file = open_alone(folder / 'file', os.O_RDWR | os.O_CREAT)\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os.write(file, b'of the child')\n"
        "        fcntl.flock(file, fcntl.LOCK_UN)\n"
        "    else:\n"
        "        os.waitpid(child, 0)\n"
        "        assert is_locked(place)\n"
        "        os.write(file, b'of the parent')\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], timeout=60, check=True)
    assert path.read_bytes() == b"of the parent"
    assert not is_locked(place)


def test_what_is_closed_is_no_childs_business(tmp_path):
    """A number that is given anew after it was closed is inherited like any other."""
    closed = open_alone(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    close_alone(closed)
    (tmp_path / "other").write_text("other")
    with (tmp_path / "other").open("rb", buffering=0) as other:
        assert other.fileno() == closed
        child = os.fork()
        if child == 0:
            os._exit(other.read() != b"other")
        assert os.waitpid(child, 0)[1] == 0


def test_a_child_that_comes_back_is_no_second_run(fork_server, tmp_path):
    """A function that forks and returns in both processes gives one value; the child ends, the store stays sound."""
    (tmp_path / "pool.yaml").write_text(PIPELINE, "utf-8")
    forking = "import os\n{}def made(n):\n    if os.fork() == 0:\n        {}\n    os.wait()\n    return n\n"
    for way in ("", "async "):
        for end in ("return 3", "raise SystemExit", "raise ValueError"):
            (tmp_path / "work.py").write_text(forking.format(way, end), "utf-8")
            ended = fork_server.call(tmp_path, "run", "pool.yaml", "-q", **KEY)
            assert (ended.code, ended.count("RowFinished"), ended.count("RowFailed")) == (0, 2, 0), ended.err
            rows = [json.loads(line)["made"] for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
            assert rows == [1, 2]
    hand_made_store = HandMadeStore(tmp_path / ".yamlgen")
    hand_made_store.place = StoreLocation(tmp_path / ".yamlgen", "pool.yaml")
    assert hand_made_store.query("PRAGMA integrity_check") == [("ok",)]
    assert hand_made_store.query("SELECT count(*) FROM run WHERE status = 'finished'") == [(6,)]


@contextmanager
def taken(place, **told):
    """A lock that somebody has of whom its file says this."""
    place.lock.write_text(json.dumps({"what": "run x", "since": "then", **told}))
    descriptor = os.open(place.lock, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def refused(place):
    """The error of a run for which the store is not free."""
    with pytest.raises(EnvironmentProblem) as told, locked(place, "run y"):
        pass
    assert told.value.code is Code.BUSY
    return told.value


def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(timeout=60)
    return process.pid


def test_a_dead_process_is_not_named(tmp_path):
    """Whoever has the lock of a process that is dead is called another process, with the way to find it."""
    place = StoreLocation(tmp_path, "a b")
    with taken(place, pid=dead()):
        error = refused(place)
    assert error.message == "the store of this pipeline is in use by another process"
    assert error.hint == f"wait for it, or find it with `lsof '{place.lock}'`"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="told by /proc")  # noqa: PTH112 - before any test
def test_a_stranger_of_the_same_number_is_not_named(tmp_path):
    """A process that lives under the number of one that is dead, or in another container, has no part in it."""
    place = StoreLocation(tmp_path, "a")
    with taken(place, pid=os.getppid()):
        assert refused(place).message == "the store of this pipeline is in use by another process"


def test_nobody_is_told_that_he_waits_for_himself(tmp_path):
    """A second run in one process is told so, and not to kill that process; the first one keeps the lock."""
    place = StoreLocation(tmp_path, "a")
    with locked(place, "run x"):
        error = refused(place)
        assert "in use by another run in this process (run x, since 20" in error.message
        assert error.hint == "wait for it"
        assert is_locked(place)
    assert not is_locked(place)
    assert place.lock.read_bytes() == b""
    with locked(place, "run y"):
        pass


def test_two_runs_in_one_process(tmp_path, monkeypatch):
    """Of two runs of a pipeline in two threads one works, the other is told; afterwards both can."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY["ANTHROPIC_API_KEY"])
    (tmp_path / "pool.yaml").write_text(PIPELINE, "utf-8")
    source = (
        "import time\nfrom pathlib import Path\ndef made(n):\n    Path('at work').touch()\n    WAIT\n    return n\n"
    )
    wait = "while not Path('told').exists(): time.sleep(0.01)"
    (tmp_path / "work.py").write_text(source.replace("WAIT", wait), "utf-8")
    first = threading.Thread(target=yamlgen.run, args=["pool.yaml"])
    first.start()
    try:
        until((tmp_path / "at work").exists)
        with pytest.raises(EnvironmentProblem, match="another run in this process"):
            yamlgen.run("pool.yaml")
    finally:
        (tmp_path / "told").touch()
        first.join(DEADLINE)
    assert [row["made"] for row in yamlgen.run("pool.yaml").rows()] == [1, 2]


def test_a_child_is_told_of_its_parent(tmp_path):
    """A forked child that begins a run itself is told which process works, which is its parent and not itself."""
    place = StoreLocation(tmp_path, "a")
    with locked(place, "run x"):
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(tell, refused(place).message.encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert f"run x (process {os.getpid()}, since" in os.read(told, 1000).decode()
        os.close(told)
        os.close(tell)


def test_a_store_is_written_while_its_children_end(tmp_path):
    """Children that end while the writer commits, by `os._exit` as a pool's do, leave the database sound."""
    hand_made_store = HandMadeStore(tmp_path / "store")

    children = []

    async def work(run_recorder):
        for number in range(30):
            child = os.fork()
            if child == 0:
                os._exit(0)
            children.append(child)
            await ask(run_recorder, b"key %d" % number)

    hand_made_store.run("first", work)
    for child in children:
        os.waitpid(child, 0)
    assert hand_made_store.query("PRAGMA integrity_check") == [("ok",)]
    assert hand_made_store.query("SELECT count(*) FROM attempt") == [(30,)]
