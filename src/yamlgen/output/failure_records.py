"""What failed in a run: a record for each row, as the file of failed rows has it, and for each item that is null."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from yamlgen.canonical_json import one_line
from yamlgen.store.codec import text_of
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import StoredAttempt, StoredRow, usage_json
from yamlgen.value_objects import JSON

_TOLD: Final = ("code", "message", "request_id", "request", "items")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row failed, or an item of one that is null, in short.

    Attributes:
        number: of the row, from 0.
        id: of the row; `None` where its input has none.
        item: how the item is named; `None` where it is the row that failed.
    """

    number: int
    id: JSON
    step: str
    code: str
    message: str
    item: str | None = None


def compose_failed(run_reader: RunReader, run: RunEntry, *, items: bool = False) -> Iterator[bytes]:
    """The rows of a run that failed, or lack an answer, as JSON lines, in input order.

    Args:
        run_reader: the store of the run.
        run: the run.
        items: whether a line follows for each item of a row that failed and is null: it has `item` and `case`.
    """
    for row in run_reader.failed(run, items=items):
        if row.status != "finished":
            yield _line(_failed_row(run_reader, row))
        if items:
            yield from map(_line, _null_items(run_reader, row))


def list_failures(run_reader: RunReader, run: RunEntry) -> Iterator[Failure]:
    """Why each row failed, or what it was missing, and why each item is null, in input order."""
    for row in run_reader.failed(run, items=True):
        known = run_reader.id(run, row)
        errors = ((each.step, run_reader.error(each)) for each in row.results)
        step, error = next((found for found in errors if found[1] is not None), ("", None))
        if error is not None:
            yield Failure(row.number, known, step, error["code"], error["message"])
        for each in row.results:
            for item in run_reader.lost(each):
                name, message = item["case"], item["message"]
                yield Failure(row.number, known, each.step, item["code"], message.removeprefix(f"{name}: "), name)


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
            asked = _shortly(run_reader, run_reader.attempts(each))
            failures.append({"step": each.step, **_told(error), "attempts": asked})
    first, *others = failures
    record = {"row": run_reader.columns(row), "steps": values, **first}
    return {**record, "also": others} if others else record


def _null_items(run_reader: RunReader, row: StoredRow) -> Iterator[dict[str, JSON]]:
    for each in row.results:
        for item in run_reader.lost(each):
            which = {key: item[key] for key in ("item", "case")}
            asked = [attempt for attempt in run_reader.attempts(each) if attempt.case == item["case"]]
            told = {"step": each.step, **which, **_told(item), "attempts": _shortly(run_reader, asked)}
            yield {"row": run_reader.columns(row), **told}


def _told(error: dict[str, JSON]) -> dict[str, JSON]:
    return {key: error[key] for key in _TOLD if key in error}


def _shortly(run_reader: RunReader, attempts: list[StoredAttempt]) -> list[dict[str, JSON]]:
    """Attempts without what repeats their request, and without who answered."""
    return [
        {
            **({"case": each.case} if each.case else {}),
            "response": run_reader.exchange(each)[1],
            "errors": each.errors,
            "usage": usage_json(each.usage),
        }
        for each in attempts
    ]
