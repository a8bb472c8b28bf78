"""How a file is replaced so that it is whole at any moment, and how several are replaced together.

Each is written to a temporary file beside it, under one fixed name: what a killed run leaves there, the next one
takes over. A lock on that file, from when it is reserved, keeps two runs from writing the same output; the kernel frees
it with its process. Only when all are safely on disk does each take its place.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.failpoint import reach
from yamlgen.file_descriptors import close_alone, has_open, open_alone
from yamlgen.option_names import option
from yamlgen.system_limits import scarcity_of


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
        raise scarcity_of(error) or EnvironmentProblem(message, code=Code.DISK, hint=hint) from error


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

    Args:
        what: who writes, for the run that comes second.
    """

    def __init__(self, what: str = "") -> None:
        self._about = json.dumps({"pid": os.getpid(), "what": what}).encode()
        self._reserved: dict[Path, _Staged] = {}
        self._waiting: list[_Staged] = []
        self._unwanted: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for staged in self._reserved.values():
            with suppress(OSError):
                if _is_at_its_place(staged.file, staged.temporary):
                    staged.temporary.unlink()  # before the lock is let go: afterwards the name may be another run's
            with suppress(OSError):
                close_alone(staged.file)
        self._reserved.clear()

    def reserve(self, path: Path) -> _Staged:
        """Open the temporary file for `path`, for this run alone; once more, if it was removed."""
        target = target_of(path)
        staged = self._reserved.get(target)
        if staged is not None and _is_at_its_place(staged.file, staged.temporary):
            return staged
        temporary = target.with_name(f".{target.name}.yamlgen-tmp")
        with writing(path):
            temporary.parent.mkdir(parents=True, exist_ok=True)
            try:
                file = _locked(temporary)
            except BlockingIOError as error:
                raise _busy(path, temporary) from error
            if staged is not None:
                close_alone(staged.file)
            self._reserved[target] = staged = _Staged(target, temporary, file)
            file.truncate(0)
            with suppress(OSError):  # a disk that is full now may have room at the end
                os.pwrite(file.fileno(), self._about, 0)
        return staged

    def write(self, path: Path, chunks: Iterable[bytes]) -> None:
        """Write what `path` will hold, and wait for the disk; its mode stays, or is that of any new file."""
        staged = self.reserve(path)
        self._waiting.append(staged)
        with writing(path):
            staged.file.truncate(0)
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
            del self._waiting[0], self._reserved[staged.target]
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
            if _is_at_its_place(file, path):
                return file
        except BaseException:
            close_alone(file)
            raise
        close_alone(file)  # its run has just put it in its place, or removed it: what is locked has not this name


def _is_at_its_place(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _busy(path: Path, temporary: Path) -> EnvironmentProblem:
    """The error for a file that another run writes, which is named as far as it is sure who that is."""
    try:
        told = json.loads(temporary.read_bytes())
        pid, what = told["pid"], told["what"]
    except (OSError, ValueError, TypeError, KeyError):  # it is writing its rows by now
        pid, what = None, ""
    sure = isinstance(pid, int) and pid != os.getpid() and has_open(pid, temporary)
    who = f" ({what}, process {pid})" if sure and what else ""
    message = f"cannot write {near(path)}: another run is writing it{who}"
    hint = f"wait until that run has ended, or name another output with {option('output', 'PATH')}"
    return EnvironmentProblem(message, code=Code.BUSY, hint=hint)


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
