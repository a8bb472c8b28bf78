"""The rows, results and attempts of a store, as values."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.errors import EnvironmentProblem
from yamlgen.store.codec import shown, unpacked
from yamlgen.store.database import damaged, mapped
from yamlgen.store.location import StoreLocation
from yamlgen.value_objects import JSON, Usage

TOKENS: Final = tuple(Usage.__dataclass_fields__)

_UNKNOWN_CAUSE: Final = "the cause is unknown, because the run was made by an earlier version of yamlgen"

_RESULT: Final = "SELECT id, step, status, value, error, attempts, thinking FROM result WHERE id = ?"
_ATTEMPT: Final = (
    "SELECT run.name, attempt.received, attempt.model, attempt.stop_reason, attempt.request_id, attempt.cost, "
    "attempt.seconds, CASE WHEN attempt.batch IS NULL THEN NULL ELSE coalesce(batch.remote, 'deleted') END, "
    f"{', '.join(f'attempt.{name}' for name in TOKENS)} "
    "FROM attempt LEFT JOIN run ON run.id = attempt.run LEFT JOIN batch ON batch.id = attempt.batch "
    "WHERE attempt.id = ?"
)


@dataclass(slots=True)
class StoredResult:
    """The result of a step for a row. `ResultReader` decodes its parts.

    Attributes:
        number: its number in the store.
        status: `finished`, `skipped` or `failed`.
        value: the value as JSON; `None` if the step failed.
        error: the error if it failed, or why it is null, or the items that failed and are null; compressed JSON.
        attempts: the attempts as JSON: for each its number, validation errors, case, and notes.
        thinking: what the model thought, as JSON; `None` if it is not kept, or there is none.
    """

    number: int
    step: str
    status: str
    value: str | None
    error: bytes | None
    attempts: str
    thinking: str | None = None


@dataclass(slots=True)
class StoredRow:
    """A row that a run has finished.

    Attributes:
        number: its position in the input, from 0.
        status: `finished`, `failed`, or `missing` if it lacks an answer.
        source: the row of the input, as a JSON object.
        results: the results of its steps, in file order.
    """

    number: int
    status: str
    source: str
    results: list[StoredResult]


@dataclass(slots=True)
class StoredAttempt:
    """One answer to a request of a step.

    Attributes:
        number: its number in the store.
        errors: its validation errors; empty if it is valid.
        case: the case of a step that has several for a row, such as `item 3`; empty for other steps.
        notes: how it had to be repaired to be read.
        run: the name of the run that paid for it; `None` if that run was pruned.
        cost: in US dollars; `None` if the price was unknown.
        seconds: the duration of the request.
        batch: the id of the batch that it came with, or `deleted` if its run was pruned; `None` for a single request.
    """

    number: int
    errors: list[str]
    case: str
    notes: list[str]
    run: str | None
    received: str
    model: str | None
    stop_reason: str | None
    request_id: str | None
    usage: Usage
    cost: float | None
    seconds: float
    batch: str | None


def usage_json(usage: Usage) -> dict[str, JSON]:
    """Return a usage as JSON."""
    return {name: getattr(usage, name) for name in TOKENS}


class ResultReader:
    """Reads results and attempts from a store.

    Args:
        connection: a read-only connection, which the caller closes.
        place: the store's files.
    """

    def __init__(self, connection: sqlite3.Connection, place: StoreLocation) -> None:
        self._connection = connection
        self._path = place.database
        self.place = place

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with mapped(self._path):
            return self._connection.execute(query, values).fetchall()

    def _one(self, query: str, *values: Any) -> tuple[Any, ...]:
        found = self._all(query, *values)
        if not found:
            raise self._incomplete()
        return found[0]

    def _incomplete(self) -> EnvironmentProblem:
        return damaged(self._path, "a record that other records refer to is missing")

    def _each(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        with mapped(self._path):
            yield from self._connection.execute(query, values)

    def _read(self, unpack: Callable[[Any], JSON], data: Any) -> JSON:
        """Decode a stored value; if it cannot be decoded, raise the error that the store is damaged."""
        with mapped(self._path):
            return unpack(data)

    def _row(self, number: int, status: str, source: str, results: str) -> StoredRow:
        with mapped(self._path):
            find = self._connection.execute
            found = [find(_RESULT, (each,)).fetchone() for each in json.loads(results)]
        if None in found:
            raise self._incomplete()
        return StoredRow(number, status, source, [StoredResult(*each) for each in found])

    def columns(self, row: StoredRow) -> dict[str, JSON]:
        """Return the row of the input."""
        found: dict[str, JSON] = self._read(json.loads, row.source)
        return found

    def value(self, result: StoredResult) -> JSON:
        """Return the value of a step; null if it failed."""
        return None if result.value is None else self._read(json.loads, result.value)

    def values(self, row: StoredRow, steps: AbstractSet[str]) -> dict[str, JSON]:
        """Return the values of these steps that a row has, by step; null for a skipped step."""
        with mapped(self._path):
            known = [each for each in row.results if each.status != "failed" and each.step in steps]
            return {each.step: json.loads(each.value or "null") for each in known}

    def thinking(self, row: StoredRow, steps: AbstractSet[str]) -> dict[str, JSON]:
        """Return what the models of these steps thought, by step; null where it is not kept."""
        with mapped(self._path):
            known = [each for each in row.results if each.status != "failed" and each.step in steps]
            return {each.step: json.loads(each.thinking or "null") for each in known}

    def error(self, result: StoredResult) -> dict[str, JSON] | None:
        """Return the error of a step (code, message, hint, request); `None` if it did not fail."""
        if result.status != "failed" or result.error is None:
            return None
        found: dict[str, JSON] = self._read(unpacked, result.error)
        return found

    def lost(self, result: StoredResult) -> list[dict[str, JSON]]:
        """Return the failed items that are null in the value of a step: `item` (from 1), `case` (its name), error.

        If the step itself failed and is null, `item` and `case` are null.
        """
        if result.status == "failed":
            return []
        if result.error is not None:
            found: list[dict[str, JSON]] = self._read(unpacked, result.error)["items"]
            return found
        # An earlier version did not store the errors of items: use those of their attempts.
        noted = (each for each in self._noted(result) if len(each) > 2)  # noqa: PLR2004 - a step of several cases
        known = {number: (case, errors) for number, errors, case, *_ in noted}
        failed = self._all("SELECT code, newest FROM failed_request WHERE result = ? ORDER BY id", result.number)
        found_errors = ((code, *known.get(newest, ("", []))) for code, newest in failed)
        return [
            {"item": None, "case": case, "code": code, "message": "; ".join(errors) or _UNKNOWN_CAUSE, "request": None}
            for code, case, errors in found_errors
        ]

    def attempts(self, result: StoredResult) -> list[StoredAttempt]:
        """Return the attempts of a step for a row, including those of all cases."""
        return [self._attempt(*noted) for noted in self._noted(result)]

    def exchange(self, attempt: StoredAttempt) -> tuple[JSON, JSON]:
        """Return the request and the response of an attempt."""
        request, response = self._one("SELECT request, response FROM attempt WHERE id = ?", attempt.number)
        return self._read(unpacked, request), self._read(shown, response)

    def _noted(self, result: StoredResult) -> list[list[Any]]:
        found: list[list[Any]] = self._read(json.loads, result.attempts)
        return found

    def _attempt(self, number: int, errors: list[str], case: str = "", notes: list[str] | None = None) -> StoredAttempt:
        run, received, model, stop_reason, request_id, cost, seconds, batch, *tokens = self._one(_ATTEMPT, number)
        about = (run, received, model, stop_reason, request_id, Usage(*tokens), cost, seconds, batch)
        return StoredAttempt(number, errors, case, notes or [], *about)
