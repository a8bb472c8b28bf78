"""The folder of a pipeline, and what is read from it by a path that the pipeline names.

Owns what may be read as a part of a pipeline (a text, a schema, a module). The folder is the one in which the
pipeline's file stands as it was named; that file, and the folder, may be reached through links. A path that leaves the
folder says so itself, with `../` or as an absolute path, where a reader of the pipeline sees it. A link that leads
out says so nowhere, and is an error. Data is another matter: input, output, draws and store may be links.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

Stamp: TypeAlias = tuple[int, ...]
"""What differs between any two states of a file, at no more cost than a look at its entry."""

_BRIEF: Final = 40
_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW


def real(path: Path) -> Path:
    """A path without links; one that has none, because its links lead to one another, as it is."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):  # no path can be such a text
        return path


def status(path: Path | str) -> os.stat_result | None:
    """What the system says of a path; `None` where nothing is there, or where it cannot be looked up."""
    try:
        return os.stat(path)  # noqa: PTH116 - of a text it is much faster
    except (OSError, ValueError):
        return None


def stamp_of(path: Path | str) -> Stamp | None:
    """The state that a file is in, or `None` where there is none that can be read whole."""
    found = status(path)
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_folder(path: Path) -> bool:
    """Whether a folder is there, whatever the path."""
    found = status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_file(path: Path) -> bool:
    """Whether a regular file is there, whatever the path."""
    found = status(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def is_socket(path: Path) -> bool:
    """Whether what is there is no file that can be opened, but the end of a connection."""
    found = status(path)
    return found is not None and stat.S_ISSOCK(found.st_mode)


def is_pipe(path: Path) -> bool:
    """Whether a path gives its content only once, like the `/dev/fd/63` of a shell's `<(...)`."""
    found = status(path)
    return found is not None and not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode)


def unusable(path: Path, shown: str) -> str | None:
    """Why the system cannot look up a path at all, as a sentence; `None` where it can."""
    try:
        os.lstat(path)
    except ValueError:
        return f"`{_brief(shown)}` holds a character that no path can have"
    except OSError as error:
        return f"`{_brief(shown)}` is too long for a path" if error.errno == errno.ENAMETOOLONG else None
    return None


def _brief(text: str) -> str:
    """The beginning of a text that is no path, on one line."""
    first = text.strip().split("\n")[0][:_BRIEF]
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in first)
    return shown if first == text.strip() else f"{shown}..."


def is_way_out(reference: str) -> bool:
    """Whether a path as written leaves the folder that it is relative to."""
    return Path(reference).is_absolute() or Path(os.path.normpath(reference)).parts[:1] == (os.pardir,)


def leak(folder: Path, reference: str, shown: str) -> tuple[str, str] | None:
    """Why a path must not be read because a link on it leads out of a folder, and what to do.

    Args:
        folder: what it is relative to.
        reference: the path as written.
        shown: how messages show it.

    Returns:
        `None` where no link leads out, where the path says itself that it does, and where nothing is there.
    """
    home, place = real(folder), real(folder / reference)
    if is_way_out(reference) or place.is_relative_to(home) or not os.path.exists(place):  # noqa: PTH110 - never raises
        return None
    target = min(os.path.relpath(place, home), str(place), key=len)
    message = f"{shown} leaves the pipeline's folder by a link, to {target}"
    return message, f"write the path itself: `{target}`"


def open_inside(folder: Path, path: Path) -> BinaryIO:
    """Open a file that stands in a folder, and follow no link on the way that was not there when this was seen.

    Raises:
        OSError: it stands elsewhere, or cannot be opened.
    """
    home, place = real(folder), real(path)
    if not place.is_relative_to(home):
        raise OSError(errno.ELOOP, "it leads out of the pipeline's folder")
    *inner, name = place.relative_to(home).parts
    at = os.open(home, _FOLDER)
    try:
        for part in inner:
            above, at = at, os.open(part, _FOLDER, dir_fd=at)
            os.close(above)
        return os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at), "rb")
    finally:
        os.close(at)
