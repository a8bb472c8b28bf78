"""A worker process, seen from the run: it is started, asked, and ended.

Each has a connection of its own, so that a worker that dies in the middle of a message disturbs no other. It inherits
no open file but that connection, and no credentials.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from yamlgen.deadline import Deadline
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.file_descriptors import close_alone, keep_alone
from yamlgen.steps.python.worker_frames import LENGTHS, frame_of, lengths_of
from yamlgen.system_limits import scarcity_of

_BOOT: Final = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from yamlgen.steps.python.worker_main import serve; serve(int(sys.argv[2]), int(sys.argv[3]))"
)
"""The program: it is not the user's `__main__`, which would start the run again if it has no guard."""

_GRACE: Final = 5.0
"""Seconds that an idle worker has to end, so that the author's exit handlers run."""

_DYING: Final = 2.0
"""Seconds that a process has to end after it has closed its connection."""


class WorkerGone(Exception):  # noqa: N818 - an event, not an error
    """The worker ended before it answered; the argument tells how."""


@dataclass(eq=False)
class WorkerProcess:
    """A worker process.

    Attributes:
        loaded: the modules that it has loaded: their files, with the digests of their sources.
        older: the modules from the pipeline's folder that it had loaded before.
        is_idle: whether it waits for a frame; otherwise it is of no further use.
    """

    _process: subprocess.Popen[bytes]
    _calls: socket.socket
    _life: int
    loaded: set[tuple[str, str]] = field(default_factory=set)
    older: frozenset[Path] = frozenset()
    is_idle: bool = True
    _number: int = 0

    @classmethod
    async def start(
        cls, folder: Path, environment: Mapping[str, str], outputs: tuple[int, int], seconds: float
    ) -> Self:
        """Start a worker, and wait until it is ready.

        Args:
            folder: the pipeline's folder, absolute.
            environment: its environment variables.
            outputs: the descriptors of its standard output and standard error.
            seconds: maximum seconds until it is ready.

        Raises:
            EnvironmentProblem: it cannot be started.
        """
        worker = cls(*_spawned(environment, outputs))
        about = {
            "folder": str(folder),
            "argv": list(map(str, sys.argv)),
            "dont_write_bytecode": sys.dont_write_bytecode,
        }
        try:
            head, _ = await worker.ask(about, b"", seconds)
        except (WorkerGone, TimeoutError) as error:
            how = "was not ready in time" if isinstance(error, TimeoutError) else str(error)
            raise _unstarted(f"the process {how}") from None
        finally:
            if not worker.is_idle:
                await worker.end()
        worker.older = frozenset(map(Path, head["older"]))
        return worker

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    async def ask(self, head: Mapping[str, Any], body: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        """Send a frame and return the answer. After an exception, call `end`.

        Raises:
            TimeoutError: there is no answer after `seconds`.
            WorkerGone: it ended, or closed its connection.
        """
        self.is_idle = False
        self._number += 1
        try:
            async with Deadline(seconds):
                await asyncio.get_running_loop().sock_sendall(
                    self._calls, frame_of({**head, "number": self._number}, body)
                )
                answer = await self._received()
            self.is_idle = True
        except TimeoutError:
            raise
        except (
            OSError,
            EOFError,
            ValueError,
            MemoryError,
        ):  # a connection that was reset, or something that is not a frame
            raise WorkerGone(await self._how_it_ended()) from None
        return answer

    async def _received(self) -> tuple[dict[str, Any], bytes]:
        head, body = lengths_of(await self._exactly(LENGTHS.size))
        found: dict[str, Any] = json.loads(await self._exactly(head))
        if not isinstance(found, dict) or found.get("number") != self._number:
            raise ValueError("not the answer")
        return found, await self._exactly(body)

    async def _exactly(self, length: int) -> bytes:
        loop, made, done = asyncio.get_running_loop(), bytearray(length), 0
        view = memoryview(made)
        while done < length:
            count = await loop.sock_recv_into(self._calls, view[done:])
            if not count:
                raise EOFError
            done += count
        return bytes(made)

    async def _how_it_ended(self) -> str:
        code = await self._exit_code(_DYING)
        if code is None:
            return "broke its connection to the run"
        if code >= 0:
            return f"ended with exit code {code}"
        with suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
        return f"was killed by signal {-code}"

    async def _exit_code(self, seconds: float) -> int | None:
        """Wait for the process to end, and return its exit code; `None` if it has not ended in time."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + seconds, 0.001
        while (code := self._process.poll()) is None and loop.time() < end:
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.02)
        return code

    def kill(self) -> None:
        """End the process now, with all that its functions have started."""
        if self._life >= 0:  # later the number may be that of others
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def release(self) -> None:
        """Close what connects us with it; a process that still runs is killed by that."""
        if self._life >= 0:
            close_alone(self._calls.detach())
            close_alone(self._life)
            self._life = -1

    async def end(self) -> None:
        """Kill the process, at once, and wait until it is gone."""
        self.kill()
        try:
            await self._exit_code(_GRACE)
        finally:
            self.release()

    async def close(self) -> None:
        """Let the idle process end by itself, or kill it if it does not."""
        try:
            self._calls.shutdown(socket.SHUT_RDWR)
            await self._exit_code(_GRACE)
        except OSError:  # it has ended
            pass
        finally:
            await self.end()


def _spawned(
    environment: Mapping[str, str], outputs: tuple[int, int]
) -> tuple[subprocess.Popen[bytes], socket.socket, int]:
    """Start the process, and return it with our ends of its connection and of its pipe.

    Raises:
        EnvironmentProblem: the system refuses.
    """
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise scarcity_of(error) or _unstarted(error.strerror) from None
    try:
        theirs_life, life = os.pipe()
    except OSError as error:
        ours.close()
        theirs.close()
        raise scarcity_of(error) or _unstarted(error.strerror) from None
    given = [theirs.fileno(), theirs_life]
    path = json.dumps([each for each in sys.path if isinstance(each, str)])  # others are ignored in it
    command = [sys.executable or "python", *_options(), "-c", _BOOT, path, *map(str, given)]
    try:
        process = subprocess.Popen(  # noqa: S603 - this interpreter
            command,
            stdin=subprocess.DEVNULL,
            stdout=outputs[0],
            stderr=outputs[1],
            env=dict(environment),
            pass_fds=given,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # a `ValueError`: the program has no interpreter
        ours.close()
        os.close(life)
        raise scarcity_of(error) or _unstarted(getattr(error, "strerror", None) or str(error)) from None
    finally:
        theirs.close()
        os.close(theirs_life)
    ours.setblocking(False)  # noqa: FBT003 - the standard library's signature
    keep_alone(ours.fileno())
    keep_alone(life)
    return process, ours, life


def _options() -> list[str]:
    """Return the options of this interpreter that change what the author's code does."""
    flags = sys.flags
    options = ["-" + "O" * flags.optimize] if flags.optimize else []
    options += ["-s"] if flags.no_user_site else []
    options += ["-E"] if flags.ignore_environment else []
    options += ["-X", f"utf8={flags.utf8_mode}"]
    return options + [f"-W{each}" for each in sys.warnoptions]


def _unstarted(why: str | None) -> EnvironmentProblem:
    message = f"a worker for Python functions cannot be started: {why}"
    hint = "lower `runtime.python_workers`, or end other processes"
    return EnvironmentProblem(message, code=Code.SCARCE, hint=hint)
