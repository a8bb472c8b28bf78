"""What the author's functions print in worker processes: it is printed where it is printed without workers.

Each of the two streams is one pipe, which all workers share: lines are short enough to be written whole.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
from contextlib import suppress
from typing import Final

_PIECE: Final = 1 << 16


class WorkerOutput:
    """The standard streams of the workers of one run. It must be closed."""

    def __init__(self) -> None:
        self._pipes: list[_Pipe] = []

    def descriptors(self) -> tuple[int, int]:
        """Return the descriptors for the standard output and the standard error of a worker.

        Raises:
            OSError: the system has no more open files.
        """
        while len(self._pipes) < len(_STREAMS):
            self._pipes.append(_Pipe(_STREAMS[len(self._pipes)]))
        output, error = (pipe.entry for pipe in self._pipes)
        return output, error

    def close(self) -> None:
        """Print what is left, and close the pipes."""
        while self._pipes:
            self._pipes.pop().close()


_STREAMS: Final = ("stdout", "stderr")


class _Pipe:
    """A pipe to a stream of `sys`, which may be replaced during a run."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._exit, self.entry = os.pipe()
        os.set_blocking(self._exit, False)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._exit, self._print)

    def _print(self) -> bool:
        """Print what is in the pipe, up to a limit, and return whether there was anything."""
        try:
            data = os.read(self._exit, _PIECE)
        except BlockingIOError:
            return False
        text, stream = self._decoder.decode(data), getattr(sys, self._name)
        with suppress(OSError, ValueError):  # nobody reads it any more
            try:
                stream.write(text)
            except UnicodeEncodeError:
                stream.write(text.encode("ascii", "backslashreplace").decode())
            stream.flush()
        return bool(data)

    def close(self) -> None:
        self._loop.remove_reader(self._exit)
        os.close(self.entry)
        while self._print():
            pass
        os.close(self._exit)
