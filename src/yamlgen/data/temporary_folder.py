"""Temporary folders in the folder of a store. Those of killed processes are removed by the next process."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.file_descriptors import close_alone, open_alone

_PREFIX: Final = "query-"


@contextmanager
def temporary_folder(parent: Path | None) -> Iterator[Path]:
    """Yield a new folder, which is removed at the end.

    A process locks its folder, and the kernel unlocks it when the process ends, however it ends.

    Args:
        parent: where to create it; `None`: in the system's folder for temporary files.

    Raises:
        EnvironmentProblem: the folder cannot be created.
    """
    if parent is not None:
        _remove_left(parent)
    while True:
        try:
            made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)).absolute()
        except OSError as error:
            message = (
                f"cannot create a temporary folder in {parent or tempfile.gettempdir()}: {error.strerror or error}"
            )
            hint = "make it writable, or make room on its disk"
            raise EnvironmentProblem(message, code=Code.DISK, hint=hint) from error
        descriptor = _locked(made)
        if descriptor is not None and made.exists():
            break
        if descriptor is not None:  # another process took it for one of a killed process
            close_alone(descriptor)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        close_alone(descriptor)


def _remove_left(parent: Path) -> None:
    """Remove the folders of processes that were killed."""
    for left in parent.glob(f"{_PREFIX}*"):
        descriptor = _locked(left)
        if descriptor is not None:
            shutil.rmtree(left, ignore_errors=True)
            close_alone(descriptor)


def _locked(folder: Path) -> int | None:
    """Return a descriptor that locks a folder; `None` if another process has locked it, or it is gone."""
    with suppress(OSError):
        descriptor = open_alone(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            close_alone(descriptor)
        else:
            return descriptor
    return None
