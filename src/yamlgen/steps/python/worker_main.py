"""The program of a worker process: it loads the author's modules and calls their functions, one call after the other.

It imports little, because a run waits for it. It has its own session, so that Ctrl-C in a terminal does not reach it,
and ends together with all processes that the functions have started as soon as the run's process ends.
"""

from __future__ import annotations

import fcntl
import gc
import inspect
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from yamlgen.errors import YamlgenError, anchored
from yamlgen.steps.python.author_modules import AuthorModules, function_in
from yamlgen.steps.python.call_outcome import CallOutcome, end_fork, too_deep, value_of
from yamlgen.steps.python.worker_frames import LENGTHS, frame_of, lengths_of
from yamlgen.system_limits import scarcity_of


def serve(calls: int, life: int) -> None:
    """Answer what comes on a connection, until the run closes it.

    Args:
        calls: the descriptor of the connection.
        life: the descriptor of a pipe that the run's process holds open as long as it lives.
    """
    for descriptor in (calls, life):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the standard library's signature
    _end_with(life)
    connection = socket.socket(fileno=calls)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _go_on)
    os.register_at_fork(after_in_child=lambda: _leave(connection))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    with anchored(), suppress(OSError):  # a function has closed the connection, or the run has
        _Server(connection).run()


class _Server:
    """Answers the frames of one run.

    Args:
        connection: the connection to the run.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._modules: dict[tuple[str, str], ModuleType] = {}
        self._await: Callable[[Awaitable[Any]], CallOutcome] | None = None
        self._known = self._number = 0
        self._told: dict[str, str] = {}

    def run(self) -> None:
        """Answer frames until the connection is closed."""
        received = self._receive()
        if received is None:
            return
        about, _ = received
        sys.argv = about["argv"]
        sys.dont_write_bytecode = about["dont_write_bytecode"]
        self._loader = AuthorModules(Path(about["folder"]))
        self._loader.begin()
        gc.freeze()
        self._known = len(sys.modules)
        self._send({"older": [str(path) for path in self._loader.older]})
        while (received := self._receive()) is not None:
            head, body = received
            self._send(*(self._load(head, body) if "load" in head else self._call(head, body)))
            del received, head, body  # so that an idle worker keeps no values alive

    def _load(self, head: Mapping[str, Any], source: bytes) -> tuple[dict[str, Any], bytes]:
        file, digest = head["load"]
        here = os.getpid()
        try:
            ended = CallOutcome(self._loader.load(Path(file), source))
        except BaseException as error:  # noqa: BLE001 - a `SystemExit` would end the worker
            ended = CallOutcome(error=error)
        end_fork(here, ended)
        if ended.error is not None:
            return _refused(scarcity_of(ended.error) or self._loader.refusal(Path(file), ended.error)), b""
        self._modules[file, digest] = ended.value
        return self._siblings(), b""

    def _call(self, head: Mapping[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        file, digest, name = head["call"]
        try:
            target = function_in(self._modules[file, digest], name, Path(file))
            if inspect.iscoroutinefunction(target):
                return {"loop": True}, b""
            args = json.loads(body)
        except YamlgenError as error:
            return _refused(error), b""
        except RecursionError:
            return _refused(too_deep(name)), b""
        ended = self._ended(target, args)
        try:
            made = json.dumps(value_of(name, ended, self._loader.trace)).encode()
        except YamlgenError as error:
            return _refused(error) | self._siblings(), b""
        except BaseException as error:  # noqa: BLE001 - such as a lack of memory, or a value whose methods fail
            return self._failed(name, error), b""
        return self._siblings(), made

    def _ended(self, target: Callable[..., Any], args: Mapping[str, Any]) -> CallOutcome:
        here = os.getpid()
        try:
            value = target(**args)
            ended = self._awaited(value) if inspect.isawaitable(value) else CallOutcome(value)
        except BaseException as error:  # noqa: BLE001 - a `SystemExit` would end the worker
            ended = CallOutcome(error=error)
        end_fork(here, ended)
        with suppress(Exception):
            sys.stdout.flush()
        return ended

    def _awaited(self, value: Awaitable[Any]) -> CallOutcome:
        """Await a value on the event loop of this worker, which stays the same from call to call."""
        if self._await is None:
            import asyncio  # noqa: PLC0415 - few workers need it, and all start faster without it

            async def guarded(value: Awaitable[Any]) -> CallOutcome:
                try:
                    return CallOutcome(await value)
                except BaseException as error:  # noqa: BLE001 - a `SystemExit` would end the loop
                    return CallOutcome(error=error)

            runner = asyncio.Runner()
            self._await = lambda value: runner.run(guarded(value))
        return self._await(value)

    def _failed(self, name: str, error: BaseException) -> dict[str, Any]:
        try:
            value_of(name, CallOutcome(error=error), self._loader.trace)
        except YamlgenError as told:
            return _refused(told)
        raise AssertionError

    def _siblings(self) -> dict[str, Any]:
        """Return the part of an answer that names newly loaded modules from the pipeline's folder."""
        if len(sys.modules) == self._known:  # finding them takes milliseconds if there are thousands of modules
            return {}
        self._known = len(sys.modules)
        found = {name: str(path) for name, path in self._loader.siblings().items()}
        new = {name: path for name, path in found.items() if self._told.get(name) != path}
        self._told |= new
        return {"siblings": {name: [path, _state(path)] for name, path in new.items()}} if new else {}

    def _receive(self) -> tuple[dict[str, Any], bytes] | None:
        """Return the next frame; `None` if the connection was closed."""
        start = self._exactly(LENGTHS.size)
        if start is None:
            return None
        head, body = (self._exactly(length) for length in lengths_of(start))
        if head is None or body is None:
            return None
        received = json.loads(head)
        self._number = received["number"]
        return received, body

    def _exactly(self, length: int) -> bytes | None:
        made = bytearray(length)
        view, done = memoryview(made), 0
        while done < length:
            count = self._connection.recv_into(view[done:])
            if not count:
                return None
            done += count
        return bytes(made)

    def _send(self, head: Mapping[str, Any], body: bytes = b"") -> None:
        self._connection.sendall(frame_of({**head, "number": self._number}, body))


def _state(path: str) -> list[int]:
    """Return what tells whether a file was changed; empty if it is gone."""
    try:
        found = os.stat(path)  # noqa: PTH116 - as fast as it can be
    except OSError:
        return []
    return [found.st_mtime_ns, found.st_size]


def _refused(error: YamlgenError) -> dict[str, Any]:
    return {"error": [type(error).__name__, error.code, error.message, error.hint]}


def _go_on(_number: int, _frame: object) -> None:
    """Do nothing: the run decides when its workers end. The programs that a function starts do not inherit it."""


def _leave(connection: socket.socket) -> None:
    """Detach a forked child: it neither holds the connection open nor survives signals that end other processes."""
    connection.close()
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is _go_on:
            signal.signal(number, usual)


def _end_with(life: int) -> None:
    """End this process and its children when the pipe is closed, also while a function runs.

    On Linux the kernel does it, even while a library holds the interpreter's lock. Elsewhere a thread does.
    """
    try:
        fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    except (OSError, AttributeError):
        threading.Thread(target=_watch, args=(life,), daemon=True).start()
    if select.select([life], [], [], 0)[0]:  # it was closed before
        _end()


def _watch(life: int) -> None:
    os.read(life, 1)
    _end()


def _end() -> None:
    os.killpg(0, signal.SIGKILL)
