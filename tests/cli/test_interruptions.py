"""Runs that end early, as processes: signals, a kill, a full disk, a reader that goes away. What was finished stays."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PREVIOUS = "the output of the run before\n"
LIMITED = (
    "import os, resource, signal, sys; size = int(sys.argv[1]); signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)); os.execv(sys.argv[2], sys.argv[2:])"
)


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

    def started(*arguments, prefix=(), stdin=subprocess.DEVNULL):
        command = [*prefix, program, "run", "small.yaml", "--simulate", *arguments]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        pipes = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, env=environment, text=True, **pipes)
        left.append(process)
        return process

    yield started
    for process in left:
        process.kill()
        process.communicate()


def until_rows(number, process, path=Path("out/notes.simulated.partial.jsonl")):
    """Wait until so many rows are in the partial file of a run."""
    ends = time.monotonic() + 60
    while not path.exists() or path.read_text("utf-8").count("\n") < number:
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


def partial_ids(path="out/notes.simulated.partial.jsonl"):
    """The ids of the rows in the partial file, each line whole."""
    lines = Path(path).read_text("utf-8").splitlines()
    return [json.loads(line)["id"] for line in lines]


def check_previous_is_whole():
    """The output of the run before is as it was."""
    assert Path("out/notes.simulated.jsonl").read_text("utf-8") == PREVIOUS


SLOW = ("--latency", "0.3", "--max-concurrency", "4", "--progress", "none")


@pytest.mark.usefixtures("folder")
def test_ctrl_c_once_drains(start):
    """Ctrl-C sends nothing more, waits for what is in flight, keeps it, says where, and ends with 130."""
    process = start(*SLOW)
    until_rows(5, process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    finished = partial_ids()
    assert 5 <= len(finished) < 60
    assert said.splitlines() == [
        "stopping: what is in flight comes home first; Ctrl-C again cancels it",
        "error[YG611]: stopped: Ctrl-C",
        f"  = {len(finished)} finished rows kept in out/notes.simulated.partial.jsonl",
    ]
    check_previous_is_whole()


@pytest.mark.usefixtures("folder")
def test_ctrl_c_twice_cancels(start):
    """A second Ctrl-C does not wait for what is in flight, and ends with 130 as well."""
    process = start("--latency", "60", "--progress", "plain")
    until_output(process, "small: 60 rows")
    process.send_signal(signal.SIGINT)
    until_output(process, "stopping: ")
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert time.monotonic() - started < 5
    assert process.returncode == 130
    assert said == "error[YG611]: cancelled: Ctrl-C\n  = no row was finished\n"
    check_previous_is_whole()


@pytest.mark.usefixtures("folder")
def test_a_request_to_end_is_143_and_one_json_object(start):
    """SIGTERM drains like Ctrl-C and ends with 143; `--output-format json` still prints one object."""
    process = start(*SLOW, "--output-format", "json")
    until_rows(3, process)
    process.terminate()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 143
    error = json.loads(out)["error"]
    assert (error["code"], error["message"]) == ("YG611", "stopped: the process was asked to end")
    assert f"{len(partial_ids())} finished rows kept in out/" in error["hint"]


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
    assert process.stderr.read() == "error[YG611]: stopped: Ctrl-C\n  = nothing was sent\n"
    assert not list((folder / "copies").glob("yamlgen-*"))
    check_previous_is_whole()


@pytest.mark.usefixtures("folder")
def test_a_kill_leaves_what_was_finished(start, call):
    """After `kill -9` the finished rows are whole lines of the partial file, and a later run leaves them there."""
    process = start(*SLOW)
    until_rows(5, process)
    process.kill()
    process.communicate()
    finished = partial_ids()
    assert len(finished) >= 5
    check_previous_is_whole()
    assert call("run", "small.yaml", "--simulate", "-q").code == 0
    assert partial_ids() == finished
    assert Path("out/notes.simulated.jsonl").read_text("utf-8") != PREVIOUS
    assert not list(Path("out").glob("*partial-2*"))


@pytest.mark.usefixtures("folder")
def test_a_full_disk_keeps_what_was_finished(start):
    """When the disk is full, the run ends with exit 3 and one sentence; finished rows and the old output are whole."""
    process = start("--progress", "none", prefix=(sys.executable, "-c", LIMITED, "3000"))
    _, said = process.communicate(timeout=30)
    assert process.returncode == 3
    finished = partial_ids()
    assert 0 < len(finished) < 60
    first, hint = said.splitlines()
    assert first == "error[YG610]: cannot write out/notes.simulated.partial.jsonl: File too large"
    assert hint.startswith("  = make room, or name a file on another disk with `-o`; ")
    assert f"{len(finished)} finished rows kept in out/notes.simulated.partial.jsonl" in hint
    check_previous_is_whole()


@pytest.mark.usefixtures("folder")
def test_a_disk_that_is_full_at_the_end_costs_no_row(start):
    """When there is room for the rows and none for the files beside them, all rows are in the partial file."""
    process = start("--progress", "none", "--limit", "5", prefix=(sys.executable, "-c", LIMITED, "1000"))
    _, said = process.communicate(timeout=30)
    assert process.returncode == 3
    assert re.search(r"^error\[YG610\]: cannot write .*: File too large$", said, re.MULTILINE)
    lines = Path("out/notes.simulated.limit-5.partial.jsonl").read_text("utf-8").splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == [1, 2, 3, 4, 5]
    assert "5 finished rows kept in out/notes.simulated.limit-5.partial.jsonl" in said
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "notes.simulated.jsonl",
        "notes.simulated.limit-5.partial.jsonl",
    ]


@pytest.mark.usefixtures("folder")
def test_a_reader_that_goes_away_is_told(start):
    """`run -o - | head -1` ends with exit 3 and a clear error; what the reader did not take is in the partial file."""
    process = start("-o", "-", *SLOW)
    first = process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 3
    assert json.loads(first)["id"] == 1
    error, hint = process.stderr.read().splitlines()
    assert error == "error[YG611]: the reader of standard output has gone"
    assert hint.startswith("  = rows that it did not take are in the partial file; `-o PATH` writes to a file; ")
    partial = "out/notes.simulated.stdout.partial.jsonl"
    assert hint.endswith(f"; {len(partial_ids(partial))} finished rows kept in {partial}")
