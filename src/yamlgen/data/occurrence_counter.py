"""Counts how often each digest was seen, with bounded memory.

A set of a million digests would take 100 MB of memory. Here SQLite keeps them in a private database: in memory until it
exceeds its cache, then in a temporary file that SQLite deletes itself.
"""

from __future__ import annotations

import sqlite3
from typing import Final, Self

from yamlgen.data.duplicate_detector import no_space

_CACHE: Final = 2048
"""The database's memory limit in KiB; counting a million digests was not faster with 8 MiB."""

_SETUP: Final = f"""
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -{_CACHE};
    CREATE TABLE seen (digest BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID;
    BEGIN;
"""


class OccurrenceCounter:
    """Counts digests; a context manager, or call `close`.

    Several threads may use it, but only one at a time.

    Raises:
        EnvironmentProblem: the folder for temporary files is full; raised by `count`.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_SETUP)

    def count(self, digest: bytes) -> int:
        """Count a digest, and return how often it was counted before."""
        run = self._database.execute
        try:
            if run("INSERT OR IGNORE INTO seen VALUES (?, 1)", (digest,)).rowcount:
                return 0
            (times,) = run("SELECT times FROM seen WHERE digest = ?", (digest,)).fetchone()
            run("UPDATE seen SET times = times + 1 WHERE digest = ?", (digest,))
        except sqlite3.Error as error:
            raise no_space(error) from error
        return int(times)

    def close(self) -> None:
        """Discard all counts, and free the disk space."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
