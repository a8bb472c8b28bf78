"""All details of one row of a run, as `runs show --row` prints them."""

from __future__ import annotations

import json

from yamlgen.errors import Code, UsageError
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import StoredAttempt, StoredResult, usage_json
from yamlgen.value_objects import JSON


def describe_row(run_reader: RunReader, run: RunEntry, number: int) -> dict[str, JSON]:
    """Return a row (from 0): its columns, and for each step the attempts and the value or error.

    Raises:
        UsageError: the run has no such row, or has not finished it.
    """
    row = run_reader.row(run, number)
    if row is None:
        message = f"run {run.name} has no row {number + 1}, or has not finished it"
        raise UsageError(message, code=Code.NO_RUN, hint="count rows from 1")
    known = run_reader.id(run, row)
    return {
        "run": run.name,
        "simulated": run_reader.place.simulated,
        "row": number + 1,
        **({} if known is None else {"id": known}),
        "status": row.status,
        "columns": run_reader.columns(row),
        "steps": {each.step: _step(run_reader, each) for each in row.results},
    }


def _step(run_reader: RunReader, result: StoredResult) -> dict[str, JSON]:
    attempts = [_attempt(run_reader, each) for each in run_reader.attempts(result)]
    error, lost = run_reader.error(result), run_reader.lost(result)
    made = {"value": run_reader.value(result)} if error is None else {"error": error}
    if result.thinking is not None:
        made["thinking"] = json.loads(result.thinking)
    return {"status": result.status, "attempts": attempts, **made, **({"failed_items": lost} if lost else {})}


def _attempt(run_reader: RunReader, attempt: StoredAttempt) -> dict[str, JSON]:
    request, response = run_reader.exchange(attempt)
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
        "batch": attempt.batch,
        "usage": usage_json(attempt.usage),
        "cost_usd": attempt.cost,
        "seconds": round(attempt.seconds, 3),
    }
