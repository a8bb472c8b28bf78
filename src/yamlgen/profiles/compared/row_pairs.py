"""Pairs the rows of two runs by their identity, and keeps a text for each pair, with bounded memory.

SQLite keeps them in a private database: in memory until it exceeds its cache, then in a temporary file that SQLite
deletes itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

from yamlgen.errors import Code, EnvironmentProblem

THIS: Final = 0
OTHER: Final = 1

_SETUP: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -8192;
    CREATE TABLE reached (run INTEGER, number INTEGER, identity BLOB, content BLOB, status TEXT);
    CREATE UNIQUE INDEX reached_by_number ON reached (run, number);
    CREATE TABLE pair (number INTEGER PRIMARY KEY, other INTEGER NOT NULL);
    CREATE TABLE kept (number INTEGER PRIMARY KEY, text TEXT NOT NULL);
    CREATE TABLE failure (
        run INTEGER, step TEXT, code TEXT, effect TEXT, number INTEGER,
        PRIMARY KEY (run, step, code, effect, number)
    ) WITHOUT ROWID;
    BEGIN;
"""
_PAIR: Final = """
    CREATE TEMP TABLE ranked (run, digest, nth, number, PRIMARY KEY (run, digest, nth)) WITHOUT ROWID;
    INSERT INTO ranked
    SELECT run, {0}, row_number() OVER (PARTITION BY run, {0} ORDER BY number), number FROM reached ORDER BY 1, 2, 3;
    INSERT INTO pair
    SELECT this.number, other.number FROM ranked AS this
    JOIN ranked AS other ON other.run = 1 AND other.digest = this.digest AND other.nth = this.nth
    WHERE this.run = 0 ORDER BY this.number;
    DROP TABLE ranked;
    CREATE UNIQUE INDEX IF NOT EXISTS pair_by_other ON pair (other);
    BEGIN;
"""
"""The first of several equal rows is paired with the first, the second with the second."""
_CHANGED: Final = """
    SELECT step, code, effect, number FROM failure AS mine WHERE run = ? AND NOT EXISTS (
        SELECT 1 FROM failure AS theirs WHERE theirs.run = ? AND theirs.step = mine.step AND theirs.code = mine.code
        AND theirs.effect = mine.effect AND theirs.number = mine.number
    ) ORDER BY step, code, effect, number
"""
_OUTCOMES: Final = """
    SELECT sum(this.status = 'finished' AND other.status = 'finished'),
           sum(this.status <> 'finished' AND other.status = 'finished'),
           sum(this.status = 'finished' AND other.status <> 'finished')
    FROM pair JOIN reached AS this ON this.run = 0 AND this.number = pair.number
    JOIN reached AS other ON other.run = 1 AND other.number = pair.other
"""


@dataclass(frozen=True, slots=True)
class PairCounts:
    """How many rows are in both runs, and in one of them alone."""

    both: int
    only_this: int
    only_other: int


class RowPairs:
    """The pairs of rows of two runs, `THIS` and `OTHER`; a context manager.

    A position is that of a row in the input of its run, from 0.

    Raises:
        EnvironmentProblem: the folder for temporary files is full; raised by all methods.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_SETUP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, run: int, rows: Iterable[tuple[int, bytes, bytes, str]]) -> None:
        """Add the rows of a run, as `RunReader.identities` yields them."""
        with _kept():
            self._database.executemany(f"INSERT INTO reached VALUES ({run}, ?, ?, ?, ?)", rows)  # noqa: S608

    def match(self, *, by_content: bool = False) -> PairCounts:
        """Pair the rows by their identities, or by their columns, and return how many pairs there are."""
        with _kept():
            self._database.executescript(_PAIR.format("content" if by_content else "identity"))
            (both,) = self._database.execute("SELECT count(*) FROM pair").fetchone()
            counts = dict(self._database.execute("SELECT run, count(*) FROM reached GROUP BY run").fetchall())
        return PairCounts(both, counts.get(THIS, 0) - both, counts.get(OTHER, 0) - both)

    def outcomes(self) -> tuple[int, int, int]:
        """Return how many pairs have finished in both runs, in the other run alone, and in this run alone."""
        with _kept():
            found = self._database.execute(_OUTCOMES).fetchone()
        both, other, this = (each or 0 for each in found)
        return both, other, this

    def this(self, other: int) -> int | None:
        """Return the position in this run of a row of the other run; `None` if this run has not reached it."""
        with _kept():
            found = self._database.execute("SELECT number FROM pair WHERE other = ?", (other,)).fetchone()
        return None if found is None else found[0]

    def has(self, number: int) -> bool:
        """Return whether a row of this run has a pair."""
        with _kept():
            return self._database.execute("SELECT 1 FROM pair WHERE number = ?", (number,)).fetchone() is not None

    def keep(self, number: int, text: str) -> None:
        """Keep a text for a row of this run."""
        with _kept():
            self._database.execute("INSERT INTO kept VALUES (?, ?)", (number, text))

    def kept(self, number: int) -> str | None:
        """Return the text that is kept for a row of this run."""
        with _kept():
            found = self._database.execute("SELECT text FROM kept WHERE number = ?", (number,)).fetchone()
        return None if found is None else found[0]

    def fail(self, run: int, number: int, step: str, code: str, effect: str) -> None:
        """Note a failure of a row, which is named by its position in this run."""
        with _kept():
            insert = "INSERT OR IGNORE INTO failure VALUES (?, ?, ?, ?, ?)"
            self._database.execute(insert, (run, step, code, effect, number))

    def failures_of(self, run: int) -> Iterator[tuple[str, str, str, int]]:
        """Yield the failures that only one of the runs has: step, code, effect, and position in this run; sorted."""
        with _kept():
            yield from self._database.execute(_CHANGED, (run, OTHER if run == THIS else THIS))


@contextmanager
def _kept() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        message = f"cannot keep track of the rows in a temporary file: {error}"
        hint = "free disk space for temporary files, or set `TMPDIR` to another folder"
        raise EnvironmentProblem(message, code=Code.DISK, hint=hint) from error
