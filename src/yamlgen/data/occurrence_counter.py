"""What has been seen before, of any number of things: their digests, on disk once they are many.

A set of a million digests takes 100 MB of memory, and a run keeps within what ten thousand rows take. SQLite holds
them in a private database, in memory until that is larger than its cache, then in a file that it deletes itself.
"""

from __future__ import annotations

import sqlite3
from typing import Final, Self

from yamlgen.errors import Code, EnvironmentProblem

_CACHE: Final = 2048
"""The memory that the database may take, in KiB; with 8 MiB a million digests were counted no faster."""

_SETUP: Final = f"""
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -{_CACHE};
    CREATE TABLE seen (digest BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID;
    BEGIN;
"""


class OccurrenceCounter:
    """Counts digests; a context manager, or closed with `close`.

    It may be used from one thread after another, but not from two at once.

    Raises:
        EnvironmentProblem: the folder for temporary files is full; `count` raises it.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_SETUP)

    def count(self, digest: bytes) -> int:
        """How often this digest was counted before; now once more."""
        run = self._database.execute
        try:
            if run("INSERT OR IGNORE INTO seen VALUES (?, 1)", (digest,)).rowcount:
                return 0
            (times,) = run("SELECT times FROM seen WHERE digest = ?", (digest,)).fetchone()
            run("UPDATE seen SET times = times + 1 WHERE digest = ?", (digest,))
        except sqlite3.Error as error:
            message = f"cannot keep track of the input's rows in a temporary file: {error}"
            hint = "make room for temporary files; `TMPDIR` names another place for them"
            raise EnvironmentProblem(message, code=Code.DISK, hint=hint) from error
        return int(times)

    def close(self) -> None:
        """Forget everything, and give back the disk."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
