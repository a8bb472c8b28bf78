"""An address that says nothing at the start: soon told to a person, waited for where nobody looks."""

import os
import random
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from yamlgen.pacing.pool import UNHEARD

_QUICK = "--set=runtime.max_retries=1"


@pytest.fixture
def port():
    """A port at which nobody listens, and that no server of another test gets, which the system gives a higher one."""
    for number in random.Random().sample(range(20_000, 30_000), 100):  # noqa: S311 - not a secret
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", number))
            return number
    raise AssertionError("a hundred ports are taken")


@pytest.fixture
def started(program, small, port, monkeypatch):
    """Start a run against that port, with a file or a terminal as standard error."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any-key")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{port}")

    @contextmanager
    def start(*arguments, stderr):
        command = [program, "run", "small.yaml", _QUICK, *arguments]
        process = subprocess.Popen(command, cwd=small, stdin=subprocess.DEVNULL, stderr=stderr)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    return start


@contextmanager
def serving(port):
    """The simulator at a port, in a process of its own."""
    command = [str(Path(sys.executable).with_name("yamlgen")), "simulate", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_a_server_that_comes_late_is_waited_for(started, small, port):
    """Without a terminal, a limit that was set is how long; when the server comes, the run finishes."""
    with (small / "told").open("w") as told, started("--max-pause=60", stderr=told) as process:
        time.sleep(UNHEARD + 5)  # longer than anybody waits at a terminal
        assert process.poll() is None
        with serving(port):
            assert process.wait(40) == 0
    assert len((small / "out/notes.jsonl").read_text().splitlines()) == 8


def test_a_limit_of_the_file_is_waited_for_as_well(started, small):
    """And no longer: then the run ends with 3, as one that cannot be reached."""
    begun = time.monotonic()
    limit = ("--set=limits.max_pause=10",)
    with (small / "told").open("w") as told, started(*limit, stderr=told) as process:
        assert process.wait(60) == 3
    assert time.monotonic() - begun > 10
    assert "error[YG608]: cannot reach http://127.0.0.1:" in (small / "told").read_text()


def test_a_person_is_told_soon(started, small):
    """At a terminal, whatever the limit; and elsewhere, where none was set."""
    ours, theirs = os.openpty()
    elsewhere = ("--store=other", "-o=other.jsonl")
    with (
        (small / "told").open("w") as told,
        started(stderr=told) as unset,
        started("--max-pause=600", *elsewhere, stderr=theirs) as watched,
    ):
        os.close(theirs)
        screen = b""
        with suppress(OSError):  # Linux says so when the other side is closed
            while part := os.read(ours, 65536):
                screen += part
        assert watched.wait(60) == unset.wait(60) == 3
    os.close(ours)
    assert b"cannot reach http://127.0.0.1:" in screen
