"""What the environment refuses or takes away, met by foreign code: one plain error, whatever command meets it."""

import errno
import gc
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

from yamlgen.planning.estimate import Forecaster

CALLING = """\
version: 1
name: small
input: {path: rows.jsonl, id: id}
steps:
  loud: {kind: python, call: "loud:loud", args: {topic: row.topic}}
  note: {model: claude-haiku-5-5, max_tokens: 1024, prompt: "Write a note on {{ steps.loud }}."}
output: {path: out/notes.jsonl}
"""


@pytest.fixture
def calling(small):
    """The small pipeline with a function of the author's."""
    (small / "small.yaml").write_text(CALLING)
    (small / "loud.py").write_text("def loud(topic):\n    return topic.upper()\n")
    return small


@pytest.mark.parametrize("lacking", ["store", "function", "printer", "work"])
def test_no_more_threads_end_the_run_as_what_they_are(calling, call, monkeypatch, lacking):
    """Whoever needs the thread: the environment lacks it, and no row failed."""
    start = threading.Thread.start

    def refused(self):
        if self.name == f"yamlgen {lacking}":
            raise RuntimeError("can't start new thread")
        start(self)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        told = call("run", "small.yaml", "--simulate", *(["-o", "-"] if lacking == "printer" else []))
    assert told.code == 3
    assert "error[YG621]: the system's limit on threads is reached" in told.err
    assert "ulimit -u" in told.err
    assert not list((calling / "out").iterdir())
    assert call("run", "small.yaml", "--simulate").code == 0


@pytest.mark.parametrize(
    "raised",
    ['RuntimeError("can\'t start new thread")', 'OSError(24, "Too many open files")'],
    ids=["threads", "files"],
)
def test_a_function_that_gets_none_fails_no_row(calling, call, raised):
    """What its pool of threads or its file lacks is lacking for every row."""
    (calling / "loud.py").write_text(f"def loud(topic):\n    raise {raised}\n")
    told = call("run", "small.yaml", "--simulate")
    assert (told.code, "error[YG621]" in told.err, "Traceback" in told.err) == (3, True, False), told.err
    assert not list((calling / "out").iterdir())


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("most", [12, 18, 19])
def test_few_open_files_are_an_error_of_the_environment(program, most):
    """As soon as there are too few for what a run needs."""

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    command = [program, "run", "small.yaml", "--simulate", "-q"]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, "Traceback" in done.stderr) in ((0, False), (3, False)), done.stderr


@pytest.mark.usefixtures("small")
def test_a_simulator_that_cannot_accept_ends_the_run(call, monkeypatch, caplog):
    """The client of such a connection would wait for its answer until its deadline."""

    def refused(_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "accept", refused)
        began = time.monotonic()
        told = call("run", "small.yaml", "--simulate")
    assert told.code == 3
    assert "error[YG621]: the system's limit on open files is reached" in told.err
    assert "no row finished" in told.err
    assert time.monotonic() - began < 20
    assert not caplog.records
    assert call("run", "small.yaml", "--simulate").code == 0


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.filterwarnings("error")
def test_ctrl_c_during_a_forecast_is_told_in_a_line(small, call, monkeypatch, caplog, command):
    """The rows that were being reckoned have nothing to say of it."""
    rows = "".join(json.dumps({"id": number, "topic": "x"}) + "\n" for number in range(40))
    (small / "rows.jsonl").write_text(rows)
    add, seen = Forecaster.add, []

    async def slow(self, outcome):
        seen.append(outcome)
        if len(seen) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        await add(self, outcome)

    monkeypatch.setattr(Forecaster, "add", slow)
    told = call(command, "small.yaml", "--simulate")
    gc.collect()
    assert told.code == 130
    last = "For an explanation: yamlgen explain YG611\n"
    assert told.err == f"error[YG611]: stopped: Ctrl-C\n  = nothing was sent\n{last}"
    assert not caplog.records
    assert not (small / "out").exists()


@pytest.mark.parametrize("command", ["validate small.yaml", "plan small.yaml", "run small.yaml --simulate"])
def test_a_folder_that_is_gone_is_told(small, call, monkeypatch, command):
    """A shell may stand in a folder that another one has removed."""
    gone = small / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    told = call(*command.split())
    assert (told.code, "the working directory no longer exists" in told.err) == (3, True), told.err


@pytest.mark.usefixtures("small")
def test_a_file_that_a_library_cannot_use_is_told_with_its_variable(program, monkeypatch):
    """What aiohttp opens as it is loaded: the file of `SSLKEYLOGFILE`."""
    monkeypatch.setenv("SSLKEYLOGFILE", "/missing/keys")
    done = subprocess.run([program, "plan", "small.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith(
        f"error[YG610]: cannot use /missing/keys: {os.strerror(errno.ENOENT)}\n"
        "  = unset the environment variable SSLKEYLOGFILE, which contains this path, or set it to another path\n"
    )
