"""Forgets batches whose results can no longer be had: the next run sends their requests again."""

from __future__ import annotations

from collections.abc import Iterable

from yamlgen.batches.batch_store import State
from yamlgen.store.database import mapped
from yamlgen.store.location import StoreLocation
from yamlgen.store.run_session import locked_connection


def forget_batches(place: StoreLocation, batches: Iterable[int]) -> None:
    """Note that open batches are lost, and forget their requests.

    Args:
        place: the store's files.
        batches: the numbers of the batches.

    Raises:
        EnvironmentProblem: the store is in use, or cannot be written.
    """
    numbers = [(number,) for number in batches]
    with locked_connection(place, "the forgetting of batches") as connection, mapped(place.database):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("DELETE FROM batch_request WHERE batch = ?", numbers)
        connection.executemany(f"UPDATE batch SET state = '{State.LOST}' WHERE id = ?", numbers)
        connection.execute("COMMIT")
