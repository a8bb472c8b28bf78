"""Opens a store for a run: its lock, its connections, its writer, and the run's entry in the table of runs."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from yamlgen.redaction import redact
from yamlgen.store.codec import text_of
from yamlgen.store.database import connect, create, empty, is_older, mapped, read
from yamlgen.store.location import StoreLocation, holder, locked, make_folder
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.run_recorder import RunRecorder
from yamlgen.store.stored_batches import discard_unsent
from yamlgen.store.writer import Writer
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class StoreSession:
    """The store of a run, or of the plan of a run.

    Attributes:
        run_reader: reads the store, including what this run writes.
        run_recorder: used by the models of the run, and stores its rows.
    """

    run_reader: RunReader
    run_recorder: RunRecorder


@contextmanager
def locked_connection(place: StoreLocation, what: str) -> Iterator[sqlite3.Connection]:
    """Lock a store, and open it for writing.

    Args:
        place: the store's files, which are created if they do not exist.
        what: a description of the holder, for the error of a second process.

    Raises:
        EnvironmentProblem: the store is in use, damaged, of another version, or in an unusable folder.
    """
    make_folder(place.folder)
    with locked(place, what) as is_new:
        is_doubtful = is_new and place.exists
        if not place.exists:
            create(place.database)
        with closing(connect(place.database, is_doubtful=is_doubtful)) as connection:
            yield connection


def migrate(place: StoreLocation) -> None:
    """Update a store that an older version has written. A copy of it remains next to it.

    Raises:
        EnvironmentProblem: the store is in use, damaged, or newer than this version.
    """
    if place.exists and is_older(place.database):
        with locked_connection(place, "an update of the store"):
            pass


@contextmanager
def open_session(place: StoreLocation, reuse: ReusePolicy) -> Iterator[StoreSession]:
    """Open a store for reading. If it does not exist yet, it is an empty one in memory; nothing is created on disk.

    Raises:
        EnvironmentProblem: the store is damaged, or of another version.
    """
    connection = read(place.database) if place.exists else empty(place.database)
    with closing(connection):
        yield StoreSession(RunReader(connection, place), RunRecorder(connection, place.database, reuse))


@contextmanager
def open_runs(place: StoreLocation, *, snapshot: bool = False) -> Iterator[RunReader]:
    """Open a store to read its runs.

    Args:
        place: the store's files.
        snapshot: whether everything is read as it is at the first reading, also if runs are deleted meanwhile. The
            files of the store grow during that time, if a run writes.

    Raises:
        EnvironmentProblem: there is no store, or it is damaged, or of another version.
    """
    held = holder(place) if snapshot else None  # a run that ends after the first reading is read as a running one
    with closing(read(place.database)) as connection:
        if snapshot:
            connection.execute("BEGIN")
        yield RunReader(connection, place, held)


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """A run that has started.

    Attributes:
        entry: the run in the store.
    """

    entry: RunEntry
    _writer: Writer

    async def end(self, status: str, report: dict[str, JSON]) -> None:
        """Store the status (`finished`, `stopped` or `detached`) and the report of the run."""
        values = (status, _now(), redact(text_of(report)), self.entry.number)
        query = "UPDATE run SET status = ?, ended = ?, report = ? WHERE id = ?"

        def end(connection: sqlite3.Connection) -> None:
            connection.execute(query, values)
            connection.execute("DELETE FROM held")

        await self._writer.write(end)


@asynccontextmanager
async def begin_run(
    session: StoreSession,
    connection: sqlite3.Connection,
    name: str,
    about: dict[str, JSON],
    retry: str | None = None,
    fingerprint: bytes | None = None,
) -> AsyncIterator[ActiveRun]:
    """Start a run: add it to the store, and allow it to send requests.

    Args:
        session: the open store of the run.
        connection: the connection of `locked_connection`.
        name: the name of the run.
        about: the pipeline as it runs, parameters, overrides, git, versions.
        retry: the name of the run whose failed rows it retries, if it is a retry.
        fingerprint: the digest of all that decides what a row comes to; `None`: no run takes over its rows.
    """
    path = session.run_reader.place.database
    with mapped(path):
        query = "INSERT INTO run (name, started, status, retry, about, fingerprint) VALUES (?, ?, 'running', ?, ?, ?)"
        number = connection.execute(query, (name, _now(), retry, redact(text_of(about)), fingerprint)).lastrowid
        discard_unsent(connection)
    assert number is not None  # noqa: S101 - an INSERT always sets it
    writer = Writer(connection, path)
    session.run_recorder.begin(writer, number)
    try:
        yield ActiveRun(session.run_reader.run(name), writer)
    finally:
        await writer.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
