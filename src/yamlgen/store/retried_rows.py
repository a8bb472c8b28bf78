"""The rows that a retry asks again, and the answers that failed them, in temporary tables: there may be many."""

from __future__ import annotations

import sqlite3
from typing import Final

from yamlgen.canonical_json import short_digest
from yamlgen.errors import ANSWERED
from yamlgen.store.migrations import TO_RETRY

_FAILED_TABLES: Final = """
    CREATE TEMP TABLE failed_row (identity BLOB PRIMARY KEY) WITHOUT ROWID;
    CREATE TEMP TABLE failed_key (key BLOB PRIMARY KEY, newest INTEGER) WITHOUT ROWID;
"""
_DONE: Final = "SELECT identity FROM row WHERE run IN ({}) AND status <> 'missing'"
_ANSWERED: Final = ", ".join(f"'{code}'" for code in sorted(ANSWERED))
_FAILED_KEYS: Final = f"""
    INSERT OR IGNORE INTO failed_key
    SELECT request.key, (
        SELECT max(other.newest) FROM failed_request AS other
        WHERE other.key = request.key AND other.code IN ({_ANSWERED})
    )
    FROM (SELECT results {{}}) AS failed, json_each(failed.results) AS each
    JOIN failed_request AS request ON request.result = each.value
    WHERE request.code IN ({_ANSWERED})
"""
"""The keys of the failed rows, each with the newest answer that failed it in any run. Newer answers, from a retry that
was stopped or from a fresh run, are not paid for again. If a step has several items, these are the keys of the failed
items only: the other items keep their answers."""


def note_failed(reader: sqlite3.Connection, runs: tuple[int, ...]) -> None:
    """Note the rows to retry of the last of these runs, without those that ended in one of the others, its retries."""
    reader.executescript(_FAILED_TABLES)
    *again, first = runs
    done = _DONE.format(", ".join(map(str, again)))
    failed = f"FROM row WHERE run = {first} AND {TO_RETRY} AND identity NOT IN ({done})"
    reader.execute(f"INSERT OR IGNORE INTO failed_row SELECT identity {failed}")
    reader.execute(_FAILED_KEYS.format(failed))


def is_to_retry(reader: sqlite3.Connection, identity: str) -> bool:
    """Return whether a row was noted."""
    query = "SELECT 1 FROM failed_row WHERE identity = ?"
    return reader.execute(query, (short_digest(identity),)).fetchone() is not None


def failed_by(reader: sqlite3.Connection, key: bytes) -> int:
    """Return the number of the newest answer of a key that failed a noted row; 0 for other keys."""
    found = reader.execute("SELECT newest FROM failed_key WHERE key = ?", (key,)).fetchone()
    return int(found[0]) if found else 0
