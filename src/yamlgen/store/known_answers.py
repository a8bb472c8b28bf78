"""Answers that come from elsewhere than a run of this store, such as the recordings of tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from yamlgen.store.database import mapped
from yamlgen.store.location import StoreLocation
from yamlgen.store.run_session import locked_connection
from yamlgen.store.stored_rows import attempt_values, insert_attempt, packed_request
from yamlgen.value_objects import JSON, Attempt

_NO_RUN = 0
"""The run of an answer that no run of this store has paid for."""

_HAS = "SELECT 1 FROM attempt WHERE key = ?"


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """An answer for a store.

    Attributes:
        key: its key in the store.
        step: the step that sends the request.
        request: the body of the request.
        attempt: the answer.
    """

    key: bytes
    step: str
    request: Mapping[str, JSON]
    attempt: Attempt


def keep_known(place: StoreLocation, answers: Iterable[KnownAnswer], what: str) -> None:
    """Add answers to a store, which is created if it does not exist; a request that has an answer keeps it.

    Args:
        place: the store.
        answers: the answers.
        what: a description of the holder of the store, for the error of another process.

    Raises:
        EnvironmentProblem: the store is in use, damaged, of another version, or cannot be written.
    """
    with locked_connection(place, what) as connection, mapped(place.database):
        connection.execute("BEGIN IMMEDIATE")
        for answer in answers:
            if connection.execute(_HAS, (answer.key,)).fetchone() is None:
                request = packed_request(answer.request)
                values = attempt_values(answer.key, _NO_RUN, answer.step, request, answer.attempt)
                insert_attempt(connection, values)
        connection.execute("COMMIT")
