"""Descriptors of this process alone: a child that is forked while one is open has `/dev/null` in its place.

A lock of `flock` belongs to the open file, and a forked child shares the open files of its parent. A pool of processes
that a step of the author's makes would keep a lock for as long as one of its processes lives, whatever becomes of the
run. The child's number stays taken, so that closing it there closes nothing that came after it.
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
"""Held while the process forks, so that no descriptor is open and not yet noted then."""


def open_alone(path: Path, flags: int, mode: int = 0o600) -> int:
    """Open a file for this process alone; `close_alone` closes it."""
    with _FORKING:
        descriptor = os.open(path, flags, mode)
        _ALONE.add(descriptor)
    return descriptor


def close_alone(file: int | BinaryIO) -> None:
    """Close what `open_alone` opened, or the file object that was made of it."""
    with _FORKING:
        if isinstance(file, int):
            _ALONE.discard(file)
            os.close(file)
        elif not file.closed:
            _ALONE.discard(file.fileno())
            file.close()


def has_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open: one of that number may be another than the one that wrote it there."""
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
    """In a forked child: leave the files to the parent. A lock stays with it: only an unlocking would end that."""
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
