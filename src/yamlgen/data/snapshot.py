"""A snapshot of a file: digests from the first reading, which later readings are checked against.

Owns when an input counts as changed during a run. The first reading records a digest of each block. Each later reading
opens the path again for each block and checks the digest before it returns any byte. So no request is made from rows
that were not there at first, and a replaced file is detected at once. Data that is appended later is not read. At the
end, an unchanged file identity (inode, size, times) is enough.
"""

from __future__ import annotations

import hashlib
import io
import os
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

from yamlgen.errors import Code, EnvironmentProblem

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Opened: TypeAlias = Callable[[], AbstractContextManager[BinaryIO]]

_BLOCK: Final = 1 << 18
_DIGEST: Final = hashlib.sha256().digest_size


def changed(name: str, how: str) -> EnvironmentProblem:
    """Return the error that ends a run whose input has changed.

    Args:
        name: the name of the input in messages.
        how: a description of the change.
    """
    message = f"the input {name} changed after it was first read: {how}"
    hint = "run again once nothing else writes to the input; the previous output is unchanged"
    return EnvironmentProblem(message, code=Code.INPUT_CHANGED, hint=hint)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of a file when it was first read, as digests.

    Attributes:
        length: its length in bytes.
        digests: the concatenated digests of its blocks.
        identity: the file's device, inode, size and times before the reading began.
    """

    length: int
    digests: bytes
    identity: tuple[int, ...]

    def held(self, opened: Opened, name: str) -> BinaryIO:
        """Return a stream of the same bytes as in the first reading.

        It is seekable. Reading it raises an `EnvironmentProblem` at the first block that has changed.

        Args:
            opened: opens the file; called once for each block.
            name: the name of the file in messages.
        """
        return _buffered(_Held(opened, self, name))

    def verify(self, opened: Opened, name: str) -> int:
        """Check that the content is unchanged, and return how many bytes were appended.

        The content is read again only if the file's identity has changed.

        Raises:
            EnvironmentProblem: the content has changed.
        """
        with opened() as file:
            status = os.fstat(file.fileno())
        if self.identity != _identity(status):
            held = self.held(opened, name)
            while held.read(_BLOCK):
                pass
        return max(0, status.st_size - self.length)


def record(file: BinaryIO) -> tuple[BinaryIO, Callable[[], Snapshot]]:
    """Return a stream for the first reading, and a function that returns the snapshot at its end."""
    first = _First(file)
    return _buffered(first), first.snapshot


class _Blocks(io.RawIOBase):
    """A stream that reads a file block by block."""

    _left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        room = memoryview(buffer)
        self._left = self._left or memoryview(self._next())
        count = min(len(room), len(self._left))
        room[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    @abstractmethod
    def _next(self) -> bytes:
        """Return the next block; empty at the end."""


class _First(_Blocks):
    """Records the digests. It ends where the file first ends, even if the file grows later."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._identity = _identity(os.fstat(file.fileno()))
        self._digests = bytearray()
        self._length = 0
        self._over = False

    def snapshot(self) -> Snapshot:
        return Snapshot(self._length, bytes(self._digests), self._identity)

    def _next(self) -> bytes:
        block = b"" if self._over else self._file.read(_BLOCK)
        self._over = len(block) < _BLOCK
        if block:
            self._digests += hashlib.sha256(block).digest()
            self._length += len(block)
        return block


class _Held(_Blocks):
    """Checks each block against its digest."""

    def __init__(self, opened: Opened, first: Snapshot, name: str) -> None:
        super().__init__()
        self._opened = opened
        self._first = first
        self._name = name
        self._at = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at - len(self._left)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._first.length}[whence]
        self._at = max(0, base + offset)
        self._left = memoryview(b"")
        return self._at

    def _next(self) -> bytes:
        if self._at >= self._first.length:
            return b""
        number, within = divmod(self._at, _BLOCK)
        start = number * _BLOCK
        wanted = min(_BLOCK, self._first.length - start)
        with self._opened() as file:
            file.seek(start)
            block = file.read(wanted)
        if len(block) < wanted:
            found = start + len(block)
            raise changed(self._name, f"it had {self._first.length:,} bytes then, and has {found:,} now")
        at = number * _DIGEST
        if hashlib.sha256(block).digest() != self._first.digests[at : at + _DIGEST]:
            raise changed(self._name, "its content is different now")
        self._at = start + wanted
        return block[within:]


def _buffered(blocks: _Blocks) -> BinaryIO:
    return io.BufferedReader(blocks, _BLOCK)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
