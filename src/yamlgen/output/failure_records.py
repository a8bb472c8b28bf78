"""The failures of a run: the records of the failed rows file, and those of failed items and steps that are null."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from yamlgen.canonical_json import one_line
from yamlgen.store.codec import text_of
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import StoredAttempt, StoredRow, usage_json
from yamlgen.value_objects import JSON

_ERROR_KEYS: Final = ("code", "message", "request_id", "request", "items")


@dataclass(frozen=True, slots=True)
class Failure:
    """A short description of a failed row, or of a failed item or step that is null.

    Attributes:
        number: the position of the row, from 0.
        id: the id of the row; `None` if its input has no ids.
        item: the name of the item; `None` if the row failed, or the step is null.
        is_null: whether the item or the step is null, and the row did not fail because of it.
    """

    number: int
    id: JSON
    step: str
    code: str
    message: str
    item: str | None = None
    is_null: bool = False


def compose_failed(run_reader: RunReader, run: RunEntry, *, items: bool = False) -> Iterator[bytes]:
    """Return the rows of a run that failed or lack an answer, as JSON lines, in input order.

    Args:
        run_reader: the store of the run.
        run: the run.
        items: whether to add a line for each failed item or step that is null, with the keys `item` and `case`.
    """
    for row in run_reader.failed(run, items=items):
        if row.status != "finished":
            yield _line(_failed_row(run_reader, row))
        if items:
            yield from map(_line, _nulls(run_reader, row))


def list_failures(run_reader: RunReader, run: RunEntry) -> Iterator[Failure]:
    """Return why each row failed or which answer it lacks, and why each null item or step failed, in input order."""
    for row in run_reader.failed(run, items=True):
        known = run_reader.id(run, row)
        errors = ((each.step, run_reader.error(each)) for each in row.results)
        step, error = next((found for found in errors if found[1] is not None), ("", None))
        if error is not None:
            yield Failure(row.number, known, step, error["code"], error["message"])
        for each in row.results:
            for item in run_reader.lost(each):
                name, message = item["case"], item["message"]
                message = message if name is None else message.removeprefix(f"{name}: ")
                yield Failure(row.number, known, each.step, item["code"], message, name, is_null=True)


def _line(record: dict[str, JSON]) -> bytes:
    return f"{one_line(text_of(record))}\n".encode()


def _failed_row(run_reader: RunReader, row: StoredRow) -> dict[str, JSON]:
    values: dict[str, JSON] = {}
    failures: list[dict[str, JSON]] = []
    for each in row.results:
        error = run_reader.error(each)
        if error is None:
            values[each.step] = run_reader.value(each)
        else:
            attempts = _attempts(run_reader, run_reader.attempts(each))
            failures.append({"step": each.step, **_error(error), "attempts": attempts})
    first, *others = failures
    record = {"row": run_reader.columns(row), "steps": values, **first}
    return {**record, "also": others} if others else record


def _nulls(run_reader: RunReader, row: StoredRow) -> Iterator[dict[str, JSON]]:
    for each in row.results:
        for item in run_reader.lost(each):
            which = {key: item[key] for key in ("item", "case")}
            own = [attempt for attempt in run_reader.attempts(each) if item["case"] in (None, attempt.case)]
            record = {"step": each.step, **which, **_error(item), "attempts": _attempts(run_reader, own)}
            yield {"row": run_reader.columns(row), **record}


def _error(error: dict[str, JSON]) -> dict[str, JSON]:
    return {key: error[key] for key in _ERROR_KEYS if key in error}


def _attempts(run_reader: RunReader, attempts: list[StoredAttempt]) -> list[dict[str, JSON]]:
    """Return attempts as JSON, without their requests and without the run and the model."""
    return [
        {
            **({"case": each.case} if each.case else {}),
            "response": run_reader.exchange(each)[1],
            "errors": each.errors,
            "usage": usage_json(each.usage),
        }
        for each in attempts
    ]
