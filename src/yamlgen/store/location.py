"""Where a pipeline's store is: a folder beside it, one database in it for each pipeline, one lock for each database.

Owns the folder's permissions, the refusal of network file systems (SQLite's log in shared memory and `flock` do not
hold there), and the lock that keeps a second run out. The kernel's lock alone decides who works, what its file says is
for people. A process that was killed has it no longer, and a child that was forked never has.
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
_HELD: Final[dict[tuple[int, Path], _Lock]] = {}
"""The locks that are held here, by the process, for a forked child has none of them, and the lock's file."""


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """The files of one pipeline's store. Simulated answers live apart, and never answer a real run."""

    folder: Path
    name: str
    simulated: bool = False

    @property
    def database(self) -> Path:
        """The database."""
        return self.folder / f"{self.name}{SIMULATED if self.simulated else ''}{ENDING}"

    @property
    def lock(self) -> Path:
        """The file that the process at work holds locked; it says who that is."""
        return lock_of(self.database)

    @property
    def exists(self) -> bool:
        """Whether there is a database.

        Raises:
            EnvironmentProblem: its folder may not be looked into.
        """
        with _reading(self.folder):
            return self.database.exists()


def lock_of(database: Path) -> Path:
    """The file of a database's lock."""
    return database.with_suffix(".lock")


def locations_in(folder: Path) -> list[StoreLocation]:
    """The stores in a folder; none where there is no such folder.

    Raises:
        EnvironmentProblem: it may not be looked into.
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
        hint = f"is it yours to read? {option('store', 'PATH')} names another place"
        raise EnvironmentProblem(message, code=Code.STORE_PLACE, hint=hint) from None


def location_of(pipeline: Path, folder: Path | None = None, *, simulated: bool = False) -> StoreLocation:
    """The store of a pipeline's file: in `.yamlgen/` beside it, or in `folder`, where files of one name may meet."""
    path = pipeline.absolute()
    if folder is None:
        return StoreLocation(path.parent / FOLDER, path.name, simulated)
    return StoreLocation(folder.absolute(), f"{path.name}-{short_digest(str(path)).hex()[:8]}", simulated)


def make_folder(folder: Path) -> None:
    """Create the folder of a store, for its owner alone, out of sight of git.

    Raises:
        EnvironmentProblem: it cannot be created, or lies on a network file system.
    """
    try:
        if not folder.is_dir():
            if os.path.lexists(folder):
                raise NotADirectoryError(errno.ENOTDIR, "it is a file, or a link that leads nowhere")
            folder.mkdir(mode=0o700, parents=True)
        kind = network_kind(folder)
        if kind is not None:
            message = f"the store cannot be in {near(folder)}: it is on a network file system ({kind})"
            hint = f"keep it on a disk of this machine: {option('store', 'PATH')}"
            raise EnvironmentProblem(message, code=Code.STORE_PLACE, hint=hint)
        ignore = folder / ".gitignore"
        if not any(folder.iterdir()):  # a folder with other things in it is the user's own
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        message = f"cannot create the store in {near(folder)}: {error.strerror or error}"
        hint = f"name a folder that you may write with {option('store', 'PATH')}"
        raise EnvironmentProblem(message, code=Code.STORE_PLACE, hint=hint) from None


def network_kind(folder: Path) -> str | None:
    """The kind of network file system that a folder lies on, or `None` when it is on this machine."""
    real, mounts = _real(folder), _mounts()
    kind = next((mounts[path] for path in (real, *real.parents) if path in mounts), None)
    return kind if kind in _NETWORK else None


def _mounts() -> dict[Path, str]:
    """Each mount point with the kind of its file system."""
    if _MOUNTS.exists():
        lines = [line.split() for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
        return {Path(_ESCAPED.sub(_unescaped, line[4])): line[line.index("-") + 1] for line in lines}
    found: dict[Path, str] = {}
    try:  # macOS: `host:/share on /Volumes/share (nfs, nodev)`
        told = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    for line in told.splitlines():
        point, _, about = line.partition(" on ")[2].rpartition(" (")
        found[Path(point)] = about.partition(",")[0].rstrip(")")
    return found


def _unescaped(found: re.Match[str]) -> str:
    """A space, a tab, a line break or a backslash, which the kernel writes as its octal number."""
    return chr(int(found[1], 8))


class _Lock:
    """A lock that this process holds.

    Attributes:
        descriptor: of its file.
        is_new: whether that file was not there before.
    """

    def __init__(self, path: Path, what: str) -> None:
        about = {"pid": os.getpid(), "what": what, "since": datetime.now(UTC).isoformat(timespec="seconds")}
        self._path = path
        self._about = json.dumps(about).encode()
        self.take()

    def take(self, tries: int = _TRIES) -> None:
        """Lock the file that is at the path now.

        Raises:
            BlockingIOError: another process has it.
            OSError: there can be no lock.
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
            close_alone(descriptor)  # it was removed just now: what is locked has not this name

    def keep(self) -> None:
        """Take the lock anew where its file was removed."""
        if not _is_at(self.descriptor, self._path):  # the next process would find another file, or none
            before = self.descriptor
            self.take(_LONG)  # the next process has it, until it finds the store in use
            close_alone(before)

    def let_go(self) -> None:
        """End the lock, even if another process shares the open file, as the child of a library outside Python may."""
        with suppress(OSError):
            os.ftruncate(self.descriptor, 0)  # what it says is over
        with suppress(OSError):
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        close_alone(self.descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def locked(place: StoreLocation, what: str) -> Iterator[bool]:
    """Hold a store for this process; `what` is told to whoever comes second.

    Yields:
        Whether the lock's file was not there before: another process may hold one of that name which was removed.

    Raises:
        EnvironmentProblem: another process, or another run in this one, holds it.
    """
    here = os.getpid(), _real(place.lock)
    if here in _HELD:
        raise _busy(place, is_here=True)
    try:
        lock = _Lock(place.lock, what)
    except BlockingIOError:
        raise _busy(place, is_here=False) from None
    except OSError as error:  # a file system without locks, or without room
        message = f"cannot lock the store {near(place.lock)}: {error.strerror or error}"
        hint = f"{option('store', 'PATH')} names another place"
        raise EnvironmentProblem(message, code=Code.STORE_PLACE, hint=hint) from None
    _HELD[here] = lock
    try:
        yield lock.is_new
    finally:
        del _HELD[here]
        lock.let_go()


def keep_lock(database: Path) -> None:
    """See that the lock of a database, where it is held here, still keeps others out: its file may have been removed.

    Raises:
        EnvironmentProblem: another process has taken it meanwhile.
    """
    lock = _HELD.get((os.getpid(), _real(lock_of(database))))
    if lock is None:
        return
    try:
        lock.keep()
    except OSError:
        message = f"the lock {near(lock_of(database))} was removed while the run was at work, and cannot be had again"
        hint = "another process may write to this store now; wait for it, and run again"
        raise EnvironmentProblem(message, code=Code.BUSY, hint=hint) from None


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _lock(descriptor: int, tries: int) -> None:
    """Take the lock, if nobody has it; a reader who tries whether it is free has it for less than a moment."""
    for _ in range(tries):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def holder(place: StoreLocation) -> str | None:
    """What a process is at work with on a store, or `None` when none is."""
    told = _told(place)
    return str(told.get("what")) if told and is_locked(place) else None


def is_locked(place: StoreLocation) -> bool:
    """Whether a process is at work on a store."""
    try:
        descriptor = open_alone(place.lock, os.O_RDONLY)  # it may not be ours to write
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        close_alone(descriptor)
    return False


def _told(place: StoreLocation) -> dict[str, Any]:
    """What the lock's file says of who has it; nothing where it cannot be read."""
    try:
        told = json.loads(place.lock.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _busy(place: StoreLocation, *, is_here: bool) -> EnvironmentProblem:
    """The error for a store that another run has, which is named as far as it is sure who that is."""
    told = _told(place)
    what, pid, since = (told.get(key) for key in ("what", "pid", "since"))
    if is_here:
        who, hint = (
            f"another run in this process ({what}, since {since})" if what else "another run in this process",
            "wait for it",
        )
    elif isinstance(pid, int) and has_open(pid, place.lock):
        who, hint = f"{what} (process {pid}, since {since})", f"wait for it, or end it: `kill {pid}`"
    else:  # who has it is about to say so, or is a process of which nothing is known here
        who = "another process"
        hint = f"wait for it; `lsof {shlex.quote(near(place.lock))}` tells which one that is"
    return EnvironmentProblem(f"{who} is at work on this pipeline", code=Code.BUSY, hint=hint)
