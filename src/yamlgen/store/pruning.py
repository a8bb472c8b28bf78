"""Deletes old runs from a store, and those of their answers that no other run needs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from yamlgen.store.database import mapped
from yamlgen.store.location import StoreLocation
from yamlgen.store.run_session import locked_connection
from yamlgen.store.stored_batches import OPEN

_DELETIONS: Final = {
    "rows": "DELETE FROM row WHERE run IN (SELECT run FROM pruned)",
    "results": ("DELETE FROM result WHERE id NOT IN (SELECT each.value FROM row, json_each(row.results) AS each)"),
    "failed requests": "DELETE FROM failed_request WHERE result NOT IN (SELECT id FROM result)",
    "sources": "DELETE FROM source WHERE id NOT IN (SELECT source FROM row)",
    "answers": (
        "DELETE FROM attempt WHERE run IN (SELECT run FROM pruned UNION SELECT id FROM run WHERE status = 'pruned') "
        "AND id NOT IN (SELECT json_extract(each.value, '$[0]') FROM result, json_each(result.attempts) AS each)"
    ),
    "frames": (
        "DELETE FROM frame WHERE id NOT IN ("
        "SELECT request_frame FROM attempt WHERE request_frame IS NOT NULL "
        "UNION SELECT response_frame FROM attempt WHERE response_frame IS NOT NULL "
        "UNION SELECT request_frame FROM batch_request WHERE request_frame IS NOT NULL)"
    ),
    "cut streams": "DELETE FROM cut_stream WHERE run IN (SELECT run FROM pruned)",
    "refusals": "DELETE FROM refusal WHERE run IN (SELECT run FROM pruned)",
    "kept values": "DELETE FROM kept WHERE run IN (SELECT run FROM pruned)",
    "files": "DELETE FROM files WHERE id NOT IN (SELECT files FROM kept WHERE files IS NOT NULL)",
    "batches": f"DELETE FROM batch WHERE run IN (SELECT run FROM pruned) AND state NOT IN {OPEN}",
    "batch failures": "DELETE FROM batch_failure WHERE run IN (SELECT run FROM pruned)",
    "runs": (
        "DELETE FROM run WHERE id IN (SELECT run FROM pruned) "
        "AND id NOT IN (SELECT run FROM attempt UNION SELECT run FROM batch)"
    ),
}

# A run whose answers are still needed keeps its name and address, which show who paid for and who gave these answers.
# So does a run with an open batch: what the batch costs is billed, and the next run collects its answers.
_FORGET: Final = """
    UPDATE run SET status = 'pruned', about = json_object('address', json_extract(about, '$.address')), report = NULL
    WHERE id IN (SELECT run FROM pruned)
"""


@dataclass(frozen=True, slots=True)
class Pruning:
    """The numbers of runs, rows and answers that a pruning deletes."""

    runs: int
    rows: int
    answers: int


def prune(place: StoreLocation, runs: Iterable[int], confirm: Callable[[Pruning], bool]) -> Pruning | None:
    """Delete runs from a store, and the answers that no other run needs.

    Args:
        place: the store's files.
        runs: the numbers of the runs.
        confirm: called with what would be deleted; if it returns false, nothing is deleted.

    Returns:
        What was deleted, or `None` if it was not confirmed.

    Raises:
        EnvironmentProblem: the store is in use, or cannot be written.
    """
    with locked_connection(place, "a deletion of old runs") as connection, mapped(place.database):
        connection.execute("CREATE TEMP TABLE pruned (run INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO pruned VALUES (?)", [(run,) for run in runs])
        connection.execute("BEGIN IMMEDIATE")
        pruning = _delete(connection)
        if not confirm(pruning):
            connection.execute("ROLLBACK")
            return None
        connection.execute("COMMIT")
        with suppress(sqlite3.Error):  # VACUUM needs disk space itself; without it, SQLite reuses the free space
            connection.execute("VACUUM")
            connection.execute("PRAGMA busy_timeout = 0")  # a program that reads the store may take long
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return pruning


def _delete(connection: sqlite3.Connection) -> Pruning:
    (runs,) = connection.execute("SELECT count(*) FROM pruned").fetchone()
    gone = {name: connection.execute(deletion).rowcount for name, deletion in _DELETIONS.items()}
    connection.execute(_FORGET)
    return Pruning(runs, gone["rows"], gone["answers"])
