"""All that is known of one row of a run, as `runs show --row` prints it."""

from __future__ import annotations

from yamlgen.errors import Code, UsageError
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import StoredAttempt, StoredResult, usage_json
from yamlgen.values import JSON


def describe_row(archive: RunReader, run: RunEntry, number: int) -> dict[str, JSON]:
    """A row (from 0): its columns, and each step's request, attempts, value or error.

    Raises:
        UsageError: the run has not finished such a row.
    """
    row = archive.row(run, number)
    if row is None:
        message = f"run {run.name} has no row {number + 1}, or has not finished it"
        raise UsageError(message, code=Code.NO_RUN, hint="rows count from 1")
    known = archive.id(run, row)
    return {
        "run": run.name,
        "simulated": archive.place.simulated,
        "row": number + 1,
        **({} if known is None else {"id": known}),
        "status": row.status,
        "columns": archive.columns(row),
        "steps": {each.step: _step(archive, each) for each in row.results},
    }


def _step(archive: RunReader, result: StoredResult) -> dict[str, JSON]:
    attempts = [_attempt(archive, each) for each in archive.attempts(result)]
    error, lost = archive.error(result), archive.lost(result)
    made = {"value": archive.value(result)} if error is None else {"error": error}
    return {"status": result.status, "attempts": attempts, **made, **({"failed_items": lost} if lost else {})}


def _attempt(archive: RunReader, attempt: StoredAttempt) -> dict[str, JSON]:
    request, response = archive.exchange(attempt)
    return {
        **({"case": attempt.case} if attempt.case else {}),
        "request": request,
        "response": response,
        "errors": attempt.errors,
        **({"notes": attempt.notes} if attempt.notes else {}),
        "run": attempt.run,
        "received": attempt.received,
        "model": attempt.model,
        "stop_reason": attempt.stop_reason,
        "request_id": attempt.request_id,
        "usage": usage_json(attempt.usage),
        "cost_usd": attempt.cost,
        "seconds": round(attempt.seconds, 3),
    }
