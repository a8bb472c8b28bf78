"""Takes over rows that equal earlier runs have finished, by set: with joins in SQL, in place of a task for each row.

A run is equal if it has the same fingerprint. A row is taken over if the long way would come to the same result: the
newest of the equal runs has finished it, it has the same identity and columns, it has lost nothing, every answer and
every kept value that it used is still the one that a run would use. Any other row takes the long way, which is always
right.

The joins are written with CROSS JOIN, which keeps SQLite from choosing another order.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from yamlgen.events import RowsTakenOver, TakenStep
from yamlgen.model_capabilities import undated
from yamlgen.steps.plan_step import PlanStep
from yamlgen.store.database import mapped
from yamlgen.store.stored_results import TOKENS
from yamlgen.store.stored_rows import row_digests
from yamlgen.value_objects import InputRow, Usage

CHUNK: Final = 8192
"""How many rows of the input are looked up, and stored, at once: between two transactions a run can be ended."""

_CACHE_KIB: Final = 16_384
"""The memory that temporary tables may take: those of a million rows need twice as much, and lie in a file then."""

_TABLES: Final = """
    CREATE TEMP TABLE earlier (identity BLOB PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TEMP TABLE superseded (attempt INTEGER PRIMARY KEY);
    CREATE TEMP TABLE current_files (id INTEGER PRIMARY KEY);
    CREATE TEMP TABLE coming (number INTEGER PRIMARY KEY, identity BLOB NOT NULL, source BLOB NOT NULL);
    CREATE TEMP TABLE taken (number INTEGER PRIMARY KEY, place INTEGER NOT NULL);
"""
"""`place` is the rowid of a row of an earlier run."""

_NAMES: Final = ("earlier", "superseded", "current_files", "coming", "taken")
"""Their names."""

_RUNS: Final = """
    SELECT id, json_extract(about, '$.limit') FROM run
    WHERE fingerprint = ? AND status = 'finished' ORDER BY id DESC
"""
_ANSWERED_AFTER: Final = "SELECT 1 FROM attempt WHERE run > ? LIMIT 1"
_EARLIER: Final = "INSERT OR IGNORE INTO earlier SELECT identity, rowid FROM row WHERE run = ? ORDER BY identity"
_SIZE: Final = "SELECT count(*) FROM row WHERE run = ?"
_SUPERSEDED: Final = """
    INSERT INTO superseded
    SELECT attempt.id
    FROM (SELECT key, max(id) AS newest FROM attempt GROUP BY key HAVING count(*) > 1) AS repeated
    CROSS JOIN attempt ON attempt.key = repeated.key
    WHERE attempt.id < repeated.newest
"""
_AWAITED: Final = """
    INSERT OR IGNORE INTO superseded
    SELECT attempt.id FROM batch_request CROSS JOIN attempt ON attempt.key = batch_request.key
"""
"""An open batch may bring a newer answer before the row is reached."""

_COMING: Final = "INSERT INTO coming VALUES (?, ?, ?)"
_FIND: Final = """
    INSERT INTO taken
    SELECT coming.number, earlier.place FROM coming CROSS JOIN earlier ON earlier.identity = coming.identity
"""
_RESULTS: Final = """
    FROM taken
    CROSS JOIN row ON row.rowid = taken.place
    CROSS JOIN json_each(row.results) AS own
"""
_ATTEMPTS: Final = f"""
    {_RESULTS}
    CROSS JOIN result ON result.id = own.value
    CROSS JOIN json_each(result.attempts) AS noted
"""
_LEAVE: Final = "DELETE FROM taken WHERE number IN (SELECT taken.number {})"
_LEAVE_OTHERS: Final = _LEAVE.format("""
    FROM taken
    CROSS JOIN coming ON coming.number = taken.number
    CROSS JOIN row ON row.rowid = taken.place
    CROSS JOIN source ON source.id = row.source
    WHERE row.status <> 'finished' OR source.digest <> coming.source
""")
_LEAVE_LOST: Final = _LEAVE.format(f"{_RESULTS} CROSS JOIN failed_request ON failed_request.result = own.value")
_LEAVE_SUPERSEDED: Final = _LEAVE.format(
    f"{_ATTEMPTS} CROSS JOIN superseded ON superseded.attempt = json_extract(noted.value, '$[0]')"
)
_LEAVE_REMADE: Final = _LEAVE.format("""
    FROM taken
    CROSS JOIN row ON row.rowid = taken.place
    CROSS JOIN json_each(row.kept) AS used
    LEFT JOIN kept ON kept.number = used.value
    LEFT JOIN current_files ON current_files.id = kept.files
    WHERE row.kept IS NOT NULL AND current_files.id IS NULL
""")
_LEAVE_FALLBACKS: Final = _LEAVE.format(f"""
    {_ATTEMPTS}
    CROSS JOIN attempt ON attempt.id = json_extract(noted.value, '$[0]')
    WHERE result.step IN (SELECT value FROM json_each(?))
        AND (attempt.stop_reason = 'refusal' OR NOT is_own(attempt.requested, attempt.model))
""")
"""Rows for which another model may have answered after a refusal: their report names that model."""

_INSERT: Final = """
    INSERT INTO row (run, number, identity, source, status, results, kept)
    SELECT ?, taken.number, row.identity, row.source, row.status, row.results, row.kept
    FROM taken CROSS JOIN row ON row.rowid = taken.place ORDER BY taken.number
"""
_USE: Final = """
    UPDATE kept SET run = ?1 WHERE run <> ?1 AND number IN (
        SELECT used.value FROM taken CROSS JOIN row ON row.rowid = taken.place CROSS JOIN json_each(row.kept) AS used
    )
"""
"""Pruning other runs then keeps these values."""

_TAKEN: Final = "SELECT number FROM taken ORDER BY number"
_COUNTS: Final = f"""
    SELECT result.step, count(*) FILTER (WHERE result.status = 'finished'),
           count(*) FILTER (WHERE result.status = 'skipped'),
           sum(CASE WHEN result.status = 'finished' AND result.step IN (SELECT value FROM json_each(?))
                    THEN length_of(result.value) END)
    {_RESULTS} CROSS JOIN result ON result.id = own.value
    GROUP BY result.step
"""
_SUMS: Final = f"""
    SELECT result.step, count(*), coalesce(sum(attempt.cost), 0.0), count(*) FILTER (WHERE attempt.cost IS NULL),
           {", ".join(f"sum(attempt.{name})" for name in TOKENS)}
    {_ATTEMPTS}
    CROSS JOIN attempt ON attempt.id = json_extract(noted.value, '$[0]')
    GROUP BY result.step
"""


class ComingRow(NamedTuple):
    """A row of the coming run: its position in the input, from 0, and the digests by which the store knows it."""

    number: int
    identity: bytes
    source: bytes


def coming_row(row: InputRow) -> ComingRow:
    """Return what the store knows a row of the input by."""
    made = row_digests(row)
    return ComingRow(row.index, made.identity, made.source)


@dataclass
class Takeover:
    """Finds the rows that earlier runs have finished. All calls use the same connection, one at a time.

    Attributes:
        fingerprint: the fingerprint of the coming run.
        steps: the steps of its plan.
        are_current: returns whether files, the sha256 by the path relative to the pipeline, are as they are now: then
            kept values that depend on them are valid.
        has_other_modes: whether the API has refused a schema of the plan, so that a tool is asked instead.
        left: how many rows may still be found: those of the earlier runs, equal ones included, without those found.
    """

    fingerprint: bytes
    steps: Sequence[PlanStep]
    are_current: Callable[[Mapping[str, str]], bool]
    has_other_modes: bool = False
    left: int = field(default=0, init=False)
    _checks: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list, init=False)
    _has_kept: bool = field(default=False, init=False)

    def open(self, connection: sqlite3.Connection) -> bool:
        """Look for equal earlier runs, and return whether any has rows. A read-only connection is enough."""
        runs = self._earlier_runs(connection)
        if not runs:
            return False
        connection.execute(f"PRAGMA temp.cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA temp.journal_mode = MEMORY")  # otherwise a file, also for a few rows
        for statement in filter(str.strip, _TABLES.split(";")):  # `executescript` would commit
            connection.execute(statement)
        for run in runs:
            connection.execute(_EARLIER, (run,))
            self.left += connection.execute(_SIZE, (run,)).fetchone()[0]
        connection.create_function("length_of", 1, _length_of, deterministic=True)
        self._note_checks(connection)
        return self.left > 0

    def close(self, connection: sqlite3.Connection) -> None:
        """Drop what `open` has made."""
        for name in _NAMES:
            connection.execute(f"DROP TABLE IF EXISTS temp.{name}")

    def _earlier_runs(self, connection: sqlite3.Connection) -> list[int]:
        """Return the equal runs, newest first, down to the first one without a limit."""
        found: list[int] = []
        for run, limit in connection.execute(_RUNS, (self.fingerprint,)):
            # A later answer in the other mode is found first, and is not known by the key of the one that was used.
            if self.has_other_modes and connection.execute(_ANSWERED_AFTER, (run,)).fetchone():
                break
            found.append(run)
            if limit is None:
                break
        return found

    def _note_checks(self, connection: sqlite3.Connection) -> None:
        """Note the conditions that rows can fail to meet in this store."""
        self._checks.append((_LEAVE_OTHERS, ()))
        if _has(connection, "failed_request"):
            self._checks.append((_LEAVE_LOST, ()))
        again = connection.execute(_SUPERSEDED).rowcount + connection.execute(_AWAITED).rowcount
        if again:
            self._checks.append((_LEAVE_SUPERSEDED, ()))
        for number, files in connection.execute("SELECT id, files FROM files").fetchall():
            if self.are_current(json.loads(files)):
                connection.execute("INSERT INTO current_files VALUES (?)", (number,))
        self._checks.append((_LEAVE_REMADE, ()))
        self._has_kept = _has(connection, "kept")
        others = [step.name for step in self.steps if any(each.fallbacks or each.by_default for each in step.variants)]
        if others:
            connection.create_function("is_own", 2, _is_own, deterministic=True)
            self._checks.append((_LEAVE_FALLBACKS, (json.dumps(others),)))

    def take(
        self, connection: sqlite3.Connection, rows: Sequence[ComingRow], run: int | None = None
    ) -> RowsTakenOver | None:
        """Find those of the next rows that are taken over, and insert them into a run.

        Args:
            connection: the connection that was opened; inside a transaction, if rows are inserted.
            rows: the next rows of the input, in order: at most about `CHUNK`.
            run: the number of the run; `None`: nothing is stored.

        Returns:
            The rows that are taken over; `None` if there are none.
        """
        connection.execute("DELETE FROM coming")
        connection.execute("DELETE FROM taken")
        connection.executemany(_COMING, rows)
        self.left -= connection.execute(_FIND).rowcount
        for check, given in self._checks:
            connection.execute(check, given)
        numbers = array("q", (number for (number,) in connection.execute(_TAKEN)))
        if not numbers:
            return None
        if run is not None:
            connection.execute(_INSERT, (run,))
            if self._has_kept:
                connection.execute(_USE, (run,))
        return RowsTakenOver(numbers, self._sums(connection))

    def _sums(self, connection: sqlite3.Connection) -> dict[str, TakenStep]:
        """Return what the steps of the rows had made."""
        steps = {step.name: step for step in self.steps}
        lists = json.dumps([step.name for step in self.steps if step.for_each is not None])
        answers = {name: found for name, *found in connection.execute(_SUMS)}
        made = {}
        for name, finished, skipped, items in connection.execute(_COUNTS, (lists,)):
            count, cost, unpriced, *tokens = answers.get(name, (0, 0.0, 0, 0, 0, 0, 0))
            step = steps[name]
            each = items or 0 if step.for_each is not None else 0 if step.is_single else finished
            cases = each * step.cases_per_item
            made[name] = TakenStep(finished, skipped, cases, count, Usage(*tokens), cost, unpriced)
        return {name: made[name] for name in steps if name in made}


@dataclass
class ForeseenTakeover:
    """Finds the rows that a run would take over. Nothing is stored.

    Args:
        takeover: the rows of earlier runs.
        reader: a read-only connection.
        path: the database, for messages.
    """

    takeover: Takeover
    reader: sqlite3.Connection
    path: Path

    def __enter__(self) -> Self:
        with self._transaction():
            self.takeover.open(self.reader)
        return self

    def __exit__(self, *_: object) -> None:
        with self._transaction():
            self.takeover.close(self.reader)

    def find(self, rows: Sequence[ComingRow]) -> RowsTakenOver | None:
        """Return those of the next rows, at most about `CHUNK`, that would be taken over; `None` if there are none."""
        if self.takeover.left <= 0:
            return None
        with self._transaction():
            return self.takeover.take(self.reader, rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Run statements in one transaction: at the end of each, SQLite goes over all pages of temporary tables."""
        with mapped(self.path):
            self.reader.execute("BEGIN")
            try:
                yield
            finally:
                if self.reader.in_transaction:  # some errors have ended it
                    self.reader.execute("COMMIT")


def _has(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None


def _is_own(requested: str | None, model: str | None) -> bool:
    """Return whether the model that was requested has answered."""
    return requested is not None and model is not None and undated(model) == undated(requested)


def _length_of(value: str) -> int:
    """Return the length of a list in JSON. SQLite's own function does not read every number that Python writes."""
    return len(json.loads(value))
