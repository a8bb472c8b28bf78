"""The rows, results and attempts of a store, as values; what an output makes of them is another matter."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.errors import EnvironmentProblem
from yamlgen.store.codec import shown, unpacked
from yamlgen.store.database import damaged, mapped
from yamlgen.store.location import StoreLocation
from yamlgen.value_objects import JSON, Usage

TOKENS: Final = tuple(Usage.__dataclass_fields__)

_UNTOLD: Final = "the run was made by an earlier version, which did not keep why"

_RESULT: Final = "SELECT id, step, status, value, error, attempts FROM result WHERE id = ?"
_ATTEMPT: Final = (
    "SELECT run.name, attempt.received, attempt.model, attempt.stop_reason, attempt.request_id, attempt.cost, "
    f"attempt.seconds, {', '.join(f'attempt.{name}' for name in TOKENS)} "
    "FROM attempt LEFT JOIN run ON run.id = attempt.run WHERE attempt.id = ?"
)


@dataclass(slots=True)
class StoredResult:
    """What a step made of a row; what lies compressed in it a `ResultReader` reads.

    Attributes:
        number: its number in the store.
        status: `finished`, `skipped` or `failed`.
        value: a JSON text, where it has not failed.
        error: why it failed, or which items of its value are null.
        attempts: a JSON text: of each attempt its number, what was wrong with it, which case it is, what was done to
            read it.
    """

    number: int
    step: str
    status: str
    value: str | None
    error: bytes | None
    attempts: str


@dataclass(slots=True)
class StoredRow:
    """A row that a run has done.

    Attributes:
        number: its place in the input, from 0.
        status: `finished`, `failed`, or `missing` where it lacks an answer.
        source: the row of the input, the JSON text of an object.
        results: what its steps made of it, in file order.
    """

    number: int
    status: str
    source: str
    results: list[StoredResult]


@dataclass(slots=True)
class StoredAttempt:
    """One answer to a step, and what became of it.

    Attributes:
        number: its number in the store.
        errors: what was wrong with it.
        case: which time of a step that is done several times for a row; empty where it is done once.
        notes: what was done to read it.
        run: the name of the run that paid; `None` where it was pruned.
        cost: in US dollars; `None` where the price was not known.
        seconds: how long it took.
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


def usage_json(usage: Usage) -> dict[str, JSON]:
    """Tokens, each kind under its name."""
    return {name: getattr(usage, name) for name in TOKENS}


class ResultReader:
    """Results and attempts of a store, read.

    Args:
        connection: one that only reads; the caller closes it.
        place: the store's files.
    """

    def __init__(self, connection: sqlite3.Connection, place: StoreLocation) -> None:
        self._connection = connection
        self.place = place

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with mapped(self.place.database):
            return self._connection.execute(query, values).fetchall()

    def _one(self, query: str, *values: Any) -> tuple[Any, ...]:
        found = self._all(query, *values)
        if not found:
            raise self._incomplete()
        return found[0]

    def _incomplete(self) -> EnvironmentProblem:
        return damaged(self.place.database, "a record that others refer to is gone")

    def _each(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        with mapped(self.place.database):
            yield from self._connection.execute(query, values)

    def _read(self, unpack: Callable[[Any], JSON], data: Any) -> JSON:
        """What was kept, or the error that the store is damaged."""
        with mapped(self.place.database):
            return unpack(data)

    def _row(self, number: int, status: str, source: str, results: str) -> StoredRow:
        with mapped(self.place.database):
            find = self._connection.execute
            found = [find(_RESULT, (each,)).fetchone() for each in json.loads(results)]
        if None in found:
            raise self._incomplete()
        return StoredRow(number, status, source, [StoredResult(*each) for each in found])

    def columns(self, row: StoredRow) -> dict[str, JSON]:
        """The row of the input."""
        found: dict[str, JSON] = self._read(json.loads, row.source)
        return found

    def value(self, result: StoredResult) -> JSON:
        """What a step made of the row; null where it failed."""
        return None if result.value is None else self._read(json.loads, result.value)

    def error(self, result: StoredResult) -> dict[str, JSON] | None:
        """Why a step failed: the code, the message, the hint and the request; `None` where it did not fail."""
        if result.status != "failed" or result.error is None:
            return None
        found: dict[str, JSON] = self._read(unpacked, result.error)
        return found

    def lost(self, result: StoredResult) -> list[dict[str, JSON]]:
        """The items that are null in the value of a step: which one, from 1 (`item`), its name (`case`), and why."""
        if result.status == "failed":
            return []
        if result.error is not None:
            found: list[dict[str, JSON]] = self._read(unpacked, result.error)["items"]
            return found
        noted = (each for each in self._noted(result) if len(each) > 2)  # noqa: PLR2004 - a step of several cases
        known = {number: (case, errors) for number, errors, case, *_ in noted}  # an earlier version has not said why
        failed = self._all("SELECT code, newest FROM failed_request WHERE result = ? ORDER BY id", result.number)
        told = ((code, *known.get(newest, ("", []))) for code, newest in failed)
        return [
            {"item": None, "case": case, "code": code, "message": "; ".join(errors) or _UNTOLD, "request": None}
            for code, case, errors in told
        ]

    def attempts(self, result: StoredResult) -> list[StoredAttempt]:
        """The attempts of a step at a row, those of all cases."""
        return [self._attempt(*noted) for noted in self._noted(result)]

    def exchange(self, attempt: StoredAttempt) -> tuple[JSON, JSON]:
        """The request of an attempt, and the response."""
        request, response = self._one("SELECT request, response FROM attempt WHERE id = ?", attempt.number)
        return self._read(unpacked, request), self._read(shown, response)

    def _noted(self, result: StoredResult) -> list[list[Any]]:
        found: list[list[Any]] = self._read(json.loads, result.attempts)
        return found

    def _attempt(self, number: int, errors: list[str], case: str = "", notes: list[str] | None = None) -> StoredAttempt:
        run, received, model, stop_reason, request_id, cost, seconds, *tokens = self._one(_ATTEMPT, number)
        about = (run, received, model, stop_reason, request_id, Usage(*tokens), cost, seconds)
        return StoredAttempt(number, errors, case, notes or [], *about)
