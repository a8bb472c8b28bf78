"""Rows on standard output, in input order, each as soon as all before it are done.

Rows that wait for a slower one wait in the store, so this keeps one number, however far ahead the others are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Final

from yamlgen.errors import Code, EnvironmentProblem

_HINT: Final = "finished rows are in the store: `yamlgen runs export` writes them to a file"


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
                self._stream.write(line)
                self._next += 1
            self._stream.flush()
        except BrokenPipeError as error:
            self._gone = True
            message = "the reader of standard output has gone"
            raise EnvironmentProblem(message, code=Code.STOPPED, hint=_HINT) from error
        except OSError as error:
            self._gone = True
            message = f"cannot write standard output: {error.strerror or error}"
            raise EnvironmentProblem(message, code=Code.DISK, hint=_HINT) from error
