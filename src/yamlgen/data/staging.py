"""How a file is replaced so that it is whole at any moment, and how several are replaced together.

Each is written to a temporary file beside it, under one fixed name: what a killed run leaves there, the next one
takes over. A lock on that file keeps two runs from writing the same output; the kernel frees it with its process.
Only when all are safely on disk does each take its place.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from yamlgen.descriptors import close_alone, open_alone
from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.failpoint import reach
from yamlgen.surface import option


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell an error of the disk as one that concerns `path`.

    Raises:
        EnvironmentProblem: there was one.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        name = "make room, or name a file on another disk" if full else "name a file that you may write"
        hint = f"{name} with {option('output', 'PATH')}"
        message = f"cannot write {near(path)}: {error.strerror or error}"
        raise EnvironmentProblem(message, code=Code.DISK, hint=hint) from error


def target_of(path: Path) -> Path:
    """Where `path` leads to: a link stays, the file behind it is replaced."""
    return Path(os.path.realpath(path))


@dataclass(frozen=True, slots=True)
class _Staged:
    target: Path
    temporary: Path
    file: BinaryIO


class Staging:
    """Files that change together: `write` or `remove` each, then `replace` all; what is temporary never stays.

    Its methods raise `EnvironmentProblem` when the disk refuses, or another run writes the same file.
    """

    def __init__(self) -> None:
        self._waiting: list[_Staged] = []
        self._unwanted: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for staged in self._waiting:
            with suppress(OSError):
                staged.temporary.unlink()  # before the lock is let go: afterwards the name may be another run's
            with suppress(OSError):
                close_alone(staged.file)

    def reserve(self, path: Path) -> _Staged:
        """Open the temporary file for `path`, empty, for this run alone."""
        target = target_of(path)
        temporary = target.with_name(f".{target.name}.yamlgen-tmp")
        with writing(path):
            try:
                file = _locked(temporary)
            except BlockingIOError as error:
                message = f"cannot write {near(path)}: another run is writing it"
                hint = f"wait until that run has ended, or name another output with {option('output', 'PATH')}"
                raise EnvironmentProblem(message, code=Code.BUSY, hint=hint) from error
            self._waiting.append(staged := _Staged(target, temporary, file))
            file.truncate(0)
        return staged

    def write(self, path: Path, chunks: Iterable[bytes]) -> None:
        """Write what `path` will hold, and wait for the disk; its mode stays, or is that of any new file."""
        staged = self.reserve(path)
        with writing(path):
            staged.file.writelines(chunks)
            staged.file.flush()
            if staged.target.exists():
                os.fchmod(staged.file.fileno(), staged.target.stat().st_mode & 0o7777)
            os.fsync(staged.file.fileno())

    def remove(self, path: Path) -> None:
        """Have no file at `path` afterwards."""
        self._unwanted.append(path)

    def replace(self) -> None:
        """Put every file in its place, and remove those that are to go."""
        folders = {staged.target.parent for staged in self._waiting} | {path.parent for path in self._unwanted}
        while self._waiting:
            staged = self._waiting[0]
            reach("before-rename")
            with writing(staged.target):
                staged.temporary.replace(staged.target)
            del self._waiting[0]
            close_alone(staged.file)
            reach("after-rename")
        for path in self._unwanted:
            with writing(path):
                path.unlink(missing_ok=True)
        for folder in folders:
            _sync(folder)


def _locked(path: Path) -> BinaryIO:
    """The file at `path`, open and locked.

    Raises:
        BlockingIOError: another process has it.
    """
    while True:
        # Neither O_TRUNC, which would empty a file that another run is writing, nor a link laid at a known name.
        descriptor = open_alone(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        file = os.fdopen(descriptor, "wb")
        try:
            _lock(descriptor)
            here = os.fstat(descriptor)
            with suppress(FileNotFoundError):
                if os.path.samestat(here, path.lstat()):
                    return file
        except BaseException:
            close_alone(file)
            raise
        close_alone(file)  # its run has just put it in its place, or removed it: what is locked has not this name


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks; the store lets one run at a time through all the same
        return


def _sync(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot; the files themselves are safe by now
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
