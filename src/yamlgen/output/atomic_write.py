"""Replaces files as a whole, one or several together, so that no file is ever incomplete.

Each file is first written to a temporary file next to it. Its name is fixed, so that the next run reuses what a killed
run has left. A lock on the temporary file, held from its reservation, keeps two runs from writing the same output; the
kernel releases it when the process ends. The files are replaced when all temporary files are on disk.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
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
    """Convert an `OSError` to the error that `path` cannot be written.

    Raises:
        EnvironmentProblem: the block raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        choose = "free some space, or choose a file on another disk" if full else "choose a writable file"
        hint = f"{choose} with {option('output', 'PATH')}"
        message = f"cannot write {near(path)}: {error.strerror or error}"
        raise scarcity_of(error) or EnvironmentProblem(message, code=Code.DISK, hint=hint) from error


def target_of(path: Path) -> Path:
    """Return the file that `path` links to, or `path` itself: a link stays, and its target is replaced."""
    return Path(os.path.realpath(path))


@dataclass(frozen=True, slots=True)
class _Staged:
    target: Path
    temporary: Path
    file: BinaryIO


class Staging:
    """Files that change together: `write` or `remove` each, then `replace` all. Temporary files are always removed.

    Its methods raise `EnvironmentProblem` if a file cannot be written, or if another run is writing the same file.

    Args:
        what: a description of the writer, for the error of a second run.
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
                    staged.temporary.unlink()  # before the lock is released: then another run may use the name
            with suppress(OSError):
                close_alone(staged.file)
        self._reserved.clear()

    def reserve(self, path: Path) -> _Staged:
        """Open and lock the temporary file for `path`; again, if it was removed."""
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
            with suppress(OSError):  # a disk that is full now may have space at the end of the run
                os.pwrite(file.fileno(), self._about, 0)
        return staged

    def write(self, path: Path, chunks: Iterable[bytes]) -> int:
        """Write the new content of `path`, and wait for the disk; return its bytes. An existing file keeps its mode."""
        staged = self.reserve(path)
        self._waiting.append(staged)
        with writing(path):
            staged.file.truncate(0)
            staged.file.writelines(chunks)
            staged.file.flush()
            self._settle(staged)
            return staged.file.tell()

    def fill(self, path: Path, write: Callable[[Path], None]) -> None:
        """Write the new content of `path` by a library that opens files by itself: `write` gets the temporary file.

        An `OSError` of `write` becomes the error that `path` cannot be written. An existing file keeps its mode.
        """
        staged = self.reserve(path)
        self._waiting.append(staged)
        with writing(path):
            staged.file.truncate(0)
            write(staged.temporary)
            self._settle(staged)

    def _settle(self, staged: _Staged) -> None:
        """Wait for the disk, with the mode of the existing file."""
        if staged.target.exists():
            os.fchmod(staged.file.fileno(), staged.target.stat().st_mode & 0o7777)
        os.fsync(staged.file.fileno())

    def remove(self, path: Path) -> None:
        """Mark the file at `path` for removal."""
        self._unwanted.append(path)

    def replace(self) -> None:
        """Move every written file to its path, and remove the marked files."""
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
    """Open and lock the file at `path`.

    Raises:
        BlockingIOError: another process has locked it.
    """
    while True:
        # Without O_TRUNC, which would empty a file that another run is writing; without following a planted link.
        descriptor = open_alone(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        file = os.fdopen(descriptor, "wb")
        try:
            _lock(descriptor)
            if _is_at_its_place(file, path):
                return file
        except BaseException:
            close_alone(file)
            raise
        close_alone(file)  # another run has just moved or removed it: the locked file is not at `path`


def _is_at_its_place(file: BinaryIO, path: Path) -> bool:
    """Return whether an open file is the file at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _busy(path: Path, temporary: Path) -> EnvironmentProblem:
    """Return the error for a file that another run writes. It names that run only if it is certain."""
    try:
        about = json.loads(temporary.read_bytes())
        pid, what = about["pid"], about["what"]
    except (OSError, ValueError, TypeError, KeyError):  # the file already contains rows
        pid, what = None, ""
    sure = isinstance(pid, int) and pid != os.getpid() and has_open(pid, temporary)
    who = f" ({what}, process {pid})" if sure and what else ""
    message = f"cannot write {near(path)}: another run is writing it{who}"
    hint = f"wait until that run ends, or choose another output with {option('output', 'PATH')}"
    return EnvironmentProblem(message, code=Code.BUSY, hint=hint)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks; the lock of the store still allows only one run at a time
        return


def _sync(folder: Path) -> None:
    with suppress(OSError):  # some file systems do not support it; the files themselves are already safe
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def replacing(path: Path, what: str) -> Iterator[Staging]:
    """Reserve a file that no option names, to be written and replaced.

    Args:
        path: the file.
        what: a description of the writer, for the error of a second one.

    Raises:
        EnvironmentProblem: the file cannot be written, or another process is writing it.
    """
    try:
        with Staging(what) as staging:
            staging.reserve(path)
            yield staging
    except EnvironmentProblem as error:
        is_busy = error.code is Code.BUSY
        hint = "wait until it ends" if is_busy else "free some space, or make the file and its folder writable"
        raise (error.replace(hint=hint) if error.code in (Code.BUSY, Code.DISK) else error) from error.__cause__
