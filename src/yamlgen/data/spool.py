"""Finished rows on their way to an output: one JSON line each, on disk at once, readable in input order.

Rows finish in any order and have been paid for: each is appended to a file of its own run before anything else
happens to it, unbuffered, so that it outlives the process. Where each row begins is kept in eight bytes of memory.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from yamlgen.ports import JSON

if TYPE_CHECKING:
    from io import BufferedReader, FileIO

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def json_line(record: Mapping[str, JSON]) -> bytes:
    """`record` as one line of JSON in UTF-8; a lone surrogate, which UTF-8 cannot hold, as its JSON escape.

    Raises:
        ValueError: `record` holds NaN or an infinity, which JSON has not.
    """
    return _ENCODER.encode(dict(record)).encode("utf-8", "backslashreplace") + b"\n"


class Spool:
    """An append-only file of JSON lines that knows which input row each belongs to.

    Args:
        path: the file; it must not exist when `open` is called.

    Attributes:
        count: how many records have been added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offsets = array("q")  # by row; -1 for a row that is not here
        self._end = 0
        self.count = 0
        self._writer: FileIO | None = None
        self._reader: BufferedReader | None = None

    def open(self) -> FileIO:
        """Create the file; `add` does so where it has not been done.

        Raises:
            FileExistsError: another run's rows are there.
        """
        self._writer = self.path.open("xb", buffering=0)
        return self._writer

    @property
    def empty(self) -> bool:
        """Whether nothing has been added."""
        return not self._end

    def __contains__(self, index: int) -> bool:
        return index < len(self._offsets) and self._offsets[index] >= 0

    def add(self, index: int, record: Mapping[str, JSON]) -> None:
        """Append the record of input row `index`; when this returns, the kernel has it.

        Raises:
            OSError: it could not be written; the file ends with the record before.
        """
        line = json_line(record)
        writer = self._writer or self.open()
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[writer.write(rest) :]
        except BaseException:  # an interrupt, too, must not leave half a line
            writer.truncate(self._end)
            writer.seek(self._end)
            raise
        if index >= len(self._offsets):
            self._offsets.extend(array("q", [-1]) * (index + 1 - len(self._offsets)))
        self._offsets[index] = self._end
        self._end += len(line)
        self.count += 1

    def line(self, index: int) -> bytes:
        """The JSON line of input row `index`."""
        if self._reader is None:
            self._reader = self.path.open("rb")
        self._reader.seek(self._offsets[index])
        return self._reader.readline()

    def lines(self) -> Iterator[bytes]:
        """All JSON lines, in input order."""
        return (self.line(index) for index, offset in enumerate(self._offsets) if offset >= 0)

    def close(self) -> None:
        """Let go of the file; nothing more can be added."""
        for file in (self._writer, self._reader):
            if file is not None:
                file.close()
        self._reader = None

    def remove(self) -> None:
        """Close, and remove the file if there is one."""
        self.close()
        if self._writer is not None:
            self.path.unlink(missing_ok=True)
        self._end = 0
