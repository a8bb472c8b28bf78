"""Writes rows and the results of their steps. Runs with equal results share them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple

from yamlgen.canonical_json import short_digest, storable
from yamlgen.errors import Code, RowError
from yamlgen.row_result import Answer, FailedItem, RowResult
from yamlgen.store.codec import bytes_of, compressed, packed, text_of
from yamlgen.store.stored_frames import PackedText, StoredFrames, number_of
from yamlgen.store.stored_results import TOKENS, usage_json
from yamlgen.store.text_frame import TextFrame
from yamlgen.value_objects import JSON, Attempt, InputRow


def insertion(table: str, *names: str) -> str:
    """Return the SQL statement that inserts named values into a table."""
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"


ATTEMPT: Final = insertion(
    "attempt",
    *("key", "run", "step", "received", "request", "response", "request_id", "requested", "model", "stop_reason"),
    *("cost", "seconds", "request_characters", *TOKENS, "batch", "request_frame", "response_frame"),
)
"""Inserts the values that `attempt_values` returns, if their frames have numbers."""
_FRAMES: Final = ("request_frame", "response_frame")

_ROW: Final = insertion("row", "run", "number", "identity", "status", "source", "results", "kept")
_FAILED_REQUEST: Final = "INSERT INTO failed_request (result, key, code, newest) VALUES (?, ?, ?, ?)"


class PackedRequest(NamedTuple):
    """The body of a request in the form in which it is stored.

    Attributes:
        model: the model that it requests.
        characters: its length as JSON.
        data: its JSON, as it is stored.
        frame: the frame that is needed to read it, or the frame's number; `None` if none is.
    """

    model: str | None
    characters: int
    data: bytes
    frame: TextFrame | int | None = None


def packed_request(body: Mapping[str, JSON], frames: StoredFrames | None = None, step: str = "") -> PackedRequest:
    """Return the body of a request in the form in which it is stored.

    Args:
        body: the body.
        frames: the frames of the store; without them it is stored whole.
        step: its step.
    """
    text, model = bytes_of(body), _text(body.get("model"))
    characters = len(text) if text.isascii() else len(text.decode())
    if frames is None:
        return PackedRequest(model, characters, compressed(text))
    packed_text = frames.pack("request", step, model, text)
    return PackedRequest(model, characters, packed_text.data, packed_text.frame)


def packed_response(attempt: Attempt, frames: StoredFrames, step: str, model: str | None) -> PackedText:
    """Return the response of an attempt in the form in which it is stored; `model` is the one that was requested."""
    return frames.pack("response", step, model, bytes_of(attempt.response))


def attempt_values(
    key: bytes,
    run: int,
    step: str,
    request: PackedRequest,
    attempt: Attempt,
    batch: int | None = None,
    response: PackedText | None = None,
) -> dict[str, Any]:
    """Return a billed answer in the form in which it is stored, received now.

    Args:
        key: its key.
        run: the run that received it.
        step: its step.
        request: its request.
        attempt: the answer.
        batch: the batch that it came with.
        response: its response; `None` if it is stored whole.
    """
    response = PackedText(packed(attempt.response)) if response is None else response
    return {
        "key": key,
        "run": run,
        "step": step,
        "received": now(),
        "request": request.data,
        "response": response.data,
        "request_id": attempt.request_id,
        "requested": request.model,
        "model": _text(attempt.response.get("model")),
        "stop_reason": _text(attempt.response.get("stop_reason")),
        **usage_json(attempt.usage),
        "cost": attempt.cost,
        "seconds": attempt.seconds,
        "request_characters": request.characters,
        "batch": batch,
        "request_frame": request.frame,
        "response_frame": response.frame,
    }


def insert_attempt(connection: sqlite3.Connection, values: Mapping[str, Any]) -> int | None:
    """Insert what `attempt_values` returned, with the frames that are not on disk yet. Return its number."""
    new = {name: number_of(connection, values[name]) for name in _FRAMES if isinstance(values[name], TextFrame)}
    return connection.execute(ATTEMPT, {**values, **new} if new else values).lastrowid


def now() -> str:
    """Return the time, as it is stored."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _text(value: JSON) -> str | None:
    return storable(value) if isinstance(value, str) else None


class StoredDigests(NamedTuple):
    """What identifies a row in the store: the digest of who it is, that of its columns, and its columns as JSON."""

    identity: bytes
    source: bytes
    text: str


def row_digests(row: InputRow) -> StoredDigests:
    """Return what identifies a row of the input in the store."""
    text = text_of(dict(row.row))
    return StoredDigests(short_digest(row.identity), short_digest(text), text)


def kept_values(outcome: RowResult) -> str | None:
    """Return the numbers of the kept values that a finished row used, as JSON; `None` if it used none.

    The number 0, which no kept value has, stands for what cannot be compared later: a value that was not kept, and an
    answer that was found by a key of an older version.
    """
    if outcome.failures:
        return None
    numbers = {number for answer in outcome.answers.values() for number in answer.kept}
    if any(each.by_older_key for answer in outcome.answers.values() for each in answer.attempts):
        numbers.add(0)
    return json.dumps(sorted(numbers)) if numbers else None


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
    insert, find = _sharing(table, tuple(values))
    new = connection.execute(insert, tuple(values.values())).fetchone()
    return (new[0], True) if new else (connection.execute(find, (values["digest"],)).fetchone()[0], False)


@cache
def _sharing(table: str, names: tuple[str, ...]) -> tuple[str, str]:
    """Return the statements that insert values with a new digest, and find those with a known one."""
    places = ", ".join("?" * len(names))
    insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places}) ON CONFLICT (digest) DO NOTHING RETURNING id"
    return insert, f"SELECT id FROM {table} WHERE digest = ?"


def insert_row(
    connection: sqlite3.Connection, row: Mapping[str, Any], digests: StoredDigests, results: list[StepResult]
) -> None:
    """Insert a row, with its input columns and its results, which it may share with other rows."""
    numbers = [_insert_result(connection, result) for result in results]
    columns, _ = shared(connection, "source", {"digest": digests.source, "row": digests.text})
    connection.execute(_ROW, {**row, "source": columns, "results": json.dumps(numbers)})


def _insert_result(connection: sqlite3.Connection, result: StepResult) -> int:
    number, new = shared(connection, "result", result.values)
    if new and result.failed:
        connection.executemany(_FAILED_REQUEST, [(number, *each) for each in result.failed])
    return number
