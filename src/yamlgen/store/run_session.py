"""A run at work in its store: the lock, the connections, the writer, and the run's own line in the table of runs."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from yamlgen.redaction import redact
from yamlgen.store.codec import text_of
from yamlgen.store.database import connect, create, empty, is_older, mapped, read
from yamlgen.store.location import StoreLocation, locked, make_folder
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.run_recorder import ReusePolicy, RunRecorder
from yamlgen.store.writer import Writer
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class StoreSession:
    """What a run, or the plan of one, knows of its store.

    Attributes:
        run_reader: what the store holds, what this run adds too.
        run_recorder: the recorder of the run's models and the sink of its rows.
    """

    run_reader: RunReader
    run_recorder: RunRecorder


@contextmanager
def locked_connection(place: StoreLocation, what: str) -> Iterator[sqlite3.Connection]:
    """A connection for writing to a store that no other process writes to meanwhile.

    Args:
        place: the store's files; they are made where there are none.
        what: who holds it, for whoever comes second.

    Raises:
        EnvironmentProblem: the store is in use, damaged, of another version, or in a place that cannot hold one.
    """
    make_folder(place.folder)
    with locked(place, what) as is_new:
        is_doubtful = is_new and place.exists
        if not place.exists:
            create(place.database)
        with closing(connect(place.database, is_doubtful=is_doubtful)) as connection:
            yield connection


def migrate(place: StoreLocation) -> None:
    """Bring a store that an older version made up to date; a copy of it stays beside it.

    Raises:
        EnvironmentProblem: it is in use, damaged, or newer than this version.
    """
    if place.exists and is_older(place.database):
        with locked_connection(place, "bringing the store up to date"):
            pass


@contextmanager
def open_session(place: StoreLocation, reuse: ReusePolicy) -> Iterator[StoreSession]:
    """A store to read from, empty where there is none yet; nothing is made on disk.

    Raises:
        EnvironmentProblem: the store is damaged, or of another version.
    """
    connection = read(place.database) if place.exists else empty(place.database)
    with closing(connection):
        yield StoreSession(RunReader(connection, place), RunRecorder(connection, place.database, reuse))


@contextmanager
def open_runs(place: StoreLocation) -> Iterator[RunReader]:
    """A store's runs.

    Raises:
        EnvironmentProblem: there is no store, or it is damaged, or of another version.
    """
    with closing(read(place.database)) as connection:
        yield RunReader(connection, place)


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """A run that has begun.

    Attributes:
        entry: its line among the runs.
    """

    entry: RunEntry
    _writer: Writer

    async def end(self, status: str, report: dict[str, JSON]) -> None:
        """Note how the run ended: `finished` or `stopped`."""
        values = (status, _now(), redact(text_of(report)), self.entry.number)
        query = "UPDATE run SET status = ?, ended = ?, report = ? WHERE id = ?"
        await self._writer.write(lambda connection: connection.execute(query, values))


@asynccontextmanager
async def begin_run(
    session: StoreSession, connection: sqlite3.Connection, name: str, about: dict[str, JSON], retry: str | None = None
) -> AsyncIterator[ActiveRun]:
    """A run that begins now, and may send.

    Args:
        session: the run's, opened before.
        connection: that of `held`.
        name: the run's.
        about: what is known of it before it starts.
        retry: the run whose failed rows it asks again, if it is a retry.
    """
    path = session.run_reader.place.database
    with mapped(path):
        query = "INSERT INTO run (name, started, status, retry, about) VALUES (?, ?, 'running', ?, ?)"
        number = connection.execute(query, (name, _now(), retry, redact(text_of(about)))).lastrowid
    assert number is not None  # noqa: S101 - an INSERT has one
    writer = Writer(connection, path)
    session.run_recorder.begin(writer, number)
    try:
        yield ActiveRun(session.run_reader.run(name), writer)
    finally:
        await writer.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
