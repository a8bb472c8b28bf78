"""Whole processes and what they took: seconds, CPU, memory. Two that are compared run in turn.

Owns the way from a command to a figure. A machine's speed wanders from minute to minute, so what is compared is
compared within a pair, and the median of the pairs is told.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

YAMLGEN = str(Path(sys.executable).with_name("yamlgen"))
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Took:
    """What one run of a command took.

    Attributes:
        wall: seconds from its start to its end.
        cpu: the CPU seconds of the whole process.
        peak: the most memory it held, in MiB.
        printed: its stdout.
        status: its exit code.
        seen: what the server saw of it.
    """

    wall: float
    cpu: float
    peak: float
    printed: str
    status: int
    seen: dict[str, Any] = field(default_factory=dict)


def run(*command: str, url: str | None = None, status: int = 0) -> Took:
    """Run a command to its end; what it says is shown when it fails.

    Args:
        command: the program and its arguments.
        url: a server of ours, which the command is told of and which is asked for its figures afterwards.
        status: with which exit code it may end besides 0.

    Raises:
        SystemExit: it ended with another one.
    """
    environment = os.environ | ({"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "any"} if url else {})
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, env=environment)
        try:
            printed = child.stdout.read()
        except BaseException:
            child.kill()
            raise
        _, ended, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(ended)
        if child.returncode not in (0, status):
            said.seek(0)
            sys.exit(f"{' '.join(command)} ended with {child.returncode}:\n{said.read()}")
    seen = figures(url) if url else {}
    return Took(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed, child.returncode, seen)


def until_request(*command: str) -> Took:
    """Start a command, and end it when its first request for a message arrives; the CPU is what it took until then."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(120)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        environment = os.environ | {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "any"}
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as child:
            try:
                while not _is_message(server):
                    pass
                wall = time.perf_counter() - started
            finally:
                child.kill()
            _, _, usage = os.wait4(child.pid, 0)
            child.returncode = 0
    return Took(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, "", 0)


def _is_message(server: socket.socket) -> bool:
    connection, _ = server.accept()
    with connection:
        connection.settimeout(10)
        return connection.recv(65536).startswith(b"POST")


@contextmanager
def serving(script: str, argument: str) -> Iterator[str]:
    """The address of one of the servers beside this file, while it runs."""
    command = (sys.executable, str(HERE / script), argument)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def figures(url: str) -> dict[str, Any]:
    """What a server has seen since it was last asked."""
    with urllib.request.urlopen(f"{url}/figures") as answer:  # noqa: S310 - our own server
        return json.load(answer)


def in_turn(count: int, *works: Callable[[], Took]) -> list[tuple[Took, ...]]:
    """Run works in turn, so many times."""
    return [tuple(work() for work in works) for _ in range(count)]


def ratio(runs: Sequence[tuple[Took, ...]], first: int, second: int, figure: str) -> float:
    """The median of the ratios of one work's figure to another's, each within its turn."""
    return statistics.median(getattr(each[first], figure) / getattr(each[second], figure) for each in runs)


def middle(runs: Sequence[tuple[Took, ...]], which: int, figure: str) -> float:
    """The median of one work's figure."""
    return statistics.median(getattr(each[which], figure) for each in runs)
