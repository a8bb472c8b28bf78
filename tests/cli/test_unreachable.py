"""An address that says nothing at the start: soon told to a person, waited for where nobody looks."""

import os
import random
import socket
import time
from contextlib import contextmanager, suppress

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
def started(fork_server, small, port):
    """Start a run against that port, with a file or a terminal as standard error."""
    key = {"ANTHROPIC_API_KEY": "any-key", "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}"}

    @contextmanager
    def start(*arguments, terminal=None):
        process = fork_server.start(small, "run", "small.yaml", _QUICK, *arguments, terminal=terminal, **key)
        with ending(process):
            yield process

    return start


@contextmanager
def ending(process):
    """A process that ends with the block."""
    try:
        yield
    finally:
        process.kill()


def test_a_server_that_comes_late_is_waited_for(fork_server, started, small, port):
    """Without a terminal, a limit that was set is how long; when the server comes, the run finishes."""
    with started("--max-pause=60") as process:
        time.sleep(UNHEARD + 5)  # longer than anybody waits at a terminal
        os.kill(process.pid, 0)  # raises an error if it has ended
        with ending(fork_server.start(small, "simulate", "--port", port)):
            assert process.wait().code == 0
    assert len((small / "out/notes.jsonl").read_text().splitlines()) == 8


def test_a_limit_of_the_file_is_waited_for_as_well(started):
    """And no longer: then the run ends with 3, as one that cannot be reached."""
    begun = time.monotonic()
    with started("--set=limits.max_pause=10") as process:
        ended = process.wait()
    assert ended.code == 3
    assert time.monotonic() - begun > 10
    assert "error[YG608]: cannot reach http://127.0.0.1:" in ended.err


def test_a_person_is_told_soon(started):
    """At a terminal, whatever the limit; and elsewhere, where none was set."""
    ours, theirs = os.openpty()
    elsewhere = ("--store=other", "-o=other.jsonl")
    with (
        started() as unset,
        started("--max-pause=600", *elsewhere, terminal=os.ttyname(theirs)) as watched,
    ):
        os.close(theirs)
        screen = b""
        with suppress(OSError):  # Linux says so when the other side is closed
            while part := os.read(ours, 65536):
                screen += part
        assert watched.wait().code == unset.wait().code == 3
    os.close(ours)
    assert b"cannot reach http://127.0.0.1:" in screen
