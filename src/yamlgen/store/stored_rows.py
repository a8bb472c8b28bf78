"""Writes rows and the results of their steps. Runs with equal results share them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from yamlgen.canonical_json import short_digest, storable
from yamlgen.errors import Code, RowError
from yamlgen.row_result import Answer, FailedItem, RowResult
from yamlgen.store.codec import packed, packed_text, text_of
from yamlgen.store.stored_results import TOKENS, usage_json
from yamlgen.value_objects import JSON, Attempt


def insertion(table: str, *names: str) -> str:
    """Return the SQL statement that inserts named values into a table."""
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"


ATTEMPT: Final = insertion(
    "attempt",
    *("key", "run", "step", "received", "request", "response", "request_id", "requested", "model", "stop_reason"),
    *("cost", "seconds", "request_characters", *TOKENS, "batch"),
)
"""Inserts the values that `attempt_values` returns."""

_ROW: Final = insertion("row", "run", "number", "identity", "status", "source", "results")
_FAILED_REQUEST: Final = "INSERT INTO failed_request (result, key, code, newest) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class PackedRequest:
    """The body of a request in the form in which it is stored.

    Attributes:
        model: the model that it requests.
        characters: its length as JSON.
        data: its JSON, compressed.
    """

    model: str | None
    characters: int
    data: bytes


def packed_request(body: Mapping[str, JSON], text: str | None = None) -> PackedRequest:
    """Return the body of a request in the form in which it is stored; `text` is its JSON, if it was made before."""
    text = text_of(body) if text is None else text
    return PackedRequest(_text(body.get("model")), len(text), packed_text(text))


def attempt_values(
    key: bytes, run: int, step: str, request: PackedRequest, attempt: Attempt, batch: int | None = None
) -> dict[str, Any]:
    """Return a billed answer in the form in which it is stored, received now; `batch` is the batch it came with."""
    return {
        "key": key,
        "run": run,
        "step": step,
        "received": now(),
        "request": request.data,
        "response": packed(attempt.response),
        "request_id": attempt.request_id,
        "requested": request.model,
        "model": _text(attempt.response.get("model")),
        "stop_reason": _text(attempt.response.get("stop_reason")),
        **usage_json(attempt.usage),
        "cost": attempt.cost,
        "seconds": attempt.seconds,
        "request_characters": request.characters,
        "batch": batch,
    }


def now() -> str:
    """Return the time, as it is stored."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _text(value: JSON) -> str | None:
    return storable(value) if isinstance(value, str) else None


def status_of(outcome: RowResult) -> str:
    """Return the status of a row: `finished`, `failed`, or `missing` if it lacks an answer."""
    if any(error.code is Code.NOT_STORED for error in outcome.failures.values()):
        return "missing"
    return "failed" if outcome.failures else "finished"


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of a step in the form in which it is stored.

    Attributes:
        values: its columns in the table, the digest first.
        failed: the first requests that failed it, each with its code and the number of its newest attempt (0 if none).
    """

    values: dict[str, Any]
    failed: list[tuple[bytes, str, int]]


def result_of(step: str, made: Answer | RowError) -> StepResult:
    """Return the result of a step for a row, in the form in which it is stored."""
    attempts = text_of([_noted(attempt) for attempt in made.attempts])
    if isinstance(made, Answer):
        status, value, code = "skipped" if made.skipped else "finished", text_of(made.value), None
        lost = made.lost if made.failure is None else (FailedItem(None, None, made.failure),)
        error = packed(_lost(lost)) if lost else None
        parts = (part for item in lost for part in item.error.parts or (item.error,))
        failed = _failed_requests(tuple(parts), of_nulls=True)
    else:
        status, value, code, error = "failed", None, str(made.code), packed(_error_json(made))
        failed = _failed_requests(made.parts or (made,))
    key = made.key or None
    thought = text_of(made.thinking) if isinstance(made, Answer) and made.thinking is not None else None
    failed_parts = (part for first, code, newest in failed for part in (first, code, str(newest)))
    thoughts = () if thought is None else (thought,)  # without it, digests are the same as before there was any
    digest = short_digest(step, key, status, value, error, attempts, *failed_parts, *thoughts)
    values = {
        "digest": digest,
        "step": step,
        "key": key,
        "status": status,
        "value": value,
        "code": code,
        "error": error,
        "attempts": attempts,
        "thinking": thought,
    }
    return StepResult(values, failed)


def _noted(attempt: Attempt) -> list[JSON]:
    """Return an attempt as JSON: its number, validation errors, case, and notes."""
    noted: list[JSON] = [attempt.number, list(attempt.errors), attempt.case, list(attempt.notes)]
    return noted if attempt.notes else noted[:3] if attempt.case else noted[:2]


def _error_json(error: RowError) -> dict[str, JSON]:
    """Return an error as JSON, with the failed items if the step has several."""
    value = {"code": str(error.code), "message": error.message, "hint": error.hint, **_request(error)}
    if error.parts:
        value["items"] = [{"code": str(p.code), "message": p.message, **_request(p)} for p in error.parts]
    return value


def _request(error: RowError) -> dict[str, JSON]:
    """Return the request of an error, with the API's id of the request if the API answered it with an error."""
    named = {} if error.request_id is None else {"request_id": error.request_id}
    return {**named, "request": error.request}


def _lost(items: tuple[FailedItem, ...]) -> dict[str, JSON]:
    """Return the items of a finished result that failed and are null, as JSON. They are numbered from 1.

    If the step itself failed and is null, it is listed as one item, whose number and name are null.
    """
    numbers = (None if each.case is None else each.case + 1 for each in items)
    return {
        "items": [
            {"item": number, "case": each.name, **_error_json(each.error)}
            for number, each in zip(numbers, items, strict=True)
        ]
    }


def _failed_requests(errors: tuple[RowError, ...], *, of_nulls: bool = False) -> list[tuple[bytes, str, int]]:
    """Return the failed requests.

    Null items and steps are included even if they made no request, because a retry finds their rows through these
    entries.
    """
    return [
        (key, str(each.code), max((attempt.number for attempt in each.attempts), default=0))
        for each in errors
        for key in (*each.refused, each.key)
        if (key or of_nulls) and each.code is not Code.NOT_STORED
    ]


def shared(connection: sqlite3.Connection, table: str, values: Mapping[str, Any]) -> tuple[int, bool]:
    """Insert values unless the table has a row with the same digest. Return its number, and whether it is new."""
    found = connection.execute(f"SELECT id FROM {table} WHERE digest = :digest", values).fetchone()
    if found:
        return found[0], False
    return connection.execute(insertion(table, *values), values).lastrowid or 0, True


def insert_row(connection: sqlite3.Connection, row: Mapping[str, Any], source: str, results: list[StepResult]) -> None:
    """Insert a row, with its input columns and its results, which it may share with other rows."""
    numbers = [_insert_result(connection, result) for result in results]
    columns, _ = shared(connection, "source", {"digest": short_digest(source), "row": source})
    connection.execute(_ROW, {**row, "source": columns, "results": json.dumps(numbers)})


def _insert_result(connection: sqlite3.Connection, result: StepResult) -> int:
    number, new = shared(connection, "result", result.values)
    if new and result.failed:
        connection.executemany(_FAILED_REQUEST, [(number, *each) for each in result.failed])
    return number
