"""The SQLite database of a store: creation, opening, migration, and its errors. It is never deleted.

The database uses a write-ahead log, and every commit is on disk before it returns. An older store is copied before it
is migrated.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.option_names import by_surface, option
from yamlgen.store.location import SIMULATED
from yamlgen.store.migrations import APPLICATION, SCRIPTS, VERSION

_PATIENCE: Final = 120.0
"""Seconds that a write waits for another program that has locked the database, such as a database browser."""

_LOG: Final = "-wal"
_INDEX: Final = "-shm"
_CACHE_KIB: Final = 8192
_HEADER: Final = 72
"""Bytes at the beginning of a database; the number of its application comes last."""

_FULL: Final = frozenset({"SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN"})


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Convert errors of SQLite, of the disk, and of stored values.

    Raises:
        EnvironmentProblem: the store cannot be read or written, or is damaged.
    """
    try:
        yield
    except sqlite3.ProgrammingError:  # a bug of yamlgen, not a problem of the store
        raise
    except sqlite3.Error as error:
        raise problem(path, error) from error
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    except (zlib.error, ValueError, RecursionError) as error:  # SQLite does not check the values that it stores
        raise damaged(path, str(error)) from error


def problem(path: Path, error: sqlite3.Error) -> EnvironmentProblem:
    """Return the error to report for an error of SQLite."""
    name = getattr(error, "sqlite_errorname", "")
    if any(name.startswith(kind) for kind in _FULL):
        return _refused(path, str(error))
    if name.startswith("SQLITE_BUSY"):
        message = f"the store {near(path)} is locked by another program"
        return EnvironmentProblem(message, code=Code.BUSY, hint="close it in that program, and run again")
    return damaged(path, str(error))


def _refused(path: Path, what: str) -> EnvironmentProblem:
    message = f"cannot use the store {near(path)}: {what}"
    hint = "check that the disk has space and that you can write to the folder, then run again; stored answers are safe"
    return EnvironmentProblem(message, code=Code.DISK, hint=hint)


def damaged(path: Path, what: str) -> EnvironmentProblem:
    """Return the error for a database that cannot be read. The files are not changed."""
    message = f"the store {near(path)} is damaged: {what}"
    files = f"{path.name}, {path.name}{_LOG} and {path.name}{_INDEX}"
    anew = f"move {files} away together to start with an empty store (answers are paid for again)"
    hint = f"restore a backup, or {anew}; nothing has been changed"
    return EnvironmentProblem(message, code=Code.STORE_DAMAGED, hint=hint)


def _foreign(path: Path) -> EnvironmentProblem:
    hint = f"move it away, or choose another folder with {option('store', 'PATH')}"
    return EnvironmentProblem(f"{near(path)} is not a yamlgen store", code=Code.STORE_VERSION, hint=hint)


def connect(path: Path, *, is_doubtful: bool = False) -> sqlite3.Connection:
    """Open an existing database for writing. The caller holds the lock of the store.

    Args:
        path: the database.
        is_doubtful: whether another process may have the database open, because the lock file did not exist.

    Raises:
        EnvironmentProblem: the database is damaged, not a store, newer than this version of yamlgen, or open elsewhere.
    """
    _reading(path).close()  # a file that is not a store must not be opened for writing
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
    """Open a database for reading, which is possible at any time.

    Raises:
        EnvironmentProblem: there is no store, or this version cannot read it.
    """
    if not path.exists():
        message = f"the store {near(path)} does not exist"
        hint = f"run the pipeline to create it, or specify its folder with {option('store', 'PATH')}"
        raise EnvironmentProblem(message, code=Code.NO_RUN, hint=hint)
    connection = _reading(path)
    with _judged(connection, path):
        _check_size(connection, path)
        _check_age(connection, path)
    return connection


def is_store(path: Path) -> bool:
    """Return whether the file at a path is a store of any version, by its header."""
    return application_of(path) == APPLICATION


def application_of(path: Path) -> int | None:
    """Return the application id in the header of a database of SQLite, 0 if it has none; `None` for another file."""
    with suppress(OSError), path.open("rb") as file:
        header = file.read(_HEADER)
        if header.startswith(b"SQLite format 3\x00"):
            return int.from_bytes(header[-4:])
    return None


def is_older(path: Path) -> bool:
    """Return whether a store was written by an older version, and must be migrated before it can be read.

    Raises:
        EnvironmentProblem: this version cannot read the store.
    """
    with closing(_reading(path)) as connection:
        return _version(connection) < VERSION


def _reading(path: Path) -> sqlite3.Connection:
    """Open a store for reading, and check that it is not newer than this version."""
    with mapped(path):
        if not path.is_file():
            raise _foreign(path)
        if not path.stat().st_size:  # a database is complete before it gets this name
            raise damaged(path, "the file is empty")
        uri = f"{path.absolute().as_uri()}?{_mode(path)}"
        connection = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)
    with _judged(connection, path):
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        _check(connection, path)
    return connection


def _mode(path: Path) -> str:
    """Return the mode in which to open a database for reading.

    To read during writes, SQLite needs a log and an index file, which it creates if they do not exist. They exist as
    long as any process has the database open. So if they do not exist and cannot be created, nothing writes to the
    database, and it can be opened as immutable.
    """
    is_quiet = not any(path.with_name(path.name + suffix).exists() for suffix in (_LOG, _INDEX))
    return "immutable=1" if is_quiet and not os.access(path.parent, os.W_OK) else "mode=ro"


def _check_alone(connection: sqlite3.Connection, path: Path) -> None:
    """Check that no other process has the database open. The lock cannot show it, because its file was new."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA journal_mode = DELETE")  # SQLite refuses this unless it is the only connection
    except sqlite3.OperationalError as error:
        if not getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            raise
        message = f"the store {near(path)} is open in another process, and its lock was removed"
        hint = "wait until all runs of this pipeline have ended, and do not delete the `.lock` file"
        raise EnvironmentProblem(message, code=Code.BUSY, hint=hint) from None


@contextmanager
def _judged(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Convert errors, and close the connection if there is one."""
    try:
        with mapped(path):
            yield
    except BaseException:
        connection.close()
        raise


def create(path: Path) -> None:
    """Create an empty database that only its owner can read. It gets its name when it is complete.

    Raises:
        EnvironmentProblem: the log of another database exists, which SQLite would apply to the new one.
    """
    _check_log(path)
    new = path.with_name(f"{path.name}.new")
    with mapped(path):
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(_empty_image(SCRIPTS))
        with closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            _settle(connection)
        new.replace(path)


def _check_log(path: Path) -> None:
    log = path.with_name(f"{path.name}{_LOG}")
    if log.exists() and log.stat().st_size:
        raise damaged(path, f"its log {log.name} exists without the database")


def empty(path: Path) -> sqlite3.Connection:
    """Open an empty database in memory: the store of a pipeline that never ran.

    Raises:
        EnvironmentProblem: the log of a database exists, which means that the pipeline has run.
    """
    _check_log(path)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(_empty_image(SCRIPTS))
    return connection


@cache
def _empty_image(scripts: tuple[str, ...]) -> bytes:  # noqa: ARG001 - the key of the cache
    """Return the file of an empty database."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        _apply(connection, 0)
        return connection.serialize()


def _settle(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _tidy(connection: sqlite3.Connection) -> None:
    """Write the log of a killed run into the database, unless another process is reading it. Does not wait."""
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
        message = f"the store {near(path)} was written by a newer version of yamlgen"
        hint = f"update yamlgen: the store has version {_version(connection)}, this yamlgen reads up to {VERSION}"
        raise EnvironmentProblem(message, code=Code.STORE_VERSION, hint=hint)


def _check_age(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) < VERSION:
        message = f"the store {near(path)} was written by an older version of yamlgen"
        simulated = path.stem.endswith(SIMULATED)
        command = f"`yamlgen run{' --simulate' if simulated else ''} --offline`"
        also = f" and {option('simulate')}" if simulated else ""
        run = by_surface(command=command, python=f"a run with {option('offline')}{also}")
        hint = f"update it with {run}, which sends nothing"
        raise EnvironmentProblem(message, code=Code.STORE_VERSION, hint=hint)


def _check_size(connection: sqlite3.Connection, path: Path) -> None:
    """Check that the file is not truncated, before anything is read from it."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    log = path.with_name(f"{path.name}{_LOG}")
    with suppress(FileNotFoundError):
        if log.stat().st_size:  # the missing pages may be in the log
            return
    found = path.stat().st_size
    if found < pages * size:
        raise damaged(path, f"the file is truncated: {found:,} of {pages * size:,} bytes are left")


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
