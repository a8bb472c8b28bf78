"""A file as it was first read, and later readings that are held to it.

Owns when an input counts as changed under a run. The first reading keeps a digest of each block. Every later one takes
each block from what is at the path by then, and holds it against the digest before anybody sees a byte of it: so no
request is made of rows that were not there at first, however much of the file is read, and a file that was put in the
place of another is noticed at once. What was appended behind the first length is not read. At the end a look at the
file's identity is enough, while that is the same.
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
    """The error that ends a run whose input is not what it was.

    Args:
        name: how messages name the input.
        how: what is seen of the change, as a sentence.
    """
    message = f"the input {name} changed after it was first read: {how}"
    hint = "the previous output stays as it was; run again once nothing else writes to the input"
    return EnvironmentProblem(message, code=Code.INPUT_CHANGED, hint=hint)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a file held when it was first read.

    Attributes:
        length: its bytes.
        digests: the digest of each of its blocks, one after the other.
        identity: which file it was, and when it was last changed, before the reading began.
    """

    length: int
    digests: bytes
    identity: tuple[int, ...]

    def held(self, opened: Opened, name: str) -> BinaryIO:
        """The bytes of the first reading, read again.

        Reading them raises an `EnvironmentProblem` at the first block that is not what it was.

        Args:
            opened: opens the file, each time for one block.
            name: how messages name it.
        """
        return _buffered(_Held(opened, self, name))

    def verify(self, opened: Opened, name: str) -> int:
        """How many bytes a file has behind those of the first reading, which are read again unless it is untouched.

        Raises:
            EnvironmentProblem: they are not what they were.
        """
        with opened() as file:
            status = os.fstat(file.fileno())
        if self.identity != _identity(status):
            held = self.held(opened, name)
            while held.read(_BLOCK):
                pass
        return max(0, status.st_size - self.length)


def record(file: BinaryIO) -> tuple[BinaryIO, Callable[[], Snapshot]]:
    """A file's bytes for the first reading, and what to call at their end for the snapshot."""
    first = _First(file)
    return _buffered(first), first.snapshot


class _Blocks(io.RawIOBase):
    """The bytes of a file, taken block by block."""

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
        """The next block; nothing at the end."""


class _First(_Blocks):
    """Keeps the digests. The first time that the file ends is the end: it may grow meanwhile."""

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
    """Holds each block against its digest."""

    def __init__(self, opened: Opened, first: Snapshot, name: str) -> None:
        super().__init__()
        self._opened = opened
        self._first = first
        self._name = name
        self._at = 0

    def _next(self) -> bytes:
        wanted = min(_BLOCK, self._first.length - self._at)
        if not wanted:
            return b""
        with self._opened() as file:
            file.seek(self._at)
            block = file.read(wanted)
        if len(block) < wanted:
            found = self._at + len(block)
            raise changed(self._name, f"it had {self._first.length:,} bytes then, and has {found:,} now")
        start = self._at // _BLOCK * _DIGEST
        if hashlib.sha256(block).digest() != self._first.digests[start : start + _DIGEST]:
            raise changed(self._name, "its content is another one now")
        self._at += wanted
        return block


def _buffered(blocks: _Blocks) -> BinaryIO:
    return io.BufferedReader(blocks, _BLOCK)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
