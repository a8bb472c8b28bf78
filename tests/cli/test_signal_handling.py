"""Runs that end early, as processes: signals, a full disk, a reader that goes away. The next run goes on from there."""

import asyncio
import json
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from yamlgen.cli.signal_handling import SignalHandler
from yamlgen.errors import YamlgenError
from yamlgen.store.location import location_of
from yamlgen.store.run_session import open_runs

PREVIOUS = "the output of the run before\n"


@pytest.fixture
def folder(small):
    """The small pipeline over sixty rows, with the output of a run before it."""
    rows = "".join(f'{{"id": {number}, "topic": "town {number}"}}\n' for number in range(1, 61))
    (small / "rows.jsonl").write_text(rows, "utf-8")
    (small / "out").mkdir()
    (small / "out/notes.simulated.jsonl").write_text(PREVIOUS, "utf-8")
    return small


@pytest.fixture
def start(program):
    """Start `yamlgen run small.yaml --simulate` as a process; it is killed if the test leaves it behind."""
    left = []

    def started(*arguments, stdin=subprocess.DEVNULL):
        command = [program, "run", "small.yaml", "--simulate", *arguments]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        pipes = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, env=environment, text=True, **pipes)
        left.append(process)
        return process

    yield started
    for process in left:
        process.kill()
        process.communicate()


@pytest.fixture
def fork(fork_server, folder):
    """Start the same as a fork of a process that has loaded all: for signals that come after the start."""
    return partial(fork_server.start, folder, "run", "small.yaml", "--simulate")


def finished():
    """How many rows the last run has finished in the store; `None` before it has begun."""
    try:
        with open_runs(location_of(Path("small.yaml"), simulated=True)) as run_reader:
            runs = run_reader.runs()
            return runs[-1].finished if runs else None
    except YamlgenError:
        return None


def until_rows(number, process):
    """Wait until a run has finished so many rows."""
    ends = time.monotonic() + 60
    while (finished() or 0) < number:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < ends
        time.sleep(0.01)


def until_output(process, text):
    """Read the standard error of a process until it says `text`."""
    said = ""
    while text not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    return said


def go_on(call):
    """Run the same again, to its end; what it paid for, and what it took out of the store."""
    told = call("run", "small.yaml", "--simulate", "--output-format", "json", "--progress", "none")
    assert told.code == 0, told.err
    rows = [json.loads(line) for line in Path("out/notes.simulated.jsonl").read_text("utf-8").splitlines()]
    assert [row["id"] for row in rows] == list(range(1, 61))
    report = json.loads(told.out)
    return report["paid"]["attempts"], report["reused"]["attempts"]


def check_previous_is_whole():
    """The output of the run before is as it was."""
    assert Path("out/notes.simulated.jsonl").read_text("utf-8") == PREVIOUS


SLOW = ("--latency", "0.3", "--max-concurrency", "4", "--progress", "none", "-q")
GO_ON = "finished rows stored; the same command continues from there"


@pytest.mark.usefixtures("folder")
def test_ctrl_c_once_drains(start, call):
    """Ctrl-C sends nothing more, waits for what is in flight, keeps it, and ends with 130; a re-run sends the rest."""
    process = start(*SLOW)
    until_rows(5, process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    kept = finished()
    assert 5 <= kept < 60
    assert said.splitlines() == [
        "stopping: waiting for the requests and functions in flight; press Ctrl-C again to cancel them",
        "error[YG611]: stopped: Ctrl-C",
        f"  = {kept} {GO_ON}",
        "For an explanation: yamlgen explain YG611",
    ]
    check_previous_is_whole()
    assert go_on(call) == (60 - kept, kept)


def test_ctrl_c_twice_cancels(fork):
    """A second Ctrl-C does not wait for what is in flight, and ends with 130 as well."""
    process = fork("--latency", "60", "--progress", "plain")
    process.until("RequestSent", times=48)
    process.send(signal.SIGINT)
    process.until_said("stopping: ")
    started = time.monotonic()
    process.send(signal.SIGINT)
    ended = process.wait()
    assert time.monotonic() - started < 5
    assert ended.code == 130
    assert "  48 sent, none answered\n" in ended.err
    assert "\nerror[YG611]: cancelled: Ctrl-C\n  = no row finished\nnext: yamlgen run " in ended.err
    check_previous_is_whole()


CALLED = """\
version: 1
name: small
input: {path: rows.jsonl, id: id}
steps:
  note: {kind: python, call: "lib:work", timeout: 900}
output: {path: out/notes.jsonl}
"""
BLOCKS = "    import time\n    time.sleep(1000)\n"
NESTS = "    a, b = [], []\n    for _ in range(99):\n        a, b = [a, a], [b, b]\n    return a == b\n"


@pytest.mark.parametrize(
    ("function", "number"),
    [
        pytest.param(f"async def work():\n    open('begun', 'w')\n{BLOCKS}", signal.SIGINT, id="blocks the loop"),
        pytest.param(f"def work():\n    open('begun', 'w')\n{NESTS}", signal.SIGTERM, id="keeps all else from running"),
    ],
)
def test_the_second_signal_ends_what_hears_none(fork, folder, function, number):
    """A function that never lets anything else run does not hold the process: the kernel ends it at the second."""
    (folder / "small.yaml").write_text(CALLED, "utf-8")
    (folder / "lib.py").write_text(function, "utf-8")
    process = fork("--progress", "none")
    ends = time.monotonic() + 60
    while not Path("begun").exists():
        assert time.monotonic() < ends
        time.sleep(0.01)
    process.send(number)
    time.sleep(0.5)
    process.send(number)  # it is still there
    assert process.wait().code == -number


def test_ctrl_c_twice_waits_for_no_reader(start, folder):
    """Whoever cancels is not held up by a reader of standard output that does not read."""
    text = "x" * 100_000
    wide = "".join(f'{{"id": {number}, "topic": "town", "text": "{text}"}}\n' for number in range(1, 61))
    (folder / "rows.jsonl").write_text(wide, "utf-8")
    process = start("-o", "-", "--latency", "1", "--max-concurrency", "4", "--progress", "none")
    until_rows(4, process)
    process.send_signal(signal.SIGINT)
    until_output(process, "stopping: ")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130


def test_a_request_to_end_is_143_and_one_json_object(fork):
    """SIGTERM drains like Ctrl-C and ends with 143; `--output-format json` still prints one object."""
    process = fork(*SLOW, "--output-format", "json")
    process.until("RowFinished", times=3)
    process.send(signal.SIGTERM)
    ended = process.wait()
    assert ended.code == 143
    error = json.loads(ended.out)["error"]
    assert (error["code"], error["message"]) == ("YG611", "stopped: SIGTERM")
    assert error["hint"] == f"{finished()} {GO_ON}"
    check_previous_is_whole()


def test_ctrl_c_ends_a_wait_for_input(start, folder, monkeypatch):
    """Ctrl-C while standard input has not ended stops at once: nothing was sent."""
    (folder / "copies").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "copies"))
    process = start("--input", "-", stdin=subprocess.PIPE)
    ends = time.monotonic() + 60
    while not list((folder / "copies").glob("yamlgen-*")):  # the copy of standard input has begun
        assert time.monotonic() < ends
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    said = process.stderr.read()
    assert said.startswith("error[YG611]: stopped: Ctrl-C\n  = nothing was sent\n")
    assert not list((folder / "copies").glob("yamlgen-*"))
    check_previous_is_whole()


def test_a_full_disk_keeps_what_was_finished(fork, call):
    """When the disk is full, the run ends with exit 3 and one sentence; finished rows and the old output are whole."""
    ended = fork("--progress", "none", "-q", "--max-concurrency", "4", size=400_000).wait()
    assert ended.code == 3
    kept = finished()
    assert 0 < kept < 60
    first, hint, _ = ended.err.splitlines()
    assert first.startswith("error[YG610]: ")
    assert ".yamlgen" in first
    assert hint.endswith(f"{kept} {GO_ON}")
    check_previous_is_whole()
    paid, reused = go_on(call)
    assert paid + reused == 60
    assert reused >= kept


@pytest.mark.usefixtures("folder")
def test_a_reader_that_goes_away_is_told(start, call):
    """`run -o - | head -1` ends with exit 3 and a clear error; what the reader did not take is in the store."""
    process = start("-o", "-", *SLOW)
    first = process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 3
    assert json.loads(first)["id"] == 1
    error, hint, _ = process.stderr.read().splitlines()
    kept = finished()
    assert error == "error[YG611]: the reader of standard output has closed it"
    assert hint.startswith(
        "  = write the finished rows, which are in the store, to a file with `yamlgen runs export`; "
    )
    assert hint.endswith(f"; {kept} {GO_ON}" if kept > 1 else GO_ON.partition("rows ")[2])
    check_previous_is_whole()
    paid, reused = go_on(call)
    assert (paid + reused, reused) == (60, kept)


def test_a_signal_to_a_run_that_finishes_ends_the_chain():
    """Whether the event loop has heard it or not; the next run does not begin."""
    heard = []

    async def chain(*, waits):
        handler.begin(heard.append, lambda: None)
        os.kill(os.getpid(), signal.SIGINT)
        if waits:
            await asyncio.sleep(0.01)
        handler.pause()

    for waits in (True, False):
        with SignalHandler() as handler, pytest.raises(YamlgenError, match="stopped: Ctrl-C") as stopped:
            handler.wait(chain(waits=waits))
        assert (stopped.value.exit_code, stopped.value.hint) == (130, "finished answers are in the store")
    assert heard == [signal.SIGINT]


def test_ctrl_c_between_two_runs_ends_the_chain_at_once():
    """As before the first run, but not as if nothing had been sent."""

    async def chain():
        handler.begin(lambda _: None, lambda: None)
        handler.pause()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(5)

    with pytest.raises(YamlgenError, match="stopped: Ctrl-C") as stopped, SignalHandler() as handler:
        handler.wait(chain())
    assert stopped.value.hint == "finished answers are in the store"
