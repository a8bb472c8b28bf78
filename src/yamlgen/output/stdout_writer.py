"""Rows on standard output, in input order, each as soon as all before them are done.

Rows that wait for a slower one wait in the store, so a printer keeps one number, however far ahead the others are.
It works in a thread of its own: a reader that takes its time must not hold up the answers that come in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from queue import SimpleQueue
from typing import BinaryIO

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.option_names import by_surface
from yamlgen.system_limits import start


class Printer:
    """Prints rows as JSON lines.

    Args:
        stream: standard output, as bytes (JSON is UTF-8, whatever the terminal's encoding).
        line: the JSON line of a finished row by its index, `b""` for a row that failed, `None` for one not done yet.
    """

    def __init__(self, stream: BinaryIO, line: Callable[[int], bytes | None]) -> None:
        self._stream = stream
        self._line = line
        self._next = 0
        self._gone = False

    def done(self, index: int) -> None:
        """Take note that the row is safe in the store, and print what it held up.

        Raises:
            EnvironmentProblem: the rows cannot be printed; said once, afterwards nothing is tried.
        """
        if self._gone or index != self._next:
            return
        try:
            while (line := self._line(self._next)) is not None:
                rest = memoryview(line)
                while rest:  # a pipe takes what it has room for
                    rest = rest[self._stream.write(rest) :]
                self._next += 1
            self._stream.flush()
        except BrokenPipeError as error:
            self._gone = True
            message = "the reader of standard output has gone"
            raise EnvironmentProblem(message, code=Code.STOPPED, hint=_kept()) from error
        except OSError as error:
            self._gone = True
            message = f"cannot write standard output: {error.strerror or error}"
            raise EnvironmentProblem(message, code=Code.DISK, hint=_kept()) from error


def _kept() -> str:
    writes = by_surface(command="`yamlgen runs export`", python="the same call with an `output`")
    return f"finished rows are in the store: {writes} writes them to a file"


class PrinterThread:
    """A printer that nobody waits for until the end.

    Args:
        opened: gives the printer, in the thread that works with it.
    """

    def __init__(self, opened: Callable[[], AbstractContextManager[Printer]]) -> None:
        self._opened = opened
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._error: Exception | None = None
        start(self._work, "yamlgen printer")

    def done(self, index: int) -> None:
        """Take note that a row is safe in the store.

        Raises:
            Exception: an earlier row could not be printed; said once.
        """
        self._queue.put(index)
        self._complain()

    def leave(self) -> None:
        """Let the thread end when its reader lets it, and wait for nobody."""
        self._queue.put(None)

    async def close(self) -> None:
        """Wait until all rows are printed.

        Raises:
            Exception: a row could not be printed; said once.
        """
        self._queue.put(None)
        await self._ended.wait()
        self._complain()

    def _complain(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _work(self) -> None:
        try:
            with self._opened() as printer:
                while (index := self._queue.get()) is not None:
                    printer.done(index)
        except Exception as error:  # noqa: BLE001 - told to the run, which must not end as if all were printed
            self._error = error
        finally:
            with suppress(RuntimeError):  # the loop is gone when the run was cancelled
                self._loop.call_soon_threadsafe(self._ended.set)
