"""Prints rows to standard output in input order, each as soon as all rows before it have finished.

Rows that wait for a slower row are in the store, so that the printer only needs to remember one number. It runs in its
own thread, because a slow reader of the output must not delay incoming answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from queue import SimpleQueue
from typing import BinaryIO

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.events import Event, RowFailed, RowFinished, RowsTakenOver
from yamlgen.option_names import by_surface
from yamlgen.system_limits import start


class Printer:
    """Prints rows as JSON lines.

    Args:
        stream: standard output, as bytes (JSON is UTF-8, whatever the terminal's encoding).
        line: returns the JSON line of a finished row by its index, `b""` for a failed row, `None` for an unfinished
            row.
    """

    def __init__(self, stream: BinaryIO, line: Callable[[int], bytes | None]) -> None:
        self._stream = stream
        self._line = line
        self._next = 0
        self._gone = False

    def done(self, index: int) -> None:
        """Record that the row is in the store; print it and the rows that waited for it.

        Raises:
            EnvironmentProblem: the rows cannot be printed. Raised once; afterwards nothing is printed.
        """
        if self._gone or index != self._next:
            return
        try:
            while (line := self._line(self._next)) is not None:
                rest = memoryview(line)
                while rest:  # a pipe may accept only a part
                    rest = rest[self._stream.write(rest) :]
                self._next += 1
            self._stream.flush()
        except BrokenPipeError as error:
            self._gone = True
            message = "the reader of standard output has closed it"
            raise EnvironmentProblem(message, code=Code.STOPPED, hint=_export_hint()) from error
        except OSError as error:
            self._gone = True
            message = f"cannot write to standard output: {error.strerror or error}"
            raise EnvironmentProblem(message, code=Code.DISK, hint=_export_hint()) from error


def _export_hint() -> str:
    how = by_surface(command="`yamlgen runs export`", python="the same call with an `output`")
    return f"write the finished rows, which are in the store, to a file with {how}"


class PrinterThread:
    """Runs a printer in its own thread. Only `close` waits for it.

    Args:
        opened: opens the printer; called in the thread of the printer.
    """

    def __init__(self, opened: Callable[[], AbstractContextManager[Printer]]) -> None:
        self._opened = opened
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._error: Exception | None = None
        start(self._work, "yamlgen printer")

    def observe(self, event: Event) -> None:
        """Record which rows are in the store.

        Raises:
            Exception: an earlier row could not be printed. Raised once.
        """
        if isinstance(event, RowFinished | RowFailed):
            self.done(event.row)
        elif isinstance(event, RowsTakenOver):
            self.done(event.rows[0])  # the printer goes on to those after it by itself

    def done(self, index: int) -> None:
        """Record that a row is in the store.

        Raises:
            Exception: an earlier row could not be printed. Raised once.
        """
        self._queue.put(index)
        self._complain()

    def leave(self) -> None:
        """Tell the thread to end, without waiting for it."""
        self._queue.put(None)

    async def close(self) -> None:
        """Wait until all rows are printed.

        Raises:
            Exception: a row could not be printed. Raised once.
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
        except Exception as error:  # noqa: BLE001 - raised in the run, which must not end as if all were printed
            self._error = error
        finally:
            with suppress(RuntimeError):  # the loop is gone when the run was cancelled
                self._loop.call_soon_threadsafe(self._ended.set)
