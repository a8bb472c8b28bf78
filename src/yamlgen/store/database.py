"""The database of a store: created whole, opened with care, never deleted.

Owns what is asked of SQLite (write-ahead log, every commit on disk before it returns), the migration of an older
store after a copy, and the sentences for one that is newer, foreign or damaged.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.option_names import by_surface, option
from yamlgen.store.location import SIMULATED
from yamlgen.store.migrations import APPLICATION, SCRIPTS, VERSION

_PATIENCE: Final = 120.0
"""Seconds that a write waits for another program which holds the database, such as a browser of databases."""

_LOG: Final = "-wal"
_INDEX: Final = "-shm"
_CACHE_KIB: Final = 8192
_FULL: Final = frozenset({"SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN"})


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """The errors of SQLite, of the disk under it, and of what was kept in it, as ours.

    Raises:
        EnvironmentProblem: the disk refuses, or the database is damaged.
    """
    try:
        yield
    except sqlite3.ProgrammingError:  # a mistake of ours, and none of the store's
        raise
    except sqlite3.Error as error:
        raise problem(path, error) from error
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    except (zlib.error, ValueError, RecursionError) as error:  # what SQLite keeps, it does not check
        raise damaged(path, str(error)) from error


def problem(path: Path, error: sqlite3.Error) -> EnvironmentProblem:
    """The error of ours for one of SQLite's."""
    name = getattr(error, "sqlite_errorname", "")
    if any(name.startswith(kind) for kind in _FULL):
        return _refused(path, str(error))
    if name.startswith("SQLITE_BUSY"):
        message = f"another program holds the store {near(path)}"
        return EnvironmentProblem(message, code=Code.BUSY, hint="close it there, and run again")
    return damaged(path, str(error))


def _refused(path: Path, what: str) -> EnvironmentProblem:
    message = f"cannot use the store {near(path)}: {what}"
    hint = "is the disk full, or the folder not yours to write? what was stored is safe; run again to go on"
    return EnvironmentProblem(message, code=Code.DISK, hint=hint)


def damaged(path: Path, what: str) -> EnvironmentProblem:
    """The error for a database that cannot be read; it stays where it is."""
    message = f"the store {near(path)} is damaged: {what}"
    files = f"{path.name}, {path.name}{_LOG} and {path.name}{_INDEX}"
    hint = f"it was left as it is: put copies back, or move {files} away together to begin anew (which pays again)"
    return EnvironmentProblem(message, code=Code.STORE_DAMAGED, hint=hint)


def _foreign(path: Path) -> EnvironmentProblem:
    hint = f"move it away, or name another place with {option('store', 'PATH')}"
    return EnvironmentProblem(f"{near(path)} is no store of yamlgen", code=Code.STORE_VERSION, hint=hint)


def connect(path: Path, *, is_doubtful: bool = False) -> sqlite3.Connection:
    """A connection for writing, to a database that is there; the caller holds the store's lock.

    Args:
        path: the database.
        is_doubtful: whether another process may have it open all the same, since the lock is a new one.

    Raises:
        EnvironmentProblem: the database is damaged, not ours, newer than this version of yamlgen, or open elsewhere.
    """
    _reading(path).close()  # so that what is not ours is not so much as opened for writing
    with mapped(path):
        connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    with _judged(connection, path):
        if is_doubtful:
            _check_alone(connection, path)
        _settle(connection)
        _tidy(connection)
        _check_size(connection, path)
        _migrate(connection, path)
    return connection


def read(path: Path) -> sqlite3.Connection:
    """A connection that only reads, at any time.

    Raises:
        EnvironmentProblem: there is no store, or not one that this version can read.
    """
    if not path.exists():
        message = f"there is no store at {near(path)}"
        raise EnvironmentProblem(
            message, code=Code.NO_RUN, hint=f"a run makes it; {option('store', 'PATH')} names another place"
        )
    connection = _reading(path)
    with _judged(connection, path):
        _check_size(connection, path)
        _check_age(connection, path)
    return connection


def is_older(path: Path) -> bool:
    """Whether a store was made by an older version, so that it is to be brought up to date before it is read.

    Raises:
        EnvironmentProblem: there is none that this version can read.
    """
    with closing(_reading(path)) as connection:
        return _version(connection) < VERSION


def _reading(path: Path) -> sqlite3.Connection:
    """A connection that only reads, to a store of ours that is not newer than this version."""
    with mapped(path):
        if not path.is_file():
            raise _foreign(path)
        if not path.stat().st_size:  # it was made whole, under another name
            raise damaged(path, "it is empty")
        uri = f"{path.absolute().as_uri()}?{_mode(path)}"
        connection = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)
    with _judged(connection, path):
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        _check(connection, path)
    return connection


def _mode(path: Path) -> str:
    """How a database is opened for reading.

    SQLite reads it beside a writer by files that it makes where there are none. Where it may not make them and there
    are none, nobody writes: as long as a process has the database open, they are there.
    """
    is_quiet = not any(path.with_name(path.name + ending).exists() for ending in (_LOG, _INDEX))
    return "immutable=1" if is_quiet and not os.access(path.parent, os.W_OK) else "mode=ro"


def _check_alone(connection: sqlite3.Connection, path: Path) -> None:
    """See that no other process has a database open, which its lock no longer tells."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA journal_mode = DELETE")  # SQLite refuses that to all but the only one
    except sqlite3.OperationalError as error:
        if not getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            raise
        message = f"another process has the store {near(path)} open, and its lock was removed"
        hint = "wait until no run of this pipeline is at work, and leave the `.lock` file where it is"
        raise EnvironmentProblem(message, code=Code.BUSY, hint=hint) from None


@contextmanager
def _judged(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Close a connection to a database that turns out not to be usable."""
    try:
        with mapped(path):
            yield
    except BaseException:
        connection.close()
        raise


def create(path: Path) -> None:
    """Make an empty database, readable by its owner alone; it appears under its name once it is whole.

    Raises:
        EnvironmentProblem: the log of another database is there, which SQLite would take for that of the new one.
    """
    _check_log(path)
    new = path.with_name(f"{path.name}.new")
    with mapped(path):
        new.unlink(missing_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            _settle(connection)
            _apply(connection, 0)
        new.replace(path)


def _check_log(path: Path) -> None:
    log = path.with_name(f"{path.name}{_LOG}")
    if log.exists() and log.stat().st_size:
        raise damaged(path, f"its log {log.name} is there without it")


def empty(path: Path) -> sqlite3.Connection:
    """A database in memory that holds nothing: the store of a pipeline that never ran.

    Raises:
        EnvironmentProblem: the log of a database is there, so that the pipeline did run.
    """
    _check_log(path)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _apply(connection, 0)
    return connection


def _settle(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _tidy(connection: sqlite3.Connection) -> None:
    """Put the log of a killed run into the database, unless somebody is reading; nobody waits for that."""
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute(f"PRAGMA busy_timeout = {round(_PATIENCE * 1000)}")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION:
        raise _foreign(path)
    if _version(connection) > VERSION:
        message = f"the store {near(path)} was made by a newer yamlgen"
        hint = f"this one knows stores up to version {VERSION}, that is {_version(connection)}: update yamlgen"
        raise EnvironmentProblem(message, code=Code.STORE_VERSION, hint=hint)


def _check_age(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) < VERSION:
        message = f"the store {near(path)} was made by an older yamlgen"
        simulated = path.stem.endswith(SIMULATED)
        command = f"`yamlgen run{' --simulate' if simulated else ''} --offline`"
        also = f" and {option('simulate')}" if simulated else ""
        run = by_surface(command=command, python=f"a run with {option('offline')}{also}")
        hint = f"{run} brings it up to date, and sends nothing"
        raise EnvironmentProblem(message, code=Code.STORE_VERSION, hint=hint)


def _check_size(connection: sqlite3.Connection, path: Path) -> None:
    """Notice a file that was cut short before anything is read out of the part that is left."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    log = path.with_name(f"{path.name}{_LOG}")
    with suppress(FileNotFoundError):
        if log.stat().st_size:  # pages that the file has not yet may be in it
            return
    found = path.stat().st_size
    if found < pages * size:
        raise damaged(path, f"it is cut short: {found:,} of {pages * size:,} bytes are left")


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection)
    if version == VERSION:
        return
    copy = path.with_name(f"{path.name}.version-{version}")
    part = copy.with_name(f"{copy.name}.new")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(part)) as target:
        connection.backup(target)
    part.replace(copy)
    _apply(connection, version)


def _apply(connection: sqlite3.Connection, version: int) -> None:
    for number, script in enumerate(SCRIPTS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")
