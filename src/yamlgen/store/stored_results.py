"""The rows, results and attempts of a store, as values."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.errors import EnvironmentProblem
from yamlgen.store.codec import shown, unpacked
from yamlgen.store.database import damaged, mapped
from yamlgen.store.location import StoreLocation
from yamlgen.store.stored_frames import StoredFrames
from yamlgen.value_objects import JSON, Usage

TOKENS: Final = tuple(Usage.__dataclass_fields__)

_UNKNOWN_CAUSE: Final = "the cause is unknown, because the run was made by an earlier version of yamlgen"

RESULT_COLUMNS: Final = ", ".join(
    f"result.{name}" for name in ("id", "step", "status", "value", "error", "attempts", "thinking")
)
"""The columns of a `StoredResult`, in order."""

_AMONG: Final = "IN (SELECT value FROM json_each(?))"
_RESULTS: Final = f"SELECT {RESULT_COLUMNS} FROM result WHERE id {_AMONG}"
_ATTEMPTS: Final = (
    "SELECT attempt.id, run.name, attempt.received, attempt.requested, attempt.model, attempt.stop_reason, "
    "attempt.request_id, attempt.cost, attempt.seconds, "
    "CASE WHEN attempt.batch IS NULL THEN NULL ELSE coalesce(batch.remote, 'deleted') END, "
    f"{', '.join(f'attempt.{name}' for name in TOKENS)} "
    "FROM attempt LEFT JOIN run ON run.id = attempt.run LEFT JOIN batch ON batch.id = attempt.batch "
    f"WHERE attempt.id {_AMONG}"
)
_EXCHANGE: Final = "SELECT request, response, request_frame, response_frame FROM attempt WHERE id = ?"
_LOST: Final = f"SELECT result, code, newest FROM failed_request WHERE result {_AMONG} ORDER BY id"


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
        requested: the model that was requested; `None` if the request named none.
        model: the model that answered.
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
    requested: str | None
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
        self._frames = StoredFrames(connection, place.database)
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
        try:
            return unpack(data)
        except Exception:
            with mapped(self._path):  # only now: it would take as long as a value
                raise

    def whole(self, found: Iterable[tuple[Any, ...]]) -> Iterator[StoredRow]:
        """Yield rows with their results.

        Args:
            found: for each result of a row, the position of the row, its status, the row of the input as JSON, the
                number of the result, and the columns of the result; for a row without results one tuple with nulls.
                The results of a row follow each other.
        """
        row: StoredRow | None = None
        for number, status, source, own, *result in found:
            if row is None or row.number != number:
                if row is not None:
                    yield row
                row = StoredRow(number, status, source, [])
            if own is None:
                continue
            if result[0] is None:
                raise self._incomplete()
            row.results.append(StoredResult(*result))
        if row is not None:
            yield row

    def together(self, rows: Collection[tuple[int, str, str, str]]) -> list[StoredRow]:
        """Return rows with their results, which are read in one query.

        Args:
            rows: for each row its position, its status, the row of the input as JSON, and the numbers of its results
                as JSON.
        """
        listed = [self._read(json.loads, results) for *_, results in rows]
        known = self.results({number for numbers in listed for number in numbers})
        if not all(number in known for numbers in listed for number in numbers):
            raise self._incomplete()
        return [
            StoredRow(number, status, source, [known[each] for each in numbers])
            for (number, status, source, _), numbers in zip(rows, listed, strict=True)
        ]

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
        return self._unstored(result, self._all(_LOST, _listed([result.number])))

    def all_lost(self, results: Collection[StoredResult]) -> dict[int, list[dict[str, JSON]]]:
        """Return the failed items of several results, as `lost` does, by the number of the result; without empty."""
        unknown = [each.number for each in results if each.status == "finished" and each.error is None]
        coded: dict[int, list[tuple[Any, ...]]] = {}
        for found in self._all(_LOST, _listed(unknown)):
            coded.setdefault(found[0], []).append(found)
        lost = {each.number: self._unstored(each, coded[each.number]) for each in results if each.number in coded}
        return lost | {each.number: self.lost(each) for each in results if each.error and each.status != "failed"}

    def _unstored(self, result: StoredResult, failed: Sequence[tuple[Any, ...]]) -> list[dict[str, JSON]]:
        """Return failed items whose errors an earlier version did not store: those of their attempts are used."""
        if not failed:
            return []
        noted = (each for each in self._noted(result) if len(each) > 2)  # noqa: PLR2004 - a step of several cases
        known = {number: (case, errors) for number, errors, case, *_ in noted}
        found_errors = ((code, *known.get(newest, ("", []))) for _, code, newest in failed)
        return [
            {"item": None, "case": case, "code": code, "message": "; ".join(errors) or _UNKNOWN_CAUSE, "request": None}
            for code, case, errors in found_errors
        ]

    def results(self, numbers: Iterable[int]) -> dict[int, StoredResult]:
        """Return results by their numbers."""
        return {found[0]: StoredResult(*found) for found in self._all(_RESULTS, _listed(numbers))}

    def attempts(self, result: StoredResult) -> list[StoredAttempt]:
        """Return the attempts of a step for a row, including those of all cases."""
        return self.all_attempts([result])[result.number]

    def all_attempts(self, results: Collection[StoredResult]) -> dict[int, list[StoredAttempt]]:
        """Return the attempts of several results, as `attempts` does, by the number of the result."""
        noted = {each.number: self._noted(each) for each in results}
        numbers = {each[0] for listed in noted.values() for each in listed}
        found = {number: rest for number, *rest in self._all(_ATTEMPTS, _listed(numbers))} if numbers else {}
        if len(found) < len(numbers):
            raise self._incomplete()
        return {result: [_attempt(found[each[0]], *each) for each in listed] for result, listed in noted.items()}

    def exchange(self, attempt: StoredAttempt) -> tuple[JSON, JSON]:
        """Return the request and the response of an attempt."""
        request, response, *frames = self._one(_EXCHANGE, attempt.number)
        asked, answered = map(self._frames.frame, frames)
        with mapped(self._path):
            return unpacked(request, asked), shown(response, answered)

    def _noted(self, result: StoredResult) -> list[list[Any]]:
        found: list[list[Any]] = [] if result.attempts == "[]" else self._read(json.loads, result.attempts)
        return found


def _attempt(
    about: Sequence[Any], number: int, errors: list[str], case: str = "", notes: list[str] | None = None
) -> StoredAttempt:
    run, received, requested, model, stop_reason, request_id, cost, seconds, batch, *tokens = about
    known = (run, received, requested, model, stop_reason, request_id, Usage(*tokens), cost, seconds, batch)
    return StoredAttempt(number, errors, case, notes or [], *known)


def _listed(numbers: Iterable[int]) -> str:
    return json.dumps(list(numbers))
