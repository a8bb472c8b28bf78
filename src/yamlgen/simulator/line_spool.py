"""Lines in a temporary file without a name, so that their number does not matter to memory."""

from __future__ import annotations

import os
import tempfile
import weakref
from array import array
from collections.abc import Iterator
from typing import Final

_PIECE: Final = 2**16


class LineSpool:
    """Lines that are appended once and read in any order.

    The file is gone with the last reference to the spool, so that a reader that still uses it can continue.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=_PIECE)  # noqa: SIM115 - open as long as the spool
        self._ends = array("Q", [0])
        weakref.finalize(self, self._file.close)

    def append(self, line: bytes) -> None:
        """Append a line, without its line break."""
        self._file.write(line + b"\n")
        self._ends.append(self._ends[-1] + len(line) + 1)

    def finish(self) -> None:
        """Make all lines readable. Nothing is appended after it."""
        self._file.flush()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> bytes:
        start, end = self._ends[index], self._ends[index + 1]
        return os.pread(self._file.fileno(), end - start, start)

    @property
    def size(self) -> int:
        """The number of bytes of all lines."""
        return self._ends[-1]

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield the first `size` bytes in pieces."""
        for start in range(0, size, _PIECE):
            yield os.pread(self._file.fileno(), min(_PIECE, size - start), start)
