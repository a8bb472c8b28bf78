"""The location of a store: a folder next to the pipeline, with one database per pipeline and one lock per database.

This module sets the permissions of the folder, refuses network file systems (where SQLite's shared memory and `flock`
are unreliable), and keeps out a second run with a lock. The lock is the kernel's; the content of the lock file is
information for users only. A killed process loses the lock, and a forked child never has it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from yamlgen.canonical_json import short_digest
from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.file_descriptors import close_alone, has_open, open_alone
from yamlgen.option_names import option

FOLDER: Final = ".yamlgen"
ENDING: Final = ".db"
SIMULATED: Final = ".simulated"

_NETWORK: Final = frozenset(
    {"9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "davfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs"}
    | {"nfs4", "orangefs", "smb3", "smbfs", "webdav"}
    | {f"fuse.{name}" for name in ("gcsfuse", "glusterfs", "rclone", "s3fs", "sshfs")}
)
_MOUNTS: Final = Path("/proc/self/mountinfo")
_TRIES: Final = 10
_LONG: Final = 1000
_PAUSE: Final = 0.01
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
_HELD: Final[dict[tuple[int, Path], _StoreLock]] = {}
"""The locks of this process, by process id and lock file. The id is needed because a forked child has no locks."""


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """The files of one pipeline's store. Simulated answers have their own database, and are never used in real runs."""

    folder: Path
    name: str
    simulated: bool = False

    @property
    def database(self) -> Path:
        """The file of the database."""
        return self.folder / f"{self.name}{SIMULATED if self.simulated else ''}{ENDING}"

    @property
    def lock(self) -> Path:
        """The file that a running process locks. It contains the id of the process."""
        return lock_of(self.database)

    @property
    def exists(self) -> bool:
        """Whether the database exists.

        Raises:
            EnvironmentProblem: its folder cannot be read.
        """
        with _reading(self.folder):
            return self.database.exists()


def lock_of(database: Path) -> Path:
    """Return the lock file of a database."""
    return database.with_suffix(".lock")


def locations_in(folder: Path) -> list[StoreLocation]:
    """Return the stores in a folder; none if the folder does not exist.

    Raises:
        EnvironmentProblem: the folder cannot be read.
    """
    with _reading(folder):
        found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    bare = [name.removesuffix(ENDING) for name in found if name.endswith(ENDING)]
    return [StoreLocation(folder, name.removesuffix(SIMULATED), name.endswith(SIMULATED)) for name in bare]


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"cannot read the store in {near(folder)}: {error.strerror or error}"
        hint = f"check that you can read the folder, or choose another one with {option('store', 'PATH')}"
        raise EnvironmentProblem(message, code=Code.STORE_PLACE, hint=hint) from None


def location_of(pipeline: Path, folder: Path | None = None, *, simulated: bool = False) -> StoreLocation:
    """Return the store of a pipeline file.

    It is in `.yamlgen/` next to the file, or in `folder`. In `folder`, its name has a digest of the pipeline's path,
    because pipelines with the same file name may share the folder.
    """
    path = pipeline.absolute()
    if folder is None:
        return StoreLocation(path.parent / FOLDER, path.name, simulated)
    return StoreLocation(folder.absolute(), f"{path.name}-{short_digest(str(path)).hex()[:8]}", simulated)


def make_folder(folder: Path) -> None:
    """Create the folder of a store, accessible only to its owner and ignored by git.

    Raises:
        EnvironmentProblem: the folder cannot be created, or is on a network file system.
    """
    try:
        if not folder.is_dir():
            if os.path.lexists(folder):
                raise NotADirectoryError(errno.ENOTDIR, "it is a file, or a broken link")
            folder.mkdir(mode=0o700, parents=True)
        kind = network_kind(folder)
        if kind is not None:
            message = f"the store cannot be in {near(folder)}: it is on a network file system ({kind})"
            hint = f"choose a folder on a local disk with {option('store', 'PATH')}"
            raise EnvironmentProblem(message, code=Code.STORE_PLACE, hint=hint)
        ignore = folder / ".gitignore"
        if not any(folder.iterdir()):  # a folder that contains other files belongs to the user
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        message = f"cannot create the store in {near(folder)}: {error.strerror or error}"
        hint = f"choose a writable folder with {option('store', 'PATH')}"
        raise EnvironmentProblem(message, code=Code.STORE_PLACE, hint=hint) from None


def network_kind(folder: Path) -> str | None:
    """Return the kind of network file system that a folder is on, or `None` if it is on a local disk."""
    real, mounts = _real(folder), _mounts()
    kind = next((mounts[path] for path in (real, *real.parents) if path in mounts), None)
    return kind if kind in _NETWORK else None


def _mounts() -> dict[Path, str]:
    """Return the kind of file system of each mount point."""
    if _MOUNTS.exists():
        lines = [line.split() for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
        return {Path(_ESCAPED.sub(_unescaped, line[4])): line[line.index("-") + 1] for line in lines}
    found: dict[Path, str] = {}
    try:  # macOS: `host:/share on /Volumes/share (nfs, nodev)`
        printed = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    for line in printed.splitlines():
        point, _, about = line.partition(" on ")[2].rpartition(" (")
        found[Path(point)] = about.partition(",")[0].rstrip(")")
    return found


def _unescaped(found: re.Match[str]) -> str:
    """Return the space, tab, line break or backslash that the kernel writes as an octal number."""
    return chr(int(found[1], 8))


class _StoreLock:
    """A lock that this process holds.

    Attributes:
        descriptor: the descriptor of the lock file.
        is_new: whether the lock file did not exist before.
    """

    def __init__(self, path: Path, what: str) -> None:
        about = {"pid": os.getpid(), "what": what, "since": datetime.now(UTC).isoformat(timespec="seconds")}
        self._path = path
        self._about = json.dumps(about).encode()
        self.take()

    def take(self, tries: int = _TRIES) -> None:
        """Lock the file that is currently at the path.

        Raises:
            BlockingIOError: another process has locked it.
            OSError: the file cannot be locked.
        """
        self.is_new = False
        while True:
            self.is_new = self.is_new or not self._path.exists()
            descriptor = open_alone(self._path, os.O_RDWR | os.O_CREAT)
            try:
                _lock(descriptor, tries)
                if _is_at(descriptor, self._path):
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, self._about, 0)
                    self.descriptor = descriptor
                    return
            except BaseException:
                close_alone(descriptor)
                raise
            close_alone(descriptor)  # the file was removed meanwhile: the locked file is not at the path

    def keep(self) -> None:
        """Lock again if the lock file was removed."""
        if not _is_at(self.descriptor, self._path):  # another process would lock a new file
            before = self.descriptor
            self.take(_LONG)  # another process may hold the new lock until it notices that the store is in use
            close_alone(before)

    def let_go(self) -> None:
        """Release the lock, even if another process shares the open file, such as the child of a native library."""
        with suppress(OSError):
            os.ftruncate(self.descriptor, 0)  # its content is out of date
        with suppress(OSError):
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        close_alone(self.descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is the file at a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def locked(place: StoreLocation, what: str) -> Iterator[bool]:
    """Lock a store for this process. `what` describes the holder in the error of a second process.

    Yields:
        Whether the lock file is new. Then another process may still hold a lock file that was removed.

    Raises:
        EnvironmentProblem: another process, or another run in this process, has locked the store.
    """
    here = os.getpid(), _real(place.lock)
    if here in _HELD:
        raise _busy(place, is_here=True)
    try:
        lock = _StoreLock(place.lock, what)
    except BlockingIOError:
        raise _busy(place, is_here=False) from None
    except OSError as error:  # a file system without locks, or without space
        message = f"cannot lock the store {near(place.lock)}: {error.strerror or error}"
        hint = f"choose another folder with {option('store', 'PATH')}"
        raise EnvironmentProblem(message, code=Code.STORE_PLACE, hint=hint) from None
    _HELD[here] = lock
    try:
        yield lock.is_new
    finally:
        del _HELD[here]
        lock.let_go()


def keep_lock(database: Path) -> None:
    """Make sure that this process still holds its lock of a database, even if the lock file was removed.

    Raises:
        EnvironmentProblem: another process has taken the lock.
    """
    lock = _HELD.get((os.getpid(), _real(lock_of(database))))
    if lock is None:
        return
    try:
        lock.keep()
    except OSError:
        message = f"the lock {near(lock_of(database))} was removed during the run, and cannot be taken again"
        hint = "wait for the other process that may now write to this store, and run again"
        raise EnvironmentProblem(message, code=Code.BUSY, hint=hint) from None


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _lock(descriptor: int, tries: int) -> None:
    """Take the lock if it is free. Retries, because `is_locked` in another process takes it for an instant."""
    for _ in range(tries):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def holder(place: StoreLocation) -> str | None:
    """Return what a running process does with a store, such as `run NAME`; `None` if the store is not locked."""
    content = _content(place)
    return str(content.get("what")) if content and is_locked(place) else None


def is_locked(place: StoreLocation) -> bool:
    """Return whether a running process has locked a store."""
    try:
        descriptor = open_alone(place.lock, os.O_RDONLY)  # the user may not have write permission
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        close_alone(descriptor)
    return False


def _content(place: StoreLocation) -> dict[str, Any]:
    """Return the content of the lock file, which describes its holder; empty if it cannot be read."""
    try:
        content = json.loads(place.lock.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _busy(place: StoreLocation, *, is_here: bool) -> EnvironmentProblem:
    """Return the error for a store that another run has locked. It names the holder only if the holder is certain."""
    content = _content(place)
    what, pid, since = (content.get(key) for key in ("what", "pid", "since"))
    if is_here:
        who, hint = (
            f"another run in this process ({what}, since {since})" if what else "another run in this process",
            "wait for it",
        )
    elif isinstance(pid, int) and has_open(pid, place.lock):
        who, hint = f"{what} (process {pid}, since {since})", f"wait for it, or end it: `kill {pid}`"
    else:  # the holder has not written the file yet, or is not known in this process's namespace
        who = "another process"
        hint = f"wait for it, or find it with `lsof {shlex.quote(near(place.lock))}`"
    return EnvironmentProblem(f"the store of this pipeline is in use by {who}", code=Code.BUSY, hint=hint)
