"""The folder of a pipeline, its repository, and the files that it may read as its parts: prompts, schemas, modules.

The folder is the one that contains the pipeline file, at the path that the user wrote; the file and the folder may be
reached through links. A path may leave the folder only visibly, with `../` or as an absolute path, so that a reader of
the pipeline sees it. A link that leaves the folder is an error. Data may be links: input, output, draws and store.

An editor opens pipelines that nobody has read. It checks them `confined` to their folder: what is outside is not read.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

Stamp: TypeAlias = tuple[int, ...]
"""Identifies a state of a file by its metadata, without reading it."""

BEYOND: Final = "is outside the folder, and was not read"
"""What messages say of a path outside the folder to which reading is confined."""

_BORDER: ContextVar[Path | None] = ContextVar("border", default=None)

_BRIEF: Final = 40
POINTS: Final = "is a pointer of Git LFS, and not the file itself"
FETCH: Final = "download the file: `git lfs pull`"

_POINTER: Final = b"version https://git-lfs.github.com/spec/v1\n"
_POINTER_SIZES: Final = range(126, 1024)
"""The sizes that a pointer can have: other files need not be opened to know that they are none."""
_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW


def real(path: Path) -> Path:
    """Return a path with its links resolved, or the path itself if its links form a loop."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):  # not a possible path
        return path


@contextmanager
def confined(folder: Path) -> Iterator[None]:
    """Read nothing outside a folder: neither files nor lists of files, also not through links."""
    token = _BORDER.set(real(folder))
    try:
        yield
    finally:
        _BORDER.reset(token)


def is_confined() -> bool:
    """Check whether reading is confined to a folder, because an editor reads the pipeline."""
    return _BORDER.get() is not None


def is_beyond(path: Path | str) -> bool:
    """Check whether a path is outside the folder to which reading is confined."""
    border = _BORDER.get()
    return border is not None and not real(Path(path)).is_relative_to(border)


def status(path: Path | str) -> os.stat_result | None:
    """Return the status of a path, or `None` if it does not exist, cannot be looked up, or must not be."""
    if is_beyond(path):
        return None
    try:
        return os.stat(path)  # noqa: PTH116 - much faster for a string
    except (OSError, ValueError):
        return None


def stamp_of(path: Path | str) -> Stamp | None:
    """Return the state of a regular file, or `None` if the path is not one."""
    found = status(path)
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@lru_cache(maxsize=10_000)
def digest_at(path: str, _stamp: Stamp) -> str | None:
    """Return the sha256 of a file in a state; it is only correct if the file is still in this state afterwards."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def digest_of(path: Path) -> str | None:
    """Return the sha256 of a regular file, which is read once in each state; `None` if it cannot be read."""
    stamp = stamp_of(path)
    return None if stamp is None else digest_at(str(path), stamp)


def is_folder(path: Path) -> bool:
    """Check whether a path is a folder. Accepts any path."""
    found = status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def repository_of(path: Path) -> Path | None:
    """Return the top folder of the git repository that a path is in, with links resolved; `None` if it is in none."""
    place = real(path)
    tops = (folder for folder in (place, *place.parents) if status(folder / ".git") is not None)
    return next(tops, None)


def is_file(path: Path) -> bool:
    """Check whether a path is a regular file. Accepts any path."""
    found = status(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def is_pointer(path: Path) -> bool:
    """Check whether a file is a pointer of Git LFS to a file that git has not downloaded."""
    found = status(path)
    if found is None or not stat.S_ISREG(found.st_mode) or found.st_size not in _POINTER_SIZES:
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except (OSError, ValueError):
        return False


def is_socket(path: Path) -> bool:
    """Check whether a path is a socket, which cannot be opened as a file."""
    found = status(path)
    return found is not None and stat.S_ISSOCK(found.st_mode)


def is_pipe(path: Path) -> bool:
    """Check whether a path can be read only once, like the `/dev/fd/63` of a shell's `<(...)`."""
    found = status(path)
    return found is not None and not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode)


def unusable(path: Path, shown: str) -> str | None:
    """Return why a path cannot or must not be looked up, as a sentence, or `None` if it can."""
    if is_beyond(path):
        return f"`{_brief(shown)}` {BEYOND}"
    try:
        os.lstat(path)
    except ValueError:
        return f"`{_brief(shown)}` contains a character that a path cannot have"
    except OSError as error:
        return f"`{_brief(shown)}` is too long for a path" if error.errno == errno.ENAMETOOLONG else None
    return None


def _brief(text: str) -> str:
    """Return the beginning of a string that is not a path, on one line."""
    first = text.strip().split("\n")[0][:_BRIEF]
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in first)
    return shown if first == text.strip() else f"{shown}..."


def is_way_out(reference: str) -> bool:
    """Check whether a path, as written, leaves the folder that it is relative to."""
    return Path(reference).is_absolute() or Path(os.path.normpath(reference)).parts[:1] == (os.pardir,)


def leak(folder: Path, reference: str, shown: str) -> tuple[str, str] | None:
    """Check whether a link on a path leaves a folder.

    Args:
        folder: the folder that the path is relative to.
        reference: the path as written.
        shown: the path as messages show it.

    Returns:
        The fact and the fix. `None` if no link leaves the folder, if the path leaves it as written, or if it does not
        exist.
    """
    home, place = real(folder), real(folder / reference)
    if is_way_out(reference) or place.is_relative_to(home) or not os.path.exists(place):  # noqa: PTH110 - never raises
        return None
    target = min(os.path.relpath(place, home), str(place), key=len)
    message = f"{shown} leaves the pipeline's folder through a link, to {target}"
    return message, f"write the path without the link: `{target}`"


def open_inside(folder: Path | None, path: Path) -> BinaryIO:
    """Open a file in a folder, without following links that were created after the path was resolved.

    Args:
        folder: the folder; `None`: any.
        path: the file.

    Raises:
        OSError: the file is not in the folder, or cannot be opened.
    """
    if is_beyond(path):
        raise OSError(errno.EACCES, f"it {BEYOND}")
    if folder is None:
        return path.open("rb")
    home, place = real(folder), real(path)
    if not place.is_relative_to(home):
        raise OSError(errno.ELOOP, "it leaves the pipeline's folder through a link")
    *inner, name = place.relative_to(home).parts
    at = os.open(home, _FOLDER)
    try:
        for part in inner:
            above, at = at, os.open(part, _FOLDER, dir_fd=at)
            os.close(above)
        return os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at), "rb")
    finally:
        os.close(at)
