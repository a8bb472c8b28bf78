"""File descriptors that forked children do not share: in a child, `/dev/null` replaces them.

An `flock` lock belongs to the open file, and a forked child shares the open files of its parent. If the author's code
starts a pool of processes, they would hold the lock as long as one of them lives, even after the run has ended. In the
child the descriptor's number stays in use, so that closing it there cannot close another file.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

_PROCESSES: Final = Path("/proc")
_ALONE: Final[set[int]] = set()
_FORKING: Final = threading.RLock()
"""Held during a fork, so that every open descriptor is recorded by then."""


def open_alone(path: Path, flags: int, mode: int = 0o600) -> int:
    """Open a file whose descriptor forked children do not share. Close it with `close_alone`."""
    with _FORKING:
        descriptor = os.open(path, flags, mode)
        _ALONE.add(descriptor)
    return descriptor


def keep_alone(descriptor: int) -> None:
    """Let forked children not share an open descriptor, of a file, a pipe or a socket. Close it with `close_alone`."""
    with _FORKING:
        _ALONE.add(descriptor)


def close_alone(file: int | BinaryIO) -> None:
    """Close a descriptor of `open_alone` or `keep_alone`, or the file object made from it."""
    with _FORKING:
        if isinstance(file, int):
            _ALONE.discard(file)
            os.close(file)
        elif not file.closed:
            _ALONE.discard(file.fileno())
            file.close()


def has_open(pid: int, path: Path) -> bool:
    """Return whether a process has a file open. A process with this id may not be the one that opened the file."""
    try:
        if not _PROCESSES.is_dir():  # macOS
            os.kill(pid, 0)
            return True
        return any(_is_same(each, path) for each in (_PROCESSES / str(pid) / "fd").iterdir())
    except OSError:
        return False


def _is_same(descriptor: Path, path: Path) -> bool:
    with suppress(OSError):
        return descriptor.samefile(path)
    return False


def _let_go() -> None:
    """Detach a forked child from the files. The parent keeps its locks, because the child does not unlock them."""
    try:
        if _ALONE:
            nowhere = os.open(os.devnull, os.O_RDWR)
            for descriptor in _ALONE:
                os.dup2(nowhere, descriptor, inheritable=False)
            os.close(nowhere)
    finally:
        _ALONE.clear()
        _FORKING.release()


os.register_at_fork(before=_FORKING.acquire, after_in_parent=_FORKING.release, after_in_child=_let_go)
